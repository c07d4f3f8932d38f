"""Forecast and measured peak of the memory contract: each budget is granted and used up to its whole context, or refused.

    python -m benchmarks.memory_budget --model output/demo --budgets 200MB 600MB 1GB
    python -m benchmarks.memory_budget --model FOLDER         # of the full size: benchmarks.infer_latency --keep FOLDER leaves one

Each budget is a process of its own. It asks about a picture of 12 megapixels (2 where no more is allowed), fills its context with a long
question (`--most-read` tokens at most), goes on writing to its end, and then asks about a second picture, which a chat may bring at any
time.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from math import prod
from pathlib import Path

ROOT = Path(__file__).parent.parent
BUDGETS = ("1GB", "600MB", "200MB")
WIDTHS = (4000, 1600)
"""Of pictures, in pixels: as telephones take them, and as screens show them."""
MOST_READ = 3000
MOST_WRITTEN = 128


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a checkpoint or an export")
    parser.add_argument("--budgets", nargs="*", default=BUDGETS)
    parser.add_argument("--most-read", type=int, default=MOST_READ, help="tokens of context that are filled at most")
    parser.add_argument("--python", default=sys.executable, help="of another environment, such as one of requirements-edge.txt")
    parser.add_argument("--side", nargs="+", metavar="BUDGET PICTURE", help="one of them, in this process")
    options = parser.parse_args(arguments)
    if options.side:
        budget, *pictures = options.side
        sys.stdout.write(json.dumps(use_up(options.model, budget, list(map(Path, pictures)), options.most_read)) + "\n")
        return 0
    with tempfile.TemporaryDirectory() as scratch:
        pictures = [draw_picture(Path(scratch) / f"{width}.jpg", width) for width in WIDTHS]
        print(f"{'budget':>10}  {'form':18}{'tiles':>6}{'context':>9}{'read':>7}{'forecast MB':>13}{'measured MB':>13}", flush=True)
        for budget in options.budgets:
            print(measure(options, budget, pictures), flush=True)
    return 0


def measure(options: argparse.Namespace, budget: str, pictures: list[Path]) -> str:
    command = [options.python, "-m", "benchmarks.memory_budget", "--model", options.model, "--most-read", options.most_read]
    done = subprocess.run(
        [*map(str, [*command, "--side", budget, *pictures])], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        return f"{budget:>10}  {done.stderr.strip().splitlines()[-1]}"
    found = json.loads(done.stdout.splitlines()[-1])
    if "refused" in found:
        return f"{budget:>10}  refused: {found['refused']}"
    return (
        f"{budget:>10}  {found['form']:18}{found['tiles']:6}{found['context']:9,}{found['read']:7,}{found['forecast'] / 1e6:13,.0f}"
        f"{found['peak'] / 1e6:13,.0f}"
    )


def use_up(folder: Path, budget: str, pictures: list[Path], most_read: int) -> dict[str, object]:
    """Grant a budget and take what it grants, with the first of the pictures that it allows."""
    from smvl.infer.budget.plan import BudgetError, plan_budget
    from smvl.infer.without_torch import is_export, without_torch

    try:
        plan = plan_budget(folder, budget)
    except BudgetError as error:
        return {"refused": str(error).splitlines()[0]}
    if is_export(plan.form.folder):
        without_torch()
    from smvl.export.probe import peak_bytes
    from smvl.infer.engine import Engine
    from smvl.infer.request import Request
    from smvl.processing.images import image_size

    picture = next(path for path in pictures if prod(image_size(path)) <= plan.most_pixels)
    engine = Engine.from_plan(plan)
    wanted = min(plan.use.context, most_read)

    def request(image: object, num_words: int) -> Request:
        content = [{"type": "image"}, {"type": "text", "text": "图中有什么?" + " 字" * num_words}]
        return Request([{"role": "user", "content": content}], [image])

    def write(asked: Request, num_tokens: int) -> int:
        """Read a prompt and write so many tokens, whatever they are."""
        layout = engine.lay_out(asked)
        pixels = engine.processor.pixel_values([engine.read_image(asked.images[0])], layout)
        features = engine.model.encode_images(pixels, [plan.shape for plan in layout.plans])
        reading = engine.model.read([layout.input_ids], [features.reshape(-1, features.shape[-1])], num_tokens)
        for _ in range(num_tokens):
            reading.go_on([reading.likeliest()])
        return len(layout.input_ids) + num_tokens

    short = len(engine.lay_out(request(picture, 0)).input_ids)
    per_word = len(engine.lay_out(request(picture, 1000)).input_ids) - short  # of a thousand
    num_written = min(MOST_WRITTEN, wanted // 4)
    read = write(request(picture, max(0, (wanted - short - num_written) * 1000 // per_word)), num_written)
    write(request(picture, 0), 1)
    return {
        "form": plan.form.name,
        "tiles": plan.use.tiles,
        "context": plan.use.context,
        "read": read,
        "forecast": plan.peak,
        "peak": peak_bytes(),
    }


def draw_picture(path: Path, width: int) -> Path:
    """A photograph's size and a photograph's noise, lying on its side as telephones write it."""
    from PIL import Image

    image = Image.effect_noise((500, 375), 90).resize((width, width * 3 // 4)).convert("RGB")
    exif = image.getexif()
    exif[0x0112] = 6
    image.save(path, quality=90, exif=exif)
    return path


if __name__ == "__main__":
    sys.exit(main())
