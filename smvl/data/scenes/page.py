"""A picture that text is written on, and that remembers what was written."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from smvl.data.scenes.contents import Contents
from smvl.data.scenes.fonts import Style, font_files, load_font

Colour = tuple[int, int, int]
INK: Colour = (28, 28, 32)


class Page:
    """An RGB picture with a pen.

    Args:
        contents: decides the fonts.
        size: (width, height) in pixels.
    """

    def __init__(self, contents: Contents, size: tuple[int, int], background: Colour = (255, 255, 255)):
        self.image = Image.new("RGB", size, background)
        self.pen = ImageDraw.Draw(self.image)
        """For lines and shapes; text goes through `write`."""
        self.texts: list[str] = []
        self._contents = contents
        self._files: dict[str, Path] = {}

    @property
    def width(self) -> int:
        return self.image.width

    @property
    def height(self) -> int:
        return self.image.height

    def font(self, style: Style, pixels: float) -> ImageFont.FreeTypeFont:
        """A font of a style; the same face for the whole page, chosen once."""
        if style not in self._files:
            self._files[style] = self._contents.random.choice(font_files(style))
        return load_font(self._files[style], max(6, round(pixels)))

    def measure(self, text: str, style: Style, pixels: float) -> tuple[int, int]:
        """(width, height) in pixels that a run of text takes: its advance, and the font's line height."""
        font = self.font(style, pixels)
        ascent, descent = font.getmetrics()
        return round(font.getlength(text)), ascent + descent

    def write(
        self, position: tuple[float, float], text: str, style: Style, pixels: float, *, fill: Colour = INK, anchor: str = "la"
    ) -> tuple[int, int, int, int]:
        """Write one run of text in one line. Returns its box (left, top, right, bottom).

        Args:
            position: where the anchor is.
            anchor: Pillow's: `la` left and top, `mm` the middle, `ra` right and top, `ls` left on the baseline.
        """
        font = self.font(style, pixels)
        self.pen.text(position, text, font=font, fill=fill, anchor=anchor)
        self.texts.append(text)
        left, top, right, bottom = self.pen.textbbox(position, text, font=font, anchor=anchor)
        return round(left), round(top), round(right), round(bottom)

    def fit(self, text: str, style: Style, pixels: float, width: float) -> float:
        """The largest size up to `pixels` at which a text is no wider than `width`."""
        taken = self.measure(text, style, pixels)[0]
        return pixels if taken <= width else max(6, pixels * width / taken)

    def wrap(self, text: str, style: Style, pixels: float, width: float) -> list[str]:
        """Lines of at most `width` pixels; Chinese breaks anywhere but before closing punctuation."""
        font, lines, line = self.font(style, pixels), [], ""
        for character in text:
            if line and character not in ",。、;:!?)》」%" and font.getlength(line + character) > width:
                lines.append(line)
                line = ""
            line += character
        return [*lines, line] if line else lines

    def write_lines(
        self, position: tuple[float, float], lines: Sequence[str], style: Style, pixels: float, *, leading: float = 1.4, fill: Colour = INK
    ) -> float:
        """Write lines below each other. Returns the height where the next would begin, in pixels."""
        x, y = position
        for line in lines:
            self.write((x, y), line, style, pixels, fill=fill)
            y += pixels * leading
        return y
