"""Numbers as they are written."""

from decimal import Decimal


def shortest(value: Decimal) -> str:
    """A number as its shortest exact decimal: `0.4`, `100`."""
    return format(value.normalize(), "f") if value else "0"
