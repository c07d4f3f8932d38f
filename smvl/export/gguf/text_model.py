"""The text model as one GGUF file of llama.cpp's architecture `qwen3`: settings, tokenizer and tensors."""

from pathlib import Path
from typing import Any

from gguf import GGML_QUANT_VERSION, MODEL_ARCH, MODEL_ARCH_NAMES, GGUFType, GGUFWriter, get_tensor_name_map

from smvl.export.checkpoint import Checkpoint, ExportError, Weights
from smvl.export.gguf.quantization import file_type, tensor_type
from smvl.export.gguf.tensors import PlannedTensor, check_planned, write_tensors
from smvl.export.gguf.tokenizer import add_tokenizer

_OURS, _ALONE = "model.text_model.", "model."
"""Where the text model's tensors stand in a checkpoint, and where in a Qwen3 of its own, as the gguf library knows it."""
_HEAD = "lm_head.weight"


def write_text_model(checkpoint: Checkpoint, weights: Weights, path: Path, *, name: str, kind: str) -> None:
    """Write the text model of a checkpoint.

    Args:
        kind: one of `quantization.KINDS`.

    Raises:
        ExportError: it is not a Qwen3, has a setting that llama.cpp's `qwen3` has not, or its tensors are not those of config.json.
    """
    config = checkpoint.text_config
    check_text_config(checkpoint)
    plan = _plan(config, kind)
    check_planned(plan, weights, [_OURS, _HEAD], checkpoint.folder)
    writer = GGUFWriter(None, MODEL_ARCH_NAMES[MODEL_ARCH.QWEN3])
    writer.add_type(GGUFType.MODEL)
    writer.add_name(name)
    writer.add_file_type(file_type(kind))
    writer.add_quantization_version(GGML_QUANT_VERSION)
    _add_shape(writer, config)
    add_tokenizer(writer, checkpoint, config["vocab_size"])
    write_tensors(writer, path, plan, weights)


def check_text_config(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` for a text model that is not a Qwen3 as llama.cpp builds it."""
    config, folder = checkpoint.text_config, checkpoint.folder
    if config["model_type"] != "qwen3":
        raise ExportError(
            f"the text model of {folder} is a {config['model_type']}; only qwen3 is exported to GGUF. llama.cpp's own converter knows "
            "other text models."
        )
    rope = (config.get("rope_parameters") or {}).get("rope_type", "default")
    expected = {"hidden_act": "silu", "attention_bias": False, "use_sliding_window": False}
    wrong = [f"{key}: {config[key]}" for key, value in expected.items() if config.get(key, value) != value]
    wrong += [f"rope_type: {rope}"] * (rope != "default")
    if wrong:
        raise ExportError(f"the text model of {folder} has {', '.join(wrong)}, which llama.cpp's qwen3 has not; it would answer otherwise.")


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
    writer.add_rope_freq_base(_rope_base(config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _rope_base(config: dict[str, Any]) -> float:
    """transformers 5 keeps it in `rope_parameters`, 4 beside the others."""
    return (config.get("rope_parameters") or config)["rope_theta"]


def _plan(config: dict[str, Any], kind: str) -> list[PlannedTensor]:
    names = get_tensor_name_map(MODEL_ARCH.QWEN3, config["num_hidden_layers"])
    head = "token_embd.weight" if config["tie_word_embeddings"] else "output.weight"
    planned = []
    for source, shape in _shapes(config).items():
        name = names.get_name(source.replace(_OURS, _ALONE), try_suffixes=(".weight",))
        assert name is not None, f"the gguf library knows no {source}"
        planned.append(PlannedTensor(source, name, shape, tensor_type(shape, kind, is_head=name == head)))
    return planned


def _shapes(config: dict[str, Any]) -> dict[str, tuple[int, ...]]:
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
    shapes = {f"{_OURS}embed_tokens.weight": (config["vocab_size"], width)}
    for index in range(config["num_hidden_layers"]):
        shapes |= {f"{_OURS}layers.{index}.{name}.weight": shape for name, shape in layer.items()}
    shapes[f"{_OURS}norm.weight"] = (width,)
    if not config["tie_word_embeddings"]:
        shapes[_HEAD] = (config["vocab_size"], width)
    return shapes
