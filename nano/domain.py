"""What nano reads: the drawn scenes of its recipe."""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from smvl.config import SceneSourceConfig, load_config

CONFIG = Path(__file__).parent.parent / "configs" / "nano.yaml"


def add_kinds(parser: argparse.ArgumentParser) -> None:
    """The option that narrows the domain: a tuple of names, empty for the recipe's."""
    help_text = "of scenes, with commas between; without it, the recipe's"
    parser.add_argument("--kinds", default=(), type=lambda text: tuple(filter(None, text.split(","))), help=help_text)


def domain(kinds: Sequence[str] = (), **changes: object) -> SceneSourceConfig:
    """Scenes as the recipe's last stage draws them.

    Args:
        kinds: of scenes, all alike; none takes the recipe's, with its shares.
        changes: other keys of the scenes.
    """
    scenes = load_config(CONFIG).stages[-1].mixture[0].scenes
    return replace(scenes, **({"kinds": dict.fromkeys(kinds, 1.0)} if kinds else {}) | changes)
