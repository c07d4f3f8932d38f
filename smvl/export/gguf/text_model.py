"""The text model as one GGUF file of llama.cpp's architecture `qwen3` or `qwen3vl`: settings, tokenizer and tensors."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_VERSION, MODEL_ARCH, MODEL_ARCH_NAMES, GGUFType, GGUFWriter, RopeScalingType, get_tensor_name_map

from smvl.export.checkpoint import Checkpoint, ExportError, Weights
from smvl.export.gguf.quantization import file_type, tensor_type
from smvl.export.gguf.tensors import PlannedTensor, check_planned, write_tensors
from smvl.export.gguf.tokenizer import add_tokenizer

_ALONE = "model."
"""Where the tensors of a Qwen3 of its own stand, as the gguf library knows it."""
_HEAD = "lm_head.weight"
_NUM_SECTIONS = 4
"""Of a rotation, as llama.cpp keeps it: time, height, width and one that Qwen does not use."""
_PLAIN_KEYS = {"rope_type", "rope_theta"}
_ROPE_KEYS = {"default": _PLAIN_KEYS, "yarn": _PLAIN_KEYS | {"factor", "original_max_position_embeddings"}}
"""By type of rotation, what config.json may say of it in every architecture."""


@dataclass(frozen=True)
class _TextForm:
    """One of llama.cpp's architectures, and what it takes of a checkpoint."""

    architecture: MODEL_ARCH
    prefix: str
    """Where the text model's tensors stand in a checkpoint."""
    model_type: str
    """Of the text model, by config.json."""
    rope: dict[str, Any]
    """What else the rotation may say, and the only value that it may have; None for any."""
    add_settings: Callable[[GGUFWriter, Checkpoint], None]
    """Write what only this architecture has."""


def write_text_model(checkpoint: Checkpoint, weights: Weights, path: Path, *, name: str, kind: str) -> None:
    """Write the text model of a checkpoint.

    Args:
        kind: one of `quantization.KINDS`.

    Raises:
        ExportError: it is not a Qwen3, has a setting that llama.cpp's architecture has not, or its tensors are not those of config.json.
    """
    config, form = checkpoint.text_config, _FORMS[checkpoint.layout]
    check_text_config(checkpoint)
    plan = _plan(config, kind, form)
    check_planned(plan, weights, [form.prefix, _HEAD], checkpoint.folder)
    writer = GGUFWriter(None, MODEL_ARCH_NAMES[form.architecture])
    writer.add_type(GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(file_type(kind))
    writer.add_quantization_version(GGML_QUANT_VERSION)
    _add_shape(writer, config)
    form.add_settings(writer, checkpoint)
    add_tokenizer(writer, checkpoint, config["vocab_size"])
    write_tensors(writer, path, plan, weights)


def check_text_config(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` for a text model that is not a Qwen3 as llama.cpp builds it."""
    config, folder, form = checkpoint.text_config, checkpoint.folder, _FORMS[checkpoint.layout]
    if config["model_type"] != form.model_type:
        raise ExportError(
            f"the text model of {folder} is a {config['model_type']}; only {form.model_type} is exported to GGUF. llama.cpp's own "
            "converter knows other text models."
        )
    expected = {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}
    wrong = [f"{key}: {config[key]}" for key, value in expected.items() if config.get(key, value) != value]
    wrong += _faults(_rotation(config), form.rope)
    if wrong:
        name = MODEL_ARCH_NAMES[form.architecture]
        found = ", ".join(wrong)
        raise ExportError(f"the text model of {folder} has {found}, which llama.cpp's {name} has not; it would answer otherwise.")


def _add_shape(writer: GGUFWriter, config: dict[str, Any]) -> None:
    writer.add_vocab_size(config["vocab_size"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_dimension_count(config["head_dim"])
    _add_rotation(writer, _rotation(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _rotation(config: dict[str, Any]) -> dict[str, Any]:
    """transformers 5 keeps it in `rope_parameters`, 4 beside the others."""
    return {"rope_type": "default", **(config.get("rope_parameters") or {"rope_theta": config["rope_theta"]})}


def _faults(rope: dict[str, Any], known: dict[str, Any]) -> list[str]:
    """What of a rotation an architecture does not compute; `known` as `_TextForm.rope`."""
    kind = rope["rope_type"]
    if kind not in _ROPE_KEYS:
        return [f"rope_type: {kind}"]
    missing = [f"rope_type: {kind} without {key}" for key in sorted(_ROPE_KEYS[kind] - rope.keys())]
    others = {key: value for key, value in rope.items() if key not in _ROPE_KEYS[kind] and value is not None}
    return missing + [f"{key}: {value}" for key, value in others.items() if key not in known or known[key] not in (None, value)]


def _add_rotation(writer: GGUFWriter, rope: dict[str, Any]) -> None:
    """llama.cpp works out YaRN's attention factor from the factor, as transformers does."""
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def _add_sections(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    """Which share of a head counts in time, height and width, and how many layers take features of DeepStack."""
    sections = checkpoint.text_config["rope_parameters"]["mrope_section"]
    writer.add_rope_dimension_sections([*sections, *[0] * (_NUM_SECTIONS - len(sections))])
    writer.add_num_deepstack_layers(len(checkpoint.vision_config["deepstack_visual_indexes"]))


def _plan(config: dict[str, Any], kind: str, form: _TextForm) -> list[PlannedTensor]:
    names = get_tensor_name_map(form.architecture, config["num_hidden_layers"])
    head = "token_embd.weight" if config["tie_word_embeddings"] else "output.weight"
    planned = []
    for source, shape in _shapes(config, form.prefix).items():
        name = names.get_name(source.replace(form.prefix, _ALONE), try_suffixes=(".weight",))
        assert name is not None, f"the gguf library knows no {source}"
        planned.append(PlannedTensor(source, name, shape, tensor_type(shape, kind, is_head=name == head)))
    return planned


def _shapes(config: dict[str, Any], prefix: str) -> dict[str, tuple[int, ...]]:
    """Every tensor of a Qwen3 of this configuration by its name in a checkpoint."""
    width, inner, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    layer = {
        "input_layernorm": (width,),
        "self_attn.q_proj": (queries, width),
        "self_attn.k_proj": (keys, width),
        "self_attn.v_proj": (keys, width),
        "self_attn.q_norm": (head,),
        "self_attn.k_norm": (head,),
        "self_attn.o_proj": (width, queries),
        "post_attention_layernorm": (width,),
        "mlp.gate_proj": (inner, width),
        "mlp.up_proj": (inner, width),
        "mlp.down_proj": (width, inner),
    }
    shapes = {f"{prefix}embed_tokens.weight": (config["vocab_size"], width)}
    for index in range(config["num_hidden_layers"]):
        shapes |= {f"{prefix}layers.{index}.{name}.weight": shape for name, shape in layer.items()}
    shapes[f"{prefix}norm.weight"] = (width,)
    if not config["tie_word_embeddings"]:
        shapes[_HEAD] = (config["vocab_size"], width)
    return shapes


def _add_nothing(writer: GGUFWriter, checkpoint: Checkpoint) -> None:
    """A Qwen3 has no settings besides."""


_FORMS = {
    "smolvlm": _TextForm(MODEL_ARCH.QWEN3, "model.text_model.", "qwen3", {}, _add_nothing),
    "qwen3_vl": _TextForm(
        MODEL_ARCH.QWEN3VL,
        "model.language_model.",
        "qwen3_vl_text",
        {"mrope_section": None, "mrope_interleaved": True},
        _add_sections,
    ),
}
"""By layout."""
