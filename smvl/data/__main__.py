"""Commands that make and check data: `python -m smvl.data check PATH`. Each says more with --help."""

import importlib
import sys
from collections.abc import Sequence

from smvl.program import run_program

COMMANDS = {
    "check": ("look at data as training will, and say what to mend", "smvl.data.doctor.command"),
    "scenes": ("draw Chinese documents and signs with exact questions and answers", "smvl.data.scenes.command"),
}
"""By name: what it does, and the module whose `main(arguments)` does it and returns the exit status."""


def main(arguments: Sequence[str]) -> int:
    name = arguments[0] if arguments else "--help"
    if name in COMMANDS:
        return importlib.import_module(COMMANDS[name][1]).main(arguments[1:])
    lines = [f"  {command:<8}{purpose}" for command, (purpose, _) in COMMANDS.items()]
    text = "\n".join(["usage: python -m smvl.data COMMAND ...", "", *lines, ""])
    if name in ("--help", "-h"):
        sys.stdout.write(text)
        return 0
    sys.stderr.write(f"{text}\nfound {name!r}; expected one of {', '.join(COMMANDS)}\n")
    return 2


if __name__ == "__main__":
    sys.exit(run_program("smvl.data", lambda: main(sys.argv[1:])))
