"""What can be asked about two tables."""

from smvl.scenes.contents import Contents
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COMPARE, Question
from smvl.scenes.tables.cells import Facts

_MORE_ROWS = ("哪张表的数据行更多？", "两张表，哪张的行数多？", "第一张和第二张，哪个表的记录更多？", "比较两张图，数据行多的是哪张？")
_MORE_COLUMNS = ("哪张表的列更多？", "两张表，哪张的列数多？", "第一张和第二张，哪个表的栏目多？", "比较两张图，列多的是哪张？")
_ALL_ROWS = ("两张表一共有多少行数据？", "两个表的数据行加起来有几行？", "把两张表的记录合在一起，共几行？", "两张图里总共有多少行数据？")
_WHICH_HAS = ("哪张表里有“{cell}”？", "“{cell}”出现在哪张表中？", "要查“{cell}”，该看第一张还是第二张？", "“{cell}”在哪张图里？")
_COLUMN_IN = ("“{column}”这一列在哪张表里？", "哪张表有“{column}”一栏？", "想看{column}，该查哪张表？", "有“{column}”列的是哪张图？")


def compare(first: Facts, second: Facts, contents: Contents) -> Question:
    """Which has more rows or columns, how many rows there are, which holds a cell or a column."""
    makers = [_compare_rows, _compare_columns, _count_rows, _find_cell]
    if set(first["columns"]) ^ set(second["columns"]):
        makers.append(_find_column)
    return contents.random.choice(makers)(first, second, contents)


def _which(first: int, second: int) -> str:
    return "一样多" if first == second else "第一张" if first > second else "第二张"


def _compare_rows(first: Facts, second: Facts, contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, _MORE_ROWS), _which(len(first["rows"]), len(second["rows"])))


def _compare_columns(first: Facts, second: Facts, contents: Contents) -> Question:
    return Question(COMPARE, phrase(contents, _MORE_COLUMNS), _which(len(first["columns"]), len(second["columns"])))


def _count_rows(first: Facts, second: Facts, contents: Contents) -> Question:
    asked = phrase(contents, _ALL_ROWS)
    ending = "合计行不算。" if first["total"] or second["total"] else ""
    return Question(COMPARE, asked + ending, f"{len(first['rows']) + len(second['rows'])}行")


def _find_cell(first: Facts, second: Facts, contents: Contents) -> Question:
    """A key of one that the other does not hold anywhere."""
    cells = [[cell for row in facts["rows"] for cell in row] for facts in (first, second)]
    for place in contents.random.sample((0, 1), 2):
        facts = (first, second)[place]
        column = facts["columns"].index(facts["key"])
        keys = [row[column] for row in facts["rows"] if not any(row[column] in cell for cell in cells[1 - place])]
        if keys:
            return Question(COMPARE, phrase(contents, _WHICH_HAS, cell=contents.random.choice(keys)), ("第一张", "第二张")[place])
    return _compare_rows(first, second, contents)


def _find_column(first: Facts, second: Facts, contents: Contents) -> Question:
    name = contents.random.choice(sorted(set(first["columns"]) ^ set(second["columns"])))
    return Question(COMPARE, phrase(contents, _COLUMN_IN, column=name), "第一张" if name in first["columns"] else "第二张")
