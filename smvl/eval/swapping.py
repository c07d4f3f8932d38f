"""Swapping images between samples: how to ask whether a model looks at them."""

from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import replace

from smvl.data.sample import Sample


def swap_images(samples: Sequence[Sample]) -> list[Sample]:
    """Every sample that has images with those of another sample; samples without images stay as they are.

    Partners have the same number of images and, where there are several such, the same task: then the swapped picture is as likely as the
    right one, and only looking tells them apart. A sample that has no partner with as many images is left out, as it cannot be swapped.
    """
    swapped = {index: sample for index, sample in enumerate(samples) if not sample.images}
    alone = _rotate(_groups(samples, range(len(samples)), lambda sample: (len(sample.images), sample.task)), samples, swapped)
    _rotate(_groups(samples, range(len(samples)), lambda sample: len(sample.images)), samples, swapped, only=alone)
    return [swapped[index] for index in sorted(swapped)]


def _groups(samples: Sequence[Sample], indices: Sequence[int], key) -> list[list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in indices:
        if samples[index].images:
            groups[key(samples[index])].append(index)
    return list(groups.values())


def _rotate(
    groups: Sequence[Sequence[int]], samples: Sequence[Sample], swapped: dict[int, Sample], only: set[int] | None = None
) -> set[int]:
    """Give each member of a group the images of the next; returns those that are alone in theirs."""
    alone: set[int] = set()
    for group in groups:
        if len(group) == 1:
            alone.update(group)
            continue
        for index, partner in zip(group, [*group[1:], group[0]]):
            if only is None or index in only:
                swapped[index] = replace(samples[index], images=samples[partner].images)
    return alone
