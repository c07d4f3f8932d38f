"""What is changed in the samples of a source before the model sees them: their Chinese text, and their images.

Text is changed as a row is read, the same way each time, as its length decides where it is packed; so is the white space that clients
put after a picture. Images are changed as they are
decoded, differently each time that the row comes. Both depend on nothing but the seed and the row.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from PIL import Image

from smvl.augment.distortions import augment_image
from smvl.augment.zh import augment_text
from smvl.config import ImageAugmentConfig, TextAugmentConfig
from smvl.data.sample import Sample
from smvl.data.source import Source
from smvl.processing.laid_out import count_images, is_image_part

_SPACES = ("\n", "\n", " ")
"""What clients put there: a line break more often than a space."""

ChangeImage = Callable[[Image.Image, int], Image.Image]
"""Changes one image of a sample; the number says which."""


class TextAugmentedSource:
    """A source whose samples' text is changed by `augment_text`."""

    def __init__(self, source: Source, settings: TextAugmentConfig, seed: int):
        self.source, self.settings, self.seed = source, settings, seed
        self.name = source.name

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> Sample:
        return augment_text(self.source[row], self.settings, seed=self.seed, key=f"{self.name}:{row}")


class SpacedSource:
    """A source in some of whose samples white space stands between a picture and the words after it, as some clients put it there.

    Args:
        share: of the pictures.
    """

    def __init__(self, source: Source, share: float, seed: int):
        self.source, self.share, self.seed = source, share, seed
        self.name = source.name

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, row: int) -> Sample:
        sample, generator = self.source[row], random.Random(f"{self.seed} space {self.name}:{row}")
        return replace(sample, messages=[self._space(message, generator) for message in sample.messages])

    def _space(self, message: dict[str, Any], generator: random.Random) -> dict[str, Any]:
        parts = message.get("content")
        if not count_images(message):
            return message
        spaced = [
            {**part, "text": generator.choice(_SPACES) + part["text"]}
            if part.get("type") == "text" and is_image_part(before) and generator.random() < self.share
            else part
            for before, part in zip([None, *parts], parts)
        ]
        return {**message, "content": spaced}


def image_change(settings: ImageAugmentConfig, *, task: str, seed: int, key: tuple[int, ...]) -> ChangeImage:
    """What happens to the images of one sample.

    Args:
        task: the sample's; some tasks are spared.
        key: names the sample and the time that it comes.
    """

    def change(image: Image.Image, number: int) -> Image.Image:
        generator = random.Random(f"{seed} {' '.join(map(str, key))} {number}")
        return augment_image(image, settings, task=task, generator=generator)

    return change
