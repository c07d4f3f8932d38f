"""A sample becomes tensors here, in the worker processes: its laid_out, then its pixels."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch

from smvl.augment.augmentation import ChangeImage
from smvl.data.image_label import image_label
from smvl.data.quarantine import Failure
from smvl.data.sample import Sample, SampleError
from smvl.processing.images import ImageError, check_shape, image_header, image_name, read_image
from smvl.processing.laid_out import FIRST_FRAMES, LaidOut, TooLongError
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.processing.rendering import ChatTemplateError


@dataclass(frozen=True)
class Encoded:
    """One sample as the model takes it."""

    id: str
    source: str
    input_ids: torch.Tensor
    """(length,) int64"""
    labels: torch.Tensor
    """(length,) int64, `IGNORED_LABEL` where the model is not asked; not shifted"""
    position_ids: torch.Tensor
    """(axes, length) int64, as the laid_out counts them"""
    pixels: torch.Tensor
    """(num_units, 3, side, side) uint8; the model normalises them, so that a quarter of the bytes goes from process to process to card"""
    shapes: tuple[tuple[int, int], ...]
    """Of each picture, as `Plan.shape`; samples with equal ones can swap their pixels and nothing else changes."""


class Encoder:
    """Turns samples into tensors, one rule for training and evaluation.

    Args:
        max_length: tokens of the longest sample; None sets no limit.
        max_units: tiles or patches of the sample with the most; None sets no limit.
    """

    def __init__(self, processor: SmVLMProcessor, max_length: int | None, max_units: int | None = None):
        self.processor, self.max_length, self.max_units = processor, max_length, max_units

    def lay_out(self, sample: Sample, sizes: Sequence[tuple[int, int]] | None = None, *, asks_empty_thinking: bool = False) -> LaidOut:
        """Ids, labels and plans, from image headers alone.

        Args:
            sizes: (height, width) of each image, where they are known; None opens the headers.
            asks_empty_thinking: as `SmVLMProcessor.lay_out` has it.

        Raises:
            SampleError: an image cannot be opened, or the sample is too long, or nothing in it is asked of the model.
        """
        if sizes is None:
            with _refusing_images():
                headers = [image_header(image, name=image_label(sample, index)) for index, image in enumerate(sample.images)]
            shapes = [(header.height, header.width) for header in headers]
            laid_out = self.lay_out(sample, shapes, asks_empty_thinking=asks_empty_thinking)
            has_more_frames = any(headers[index].has_more_frames for index in laid_out.kept_images)
            return replace(laid_out, shortened=(*laid_out.shortened, FIRST_FRAMES)) if has_more_frames else laid_out
        with _refusing_images():
            for index, (height, width) in enumerate(sizes):
                check_shape(height, width, name=image_label(sample, index) or image_name(sample.images[index]))
        try:
            laid_out = self.processor.lay_out(
                sample.messages,
                sizes,
                tools=sample.tools,
                max_length=self.max_length,
                max_units=self.max_units,
                asks_empty_thinking=asks_empty_thinking,
            )
        except TooLongError as error:
            raise SampleError("too long", str(error)) from error
        except ChatTemplateError as error:
            raise SampleError("chat template", str(error)) from error
        if not laid_out.num_supervised:
            raise SampleError("nothing supervised", "no token of this sample is asked of the model")
        return laid_out

    def encode(
        self,
        sample: Sample,
        change_image: ChangeImage | None = None,
        *,
        asks_empty_thinking: bool = False,
        seen: Sample | None = None,
    ) -> Encoded:
        """Decode, cut and tokenize; raises `SampleError` as `lay_out` does, and for damaged pixels.

        Args:
            change_image: what is done to each image, which must keep its size.
            seen: another sample with as many images, which are shown in the place of its own, as large as they; for layouts in which any
                picture can be shown in any shape.
            asks_empty_thinking: as `SmVLMProcessor.lay_out` has it.
        """
        laid_out = self.lay_out(sample, asks_empty_thinking=asks_empty_thinking)
        with _refusing_images():
            shown = seen or sample
            images = {index: read_image(shown.images[index], name=image_label(shown, index)) for index in laid_out.kept_images}
        if change_image is not None:
            images = {index: change_image(image, index) for index, image in images.items()}
        return Encoded(
            id=sample.id,
            source=sample.source,
            input_ids=torch.tensor(laid_out.input_ids),
            labels=torch.tensor(laid_out.labels),
            position_ids=torch.from_numpy(self.processor.positions(laid_out)),
            pixels=torch.from_numpy(self.processor.byte_pixels(images, laid_out)),
            shapes=tuple(plan.shape for plan in laid_out.plans),
        )


@contextmanager
def _refusing_images() -> Iterator[None]:
    """An image that cannot be read breaks a rule of its sample's."""
    try:
        yield
    except ImageError as error:
        raise SampleError(error.rule, str(error)) from error


def failure_of(error: SampleError, *, row_id: str, source: str) -> Failure:
    """The record of a row that broke a rule."""
    return Failure(id=row_id, source=source, rule=error.rule, reason=str(error))
