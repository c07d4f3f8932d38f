"""Runtimes side by side: time to the first token with one image, tokens a second, peak memory of the process, size on the disk.

    python -m benchmarks.infer_latency                            # the full-size model: random weights of the real shapes, made on the spot
    python -m benchmarks.infer_latency --model output/demo

Each side runs in a process of its own, one after the other. GGUF sides need llama-cpp-python. Below an export stands its own runtime's
plain loop on the same file, of text alone and in turn with the engine's: what the engine adds to a token shows there. The picture is one
of 1024 x 768 pixels; at the recipe's resolution it has four tiles and the view of the whole. `second turn` asks again about the same
picture in the same chat.
"""

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image, ImageDraw

ROOT = Path(__file__).parent.parent
BITS = (32, 8, 4)
KINDS = ("Q8_0", "Q4_0")
DTYPES = ("float32", "bfloat16")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, help="a checkpoint; by default the full-size model is made")
    parser.add_argument("--tokens", type=int, default=128, help="written in each turn at most")
    parser.add_argument("--bits", type=int, nargs="*", default=BITS, help="of the ONNX exports")
    parser.add_argument("--kinds", nargs="*", default=KINDS, help="of the GGUF exports (default: Q8_0 Q4_0)")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="where exports and the full-size model are kept between runs")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.keep or Path(scratch)
        picture = draw_picture(Path(scratch) / "picture.png")
        print(f"{'':26}{'disk MB':>9}{'first turn s':>14}{'second turn s':>15}{'tokens/s':>10}{'peak MB':>9}")
        checkpoint = options.model or full_size_model(folder / "full-size")
        for name, model, dtype in sides(checkpoint, folder, options.bits, options.kinds):
            found = run_side(model, "--picture", str(picture), "--dtype", dtype, "--tokens", str(options.tokens))
            print(
                f"{name:26}{disk_bytes(model) / 1e6:9.0f}{found['first_turn']:14.2f}{found['second_turn']:15.2f}"
                f"{found['tokens_per_second']:10.1f}{found['peak_bytes'] / 1e6:9.0f}",
                flush=True,
            )
            if model != checkpoint:
                plain = run_side(model, "--plain-loop", "400", "--tokens", str(max(96, options.tokens)))
                ratio = plain["ours"] / plain["plain"]
                print(f"{'  its plain loop':26}{'':38}{plain['plain']:10.1f}   ours beside it {plain['ours']:.1f}, {ratio:.2f}", flush=True)
    return 0


def sides(checkpoint: Path, folder: Path, bits: list[int], kinds: list[str]) -> Iterator[tuple[str, Path, str]]:
    """Name, folder and dtype of each; an export is written when its turn comes."""
    for dtype in DTYPES:
        yield f"torch {dtype}", checkpoint, dtype
    for number in bits:
        yield f"onnx {number} bits", export(checkpoint, folder, "onnx", "--bits", str(number)), "auto"
    if kinds and importlib.util.find_spec("llama_cpp") is None:
        print("gguf: left out, llama-cpp-python is not installed (pip install -r requirements-llama.txt)", flush=True)
        return
    for kind in kinds:
        yield f"gguf {kind}", export(checkpoint, folder, "gguf", "--kind", kind), "auto"


def export(checkpoint: Path, folder: Path, target: str, option: str, value: str) -> Path:
    out = folder / f"{checkpoint.name}-{target}-{value}"
    if not out.exists():
        command = [sys.executable, "-m", "smvl", "export", "--model", checkpoint, "--to", target, option, value, "--out", out]
        subprocess.run([*map(str, command), "--no-compare"], cwd=ROOT, check=True, capture_output=True)
    return out


def run_side(model: Path, *options: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.latency_side", str(model), *options]
    done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def full_size_model(folder: Path) -> Path:
    """A checkpoint of the real shapes with random weights and Qwen3's real vocabulary."""
    if folder.exists():
        return folder
    import smvl
    from benchmarks.donors import save_text_donor, save_vision_donor
    from benchmarks.throughput_presets import PRESETS
    from smvl.model.saving import save_model
    from tests.qwen3 import save_qwen3_tokenizer

    with tempfile.TemporaryDirectory() as scratch:
        text, vision = Path(scratch) / "text", Path(scratch) / "vision"
        save_text_donor(text, PRESETS["full"].text, ["图中有什么?"], dtype=torch.bfloat16)
        save_qwen3_tokenizer(text)  # in the place of the small one
        save_vision_donor(vision, PRESETS["full"].vision, dtype=torch.bfloat16)
        model, processor = smvl.splice(vision, text, dtype=torch.bfloat16)
    save_model(model, folder)
    processor.save_pretrained(folder)
    return folder


def draw_picture(path: Path) -> Path:
    image = Image.linear_gradient("L").resize((1024, 768)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for number in range(12):
        draw.rectangle((80 * number, 60 * number, 80 * number + 60, 60 * number + 40), fill=(255 - 20 * number, 20 * number, 90))
    image.save(path)
    return path


def disk_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


if __name__ == "__main__":
    sys.exit(main())
