"""Pretrains the demo's vision donor: a small SigLIP-style tower that has looked at drawn tiles, and has never read a word.

    python demo/pretrain_vision.py --steps 2500

Every patch learns to say what stands on it, what is centred on it, and in which colour; every tile, how many things it
shows. It sees training digits and training signs only."""

import argparse
import json
import logging
import random
import time
from pathlib import Path

import numpy
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

from smvl.demo_scenes import shapes, writing
from smvl.demo_scenes.paint import paint
from smvl.demo_scenes.picture import Picture
from smvl.demo_scenes.words import CHARACTERS, COLOURS, DIGITS, HELDOUT, SHAPES, TRAIN

logger = logging.getLogger("pretrain_vision")
FOLDER = Path(__file__).parent / "donors" / "vision"
PREFIX = "model.vision_model."
TILE, PATCH = 48, 8
SIDE = TILE // PATCH
LABELS = ["", *SHAPES, *CHARACTERS, *DIGITS, "元"]  # handwritten and printed digits share a label
HUES = ["", *COLOURS]
MAX_COUNT = 5
EDGE = 5  # a shape whose centre is this near a tile's edge, in layout units: whether it is centred here counts nothing
IGNORED = -100

View = tuple[numpy.ndarray, numpy.ndarray, int]


def label_view(picture: Picture, left: float, top: float, width: float, height: float) -> tuple[numpy.ndarray, int]:
    """What each patch of this part of the picture shows: (covering, centred, hue) as (3, 6, 6), and how many centres."""
    patches = numpy.zeros((3, SIDE, SIDE), dtype=numpy.int64)
    num_centres = 0
    for mark in picture.marks:
        x, y = (mark.x - left) / width * SIDE, (mark.y - top) / height * SIDE
        reach_x, reach_y = mark.size / width * SIDE * 0.4, mark.size / height * SIDE * 0.4
        columns = slice(max(0, round(x - reach_x)), max(0, round(x + reach_x)))
        rows = slice(max(0, round(y - reach_y)), max(0, round(y + reach_y)))
        patches[0, rows, columns] = LABELS.index(mark.label)
        patches[2, rows, columns] = HUES.index(mark.colour)
        if 0 <= x < SIDE and 0 <= y < SIDE:
            near = min(mark.x - left, mark.y - top, left + width - mark.x, top + height - mark.y) < EDGE
            patches[1, int(y), int(x)] = IGNORED if near else LABELS.index(mark.label)
            num_centres += 1
    return patches, num_centres


def view_picture(picture: Picture) -> list[View]:
    """The picture's tiles and the whole of it squashed into one more, as the demo's processor cuts it."""
    image = paint(picture).resize((picture.width, picture.height), Image.Resampling.LANCZOS)
    boxes = [(x, y, TILE, TILE) for y in range(0, picture.height, TILE) for x in range(0, picture.width, TILE)]
    views = []
    for left, top, width, height in [*boxes, (0, 0, picture.width, picture.height)]:
        tile = image.crop((left, top, left + width, top + height)).resize((TILE, TILE), Image.Resampling.LANCZOS)
        views.append((numpy.asarray(tile), *label_view(picture, left, top, width, height)))
    return views


def draw_picture(generator: random.Random, split: str) -> Picture:
    kind = generator.random()
    if kind < 0.30:
        return writing.draw_sign(generator, split, CHARACTERS)
    if kind < 0.36:
        return writing.draw_price(generator, split)
    if kind < 0.65:
        return writing.draw_number(generator, split, generator.randint(1, 4))
    if kind < 0.75:
        return shapes.draw_one(generator)
    return shapes.draw_pair(generator, kind < 0.8) if kind < 0.88 else shapes.draw_many(generator)


def collect_batch(views: list[View]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    pixels = torch.from_numpy(numpy.stack([view[0] for view in views])).permute(0, 3, 1, 2).float() / 127.5 - 1
    patches = torch.from_numpy(numpy.stack([view[1] for view in views]))  # (B, 3, 6, 6)
    return pixels, patches, torch.tensor([min(view[2], MAX_COUNT) for view in views])


class Heads(nn.Module):
    """Fixed readers, one direction of the patch's features for each label, all at right angles.

    Nothing in them can be trained, so what a patch shows must fill its features: a linear projector then needs few examples."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.sizes = (len(LABELS), len(LABELS), len(HUES), MAX_COUNT + 1)
        directions = nn.init.orthogonal_(torch.empty(sum(self.sizes), width), generator=torch.Generator().manual_seed(0))
        self.register_buffer("directions", directions)

    def forward(self, hidden: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        covering, centred, hue, count = (hidden @ self.directions.T).split(self.sizes, dim=-1)
        return [covering, centred, hue], count.mean(1)


def view_loss(readings: tuple, patches: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Most patches show nothing: those where something stands weigh as much as all the others together."""
    loss = 0.1 * functional.cross_entropy(readings[1].float(), counts)
    for place, weight in ((0, 0.5), (1, 1.0), (2, 0.3)):
        target = patches[:, place].flatten()
        each = functional.cross_entropy(readings[0][place].float().flatten(0, 1), target, ignore_index=IGNORED, reduction="none")
        shown, bare = target > 0, target == 0
        loss = loss + weight * (each[shown].mean() + each[bare].mean())
    return loss


@torch.no_grad()
def measure(tower: nn.Module, heads: Heads, num_pictures: int) -> dict[str, float]:
    """Held-out pictures: share of centres that are named rightly, by kind of thing, and of bare patches taken for bare."""
    generator, right = random.Random(7), {}
    for _ in range(num_pictures):
        picture = draw_picture(generator, HELDOUT)
        pixels, patches, _ = collect_batch(view_picture(picture)[:-1])
        best, target = heads(tower(pixel_values=pixels).last_hidden_state)[0][1].argmax(-1).flatten(), patches[:, 1].flatten()
        right.setdefault(picture.marks[0].kind, []).extend((best == target)[target > 0].tolist())
        right.setdefault("bare", []).extend((best == 0)[target == 0].tolist())
    return {kind: round(sum(each) / len(each), 4) for kind, each in sorted(right.items())}


def train(tower: nn.Module, heads: Heads, num_steps: int, batch_size: int, seed: int) -> None:
    matrices = [parameter for name, parameter in tower.encoder.named_parameters() if parameter.ndim == 2]
    known = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in tower.parameters() if id(parameter) not in known]
    muon = torch.optim.Muon(matrices, lr=0.01, momentum=0.95, weight_decay=0.02, adjust_lr_fn="original")
    optimizers = [muon, torch.optim.AdamW(others, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.01)]
    warmup, cooldown = num_steps // 40 + 1, num_steps // 2
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda step: min((step + 1) / warmup, (num_steps - step) / cooldown, 1.0))
        for each in optimizers
    ]
    generator, views, start, mean = random.Random(seed), [], time.time(), 0.0
    for step in range(num_steps):
        while len(views) < batch_size:
            views += view_picture(draw_picture(generator, TRAIN))
        pixels, patches, counts = collect_batch(views[:batch_size])
        views = views[batch_size:]
        with torch.autocast("cpu", torch.bfloat16):
            readings = heads(tower(pixel_values=pixels).last_hidden_state)
        loss = view_loss(readings, patches, counts)
        loss.backward()
        nn.utils.clip_grad_norm_(tower.parameters(), 5.0)
        for part in optimizers + schedules:
            part.step()
        tower.zero_grad()
        mean = loss.item() if step == 0 else 0.97 * mean + 0.03 * loss.item()
        if (step + 1) % 100 == 0:
            logger.info("step %d loss %.4f seconds %.0f", step + 1, mean, time.time() - start)
        if (step + 1) % 500 == 0:
            logger.info("held-out pictures: %s", measure(tower, heads, 150))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--batch-size", type=int, default=96)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the weights in the folder, with a new schedule")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(arguments.seed)
    config = json.loads((FOLDER / "config.json").read_text())
    tower = SmolVLMVisionTransformer(SmolVLMVisionConfig(**config["vision_config"]))
    if arguments.resume:
        tower.load_state_dict({name.removeprefix(PREFIX): value for name, value in load_file(FOLDER / "model.safetensors").items()})
    heads = Heads(tower.config.hidden_size)
    logger.info("%.2f million parameters", sum(parameter.numel() for parameter in tower.parameters()) / 1e6)
    train(tower, heads, arguments.steps, arguments.batch_size, arguments.seed)
    logger.info("at the end: %s", measure(tower, heads, 800))
    weights = {PREFIX + name: value.to(torch.bfloat16) for name, value in tower.state_dict().items()}
    save_file({name: value.contiguous() for name, value in weights.items()}, FOLDER / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
