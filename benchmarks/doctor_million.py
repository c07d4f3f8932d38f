"""The data doctor on a million rows of JSON Lines: time, memory of all its processes, and whether what was planted is found.

    python -m benchmarks.doctor_million                                # a million rows, two processes, lengths in characters
    python -m benchmarks.doctor_million --tokens                       # lengths in tokens of Qwen3's real tokenizer
    python -m benchmarks.doctor_million --rows 20000 --limit 2000      # smaller

Rows are Chinese questions and answers of 100 to 200 characters. One in ten is about one of 300 shared pictures; five in a thousand
are broken, in five ways; one in fifty repeats an earlier row word for word, and as many but for a few characters.

Time is that of the whole command (`python -m smvl check`), start and end included; beside it stands the processor's time of all its
processes, which other work on the machine stretches less. Memory is the largest sum over the tree of processes, sampled every half second
from /proc: PSS counts a page that n processes share as 1/n in each (what the command takes from the machine), RSS counts it n times.
Linux only. Aims, with two processes on two cores: under 10 minutes and under 1 GB of PSS.
"""

import argparse
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from tests.qwen3 import save_qwen3_tokenizer

ROOT = Path(__file__).parent.parent
NUM_IMAGES = 300
IMAGE_SHARE, BROKEN_SHARE, REPEATED_SHARE = 0.1, 0.005, 0.02
SAME, NEAR = "same row", "nearly the same row"
WAYS_TO_BREAK = ("broken JSON", "empty answer", "unknown role", "image count", "missing image")
PERIOD = 0.5
CHARACTERS = (
    "的一是在不了有和人这中大为上个国我以要他时来用们生到作地于出就分对成会可主发年动同工也能下过子说产种面而方后多定行学法所民得经"
)
CHARACTERS += (
    "十三之进着等部度家电力里如水化高自二理起小物现实加量都两体制机当使点从业本去把性好应开它合还因由其些然前外天政四日那社义事平形"
)


# ---- rows --------------------------------------------------------------------------------------------------------------------------


def words(generator: random.Random) -> list[str]:
    """Two thousand words of two or three characters."""
    return ["".join(generator.choices(CHARACTERS, k=generator.choice((2, 2, 3)))) for _ in range(2000)]


def sentence(generator: random.Random, vocabulary: list[str], length: int) -> str:
    """So many characters, a comma after every fifth word."""
    chosen = generator.choices(vocabulary, k=length // 2 + 1)
    return ",".join("".join(chosen[start : start + 5]) for start in range(0, len(chosen), 5))[:length]


def plant(generator: random.Random, row: dict, way: str) -> str:
    """A line that is broken in one way."""
    if way == "broken JSON":
        return json.dumps(row, ensure_ascii=False)[:-7]
    if way == "empty answer":
        row["messages"][-1]["content"] = " "
    elif way == "unknown role":
        row["messages"][0]["role"] = "narrator"
    elif way == "image count":
        row["images"] = ["images/0.jpg", "images/1.jpg"]
        row["messages"][0]["content"] = [{"type": "image"}, {"type": "text", "text": generator.choice(CHARACTERS)}]
    else:
        row["messages"][0]["content"] = [{"type": "image", "image": "images/lost.jpg"}, {"type": "text", "text": "?"}]
    return json.dumps(row, ensure_ascii=False)


def changed(generator: random.Random, row: dict) -> dict:
    """The same row with one character put before the answer and one behind it."""
    first, last = row["messages"]
    answer = generator.choice(CHARACTERS) + last["content"] + generator.choice(CHARACTERS)
    return {"messages": [first, {**last, "content": answer}]}


def lines(num_rows: int, seed: int, planted: Counter) -> Iterator[str]:
    """The lines of the file; what is planted is counted."""
    generator = random.Random(seed)
    vocabulary, earlier = words(generator), []
    for number in range(num_rows):
        drawn = generator.random()
        if drawn < 2 * REPEATED_SHARE and earlier:
            kind = SAME if drawn < REPEATED_SHARE else NEAR
            row = generator.choice(earlier)
            row = row if kind == SAME else changed(generator, row)
            planted[kind] += 1
        else:
            row = make_row(generator, vocabulary)
            if drawn > 1 - BROKEN_SHARE:
                way = WAYS_TO_BREAK[number % len(WAYS_TO_BREAK)]
                planted[way] += 1
                yield plant(generator, row, way) + "\n"
                continue
            if number % 50 == 0:
                earlier.append(row)
        yield json.dumps(row, ensure_ascii=False) + "\n"


def make_row(generator: random.Random, vocabulary: list[str]) -> dict:
    length = generator.randint(100, 200)
    question, answer = sentence(generator, vocabulary, length // 3) + "?", sentence(generator, vocabulary, length - length // 3) + "。"
    content = question
    if generator.random() < IMAGE_SHARE:
        content = [{"type": "image", "image": f"images/{generator.randrange(NUM_IMAGES)}.jpg"}, {"type": "text", "text": question}]
    return {"messages": [{"role": "user", "content": content}, {"role": "assistant", "content": answer}]}


def write_data(folder: Path, num_rows: int, seed: int) -> Counter:
    (folder / "images").mkdir()
    pixels = np.random.default_rng(seed)
    for number in range(NUM_IMAGES):
        coarse = Image.fromarray(pixels.integers(0, 256, (12, 12, 3), dtype=np.uint8))
        coarse.resize((int(pixels.integers(200, 900)), 300)).save(folder / f"images/{number}.jpg")
    planted = Counter()
    with (folder / "rows.jsonl").open("w", encoding="utf-8") as file:
        file.writelines(lines(num_rows, seed, planted))
    return planted


# ---- the command and what it takes -------------------------------------------------------------------------------------------------


def tree(pid: int) -> list[int]:
    """A process and all below it."""
    try:
        children = [int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()]
    except OSError:  # it has just ended
        return []
    return [pid, *(below for child in children for below in tree(child))]


def memory(pid: int) -> tuple[float, float]:
    """PSS and RSS of a tree of processes, in MB."""
    kilobytes = Counter()
    for process in tree(pid):
        try:
            rollup = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes.update({line.split()[0]: int(line.split()[1]) for line in rollup.splitlines() if line.startswith(("Pss:", "Rss:"))})
    return kilobytes["Pss:"] / 1e3, kilobytes["Rss:"] / 1e3


def run(command: list[str]) -> tuple[float, float, float, float]:
    """Seconds on the clock and of the processor, and the peaks of PSS and RSS in MB."""
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
    peaks, ended = [0.0, 0.0], threading.Event()

    def watch() -> None:
        while not ended.wait(PERIOD):
            peaks[:] = map(max, peaks, memory(process.pid))

    watcher = threading.Thread(target=watch)
    watcher.start()
    status = process.wait()
    seconds = time.monotonic() - began
    ended.set()
    watcher.join()
    if status not in (0, 1):
        raise SystemExit(f"{' '.join(command)} ended with {status}")
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, usage.ru_utime + usage.ru_stime, *peaks


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--tokens", action="store_true", help="count tokens, with Qwen3's tokenizer from the tests' packages")
    parser.add_argument("--limit", type=int, help="rows drawn at random; without it, all")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="smvl-doctor-") as name:
        folder = Path(name)
        began = time.monotonic()
        planted = write_data(folder, options.rows, options.seed)
        size = (folder / "rows.jsonl").stat().st_size / 1e6
        print(f"{options.rows:,} rows, {size:,.0f} MB, written in {time.monotonic() - began:.0f} s", flush=True)
        command = [sys.executable, "-m", "smvl", "check", str(folder / "rows.jsonl"), "--out", str(folder / "out")]
        command += ["--processes", str(options.processes)]
        if options.tokens:
            save_qwen3_tokenizer(folder / "qwen3")
            command += ["--model", str(folder / "qwen3")]
        if options.limit:
            command += ["--limit", str(options.limit)]
        seconds, processor, pss, rss = run(command)
        print_found(json.loads((folder / "out/report.json").read_text(encoding="utf-8")), planted)
    checked = min(options.limit or options.rows, options.rows)
    print(f"{seconds:.0f} s on the clock, {processor:.0f} s of the processor, {checked / seconds:,.0f} rows a second on the clock")
    print(f"peak of all processes: {pss:,.0f} MB PSS, {rss:,.0f} MB RSS; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")


def print_found(report: dict, planted: Counter) -> None:
    """What was planted beside what was found."""
    source, kinds = report["sources"][0], report["duplicates"]["training"]["kinds"]
    print(f"usable: {source['usable']:,} of {source['checked']:,}")
    for way in WAYS_TO_BREAK:
        found = source["broken"].get(way, {"count": 0})["count"]
        print(f"{way}: {planted[way]:,} planted, {found:,} found")
    for kind in (SAME, NEAR):
        print(f"{kind}: {planted[kind]:,} planted, {kinds[kind]['rows']:,} found")


if __name__ == "__main__":
    main()
