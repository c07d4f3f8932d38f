"""Scenes as a source of a mixture: each is drawn when it is read, in whatever process reads it, and nothing lies on the disk."""

import dataclasses
import hashlib
import random
from pathlib import Path
from typing import Any

from smvl.augment.distortions import PHONE
from smvl.config import SceneSourceConfig
from smvl.data.sources.row_source import RowSource
from smvl.data.sources.storage import Storage
from smvl.scenes.contents import SPLITS
from smvl.scenes.fonts import Fonts, folder_fonts, machine_fonts, pip_fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.request import Asked, Job, SceneLook
from smvl.scenes.sample_drawing import SceneSample, draw_sample, encode_sample
from smvl.scenes.scene import QUESTION_KINDS


def open_scenes(settings: SceneSourceConfig, split: str, name: str) -> RowSource:
    """Scenes as samples: row for row the same for a seed and the fonts of a machine.

    Args:
        split: which texts they may hold; no two splits share one, whatever their seeds.

    Raises:
        ValueError: there is no such kind or split, or no font.
    """
    rows = SceneRows(settings, split, name)
    return RowSource(Storage("scenes", [rows], rows.folder), name, layouts=("messages",))


def check_scenes(settings: SceneSourceConfig, split: str) -> None:
    """Raise `ValueError` for a kind or a split that there is not; draws nothing."""
    if split not in SPLITS:
        raise ValueError(f"scenes have no split {split!r}; expected one of {', '.join(SPLITS)}.")
    for name, found, known in (("scene", settings.kinds, KINDS), ("question", settings.questions, QUESTION_KINDS)):
        if unknown := [kind for kind in found if kind not in known]:
            raise ValueError(f"there is no kind of {name} {', '.join(unknown)}; expected some of {', '.join(known)}.")


def scenes_fingerprint(settings: SceneSourceConfig, split: str) -> str:
    """SHA-256 over all that the rows depend on besides this code: the settings, and the fonts of this machine."""
    faces = [face.name for face in _fonts(settings).faces]
    return hashlib.sha256(repr((dataclasses.asdict(settings), split, faces)).encode("utf-8")).hexdigest()


class SceneRows:
    """The rows that a file of scenes would hold, their pictures within them. Raises `ValueError` as `open_scenes` does."""

    columns = None

    def __init__(self, settings: SceneSourceConfig, split: str, name: str):
        check_scenes(settings, split)
        self.settings, self.split, self.name = settings, split, name
        self.folder, self.files = Path(), ()
        self._kinds = settings.kinds or dict.fromkeys(KINDS, 1.0)
        self._fonts = _fonts(settings)
        self._look = SceneLook(
            seed=settings.seed,
            longest_edge=settings.longest_edge,
            distortions=settings.distortions or PHONE,
            clean_share=settings.clean_share,
            asked=Asked(tuple(settings.questions), tuple(settings.turns), settings.numbers_only),
        )

    def __len__(self) -> int:
        return self.settings.rows

    def __getitem__(self, row: int) -> dict[str, Any]:
        scene = self.draw(row)
        pictures, _ = encode_sample(scene)
        return scene.row([{"bytes": content, "path": None} for content in pictures.values()])

    def draw(self, row: int) -> SceneSample:
        """The scene of a row."""
        return draw_sample(self.job(row), self._look, self._fonts)

    def job(self, row: int) -> Job:
        """What is drawn in a row."""
        generator = random.Random(f"{self.settings.seed} scene {self.split} {row}")
        kind = generator.choices(list(self._kinds), list(self._kinds.values()))[0]
        return Job(kind, self.split, row, 2 if generator.random() < self.settings.pairs else 1)


def _fonts(settings: SceneSourceConfig) -> Fonts:
    if settings.fonts is not None:
        return folder_fonts(Path(settings.fonts))
    return pip_fonts() if settings.plain_fonts else machine_fonts()
