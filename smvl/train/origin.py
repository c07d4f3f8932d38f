"""Where a run's weights come from, when it goes on from a checkpoint: whose, made how, and that they are still the same on resuming."""

import json
from pathlib import Path
from typing import Any

from smvl.config import Config
from smvl.train.checkpoint import PROVENANCE_FILE, RunFolderError, files_fingerprint, read_provenance

Origin = dict[str, Any]
"""`checkpoint`: its folder; `weights`: their fingerprint; `provenance`: what the folder says of how it was made, or None."""


def read_origin(config: Config, finished: Path | None) -> Origin | None:
    """What `model.checkpoint` is; None for a run that begins with donors.

    Args:
        finished: the model of the last finished stage, which knows it already: the checkpoint may have been deleted since.
    """
    if config.model.checkpoint is None:
        return None
    if finished is not None:
        return read_provenance(finished).get("began_with")
    folder = Path(config.model.checkpoint)
    weights = weights_fingerprint(folder)
    return {"checkpoint": config.model.checkpoint, "weights": weights, "provenance": _read_if_there(folder / PROVENANCE_FILE)}


def weights_fingerprint(folder: Path) -> str:
    """Of a checkpoint's weights: SHA-256 over names, sizes, first and last megabytes."""
    return files_fingerprint(folder, sorted(folder.glob("*.safetensors")))


def check_origin(origin: Origin | None, checkpoint: Path) -> None:
    """Raise `RunFolderError` where a broken-off stage began with other weights than are there now; it holds only what has learned."""
    before = read_provenance(checkpoint).get("began_with")
    if origin is not None and before is not None and before["weights"] != origin["weights"]:
        raise RunFolderError(
            f"the weights in {origin['checkpoint']} (model.checkpoint) are not those that {checkpoint} began with. Put them back, or begin "
            "a new run."
        )


def _read_if_there(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
