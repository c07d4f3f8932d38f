"""`smvl mcp`: a model as an MCP server, over standard input and output or on an address of this machine."""

import argparse
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from smvl.infer.model_options import add_model_options, open_engine
from smvl.program import say

EXAMPLES = """\
examples:
  smvl mcp --model output/demo --root pictures                 # what a client of MCP starts by itself
  smvl mcp --model output/demo --root pictures --http 8000     # http://127.0.0.1:8000/mcp

Tools: ask_image(image, question), read_document(image), extract(image, schema).
"""
_HOST = "127.0.0.1"
_MOST_BYTES = 64_000_000
"""Of a request: a photograph of 40 MB in base64."""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 once the client has gone, 1 for what the user can mend."""
    options = make_parser().parse_args(arguments)
    try:
        if options.http is None:
            _check_standard_streams()
            with _nothing_printed():
                server = _make_server(options)
            server.run("stdio")
        else:
            with _listen(options.http) as listening:
                _serve_http(_make_server(options), listening)
    except ValueError as error:
        say(f"smvl mcp: {' '.join(str(error).split())}")
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smvl mcp",
        description="Serve a model to clients of the Model Context Protocol.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser, most_tokens=1024)
    parser.add_argument(
        "--root", action="append", metavar="FOLDER", help="a folder whose pictures may be named; repeat (default: the current folder)"
    )
    parser.add_argument("--http", type=int, metavar="PORT", help=f"serve on {_HOST} instead; 0 takes a free port")
    return parser


def _make_server(options: argparse.Namespace) -> Any:
    from smvl.agent.mcp_library import load_mcp

    load_mcp()
    engine = open_engine(options)
    from smvl.agent.picture_access import PictureAccess
    from smvl.agent.vision_server import create_server
    from smvl.infer.loaded_model import LoadedModel

    if not options.root and Path.cwd() == Path(Path.cwd().anchor):  # where some clients start their servers
        raise ValueError("the current folder is the whole machine. Name the folders of pictures that may be read: --root FOLDER")
    pictures = PictureAccess(options.root or ["."])
    return create_server(LoadedModel(engine), pictures, max_new_tokens=options.max_new_tokens)


def _check_standard_streams() -> None:
    if sys.stdin is None or sys.stdout is None:
        raise ValueError("standard input or output is closed, which a client would speak over. Give --http PORT, or leave them open.")
    if sys.stdin.isatty():
        say("smvl mcp: waits for a client on standard input, which is a terminal; --http PORT serves on an address instead.")


@contextmanager
def _nothing_printed() -> Iterator[None]:
    """What libraries print while a model is loaded goes to standard error: standard output is the protocol's alone."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def _listen(port: int) -> socket.socket:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((_HOST, port))
        listening.listen()
    except (OSError, OverflowError) as error:
        listening.close()
        raise ValueError(f"--http {port}: the port cannot be had ({error}). Give another one, or 0 for any.") from error
    return listening


def _serve_http(server: Any, listening: socket.socket) -> None:
    import uvicorn

    app = server.streamable_http_app(host=_HOST, max_request_body_size=_MOST_BYTES)
    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=2)
    say(f"smvl mcp: http://{_HOST}:{listening.getsockname()[1]}/mcp")
    uvicorn.Server(config).run(sockets=[listening])
