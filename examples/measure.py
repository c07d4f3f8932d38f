"""How often each example is right on pictures that the demo's training has not seen, and with each picture swapped for another one's.

    python -m examples.measure --model output/demo
    python -m examples.measure --model output/demo --pictures 100 --use study --use office
"""

import argparse
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from examples.draw_pictures import Case, draw_cases
from examples.industry.inspect_pictures import inspect_gauge, inspect_sheet
from examples.office.file_receipts import read_receipt
from examples.opened_model import open_model
from examples.retail import stock_server
from examples.retail.change_prices import change_price, open_agent, stock_command
from examples.study.work_out import work_out
from smvl.infer.loaded_model import LoadedModel

LIMIT = 5
"""Of the gauges."""
IsRight = Callable[[LoadedModel, Any, Any], bool]
"""Whether a picture leads to what is expected."""


# ---- what is right ---------------------------------------------------------------------------------------------------------------


def study_is_right(model: LoadedModel, picture: Any, truth: str) -> bool:
    return work_out(model, picture).latex == truth


def gauge_is_right(model: LoadedModel, picture: Any, truth: int) -> bool:
    [reading] = inspect_gauge(model, picture, device="", limit=LIMIT)
    return reading.value == truth


def sheet_is_right(model: LoadedModel, picture: Any, truth: list[tuple[str, int, int]]) -> bool:
    return [(each.device, each.value, each.limit) for each in inspect_sheet(model, picture)] == truth


def receipt_is_right(model: LoadedModel, picture: Any, truth: tuple[str, int, int, str]) -> bool:
    expense = read_receipt(model, picture)
    return (expense.product, expense.price, expense.total, expense.summary) == truth


USES: dict[str, dict[str, IsRight]] = {
    "study": {"sums": study_is_right},
    "industry": {"gauges": gauge_is_right, "sheets": sheet_is_right},
    "office": {"receipts": receipt_is_right},
    "retail": {},
}
"""What is measured of each use, by the kind of its pictures; the stock is measured by itself."""


def swapped(cases: Sequence[Case]) -> list[Case]:
    """Each truth with the picture of the next one that says something else.

    Raises:
        ValueError: all say the same.
    """
    if all(case.truth == cases[0].truth for case in cases):
        raise ValueError(f"all {len(cases)} pictures say {cases[0].truth}, so none can be swapped. Draw more.")
    others = [next(other for other in [*cases[place:], *cases] if other.truth != case.truth) for place, case in enumerate(cases)]
    return [Case(other.picture, case.truth) for case, other in zip(cases, others)]


def share_right(model: LoadedModel, cases: Sequence[Case], is_right: IsRight) -> float:
    right = 0
    for case in cases:
        with suppress(ValueError):  # an answer that did not come to its end is not right
            right += is_right(model, case.picture, case.truth)
    return right / len(cases)


# ---- the stock -------------------------------------------------------------------------------------------------------------------


def share_stocked(model: LoadedModel, cases: Sequence[Case], server: str, stock: Path, *, allow: bool = True) -> tuple[float, int]:
    """(share of the tags after which the stock has their prices, and no other has changed; changes of any price)."""
    right, changes = 0, 0
    with open_agent(model, server, allow=allow) as agent:
        for case in cases:
            before = stock_server.read_prices(stock)
            change_price(agent, case.picture)
            after = stock_server.read_prices(stock)
            name, price = case.truth
            right += after == {**before, name: price}
            changes += after != before
    return right / len(cases), changes


@contextmanager
def serving_http(stock: Path) -> Iterator[str]:
    """The address of a stock server, while its process runs."""
    command = [sys.executable, stock_server.__file__, str(stock), "--port", "0"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        yield re.search(r"http://\S+", next(line for line in process.stderr if "http://" in line))[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def show_retail(model: LoadedModel, number: int) -> None:
    cases = draw_cases("tags", number)
    with tempfile.TemporaryDirectory() as folder:

        def new_stock(name: str) -> Path:
            stock = Path(folder) / name
            stock_server.create_stock(stock, [(case.truth[0], 1, 5) for case in cases])
            return stock

        stock = new_stock("swapped")
        control, _ = share_stocked(model, swapped(cases), stock_command(stock), stock)
        stock = new_stock("stdio")
        show("retail", "tags, server over stdio", number, share_stocked(model, cases, stock_command(stock), stock)[0], control)
        stock = new_stock("http")
        with serving_http(stock) as address:
            show("retail", "tags, server over HTTP", number, share_stocked(model, cases, address, stock)[0], control)
        stock = new_stock("forbidden")
        _, changes = share_stocked(model, cases, stock_command(stock), stock, allow=False)
        print(f"  retail    without permission, {changes} prices were changed", flush=True)


def show(use: str, what: str, number: int, right: float, control: float) -> None:
    print(f"  {use:10}{what:26}{number:8}{right:8.3f}{control:10.3f}", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True)
    parser.add_argument("--pictures", type=int, default=50, help="of each kind, 3 or more")
    parser.add_argument("--use", action="append", choices=list(USES), help="repeat; by default all")
    options = parser.parse_args(arguments)
    if options.pictures < 3:
        parser.error("--pictures: 3 or more, so that they can be swapped.")
    model = open_model(parser, options.model)
    print("  use       what                      pictures   right   swapped")
    for use in options.use or USES:
        for what, is_right in USES[use].items():
            cases = draw_cases(what, options.pictures)
            right, control = (share_right(model, each, is_right) for each in (cases, swapped(cases)))
            show(use, what, options.pictures, right, control)
        if use == "retail":
            show_retail(model, options.pictures)
    return 0


if __name__ == "__main__":
    sys.exit(main())
