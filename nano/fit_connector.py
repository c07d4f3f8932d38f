"""Fits nano's connector: from what the tower sees in a token's patches to what the text half was told of such places.

    python -m nano.fit_connector VISION TEXT OUT

Both halves were pretrained on the same pages, one on pixels and one on names. So what the connector has to say is known for every token of
a drawn page, and the best linear map is found by ridge regression, in closed form. OUT receives a projector that `model.projector_from`
takes."""

import argparse
import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from nano import pretrain_text, pretrain_vision
from nano.domain import add_kinds, domain
from nano.geometry import PATCH, TILE
from nano.pages import ScenePages, name_patches
from nano.telling import NOTHING, merge
from smvl.scenes.contents import TRAIN, VALIDATION

logger = logging.getLogger("fit_connector")

PROJECTOR = "model.connector.modality_projection.proj.weight"
RIDGE = 1e-4
"""Added to the diagonal of the features' products, as a share of its mean."""
NUM_PAGES, NUM_HELDOUT = 600, 40


@dataclass(frozen=True)
class DrawnPages(torch.utils.data.Dataset):
    """(pixels, names of the patches) of drawn scenes; a map, so that worker processes can share the drawing."""

    pages: ScenePages
    split: str
    num: int

    def __len__(self) -> int:
        return self.num

    def __getitem__(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        page = self.pages.draw(f"connector {self.split} {number}", 1.0)
        return page.pixels, name_patches(page, PATCH)


class Places:
    """Tokens of drawn scenes: what the tower sees there, and what the text half was told of such a place."""

    def __init__(self, vision: Path, text: Path, kinds: tuple[str, ...], *, device: str, workers: int):
        self.device, self.workers = device, workers
        alphabet = (vision / pretrain_vision.CHARACTERS).read_text(encoding="utf-8")
        self.pages = {split: ScenePages(alphabet, domain(kinds), split, tile=TILE) for split in (TRAIN, VALIDATION)}
        self.tower = pretrain_vision.Tower(self.pages[TRAIN].num_labels)
        pretrain_vision.load(self.tower, vision)
        self.tower.to(device).eval()
        tokenizer = AutoTokenizer.from_pretrained(pretrain_text.TOKENIZER, trust_remote_code=False)
        single = [tokenizer(character)["input_ids"] for character in alphabet]
        self.ids = np.array([NOTHING, NOTHING, *(ids[0] if len(ids) == 1 else NOTHING for ids in single)])
        donor = pretrain_text.build_model(tokenizer)
        self.teller = pretrain_text.Teller(donor.config.hidden_size)
        if not pretrain_text.load(donor, self.teller, text):
            raise ValueError(f"{text} has no {pretrain_text.TELLER}: take a folder that nano.pretrain_text wrote")
        self.embeddings = donor.get_input_embeddings()

    @torch.no_grad()
    def draw(self, split: str, num: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """(tokens, features) and (tokens, width) of each page, float64."""
        drawn = DrawnPages(self.pages[split], split, num)
        for pixels, names in torch.utils.data.DataLoader(drawn, batch_size=None, num_workers=self.workers):
            names = names.numpy()
            told = np.where(names >= 0, self.ids[np.maximum(names, 0)], NOTHING)
            target = self.teller(self.embeddings, torch.from_numpy(merge(told.transpose(1, 2, 0))))
            corners = torch.zeros(1, 2, dtype=torch.int64, device=self.device)
            features = self.tower(pixels[None].to(self.device), corners)[0].double().cpu().numpy()
            side = TILE // PATCH
            yield merge(features.reshape(side, side, -1)), target.double().numpy()


def fit(places: Places, num: int) -> np.ndarray:
    """(width, features), float64: the connector's weight."""
    squares = products = None
    for features, target in places.draw(TRAIN, num):
        own = features.T @ features, features.T @ target
        squares, products = own if squares is None else (squares + own[0], products + own[1])
    squares += RIDGE * np.trace(squares) / len(squares) * np.eye(len(squares))
    return np.linalg.solve(squares, products).T


def explained(places: Places, weight: np.ndarray, num: int) -> float:
    """Share of what is told of other pages that the connector says."""
    wrong = whole = 0.0
    for features, target in places.draw(VALIDATION, num):
        wrong += float(((features @ weight.T - target) ** 2).sum())
        whole += float((target**2).sum())
    return 1 - wrong / whole


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("vision", "text", "out"):
        parser.add_argument(name, type=Path)
    add_kinds(parser)
    parser.add_argument("--num", type=int, default=NUM_PAGES, help="pages")
    parser.add_argument("--workers", type=int, default=1, help="processes that draw")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    places = Places(options.vision, options.text, options.kinds, device=options.device, workers=options.workers)
    weight = fit(places, options.num)
    logger.info("the connector says %.3f of what is told of held-out pages", explained(places, weight, NUM_HELDOUT))
    options.out.mkdir(parents=True, exist_ok=True)
    save_file({PROJECTOR: torch.from_numpy(weight).to(torch.bfloat16).contiguous()}, options.out / "model.safetensors", {"format": "pt"})


if __name__ == "__main__":
    main()
