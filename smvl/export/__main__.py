"""`python -m smvl.export --model DIR --to onnx|gguf|torchao|idefics3 --out DIR`; says more with --help."""

import sys

from smvl.export.command import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
