"""Pretrains nano's vision donor: a SigLIP-shaped tower that names the characters in each of its patches.

    python -m nano.pretrain_vision OUT --minutes 40                  # from nothing
    python -m nano.pretrain_vision OUT --minutes 10 --start FOLDER   # goes on from such a folder, or from the tower of a model

It is led from plain pages to hard ones, then to drawn scenes, and from pieces of a tile to whole ones. OUT becomes a donor in
SmolVLM2's layout; beside it lie the reader that named the characters (a linear layer, not part of the donor), and the curve. The schedule
follows the clock, so that it ends in its minutes on any machine, and is saved on the way."""

import argparse
import itertools
import json
import logging
import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import SmolVLMVisionConfig
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

from nano.by_clock import muon_and_adam, num_measured, train_by_clock
from nano.domain import add_kinds, domain
from nano.geometry import MERGED, PATCH, PIECE, SIDE, SLOTS, TILE
from nano.lines import characters_of, scene_lines
from nano.pages import BARE, UNKNOWN, Pages, ScenePages, name_patches, place_characters
from nano.weights import tensors_of
from smvl.config import SceneSourceConfig
from smvl.processing.laid_out import IGNORED_LABEL
from smvl.scenes.contents import TRAIN, VALIDATION
from smvl.scenes.fonts import Face, folder_fonts, pip_fonts

logger = logging.getLogger("pretrain_vision")

PREFIX = "model.vision_model."
SHAPE = dict(hidden_size=320, intermediate_size=960, num_hidden_layers=6, num_attention_heads=5)
CHARACTERS = "characters.txt"
READER = "reader.safetensors"
CURVE = "curve.jsonl"
NUM_LINES_SCENES = 3000
RAMP = 0.4
"""Share of the time until pages are as hard as they get."""
WHOLE = 0.75
"""Share of the time after which pages are whole tiles, as scenes are from the first."""
RATE, COOLDOWN = 0.03, 0.4
"""Of Muon, and the share of the time in which it falls to zero."""
START_RATE, START_COOLDOWN = 0.015, 1.0
"""The same for a tower that goes on: at a steady rate it would stay where it is."""
SCENES_FROM, SCENES_EVERY = 0.5, 4
"""Level from which steps are of drawn scenes, but one of so many."""
HANZI = 0x4E00


@dataclass(frozen=True)
class Settings:
    out: Path
    minutes: float
    kinds: tuple[str, ...]
    fonts: Path | None
    start: Path | None
    batch: int
    """Pieces in a step; of whole tiles as many as have the same pixels."""
    workers: int
    seed: int
    device: str
    report: float
    """Seconds between two reports, each of which saves."""


def sine_positions(side: int, width: int) -> torch.Tensor:
    """(side * side, width): sines and cosines of row and column, so that neighbours begin alike."""
    rates = torch.logspace(-1, 0.3, width // 4)
    angles = torch.arange(side)[:, None] * rates
    waves = torch.cat([angles.sin(), angles.cos()], 1)  # (side, width / 2)
    return 0.5 * torch.cat([waves[:, None].expand(side, side, -1), waves[None].expand(side, side, -1)], 2).flatten(0, 1)


def build_tower() -> SmolVLMVisionTransformer:
    config = SmolVLMVisionConfig(**SHAPE, image_size=TILE, patch_size=PATCH, hidden_act="gelu_pytorch_tanh")
    tower = SmolVLMVisionTransformer(config)
    tower.embeddings.position_embedding.weight.data = sine_positions(SIDE, config.hidden_size)
    return tower


class Tower(nn.Module):
    """The tower, and a linear reader of its patches; pieces of a tile may stand anywhere in it."""

    def __init__(self, num_labels: int) -> None:
        super().__init__()
        self.tower = build_tower()
        self.reader = nn.Linear(self.tower.config.hidden_size, SLOTS * num_labels)
        self.num_labels = num_labels

    def forward(self, pixels: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
        """Features of the patches.

        Args:
            pixels: (B, H, W, 3), uint8.
            corners: (B, 2): row and column, in patches, where the piece's upper left corner stands in a tile.

        Returns:
            (B, patches, width).
        """
        patches = self.tower.embeddings.patch_embedding(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1)
        rows, columns = (torch.arange(size, device=pixels.device) for size in patches.shape[-2:])
        places = (corners[:, :1, None] + rows[None, :, None]) * SIDE + corners[:, 1:, None] + columns[None, None]
        hidden = patches.flatten(2).transpose(1, 2) + self.tower.embeddings.position_embedding(places.flatten(1))
        return self.tower.post_layernorm(self.tower.encoder(inputs_embeds=hidden).last_hidden_state)

    def read(self, features: torch.Tensor) -> torch.Tensor:
        """(..., SLOTS, labels) from (..., width)."""
        return self.reader(features).unflatten(-1, (SLOTS, self.num_labels))


Batch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


class PageBatches(torch.utils.data.IterableDataset):
    """Endless batches (pixels, corners, names), as hard as the shared numbers say when they are drawn; in the end mostly of scenes."""

    def __init__(self, alphabet: str, lines: Sequence[str], faces: Sequence[Face], settings: Settings):
        self.pages = {tile: Pages(alphabet, lines, faces, tile=tile) for tile in (PIECE, TILE)}
        self.scenes = ScenePages(alphabet, scenes_of(settings), TRAIN, tile=TILE)
        self.settings = settings
        self.level, self.whole = torch.zeros(1).share_memory_(), torch.zeros(1).share_memory_()

    def __iter__(self) -> Iterator[Batch]:
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        for turn in itertools.count():
            level, whole = self.level.item(), bool(self.whole.item())
            scenes = level >= SCENES_FROM and turn % SCENES_EVERY > 0
            pages = self.scenes if scenes else self.pages[TILE if whole else PIECE]
            size = max(1, self.settings.batch * PIECE**2 // pages.tile**2)
            seeds = [f"{self.settings.seed} page {number + step * place}" for place in range(size)]
            number += step * size
            yield draw_batch(pages, seeds, level)


def scenes_of(settings: Settings) -> SceneSourceConfig:
    fonts = {"fonts": str(settings.fonts / "train"), "plain_fonts": False} if settings.fonts else {}
    return domain(settings.kinds, seed=settings.seed, **fonts)


def draw_batch(pages: Pages, seeds: Sequence[str], level: float) -> Batch:
    drawn = [pages.draw(seed, level) for seed in seeds]
    room = SIDE - pages.tile // PATCH + 1
    corners = [[random.Random(f"{seed} corner {axis}").randrange(room) for axis in range(2)] for seed in seeds]
    pixels, names = (np.stack(each) for each in zip(*((page.pixels, name_patches(page, PATCH)) for page in drawn)))
    return torch.from_numpy(pixels), torch.tensor(corners), torch.from_numpy(names)


def naming_loss(model: Tower, features: torch.Tensor, names: torch.Tensor) -> torch.Tensor:
    """Cross-entropy over the patches where something stands, and over half as many bare ones."""
    target = names.flatten(2).transpose(1, 2).flatten(0, 1)  # (B * patches, SLOTS)
    shown = (target > BARE).any(1)
    bare = (target == BARE).all(1).nonzero().flatten()
    chosen = bare[torch.randperm(len(bare), device=bare.device)[: max(64, int(shown.sum()) // 2)]]
    places = torch.cat([shown.nonzero().flatten(), chosen])
    logits = model.read(features.flatten(0, 1)[places]).float()
    named = target[places]
    return sum(functional.cross_entropy(logits[:, slot], named[:, slot], ignore_index=IGNORED_LABEL) for slot in range(SLOTS))


@torch.no_grad()
def measure(model: Tower, pages: Pages, settings: Settings, *, level: float, num: int, name: str) -> dict[str, float]:
    """Share of characters that are named rightly on pages that were not trained on: all, Chinese ones by size of the type, and those that
    share a patch."""
    groups = ("all", "hanzi", "below 16", "16 to 23", "24 and above", "second in a patch", "third in a patch")
    right: dict[str, list[bool]] = {group: [] for group in groups}
    for place in range(num):
        page = pages.draw(f"{settings.seed} {name} {place}", level)
        pixels, names = torch.from_numpy(page.pixels)[None].to(settings.device), name_patches(page, PATCH).reshape(SLOTS, -1)
        corners = torch.zeros(1, 2, dtype=torch.int64, device=settings.device)
        with torch.autocast(settings.device.split(":")[0], torch.bfloat16):
            best = model.read(model(pixels, corners))[0].argmax(-1).T.cpu()  # (SLOTS, patches)
        for cell, slot, label, size in zip(*place_characters(page, PATCH), page.labels, page.sizes):
            if cell < 0 or label == UNKNOWN or names[0, cell] == IGNORED_LABEL:
                continue
            correct = bool(best[slot, cell] == label)
            right["all"].append(correct)
            if slot:
                right["second in a patch" if slot == 1 else "third in a patch"].append(correct)
            if ord(pages.alphabet[label - 2]) >= HANZI:
                right["hanzi"].append(correct)
                right["below 16" if size < 16 else "16 to 23" if size < 24 else "24 and above"].append(correct)
    return {key: round(sum(each) / len(each), 4) for key, each in right.items() if each}


def train(model: Tower, batches: PageBatches, heldout: dict[str, Pages], settings: Settings) -> None:
    loader = iter(torch.utils.data.DataLoader(batches, batch_size=None, num_workers=settings.workers))
    seen, waited = 0, 0.0

    def loss_of_step(spent: float) -> torch.Tensor:
        nonlocal seen, waited
        batches.level.fill_(1.0 if settings.start else min(1.0, spent / RAMP))
        batches.whole.fill_(float(spent > WHOLE))
        asked = time.monotonic()
        pixels, corners, names = (each.to(settings.device) for each in next(loader))
        waited += time.monotonic() - asked
        seen += int((names > UNKNOWN).sum())
        with torch.autocast(settings.device.split(":")[0], torch.bfloat16):
            return naming_loss(model, model(pixels, corners), names)

    def tell(entry: dict, last: bool) -> None:
        entry |= {"seen": seen, "level": round(batches.level.item(), 2), "waited": round(waited / max(1, entry["seconds"]), 3)}
        report(model, entry, heldout, settings, num=num_measured(settings.report, 16, 100) if last else 16)

    rate, cooldown = (START_RATE, START_COOLDOWN) if settings.start else (RATE, COOLDOWN)
    optimizers = muon_and_adam(model.tower.encoder.parameters(), model.parameters(), rate=rate)
    train_by_clock(
        optimizers, loss_of_step, tell, minutes=settings.minutes, between_reports=settings.report, cooldown=cooldown, max_norm=2.0
    )


def report(model: Tower, entry: dict, heldout: dict[str, Pages], settings: Settings, *, num: int) -> None:
    """Measure, write the curve, and save."""
    model.eval()
    entry |= {name: measure(model, pages, settings, level=1.0, num=num, name=name) for name, pages in heldout.items()}
    model.train()
    logger.info("%s", json.dumps(entry))
    with (settings.out / CURVE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    save(model, settings.out)


def save(model: Tower, folder: Path) -> None:
    """The donor in bfloat16, in SmolVLM2's layout, and the reader beside it; each file whole or not at all."""
    weights = {PREFIX + name: value.to(torch.bfloat16).contiguous() for name, value in model.tower.state_dict().items()}
    reader = {name: value.to(torch.bfloat16).contiguous() for name, value in model.reader.state_dict().items()}
    for name, tensors in (("model.safetensors", weights), (READER, reader)):
        save_file(tensors, folder / f"{name}.unfinished", {"format": "pt"})
        (folder / f"{name}.unfinished").replace(folder / name)


def write_settings(folder: Path) -> None:
    """The files of a SmolVLM2 folder beside its weights; its text half is a name only."""
    text = dict(model_type="llama", hidden_size=64, intermediate_size=128, num_attention_heads=2, num_hidden_layers=1, vocab_size=768)
    vision = dict(SHAPE, model_type="smolvlm_vision", image_size=TILE, patch_size=PATCH, num_channels=3)
    vision |= dict(hidden_act="gelu_pytorch_tanh", layer_norm_eps=1e-6, attention_dropout=0.0)
    config = dict(architectures=["SmolVLMForConditionalGeneration"], model_type="smolvlm", scale_factor=MERGED, tie_word_embeddings=False)
    config |= dict(torch_dtype="bfloat16", text_config=text, vision_config=vision)
    flags = ("do_convert_rgb", "do_image_splitting", "do_normalize", "do_pad", "do_rescale", "do_resize")
    pixels = dict.fromkeys(flags, True) | dict(image_mean=[0.5] * 3, image_std=[0.5] * 3, rescale_factor=1 / 255, resample=1)
    pixels |= dict(image_processor_type="SmolVLMImageProcessor", processor_class="SmolVLMProcessor")
    pixels |= dict(max_image_size={"longest_edge": TILE}, size={"longest_edge": TILE})
    for name, content in (("config.json", config), ("preprocessor_config.json", pixels)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load(model: Tower, folder: Path) -> None:
    """Take up a tower, of a donor or of a model; and its reader, where that lies beside it and names the same characters."""
    model.tower.load_state_dict({name.removeprefix(PREFIX): value for name, value in tensors_of(folder, PREFIX).items()})
    if (folder / READER).exists():
        model.reader.load_state_dict(load_file(folder / READER))


def read_arguments() -> Settings:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=40)
    add_kinds(parser)
    parser.add_argument("--fonts", type=Path, help="folder with fonts in train/ and heldout/; without it, those that pip brings")
    parser.add_argument("--start", type=Path, help="folder of a donor or of a model to go on from; pages are hard from the beginning then")
    parser.add_argument("--batch", type=int, default=8, help="pages of 256 pixels in a step")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", type=float, default=120, help="seconds between two reports")
    return Settings(**vars(parser.parse_args()))


def main() -> None:
    settings = read_arguments()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    lines = scene_lines(settings.kinds, NUM_LINES_SCENES)
    if settings.start and (settings.start / CHARACTERS).exists():
        alphabet = (settings.start / CHARACTERS).read_text(encoding="utf-8")
    else:
        alphabet = characters_of(lines)
    (settings.out / CHARACTERS).write_text(alphabet, encoding="utf-8")
    write_settings(settings.out)
    faces = folder_fonts(settings.fonts / "train").faces if settings.fonts else pip_fonts().faces
    heldout = {"seen fonts": Pages(alphabet, lines, faces, tile=TILE)}
    if settings.fonts:
        known = set(pip_fonts().faces)
        others = [face for face in folder_fonts(settings.fonts / "heldout").faces if face not in known]
        heldout["held-out fonts"] = Pages(alphabet, lines, others, tile=TILE)
    heldout["scenes"] = ScenePages(alphabet, scenes_of(settings), VALIDATION, tile=TILE)
    batches = PageBatches(alphabet, lines, faces, settings)
    model = Tower(heldout["scenes"].num_labels).to(settings.device)
    if settings.start:
        load(model, settings.start)
    sizes = [sum(parameter.numel() for parameter in part.parameters()) / 1e6 for part in (model.tower, model.reader)]
    logger.info("a tower of %.1f million parameters and a reader of %.1f; %d characters, %d fonts", *sizes, len(alphabet), len(faces))
    train(model, batches, heldout, settings)


if __name__ == "__main__":
    main()
