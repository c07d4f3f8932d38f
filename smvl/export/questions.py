"""What both sides of an export are asked: the held-out questions of the checkpoint's own run, or drawn pictures where there are none."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from smvl.config import SourceConfig, load_config
from smvl.data.sample import Sample, SampleError
from smvl.infer.request import Request
from smvl.infer.tool_calls import write_call
from smvl.processing.images import ImageError, read_image
from smvl.source_registry import is_drawn, open_source, source_name

RUN_FILE = "config.yaml"
"""What a run records in its folder."""
_PROMPTS = ("请描述这张图。", "图中有什么?", "图中写着什么?", "What is in the picture?", "图中有几种颜色?")
_COLOURS = ("red", "green", "blue", "black", "orange", "purple")


@dataclass(frozen=True)
class Questions:
    """Requests, and what should be answered."""

    requests: Sequence[Request]
    answers: Sequence[str] | None
    """Calls among them as a model writes them; None where nobody knows them."""
    origin: str
    """Where they come from, for the report."""


def find_questions(checkpoint: Path, heldout: Path | None, num_questions: int) -> Questions:
    """Held-out questions from `heldout`, or else from the data that the checkpoint's run names, or else drawn pictures.

    Raises:
        ValueError: `heldout` holds no data, or none of it can be asked.
    """
    source = SourceConfig(source="auto", path=str(heldout)) if heldout is not None else _heldout_of(checkpoint)
    return _drawn(num_questions) if source is None else _from_source(source, num_questions)


def _heldout_of(checkpoint: Path) -> SourceConfig | None:
    """The held-out source of the run that made the checkpoint, where both are still there."""
    recorded = next((path / RUN_FILE for path in (checkpoint, *checkpoint.resolve().parents[:2]) if (path / RUN_FILE).is_file()), None)
    source = load_config(recorded).evaluation.heldout if recorded else None
    return source if source is not None and (is_drawn(source) or Path(source.path).exists()) else None


def _from_source(source: SourceConfig, num_questions: int) -> Questions:
    rows = open_source(source)
    requests, answers, num_broken = [], [], 0
    for row in range(len(rows)):
        try:
            sample = rows[row]
            for image in sample.images:
                read_image(image)
        except (SampleError, ImageError):
            num_broken += 1
            continue
        requests.append(Request(sample.prompt, sample.images, tools=sample.tools))
        answers.append(expected_text(sample))
        if len(requests) == num_questions:
            break
    if not requests:
        raise ValueError(f"{source.path} holds no sample that can be asked. Look at it: python -m smvl check {source.path}")
    broken = f"; {num_broken} broken rows were passed over, see python -m smvl check {source.path}" if num_broken else ""
    return Questions(requests, answers, f"{len(requests)} held-out samples of {source.path or source_name(source)}{broken}")


def expected_text(sample: Sample) -> str:
    """What should be answered, with the calls as a model writes them: an export that calls something else answers otherwise."""
    calls = sample.messages[-1].get("tool_calls") or ()
    return "\n".join([*([sample.answer] if sample.answer else []), *(write_call(call["function"]) for call in calls)])


def _drawn(num_questions: int) -> Questions:
    """Pictures of coloured shapes in several formats: nobody knows what a model says of them, but it must say the same everywhere."""
    generator = random.Random(0)
    requests = []
    for number in range(num_questions):
        num_images = (1, 1, 1, 2, 0)[number % 5]
        images = [_picture(generator) for _ in range(num_images)]
        content = [{"type": "image"}] * num_images + [{"type": "text", "text": generator.choice(_PROMPTS)}]
        requests.append(Request([{"role": "user", "content": content}], images))
    return Questions(requests, None, f"{num_questions} drawn pictures, as the checkpoint names no held-out data that is here")


def _picture(generator: random.Random) -> Image.Image:
    width, height = generator.choice([(640, 480), (480, 640), (512, 512), (900, 300)])
    image = Image.new("RGB", (width, height), "white")
    draw = ImageDraw.Draw(image)
    for _ in range(generator.randint(1, 5)):
        x, y, size = generator.randrange(width), generator.randrange(height), generator.randint(20, 200)
        shape = generator.choice([draw.rectangle, draw.ellipse])
        shape((x, y, x + size, y + size), fill=generator.choice(_COLOURS))
    return image
