"""The Cauldron's subsets by name (Laurençon et al., arXiv 2405.02246; HuggingFaceM4/the_cauldron), and those that cannot be used."""

import difflib
import logging
from collections.abc import Collection, Sequence

logger = logging.getLogger(__name__)

SUBSETS = (
    "ai2d aokvqa chart2text chartqa clevr clevr_math cocoqa datikz diagram_image_to_text docvqa dvqa figureqa finqa geomverse "
    "hateful_memes hitab iam iconqa infographic_vqa intergps localized_narratives mapqa mimic_cgd multihiertt nlvr2 ocrvqa okvqa plotqa "
    "raven rendered_text robut_sqa robut_wikisql robut_wtq scienceqa screen2words spot_the_diff st_vqa tabmwp tallyqa tat_qa textcaps "
    "textvqa tqa vistext visual7w visualmrc vqarad vqav2 vsr websight"
).split()

_CUT_SHORT = "its copies were reported broken: files are missing from the upload or cannot be read to the end"
BROKEN = dict.fromkeys(("mimic_cgd", "localized_narratives", "okvqa", "ocrvqa", "clevr_math"), _CUT_SHORT)
"""Why a subset is not read."""


def is_the_cauldron(path: str, *, stated: bool) -> bool:
    """Whether a path or hub id is The Cauldron itself; its layout alone does not say so, as FineVision has subsets of the same names.

    Args:
        stated: the configuration says that it is.
    """
    return stated or any(part.lower() == "the_cauldron" for part in path.replace("\\", "/").rstrip("/").split("/"))


def refuse_broken(wanted: Sequence[str], where: str) -> None:
    """Raise `ValueError` when a broken subset is asked for by name; `where` names the data."""
    if refused := [subset for subset in wanted if subset in BROKEN]:
        reasons = "; ".join(f"{subset}: {BROKEN[subset]}" for subset in refused)
        raise ValueError(f"{where}: the subset {', '.join(refused)} of The Cauldron is not read ({reasons}). Take it out of `subsets`.")


def leave_out_broken(available: Collection[str], where: str) -> list[str]:
    """The subsets that can be read, of those that are available; the others are named in the log."""
    if left_out := sorted(set(available) & BROKEN.keys()):
        logger.warning("%s: left out %s, known to be broken at the source.", where, ", ".join(left_out))
    return sorted(set(available) - BROKEN.keys())


def describe_unknown(subset: str, known: Collection[str]) -> str:
    """What to say of a subset that is not there."""
    nearest = difflib.get_close_matches(subset, known, n=1, cutoff=0.5)
    hint = f"did you mean {nearest[0]}?" if nearest else f"there are {', '.join(sorted(known)[:20]) or 'none'}"
    return f"there is no subset {subset} ({hint})"
