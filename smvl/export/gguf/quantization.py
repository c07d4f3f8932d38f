"""How precisely each tensor of a GGUF file is kept: llama.cpp's own choices, as far as its Python library can write them.

    kind    matrices   embedding and head   norms, biases
    F32     F32        F32                  F32
    F16     F16        F16                  F32
    BF16    BF16       BF16                 F32
    Q8_0    Q8_0       Q8_0                 F32
    Q4_0    Q4_0       Q8_0                 F32

llama.cpp's quantizer keeps the head (and an embedding that is the head too) at Q6_K when the rest is Q4_0, because every token is
chosen with it. The library has no writer for Q6_K; Q8_0 is the next type above that it writes. A matrix whose rows do not divide into
blocks of 32 stays at F16, as there. K-quants are made from the F16 file by llama.cpp itself, of llama-cpp-python or `llama-quantize`. They
have blocks of 256; where rows do not divide into them, it takes another type of about as many bits (Q5_0 for Q4_K, Q8_0 for Q6_K).
"""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from gguf import GGML_QUANT_SIZES, GGMLQuantizationType, LlamaFileType

KINDS = ("F32", "F16", "BF16", "Q8_0", "Q4_0")
"""Written by the gguf library."""
K_QUANTS = ("Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L", "Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K")
"""Written by llama.cpp's quantizer from the F16 file."""

QUANTIZER = "llama-quantize"
_KIND_OF_BITS = {32: "F32", 16: "F16", 8: "Q8_0", 4: "Q4_0"}


def find_kind(bits: int | None, kind: str | None) -> str:
    """The kind that is asked for by bits or by name; F16 where neither is given.

    Raises:
        ValueError: both are given, or there is no such kind.
    """
    if bits is not None and kind is not None:
        raise ValueError(f"both bits ({bits}) and kind ({kind}) were given; give one of them.")
    if kind is None:
        if bits not in (None, *_KIND_OF_BITS):
            raise ValueError(f"bits is {bits}; expected one of {', '.join(map(str, sorted(_KIND_OF_BITS)))}.")
        return _KIND_OF_BITS[bits or 16]
    if kind not in (*KINDS, *K_QUANTS):
        raise ValueError(f"kind is {kind}; expected one of {', '.join((*KINDS, *K_QUANTS))}.")
    return kind


def file_type(kind: str) -> LlamaFileType:
    """The number by which a GGUF file says what most of it is."""
    return LlamaFileType.ALL_F32 if kind == "F32" else LlamaFileType[f"MOSTLY_{kind}"]


def tensor_type(shape: tuple[int, ...], kind: str, *, is_head: bool) -> GGMLQuantizationType:
    """What a tensor is kept as in a file of this kind.

    Args:
        is_head: whether tokens are chosen with it: the head, or an embedding that is the head too.
    """
    if len(shape) < 2:
        return GGMLQuantizationType.F32
    wanted = GGMLQuantizationType.Q8_0 if kind == "Q4_0" and is_head else GGMLQuantizationType[kind]
    block, _ = GGML_QUANT_SIZES[wanted]
    return wanted if shape[-1] % block == 0 else GGMLQuantizationType.F16


def find_quantizer() -> Callable[[Path, Path, str], None]:
    """llama.cpp's quantizer: turns a float GGUF file into one of another kind, or raises `ValueError` with what it says.

    Raises:
        ValueError: it is not installed.
    """
    try:
        from smvl.export.gguf.llama_quantizer import quantize

        return quantize
    except ImportError:
        if shutil.which(QUANTIZER):
            return _run_quantizer
    raise ValueError(
        f"K-quants ({', '.join(K_QUANTS)}) are made by llama.cpp, of which neither llama-cpp-python is installed nor {QUANTIZER} on the "
        f"PATH. Install one (pip install llama-cpp-python; llama.cpp's releases, Homebrew and winget have the other), or take one of "
        f"{', '.join(KINDS)}."
    )


def quantize_file(source: Path, target: Path, kind: str) -> None:
    """Turn a float GGUF file into a K-quant one, which appears when it is whole.

    Raises:
        ValueError: the quantizer is missing or refuses; the message holds what it wrote last.
    """
    partial = target.with_name(f"{target.name}.partial")
    try:
        find_quantizer()(source, partial, kind)
    except ValueError as error:
        partial.unlink(missing_ok=True)
        raise ValueError(f"{target.name} could not be made from {source.name}: {error}") from error
    partial.replace(target)


def _run_quantizer(source: Path, target: Path, kind: str) -> None:
    done = subprocess.run([QUANTIZER, str(source), str(target), kind], capture_output=True, text=True)
    if done.returncode:
        last_lines = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise ValueError(f"{QUANTIZER} failed (exit {done.returncode}):\n{last_lines}")
