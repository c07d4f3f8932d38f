"""What can be counted and added up in a table."""

from smvl.scenes.contents import Contents
from smvl.scenes.phrasing import phrase
from smvl.scenes.scene import COUNT, Question
from smvl.scenes.tables.cells import Facts, cell_of, rows_by_key
from smvl.scenes.tables.column import add_up, spoken


def ask_count(facts: Facts, contents: Contents) -> Question:
    """Rows, columns, rows that fit, the sum of a column or of two cells, the difference of two cells."""
    makers = [_count_rows, _count_columns]
    if facts["numbers"]:
        makers += [_count_above, _count_above, _count_difference]
    if facts["summed"]:
        makers += [_count_sum, _count_pair]
    return contents.random.choice(makers)(facts, contents)


def _count_rows(facts: Facts, contents: Contents) -> Question:
    if facts["total"]:
        asked = (
            "不算表头和合计，表格有几行？",
            "除去表头与合计行，一共几行数据？",
            "表里有多少行数据？合计行不算。",
            "合计之外有几行数据？",
        )
    else:
        asked = ("表格有几行数据？", "不算表头有多少行？", "表里一共有几条记录？", "除表头外一共几行？", "数一数有多少行数据。")
    return Question(COUNT, phrase(contents, asked), f"{len(facts['rows'])}行")


def _count_columns(facts: Facts, contents: Contents) -> Question:
    asked = ("表格有几列？", "一共有多少列？", "表头有几个栏目？回答几列。", "数一数这张表有几列。", "这个表共几列？")
    return Question(COUNT, phrase(contents, asked), f"{len(facts['columns'])}列")


def _count_above(facts: Facts, contents: Contents) -> Question:
    column = contents.random.choice(facts["numbers"])
    values = [float(cell_of(facts, key, column)) for key in rows_by_key(facts)]
    limit, above = int(contents.random.choice(values)), contents.random.random() < 0.5
    num = sum(value > limit if above else value < limit for value in values)
    asked = (
        "{column}{word}{limit}的有几行？",
        "有几行的{column}{word}{limit}？",
        "{column}{word}{limit}的记录有多少行？",
        "数一数{column}{word}{limit}的有几行。",
    )
    word = contents.random.choice(("高于", "大于", "超过") if above else ("低于", "小于", "不到"))
    return Question(COUNT, phrase(contents, asked, column=spoken(column), word=word, limit=str(limit)), f"{num}行")


def _count_sum(facts: Facts, contents: Contents) -> Question:
    column = contents.random.choice(facts["summed"])
    asked = (
        "{column}一共是多少？",
        "所有行的{column}加起来是多少？",
        "{column}这一列的总和是多少？",
        "求{column}的合计。",
        "把{column}一列相加等于多少？",
    )
    return Question(
        COUNT, phrase(contents, asked, column=spoken(column)), add_up([cell_of(facts, key, column) for key in rows_by_key(facts)])
    )


def _count_pair(facts: Facts, contents: Contents) -> Question:
    column = contents.random.choice(facts["summed"])
    first, second = contents.random.sample(list(rows_by_key(facts)), 2)
    asked = (
        "{a}和{b}的{column}加起来是多少？",
        "{a}与{b}的{column}之和是多少？",
        "{a}、{b}两行的{column}合计多少？",
        "{a}的{column}加上{b}的是多少？",
    )
    question = phrase(contents, asked, a=first, b=second, column=spoken(column))
    return Question(COUNT, question, add_up([cell_of(facts, key, column) for key in (first, second)]))


def _count_difference(facts: Facts, contents: Contents) -> Question:
    column = contents.random.choice(facts["numbers"])
    keys = contents.random.sample(list(rows_by_key(facts)), 2)
    less, more = sorted((cell_of(facts, key, column) for key in keys), key=float)
    asked = ("{a}和{b}的{column}相差多少？", "{a}与{b}的{column}差是多少？", "{a}、{b}两行的{column}差多少？", "{a}和{b}比，{column}差几？")
    negative = "-" + less
    return Question(COUNT, phrase(contents, asked, a=keys[0], b=keys[1], column=spoken(column)), add_up([more, negative]))
