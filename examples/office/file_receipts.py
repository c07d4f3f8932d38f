"""Receipts become lines of a spreadsheet: fields by a schema, and a summary. What does not add up is marked.

    python -m examples.office.file_receipts --model output/demo --out expenses.csv receipt.png [more ...]
"""

import argparse
import csv
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path
from typing import Any

from examples.opened_model import look_at, open_model
from smvl import Form
from smvl.infer.loaded_model import LoadedModel

QUESTION = "写出这张小票。"
FIELDS = {"商品": {"type": "string"}, "单价": {"type": "integer"}, "合计": {"type": "integer"}, "摘要": {"type": "string"}}
RECEIPT = {"type": "object", "properties": FIELDS, "required": list(FIELDS)}
MOST_TOKENS = 200


@dataclass(frozen=True)
class Expense:
    picture: str
    product: str
    price: int
    total: int
    summary: str
    doubt: str
    """Why somebody should look at the receipt; empty where all fits."""


def read_receipt(model: LoadedModel, picture: Any) -> Expense:
    """The fields of one receipt.

    Raises:
        ValueError: the answer did not come to its end.
    """
    answer = model.ask(QUESTION, [picture], form=Form.json_schema(RECEIPT), max_new_tokens=MOST_TOKENS)
    if answer.finish != "stop":
        raise ValueError(f"the answer about {picture} did not come to its end ({answer.finish}).")
    read = json.loads(answer.text)
    return Expense(str(picture), read["商品"], read["单价"], read["合计"], read["摘要"], doubt_of(read))


def doubt_of(read: dict[str, Any]) -> str:
    """What does not fit together in the fields that were read."""
    if read["合计"] < read["单价"]:
        return "the total is less than the price"
    numbers = re.findall("[0-9]+", read["摘要"])
    missing = [key for key in ("单价", "合计") if str(read[key]) not in numbers]
    missing = (["商品"] if read["商品"] not in read["摘要"] else []) + missing
    return f"the summary says otherwise about {', '.join(missing)}" if missing else ""


def _inert(value: Any) -> Any:
    """A text that a spreadsheet would take for a formula is shown as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@")) else value


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where all receipts were read and fit, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pictures", nargs="+", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--out", type=Path, required=True, help="a CSV file, which must not be there yet")
    options = parser.parse_args(arguments)
    if options.out.exists() or not options.out.parent.is_dir():
        parser.error(f"{options.out} is there already." if options.out.exists() else f"there is no folder {options.out.parent}.")
    model, expenses, failed = open_model(parser, options.model), [], []
    with options.out.open("x", newline="", encoding="utf-8-sig") as file:  # the mark at its start tells spreadsheets of the encoding
        lines = csv.DictWriter(file, [field.name for field in fields(Expense)])
        lines.writeheader()
        for picture, expense in look_at(options.pictures, partial(read_receipt, model), failed):
            lines.writerow({name: _inert(value) for name, value in asdict(expense).items()})
            expenses.append(expense)
            print(f"{picture}: {expense.summary}{expense.doubt and f' ({expense.doubt})'}")
    doubts = sum(bool(expense.doubt) for expense in expenses)
    print(f"{len(expenses)} receipts in {options.out}, {doubts} to be looked at")
    return int(bool(doubts or failed))


if __name__ == "__main__":
    sys.exit(main())
