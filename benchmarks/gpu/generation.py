"""Generation in the full-size shapes: one question and sixteen at once, in bfloat16 and with int8 and fp8 weights by torchao.

    python -m benchmarks.gpu generation --out OUT --work WORK

The engine beside transformers' own `generate` on the same model and prompts.
"""

import importlib.util
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from PIL import Image

import smvl
from benchmarks.gpu.step import Step
from benchmarks.gpu.throughput import release
from benchmarks.infer_latency import draw_picture
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.model.saving import save_model
from smvl.train.prepare import quieten

QUESTION = "请描述这张图,并读出图中的文字。"
BATCH = 16
REPEATS = 2


def main(step: Step) -> None:
    quieten()
    folder = save_checkpoint(step)
    picture = draw_picture(step.work / "picture.png")
    num_tokens = 8 if step.tiny else 48
    kinds = [None, "int8", "fp8"] if importlib.util.find_spec("torchao") else [None]
    for kind in kinds:
        release()
        began = time.perf_counter()
        engine = Engine.from_folder(folder, device=step.device.type, dtype="float32" if step.tiny else "bfloat16", quantize=kind)
        name = kind or str(engine.model.model.dtype).removeprefix("torch.")
        step.add(f"{name}/load", {"seconds": time.perf_counter() - began, "allocated": card_bytes(torch.cuda.memory_allocated)})
        for batch in (1, BATCH):
            step.add(f"{name}/batch {batch}", measure(engine, picture, batch, num_tokens))
        if kind is None:
            step.add(f"{name}/batch 1, transformers' generate", measure_stock(engine, picture, num_tokens))
        del engine
    if len(kinds) == 1:
        step.add("quantized", {"left_out": "torchao is not installed"})


def save_checkpoint(step: Step) -> Path:
    donors, folder = step.donors(), step.work / "checkpoint"
    model, processor = smvl.splice(donors / "vision", donors / "text", longest_edge=step.recipe.longest_edge, dtype=step.preset.dtype)
    save_model(model, folder)
    processor.save_pretrained(folder)
    return folder


def measure(engine: Engine, picture: Path, batch: int, num_tokens: int) -> dict[str, Any]:
    """Seconds to the first token, tokens a second of all answers together after it, and peak memory."""
    requests = [request_of(picture)] * batch
    firsts, rates = [], []
    for _ in range(1 + REPEATS):
        answers = engine.answer(requests, max_new_tokens=num_tokens, batch_size=batch)
        first, last = max(answer.seconds_to_first_token for answer in answers), max(answer.seconds for answer in answers)
        firsts.append(first)
        rates.append(sum(answer.num_new_tokens - 1 for answer in answers) / max(last - first, 1e-9))
    return {
        "seconds_to_first_token": statistics.median(firsts[1:]),
        "tokens_per_second": statistics.median(rates[1:]),
        "num_prompt_tokens": answers[0].num_prompt_tokens,
        "num_new_tokens": answers[0].num_new_tokens,
        "peak": card_bytes(torch.cuda.max_memory_allocated),
    }


def measure_stock(engine: Engine, picture: Path, num_tokens: int) -> dict[str, Any]:
    """The same prompt through `generate` of transformers."""
    model, processor = engine.model.model, engine.processor
    image = Image.open(picture).convert("RGB")
    layout = processor.lay_out(request_of(picture).messages, [(image.height, image.width)], add_generation_prompt=True)
    ids = torch.tensor([layout.input_ids], device=model.device)
    pixels = torch.from_numpy(processor.pixel_values([image], layout)).to(model.device, model.dtype).unsqueeze(0)
    seconds = []
    for count in [1, *([1, num_tokens] * REPEATS)]:
        began = time.perf_counter()
        options = {"max_new_tokens": count, "min_new_tokens": count, "do_sample": False}
        model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), pixel_values=pixels, **options)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    first, all_of_it = statistics.median(seconds[1::2]), statistics.median(seconds[2::2])
    return {"seconds_to_first_token": first, "tokens_per_second": (num_tokens - 1) / (all_of_it - first)}


def request_of(picture: Path) -> Request:
    return Request([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": QUESTION}]}], images=[picture])


def card_bytes(asked: Callable[[], int]) -> int | None:
    return asked() if torch.cuda.is_available() else None
