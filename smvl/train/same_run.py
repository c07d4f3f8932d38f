"""Whether a run may be resumed with another configuration than it was begun with: what would change its result must be as it was.

Keys are compared as values, not as text. A path may be spelt in another way, and data may lie elsewhere, as long as it is the same.
"""

import dataclasses
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from smvl.config import Config
from smvl.source_registry import is_drawn, reads_from_hub, source_name
from smvl.strict_yaml import shorten
from smvl.train.checkpoint import fingerprint
from smvl.train.origin import weights_fingerprint

FREE = re.compile(
    r"output_dir|save_on_signal|data\.(workers|max_drop_share)|(tracking|evaluation|sight)\..*"
    r"|stages\.\d+\.trainer\.((logging|save|eval)_.*|torch_empty_cache_steps)"
)
"""Keys that change what is shown, saved and measured on the way, and not what is learned."""
_PATH = re.compile(r"model\.(vision|text|checkpoint|projector_from)|data\.scenes\.folder|stages\.\d+\.mixture\.\d+\.path")

_ABSENT = object()


def changed_keys(before: Config, now: Config, made_by: Mapping[str, Any]) -> list[str]:
    """Keys by which the two learn something else, each with its old and new value.

    Args:
        made_by: provenance.json of the run's last state; empty where none was written yet.
    """
    old, new = (dict(_flatten(dataclasses.asdict(config))) for config in (before, now))
    moved = _moved_sources(before, now, made_by.get("data", {})) | _moved_checkpoint(now, made_by.get("began_with"))
    keys = [key for key in {**old, **new} if old.get(key, _ABSENT) != new.get(key, _ABSENT) and not FREE.fullmatch(key)]
    keys = [key for key in keys if key not in moved and not _is_same_place(key, old.get(key), new.get(key))]
    return [f"{key}: {_shown(old.get(key, _ABSENT))} -> {_shown(new.get(key, _ABSENT))}" for key in keys]


def _flatten(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values; an empty list or mapping is a value."""
    entries = value.items() if isinstance(value, Mapping) else enumerate(value) if isinstance(value, (list, tuple)) else ()
    if not entries:
        yield key, value
    for name, entry in entries:
        yield from _flatten(entry, f"{key}.{name}" if key else str(name))


def _is_same_place(key: str, before: Any, now: Any) -> bool:
    both_paths = _PATH.fullmatch(key) and isinstance(before, str) and isinstance(now, str)
    return bool(both_paths) and os.path.realpath(before) == os.path.realpath(now)


def _moved_sources(before: Config, now: Config, fingerprints: Mapping[str, str]) -> set[str]:
    """Keys of sources whose data lies elsewhere now, under the same name, and is the same."""
    moved = set()
    for number, (was, stage) in enumerate(zip(before.stages, now.stages)):
        for place, (old, new) in enumerate(zip(was.mixture, stage.mixture)):
            local = not any(is_drawn(source) or reads_from_hub(source) for source in (old, new)) and Path(new.path).exists()
            if local and old.path != new.path and source_name(old) == source_name(new) and fingerprints.get(old.path) == fingerprint(new):
                moved.add(f"stages.{number}.mixture.{place}.path")
    return moved


def _moved_checkpoint(now: Config, origin: Mapping[str, Any] | None) -> set[str]:
    """The key of the checkpoint that the run goes on from, if its weights are still the same."""
    folder = now.model.checkpoint
    is_same = origin is not None and folder is not None and weights_fingerprint(Path(folder)) == origin["weights"]
    return {"model.checkpoint"} if is_same else set()


def _shown(value: Any) -> str:
    return "nothing" if value is _ABSENT else "null" if value is None else shorten(value)
