"""A picture that text is written on, and that remembers what was written."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from smvl.scenes.contents import Contents
from smvl.scenes.fonts import Face, Style, load_font
from smvl.scenes.glyphs import Box, Mark, baseline_below_middle, line_metrics, text_length, write_text
from smvl.scenes.wrapping import wrap_text

Colour = tuple[int, int, int]
INK: Colour = (28, 28, 32)
_SMALLEST = 6
"""Pixels; smaller type is set in this size."""


class Page:
    """An RGB picture with a pen.

    Args:
        contents: decides the fonts.
        size: (width, height) in pixels.
        background: a colour, or a picture of that size.
    """

    def __init__(self, contents: Contents, size: tuple[int, int], background: Colour | Image.Image = (255, 255, 255)):
        self.image = background.copy() if isinstance(background, Image.Image) else Image.new("RGB", size, background)
        if self.image.size != tuple(size) or self.image.mode != "RGB":
            raise ValueError(f"the background is {self.image.mode} of {self.image.size}; expected RGB of {tuple(size)}.")
        self.pen = ImageDraw.Draw(self.image)
        """For lines and shapes; text goes through `write`."""
        self.texts: list[str] = []
        self.boxes: list[Box] = []
        """Where each of the texts stands: left, top, right, bottom in pixels."""
        self.marks: list[Mark] = []
        """Where each of their characters stands."""
        self.contents = contents
        self._faces: dict[str, Face] = {}

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height

    def choose_face(self, style: Style, text: str) -> None:
        """Take a face of a style that has all of this text, for the whole page; before the style is first written in.

        Raises:
            ValueError: no face of any style has it.
        """
        fitting = [face for face in self.contents.fonts.of(style) if face.covers(text)]
        self._faces[style] = self.contents.random.choice(fitting) if fitting else self._any_face(text)

    def face(self, style: Style, text: str = "") -> Face:
        """The page's face of a style, chosen once; for a text with a character that it lacks, another one."""
        if style not in self._faces:
            self._faces[style] = self.contents.random.choice(self.contents.fonts.of(style))
        face = self._faces[style]
        return face if face.covers(text) else self._any_face(text, style)

    def _any_face(self, text: str, style: Style = "sans") -> Face:
        fonts = self.contents.fonts
        for face in (*fonts.of(style), *fonts.faces):
            if face.covers(text):
                return face
        lacking = [character for character in text if not any(face.covers(character) for face in fonts.faces)]
        raise ValueError(f"no font has all characters of {text!r}: {lacking or 'each is in some font, but all are in none'}.")

    def font(self, style: Style, pixels: float, text: str = "") -> ImageFont.FreeTypeFont:
        """A font of a style; the same face for the whole page unless it lacks a character of the text."""
        return load_font(*self._type(style, pixels, text))

    def _type(self, style: Style, pixels: float, text: str) -> tuple[Face, int]:
        """Face and size that a text is set in."""
        return self.face(style, text), max(_SMALLEST, round(pixels))

    def measure(self, text: str, style: Style, pixels: float) -> tuple[int, int]:
        """(width, height) in pixels that a run of text takes: its advance, and the font's line height."""
        face, size = self._type(style, pixels, text)
        return round(text_length(text, face, size)), sum(line_metrics(face, size))

    def write(
        self, position: tuple[float, float], text: str, style: Style, pixels: float, *, fill: Colour = INK, anchor: str = "la"
    ) -> Box:
        """Write one run of text in one line. Returns its box (left, top, right, bottom).

        Args:
            position: where the anchor is.
            anchor: `l`, `m` or `r`, then `a`, `m`, `s` or `d`: `la` left and top, `mm` the middle, `ls` left on the baseline.
        """
        box = write_text(self.image, position, text, *self._type(style, pixels, text), fill, anchor, self.marks)
        self.texts.append(text)
        self.boxes.append(box)
        return box

    def write_column(
        self, position: tuple[float, float], text: str, style: Style, pixels: float, *, step: float = 1.1, fill: Colour = INK
    ) -> Box:
        """Write a run of text from top to bottom, upright. Returns its box.

        Args:
            position: the middle of the column's upper edge.
            step: from one character to the next, as a share of the size.
        """
        x, y = position
        return self._spread(text, style, pixels, [(x, y + pixels * (0.5 + step * place)) for place in range(len(text))], fill)

    def write_from_right(
        self, position: tuple[float, float], text: str, style: Style, pixels: float, *, step: float = 1.1, fill: Colour = INK
    ) -> Box:
        """Write a run of text from right to left, as plaques have it. Returns its box.

        Args:
            position: the middle of the row's right edge.
            step: from one character to the next, as a share of the size.
        """
        x, y = position
        return self._spread(text, style, pixels, [(x - pixels * (0.5 + step * place), y) for place in range(len(text))], fill)

    def _spread(self, text: str, style: Style, pixels: float, places: Sequence[tuple[float, float]], fill: Colour) -> Box:
        """Each character around its place, centred on the square that type is set on."""
        face, size = self._type(style, pixels, text)
        drop = baseline_below_middle(face, size)
        return self._note(
            text,
            [
                write_text(self.image, (x, y + drop), character, face, size, fill, "ms", self.marks)
                for character, (x, y) in zip(text, places)
            ],
        )

    def _note(self, text: str, boxes: Sequence[Box]) -> Box:
        """Write down one run of text that stands in several pieces."""
        lefts, tops, rights, bottoms = zip(*boxes)
        self.texts.append(text)
        self.boxes.append((min(lefts), min(tops), max(rights), max(bottoms)))
        return self.boxes[-1]

    def fit(self, text: str, style: Style, pixels: float, width: float) -> float:
        """The largest size up to `pixels` at which a text is no wider than `width`."""
        taken = self.measure(text, style, pixels)[0]
        return pixels if taken <= width else max(_SMALLEST, pixels * width / taken)

    def wrap(self, text: str, style: Style, pixels: float, width: float) -> list[str]:
        """Lines of at most `width` pixels, broken as Chinese typesetting does; joined they are the text again."""
        return wrap_text(text, *self._type(style, pixels, text), width)

    def write_paragraph(
        self,
        position: tuple[float, float],
        text: str,
        style: Style,
        pixels: float,
        width: float,
        *,
        leading: float = 1.5,
        fill: Colour = INK,
    ) -> float:
        """Write one text over as many lines as it takes; it stays one text in `texts`. Returns the height where the next would begin."""
        x, y = position
        face, size = self._type(style, pixels, text)
        boxes = []
        for line in wrap_text(text, face, size, width):
            boxes.append(write_text(self.image, (x, y), line, face, size, fill, "la", self.marks))
            y += pixels * leading
        self._note(text, boxes)
        return y

    def write_lines(
        self, position: tuple[float, float], lines: Sequence[str], style: Style, pixels: float, *, leading: float = 1.4, fill: Colour = INK
    ) -> float:
        """Write lines below each other. Returns the height where the next would begin, in pixels."""
        x, y = position
        for line in lines:
            self.write((x, y), line, style, pixels, fill=fill)
            y += pixels * leading
        return y
