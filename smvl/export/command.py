"""Write a checkpoint for another runtime, load it back there, and compare:

    python -m smvl export --model output/demo --to onnx --bits 4 --out output/demo-onnx
    python -m smvl export --model output/demo --to gguf --bits 8 --out output/demo-gguf
    python -m smvl export --model output/demo --to gguf --kind Q4_K_M --out output/demo-q4km
    python -m smvl export --model output/demo --to idefics3 --out output/demo-idefics3
    python -m smvl export --model output/demo --to torchao --bits 8 --out output/demo-int8

The comparison is printed and written to parity.json. Exit status: 0; 1 for what the user can mend; 2 for an export that is further from
its checkpoint than it may be: it is kept, to be looked at.
"""

import argparse
import json
import logging
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from smvl.export.asking import ask_both
from smvl.export.parity import PARITY_FILE, Parity, compare, size_of_files
from smvl.export.probe import write_questions
from smvl.export.questions import find_questions
from smvl.export.settings import PRESET_FILE
from smvl.export.targets import DEFAULT_BITS, Target, find_target
from smvl.model_card import card_of_export, copy_license, write_card

logger = logging.getLogger(__name__)

TOO_FAR = 2


def main(arguments: Sequence[str]) -> int:
    options = parse(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("smvl").setLevel(logging.INFO)  # the exporters below it speak much and say little
    try:
        target = find_target(options.to, options.bits, options.kind)
        target.write(options.model, options.out)
        card = partial(card_of_export, options.model, target.label, commands=_commands(options.to, options.out))
        write_card(options.out, card(parity=None))
        copy_license(options.model, options.out)
        if options.no_compare:
            sys.stdout.write(f"{options.out} was written and not compared with {options.model}.\n")
            return 0
        parity = compare_export(target, options.model, options.out, options.heldout, options.questions, options.max_new_tokens)
    except ValueError as error:
        sys.stderr.write(f"smvl export: {error}\n")
        return 1
    write_card(options.out, card(parity=json.loads(parity.as_json())))
    sys.stdout.write(f"{parity.table()}\n")
    for excess in parity.excess:
        sys.stdout.write(f"  TOO FAR: {excess}.\n")
    sys.stdout.write(f"  Written to {options.out / PARITY_FILE}.\n")
    return TOO_FAR if parity.excess else 0


def compare_export(target: Target, checkpoint: Path, out: Path, heldout: Path | None, num_questions: int, max_new_tokens: int) -> Parity:
    """Ask the checkpoint and its export the same questions, each in a process of its own, and write `parity.json` beside the export.

    Raises:
        ValueError: there is nothing to ask, or one of the two cannot be loaded.
    """
    questions = find_questions(checkpoint, heldout, num_questions)
    logger.info("Comparing on %s.", questions.origin)
    with tempfile.TemporaryDirectory() as scratch:
        asked = Path(scratch) / "questions"
        write_questions(questions.requests, asked)
        before, after = ask_both(target, checkpoint, out, asked, Path(scratch), max_new_tokens=max_new_tokens)
    parity = compare(before, after, file_bytes=size_of_files(out), limits=target.limits, expected=questions.answers)
    (out / PARITY_FILE).write_text(parity.as_json() + "\n", encoding="utf-8")
    return parity


def _commands(target: str, out: Path) -> list[str]:
    """How an export is asked, for its card."""
    if target == "idefics3":
        return [f"vllm serve {out}"]
    commands = [f'smvl ask --model {out} --image a.jpg "图中有什么?"']
    if target == "gguf" and (out / PRESET_FILE).is_file():
        commands.append(f"cd {out} && llama-server --models-preset {PRESET_FILE}")
    elif target == "gguf":
        [vision] = out.glob("mmproj-*.gguf")
        [text] = set(out.glob("*.gguf")) - {vision}
        commands.append(f"llama-server -m {text} --mmproj {vision} --jinja")
    return commands


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The command's options."""
    parser = argparse.ArgumentParser(
        prog="smvl export", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=Path, required=True, metavar="FOLDER", help="a checkpoint")
    parser.add_argument("--to", required=True, choices=list(DEFAULT_BITS))
    precision = parser.add_mutually_exclusive_group()
    precision.add_argument("--bits", type=int, help="of the text model's weights (default: onnx 4, gguf 8, torchao 8)")
    precision.add_argument("--kind", metavar="NAME", help="gguf: the same by llama.cpp's name, K-quants such as Q4_K_M among them")
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER", help="where to write; new or empty")
    parser.add_argument("--heldout", type=Path, metavar="PATH", help="questions to compare on (default: those that the run held out)")
    parser.add_argument("--questions", type=int, default=100, metavar="N", help="how many (default: %(default)s)")
    parser.add_argument("--max-new-tokens", type=int, default=64, metavar="N", help="longest answer (default: %(default)s)")
    parser.add_argument("--no-compare", action="store_true", help="only write")
    return parser.parse_args(arguments)
