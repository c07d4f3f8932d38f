"""`python -m smvl.export --model DIR --to onnx|gguf|torchao|idefics3 --out DIR`; says more with --help."""

import sys

from smvl.export.command import main
from smvl.program import run_program

if __name__ == "__main__":
    sys.exit(run_program("smvl.export", lambda: main(sys.argv[1:])))
