"""Dates and times as documents write them."""

import calendar
import datetime
import random

from smvl.scenes.contents import Contents

_FIRST = datetime.date(2018, 1, 1).toordinal()
_LAST = datetime.date(2032, 12, 31).toordinal()

DASHES, DOTS, SLASHES, CHINESE = "{0:%Y-%m-%d}", "{0:%Y.%m.%d}", "{0:%Y/%m/%d}", "{0.year}年{0.month}月{0.day}日"
FORMS = (DASHES, DOTS, SLASHES, CHINESE)


def date_text(day: datetime.date, form: str = CHINESE) -> str:
    """`form` is one of `FORMS`."""
    return form.format(day)


def random_day(generator: random.Random) -> datetime.date:
    return datetime.date.fromordinal(generator.randint(_FIRST, _LAST))


def draw_day(contents: Contents, form: str = CHINESE) -> datetime.date:
    """A day whose text in this form is of the split."""
    drawn: list[datetime.date] = []

    def make(generator: random.Random) -> str:
        drawn[:] = [random_day(generator)]
        return date_text(drawn[0], form)

    contents.text(make)
    return drawn[0]


def draw_time(contents: Contents, first_hour: int = 7, last_hour: int = 22, *, seconds: bool = True) -> str:
    """A time of day, `18:05:32` or `18:05`."""

    def make(generator: random.Random) -> str:
        hour, minute, second = generator.randint(first_hour, last_hour), generator.randrange(60), generator.randrange(60)
        return f"{hour:02d}:{minute:02d}:{second:02d}" if seconds else f"{hour:02d}:{minute:02d}"

    return contents.text(make)


def add_months(day: datetime.date, months: int) -> datetime.date:
    """The same day some months later, or the last of that month where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    return datetime.date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))
