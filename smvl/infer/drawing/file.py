"""The PNG file that an answer's boxes are drawn into: checked before anything is asked, written when the answer is there."""

import os
from collections.abc import Sequence
from pathlib import Path

from smvl.grounding import Grounding, read_grounding
from smvl.infer.drawing.marks import draw_marks
from smvl.processing.images import image_name, read_image
from smvl.strict_yaml import shorten


def check_drawing(file: str, images: Sequence[str]) -> None:
    """Raise `ValueError` unless a drawing can be written to a file: no picture of the question, whose last one it will show.

    Args:
        images: paths of the question's pictures.
    """
    if not images:
        raise ValueError("the question has no picture to draw on. Give one with --image.")
    path = Path(file)
    if path.suffix.lower() != ".png":
        raise ValueError(f"found {image_name(file)}; expected a name that ends in .png.")
    if not path.parent.is_dir():
        raise ValueError(f"there is no folder {image_name(path.parent)} to write {path.name} into. Make it first.")
    if path.is_dir():
        raise ValueError(f"{image_name(file)} is a folder; expected the name of a file.")
    for image in images:
        if path.exists() and Path(image).exists() and os.path.samefile(path, image):
            raise ValueError(f"{image_name(file)} is a picture of the question, which is not written over. Give another name.")


def write_drawing(file: str, text: str, images: Sequence[str]) -> list[str]:
    """Draw the boxes and points of an answer on the last picture of its question, upright, and write that.

    Args:
        images: paths of the question's pictures. An answer does not say which its boxes are in.

    Returns:
        What the user is to know of it, line by line.

    Raises:
        ValueError: the answer has neither a box nor a point, or the picture cannot be read.
    """
    picture = read_image(images[-1])
    grounding = read_grounding(text, picture.width, picture.height)
    if not grounding.boxes and not grounding.points:
        found = f" that can be drawn ({_dropped(grounding)})" if grounding.dropped else ""
        raise ValueError(f"the answer holds no box{found}; nothing was drawn. --boxes holds answers to them.")
    numbered = draw_marks(picture, grounding)
    picture.info.clear()  # a colour profile is of the file's colours, which may have been CMYK, and not of these
    picture.save(file, format="PNG")
    which = f"picture {len(images)}, {image_name(images[-1])}" if len(images) > 1 else image_name(images[-1])
    lines = [f"{image_name(file)}: {_counted(grounding)} of the answer on {which}."]
    if grounding.dropped:
        lines.append(f"Not drawn: {_dropped(grounding)}.")
    if numbered:
        shown = ", ".join(f"{number} is {shorten(label)}" for number, label in numbered.items())
        lines.append(f"Labels that no font of this machine can write are numbers: {shown}. pip install manimgx-fonts-cjk brings a font.")
    return lines


def _counted(grounding: Grounding) -> str:
    counts = [(len(grounding.boxes), "box", "boxes"), (len(grounding.points), "point", "points")]
    return " and ".join(f"{count} {one if count == 1 else many}" for count, one, many in counts if count)


def _dropped(grounding: Grounding) -> str:
    return ", ".join(f"{count} x {reason}" for reason, count in grounding.dropped.items())
