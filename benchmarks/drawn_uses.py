"""Questions of the demo's uses that no training has seen, as many as a measurement wants: held out, with a seed of their own."""

import random
from collections.abc import Callable
from pathlib import Path

from smvl.config import SourceConfig
from smvl.data.sample import Sample
from smvl.demo_scenes.draw import write_scenes
from smvl.demo_scenes.picture import Scene
from smvl.demo_scenes.tasks import draw_use
from smvl.demo_scenes.words import HELDOUT
from smvl.source_registry import open_source


def draw_samples(folder: Path, number: int, is_wanted: Callable[[Scene], bool], *, seed: int = 0) -> list[Sample]:
    """Draw scenes until so many are wanted, in the mixture of the demo; their pictures lie in the folder."""
    generator, scenes = random.Random(f"uses {seed}"), []
    while len(scenes) < number:
        scene = draw_use(generator, HELDOUT)
        scenes += [scene] if is_wanted(scene) else []
    (folder / "images").mkdir(parents=True)
    write_scenes(folder, "uses", scenes)
    source = open_source(SourceConfig(path=str(folder / "uses.jsonl")))
    return [source[row] for row in range(len(source))]


def is_call(scene: Scene) -> bool:
    return scene.turns[-1].call is not None


def is_json(scene: Scene) -> bool:
    return "JSON Schema" in scene.turns[-1].question
