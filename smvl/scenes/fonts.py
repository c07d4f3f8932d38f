"""The Chinese fonts of this machine, by style, and the one that pip brings everywhere.

Which fonts there are decides how a scene looks, never what it says. `pip_fonts` alone gives the same picture on every machine.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

from smvl.font_files import SUFFIXES, machine_font_files, pip_font_file

logger = logging.getLogger(__name__)

Style = Literal["sans", "serif", "brush", "heavy"]
"""Plain letters, letters with thick and thin strokes (songti), letters as a brush writes them (kaiti, lishu, xingshu), and bold ones."""

# Words in a font's names that tell its style, the first that fits; a Chinese font with none of them counts as sans.
_STYLE_WORDS: dict[str, tuple[str, ...]] = {
    "brush": (
        "kai", "楷", "xingshu", "xingkai", "行楷", "行书", "lishu", "lisu", "stliti", "隶", "caoshu", "mao cao", "草", "shufa", "书法",
        "ma shan zheng", "zhi mang xing", "long cang", "brush", "毛笔", "weibei", "魏碑", "手写",
    ),
    "serif": ("song", "宋", "ming", "明", "serif", "simsun", "mincho", "sungti"),
    "sans": ("hei", "黑", "sans", "gothic", "pingfang", "苹方", "dengxian", "等线", "puhui"),
}  # fmt: skip
_BOLD_WORDS = ("bold", "heavy", "black", "粗")
_LARGE_SHARE = 0.98
"""Of the common characters; fonts of handwriting lack a few."""


@dataclass(frozen=True, eq=False)
class Face:
    """One font to write with; equal to itself alone, so that it is a quick key."""

    family: str
    style: Style
    file: Path
    index: int = 0
    """Which of the fonts in the file."""
    axes: tuple[float, ...] = ()
    """Where a variable font's axes are set; empty for one that is not variable."""
    characters: frozenset[int] = field(default=frozenset(), repr=False)
    """Code points that it has."""

    def covers(self, text: str) -> bool:
        return all(ord(character) in self.characters for character in text)

    @property
    def name(self) -> str:
        """What the manifest calls it; no path of the machine."""
        weight = f" {self.axes[0]:g}" if self.axes else ""
        return f"{self.family}{weight} ({self.file.name})"


@dataclass(frozen=True)
class Fonts:
    """The faces that scenes are drawn with."""

    faces: tuple[Face, ...]

    def of(self, style: Style) -> tuple[Face, ...]:
        """Faces of a style in a fixed order; those of `sans` where a style has none."""
        return tuple(face for face in self.faces if face.style == style) or tuple(face for face in self.faces if face.style == "sans")


@cache
def pip_fonts() -> Fonts:
    """Noto Sans CJK in five weights, from the package that requirements.txt names (SIL Open Font License 1.1).

    Raises:
        ValueError: the package is not installed.
    """
    try:
        file = pip_font_file()
    except ImportError as error:
        raise ValueError("the scenes need a Chinese font: pip install manimgx-fonts-cjk") from error
    face = _read_face(file)
    weights = {"sans": (300, 400, 500), "heavy": (700, 900)}
    return Fonts(tuple(Face(face.family, style, file, face.index, (w,), face.characters) for style in weights for w in weights[style]))


@cache
def machine_fonts() -> Fonts:
    """The pip fonts, and every font of this machine that has the common Chinese characters."""
    faces = [_read_face(file) for file in machine_font_files()]
    chinese = [face for face in faces if face is not None]
    logger.info("Chinese fonts of this machine: %s", ", ".join(sorted({face.family for face in chinese})) or "none")
    return Fonts(pip_fonts().faces + tuple(sorted(chinese, key=lambda face: (face.file.name, face.index))))


@lru_cache(maxsize=48)
def load_font(face: Face, pixels: int) -> ImageFont.FreeTypeFont:
    """A face at a size; some are kept, as loading one takes a millisecond, but each of them holds up to four megabytes."""
    font = ImageFont.truetype(str(face.file), pixels, index=face.index, layout_engine=ImageFont.Layout.BASIC)
    if face.axes:
        font.set_variation_by_axes(list(face.axes))
    return font


@cache
def common_characters() -> str:
    """The 3,755 common characters (GB 2312, first level), in its order, which is by sound."""
    cells = bytes(byte for row in range(0xB0, 0xD8) for cell in range(0xA1, 0xFF) for byte in (row, cell))
    return cells.decode("gb2312", errors="ignore")


@cache
def _required() -> frozenset[int]:
    """The common characters, Chinese punctuation, letters and digits."""
    ascii_letters = "".join(map(chr, range(0x21, 0x7F)))
    return frozenset(map(ord, common_characters() + "，。：；！？（）《》、" + ascii_letters))


@cache
def folder_fonts(folder: Path) -> Fonts:
    """The pip fonts, and every Chinese font in a folder, also one that lacks some rare character: a text with it is set in another.

    Raises:
        ValueError: the folder holds none.
    """
    files = sorted(file for file in Path(folder).glob("*") if file.suffix.lower() in SUFFIXES)
    faces = tuple(face for file in files if (face := _read_face(file, _LARGE_SHARE)) is not None)
    if not faces:
        raise ValueError(f"there is no Chinese font in {folder}; expected .ttf or .otf files.")
    return Fonts(pip_fonts().faces + faces)


def _read_face(file: Path, share: float = 1.0) -> Face | None:
    """The face in a file that simplified Chinese is best written with; None where the file is broken or none has enough characters.

    Args:
        share: of the common characters that it must have.
    """
    from fontTools.ttLib import TTFont, TTLibError

    best = None
    for index in _indices(file):
        try:
            with TTFont(file, fontNumber=index, lazy=True) as font:
                characters = frozenset(font.getBestCmap() or ())
                names = _names(font)
                axes = tuple(400.0 if axis.axisTag == "wght" else axis.defaultValue for axis in font["fvar"].axes) if "fvar" in font else ()
        except (TTLibError, OSError, AssertionError) as error:
            logger.warning("The font %s cannot be read: %s", file.name, error)
            return None
        face = Face(names[0], _style_of(" ".join(names).lower()), file, index, axes, characters)
        enough = len(_required() & characters) >= share * len(_required())
        if enough and (best is None or _is_simplified(face.family) > _is_simplified(best.family)):
            best = face
    return best


def _indices(file: Path) -> Iterator[int]:
    if file.suffix.lower() not in (".ttc", ".otc"):
        return iter((0,))
    with file.open("rb") as header:
        header.seek(8)
        return iter(range(int.from_bytes(header.read(4), "big")))


def _names(font) -> list[str]:
    """Family first, then every other family and style name of the font."""
    table = font["name"]
    family = table.getBestFamilyName() or "unnamed"
    return [family, *sorted({record.toUnicode(errors="ignore") for record in table.names if record.nameID in (1, 2, 16, 17)} - {family})]


def _is_simplified(family: str) -> bool:
    return any(word in family.split() for word in ("SC", "CN", "GB", "GB18030", "S"))


def _style_of(names: str) -> Style:
    style = next((style for style, words in _STYLE_WORDS.items() if any(word in names for word in words)), "sans")
    bold = style == "sans" and any(word in names for word in _BOLD_WORDS)
    return "heavy" if bold else style
