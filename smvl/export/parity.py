"""An export beside its checkpoint: size, memory, speed, and how far the answers agree."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

import numpy as np

from smvl.eval.exact_match import normalise
from smvl.export.probe import Probed
from smvl.model_card import CARD_FILE

PARITY_FILE = "parity.json"


@dataclass(frozen=True)
class Limits:
    """How far an export may be from its checkpoint; None sets no limit."""

    equal_tokens: float | None = None
    """Share of greedy tokens that must be equal, at least."""
    score_loss: float | None = None
    """Of held-out exact match, at most; 0.005 is half a point."""
    scores: float | None = None
    """Largest difference in the scores of a first token."""


@dataclass(frozen=True)
class Parity:
    """What was found; sizes in bytes, shares from 0 to 1."""

    num_questions: int
    file_bytes: dict[str, int]
    """Of each file of the export."""
    equal_tokens: float
    """Share of greedy tokens that are equal, place by place; an answer that is longer than the other differs in what it has more."""
    equal_answers: float
    largest_score_difference: float | None
    """Between the scores (logits) of the answers' first tokens; None where the runtime does not give them."""
    exact_match: float | None
    """Of the export; None where no answers are known."""
    exact_match_before: float | None
    """Of the checkpoint."""
    checkpoint: Probed
    export: Probed
    limits: Limits
    excess: list[str]
    """The limits that are broken, each with its figures; empty for an export that is as it should be."""

    def as_json(self) -> str:
        """All but the answers themselves."""
        content = asdict(self)
        for side in ("checkpoint", "export"):
            for long in ("texts", "tokens"):
                del content[side][long]
        return json.dumps({"total_bytes": sum(self.file_bytes.values()), **content}, ensure_ascii=False, indent=2)

    def table(self) -> str:
        """For a reader."""
        lines = [f"  {name.ljust(44)} {_megabytes(size):>12}" for name, size in sorted(self.file_bytes.items()) if size > 100_000]
        lines += [f"  {'all files'.ljust(44)} {_megabytes(sum(self.file_bytes.values())):>12}", ""]
        lines.append(f"  {''.ljust(34)} {'checkpoint':>12} {'export':>12}")
        before, after = self.checkpoint, self.export
        rows = [
            ("peak memory", _megabytes(before.peak_bytes), _megabytes(after.peak_bytes)),
            ("loading, seconds", f"{before.load_seconds:.1f}", f"{after.load_seconds:.1f}"),
            ("time to first token, seconds", f"{before.seconds_to_first_token:.3f}", f"{after.seconds_to_first_token:.3f}"),
            ("tokens per second", _rate(before), _rate(after)),
            ("share of answers stopped as loops", f"{before.loops:.3f}", f"{after.loops:.3f}"),
        ]
        if self.exact_match is not None:
            rows.append(("held-out exact match", f"{self.exact_match_before:.3f}", f"{self.exact_match:.3f}"))
        lines += [f"  {name.ljust(34)} {left:>12} {right:>12}" for name, left, right in rows]
        lines += [
            "",
            f"  equal greedy tokens {self.equal_tokens:.4f}, equal answers {self.equal_answers:.4f} over {self.num_questions} questions",
        ]
        if self.largest_score_difference is not None:
            lines[-1] += f"; largest difference of logits {self.largest_score_difference:.3g}"
        return "\n".join(lines)


def compare(
    checkpoint: tuple[Probed, np.ndarray],
    export: tuple[Probed, np.ndarray | None],
    *,
    file_bytes: Mapping[str, int],
    limits: Limits,
    expected: Sequence[str] | None,
) -> Parity:
    """Set what both answered side by side.

    Args:
        checkpoint, export: answers, and (questions, vocabulary) float32 scores of first tokens, to the same questions; an export's scores
            may be unknown.
        expected: the right answers, where they are known.
    """
    (before, scores_before), (after, scores_after) = checkpoint, export
    pairs = list(zip(before.tokens, after.tokens, strict=True))
    equal = sum(left == right for ids, others in pairs for left, right in zip(ids, others))
    found: dict[str, Any] = {
        "equal_tokens": equal / sum(max(map(len, pair)) for pair in pairs),
        "equal_answers": sum(left == right for left, right in pairs) / len(pairs),
        "largest_score_difference": None if scores_after is None else float(np.abs(scores_after - scores_before).max()),
        "exact_match": _exact_match(after, expected),
        "exact_match_before": _exact_match(before, expected),
    }
    return Parity(
        num_questions=len(pairs),
        file_bytes=dict(file_bytes),
        checkpoint=before,
        export=after,
        limits=limits,
        excess=_excess(found, limits),
        **found,
    )


def size_of_files(folder: Path) -> dict[str, int]:
    """Bytes of each file of a folder by its path in it; the parity report itself is no part of an export."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and path.name not in (PARITY_FILE, CARD_FILE))
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _exact_match(probed: Probed, expected: Sequence[str] | None) -> float | None:
    if expected is None:
        return None
    right = [normalise(text) == normalise(answer) for text, answer in zip_longest(probed.texts, expected, fillvalue="")]
    return sum(right) / len(right)


def _excess(found: Mapping[str, Any], limits: Limits) -> list[str]:
    excess = []
    if limits.equal_tokens is not None and found["equal_tokens"] < limits.equal_tokens:
        excess.append(f"{found['equal_tokens']:.4f} of the greedy tokens are equal; at least {limits.equal_tokens} should be")
    moved = found["largest_score_difference"]
    if limits.scores is not None and moved is not None and not moved <= limits.scores:
        excess.append(f"logits differ by {moved:.3g}; at most {limits.scores:g} is allowed")
    if limits.score_loss is not None and found["exact_match"] is not None:
        loss = found["exact_match_before"] - found["exact_match"]
        if loss > limits.score_loss + 1e-9:
            excess.append(f"the held-out exact match fell by {100 * loss:.1f} points; at most {100 * limits.score_loss:g} are allowed")
    return excess


def _megabytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"


def _rate(probed: Probed) -> str:
    return "-" if probed.tokens_per_second is None else f"{probed.tokens_per_second:.1f}"
