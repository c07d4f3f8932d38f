"""What stands on the drawn scenes: the texts that nano's pages are set from, and the characters that they use."""

from collections.abc import Sequence

from nano.alphabet import PUNCTUATION, SIGNS
from nano.domain import domain
from smvl.scenes.contents import TRAIN
from smvl.scenes.source import SceneRows


def scene_lines(kinds: Sequence[str], num_scenes: int) -> list[str]:
    """The runs of text on drawn scenes of the training split, as often as they come; a function of its arguments alone."""
    rows = SceneRows(domain(kinds), TRAIN, "lines")
    return [text for row in range(num_scenes) for drawing in rows.draw(row).drawings for text in drawing.texts]


def characters_of(lines: Sequence[str]) -> str:
    """ASCII, punctuation, and every other character of the lines, in the order of their code points."""
    fixed = SIGNS + PUNCTUATION
    return fixed + "".join(sorted(set("".join(lines)) - set(fixed) - set(" 　\n")))
