"""Draws what stands in a table: as many columns and rows as the picture has room for, and sums that are right."""

import re
import unicodedata
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.tables.column import Column, add_up
from smvl.scenes.tables.sorts import FAMILIES, SORTS, TOTAL, Sort

CELL_MARGIN = 1.1
"""Beside the longest cell of a column, in sizes of a letter."""
_TITLE_SHARE = 0.75
_TOTAL_SHARE = 0.4
_GROUP_SHARE = 0.6


def width_of_text(text: str) -> float:
    """In sizes of a letter."""
    return sum(1.0 if unicodedata.east_asian_width(character) in "WF" else 0.6 for character in text)


def draw_table(contents: Contents, room: float) -> dict[str, Any]:
    """{"sort", "title", "who", "key", "columns", "numbers", "summed", "group", "rows", "total"}; all cells are texts.

    Args:
        room: how wide and how high it may get, in sizes of a letter.
    """
    generator = contents.random
    sort = generator.choice(generator.choice(FAMILIES))
    columns = [sort.key, *_draw_columns(contents, sort)]
    group = sort.group if sort.group and generator.random() < _GROUP_SHARE else None
    num_rows = generator.randint(3, 6 if sort.all_columns else min(10, int(room / 2.6) - 3))
    rows = _draw_rows(contents, columns, num_rows)
    kind = generator.random()
    table: dict[str, Any] = {"sort": SORTS.index(sort), "title": "", "who": sort.who, "key": sort.key.name, "group": "", "total": []}
    names = [column.name for column in columns]
    if sort.total_column and kind < _TOTAL_SHARE and sum(column.sums for column in columns) > 1:
        _add_total_column(contents, columns, rows)
        names.append(sort.total_column)
    elif sort.total_row and kind < 2 * _TOTAL_SHARE and any(column.sums for column in columns):
        table["total"] = _draw_total_row(contents, columns, rows)
    if group:
        rows = _add_group(contents, group, rows)
        names.insert(0, group.name)
        table["group"] = group.name
    while _width(names, rows) > room and len(names) > 3:
        place = _droppable(names, sort, table)
        names.pop(place)
        for row in [*rows, *filter(None, [table["total"]])]:
            row.pop(place)
    if generator.random() < _TITLE_SHARE:
        table["title"] = contents.text(sort.title)
    numbers = [column.name for column in columns if column.number and column.name in names]
    summed = [column.name for column in columns if column.sums and column.name in names]
    if sort.total_column in names:
        numbers.append(sort.total_column)
    return table | {"columns": names, "numbers": numbers, "summed": summed, "rows": rows}


def _draw_columns(contents: Contents, sort: Sort) -> list[Column]:
    if sort.all_columns:
        return list(sort.columns)
    num = contents.random.randint(2, min(5, len(sort.columns)))
    chosen = sorted(contents.random.sample(range(len(sort.columns)), num))
    return [sort.columns[place] for place in chosen]


def _draw_rows(contents: Contents, columns: list[Column], num: int) -> list[list[str]]:
    """Rows with different keys; those that are labels in their own order."""
    rows: list[list[str]] = []
    while len(rows) < num:
        row = [column.make(contents) for column in columns]
        if all(row[0] != other[0] for other in rows):
            rows.append(row)
    return sorted(rows, key=lambda row: _order(columns[0].name, row[0]))


def _order(name: str, key: str) -> Any:
    """By time, by date and by the clock where the key is one; else as drawn."""
    if name == "节次":
        return "一二三四五六".index(key[1])
    if name == "日期":
        month, day = re.findall(r"\d+", key)
        return int(month), int(day)
    return key if name == "时间" else 0


def _add_total_column(contents: Contents, columns: list[Column], rows: list[list[str]]) -> None:
    """A last cell with the sum of each row, whose numbers are drawn again until it is of the split."""
    places = [place for place, column in enumerate(columns) if column.sums]
    for row in rows:
        while not contents.fits(total := add_up([row[place] for place in places])):
            place = contents.random.choice(places)
            row[place] = columns[place].make(contents)
        row.append(contents.keep(total))


def _draw_total_row(contents: Contents, columns: list[Column], rows: list[list[str]]) -> list[str]:
    """合计 and the sum of each column that can be summed, a cell of which is drawn again until it is of the split."""
    total = [TOTAL]
    for place, column in enumerate(columns[1:], start=1):
        if not column.sums:
            total.append("")
            continue
        while not contents.fits(added := add_up([row[place] for row in rows])):
            contents.random.choice(rows)[place] = column.make(contents)
        total.append(contents.keep(added))
    return total


def _add_group(contents: Contents, group: Column, rows: list[list[str]]) -> list[list[str]]:
    """A first column with the same word over some rows."""
    grouped: list[list[str]] = []
    words: list[str] = []
    while len(grouped) < len(rows):
        word = group.make(contents)
        if word not in words:
            words.append(word)
            num = contents.random.randint(1, 4)
            grouped += [[word, *row] for row in rows[len(grouped) : len(grouped) + num]]
    return grouped


def _width(names: list[str], rows: list[list[str]]) -> float:
    columns = zip(names, *rows)
    return sum(max(map(width_of_text, cells)) + CELL_MARGIN for cells in columns)


def _droppable(names: list[str], sort: Sort, table: dict[str, Any]) -> int:
    """The last column that is neither the key nor part of a sum."""
    kept = {sort.key.name, table["group"], sort.total_column}
    summed = {column.name for column in sort.columns if column.sums} if sort.total_column in names else set()
    places = [place for place, name in enumerate(names) if name not in kept | summed]
    return places[-1] if places else len(names) - 1
