"""The manifest of an export: which files make it up, and whether they are the ones that were written."""

import hashlib
from pathlib import Path
from typing import Any

from smvl.settings_files import SettingsFileError, read_object

MANIFEST_FILE = "export.json"

_EDITABLE = ("generation_config.json",)
"""What may be changed after the export: how answers are chosen and where they end."""
_HASHED_BYTES = 32 << 20
"""Files up to this size are hashed when an export is loaded (20 ms each at most); larger ones, weights, by their size alone."""


class ExportFolderError(ValueError):
    """An export that is not whole; the message names the file."""


def format_of(folder: str | Path) -> str:
    """What a folder says of itself that it is an export of, whole or not; empty where it says nothing."""
    try:
        return str(read_object(Path(folder) / MANIFEST_FILE)["format"])
    except (ValueError, KeyError):
        return ""


def check_files(folder: Path, format: str) -> dict[str, Any]:
    """The manifest, after the export's files were checked against it.

    Names and sizes are compared for all of them, SHA-256 for all but the weights: `verify_files` reads those too.

    Raises:
        ExportFolderError: a file is missing, cut short, or another one than was written; the message names it.
    """
    manifest = _read_manifest(folder, format)
    for name, entry in manifest["files"].items():
        _check_size(folder / name, entry["size"])
        if entry["size"] <= _HASHED_BYTES and name not in _EDITABLE:
            _check_content(folder / name, entry["sha256"])
    return manifest


def verify_files(folder: Path, format: str) -> None:
    """Check every byte of an export.

    Raises:
        ExportFolderError: as `check_files`.
    """
    for name, entry in check_files(folder, format)["files"].items():
        if name not in _EDITABLE:
            _check_content(folder / name, entry["sha256"])


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file; raises `ExportFolderError` for a file that is missing or damaged."""
    try:
        return read_object(path)
    except SettingsFileError as error:
        raise ExportFolderError(f"{error} Copy the export again, or export the model again.") from error


def file_sha256(path: Path) -> str:
    """Of a file's bytes, in hexadecimal."""
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def _read_manifest(folder: Path, format: str) -> dict[str, Any]:
    manifest = read_json(folder / MANIFEST_FILE)
    if manifest.get("format") != format:
        found = manifest.get("format")
        raise ExportFolderError(
            f"{folder / MANIFEST_FILE} is of the format {found}; this version reads {format!r}. Export the model again."
        )
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(map(_is_entry, files.values())):
        raise ExportFolderError(f"{folder / MANIFEST_FILE} does not list the export's files. Copy it again, or export the model again.")
    return manifest


def _is_entry(entry: Any) -> bool:
    return isinstance(entry, dict) and type(entry.get("size")) is int and isinstance(entry.get("sha256"), str)


def _check_size(path: Path, size: int) -> None:
    if not path.is_file():
        raise ExportFolderError(f"{path} is missing, and the export is not whole without it. Copy the export again.")
    found = path.stat().st_size
    if found != size and path.name not in _EDITABLE:
        raise ExportFolderError(
            f"{path} has {found:,} bytes; {size:,} were written. It was cut short or replaced. Copy the export again, or export the model "
            "again."
        )


def _check_content(path: Path, sha256: str) -> None:
    if file_sha256(path) != sha256:
        raise ExportFolderError(
            f"{path} is not the file that was exported (its SHA-256 differs), so it may not fit the others. Copy the export again, or "
            "export the model again."
        )
