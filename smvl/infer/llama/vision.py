"""The vision encoder and projector of a GGUF export, picture by picture, through llama.cpp's multimodal library (mtmd)."""

import ctypes
import weakref
from pathlib import Path
from typing import Any

import numpy as np
from llama_cpp import mtmd_cpp as mtmd

from smvl.infer.llama.library import pointer_to, take_errors
from smvl.infer.llama.weights import LlamaWeights
from smvl.infer.manifest import ExportFolderError


class LlamaVision:
    """A loaded projector file.

    mtmd takes whole pictures, scales them, and cuts tiles itself. It is told how many features a picture has at least and at most: it then
    leaves a picture as it is. Where there are tiles, that is as many as a tile has, and what it calls the slice of a tile is the tile.

    Args:
        limits: fewest and most features of a picture.

    Raises:
        ExportFolderError: llama.cpp cannot load the file.
    """

    def __init__(self, path: Path, text: LlamaWeights, *, limits: tuple[int, int], threads: int):
        params = mtmd.mtmd_context_params_default()
        params.use_gpu = params.print_timings = params.warmup = False
        params.n_threads = threads
        params.image_min_tokens, params.image_max_tokens = limits
        self._path, self._text = path, text
        self._context = mtmd.mtmd_init_from_file(str(path).encode(), text.pointer, params)
        if not self._context:
            raise ExportFolderError(f"{path} cannot be loaded by llama.cpp: {take_errors()}")
        self.close = weakref.finalize(self, mtmd.mtmd_free, self._context)
        """Give the memory back; nothing can be encoded any more."""

    def encode(self, pixels: np.ndarray, num_features: int) -> np.ndarray:
        """(height, width, 3) uint8 -> (num_features, width) float32.

        Raises:
            ValueError: llama.cpp could not encode it.
        """
        height, width, _ = pixels.shape
        bitmap = mtmd.mtmd_bitmap_init(width, height, pointer_to(np.ascontiguousarray(pixels), ctypes.c_uint8))
        chunks = mtmd.mtmd_input_chunks_init()
        try:
            mark = mtmd.mtmd_input_text(text=mtmd.mtmd_default_marker(), text_len=len(mtmd.mtmd_default_marker()))
            bitmaps = (mtmd.mtmd_bitmap_p_ctypes * 1)(bitmap)
            self._check(mtmd.mtmd_tokenize(self._context, chunks, ctypes.byref(mark), bitmaps, 1))
            self._check(mtmd.mtmd_encode_chunk(self._context, self._picture_of(chunks, num_features)))
            features = mtmd.mtmd_get_output_embd(self._context)
            return np.ctypeslib.as_array(features, (num_features, self._text.feature_width)).copy()
        finally:
            mtmd.mtmd_input_chunks_free(chunks)
            mtmd.mtmd_bitmap_free(bitmap)

    def _picture_of(self, chunks: Any, num_features: int) -> Any:
        """The first image among what mtmd made of a picture; where there are tiles, one behind it is the view of the whole."""
        found = (mtmd.mtmd_input_chunks_get(chunks, index) for index in range(mtmd.mtmd_input_chunks_size(chunks)))
        images = [chunk for chunk in found if mtmd.mtmd_input_chunk_get_type(chunk) == mtmd.MTMD_INPUT_CHUNK_TYPE_IMAGE]
        sizes = [mtmd.mtmd_input_chunk_get_n_tokens(image) for image in images]
        if set(sizes) != {num_features}:
            raise ValueError(
                f"llama.cpp made {sizes} features of a picture with {self._path}; expected {num_features} of each view. Install the "
                "version of llama-cpp-python that requirements-llama.txt names."
            )
        return images[0]

    def _check(self, status: int) -> None:
        if status:
            raise ValueError(f"llama.cpp could not encode a picture with {self._path} (status {status}): {take_errors()}")
