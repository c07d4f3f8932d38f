"""The markers around and inside an image, and the one place where their text stands.

The names are Qwen3's own tokens wherever it has one; the others are added to the tokenizer as new special tokens, and take
ids that Qwen3's embedding already has rows for. Ids are always looked up in the tokenizer, never typed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a memory budget is planned before it is known whether transformers may import torch
    from transformers import PreTrainedTokenizerBase

IMAGE_TOKEN = "<|image_pad|>"
"""Stands for one image in a rendered conversation; in the ids, for one feature of one tile."""
GLOBAL_TOKEN = "<|vision_pad|>"
"""Stands before the tokens of the whole picture, squeezed into one tile."""
VIDEO_TOKEN = "<|video_pad|>"
AROUND_IMAGE_TOKEN = "<vision_start>"
"""Stands before each tile and after the last one: what SmolVLM calls `<fake_token_around_image>`."""
VISION_START_TOKEN, VISION_END_TOKEN = "<|vision_start|>", "<|vision_end|>"
"""Around a picture of native resolution; Qwen3's own tokens, whose rows it has never trained."""
PICTURE_TEXTS = (IMAGE_TOKEN, VISION_START_TOKEN + IMAGE_TOKEN + VISION_END_TOKEN)
"""What a chat template writes for a picture: of tiles, and of native resolution."""
START_OF_TURN = "<|im_start|>"
END_OF_TURN = "<|im_end|>"
END_OF_TEXT = "<|endoftext|>"
END_OF_UTTERANCE = "<end_of_utterance>"
"""Ends a turn of SmolVLM's own checkpoints; no text donor of this project has it."""

MAX_GRID = 6
"""Rows and columns for which there are position markers, as in SmolVLM."""

STOCK_ATTRIBUTES = {
    "image_token": IMAGE_TOKEN,
    "fake_image_token": AROUND_IMAGE_TOKEN,
    "global_image_token": GLOBAL_TOKEN,
    "video_token": VIDEO_TOKEN,
    "end_of_utterance_token": END_OF_TURN,
}
"""The tokenizer attributes by which the stock SmolVLMProcessor finds the markers."""


def tile_token(row: int, column: int) -> str:
    """The marker of the tile at `row`, `column`, both counted from 1."""
    return f"<row_{row}_col_{column}>"


TILE_TOKENS = tuple(tile_token(row, column) for row in range(1, MAX_GRID + 1) for column in range(1, MAX_GRID + 1))
TILE_MARKERS = (IMAGE_TOKEN, GLOBAL_TOKEN, VIDEO_TOKEN, AROUND_IMAGE_TOKEN, *TILE_TOKENS)
PATCH_MARKERS = (IMAGE_TOKEN, VIDEO_TOKEN, VISION_START_TOKEN, VISION_END_TOKEN)
CHAT_TOKENS = (START_OF_TURN, END_OF_TURN, END_OF_TEXT)


def add_missing_tokens(tokenizer: PreTrainedTokenizerBase, markers: Sequence[str]) -> list[str]:
    """Add the markers (and ChatML's control tokens) that `tokenizer` lacks; returns those added, in the order of their ids."""
    known = tokenizer.get_added_vocab()
    missing = [token for token in (*CHAT_TOKENS, *markers) if token not in known]
    tokenizer.add_special_tokens({"extra_special_tokens": missing}, replace_extra_special_tokens=False)
    return missing


def check_tokens(tokenizer: PreTrainedTokenizerBase, markers: Sequence[str]) -> None:
    """Raise `ValueError` unless every marker and control token is one token of `tokenizer`; the video's may be missing."""
    for token in (*CHAT_TOKENS, *(marker for marker in markers if marker != VIDEO_TOKEN)):
        ids = tokenizer.encode(token, add_special_tokens=False)
        if len(ids) != 1 or tokenizer.convert_ids_to_tokens(ids[0]) != token:
            raise ValueError(
                f"the tokenizer in {tokenizer.name_or_path or 'memory'} does not know the marker {token} as one token: it becomes "
                f"{len(ids)} pieces. Build the processor from the text model's folder with smvl.splice, or restore tokenizer.json."
            )
