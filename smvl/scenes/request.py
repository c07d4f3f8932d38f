"""What data is asked for, and the list of samples that follows from it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from smvl.augment.distortions import PHONE
from smvl.config import DistortionConfig, SceneSourceConfig
from smvl.scenes.contents import SPLITS, TEST, TRAIN, VALIDATION
from smvl.scenes.scene import Question

SMALLEST_EDGE = 384
"""Pixels of the longer side from which on every kind is legible."""

PAIR_SHARE = SceneSourceConfig.pairs
"""Share of the samples that are about two pictures."""


@dataclass(frozen=True)
class Asked:
    """What a conversation asks."""

    kinds: tuple[str, ...] = ()
    """Kinds of questions, of `QUESTION_KINDS`; none takes all, as often as each kind of scene asks them."""
    turns: tuple[float, ...] = tuple(SceneSourceConfig().turns)
    """Shares of the conversations with one turn, with two, and so on, where they are about one picture."""
    numbers_only: bool = False
    """Only questions whose answer holds a digit."""

    def holds(self, question: Question) -> bool:
        """Whether a question is of the kinds that are asked."""
        return question.kind in self.kinds and (not self.numbers_only or any(map(str.isdecimal, question.answer)))

    def draw_turns(self, generator: random.Random) -> int:
        return generator.choices(range(1, len(self.turns) + 1), self.turns)[0]


EVERYTHING = Asked()


@dataclass(frozen=True, kw_only=True)
class SceneLook:
    """Everything that one scene depends on, besides its job and the fonts."""

    seed: int
    longest_edge: int = 512
    """The longer side of each picture in pixels."""
    distortions: DistortionConfig = field(default=PHONE)
    """Strengths up to which photographs go."""
    clean_share: float = 0.15
    """Share of the pictures that are as crisp as a screenshot, on white paper and without any distortion."""
    asked: Asked = field(default=EVERYTHING)

    def __post_init__(self) -> None:
        if self.longest_edge < SMALLEST_EDGE:
            raise ValueError(f"longest edge: found {self.longest_edge} pixels; expected {SMALLEST_EDGE} or more, or text cannot be read.")
        if not 0 <= self.clean_share <= 1:
            raise ValueError(f"clean share: found {self.clean_share}; expected a share from 0 to 1.")


@dataclass(frozen=True, kw_only=True)
class SceneRequest(SceneLook):
    """Everything that scenes on the disk depend on, besides the fonts."""

    num_pictures: int
    """Of all splits and kinds together: 80% train, 10% validation, 10% test."""
    kinds: tuple[str, ...]
    """Keys of `KINDS`; each gets as many pictures as another."""
    plain_fonts: bool = False
    """Only the font that pip brings, so that the pictures are the same on every machine."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"kinds: found {list(self.kinds)}; expected at least one, each once.")
        least = 10 * len(self.kinds)
        if self.num_pictures < least:
            raise ValueError(f"n: found {self.num_pictures}; {len(self.kinds)} kinds in three splits need at least {least} pictures.")

    def num_of(self, split: str) -> int:
        """Pictures of a split."""
        tenth = self.num_pictures // 10
        return {TRAIN: self.num_pictures - 2 * tenth, VALIDATION: tenth, TEST: tenth}[split]


@dataclass(frozen=True)
class Job:
    """One sample to be made."""

    kind: str
    split: str
    index: int
    """Counts the samples of this kind and split."""
    num_pictures: int
    """1 or 2."""

    @property
    def id(self) -> str:
        return f"{self.split}-{self.kind}-{self.index:06d}"


def plan_jobs(request: SceneRequest) -> dict[str, list[Job]]:
    """By split, every sample in the order in which it is written: kinds mixed, pictures exactly as many as asked for."""
    plan = {}
    for split in SPLITS:
        jobs = [
            job
            for kind, num in zip(request.kinds, _spread(request.num_of(split), len(request.kinds)))
            for job in _jobs(request, kind, split, num)
        ]
        random.Random(f"{request.seed} order {split}").shuffle(jobs)
        plan[split] = jobs
    return plan


def _spread(total: int, parts: int) -> Sequence[int]:
    return [total // parts + (place < total % parts) for place in range(parts)]


def _jobs(request: SceneRequest, kind: str, split: str, num_pictures: int) -> list[Job]:
    generator = random.Random(f"{request.seed} pairs {split} {kind}")
    jobs: list[Job] = []
    while num_pictures:
        taken = 2 if num_pictures > 1 and generator.random() < PAIR_SHARE else 1
        jobs.append(Job(kind, split, len(jobs), taken))
        num_pictures -= taken
    return jobs
