"""An ONNX export as the engine drives it, with onnxruntime and numpy alone.

One prompt is read at a time. Its keys and values stay in buffers that a step writes into; weights are mapped from the disk where
onnxruntime can use them as they are.
"""

from collections.abc import Sequence
from pathlib import Path
from weakref import WeakSet

import numpy as np
import onnxruntime

from smvl.infer.backend import LARGE_VISION, ModelFacts
from smvl.infer.budget.costs import READ_BY_ONNXRUNTIME
from smvl.infer.cores import usable_cores
from smvl.infer.freed_memory import return_freed_memory
from smvl.infer.onnx_folder import DECODER, EMBED_TOKENS, VISION_ENCODER, OnnxFolder, OnnxFolderError, open_onnx_folder
from smvl.layouts.export_inputs import num_taps, vision_inputs

MOST_TAKEN_AT_ONCE = 4096
"""Tokens for whose keys and values memory is taken ahead."""


class OnnxModel:
    """A loaded export.

    Args:
        threads: of one operator; by default one for each core that this process may use.
        keep_vision: whether the vision encoder stays in memory after an image; else it is loaded for each and released. By default one of
            less than 64 MB stays: a larger one takes seconds for a tile anyhow, beside which loading it is short.
        one_at_a_time: release the decoder while the vision encoder is in memory. Keys and values stay.
        context: longest sequence, prompt and answer together; by default what the model was made for. Memory for its keys and values is
            taken once, so that it does not grow in pieces.

    Raises:
        OnnxFolderError: the folder is no whole export, or its graphs are not those of its config.json.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        threads: int | None = None,
        keep_vision: bool | None = None,
        one_at_a_time: bool = False,
        context: int | None = None,
    ):
        self.folder = open_onnx_folder(folder)
        self.threads = threads or usable_cores()
        self.keep_vision = self.folder.weights(VISION_ENCODER).stat().st_size < LARGE_VISION if keep_vision is None else keep_vision
        self.one_at_a_time = one_at_a_time
        self.smallest_room = min(context or 0, MOST_TAKEN_AT_ONCE)
        self.image_token_id: int = self.folder.config["image_token_id"]
        self._readings: WeakSet[OnnxReading] = WeakSet()
        self._vision: onnxruntime.InferenceSession | None = None
        self._decoder: onnxruntime.InferenceSession | None = self._load(DECODER)
        self._embedding = self._load(EMBED_TOKENS)
        _check_shapes(self._decoder, self.folder)
        if one_at_a_time:
            self.release_decoder()
        self.facts = ModelFacts.of_export(self.folder.config, self.folder.generation_config, context)

    def encode_images(self, pixels: np.ndarray, shapes: Sequence[tuple[int, int]] = ()) -> np.ndarray:
        """As `backend.Model.encode_images`; one tile or picture after another, so that memory does not grow with them."""
        if self._vision is None:
            if self.one_at_a_time:
                self.release_decoder()
            self._vision = self._load(VISION_ENCODER)
        features = [self._vision.run(None, given)[0] for given in vision_inputs(self.folder.config, pixels, shapes)]
        if self.one_at_a_time or not self.keep_vision:
            self.release_vision()
        return np.concatenate(features)

    @property
    def decoder(self) -> onnxruntime.InferenceSession:
        """Loaded where it was released."""
        if self._decoder is None:
            self._decoder = self._load(DECODER)
        return self._decoder

    def release_decoder(self) -> None:
        """Give the decoder's memory back, though not that of what it has read; the next token loads it again."""
        for reading in self._readings:
            reading.unbind()
        self._decoder = None
        return_freed_memory()

    def release_vision(self) -> None:
        """Give the vision encoder's memory back; the next image loads it again."""
        self._vision = None
        return_freed_memory()

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[np.ndarray | None],
        room: int,
        positions: Sequence[np.ndarray] | None = None,
    ) -> "OnnxReading":
        """As `backend.Model.read`, of one prompt.

        Raises:
            ValueError: there are several prompts, or one has another number of placeholders than features.
        """
        if len(prompts) != 1:
            raise ValueError(f"{len(prompts)} prompts were given together; an ONNX export reads one at a time.")
        reading = OnnxReading(self, prompts[0], features[0], room, None if positions is None else positions[0])
        self._readings.add(reading)
        return reading

    def embed(self, ids: Sequence[int], features: np.ndarray | None) -> np.ndarray:
        """Word embeddings (1, S, width * (1 + taps)) float32, with image features where the image tokens are."""
        row = np.array([ids], dtype=np.int64)
        [embeddings] = self._embedding.run(None, {"input_ids": row})
        places = row == self.image_token_id
        num_given = 0 if features is None else len(features)
        if int(places.sum()) != num_given:
            raise ValueError(f"the prompts have {int(places.sum())} image tokens, but {num_given} image features were given.")
        if num_given:
            embeddings[places] = features
        return embeddings

    def _load(self, name: str) -> onnxruntime.InferenceSession:
        path = self.folder.graph(name)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1 if name == EMBED_TOKENS else self.threads
        options.enable_mem_pattern = False  # plans for each length of a prompt, which cost memory and save no time
        options.log_severity_level = 3  # buffers are longer than what the graph says of them, which is warned of at every step
        try:
            return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's exceptions have no common base
            raise OnnxFolderError(f"{path} cannot be loaded by onnxruntime {onnxruntime.__version__}: {error}") from error


class OnnxReading:
    """As `backend.Reading`, of one prompt."""

    def __init__(self, owner: OnnxModel, prompt: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None):
        self._owner = owner
        self._binding: onnxruntime.IOBinding | None = None
        self._scores = np.zeros((1, 1, owner.decoder.get_outputs()[0].shape[-1]), dtype=np.float32)
        inputs = owner.decoder.get_inputs()
        self._cache = [entry for entry in inputs if entry.name.startswith("past_key_values.")]
        self._axes = next((entry.shape[0] for entry in inputs if entry.name == "position_ids"), 0)
        """Of the positions that the decoder is given; 0 where it counts itself."""
        self._buffers: dict[str, np.ndarray] = {}
        self._room = self._length = 0
        self._make_room(max(len(prompt) + room, owner.smallest_room))
        self._read(prompt, features, _counted(0, len(prompt)) if positions is None else positions)

    def scores(self) -> np.ndarray:
        return self._scores[:, 0].copy()

    def likeliest(self, allowed: Sequence[np.ndarray | None] = (None,)) -> list[int]:
        return [self._owner.facts.likeliest(self._scores[0, 0], allowed[0])]

    def go_on(self, tokens: Sequence[Sequence[int]]) -> None:
        self._read(tokens[0], None, self._following + np.arange(len(tokens[0])))

    def read_on(
        self, length: int, ids: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None = None
    ) -> None:
        self._length = length
        self._make_room(length + len(ids) + room)
        self._read(ids, features, _counted(length, len(ids)) if positions is None else positions)

    def unbind(self) -> None:
        """Let go of the decoder, and keep what was read."""
        self._binding = None

    def _make_room(self, num_tokens: int) -> None:
        """Buffers (1, heads, room, head_dim) for keys and values."""
        if num_tokens <= self._room:
            return
        self._room = num_tokens
        self.unbind()
        for entry in self._cache:
            _, heads, _, width = entry.shape
            buffer = np.zeros((1, heads, num_tokens, width), dtype=np.float16 if entry.type == "tensor(float16)" else np.float32)
            if entry.name in self._buffers:
                buffer[:, :, : self._length] = self._buffers[entry.name][:, :, : self._length]
            self._buffers[entry.name] = buffer

    def _bind(self) -> onnxruntime.IOBinding:
        """Each buffer is what a step is given and what it returns: nothing is copied."""
        binding = self._owner.decoder.io_binding()
        binding.bind_ortvalue_output("logits", onnxruntime.OrtValue.ortvalue_from_numpy(self._scores))
        for name, buffer in self._buffers.items():
            shared = onnxruntime.OrtValue.ortvalue_from_numpy(buffer)  # on a CPU it is the same memory
            binding.bind_ortvalue_input(name, shared)
            binding.bind_ortvalue_output(name.replace("past_key_values", "present"), shared)
        return binding

    def _read(self, ids: Sequence[int], features: np.ndarray | None, positions: np.ndarray) -> None:
        """Read ids at positions (axes, S); the scores are then those of what follows the last."""
        embeddings = self._owner.embed(ids, features)
        self._following = positions[:, -1:] + 1
        self._make_room(self._length + len(ids))
        self._binding = self._binding or self._bind()
        for start in range(0, len(ids), READ_BY_ONNXRUNTIME):
            chunk = np.ascontiguousarray(embeddings[:, start : start + READ_BY_ONNXRUNTIME])
            self._length += chunk.shape[1]
            self._binding.bind_cpu_input("inputs_embeds", chunk)
            self._binding.bind_cpu_input("attention_mask", np.ones((1, self._length), dtype=np.int64))
            if self._axes:
                given = np.broadcast_to(positions[-self._axes :, start : start + READ_BY_ONNXRUNTIME], (self._axes, chunk.shape[1]))
                self._binding.bind_cpu_input("position_ids", np.ascontiguousarray(given[:, None], dtype=np.int64))
            self._owner.decoder.run_with_iobinding(self._binding)


def _counted(start: int, length: int) -> np.ndarray:
    """(1, length): positions where nothing is said of them."""
    return np.arange(start, start + length)[None]


def _check_shapes(decoder: onnxruntime.InferenceSession, folder: OnnxFolder) -> None:
    """Raise `OnnxFolderError` where config.json describes another text model than the graph holds."""
    text = folder.config["text_config"]
    shapes = {entry.name: entry.shape for entry in [*decoder.get_inputs(), *decoder.get_outputs()]}
    layers = sum(name.startswith("past_key_values.") for name in shapes) // 2
    found = (layers, shapes["inputs_embeds"][-1] // (1 + num_taps(folder.config)), shapes["past_key_values.0.key"][1], shapes["logits"][-1])
    names = ("num_hidden_layers", "hidden_size", "num_key_value_heads", "vocab_size")
    wrong = [f"{name} is {text.get(name)}, but the graph's is {value}" for name, value in zip(names, found) if text.get(name) != value]
    if wrong:
        raise OnnxFolderError(f"{folder.path / 'config.json'} is not that of {folder.graph(DECODER)}: {'; '.join(wrong)}.")
