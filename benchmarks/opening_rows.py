"""Opening data and reading rows of it at random: what smvl does, beside the plain ways.

    python -m benchmarks.opening_rows                     # a million rows: 0.8 GB of JSON Lines, 0.8 GB as one list, in a temporary folder
    python -m benchmarks.opening_rows --rows 100000

Each way runs in a process of its own. Memory is what the process holds after opening, above what it held before; its peak is beside it.
"""

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from smvl.config import SourceConfig
from smvl.source_registry import open_source

NUM_READ = 20_000


def parse_all(path: Path) -> list[Any]:
    """json.load of a list, or json.loads of every line."""
    with path.open(encoding="utf-8") as content:
        return json.load(content) if path.suffix == ".json" else [json.loads(line) for line in content]


def open_rows(path: Path) -> Any:
    return open_source(SourceConfig(path=str(path)))


WAYS = {"json, all in memory": parse_all, "smvl": open_rows}


def write_rows(folder: Path, num_rows: int) -> list[Path]:
    """The same rows as lines and as one list, about 850 bytes each, with one image."""
    lines, whole = folder / "rows.jsonl", folder / "rows.json"
    with lines.open("w", encoding="utf-8") as as_lines, whole.open("w", encoding="utf-8") as as_list:
        for number in range(num_rows):
            question = [{"type": "image", "image": f"images/{number % 10}.png"}, {"type": "text", "text": "这张图里写着什么?" * 10}]
            messages = [{"role": "user", "content": question}, {"role": "assistant", "content": "牌子上写着字。" * 20}]
            row = json.dumps({"id": f"row-{number}", "messages": messages}, ensure_ascii=False)
            as_lines.write(f"{row}\n")
            as_list.write(f"{',' if number else '['}\n{row}")
        as_list.write("]\n")
    return [lines, whole]


def measure(way: str, path: Path) -> dict[str, float]:
    before, start = _resident_megabytes(), time.perf_counter()
    rows = WAYS[way](path)
    seconds, held = time.perf_counter() - start, _resident_megabytes() - before
    generator, start = random.Random(0), time.perf_counter()
    for _ in range(NUM_READ):
        rows[generator.randrange(len(rows))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 - before
    return {"seconds": seconds, "held": held, "peak": peak, "microseconds": (time.perf_counter() - start) / NUM_READ * 1e6}


def _resident_megabytes() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * resource.getpagesize() / 2**20


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--measure", nargs=2, metavar=("WAY", "PATH"), help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure[0], Path(options.measure[1]))))
        return
    print("file        way                    opening      held      peak   a row at random")
    with tempfile.TemporaryDirectory() as folder:
        for path in write_rows(Path(folder), options.rows):
            for way in WAYS:
                command = [sys.executable, "-m", "benchmarks.opening_rows", "--measure", way, str(path)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                print(
                    f"{path.name:10}  {way:20}  {found['seconds']:6.1f} s  {found['held']:5.0f} MB  {found['peak']:5.0f} MB  "
                    f"{found['microseconds']:12.0f} us"
                )


if __name__ == "__main__":
    main()
