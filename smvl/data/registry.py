"""Which data formats there are: one line each."""

from collections.abc import Callable
from typing import Protocol

from smvl.config import SourceConfig
from smvl.data.sample import Sample
from smvl.data.sources.cauldron import Cauldron
from smvl.data.sources.json_lines import JsonLines


class Source(Protocol):
    """Rows that can be read in any order, in any process."""

    name: str

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> Sample:
        """The sample of a row; raises `SampleError` when the row breaks a rule."""
        ...


SOURCES: dict[str, Callable[[SourceConfig], Source]] = {
    "cauldron": lambda config: Cauldron(config.path, config.subsets),
    "jsonl": lambda config: JsonLines(config.path),
}


def open_source(config: SourceConfig) -> Source:
    """Open one source of a mixture.

    Raises:
        ValueError: the format is unknown, or there is no data in it at that path.
    """
    if config.source not in SOURCES:
        raise ValueError(f"the source {config.source!r} is unknown; expected one of {', '.join(SOURCES)}.")
    return SOURCES[config.source](config)
