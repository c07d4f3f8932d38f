"""Overlap of two texts by their characters: how much of one is in the other, whatever the language.

The measure is Dice's coefficient on multisets (Dice, Ecology 26, 1945), taken over characters or over pairs of neighbours as Adamson and
Boreham did for words (Information Storage and Retrieval 10, 1974). Characters ask which were kept, pairs also ask in what order.
Jaccard's coefficient ranks texts alike, J = D / (2 - D): Dice is used because half of a text kept gives 0.5.
"""

from collections import Counter


def character_overlap(first: str, second: str, *, size: int = 1) -> float:
    """Twice the runs of `size` characters in common, over the runs of both texts.

    A run that occurs several times counts as often as it occurs in both. A text shorter than `size` is one run.

    Args:
        first, second: the texts; white space counts like any character.
        size: 1 for characters, 2 for bigrams.

    Returns:
        1.0 for texts with the same runs, 0.0 for texts that share none. Two empty texts are the same.

    Raises:
        ValueError: `size` is below 1.
    """
    if size < 1:
        raise ValueError(f"size: found {size}, expected at least 1 character.")
    if first == second:
        return 1.0
    ours, theirs = Counter(runs_of(first, size)), Counter(runs_of(second, size))
    total = ours.total() + theirs.total()
    return 2 * (ours & theirs).total() / total if total else 1.0


def runs_of(text: str, size: int) -> list[str]:
    """All runs of `size` neighbouring characters, in order."""
    if len(text) <= size:
        return [text] if text else []
    return [text[start : start + size] for start in range(len(text) - size + 1)]
