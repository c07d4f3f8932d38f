"""Boxes and points in a model's answer, in pixels of the picture that it is about, and back.

The form is Qwen3-VL's: `[{"bbox_2d": [x1, y1, x2, y2], "label": "..."}]`, left upper and right lower corner, or `{"point_2d": [x, y]}`.
x counts thousandths of the picture's width and y of its height, from the left upper corner, so 0 and 1000 are its edges. Being relative,
they are the same whatever tiles, native resolution or a memory budget made of the picture on its way to the model.

Sources, in github.com/QwenLM/Qwen3-VL at commit 9658872: README.md ("relative position coordinates"), cookbooks/spatial_understanding.ipynb
(points: `x / 1000 * width`), cookbooks/think_with_images.ipynb ("relative coords with ranging [0, 1000]") and, for boxes of an answer,
evaluation/ODinW-13/run_odinw.py (`is_rel`). Qwen2.5-VL counts pixels of the resized picture instead, which nothing in its answers shows.

Pixels are those of the upright picture (EXIF rotation applied) in its own size, as a viewer shows it. Edges lie between pixels: a whole
picture is the box 0, 0, width, height. An answer does not say which of several pictures its boxes are in: who reads it must know.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

SCALE = 1000
"""What the far edges are called in an answer."""
MOST = 1000
"""Boxes and points that are read of one answer."""

_CORNERS, _POINT, _LABEL = "bbox_2d", "point_2d", "label"
_MENTION = re.compile(rf"\b(?:{_CORNERS}|{_POINT})\b[\"']?\s*:")
_MOST_CHARACTERS = 10_000
"""Of an object with a box, label and all."""
_MOST_BRACKETS = 16
"""That are tried as the beginning of such an object."""
_NO_JSON = "it stands in no whole JSON object"
_TOO_MANY = f"there are more than {MOST:,}"


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels, its edges counted from the left and the upper edge of the picture."""

    left: float
    top: float
    right: float
    bottom: float
    label: str = ""

    @property
    def edges(self) -> tuple[float, float, float, float]:
        """left, top, right, bottom; what Pillow's `crop` takes."""
        return self.left, self.top, self.right, self.bottom


@dataclass(frozen=True)
class Point:
    """A place in pixels, counted from the left and the upper edge of the picture."""

    x: float
    y: float
    label: str = ""


@dataclass(frozen=True)
class Grounding:
    """What an answer points at."""

    boxes: tuple[Box, ...]
    points: tuple[Point, ...]
    dropped: Mapping[str, int]
    """How many boxes and points of the answer are not among them, by what is wrong with them. Nothing is mended."""


def boxes_of(text: str, width: int, height: int) -> list[Box]:
    """The boxes of an answer, in pixels; `read_grounding` also has its points, and how many boxes were dropped and why.

    Args:
        width, height: of the upright picture, in pixels; of any size that it is wanted in.

    Raises:
        ValueError: text is no text, or a side is no whole number of at least 1.
    """
    return list(read_grounding(text, width, height).boxes)


def read_grounding(text: str, width: int, height: int) -> Grounding:
    """Boxes and points of an answer, in pixels and in the answer's order.

    JSON is looked for anywhere in the text: alone or in a list, in a ```json fence or without, with other text around, within other
    objects. A box that is not whole is dropped, and the others of its list are read.

    Args:
        width, height: as in `boxes_of`.

    Raises:
        ValueError: as `boxes_of`.
    """
    if not isinstance(text, str):
        raise ValueError(f"the answer is of the type {type(text).__name__}; expected its text.")
    _check_size(width, height)
    boxes: list[Box] = []
    points: list[Point] = []
    dropped: Counter[str] = Counter()
    for found in _objects(text, dropped):
        for key, read, kept in ((_CORNERS, _read_box, boxes), (_POINT, _read_point, points)):
            if key not in found:
                continue
            try:
                if len(boxes) + len(points) == MOST:
                    raise _MalformedError(_TOO_MANY)
                kept.append(read(found, width, height))
            except _MalformedError as error:
                dropped[str(error)] += 1
    return Grounding(tuple(boxes), tuple(points), dict(dropped))


def bbox_2d(box: Box, width: int, height: int) -> list[int]:
    """The four whole numbers from 0 to 1000 by which a model is to call a box of pixels.

    Read again, each edge is where it was but for the rounding: at most width / 2000 and height / 2000 pixels off, so half a pixel in
    pictures of up to 1000 pixels. A box thinner than that may come out with no width or height at all.

    Args:
        width, height: of the upright picture that the box is in, in pixels.

    Raises:
        ValueError: the box does not lie in the picture.
    """
    _check_size(width, height)
    left, top, right, bottom = box.edges
    if not (0 <= left <= right <= width and 0 <= top <= bottom <= height):  # so NaN is refused too
        raise ValueError(
            f"the box from {left}, {top} to {right}, {bottom} does not lie in a picture of {width} x {height} pixels; expected "
            "0 <= left <= right <= width and 0 <= top <= bottom <= height."
        )
    return [_thousandths(left, width), _thousandths(top, height), _thousandths(right, width), _thousandths(bottom, height)]


def point_2d(point: Point, width: int, height: int) -> list[int]:
    """The two whole numbers from 0 to 1000 by which a model is to call a place; bounds and arguments as for `bbox_2d`.

    Raises:
        ValueError: the point does not lie in the picture.
    """
    _check_size(width, height)
    if not (0 <= point.x <= width and 0 <= point.y <= height):
        raise ValueError(f"the point {point.x}, {point.y} does not lie in a picture of {width} x {height} pixels.")
    return [_thousandths(point.x, width), _thousandths(point.y, height)]


class _MalformedError(ValueError):
    """What is wrong with a box or a point."""


def _check_size(width: int, height: int) -> None:
    for name, side in (("width", width), ("height", height)):
        if not isinstance(side, int) or side < 1:
            raise ValueError(f"the picture's {name} is {side!r}; expected a whole number of pixels of at least 1.")


def _thousandths(place: float, side: int) -> int:
    return round(place * SCALE / side)


def _read_box(found: dict[str, Any], width: int, height: int) -> Box:
    x1, y1, x2, y2 = _numbers(found, _CORNERS, "four")
    if x2 < x1 or y2 < y1:
        raise _MalformedError(f"{_CORNERS} ends left of where it begins, or above")
    return Box(x1 * width / SCALE, y1 * height / SCALE, x2 * width / SCALE, y2 * height / SCALE, _label(found))


def _read_point(found: dict[str, Any], width: int, height: int) -> Point:
    x, y = _numbers(found, _POINT, "two")
    return Point(x * width / SCALE, y * height / SCALE, _label(found))


def _numbers(found: dict[str, Any], key: str, count: str) -> list[float]:
    value, expected = found[key], {"two": 2, "four": 4}[count]
    if value is _TWICE:
        raise _MalformedError(f"{key} stands twice in one object")
    if not isinstance(value, list) or len(value) != expected or not all(type(number) in (int, float) for number in value):
        raise _MalformedError(f"{key} is not {count} numbers")
    if not all(0 <= number <= SCALE for number in value):  # so NaN is refused too
        raise _MalformedError(f"a number of {key} is not from 0 to {SCALE}")
    return value


def _label(found: dict[str, Any]) -> str:
    label = found.get(_LABEL, "")
    if not isinstance(label, str):
        raise _MalformedError(f"{_LABEL} is no text")
    return label


# ---- JSON in a text --------------------------------------------------------------------------------------------------------------

_TWICE = object()
"""In the place of a value whose key stands twice: Python's reader would take the last."""


def _objects(text: str, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """Every JSON object of a text that names a box or a point; those that cannot be read are counted in `dropped`."""
    place = 0
    while mention := _MENTION.search(text, place):
        value, end = _object_around(mention, place)
        if value is None:
            dropped[_NO_JSON] += 1
        yield from _within(value)
        place = max(end, mention.end())


def _object_around(mention: re.Match[str], least: int) -> tuple[Any, int]:
    """The innermost JSON object that a key stands in, from `least` on, and where it ends; (None, 0) without one.

    From the key backwards, and never far: looked for from the front, a long text of brackets would take hours.
    """
    text, start = mention.string, mention.start()
    for _ in range(_MOST_BRACKETS):
        start = text.rfind("{", least, start)
        if start < 0:
            break
        try:
            value, length = _DECODER.raw_decode(text[start : start + _MOST_CHARACTERS])
        except (ValueError, RecursionError):
            continue  # a bracket in a label
        if start + length > mention.end():
            return value, start + length
    return None, 0


def _within(value: Any) -> Iterator[dict[str, Any]]:
    """The objects in a JSON value that name a box or a point, in their order."""
    left = [value]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            if _CORNERS in value or _POINT in value:
                yield value
            left.extend(reversed(value.values()))
        elif isinstance(value, list):
            left.extend(reversed(value))


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    times = Counter(key for key, _ in pairs)
    return {key: value if times[key] == 1 else _TWICE for key, value in pairs}


def _as_number(digits: str) -> float:
    return int(digits) if len(digits) < 20 else math.inf  # Python refuses to read thousands of digits


_DECODER = json.JSONDecoder(object_pairs_hook=_as_object, parse_int=_as_number)
