"""Draws what stands for your own pictures in docs/own-data.md: dice on a table, and rows that ask how many points they show.

    python -m examples.own_pictures data/own                 # train.jsonl with 60 pictures, heldout.jsonl with 60 others

The demo's model has counted shapes and never seen a die.
"""

import argparse
import json
import math
import random
from pathlib import Path

from PIL import Image, ImageDraw

SIDE, SCALE = 96, 4
"""Pixels of a picture, and how many times larger it is drawn, for smooth edges."""
PIPS = {
    1: [(0, 0)],
    2: [(-1, -1), (1, 1)],
    3: [(-1, -1), (0, 0), (1, 1)],
    4: [(-1, -1), (1, -1), (-1, 1), (1, 1)],
    5: [(-1, -1), (1, -1), (0, 0), (-1, 1), (1, 1)],
    6: [(-1, -1), (1, -1), (-1, 0), (1, 0), (-1, 1), (1, 1)],
}
"""Places of the points, from the middle of the die."""
TABLES = [(38, 92, 60), (120, 82, 48), (200, 196, 186), (70, 76, 90), (226, 214, 180)]
DICE = [
    *(((245, 243, 236), (25, 25, 28)), ((190, 30, 36), (250, 246, 240))),
    *(((28, 40, 110), (240, 240, 250)), ((30, 30, 32), (236, 236, 232))),
]
"""Colours of the table, and of a die and its points."""
QUESTIONS = ("骰子上有多少个点?", "一共有多少个点?", "这颗骰子上有几个点?")


def draw_die(points: int, generator: random.Random) -> Image.Image:
    """A die from above, turned and placed by chance."""
    picture = Image.new("RGB", (SIDE * SCALE, SIDE * SCALE), generator.choice(TABLES))
    canvas = ImageDraw.Draw(picture)
    body, ink = generator.choice(DICE)
    half = generator.uniform(20, 30) * SCALE
    middle = [generator.uniform(1.42 * half, SIDE * SCALE - 1.42 * half) for _ in range(2)]
    angle = generator.uniform(0, 2 * math.pi)

    def place(x: float, y: float) -> tuple[float, float]:
        across, down = x * half, y * half
        return middle[0] + across * math.cos(angle) - down * math.sin(angle), middle[1] + across * math.sin(angle) + down * math.cos(angle)

    canvas.polygon([place(x, y) for x, y in ((-1, -1), (1, -1), (1, 1), (-1, 1))], fill=body)
    radius = 0.17 * half
    for x, y in PIPS[points]:
        left, top = place(0.55 * x, 0.55 * y)
        canvas.ellipse((left - radius, top - radius, left + radius, top + radius), fill=ink)
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def write_rows(folder: Path, name: str, number: int, generator: random.Random) -> None:
    lines = []
    for index in range(number):
        points, path = index % 6 + 1, f"images/{name}-{index:03d}.png"
        draw_die(points, generator).save(folder / path)
        content = [{"type": "image", "image": path}, {"type": "text", "text": generator.choice(QUESTIONS)}]
        messages = [{"role": "user", "content": content}, {"role": "assistant", "content": f"{points}个"}]
        lines.append(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=60, help="pictures to train on (default: %(default)s)")
    parser.add_argument("--heldout", type=int, default=60, help="pictures that are never trained on (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    (options.folder / "images").mkdir(parents=True, exist_ok=True)
    generator = random.Random(options.seed)
    for name, number in (("train", options.train), ("heldout", options.heldout)):
        write_rows(options.folder, name, number, generator)
        print(f"{options.folder / name}.jsonl: {number} pictures of dice")


if __name__ == "__main__":
    main()
