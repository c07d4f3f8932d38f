"""What llama.cpp has read of one prompt: keys and values, and the scores of the last position."""

import ctypes
import weakref
from typing import Any

import llama_cpp
import numpy as np

from smvl.infer.budget.costs import LLAMA_ROOM_STEP, READ_BY_LLAMA
from smvl.infer.llama.library import pointer_to, take_errors
from smvl.infer.llama.weights import LlamaWeights

_NUM_AXES = 4
"""In which a feature is counted where a model counts in several."""


class LlamaContext:
    """Room for one prompt and its answer.

    Args:
        whole_floats: keep keys and values as float32, which takes twice the memory of float16.

    Raises:
        ValueError: there is not enough memory.
    """

    def __init__(self, weights: LlamaWeights, room: int, *, threads: int, whole_floats: bool):
        self._weights, self._threads, self._whole_floats = weights, threads, whole_floats
        self.room = 0
        self._make(room)

    def grow(self, room: int) -> None:
        """Make room for so many tokens; what was read stays."""
        if room <= self.room:
            return
        state = np.empty(llama_cpp.llama_state_seq_get_size(self._pointer, 0), dtype=np.uint8)
        start = pointer_to(state, ctypes.c_uint8)
        llama_cpp.llama_state_seq_get_data(self._pointer, start, len(state), 0)
        self._free()
        self._make(room)
        if llama_cpp.llama_state_seq_set_data(self._pointer, start, len(state), 0) != len(state):
            raise ValueError(f"llama.cpp could not take over what it had read: {take_errors()}")

    def forget(self, position: int) -> None:
        """All tokens from this position on."""
        llama_cpp.llama_memory_seq_rm(llama_cpp.llama_get_memory(self._pointer), 0, position, -1)

    def read_tokens(self, ids: np.ndarray, positions: np.ndarray, *, is_end: bool) -> None:
        """(S,) int32 at positions (axes, S), of which the first counts; `is_end` where the scores of what follows the last are wanted."""
        for start in range(0, len(ids), READ_BY_LLAMA):
            chunk = np.ascontiguousarray(ids[start : start + READ_BY_LLAMA])
            places = positions[0, start : start + READ_BY_LLAMA]
            self._decode(is_end and start + len(chunk) == len(ids), places, token=pointer_to(chunk, llama_cpp.llama_token))

    def read_features(self, features: np.ndarray, positions: np.ndarray, *, is_end: bool) -> None:
        """(S, width) float32, in the place of tokens, at positions (axes, S)."""
        for start in range(0, len(features), READ_BY_LLAMA):
            chunk = np.ascontiguousarray(features[start : start + READ_BY_LLAMA], dtype=np.float32)
            places = positions[:, start : start + READ_BY_LLAMA]
            if self._weights.counts_in_axes:
                places = np.concatenate([np.broadcast_to(places, (_NUM_AXES - 1, len(chunk))), np.zeros((1, len(chunk)))])
            self._decode(is_end and start + len(chunk) == len(features), places, embd=pointer_to(chunk, ctypes.c_float))

    def scores(self) -> np.ndarray:
        """(vocabulary,) float32, in llama.cpp's memory: good until more is read."""
        return np.ctypeslib.as_array(llama_cpp.llama_get_logits_ith(self._pointer, -1), (self._weights.vocabulary,))

    def _decode(self, is_end: bool, positions: np.ndarray, **content: Any) -> None:
        """Positions (S,), or those of each axis (4, S)."""
        num_tokens = positions.shape[-1]
        wanted, places = np.zeros(num_tokens, dtype=np.int8), np.ascontiguousarray(positions, dtype=np.int32)
        wanted[-1] = is_end
        pointers = dict(logits=pointer_to(wanted, ctypes.c_int8), pos=pointer_to(places, llama_cpp.llama_pos))
        batch = llama_cpp.llama_batch(n_tokens=num_tokens, **pointers, **content)
        status = llama_cpp.llama_decode(self._pointer, batch)
        if status:
            raise ValueError(f"llama.cpp could not read {num_tokens} tokens (status {status}): {take_errors()}")

    def _make(self, room: int) -> None:
        params = llama_cpp.llama_context_default_params()
        self.room = params.n_ctx = -(-room // LLAMA_ROOM_STEP) * LLAMA_ROOM_STEP
        params.n_batch = params.n_ubatch = READ_BY_LLAMA
        params.n_outputs_max = 1
        params.n_threads = params.n_threads_batch = self._threads
        params.type_k = params.type_v = llama_cpp.GGML_TYPE_F32 if self._whole_floats else llama_cpp.GGML_TYPE_F16
        params.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED  # on a CPU it rounds more and takes a sixth longer for a token
        self._pointer = llama_cpp.llama_init_from_model(self._weights.pointer, params)
        if not self._pointer:
            raise ValueError(f"llama.cpp has no memory for {self.room} tokens ({take_errors()}). Ask for fewer new tokens.")
        self._free = weakref.finalize(self, llama_cpp.llama_free, self._pointer)
