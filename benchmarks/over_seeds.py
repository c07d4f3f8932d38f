"""Figures of several seeds in a few characters."""

import statistics
from collections.abc import Sequence

STUDENT = {2: 12.71, 3: 4.30, 4: 3.18, 5: 2.78, 6: 2.57, 7: 2.45, 8: 2.36, 9: 2.31, 10: 2.26}
"""The 97.5% point of Student's t by the number of pairs."""


def spread(values: Sequence[float]) -> str:
    """Mean ± standard deviation."""
    return f"{statistics.mean(values):.3f} ± {statistics.stdev(values):.3f}" if len(values) > 1 else f"{values[0]:.3f}"


def paired(differences: Sequence[float]) -> str:
    """Mean of differences within a seed, with its 95% interval."""
    mean, count = statistics.mean(differences), len(differences)
    if count not in STUDENT:
        return f"{mean:+.3f}"
    half = STUDENT[count] * statistics.stdev(differences) / count**0.5
    return f"{mean:+.3f} ({mean - half:+.3f} to {mean + half:+.3f})"
