"""A checkpoint, or a model in training, as the engine drives it: torch and transformers, on any device."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from transformers import SmolVLMForConditionalGeneration
from transformers.cache_utils import Cache, DynamicLayer

from smvl.assemble import load_checkpoint
from smvl.infer.backend import ModelFacts
from smvl.layouts.find_model import layout_of
from smvl.layouts.modules import split_features
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.settings_files import one_line

_DTYPES = ("auto", "float32", "bfloat16", "float16")


class TorchModel:
    """A spliced model. It may be one in training: it is left in the mode in which it was found, and nothing of it is kept but itself."""

    def __init__(self, model: SmolVLMForConditionalGeneration):
        self.model, self.layout = model, layout_of(model)
        self.layout.prepare(model)
        generation, text = model.generation_config, model.config.text_config
        stop = generation.eos_token_id
        self.facts = ModelFacts(
            max_positions=text.max_position_embeddings,
            num_scores=text.vocab_size,
            stop_ids=frozenset([stop] if isinstance(stop, int) else stop or ()),
            suppressed_ids=tuple(generation.suppress_tokens or ()),
        )

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, device: str = "auto", dtype: str = "auto", attention: str = "sdpa", quantize: str | None = None
    ) -> tuple[Self, SmVLMProcessor]:
        """Load a checkpoint folder with its processor.

        Args:
            device: `auto` takes a GPU where there is one (cuda, then mps), else the CPU.
            dtype: `auto` keeps the checkpoint's own; on a CPU float32, which is faster there.
            quantize: `int8`, `int4` or `fp8`; see `smvl.model.torchao_quantization`.

        Raises:
            ValueError: the folder is no whole checkpoint, or there is no such device or dtype.
        """
        if dtype not in _DTYPES:
            raise ValueError(f"dtype is {dtype}; expected one of {', '.join(_DTYPES)}.")
        place = _find_device(device)
        if dtype == "auto" and place.type == "cpu":
            dtype = "float32"
        model, processor = load_checkpoint(folder, attention=attention, dtype=dtype, quantize=quantize, device=place)
        return cls(model.to(place)), processor

    def encode_images(self, pixels: np.ndarray, shapes: Sequence[tuple[int, int]]) -> np.ndarray:
        """As `backend.Model.encode_images`."""
        with _evaluating(self.model):
            weight = self.layout.patch_weight(self.model)
            states = self.layout.see(self.model, torch.from_numpy(pixels).to(weight.device, weight.dtype), shapes)
            return self.layout.join(self.model, states).float().cpu().numpy()

    def read(
        self,
        prompts: Sequence[Sequence[int]],
        features: Sequence[np.ndarray | None],
        room: int,
        positions: Sequence[np.ndarray] | None = None,
    ) -> "TorchReading":
        """As `backend.Model.read`."""
        return TorchReading(self, prompts, features, room, positions)

    def embed(self, ids: torch.Tensor, features: Sequence[np.ndarray | None]) -> tuple[torch.Tensor, dict[str, Any]]:
        """Word embeddings (B, L, width) of ids (B, L) with image features where image tokens are, and what else the text model takes."""
        embeddings = self.model.get_input_embeddings()(ids)
        given = [rows for rows in features if rows is not None]
        places = ids == self.model.config.image_token_id  # (B, L)
        num_given = sum(map(len, given))
        if int(places.sum()) != num_given:
            raise ValueError(f"the prompts have {int(places.sum())} image tokens, but {num_given} image features were given.")
        if not given:
            return embeddings, {}
        first, *deep = split_features(torch.from_numpy(np.concatenate(given)).to(embeddings), embeddings.shape[-1])
        embeddings = embeddings.clone()
        embeddings[places] = first
        return embeddings, self.layout.text_options(places, deep)


class TorchReading:
    """As `backend.Reading`; shorter prompts are padded on the left."""

    def __init__(
        self,
        owner: TorchModel,
        prompts: Sequence[Sequence[int]],
        features: Sequence[np.ndarray | None],
        room: int,
        positions: Sequence[np.ndarray] | None,
    ):
        self._owner, self._device = owner, owner.model.device
        longest = max(map(len, prompts))
        self._is_read = torch.ones(len(prompts), 0, dtype=torch.bool, device=self._device)
        """(B, length): where there is a token, and no padding."""
        self._has_padding = False
        self._length = 0
        self._cache = Cache(layers=[_RoomyLayer() for _ in range(owner.model.config.text_config.num_hidden_layers)])
        self._make_room(longest + room)
        counted = positions if positions is not None else [np.arange(len(prompt))[None] for prompt in prompts]
        self._read(prompts, features, counted)

    def scores(self) -> np.ndarray:
        return self._scores.float().cpu().numpy()

    def likeliest(self, allowed: Sequence[np.ndarray | None] = ()) -> list[int]:
        scores = self._scores.clone()
        scores[:, list(self._owner.facts.suppressed_ids)] = -torch.inf
        for row, kept in enumerate(allowed):
            if kept is not None:
                scores[row].masked_fill_(torch.from_numpy(~kept).to(self._device), -torch.inf)
        return scores.argmax(dim=-1).tolist()

    def go_on(self, tokens: Sequence[Sequence[int]]) -> None:
        self._read(tokens, [], [last + np.arange(1, len(row) + 1) for last, row in zip(self._last, tokens)])

    def read_on(
        self, length: int, ids: Sequence[int], features: np.ndarray | None, room: int, positions: np.ndarray | None = None
    ) -> None:
        self._length, self._is_read = length, self._is_read[:, :length]
        counted = np.arange(length, length + len(ids))[None] if positions is None else positions
        for layer in self._cache.layers:
            layer.length = length
        self._make_room(length + len(ids) + room)
        self._read([ids], [features], [counted])

    def _make_room(self, num_tokens: int) -> None:
        for layer in self._cache.layers:
            layer.room = max(layer.room, num_tokens)

    def _read(self, rows: Sequence[Sequence[int]], features: Sequence[np.ndarray | None], positions: Sequence[np.ndarray]) -> None:
        """Read a row of ids of each prompt at its positions (axes, length of the row), and keep the scores of what follows the last."""
        longest = max(map(len, rows))
        padding = self._owner.model.config.text_config.pad_token_id or 0
        padded = [[padding] * (longest - len(row)) + list(row) for row in rows]
        places = np.stack([np.pad(each, ((0, 0), (longest - each.shape[1], 0))) for each in positions], axis=1)  # (axes, B, longest)
        is_new = torch.arange(longest) >= torch.tensor([[longest - len(row)] for row in rows])  # (B, longest)
        self._is_read = torch.cat([self._is_read, is_new.to(self._device)], dim=1)
        self._has_padding = self._has_padding or not bool(is_new.all())
        ids = torch.tensor(padded, device=self._device)
        places = torch.from_numpy(places).to(self._device)
        with _evaluating(self._owner.model):
            embeddings, options = self._owner.embed(ids, features)
            hidden = self._owner.model.get_decoder()(
                inputs_embeds=embeddings,
                attention_mask=self._is_read if self._has_padding else None,
                position_ids=places if len(places) > 1 else places[0],
                past_key_values=self._cache,
                use_cache=True,
                **options,
            ).last_hidden_state
            self._scores = self._owner.model.get_output_embeddings()(hidden[:, -1:])[:, -1]
        self._length += longest
        self._last = [each[:, -1:] for each in positions]


class _RoomyLayer(DynamicLayer):
    """Keys and values of one layer in memory that is taken once: a step writes its own and copies nothing."""

    def __init__(self):
        super().__init__()
        self.length = self.room = 0

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args, **kwargs) -> tuple[torch.Tensor, torch.Tensor]:
        end = self.length + key_states.shape[-2]
        if not self.is_initialized or end > self.keys.shape[-2]:
            self._grow(key_states, value_states, max(end, self.room, self.length * 5 // 4))
        self.keys[..., self.length : end, :] = key_states
        self.values[..., self.length : end, :] = value_states
        self.length = end
        return self.keys[..., :end, :], self.values[..., :end, :]

    def _grow(self, key_states: torch.Tensor, value_states: torch.Tensor, size: int) -> None:
        old = (self.keys, self.values)
        self.keys, self.values = (states.new_empty(*states.shape[:-2], size, states.shape[-1]) for states in (key_states, value_states))
        for new, kept in zip((self.keys, self.values), old if self.is_initialized else ()):
            new[..., : self.length, :] = kept[..., : self.length, :]
        self.is_initialized = True

    def get_seq_length(self) -> int:
        return self.length


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in its own mode again."""
    training = [module for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        with torch.inference_mode():
            yield
    finally:
        for module in training:
            module.training = True


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
        if device.type == "meta" or (device.type == "cpu" and device.index):
            raise RuntimeError("it holds no numbers" if device.type == "meta" else "there is one cpu")
    except (RuntimeError, AssertionError, TypeError, ImportError) as error:
        raise ValueError(f"the device {name} cannot be used here ({one_line(error)}). Take auto or cpu.") from error
    return device
