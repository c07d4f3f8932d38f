"""The runtimes that a checkpoint can be exported to: what writes each, what asks the result, and how far it may be from the checkpoint."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from smvl.export.own_checkpoint import as_own_checkpoint, write_own_checkpoint
from smvl.export.parity import Limits
from smvl.layouts.settings import LAYOUT_KEYS, layout_of_type
from smvl.settings_files import object_in

DEFAULT_BITS = {"onnx": 4, "gguf": 8, "torchao": 8, "idefics3": None, "smolvlm": None}
"""By target; None where a target has one form only."""

LIMITS = {
    ("onnx", 32): Limits(equal_tokens=1.0, score_loss=0.0),
    ("onnx", 16): Limits(equal_tokens=0.99, score_loss=0.005),
    ("onnx", 8): Limits(score_loss=0.005),
    ("onnx", 4): Limits(score_loss=0.02),
    ("gguf", 32): Limits(equal_tokens=0.99, score_loss=0.005),
    ("gguf", 16): Limits(equal_tokens=0.99, score_loss=0.005),
    ("gguf", 8): Limits(score_loss=0.005),
    ("gguf", 4): Limits(score_loss=0.02),
    ("torchao", 8): Limits(score_loss=0.005),
    ("torchao", 4): Limits(score_loss=0.02),
    ("idefics3", None): Limits(equal_tokens=1.0, scores=1e-4),
    ("smolvlm", None): Limits(equal_tokens=1.0, scores=1e-4),
}
"""By target and bits. What is lost to another arithmetic is seen in tokens, what is lost to rounding in the score."""

K_QUANT_LIMITS = {6: Limits(score_loss=0.005), 5: Limits(score_loss=0.02), 4: Limits(score_loss=0.02), 3: Limits(), 2: Limits()}
"""Of GGUF's K-quants, by the bits in their names. What fewer than 4 bits lose is reported and not judged."""


@dataclass(frozen=True)
class Target:
    """One form of an export."""

    name: str
    bits: int | None
    kind: str | None = None
    """Of a GGUF file, by llama.cpp's name, in the place of bits."""

    @property
    def label(self) -> str:
        """Such as `onnx, 4 bits`."""
        return self.name + (f", {self.kind}" if self.kind else f", {self.bits} bits" if self.bits else "")

    @property
    def limits(self) -> Limits:
        if self.kind is None:
            return LIMITS[self.name, self.bits]
        bits = int(re.search(r"\d+", self.kind).group())
        return K_QUANT_LIMITS[bits] if "_K" in self.kind else LIMITS[self.name, bits]

    def write(self, checkpoint: Path, out: Path) -> None:
        """Export a checkpoint, or what transformers or TRL saved of one; raises `ValueError` where it cannot be."""
        _check_layout(checkpoint, self)
        if self.name == "smolvlm":
            return write_own_checkpoint(checkpoint, out)
        with as_own_checkpoint(checkpoint) as own:
            try:
                _WRITERS[self.name](own, out, self)
            except ValueError as error:  # of the copy, as it may be, said of the folder
                raise ValueError(str(error).replace(str(own), str(checkpoint))) from error


def _check_layout(checkpoint: Path, target: Target) -> None:
    """Raise `ValueError` for a target that a model of this layout has not; what is no model is left for others to refuse."""
    layout = layout_of_type(object_in(checkpoint / "config.json").get("model_type"))
    if layout is not None and target.name not in LAYOUT_KEYS[layout].exports:
        keys = LAYOUT_KEYS[layout]
        raise ValueError(
            f"{checkpoint} is of layout {layout}, which is exported to {', '.join(keys.exports)} here, not to {target.name}. {keys.served}"
        )


def find_target(name: str, bits: int | None, kind: str | None = None) -> Target:
    """Raises `ValueError` for bits that a target does not have, and for a kind of anything but GGUF."""
    if kind is not None:
        if name != "gguf":
            raise ValueError(f"--kind {kind} is one of GGUF's; {name} is asked for by --bits.")
        return Target(name, None, kind)
    bits = DEFAULT_BITS[name] if bits is None else bits
    if (name, bits) not in LIMITS:
        known = ", ".join(str(other) for target, other in LIMITS if target == name)
        raise ValueError(f"{name} in {bits} bits is not known; expected {'no --bits' if known == 'None' else f'one of {known}'}.")
    return Target(name, bits)


def _write_onnx(checkpoint: Path, out: Path, target: Target) -> None:
    try:
        from smvl.export.onnx.folder import export_onnx
    except ImportError as error:
        raise ValueError(f"--to onnx needs onnx, onnxscript and onnxruntime ({error}). Install: pip install -r requirements.txt") from error
    export_onnx(checkpoint, out, bits=target.bits)


def _write_gguf(checkpoint: Path, out: Path, target: Target) -> None:
    try:
        from smvl.export.gguf.folder import export_gguf
    except ImportError as error:
        raise ValueError(f"--to gguf needs gguf ({error}). Install: pip install -r requirements.txt") from error
    export_gguf(checkpoint, out, bits=target.bits, kind=target.kind)


def _write_torchao(checkpoint: Path, out: Path, target: Target) -> None:
    from smvl.export.torchao import export_torchao

    export_torchao(checkpoint, out, kind=f"int{target.bits}")


def _write_idefics3(checkpoint: Path, out: Path, target: Target) -> None:
    from smvl.export.idefics3 import export_idefics3

    export_idefics3(checkpoint, out)


_WRITERS: dict[str, Callable[[Path, Path, Target], None]] = {
    "onnx": _write_onnx,
    "gguf": _write_gguf,
    "torchao": _write_torchao,
    "idefics3": _write_idefics3,
}
