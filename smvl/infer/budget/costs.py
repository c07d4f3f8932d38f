"""What a model takes of memory in each of its forms, forecast from its config.json and the sizes of its files.

All are bytes that stay resident in the process; those of weights are what the runtime keeps of them, which is more than the file where it
packs matrices for its kernels and keeps the scales as well. `python -m benchmarks.memory_budget` prints forecasts beside measured peaks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from smvl.settings_files import SettingsFileError, read_size

READ_BY_ONNXRUNTIME, READ_BY_LLAMA = 512, 256
"""Tokens of a prompt that are read together: attention takes memory for each pair of a new token and one before it."""
LLAMA_ROOM_STEP = 256
"""Tokens by which llama.cpp's room for keys and values grows."""

_TORCH_PROCESS, _EXPORT_PROCESS = 450_000_000, 105_000_000
"""Python with the libraries that a checkpoint needs, and those that an export needs, which leaves torch out."""
_TOKENIZER_HELD, _TOKENIZER_READING = 5.0, 20.0
"""Of the size of tokenizer.json: what the tokenizer takes, and what it takes for a moment while it is read."""
_BYTES_OF_PIXEL = 10
"""Of a picture while it is decoded, turned upright and scaled; Pillow keeps four bytes a pixel, and both pictures for a moment."""
_LEFT_BEHIND = 25_000_000
"""What an encoded image leaves in the process, its features among it."""
_BYTES_OF_BITS = {32: 4.0, 16: 2.0, 8: 1.0 + 5 / 64, 4: 0.5 + 4.5 / 64}
"""Of a weight in an ONNX export: blocks of 64 have a scale in float32 and a zero point."""
_HELD_BY_ONNXRUNTIME = {32: 1.03, 16: 2.45, 8: 1.17, 4: 1.28}
"""Of a graph's weights on the disk, by bits: packed for its kernels, of which a CPU has none in 16 bits, and the scales as they were."""
_BITS_OF_CPU = {32: 32, 16: 32, 8: 8, 4: 4}
"""In which a graph is computed."""
_BYTES_OF_DTYPE = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Shapes:
    """The sizes in a config.json on which memory depends."""

    layers: int
    width: int
    feed_forward: int
    heads: int
    query_width: int
    key_value_width: int
    """Of keys, and of values, of one token in one layer."""
    vocabulary: int
    is_tied: bool
    """Whether the embedding is the head too."""
    max_positions: int
    vision_layers: int
    vision_width: int
    vision_feed_forward: int
    vision_heads: int
    patches: int
    """Of one tile."""
    patch_pixels: int
    tokens_per_tile: int
    shuffle: int

    @classmethod
    def of(cls, config: Mapping[str, Any], where: str | Path = "config.json") -> "Shapes":
        """Read a config.json, which `where` names; raises `ValueError` where it is not that of a model like this."""
        for part in ("text_config", "vision_config"):
            if not isinstance(config.get(part), dict):
                raise SettingsFileError(f"{where} has no {part}; expected that of a spliced model.")

        def text(name: str) -> int:
            return read_size(config["text_config"], name, f"{where}: text_config")

        def vision(name: str) -> int:
            return read_size(config["vision_config"], name, f"{where}: vision_config")

        patches = (vision("image_size") // vision("patch_size")) ** 2
        scale_factor = read_size(config, "scale_factor", where)
        return cls(
            layers=text("num_hidden_layers"),
            width=text("hidden_size"),
            feed_forward=text("intermediate_size"),
            heads=text("num_attention_heads"),
            query_width=text("num_attention_heads") * text("head_dim"),
            key_value_width=text("num_key_value_heads") * text("head_dim"),
            vocabulary=text("vocab_size"),
            is_tied=bool(config.get("tie_word_embeddings", config["text_config"].get("tie_word_embeddings"))),
            max_positions=text("max_position_embeddings"),
            vision_layers=vision("num_hidden_layers"),
            vision_width=vision("hidden_size"),
            vision_feed_forward=vision("intermediate_size"),
            vision_heads=vision("num_attention_heads"),
            patches=patches,
            patch_pixels=3 * vision("patch_size") ** 2,
            tokens_per_tile=patches // scale_factor**2,
            shuffle=scale_factor**2,
        )

    @property
    def embedding_weights(self) -> int:
        return self.vocabulary * self.width

    @property
    def layer_weights(self) -> int:
        """Of all layers of the text model."""
        attention = self.width * (2 * self.query_width + 2 * self.key_value_width)
        return self.layers * (attention + 3 * self.width * self.feed_forward)

    @property
    def vision_weights(self) -> int:
        """Of the vision encoder and the projector."""
        layers = self.vision_layers * (4 * self.vision_width**2 + 2 * self.vision_width * self.vision_feed_forward)
        return layers + self.vision_width * (self.patch_pixels + self.patches + self.shuffle * self.width)

    def cache_bytes(self, bytes_per_number: int) -> int:
        """Of the keys and values of one token."""
        return 2 * self.layers * self.key_value_width * bytes_per_number

    def reading_bytes(self, context: int, bytes_per_number: int, *, at_once: int, keeps_scores: bool) -> int:
        """Working memory of the text model while it reads a prompt, `at_once` tokens at a time.

        Args:
            keeps_scores: whether attention writes down a number for each pair of tokens.
        """
        new = min(context, at_once)
        per_token = 10 * self.width + 4 * self.feed_forward + 3 * (self.query_width + 2 * self.key_value_width)
        return bytes_per_number * new * (per_token + (self.heads * context if keeps_scores else 0))

    def seeing_bytes(self, tiles: int, bytes_per_number: int, *, keeps_scores: bool) -> int:
        """Working memory of the vision encoder with so many tiles at once."""
        per_patch = 2 * self.vision_feed_forward + 6 * self.vision_width + (self.vision_heads * self.patches if keeps_scores else 0)
        return bytes_per_number * tiles * self.patches * per_patch


@dataclass(frozen=True)
class Use:
    """How much of a model is made use of."""

    tiles: int
    """Of one image."""
    context: int
    """Longest sequence, prompt and answer together."""
    one_at_a_time: bool = False
    """Whether the text model leaves memory while an image is encoded."""


@dataclass(frozen=True)
class Costs:
    """What one form of a model takes, in bytes."""

    process: int
    """Python, libraries and the tokenizer."""
    starting: int
    """The same while the tokenizer is being read."""
    text: int
    """Weights of the text model and the embedding."""
    loading: int
    """Taken beside them while they are loaded."""
    vision: int
    """Weights of the vision encoder and the projector."""
    vision_stays: bool
    """Whether the vision encoder is in memory also while there is no image to be encoded."""
    text_can_leave: bool
    """Whether the text model can be out of memory while an image is encoded."""
    shapes: Shapes
    bytes_per_number: int
    """Of what is computed."""
    cache_bytes_per_number: int
    """Of keys and values."""
    at_once: int
    """Tokens of a prompt that are read together."""
    tiles_at_once: int | None
    """Tiles that are encoded together; None for all."""
    keeps_scores: bool
    """Whether attention writes down a number for each pair of tokens."""
    keeps_working_memory: bool
    """Whether what a prompt took stays with the text model."""
    room_step: int = 1
    """Tokens by which the cache grows."""

    @property
    def cache_per_token(self) -> int:
        return self.shapes.cache_bytes(self.cache_bytes_per_number)

    def cache(self, context: int) -> int:
        """Keys and values."""
        return -(-context // self.room_step) * self.room_step * self.cache_per_token

    def reading(self, context: int) -> int:
        """Working memory for a prompt."""
        return self.shapes.reading_bytes(context, self.bytes_per_number, at_once=self.at_once, keeps_scores=self.keeps_scores)

    def seeing(self, tiles: int) -> int:
        """Working memory for an image."""
        together = min(tiles, self.tiles_at_once or tiles)
        return self.shapes.seeing_bytes(together, self.bytes_per_number, keeps_scores=self.keeps_scores)

    def moments(self, use: Use, pixels: int) -> dict[str, int]:
        """What the process takes at each of its moments; the largest is its peak.

        Args:
            pixels: of a picture as it is in its file.
        """
        beside = self._beside_image(use)
        ready = self.process + _LEFT_BEHIND + self.text + (self.vision if self.vision_stays else 0)
        return {
            "while the tokenizer is read": self.starting,
            "while weights are loaded": ready + self.loading,
            "while a picture is decoded": beside + _BYTES_OF_PIXEL * pixels,
            "while an image is encoded": beside + (0 if self.vision_stays else self.vision) + self.seeing(use.tiles),
            "while a prompt is read": ready + self.cache(use.context) + self.reading(use.context),
        }

    def most_pixels(self, use: Use, budget: int) -> int:
        """Of a picture that can be decoded within a budget."""
        return max(0, budget - self._beside_image(use)) // _BYTES_OF_PIXEL

    def _beside_image(self, use: Use) -> int:
        """What is in memory beside a picture and the encoder that is loaded for it."""
        text = 0 if use.one_at_a_time else self.text + (self.reading(use.context) if self.keeps_working_memory else 0)
        vision = self.vision if self.vision_stays else 0
        return self.process + _LEFT_BEHIND + text + vision + self.cache(use.context)


def torch_costs(shapes: Shapes, *, dtype: str, file_bytes: int, tokenizer_bytes: int) -> Costs:
    """Of a checkpoint in torch.

    Args:
        file_bytes: of its weights; where they are kept in another dtype, they are in memory twice while they are converted.
    """
    size = _BYTES_OF_DTYPE[dtype]
    head_and_embedding = (1 if shapes.is_tied else 2) * shapes.embedding_weights
    text, vision = size * (shapes.layer_weights + head_and_embedding), size * shapes.vision_weights
    is_converted = abs(text + vision - file_bytes) > 0.1 * file_bytes
    return Costs(
        process=_TORCH_PROCESS + round(_TOKENIZER_HELD * tokenizer_bytes),
        starting=_TORCH_PROCESS + round(_TOKENIZER_READING * tokenizer_bytes),
        text=text,
        loading=file_bytes if is_converted else 0,
        vision=vision,
        vision_stays=True,
        text_can_leave=False,
        shapes=shapes,
        bytes_per_number=size,
        cache_bytes_per_number=size,
        at_once=shapes.max_positions,
        tiles_at_once=None,
        keeps_scores=False,
        keeps_working_memory=False,
    )


def onnx_costs(shapes: Shapes, *, bits: int, tokenizer_bytes: int, file_bytes: Mapping[str, int] | None = None) -> Costs:
    """Of an ONNX export.

    Args:
        file_bytes: of the weights of `decoder` and `vision`; by default what an export would write.
    """
    file_bytes = file_bytes or onnx_file_bytes(shapes, bits)
    held = _HELD_BY_ONNXRUNTIME[bits]
    return Costs(
        process=_EXPORT_PROCESS + round(_TOKENIZER_HELD * tokenizer_bytes),
        starting=_EXPORT_PROCESS + round(_TOKENIZER_READING * tokenizer_bytes),
        text=round(held * file_bytes["decoder"]),
        loading=round(_BYTES_OF_BITS[_BITS_OF_CPU[bits]] * shapes.embedding_weights),  # the head, as it is and packed
        vision=round(_HELD_BY_ONNXRUNTIME[max(bits, 8)] * file_bytes["vision"]),
        vision_stays=False,
        text_can_leave=True,
        shapes=shapes,
        bytes_per_number=4,
        cache_bytes_per_number=2 if bits == 16 else 4,
        at_once=READ_BY_ONNXRUNTIME,
        tiles_at_once=1,
        keeps_scores=True,
        keeps_working_memory=True,
    )


def gguf_costs(shapes: Shapes, *, text_bytes: int, vision_bytes: int, whole_floats: bool, tokenizer_bytes: int) -> Costs:
    """Of a GGUF export in llama.cpp.

    Args:
        text_bytes, vision_bytes: of its two files.
        whole_floats: whether keys and values are kept in float32, as for a text model in float32.
    """
    return Costs(
        process=_EXPORT_PROCESS + round(_TOKENIZER_HELD * tokenizer_bytes),
        starting=_EXPORT_PROCESS + round(_TOKENIZER_READING * tokenizer_bytes),
        text=text_bytes,
        loading=0,
        vision=vision_bytes,
        vision_stays=False,
        text_can_leave=False,
        shapes=shapes,
        bytes_per_number=4,
        cache_bytes_per_number=4 if whole_floats else 2,
        at_once=READ_BY_LLAMA,
        tiles_at_once=1,
        keeps_scores=True,
        keeps_working_memory=True,
        room_step=LLAMA_ROOM_STEP,
    )


def onnx_file_bytes(shapes: Shapes, bits: int) -> dict[str, int]:
    """Of the weights of an export in so many bits: `decoder` with the head, `embedding`, `vision`; the last in 8 bits at least."""
    size = _BYTES_OF_BITS[bits]
    return {
        "decoder": round(size * (shapes.layer_weights + shapes.embedding_weights)),
        "embedding": round(size * shapes.embedding_weights),
        "vision": round(_BYTES_OF_BITS[max(bits, 8)] * shapes.vision_weights),
    }
