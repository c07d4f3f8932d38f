"""Calls of functions: how many held-out ones are exactly right, with the right and with swapped pictures, and whether `tool_choice` holds.

    python -m benchmarks.calls --model output/demo
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.drawn_uses import draw_samples, is_call
from smvl.data.sample import Sample
from smvl.eval.exact_match import score, table
from smvl.infer.engine import Engine
from smvl.infer.request import Request


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", required=True, help="a checkpoint or an export")
    parser.add_argument("--calls", type=int, default=200)
    parser.add_argument("--choices", type=int, default=100, help="questions asked with each tool_choice")
    options = parser.parse_args(arguments)
    engine = Engine.from_folder(options.model)
    with tempfile.TemporaryDirectory() as folder:
        samples = draw_samples(Path(folder), max(options.calls, options.choices), is_call)
        scores, _ = score(engine, samples[: options.calls], max_new_tokens=96, batch_size=32)
        print(table(scores))
        for choice in ("required", "none", "named"):
            held = share_held(engine, samples[: options.choices], choice)
            print(f"tool_choice {choice:10} holds in {held:.3f} of {options.choices}", flush=True)
    return 0


def share_held(engine: Engine, samples: Sequence[Sample], choice: str) -> float:
    """Share of answers that call, do not call, or call what was named; each call by its function's schema."""
    named = [sample.tools[place % len(sample.tools)]["function"]["name"] for place, sample in enumerate(samples)]
    requests = [
        Request(sample.prompt, sample.images, sample.tools, tool_choice=name if choice == "named" else choice)
        for sample, name in zip(samples, named)
    ]
    held = 0
    for answer, name in zip(engine.answer(requests, max_new_tokens=96, batch_size=32), named):
        calls = answer.tool_calls
        called = len(calls) == 1 and not calls[0].error
        held += not calls if choice == "none" else called and (choice == "required" or calls[0].name == name)
    return held / len(samples)


if __name__ == "__main__":
    sys.exit(main())
