"""A folder as this project writes it, of whatever transformers or TRL has saved of one.

transformers 5 writes no `preprocessor_config.json` and leaves out fields that older readers take, and an idefics3 export is called so in
every file. Loaded by `load_checkpoint` and saved again, each is a whole checkpoint that every exporter reads.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from smvl.assemble import load_checkpoint
from smvl.export.checkpoint import ExportError
from smvl.layouts.settings import layout_of_type
from smvl.model.flavours import is_idefics3
from smvl.model.saving import save_model
from smvl.settings_files import SettingsFileError, read_object

_NEEDED = ("preprocessor_config.json", "processor_config.json", "generation_config.json", "chat_template.jinja")
_KEPT = ("provenance.json", "config.yaml")


@contextmanager
def as_own_checkpoint(folder: str | Path) -> Iterator[Path]:
    """The folder itself where it is whole and our own, else a copy of it that is, for as long as the context lasts.

    Raises:
        ExportError: the folder cannot be loaded.
    """
    folder = Path(folder)
    if not _is_stock_saved(folder):
        yield folder
        return
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / folder.resolve().name
        write_own_checkpoint(folder, copy)
        yield copy


def write_own_checkpoint(folder: str | Path, out: str | Path) -> None:
    """Write a checkpoint as this project does, of any folder that `load_checkpoint` reads.

    Raises:
        ExportError: the folder cannot be loaded, or `out` is in use.
    """
    folder, out = Path(folder), Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ExportError(f"{out} is in use. Give another folder, or delete it.")
    try:
        model, processor = load_checkpoint(folder)
    except ValueError as error:
        raise ExportError(str(error)) from error
    save_model(model, out)
    processor.save_pretrained(out)
    for name in _KEPT:
        if (folder / name).is_file():
            shutil.copyfile(folder / name, out / name)


def _is_stock_saved(folder: Path) -> bool:
    """Whether the folder is a model's, and not as this project writes one; what is no model at all is left for others to refuse."""
    try:
        config = read_object(folder / "config.json")
    except SettingsFileError:
        return False
    if not (folder / "tokenizer.json").is_file():
        return False
    kind = config.get("model_type")
    lacks_files = any(not (folder / name).is_file() for name in _NEEDED)
    return is_idefics3(config) or (layout_of_type(kind) is not None and "auto_map" not in config and lacks_files)
