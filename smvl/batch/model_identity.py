"""Whether a model is the same as before: its answers are to stand in one file with earlier ones."""

import hashlib
from pathlib import Path

from smvl.infer.manifest import MANIFEST_FILE
from smvl.settings_files import MODEL_FILES, PROCESSOR_FILES

_BLOCKS, _BLOCK_BYTES = 1024, 16 << 10
"""Of a file of weights, spread over it: whatever was trained since is hit, as its first and last megabyte may not be."""
_NAMES = (*MODEL_FILES, *PROCESSOR_FILES, "tokenizer.json", "chat_template.jinja", MANIFEST_FILE)
"""The manifest of an export holds a digest of each of its files."""


def model_identity(folder: str | Path) -> str:
    """SHA-256 over the settings of a checkpoint or an export, and over pieces of its weights.

    Raises:
        ValueError: there is no such folder, or no model in it.
    """
    folder = Path(folder)
    files = sorted([*folder.glob("*.safetensors"), *(folder / name for name in _NAMES if (folder / name).is_file())])
    if not files:
        missing = "has no model in it" if folder.is_dir() else "is no folder"
        raise ValueError(f"{folder} {missing}; expected a checkpoint or an export, such as output/demo.")
    digest = hashlib.sha256()
    for file in files:
        size = file.stat().st_size
        digest.update(f"{file.name} {size}\n".encode())
        with file.open("rb") as content:
            for place in _places(size):
                content.seek(place)
                digest.update(content.read(_BLOCK_BYTES))
    return digest.hexdigest()


def _places(size: int) -> list[int]:
    """Where blocks begin: all of a small file, an even spread over a large one with its beginning and its end."""
    if size <= _BLOCKS * _BLOCK_BYTES:
        return list(range(0, size, _BLOCK_BYTES))
    return [number * (size - _BLOCK_BYTES) // (_BLOCKS - 1) for number in range(_BLOCKS)]
