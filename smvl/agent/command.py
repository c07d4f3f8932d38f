"""`smvl agent`: a question to a model that calls tools of MCP servers until it can answer."""

import argparse
import json
import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from smvl.infer.model_options import add_model_options, open_engine
from smvl.program import say

if TYPE_CHECKING:
    from smvl.agent.outcome import Outcome
    from smvl.infer.tool_calls import ToolCall

EXAMPLES = """\
examples:
  smvl agent --model output/demo --mcp "python prices.py" --image tag.jpg "这件商品系统里卖多少钱?"
  smvl agent --model output/demo --mcp http://127.0.0.1:8000/mcp --allow update_price --image tag.jpg "把价签上的价格写进系统。"

A call that may change something is asked about on a terminal, and refused without one; --allow NAME permits it.
"""
_SHOWN = 300


def main(arguments: Sequence[str]) -> int:
    """Exit status: 0 where the model answered, 1 where it did not and for what the user can mend, 130 after Ctrl-C."""
    options = make_parser().parse_args(arguments)
    logging.getLogger("mcp").addHandler(logging.NullHandler())  # of a server that talks nonsense it would print tracebacks
    try:
        outcome = _run(options)
    except ValueError as error:
        say(f"smvl agent: {' '.join(str(error).split())}")
        return 1
    if outcome.text:
        sys.stdout.write(outcome.text + "\n")
        sys.stdout.flush()
    if outcome.ended == "answered":
        return 0
    say(f"smvl agent: ended without an answer ({outcome.ended}): {_plain(outcome.detail)}")
    return 1


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="smvl agent",
        description="Let a model call tools of MCP servers until it can answer.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question")
    add_model_options(parser, most_tokens=512)
    parser.add_argument(
        "--mcp", action="append", required=True, metavar="SERVER", help="a command or an http address; repeat for several servers"
    )
    parser.add_argument("--image", action="append", default=[], metavar="PATH", help="repeat for several images")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument("--thinking", action="store_true", help="let the model reason before each answer")
    parser.add_argument("--allow", action="append", default=[], metavar="NAME", help="a tool that need not be asked about; repeat")
    parser.add_argument("--steps", type=int, default=8, metavar="N", help="most answers of the model (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=300.0, metavar="S", help="longest time (default: %(default)g)")
    parser.add_argument("--transcript", metavar="FILE", help="add everything that happens to a file of JSON Lines")
    return parser


def _run(options: argparse.Namespace) -> "Outcome":
    from smvl.agent.mcp_library import load_mcp

    load_mcp()  # what is missing is said before the model is loaded
    engine = open_engine(options)
    from smvl.agent.agent import Agent
    from smvl.infer.typed import path_of_address, typed_text

    with Agent(
        engine,
        servers=options.mcp,
        system=options.system and typed_text(options.system),
        thinking=options.thinking,
        steps=options.steps,
        seconds=options.seconds,
        allow=options.allow,
        permit=_ask_on_terminal if _is_terminal() else None,
        transcript=options.transcript,
        watch=_show,
        max_new_tokens=options.max_new_tokens,
    ) as agent:
        return agent.run(typed_text(options.question), [path_of_address(image) for image in options.image])


def _is_terminal() -> bool:
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _ask_on_terminal(call: "ToolCall") -> bool:
    sys.stderr.write(f"Carry out {_call_text(call.name, call.arguments)}? [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes", "是")


def _show(event: dict[str, Any]) -> None:
    """Tell what happens on standard error, a line for each call and what came of it."""
    if event["event"] == "answer":
        for call in event["calls"]:
            say(f"{event['step']}. {_call_text(call['name'], call['arguments'])}")
    elif event["event"] == "result":
        pictures = f" ({len(event['images'])} pictures)" if event["images"] else ""
        say(f"   {_shorten(event['text'])}{pictures}")
    elif event["event"] == "permission" and not event["granted"] and not _is_terminal():
        say(f"   there is no terminal to ask on: --allow {event['name']} permits it.")


def _call_text(name: str, arguments: dict[str, Any]) -> str:
    return _plain(f"{name} {json.dumps(arguments, ensure_ascii=False)}")


def _shorten(text: str) -> str:
    plain = _plain(" ".join(text.split()))
    return plain if len(plain) <= _SHOWN else f"{plain[:_SHOWN]}..."


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor or turn its text around."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)
