"""`smvl serve`: a model behind OpenAI's interface."""

import argparse
import ipaddress
import logging
import socket
from collections.abc import Sequence
from pathlib import Path

from smvl.infer.model_options import add_model_options, open_engine
from smvl.program import say

EXAMPLES = """\
examples:
  smvl serve --model output/demo                                   # http://127.0.0.1:8000, for this machine alone
  smvl serve --model output/demo --host 0.0.0.0 --api-key SECRET   # for a network
  smvl serve --model output/demo --allow-fetch "*.example.com"     # pictures by their address, of these hosts
"""


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 after Ctrl-C, 1 for what the user can mend."""
    options = make_parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        _serve(options)
    except ValueError as error:
        say(f"smvl serve: {' '.join(str(error).split())}")
        return 1
    return 0


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smvl serve",
        description="Serve a model to programs that speak OpenAI's interface.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_model_options(parser, most_tokens=1024)
    parser.add_argument("--host", default="127.0.0.1", help="where it listens: 0.0.0.0 for a whole network (default: %(default)s)")
    parser.add_argument("--port", type=int, default=8000, help="0 for any (default: %(default)s)")
    parser.add_argument("--name", metavar="NAME", help="what the model is called (default: its folder's name)")
    parser.add_argument("--api-key", metavar="KEY", help="what clients must send; without one everybody who reaches the port may ask")
    parser.add_argument(
        "--batch", type=int, default=16, metavar="N", help="answers that are written together at most (default: %(default)s)"
    )
    parser.add_argument("--queue", type=int, default=64, metavar="N", help="requests that wait; more get status 429 (default: %(default)s)")
    parser.add_argument("--keep", type=int, default=4, metavar="N", help="conversations whose beginning is kept (default: %(default)s)")
    parser.add_argument("--allow-fetch", action="append", default=[], metavar="HOST", help="hosts whose pictures are fetched; repeat")
    parser.add_argument("--allow-private", action="store_true", help="of these, also such in private networks")
    parser.add_argument("--most-megabytes", type=int, default=64, metavar="MB", help="of a request (default: %(default)s)")
    return parser


def _serve(options: argparse.Namespace) -> None:
    _check(options)
    try:
        import uvicorn

        from smvl.serve.app import Server, ServerSettings
    except ImportError as error:
        raise ValueError(f"{error.name} is not installed. Run: pip install -r requirements-serve.txt") from error
    from smvl.serve.batcher import Batcher
    from smvl.serve.fetching import FetchRules
    from smvl.serve.slow_senders import ImpatientProtocol

    listening = _listen(options.host, options.port)
    engine = open_engine(options)
    port = listening.getsockname()[1]
    settings = ServerSettings(
        name=options.name or Path(options.model).resolve().name,
        api_key=options.api_key,
        hosts=("127.0.0.1", "localhost", "[::1]") if _is_loopback(options.host) else ("*",),
        fetch=FetchRules(tuple(options.allow_fetch), allow_private=options.allow_private),
        default_tokens=options.max_new_tokens,
        most_bytes=options.most_megabytes << 20,
    )
    keep = options.keep if engine.plan is None else 0  # a budget has room for one conversation, the one that is answered
    batcher = Batcher(engine, batch_size=options.batch, most_waiting=options.queue, keep=keep)
    server = Server(engine, batcher, settings)
    config = uvicorn.Config(server.app, http=ImpatientProtocol, log_level="warning", timeout_graceful_shutdown=5, server_header=False)
    for address in _addresses(options.host):
        say(f"http://{address}:{port}")
    if not _is_loopback(options.host) and options.api_key is None:
        say("Everybody in this network may ask; --api-key KEY asks for a word first.")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    finally:
        batcher.close()


def _check(options: argparse.Namespace) -> None:
    for name, least in (("batch", 1), ("queue", 1), ("keep", 0), ("most_megabytes", 1), ("max_new_tokens", 1)):
        if getattr(options, name) < least:
            raise ValueError(f"--{name.replace('_', '-')} is {getattr(options, name)}; expected {least} or more.")
    if options.api_key is not None and not (options.api_key.isascii() and options.api_key.strip()):
        raise ValueError("--api-key is empty, or has characters that no header of HTTP can carry. Take letters and digits.")
    if options.allow_private and not options.allow_fetch:
        raise ValueError("--allow-private is about what --allow-fetch names. Name hosts with it.")


def _listen(host: str, port: int) -> socket.socket:
    """Before the model is loaded, so that a port that is taken is said at once."""
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        raise ValueError(f"{host}:{port} cannot be had ({error}). Give another --port, or 0 for any.") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses(host: str) -> list[str]:
    """Where a server is to be found; for one of all addresses also what others of the network call this machine."""
    if host not in ("0.0.0.0", "::"):
        return [f"[{host}]" if ":" in host else host]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # nothing is sent: it only asks which way there is (RFC 5737's address leads nowhere)
            return ["127.0.0.1", probe.getsockname()[0]]
        except OSError:
            return ["127.0.0.1"]
