"""Draws the demo's data into a folder.

    smvl demo-scenes --out data/demo --seed 1
"""

import argparse
import logging
from collections.abc import Sequence
from pathlib import Path

from smvl.demo_scenes.draw import write_demo_data


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="smvl demo-scenes", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder to draw into")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--num-align", type=int, default=1500)
    parser.add_argument("--num-finetune", type=int, default=4000)
    parser.add_argument("--num-heldout", type=int, default=600)
    options = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    write_demo_data(
        options.out,
        seed=options.seed,
        num_align=options.num_align,
        num_finetune=options.num_finetune,
        num_heldout=options.num_heldout,
    )
    return 0
