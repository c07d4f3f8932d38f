"""Draws the demo's data into a folder.

    python -m smvl.data.demo_scenes --out data/demo --seed 1
"""

import argparse
import logging
import sys
from pathlib import Path

from smvl.data.demo_scenes.draw import write_demo_data
from smvl.program import run_program


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m smvl.data.demo_scenes", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to draw into")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--num-align", type=int, default=1500)
    parser.add_argument("--num-finetune", type=int, default=4000)
    parser.add_argument("--num-heldout", type=int, default=600)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_demo_data(
        arguments.out,
        seed=arguments.seed,
        num_align=arguments.num_align,
        num_finetune=arguments.num_finetune,
        num_heldout=arguments.num_heldout,
    )
    return 0


if __name__ == "__main__":
    sys.exit(run_program("smvl.data.demo_scenes", main))
