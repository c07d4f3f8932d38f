"""One door to every command: `smvl COMMAND ...`, or `python -m smvl COMMAND ...`. Each says more with --help."""

import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from smvl.program import run_program


@dataclass(frozen=True)
class Command:
    purpose: str
    module: str
    """Its `main(arguments)` does it and returns the exit status."""
    way_on: str = "run the same command again"
    """What to do once a full disk has room again."""


COMMANDS = {
    "train": Command("train a model in stages, as a recipe says", "smvl.train.command", "go on with --resume"),
    "ask": Command("ask a model about pictures, once or in a chat", "smvl.infer.command"),
    "batch": Command("ask one question of many pictures, an answer a line", "smvl.batch.command"),
    "serve": Command("serve a model to programs that speak OpenAI's interface", "smvl.serve.command"),
    "agent": Command("let a model call tools of MCP servers until it can answer", "smvl.agent.command"),
    "mcp": Command("serve a model to clients of the Model Context Protocol", "smvl.agent.mcp_command"),
    "check": Command("look at data as training will, and say what to mend", "smvl.doctor.command"),
    "scenes": Command("draw Chinese documents and signs with exact questions and answers", "smvl.scenes.command"),
    "demo-scenes": Command("draw the small pictures and questions of the demo", "smvl.demo_scenes.command"),
    "export": Command("write a model for another runtime, and compare the two", "smvl.export.command"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status of the command that the arguments (by default the command line's) begin with; 2 for one that there is not."""
    name, *rest = (sys.argv[1:] if arguments is None else arguments) or ["--help"]
    if name in COMMANDS:
        command = COMMANDS[name]
        return run_program(f"smvl {name}", lambda: importlib.import_module(command.module).main(rest), way_on=command.way_on)
    return run_program("smvl", lambda: _list_commands(name))


def _list_commands(name: str) -> int:
    lines = [f"  {name:<12} {command.purpose}" for name, command in COMMANDS.items()]
    text = "\n".join(["usage: smvl COMMAND ...", "", *lines, "", "smvl COMMAND --help says what it takes.", ""])
    if name in ("--help", "-h"):
        sys.stdout.write(text)
        return 0
    sys.stderr.write(f"{text}\nsmvl: found {name!r}; expected one of {', '.join(COMMANDS)}.\n")
    return 2


if __name__ == "__main__":
    sys.exit(main())
