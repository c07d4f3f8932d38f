"""llama.cpp's quantizer in llama-cpp-python."""

import ctypes
from pathlib import Path

import llama_cpp
from gguf import LlamaFileType

from smvl.infer.cores import usable_cores
from smvl.infer.llama.library import take_errors


def quantize(source: Path, target: Path, kind: str) -> None:
    """Write a float GGUF file in another kind.

    Raises:
        ValueError: llama.cpp refuses.
    """
    params = llama_cpp.llama_model_quantize_default_params()
    params.nthread = usable_cores()
    params.ftype = LlamaFileType[f"MOSTLY_{kind}"]
    if llama_cpp.llama_model_quantize(str(source).encode(), str(target).encode(), ctypes.byref(params)):
        raise ValueError(f"llama.cpp refused: {take_errors()}")
