"""A GGUF export as the engine drives it, in llama.cpp through llama-cpp-python.

The engine lays prompts out and cuts pictures; llama.cpp is given token ids and image features, never text or pictures of its own cutting.
"""

import weakref
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

import numpy as np

from smvl.infer.backend import LARGE_VISION, ModelFacts
from smvl.infer.cores import usable_cores
from smvl.infer.freed_memory import return_freed_memory
from smvl.infer.gguf_folder import GGUFFolder, open_gguf_folder
from smvl.infer.llama.context import LlamaContext
from smvl.infer.llama.vision import LlamaVision
from smvl.infer.llama.weights import LlamaWeights
from smvl.infer.manifest import read_json
from smvl.layouts.export_inputs import fewest_and_most_features, seen_alone

_NUM_AXES = 3
"""Time, height and width, where a model counts in more than one."""


class LlamaModel:
    """A loaded export.

    Args:
        threads: by default one for each core that this process may use.
        keep_vision: whether the vision encoder stays in memory after an image; else it is loaded for each and released. By default one of
            less than 64 MB stays.
        context: longest sequence, prompt and answer together; by default what the model was made for. Memory for its keys and values is
            taken once, so that it does not grow in pieces.

    Raises:
        ExportFolderError: the folder is no whole export, or its text model is not that of its config.json.
    """

    def __init__(self, folder: str | Path, *, threads: int | None = None, keep_vision: bool | None = None, context: int | None = None):
        self.folder = open_gguf_folder(folder)
        self.threads = threads or usable_cores()
        self.keep_vision = self.folder.vision.stat().st_size < LARGE_VISION if keep_vision is None else keep_vision
        self.smallest_room = context or 0
        self.image_token_id: int = self.folder.config["image_token_id"]
        self._pixels = _Pixels(self.folder)
        self._text = LlamaWeights(self.folder)
        self._vision: LlamaVision | None = None
        self._spare: LlamaContext | None = None
        self.facts = ModelFacts.of_export(self.folder.config, self.folder.generation_config, context)

    def encode_images(self, pixels: np.ndarray, shapes: Sequence[tuple[int, int]] = ()) -> np.ndarray:
        """As `backend.Model.encode_images`; one tile or picture after another, so that memory does not grow with them."""
        config = self.folder.config
        if self._vision is None:
            self._spare = None  # the two are not needed together
            limits = fewest_and_most_features(config)
            self._vision = LlamaVision(self.folder.vision, self._text, limits=limits, threads=self.threads)
        pictures = seen_alone(config, pixels, shapes)
        features = [self._vision.encode(self._pixels.of(picture), num_features) for picture, num_features in pictures]
        if not self.keep_vision:
            self.release_vision()
        return np.concatenate(features)

    def release_vision(self) -> None:
        """Give the vision encoder's memory back; the next image loads it again."""
        if self._vision is not None:
            self._vision.close()
        self._vision = None
        return_freed_memory()

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[np.ndarray | None],
        room: int,
        positions: Sequence[np.ndarray] | None = None,
    ) -> "LlamaReading":
        """As `backend.Model.read`, of one prompt.

        Raises:
            ValueError: there are several prompts, or one has another number of placeholders than features.
        """
        if len(prompts) != 1:
            raise ValueError(f"{len(prompts)} prompts were given together; a GGUF export reads one at a time.")
        return LlamaReading(self, prompts[0], features[0], room, None if positions is None else positions[0])

    def lend(self, room: int) -> LlamaContext:
        """A context that has read nothing; one that was handed back is taken again, because making one costs as much as a few tokens."""
        context, self._spare = self._spare, None
        room = max(room, self.smallest_room)
        if context is None or context.room < room:
            del context  # its memory goes before the new one's comes
            context = LlamaContext(self._text, room, threads=self.threads, whole_floats=self.folder.kind == "F32")
        return context

    def take_back(self, context: LlamaContext) -> None:
        context.forget(0)
        self._spare = context


class LlamaReading:
    """As `backend.Reading`, of one prompt."""

    def __init__(self, owner: LlamaModel, prompt: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None):
        self._owner = owner
        self._context = owner.lend(len(prompt) + room)
        weakref.finalize(self, owner.take_back, self._context).atexit = False
        self._places: list[int] = []
        """Where llama.cpp has each token that it has read: by its position, as it knows no numbers of tokens."""
        self._read(prompt, features, _counted(0, len(prompt)) if positions is None else positions)

    def scores(self) -> np.ndarray:
        return self._context.scores()[None].copy()

    def likeliest(self, allowed: Sequence[np.ndarray | None] = (None,)) -> list[int]:
        return [self._owner.facts.likeliest(self._context.scores(), allowed[0])]

    def go_on(self, tokens: Sequence[Sequence[int]]) -> None:
        self._read(tokens[0], None, self._following + np.arange(len(tokens[0])))

    def read_on(
        self, length: int, ids: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None = None
    ) -> None:
        if length < len(self._places):
            self._context.forget(self._places[length])
            del self._places[length:]
        self._context.grow(length + len(ids) + room)
        self._read(ids, features, _counted(length, len(ids)) if positions is None else positions)

    def _read(self, ids: Sequence[int], features: np.ndarray | None, positions: np.ndarray) -> None:
        """Read ids at positions (axes, S); the scores are then those of what follows the last. Text goes in as tokens, an image's tokens
        as its features."""
        row = np.array(ids, dtype=np.int32)
        is_image = row == self._owner.image_token_id
        num_given = 0 if features is None else len(features)
        if int(is_image.sum()) != num_given:
            raise ValueError(f"the prompts have {int(is_image.sum())} image tokens, but {num_given} image features were given.")
        self._following = positions[:, -1:] + 1
        places = positions[-_NUM_AXES:]  # without the token's number, where there is more
        self._places += places[0].tolist()
        self._context.grow(len(self._places))
        done = taken = 0
        for is_feature, run in groupby(is_image.tolist()):
            start, done = done, done + len(list(run))
            part, is_end = places[:, start:done], done == len(row)
            if is_feature:
                self._context.read_features(features[taken : taken + done - start], part, is_end=is_end)
                taken += done - start
            else:
                self._context.read_tokens(row[start:done], part, is_end=is_end)


def _counted(start: int, length: int) -> np.ndarray:
    """(1, length): positions where nothing is said of them."""
    return np.arange(start, start + length)[None]


class _Pixels:
    """Undoes what the image processor does to the pixels of a picture: llama.cpp does it itself."""

    def __init__(self, folder: GGUFFolder):
        settings = read_json(folder.path / "preprocessor_config.json")
        self._mean, self._deviation = (np.float32(settings[name]).reshape(3, 1, 1) for name in ("image_mean", "image_std"))

    def of(self, picture: np.ndarray) -> np.ndarray:
        """(3, height, width) float32 -> (height, width, 3) uint8, the pixels that they were made of."""
        return np.rint((picture * self._deviation + self._mean) * 255).astype(np.uint8).transpose(1, 2, 0)
