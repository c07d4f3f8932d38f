"""Markdown tables as a Lark grammar: a grammar cannot count, so there is one rule for each number of columns."""

MOST_COLUMNS = 24


def _table(columns: int) -> str:
    row, line = (rf"/(\|{cell}){{{columns}}}\|/" for cell in (r"([^|\\\n]|\\[^\n])+", r" ?:?-{1,40}:? ?"))
    return f'table_{columns}: ROW_{columns} "\\n" LINE_{columns} ("\\n" ROW_{columns})*\nROW_{columns}: {row}\nLINE_{columns}: {line}\n'


TABLE = f"start: {' | '.join(f'table_{columns}' for columns in range(1, MOST_COLUMNS + 1))}\n" + "".join(
    map(_table, range(1, MOST_COLUMNS + 1))
)
