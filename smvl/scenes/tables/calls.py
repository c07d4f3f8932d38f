"""Tables as the occasion to call the functions of a records book."""

from collections.abc import Callable

from smvl.scenes.contents import Contents
from smvl.scenes.function_call import call_function, describe_function
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import TOOL, Question
from smvl.scenes.tables.cells import Facts
from smvl.scenes.tables.column import spoken
from smvl.scenes.tables.sorts import SORTS

_KEY = {"key": ("string", "要操作的行，填表中第一关键列的内容")}
_FUNCTIONS = {
    name: describe_function(name, meaning, parameters, tuple(parameters))
    for name, meaning, parameters in (
        ("update_record", "修改表格中的一个单元格", {**_KEY, "column": ("string", "列名，与表头一致"), "value": ("string", "新的内容")}),
        ("delete_record", "删除表格中的一行", _KEY),
        ("sort_table", "按某一列排序", {"column": ("string", "列名，与表头一致"), "order": ("string", "ascending或descending")}),
        (
            "highlight_record",
            "标记表格中的一行，并写下该行某一列现在的内容",
            {**_KEY, "column": ("string", "列名，与表头一致"), "value": ("string", "单元格现在的内容")},
        ),
    )
}
_UPDATES = (
    "把{row}的{column}改成{value}。",
    "{row}的{column}写错了，应该是{value}，请更正。",
    "请将表中{row}的{column}更新为{value}。",
    "{row}的{column}变了，现在是{value}，改一下。",
    "更新记录：{row}，{column}改为{value}。",
    "帮我把{row}那一行的{column}换成{value}。",
)
_DELETIONS = (
    "删掉{row}这一行。",
    "把表里{row}的记录删除。",
    "{row}不用了，请删除这一行。",
    "去掉{row}那条记录。",
    "请删除第{number}行数据。",
    "第{number}行数据作废，删掉。",
)
_SORTINGS = {
    "ascending": ("按{column}从小到大排序。", "把表格按{column}升序排列。", "请按{column}由低到高排一下。"),
    "descending": ("按{column}从大到小排序。", "把表格按{column}降序排列。", "请按{column}由高到低排一下。"),
}
_MARKS = (
    "标记{row}的{column}。",
    "把{row}这一行标出来，记下它的{column}。",
    "{row}的{column}要重点关注，请标记并写上现在的内容。",
    "高亮{row}，注明{column}。",
)

Order = tuple[str, str, dict[str, str]]
"""Words, the function's name and its arguments."""


def ask_call(facts: Facts, contents: Contents) -> Question:
    makers: list[Callable[[Facts, Contents], Order]] = [_update, _update, _delete, _mark] + ([_sort] if facts["numbers"] else [])
    words, name, arguments = contents.random.choice(makers)(facts, contents)
    others = [function for other, function in _FUNCTIONS.items() if other != name and contents.random.random() < 0.5]
    tools = [_FUNCTIONS[name], *others]
    contents.random.shuffle(tools)
    return Question(TOOL, words, tools=tuple(tools), tool_calls=(call_function(name, arguments),))


def _draw_row(facts: Facts, contents: Contents) -> tuple[int, str]:
    """A row's number and its key."""
    number = contents.random.randrange(len(facts["rows"]))
    return number, facts["rows"][number][facts["columns"].index(facts["key"])]


def _draw_column(facts: Facts, contents: Contents) -> str:
    sort = SORTS[facts["sort"]]
    made = {column.name for column in sort.columns}
    return contents.random.choice([name for name in facts["columns"] if name in made])


def _update(facts: Facts, contents: Contents) -> Order:
    """A new cell is drawn as the old one was."""
    number, key = _draw_row(facts, contents)
    name = _draw_column(facts, contents)
    sort = SORTS[facts["sort"]]
    column = next(column for column in sort.columns if column.name == name)
    while (value := column.make(contents)) == facts["rows"][number][facts["columns"].index(name)]:
        pass
    return (
        phrase(contents, _UPDATES, row=key, column=spoken(name), value=value),
        "update_record",
        {"key": key, "column": name, "value": value},
    )


def _delete(facts: Facts, contents: Contents) -> Order:
    number, key = _draw_row(facts, contents)
    return phrase(contents, _DELETIONS, row=key, number=str(number + 1)), "delete_record", {"key": key}


def _sort(facts: Facts, contents: Contents) -> Order:
    column, order = contents.random.choice(facts["numbers"]), contents.random.choice(tuple(_SORTINGS))
    return phrase(contents, _SORTINGS[order], column=spoken(column)), "sort_table", {"column": column, "order": order}


def _mark(facts: Facts, contents: Contents) -> Order:
    number, key = _draw_row(facts, contents)
    name = _draw_column(facts, contents)
    value = facts["rows"][number][facts["columns"].index(name)]
    return phrase(contents, _MARKS, row=key, column=spoken(name)), "highlight_record", {"key": key, "column": name, "value": value}
