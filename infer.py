"""Ask a model about images.

    python infer.py --model output/demo --image a.jpg "图中有什么?"
    python infer.py --model output/demo --image a.jpg --image b.jpg "Which of the two is larger?"
    python infer.py --model output/demo                  # a chat; /help shows what it can do
    python infer.py --model output/demo --image a.jpg --json "图中有什么?"
    python infer.py --model output/demo-onnx --image a.jpg "图中有什么?"      # an ONNX or GGUF export; needs no torch
    python infer.py --model output/demo --budget 1GB --image a.jpg "图中有什么?"

The way of a question is told in smvl/infer/command.py: options, memory budget, engine, conversation.
"""

import sys
from collections.abc import Sequence

from smvl.infer.command import execute
from smvl.program import run_program


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0, 1 for what the user can mend, 130 after Ctrl-C, 141 when nobody reads on."""
    given = sys.argv[1:] if arguments is None else arguments
    return run_program("infer.py", lambda: execute(given, name="infer.py"))


if __name__ == "__main__":
    sys.exit(main())
