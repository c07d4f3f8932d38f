"""A shop's stock in SQLite, as an MCP server with two tools: one looks a product up, one changes its price.

    python examples/retail/stock_server.py stock.db              # over its standard streams, as MCP clients start it
    python examples/retail/stock_server.py stock.db --port 8000  # over HTTP on this machine: http://127.0.0.1:8000/mcp
"""

import argparse
import socket
import sqlite3
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import uvicorn
from mcp.server import MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.types import ToolAnnotations

LOOKS_ONLY = ToolAnnotations(read_only_hint=True)
CHANGES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=True)
HIGHEST_PRICE = 100_000


def create_server(stock: Path) -> MCPServer:
    """Tools over one file; a product that is not in it, or a price that cannot be one, is an error that the model is told."""
    server = MCPServer("stock", log_level="WARNING")

    @server.tool(annotations=LOOKS_ONLY, description="看商品")
    def check_stock(商品: str) -> str:
        with opened(stock) as database:
            price, number = _find(database, 商品)
        return f"{商品}{price}元,有{number}个"

    @server.tool(annotations=CHANGES, description="改价")
    def update_price(商品: str, 单价: int) -> str:
        if not 0 < 单价 <= HIGHEST_PRICE:
            raise ToolError(f"单价{单价}: a price is more than 0 and at most {HIGHEST_PRICE}.")
        with opened(stock) as database:
            _find(database, 商品)
            database.execute("UPDATE stock SET price = ? WHERE name = ?", (单价, 商品))
        return f"{商品}改为{单价}元"

    return server


def create_stock(stock: Path, products: Iterable[tuple[str, int, int]]) -> None:
    """A new file of products: names, prices in yuan, and how many there are.

    Raises:
        ValueError: the file is there already.
    """
    if stock.exists():
        raise ValueError(f"{stock} is there already. Name another file.")
    with opened(stock) as database:
        database.execute("CREATE TABLE stock (name TEXT PRIMARY KEY, price INTEGER NOT NULL, number INTEGER NOT NULL)")
        database.executemany("INSERT INTO stock VALUES (?, ?, ?)", products)


def read_prices(stock: Path) -> dict[str, int]:
    """The price of every product, in yuan."""
    with opened(stock) as database:
        return dict(database.execute("SELECT name, price FROM stock"))


@contextmanager
def opened(stock: Path) -> Iterator[sqlite3.Connection]:
    """A connection for one piece of work, which is done whole or not at all."""
    with closing(sqlite3.connect(stock)) as database, database:
        yield database


def _find(database: sqlite3.Connection, name: str) -> tuple[int, int]:
    row = database.execute("SELECT price, number FROM stock WHERE name = ?", (name,)).fetchone()
    if row is None:
        raise ToolError(f"there is no product named {name}.")
    return row


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("stock", type=Path, help="an SQLite file that change_prices.py or you made")
    parser.add_argument("--port", type=int, help="serve over HTTP on this machine's own address; 0 takes a free one")
    options = parser.parse_args(arguments)
    if not options.stock.is_file():
        parser.error(f"{options.stock} is no file.")
    server = create_server(options.stock)
    if options.port is None:
        server.run("stdio")
    else:
        _serve_http(server, options.port)


def _serve_http(server: MCPServer, port: int) -> None:
    listening = socket.create_server(("127.0.0.1", port))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
    config = uvicorn.Config(server.streamable_http_app(host="127.0.0.1"), log_level="warning")
    uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
