"""Which sources of rows there are, stored and drawn: one line each. What each looks like, smvl/data/sources/layouts.py and local.py say."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from smvl.config import SCENES, SceneSourceConfig, SourceConfig
from smvl.data.sources.cauldron import is_the_cauldron
from smvl.data.sources.hub import check_hub, is_hub_id, open_hub
from smvl.data.sources.layouts import LAYOUT_NAMES
from smvl.data.sources.local import check_local, open_local
from smvl.data.sources.row_source import RowSource

_KINDS = ("jsonl", "json", "csv", "parquet", "arrow", "hub")


@dataclass(frozen=True)
class SourceFormat:
    """What a name stands for: where rows may be stored, and how they may be laid out."""

    kinds: Sequence[str] = _KINDS
    layouts: Sequence[str] = LAYOUT_NAMES


SOURCES: dict[str, SourceFormat] = {
    "auto": SourceFormat(),
    "jsonl": SourceFormat(kinds=("jsonl",)),
    "json": SourceFormat(kinds=("json",)),
    "csv": SourceFormat(kinds=("csv",)),
    "parquet": SourceFormat(kinds=("parquet",)),
    "arrow": SourceFormat(kinds=("arrow",)),
    "hub": SourceFormat(kinds=("hub",)),
    "cauldron": SourceFormat(layouts=("texts",)),
    "docmatix": SourceFormat(layouts=("texts",)),
    "finevision": SourceFormat(layouts=("texts",)),
    "llava": SourceFormat(layouts=("conversations",)),
    "sharegpt": SourceFormat(layouts=("conversations",)),
    "openai": SourceFormat(layouts=("messages",)),
    "alpaca": SourceFormat(layouts=("pair",)),
    SCENES: SourceFormat(kinds=(), layouts=()),
}


def open_source(config: SourceConfig) -> RowSource:
    """Open one source of a mixture.

    Raises:
        ValueError: the format is unknown, or there is no data in it at that path, or none of its rows has a known layout.
    """
    form = source_format(config.source)
    if is_drawn(config):
        from smvl.scenes.source import open_scenes  # only here, with all that draws

        return open_scenes(config.scenes or SceneSourceConfig(), config.split, source_name(config))
    is_cauldron = _is_cauldron(config)
    if reads_from_hub(config):
        storage = open_hub(config.path, config.subsets, config.split, config.stream, is_cauldron=is_cauldron)
    else:
        _check_no_stream(config)
        storage = open_local(Path(config.path), config.subsets, config.split, kinds=form.kinds, is_cauldron=is_cauldron)
    return RowSource(storage, source_name(config), layouts=form.layouts, text=config.text)


def check_source(config: SourceConfig) -> None:
    """All that can be found out in no time, before anything is opened; raises `ValueError` as `open_source` does."""
    source_format(config.source)
    if is_drawn(config):
        from smvl.scenes.source import check_scenes

        check_scenes(config.scenes or SceneSourceConfig(), config.split)
    elif reads_from_hub(config):
        check_hub(config.path, config.subsets, is_cauldron=_is_cauldron(config))
    else:
        _check_no_stream(config)
        check_local(Path(config.path), config.subsets, is_cauldron=_is_cauldron(config))


def source_format(name: str) -> SourceFormat:
    """What a source's name stands for; raises `ValueError` for one that is not in the table."""
    if name not in SOURCES:
        raise ValueError(f"the source {name!r} is unknown; expected one of {', '.join(SOURCES)}.")
    return SOURCES[name]


def is_drawn(config: SourceConfig) -> bool:
    """Whether its rows are scenes that are drawn as they are read, and lie nowhere."""
    return config.source == SCENES


def reads_from_hub(config: SourceConfig) -> bool:
    """Whether the path is a hub id: the format says so, or it looks like one and nothing lies there."""
    kinds = source_format(config.source).kinds
    return "hub" in kinds and (len(kinds) == 1 or is_hub_id(config.path))


def source_name(config: SourceConfig) -> str:
    """What messages and the quarantine call a source: the last two parts of its path, and its subsets."""
    if is_drawn(config):
        return f"{SCENES}/{config.split}"
    name = "/".join(Path(config.path).parts[-2:])
    return f"{name}[{','.join(config.subsets)}]" if config.subsets else name


def _is_cauldron(config: SourceConfig) -> bool:
    return is_the_cauldron(config.path, stated=config.source == "cauldron")


def _check_no_stream(config: SourceConfig) -> None:
    if config.stream is not None:
        raise ValueError(f"{config.path}: `stream` takes rows of a data set on the hub, but this lies on this machine; take `stream` out.")
