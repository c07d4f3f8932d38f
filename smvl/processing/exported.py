"""Processor files whose markers carry SmolVLM's names, an export's or a published SmolVLM's, with the project's own names put in."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smvl.processing.chat_template import folder_template
from smvl.processing.smolvlm_names import SMOLVLM_ATTRIBUTES, to_own_names, to_smolvlm_names
from smvl.settings_files import object_in

_NAMED = ("tokenizer.json", "tokenizer_config.json")
_TEMPLATES = ("chat_template.jinja", "chat_template.json")
"""Files in which markers stand. The template may stand in tokenizer_config.json alone."""
_UNNAMED = ("config.json", "preprocessor_config.json", "processor_config.json")
"""With config.json beside it transformers reads a tokenizer as it stands, which takes 50 MB less than rebuilding it."""


def has_smolvlm_names(folder: str | Path) -> bool:
    """Whether the markers in a folder's tokenizer carry SmolVLM's names; those of the first SmolVLM have no attribute that says so."""
    tokenizer, settings = (Path(folder) / name for name in _NAMED)
    named = object_in(settings).get("image_token")
    if named is None and tokenizer.is_file():
        return f'"{SMOLVLM_ATTRIBUTES["fake_image_token"]}"' in tokenizer.read_text(encoding="utf-8")
    return named == SMOLVLM_ATTRIBUTES["image_token"]


@contextmanager
def with_own_names(folder: str | Path) -> Iterator[Path]:
    """A folder that lasts as long as the context, with a copy of an export's processor files in which the markers have their own names.

    Raises:
        ValueError: a file that names markers is missing.
    """
    folder = Path(folder)
    present = [name for name in (*_NAMED, *_TEMPLATES) if (folder / name).is_file()]
    if missing := [name for name in _NAMED if name not in present]:
        raise ValueError(f"{folder / missing[0]} is missing; without it the markers of images cannot be read. Copy the folder whole.")
    if not set(_TEMPLATES) & set(present):
        folder_template(folder, None)  # here, as it would be told of the copy
    with tempfile.TemporaryDirectory() as copy:
        for name in present:
            (Path(copy) / name).write_text(to_own_names((folder / name).read_text(encoding="utf-8")), encoding="utf-8")
        for name in _UNNAMED:
            if (folder / name).is_file():
                shutil.copy(folder / name, copy)
        yield Path(copy)


def restore_smolvlm_names(folder: Path) -> None:
    """Put SmolVLM's names back into what was saved of such a processor."""
    for path in (folder / name for name in (*_NAMED, _TEMPLATES[0])):
        path.write_text(to_smolvlm_names(path.read_text(encoding="utf-8")), encoding="utf-8")
