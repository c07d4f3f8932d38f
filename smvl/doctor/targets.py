"""What is to be checked: one path, or every source of every stage of a configuration and its held-out data."""

import dataclasses
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smvl.config import Config, SourceConfig
from smvl.source_registry import is_drawn

Role = Literal["training", "evaluation"]


@dataclass(frozen=True)
class Target:
    """One source to look at."""

    config: SourceConfig
    role: Role
    stages: tuple[str, ...] = ()
    """The stages that train on it."""

    @property
    def name(self) -> str:
        """How the report calls it."""
        return "/".join([self.config.path.rstrip("/"), *self.config.subsets])


def is_configuration(path: str) -> bool:
    """Whether a path means a YAML file with sources, not data."""
    return Path(path).suffix in (".yaml", ".yml")


def targets_of_config(config: Config) -> list[Target]:
    """Every source once, however many stages mix it in; a source of several subsets is looked at subset by subset."""
    trained = [(part, stage.name) for stage in config.stages for source in stage.mixture for part in _parts(source)]
    stages: dict[str, list[str]] = {}
    for part, stage in trained:
        stages.setdefault(_identity(part), []).append(stage)
    parts = {_identity(part): part for part, _ in trained}
    training = [Target(part, "training", tuple(dict.fromkeys(stages[identity]))) for identity, part in parts.items()]
    heldout = [config.evaluation.heldout] if config.evaluation.heldout else []
    return training + evaluation_targets(heldout)


def targets_of_path(source: SourceConfig) -> list[Target]:
    """The data at one path, by subsets where some are named."""
    return [Target(part, "training") for part in _parts(source)]


def evaluation_targets(sources: Iterable[SourceConfig]) -> list[Target]:
    """Data that must not be trained on."""
    return [Target(part, "evaluation") for source in sources for part in _parts(source)]


def _parts(source: SourceConfig) -> Sequence[SourceConfig]:
    """None of scenes that are drawn while they are read: there is no row to look at."""
    if is_drawn(source):
        return []
    return [dataclasses.replace(source, subsets=[subset]) for subset in source.subsets] or [source]


def _identity(source: SourceConfig) -> str:
    """What says which rows a source has; how they are weighed and changed does not."""
    return repr((source.source, source.path, source.subsets, source.split, source.stream))
