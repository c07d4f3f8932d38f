"""The Chinese fonts of this machine, by style, and the one that pip brings everywhere."""

from functools import cache
from pathlib import Path
from typing import Literal

from PIL import ImageFont

Style = Literal["sans", "serif", "brush"]


@cache
def font_files(style: Style) -> tuple[Path, ...]:
    """Fonts of a style in a fixed order; those of `sans` where a style has none."""
    import cvttf_NotoSansCJK_Regular

    return (next(Path(cvttf_NotoSansCJK_Regular.__file__).parent.glob("*.otf")),)


@cache
def load_font(file: Path, pixels: int) -> ImageFont.FreeTypeFont:
    """A font at a size; kept, as loading one takes longer than drawing with it."""
    return ImageFont.truetype(str(file), pixels, layout_engine=ImageFont.Layout.BASIC)
