"""What tests of MCP need: a small server of somebody else's, written into a folder, and processes that serve on an address."""

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PRICES = '''
import base64, io, sys
from mcp.server import MCPServer
from mcp.types import ImageContent, ToolAnnotations
from PIL import Image

server = MCPServer("prices", log_level="WARNING")
prices = {"苹果": 3}

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def price_of(name: str) -> str:
    """The price of a product."""
    return f"{name}: {prices[name]}元"

@server.tool()
def set_price(name: str, price: int) -> str:
    """Change a price."""
    prices[name] = price
    return "ok"

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def photo() -> ImageContent:
    """A photograph of the shelf."""
    png = io.BytesIO()
    Image.new("RGB", (40, 30), "red").save(png, "PNG")
    return ImageContent(type="image", data=base64.b64encode(png.getvalue()).decode(), mime_type="image/png")

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def wait() -> str:
    """Takes its time."""
    import time
    time.sleep(8)
    return "late"

@server.tool(annotations=ToolAnnotations(read_only_hint=True))
def leave() -> str:
    """Ends the server."""
    import os
    os._exit(1)

if len(sys.argv) > 1:
    import socket, uvicorn
    listening = socket.create_server(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listening.getsockname()[1]}/mcp", file=sys.stderr, flush=True)
    uvicorn.Server(uvicorn.Config(server.streamable_http_app(host="127.0.0.1"), log_level="warning")).run(sockets=[listening])
else:
    server.run("stdio")
'''


def write_prices(folder: Path) -> str:
    """The command of a server with five tools."""
    (folder / "prices.py").write_text(PRICES, encoding="utf-8")
    return f"{sys.executable} {folder / 'prices.py'}"


@contextlib.contextmanager
def serving(command: Sequence[str], **options: object) -> Iterator[str]:
    """The address that a command says on its standard error, while it runs."""
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)
    try:
        yield re.search(r"http://\S+", next(line for line in process.stderr if "http://" in line))[0]
    finally:
        process.kill()
        process.wait(10)
        process.stderr.close()
