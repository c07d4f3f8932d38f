"""Which pictures are meant: those below folders, and files that are named themselves."""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from smvl.processing.image_files import PICTURE_ENDINGS, image_name


@dataclass(frozen=True)
class Picture:
    """A file that should be one; in lists that are written, a folder too."""

    folder: str
    """Where it was looked for: a whole path."""
    name: str
    """Its path from there."""

    @property
    def path(self) -> Path:
        return Path(self.folder, self.name)

    @property
    def key(self) -> str:
        """Its path as it is written, by which it is known again: bytes that are no text in UTF-8 as escapes."""
        return os.path.join(self.folder, self.name).encode("utf-8", "backslashreplace").decode("utf-8")


@dataclass(frozen=True)
class Broken:
    """A picture that cannot be read or shown, or a folder that cannot be looked into."""

    picture: Picture
    rule: str
    """What is wrong, in two words."""
    reason: str
    """A sentence, and what to do."""


@dataclass
class Found:
    """What the places hold."""

    pictures: list[Picture] = field(default_factory=list)
    """Each once, those of a place in the order of their names."""
    broken: list[Broken] = field(default_factory=list)
    """What can be told without opening a picture."""
    other_endings: Counter[str] = field(default_factory=Counter)
    """Of files that are no pictures by their names, by ending."""
    linked_folders: list[str] = field(default_factory=list)
    """Links to folders, which are not followed: a picture would come twice, or without end."""


def find_pictures(places: Sequence[str], *, left_out: Collection[Path] = ()) -> Found:
    """The pictures of folders, whatever lies below them but hidden files, and of files that are named themselves.

    Args:
        left_out: files that are none of the user's.

    Raises:
        ValueError: there is no such place.
    """
    found, known = Found(), {}
    own = {os.path.realpath(path) for path in left_out}
    for place in places:
        for picture in _pictures_of(place, own, found):
            if (twin := known.setdefault(picture.key, picture)) is picture:
                found.pictures.append(picture)
            elif twin.path != picture.path:
                reason = f"its name would be written as that of another one is, {image_name(twin.path)}. Rename one of them."
                found.broken.append(Broken(picture, "name twice", reason))
    return found


def _pictures_of(place: str, own: Collection[str], found: Found) -> Iterator[Picture]:
    if not place.strip():
        raise ValueError("--images is empty; expected a folder or a picture.")
    if os.path.isdir(place):
        folder = os.path.realpath(place)
        for name in sorted(_files_below(folder, found)):
            ending = PurePath(name).suffix.lower()
            if ending in PICTURE_ENDINGS:
                yield Picture(folder, name)
            elif os.path.join(folder, name) not in own:
                found.other_endings[ending] += 1
    elif os.path.lexists(place):
        yield Picture(os.path.realpath(os.path.dirname(place) or "."), os.path.basename(place))
    else:
        raise ValueError(f"--images: there is no folder or picture {image_name(place)}.")


def _files_below(folder: str, found: Found) -> Iterator[str]:
    """Paths from `folder` on. Not by recursion, nor by way of links: both are without an end where somebody wants them so."""
    waiting = [""]
    while waiting:
        inner = waiting.pop()
        try:
            with os.scandir(os.path.join(folder, inner)) as entries:
                visible = [entry for entry in entries if not entry.name.startswith(".")]
        except OSError as error:
            reason = f"the folder cannot be looked into ({error.strerror}). Give it the permissions, or leave it out."
            found.broken.append(Broken(Picture(folder, inner), "unreadable folder", reason))
            continue
        for entry in visible:
            name = os.path.join(inner, entry.name)
            if entry.is_dir(follow_symlinks=False):
                waiting.append(name)
            elif entry.is_symlink() and os.path.isdir(entry.path):
                found.linked_folders.append(os.path.join(folder, name))
            else:
                yield name
