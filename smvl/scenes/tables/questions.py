"""What can be asked about tables. A cell is answered exactly as it is printed, without the unit of its heading."""

from smvl.scenes.contents import Contents
from smvl.scenes.phrasing import ask_markdown, phrase
from smvl.scenes.refusal import refuse
from smvl.scenes.scene import FIELD, READ, Ask, Question
from smvl.scenes.schema import Entry, ask_json, draw_entries
from smvl.scenes.tables.calls import ask_call
from smvl.scenes.tables.cells import Facts, cell_of, other_columns, rows_by_key
from smvl.scenes.tables.column import spoken
from smvl.scenes.tables.counting import ask_count
from smvl.scenes.tables.sorts import SORTS

_CELL = (
    "{row}的{column}是多少？",
    "{row}的{column}是什么？",
    "表格里{row}的{column}写的是什么？",
    "查一下{row}的{column}。",
    "{row}对应的{column}是？",
    "请问{row}的{column}？",
    "表中{row}那一行，{column}一栏是什么？",
    "帮我找到{row}的{column}。",
    "{row}这一行的{column}填的是什么？",
    "我想知道{row}的{column}。",
)
_LESSON = (
    "{column}{row}上什么课？",
    "{column}的{row}是什么课？",
    "课表上{column}{row}是哪门课？",
    "查一下{column}{row}的课程。",
    "{row}在{column}上什么？",
)
_REVERSE = (
    "{who}的{column}是{value}？",
    "{column}为{value}的是{who}？",
    "表格里{column}是{value}的是{who}？",
    "{column}一栏写着{value}的是{who}？",
    "哪一行的{column}是{value}？写出{key}。",
)
_LARGEST = (
    "{who}的{column}最高？",
    "{column}最大的是{who}？",
    "{column}排第一的是{who}？",
    "按{column}算，{who}最高？",
    "表中{column}数值最大的是{who}？",
)
_SMALLEST = (
    "{who}的{column}最低？",
    "{column}最小的是{who}？",
    "{column}排最后的是{who}？",
    "按{column}算，{who}最低？",
    "表中{column}数值最小的是{who}？",
)
_POSITION = (
    "不算表头，第{row}行第{column}列是什么？",
    "除表头外第{row}行、第{column}列的内容是什么？",
    "数据部分第{row}行第{column}列写的是什么？",
    "表头下面第{row}行，第{column}列填了什么？",
)
_TITLE = (
    "表格的标题是什么？",
    "这张表叫什么名字？",
    "读出表格的标题。",
    "这是一张什么表？写出标题。",
    "表名是什么？",
    "请问这个表格的名称？",
    "表格最上面的标题写的是什么？",
    "图中表格的题目是什么？",
)
_HEADER = (
    "表格有哪些列？用顿号隔开。",
    "表头依次是什么？用顿号隔开。",
    "写出所有列名，用顿号隔开。",
    "这张表的表头有哪些？中间用顿号。",
    "从左到右读出列名，用顿号分隔。",
)
_ROW = (
    "读出{row}那一行，用空格隔开。",
    "把{row}这一行的内容从左到右写出来，用空格分开。",
    "抄下表格中{row}所在的行，各格用空格隔开。",
    "{row}一行都写了什么？按顺序用空格隔开。",
)
_COLUMN = (
    "从上到下读出{column}这一列，每行一个。",
    "列出表中所有的{column}，一行一个。",
    "{column}一列依次是什么？每个占一行。",
    "把{column}那一列抄下来，每格一行。",
)
_ALL = (
    "把表格逐行抄下来，同一行的格子用空格隔开。",
    "按行转写整张表（含表头），行内用空格分隔。",
    "从表头开始逐行读出表格，各格用空格隔开。",
    "识别表格的全部内容，一行一行写，格与格之间空一格。",
)


def ask_cell(facts: Facts, contents: Contents) -> Question:
    key, column = contents.random.choice(list(rows_by_key(facts))), contents.random.choice(other_columns(facts))
    phrasings = _LESSON if facts["key"] == "节次" else _CELL
    return Question(FIELD, phrase(contents, phrasings, row=key, column=spoken(column)), cell_of(facts, key, column))


def ask_reverse(facts: Facts, contents: Contents) -> Question:
    """Whose cell this is, where only one is; else a cell."""
    columns = contents.random.sample(other_columns(facts), len(other_columns(facts)))
    for column in columns:
        cells = {key: cell_of(facts, key, column) for key in rows_by_key(facts)}
        single = [key for key, value in cells.items() if list(cells.values()).count(value) == 1]
        if single:
            key = contents.random.choice(single)
            question = phrase(contents, _REVERSE, who=facts["who"], column=spoken(column), value=cells[key], key=facts["key"])
            return Question(FIELD, question, key)
    return ask_cell(facts, contents)


def ask_extreme(facts: Facts, contents: Contents) -> Question:
    """The largest or smallest of a column of numbers, where there is but one; else a cell by its place."""
    if facts["numbers"]:
        column = contents.random.choice(facts["numbers"])
        values = {key: float(cell_of(facts, key, column)) for key in rows_by_key(facts)}
        choose, phrasings = contents.random.choice(((max, _LARGEST), (min, _SMALLEST)))
        extreme = choose(values.values())
        keys = [key for key, value in values.items() if value == extreme]
        if len(keys) == 1:
            return Question(FIELD, phrase(contents, phrasings, who=facts["who"], column=spoken(column)), keys[0])
    return ask_position(facts, contents)


def ask_position(facts: Facts, contents: Contents) -> Question:
    row, column = contents.random.randrange(len(facts["rows"])), contents.random.randrange(len(facts["columns"]))
    return Question(FIELD, phrase(contents, _POSITION, row=str(row + 1), column=str(column + 1)), facts["rows"][row][column])


def ask_absent(facts: Facts, contents: Contents) -> Question:
    """For a row, a column or a title that is not there."""
    kinds = ["row", "column"] + (["title"] if not facts["title"] else [])
    kind = contents.random.choice(kinds)
    if kind == "title":
        return refuse(phrase(contents, _TITLE), "标题")
    if kind == "row" and facts["key"] != "节次":
        key, column = _draw_other_key(facts, contents), contents.random.choice(other_columns(facts))
        return refuse(phrase(contents, _CELL, row=key, column=spoken(column)), key)
    shown = "".join([*facts["columns"], facts["title"], *(cell for row in facts["rows"] for cell in row)])
    column = contents.random.choice(sorted(name for name in _COLUMN_NAMES if name not in shown))
    key = contents.random.choice(list(rows_by_key(facts)))
    return refuse(phrase(contents, _CELL, row=key, column=column), column)


_COLUMN_NAMES = {
    column.name for sort in SORTS for column in sort.columns if column.name not in ("结果", *(f"星期{day}" for day in "一二三四五"))
}


def _draw_other_key(facts: Facts, contents: Contents) -> str:
    """A key of the same sort that no cell of the table holds."""
    sort = SORTS[facts["sort"]]
    shown = "\n".join(cell for row in facts["rows"] for cell in row)
    while (key := sort.key.make(contents)) in shown:
        pass
    return key


def ask_reading(facts: Facts, contents: Contents) -> Question:
    makers = [_read_row, _read_column, _read_column, _read_header, _read_all] + ([_read_title, _read_title] if facts["title"] else [])
    return contents.random.choice(makers)(facts, contents)


def _read_title(facts: Facts, contents: Contents) -> Question:
    return Question(READ, phrase(contents, _TITLE), facts["title"])


def _read_header(facts: Facts, contents: Contents) -> Question:
    return Question(READ, phrase(contents, _HEADER), "、".join(facts["columns"]))


def _read_row(facts: Facts, contents: Contents) -> Question:
    key = contents.random.choice(list(rows_by_key(facts)))
    return Question(READ, phrase(contents, _ROW, row=key), " ".join(rows_by_key(facts)[key]))


def _read_column(facts: Facts, contents: Contents) -> Question:
    column = contents.random.choice([name for name in facts["columns"] if name != facts["group"]])
    return Question(
        READ, phrase(contents, _COLUMN, column=spoken(column)), "\n".join(cell_of(facts, key, column) for key in rows_by_key(facts))
    )


def _read_all(facts: Facts, contents: Contents) -> Question:
    lines = [facts["columns"], *facts["rows"], *filter(None, [facts["total"]])]
    merged = "合并的单元格每行都写。" if facts["group"] else ""
    return Question(READ, phrase(contents, _ALL) + merged, "\n".join(" ".join(filter(None, line)) for line in lines))


def ask_table(facts: Facts, contents: Contents) -> Question:
    """All of it, or some columns; as it stands or in the order of a number."""
    columns = facts["columns"]
    if len(columns) > 2 and contents.random.random() < 0.35:
        num = contents.random.randint(2, len(columns))
        columns = [name for name in columns if name == facts["key"] or name in contents.random.sample(columns, num)]
    rows, order = list(rows_by_key(facts)), ""
    numbers = [name for name in facts["numbers"] if name in columns and len({cell_of(facts, key, name) for key in rows}) == len(rows)]
    if numbers and contents.random.random() < 0.3:
        number, largest_first = contents.random.choice(numbers), contents.random.random() < 0.6
        rows.sort(key=lambda key: float(cell_of(facts, key, number)), reverse=largest_first)
        order = (
            f"按{spoken(number)}{'从大到小' if largest_first else '从小到大'}排列，不写合计行。"
            if facts["total"]
            else (f"按{spoken(number)}{'从大到小' if largest_first else '从小到大'}排列。")
        )
    cells = [[cell_of(facts, key, name) for name in columns] for key in rows]
    if facts["total"] and not order:
        cells.append([facts["total"][facts["columns"].index(name)] for name in columns])
    subject = contents.random.choice(("图中的表格", "这张表", "表格内容", "图里的表"))
    asked = ask_markdown(contents, subject, columns, cells)
    merged = "合并的单元格每行都写。" if facts["group"] in columns else ""
    return Question(asked.kind, asked.question + order + merged, asked.answer)


def ask_as_json(facts: Facts, contents: Contents) -> Question:
    """One row as an object, or all rows with some of their columns."""
    entries = {key: [_entry(facts, key, name) for name in facts["columns"]] for key in rows_by_key(facts)}
    if contents.random.random() < 0.5:
        key = contents.random.choice(list(entries))
        subject = contents.random.choice(("表中{row}那一行", "{row}的信息", "表格里{row}的数据", "{row}所在行")).format(row=key)
        return ask_json(contents, subject, draw_entries(contents, entries[key]))
    names = [facts["key"], *contents.random.sample(other_columns(facts), min(2, len(other_columns(facts))))]
    rows = [[entry for entry in row if entry.key in names] for row in entries.values()]
    subject = contents.random.choice(("整张表", "表格的每一行", "表中所有数据行", "图中的表格"))
    return ask_json(contents, subject, [Entry(contents.random.choice(("数据", "列表", "行")), "array", rows)])


def _entry(facts: Facts, key: str, name: str) -> Entry:
    cell = cell_of(facts, key, name)
    if name in facts["numbers"]:
        return Entry(name, "number", float(cell) if "." in cell else int(cell))
    return Entry(name, "string", cell)


QUESTIONS: dict[Ask, float] = {
    ask_cell: 3.0,
    ask_reverse: 1.5,
    ask_extreme: 1.5,
    ask_position: 1.0,
    ask_reading: 1.5,
    ask_table: 3.0,
    ask_as_json: 2.0,
    ask_count: 2.0,
    ask_absent: 1.5,
    ask_call: 1.5,
}
