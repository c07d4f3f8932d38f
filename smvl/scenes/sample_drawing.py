"""One sample: its pictures as files, and its row."""

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from smvl.scenes.contents import Contents
from smvl.scenes.conversation import Conversation, NothingToAskError, talk
from smvl.scenes.fonts import Fonts
from smvl.scenes.kinds import KINDS
from smvl.scenes.photograph import Photograph, encode_photograph, take_photograph
from smvl.scenes.request import Job, SceneLook
from smvl.scenes.scene import Drawing

_MOST_DRAWS = 30
"""Of a scene, until it holds something that may be asked."""


@dataclass(frozen=True)
class SceneSample:
    """A sample before it is written."""

    job: Job
    drawings: tuple[Drawing, ...]
    photographs: tuple[Photograph, ...]
    conversation: Conversation
    texts: frozenset[str]
    """Everything that came from the split's texts."""

    def row(self, files: Sequence[Any]) -> dict[str, Any]:
        """The line of the JSON Lines file: scored by its last question, whose kind is in `task`.

        Args:
            files: where each picture lies, relative to the JSON Lines file, or what it is.
        """
        kinds = self.conversation.question_kinds
        row = {"id": self.job.id, "task": f"{self.job.kind}/{kinds[-1]}", "messages": self.conversation.messages(files), "questions": kinds}
        if self.conversation.tools:
            row["tools"] = list(self.conversation.tools)
        return row


def draw_sample(job: Job, look: SceneLook, fonts: Fonts) -> SceneSample:
    """[Contract] A function of its arguments alone, whatever was drawn before and in which process.

    Raises:
        NothingToAskError: the kind of scene is never asked the questions that were chosen.
    """
    kind = KINDS[job.kind]
    name = f"{look.seed} {job.id}"
    for draws_left in reversed(range(_MOST_DRAWS)):
        contents = [Contents(f"{name} {number}", job.split, fonts) for number in range(job.num_pictures)]
        drawings = tuple(kind.draw(content, look.longest_edge) for content in contents)
        try:
            conversation = talk(kind, drawings, contents, random.Random(f"{name} talk"), look.asked)
            break
        except NothingToAskError:
            if not draws_left:
                raise
            name += " again"
    generator = random.Random(f"{name} camera")
    photographs = tuple(take_photograph(drawing, kind, look.distortions, look.clean_share, generator) for drawing in drawings)
    texts = frozenset().union(*(content.texts for content in contents))
    return SceneSample(job, drawings, photographs, conversation, texts)


def encode_sample(sample: SceneSample) -> tuple[dict[str, bytes], str]:
    """(bytes of each picture by its path below the data's folder, the sample's line)."""
    generator = random.Random(f"{sample.job.id} files")
    pictures = {}
    for number, photograph in enumerate(sample.photographs):
        suffix, content = encode_photograph(photograph, generator)
        pictures[f"images/{sample.job.split}/{sample.job.kind}-{sample.job.index:06d}-{number}{suffix}"] = content
    return pictures, json.dumps(sample.row(list(pictures)), ensure_ascii=False)
