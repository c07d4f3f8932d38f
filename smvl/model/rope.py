"""Longer context: the text model's rotation by position, changed after its first training.

Two ways. `theta`: a larger base, so that every pair of dimensions but the first turns slower; SmolVLM (arXiv 2504.05299) raised it from
10,000 to 273,000 to read 16 thousand tokens, and trained on. `yarn` (arXiv 2309.00071): pairs that turn less than once within the trained
length are stretched by a factor, those that turn often stay, and attention is sharpened a little; it costs short contexts little, and
works before it is trained.

Both stand in config.json as transformers writes them, and need no code of ours: vLLM reads the same, and llama.cpp by its own keys.
"""

from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

_KEPT = ("partial_rotary_factor", "mrope_section", "mrope_interleaved")
"""What of a rotation has nothing to do with its length."""
_KNOWN_TYPES = ("default", "yarn")


class RopeError(ValueError):
    """A rotation that a text model cannot be given; the message names the key of `model.rope`."""


def change_rope(
    model: PreTrainedModel,
    *,
    theta: float | None = None,
    yarn: float | None = None,
    trained_length: int | None = None,
    length: int | None = None,
    max_length: int = 0,
) -> None:
    """Rotate the text model by another rule, in its configuration and its buffers; weights stay as they are.

    Args:
        model: of any layout; its buffers may be on the meta device.
        theta: the new base, at least the old one.
        yarn: the new factor, of the length that was trained at first, whatever factor stands there now.
        trained_length: what `yarn` stretches; None takes what config.json says.
        length: tokens of one sequence, `max_position_embeddings`; None takes trained length times `yarn`, or with `theta` the larger of
            the old number and `max_length`. Where positions grow slower than tokens, as in pictures that count rows and
            columns, it may be more than `yarn` reaches.

    Raises:
        RopeError: the text model does not rotate by one rule for all layers, or the numbers do not go together.
    """
    text = model.config.text_config
    found = _rotation_of(text)
    kept = {name: found[name] for name in _KEPT if name in found}
    if theta is not None:
        if theta < found["rope_theta"]:
            raise RopeError(
                f"theta is {theta:g}, but the text model's own is {found['rope_theta']:g}; a smaller base makes contexts shorter. Give a "
                "larger one, or leave model.rope out."
            )
        if length is not None and length < text.max_position_embeddings:
            raise RopeError(
                f"length is {length:,}, but the text model reads {text.max_position_embeddings:,} tokens as it is, and theta is for more. "
                "Leave length out, or raise it."
            )
        changed = {**kept, "rope_type": "default", "rope_theta": theta}
        length = length or max(text.max_position_embeddings, max_length)
    else:
        trained = trained_length or trained_positions(text)
        if trained > text.max_position_embeddings:
            raise RopeError(
                f"trained_length is {trained:,}, but by its config.json the text model reads {text.max_position_embeddings:,} tokens. "
                "Lower it, or leave it out."
            )
        length = length or int(trained * yarn)
        _check_reach(length, int(trained * yarn), yarn, positions_are_tokens="mrope_section" not in found)
        scaling = {"factor": yarn, "original_max_position_embeddings": trained}
        changed = {**kept, "rope_type": "yarn", "rope_theta": found["rope_theta"], **scaling}
    text.rope_parameters, text.max_position_embeddings = changed, length
    _make_rotation(model)


def trained_positions(text: PreTrainedConfig) -> int:
    """Up to which number positions were trained at first, before any factor, so far as a text model's configuration says it."""
    return (text.rope_parameters or {}).get("original_max_position_embeddings") or text.max_position_embeddings


def reached_positions(text: PreTrainedConfig) -> int:
    """Up to which number its rotation is for; `max_position_embeddings` counts tokens, of which pictures may take more than positions."""
    factor = (text.rope_parameters or {}).get("factor")
    return text.max_position_embeddings if factor is None else int(trained_positions(text) * factor)


def _rotation_of(text: PreTrainedConfig) -> dict[str, Any]:
    found = dict(getattr(text, "rope_parameters", None) or {})  # models that do not rotate have none
    kind = found.get("rope_type", "default")
    if "rope_theta" not in found or kind not in _KNOWN_TYPES:
        what = f"a rotation of the type {kind}" if "rope_theta" in found else "no rotation that is the same in all layers"
        raise RopeError(f"the text model, a {text.model_type}, has {what}; only a plain one or yarn can be changed. Leave model.rope out.")
    return found


def _check_reach(length: int, reach: int, factor: float, *, positions_are_tokens: bool) -> None:
    if positions_are_tokens and length > reach:
        raise RopeError(
            f"length is {length:,}, but yarn {factor:g} reaches {reach:,} positions, and here every token is one. Raise yarn, or lower "
            "length."
        )


def _make_rotation(model: PreTrainedModel) -> None:
    """Frequencies anew, which no checkpoint holds."""
    decoder = model.get_decoder()
    rotary = decoder.rotary_emb
    with torch.device(rotary.inv_freq.device):
        decoder.rotary_emb = type(rotary)(model.config.text_config)
