"""Draws what stands for your own pictures in docs/own-data.md: displays of an electricity meter, and rows that ask what they show.

    python -m examples.own_pictures data/own                 # train.jsonl with 60 pictures, heldout.jsonl with 40 others

The demo's model has read printed and handwritten digits and never one of seven segments. No number stands in both files.
"""

import argparse
import json
import random
from pathlib import Path

from PIL import Image, ImageDraw

SIDE = 96
SEGMENTS = {
    **{"a": (0, 0, 1, 0), "b": (1, 0, 1, 1), "c": (1, 1, 1, 2), "d": (0, 2, 1, 2)},
    **{"e": (0, 1, 0, 2), "f": (0, 0, 0, 1), "g": (0, 1, 1, 1)},
}
"""From where to where, in widths and half heights of a digit."""
DIGITS = ("abcdef", "bc", "abged", "abgcd", "fgbc", "afgcd", "afgedc", "abc", "abcdefg", "abcdfg")
LIT = [((60, 64, 70), (12, 18, 14), (60, 240, 120)), ((60, 64, 70), (20, 10, 10), (255, 70, 50))]
GREY = [((200, 200, 196), (150, 165, 140), (25, 30, 25)), ((225, 225, 220), (180, 190, 175), (10, 10, 10))]
"""Colours of the case, the glass and the digits."""
QUESTIONS = ("电表显示多少?", "读数是多少?", "显示屏上的数字是多少?")


def draw_display(number: str, generator: random.Random) -> Image.Image:
    """A number on a lit or a grey display, somewhat slanted, anywhere on the picture."""
    case, glass, ink = generator.choice(LIT + GREY)
    picture = Image.new("RGB", (SIDE, SIDE), case)
    canvas = ImageDraw.Draw(picture)
    width, height, slant = generator.uniform(13, 18), generator.uniform(24, 34), generator.uniform(0, 0.15)
    pitch = width * 1.45
    left = generator.uniform(8, SIDE - 6 - pitch * len(number))
    top = generator.uniform(12, SIDE - 16 - height)
    canvas.rounded_rectangle((left - 7, top - 8, left + pitch * len(number) + 4, top + height + 8), 4, fill=glass)
    for place, digit in enumerate(number):
        for name in DIGITS[int(digit)]:
            x0, y0, x1, y1 = SEGMENTS[name]
            start = left + place * pitch
            points = [(start + x * width + slant * (2 - y) * height / 2, top + y * height / 2) for x, y in ((x0, y0), (x1, y1))]
            canvas.line(points, fill=ink, width=round(width / 5))
    return picture


def write_rows(folder: Path, name: str, numbers: list[str], generator: random.Random) -> None:
    lines = []
    for number in numbers:
        path = f"images/{name}-{number}.png"
        draw_display(number, generator).save(folder / path)
        content = [{"type": "image", "image": path}, {"type": "text", "text": generator.choice(QUESTIONS)}]
        messages = [{"role": "user", "content": content}, {"role": "assistant", "content": number}]
        lines.append(json.dumps({"messages": messages}, ensure_ascii=False) + "\n")
    (folder / f"{name}.jsonl").write_text("".join(lines), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--train", type=int, default=60, help="pictures to train on (default: %(default)s)")
    parser.add_argument("--heldout", type=int, default=40, help="pictures that are never trained on (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    generator = random.Random(options.seed)
    numbers = [str(number) for number in generator.sample(range(100, 1000), options.train + options.heldout)]
    (options.folder / "images").mkdir(parents=True, exist_ok=True)
    write_rows(options.folder, "train", numbers[: options.train], generator)
    write_rows(options.folder, "heldout", numbers[options.train :], generator)


if __name__ == "__main__":
    main()
