"""Photographs of shelf tags go into a shop's stock: the model reads each tag and calls `update_price` of an MCP server over SQLite.

    python -m examples.retail.change_prices --model output/demo --stock stock.db tag.png [more ...] --allow
"""

import argparse
import shlex
import sqlite3
import sys
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from examples.opened_model import look_at, open_model
from examples.retail.stock_server import create_stock, read_prices
from smvl.agent import Agent
from smvl.agent.outcome import Outcome
from smvl.infer.loaded_model import LoadedModel
from smvl.infer.tool_calls import ToolCall

QUESTION = "按图改价。"


def stock_command(stock: Path) -> str:
    """What starts the server over its standard streams."""
    return shlex.join([sys.executable, str(Path(__file__).with_name("stock_server.py")), str(stock)])


def open_agent(model: LoadedModel, server: str, *, allow: bool, **options: Any) -> Agent:
    """An agent with the tools of one stock server, a command or an http address. Without `allow`, `permit` decides on every change."""
    return Agent(model, servers=[server], allow={"update_price"} if allow else (), steps=3, **options)


def change_price(agent: Agent, tag: Any) -> Outcome:
    """Let the model bring the stock in line with one tag."""
    return agent.run(QUESTION, images=[tag])


def ask_on_terminal(call: ToolCall) -> bool:
    return input(f"{call.name} {call.arguments} [y/N] ").strip().lower() in ("y", "yes", "是")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 where every tag was dealt with, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("tags", nargs="+", type=Path, help="pictures of price tags")
    parser.add_argument("--model", required=True)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--stock", type=Path, help="an SQLite file; where it is not there it is made, of --products")
    source.add_argument("--server", help="the address of a stock server that runs already, in the place of one over --stock")
    parser.add_argument("--products", default="", help="for a new file: names between commas; each begins at 1 yuan")
    parser.add_argument("--allow", action="store_true", help="change prices without asking")
    parser.add_argument("--transcript", type=Path, help="add everything that happens to a file of JSON Lines")
    options = parser.parse_args(arguments)
    try:
        before = {} if options.stock is None else _open_stock(options.stock, options.products)
        model, failed = open_model(parser, options.model), []
        agent = open_agent(
            model,
            options.server or stock_command(options.stock),
            allow=options.allow,
            permit=ask_on_terminal if sys.stdin.isatty() else None,
            transcript=options.transcript,
        )
    except (ValueError, sqlite3.Error) as error:
        parser.error(" ".join(str(error).split()))
    with closing(agent):
        for tag, outcome in look_at(options.tags, partial(change_price, agent), failed):
            failed += [] if outcome.ended == "answered" else [tag]
            print(f"{tag}: {_told(outcome)}")
    for name, price in read_prices(options.stock).items() if options.stock is not None else ():
        if price != before[name]:
            print(f"{name}: {before[name]} -> {price}")
    return int(bool(failed))


def _open_stock(stock: Path, products: str) -> dict[str, int]:
    """The prices of a stock, which is made where it is not there."""
    if not stock.exists():
        names = [name.strip() for name in products.split(",") if name.strip()]
        if not names:
            raise ValueError(f"there is no {stock}. Name the products of a new one with --products, or another file.")
        create_stock(stock, [(name, 1, 0) for name in names])
    return read_prices(stock)


def _told(outcome: Outcome) -> str:
    if outcome.ended == "answered":
        return outcome.text
    if outcome.ended == "refused":
        return "no price was changed: nobody permitted it. --allow permits it; on a terminal you are asked."
    return f"{outcome.ended}: {outcome.detail}"


if __name__ == "__main__":
    sys.exit(main())
