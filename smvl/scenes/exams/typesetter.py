"""Formulas as pictures.

Typst sets them (a compiler with mathematical typesetting in the quality of TeX, one pip wheel with its fonts; https://typst.app): a
millisecond for a formula where matplotlib's mathtext takes six, and it knows systems of equations and Chinese inside of formulas.
"""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from PIL import Image

from smvl.scenes.exams.latex import to_typst
from smvl.scenes.page import Colour, Page

_ROOM = 2.5
"""What a formula may reach above and below the baseline, in sizes."""
_MARGIN = 2
_PREAMBLE = """#set page(width: auto, height: auto, margin: {margin}pt, fill: none)
#set text(size: {pixels}pt, font: ("New Computer Modern Math", "Noto Sans CJK SC"), top-edge: "baseline", bottom-edge: "baseline")
"""


@dataclass(frozen=True)
class Formula:
    """A formula's picture."""

    mask: Image.Image
    """L: how much ink."""
    above: int
    """Pixels from its upper edge down to the baseline."""

    @property
    def below(self) -> int:
        return self.mask.height - self.above

    def draw(self, page: Page, left: float, baseline: float, ink: Colour) -> None:
        page.image.paste(ink, (round(left), round(baseline) - self.above), self.mask)


def set_formulas(latex: Iterable[str], pixels: int) -> dict[str, Formula]:
    """Pictures of formulas at a size, all in one picture below each other, as that is faster.

    Raises:
        ValueError: one is not canonical LaTeX (see latex.py), or taller than there is room for.
    """
    sources = list(dict.fromkeys(latex))
    if not sources:
        return {}
    room = round(_ROOM * pixels)
    lines = [f"[#box(height: {2 * room}pt, baseline: {room}pt)$display({to_typst(source)})$]" for source in sources]
    document = _PREAMBLE.format(margin=_MARGIN, pixels=pixels) + f"#stack({', '.join(lines)})"
    ink = Image.open(io.BytesIO(_compiler().compile(document.encode(), format="png", ppi=72.0))).getchannel("A")
    if ink.height != 2 * _MARGIN + 2 * room * len(sources):
        raise ValueError(f"one of {sources} is taller than {2 * _ROOM} times its size.")
    tops = [_MARGIN + 2 * room * index for index in range(len(sources))]
    return {source: _cut(ink.crop((0, top, ink.width, top + 2 * room)), room) for source, top in zip(sources, tops)}


def _cut(strip: Image.Image, baseline: int) -> Formula:
    left, top, right, bottom = strip.getbbox()
    return Formula(strip.crop((left, top, right, bottom)), baseline - top)


@cache
def _compiler():
    """Kept, as it has read the fonts. It is safe to use in a process that was forked after its first use."""
    import manimgx_fonts_cjk
    import typst

    return typst.Compiler(ignore_system_fonts=True, font_paths=[str(Path(manimgx_fonts_cjk.__file__).parent)])
