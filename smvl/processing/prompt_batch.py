"""Rendered prompts and their images as transformers' pipelines and trainers hand them over."""

from collections.abc import Sequence
from typing import Any

from smvl.layouts.tokens import IMAGE_TOKEN


def nest_images(images: Any, texts: Sequence[str]) -> list[list[Any]]:
    """One list of images for each text, however they were handed over; raises `ValueError` when the counts do not match."""
    if images is None:
        nested = [[] for _ in texts]
    elif not isinstance(images, (list, tuple)):
        nested = [[images]]
    elif any(isinstance(entry, (list, tuple)) for entry in images):
        nested = [list(row or ()) for row in images]
    else:
        nested = [list(images)] if len(texts) == 1 else [[image] for image in images]
    wanted, given = [text.count(IMAGE_TOKEN) for text in texts], [len(row) for row in nested]
    if wanted != given:
        raise ValueError(f"the prompts hold {wanted} {IMAGE_TOKEN} each, but {given} images were given; give one image for each.")
    return nested


def replace_in_turn(prompt: str, image_texts: Sequence[str]) -> str:
    """The prompt with the i-th text in the place of its i-th image placeholder."""
    first, *rest = prompt.split(IMAGE_TOKEN)
    return first + "".join(image_text + words for image_text, words in zip(image_texts, rest))


def replaced_spans(prompt: str, image_texts: Sequence[str]) -> list[dict[str, tuple[int, int]]]:
    """Where each placeholder stood in the prompt, and where the text of its image stands in what came of it, as (first, last + 1)."""
    spans, gained, end = [], 0, 0
    for image_text in image_texts:
        start = prompt.index(IMAGE_TOKEN, end)
        end = start + len(IMAGE_TOKEN)
        spans.append({"span": (start, end), "new_span": (start + gained, start + gained + len(image_text))})
        gained += len(image_text) - len(IMAGE_TOKEN)
    return spans
