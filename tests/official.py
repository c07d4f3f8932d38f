"""Folders as Qwen and Hugging Face publish theirs, in small: the same files with the same keys, and random weights.

Keys, files and tokens are those of Qwen3-VL-2B-Instruct and SmolVLM2-256M-Video-Instruct as published in 2025; only sizes differ.
"""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedModel, Qwen3VLConfig, Qwen3VLForConditionalGeneration, SmolVLMConfig, SmolVLMForConditionalGeneration
from transformers.models.qwen3_5.configuration_qwen3_5 import Qwen3_5VisionConfig
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5VisionModel

from tests.donors import CORPUS, small_tokenizer

QWEN3_VL_TEMPLATE = """{%- if tools %}{{- '<|im_start|>system\\n' }}
{%- if messages[0].role == 'system' %}{{- messages[0].content + '\\n\\n' }}{%- endif %}
{{- '# Tools\\n<tools>' }}{%- for tool in tools %}{{- '\\n' + (tool | tojson) }}{%- endfor %}{{- '\\n</tools><|im_end|>\\n' }}{%- endif %}
{%- for message in messages %}{%- if not (tools and loop.first and message.role == 'system') %}
{%- set speaker = 'user' if message.role == 'tool' else message.role %}
{{- '<|im_start|>' + speaker + '\\n' }}
{%- if message.role == 'tool' %}{{- '<tool_response>\\n' }}{%- endif %}
{%- if message.content is string %}{{- message.content }}{%- else %}
{%- for part in message.content %}{%- if part.type == 'image' or 'image' in part or 'image_url' in part %}
{{- '<|vision_start|><|image_pad|><|vision_end|>' }}{%- elif 'text' in part %}{{- part.text }}{%- endif %}{%- endfor %}{%- endif %}
{%- for call in message.tool_calls or [] %}
{{- '\\n<tool_call>\\n' + (call.function | tojson) + '\\n</tool_call>' }}{%- endfor %}
{%- if message.role == 'tool' %}{{- '\\n</tool_response>' }}{%- endif %}
{{- '<|im_end|>\\n' }}{%- endif %}{%- endfor %}
{%- if add_generation_prompt %}{{- '<|im_start|>assistant\\n' }}{%- endif %}"""
"""Renders as Qwen3-VL-Instruct's template does: ChatML, a picture between its two markers, no thinking."""

SMOLVLM2_TEMPLATE = """{{- '<|im_start|>' }}{%- for message in messages %}
{{- message.role | capitalize }}{{- ':' if message.content[0].type == 'image' else ': ' }}
{%- for part in message.content %}{%- if part.type == 'text' %}{{- part.text }}{%- elif part.type == 'image' %}{{- '<image>' }}
{%- elif part.type == 'video' %}{{- '<video>' }}{%- endif %}{%- endfor %}{{- '<end_of_utterance>\\n' }}{%- endfor %}
{%- if add_generation_prompt %}{{- 'Assistant:' }}{%- endif %}"""
"""Renders as SmolVLM2's template does: roles in plain words, content in parts, and one token that ends a turn."""

_QWEN3_VL_PIXELS = {
    "size": {"longest_edge": 16777216, "shortest_edge": 65536},
    "patch_size": 16,
    "temporal_patch_size": 2,
    "merge_size": 2,
    "image_mean": [0.5, 0.5, 0.5],
    "image_std": [0.5, 0.5, 0.5],
    "processor_class": "Qwen3VLProcessor",
}


_QWEN_VISION = {
    "depth": 2,
    "hidden_act": "gelu_pytorch_tanh",
    "hidden_size": 24,
    "in_channels": 3,
    "initializer_range": 0.02,
    "intermediate_size": 32,
    "num_heads": 2,
    "num_position_embeddings": 16,
    "out_hidden_size": 48,
    "patch_size": 16,
    "spatial_merge_size": 2,
    "temporal_patch_size": 2,
}


def save_qwen3_vl(folder: Path, *, max_pixels: int = 64 * 64, shards: bool = False, seed: int = 0) -> Path:
    """A Qwen3-VL-2B in small; `max_pixels` in the place of the published 16.8 million, so that tests take seconds."""
    folder.mkdir(parents=True)
    tokenizer = small_tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad", "vision_start", "vision_end")}
    text = {
        "attention_bias": False,
        "attention_dropout": 0.0,
        "bos_token_id": tokenizer.convert_tokens_to_ids("<|endoftext|>"),
        "dtype": "bfloat16",
        "eos_token_id": tokenizer.convert_tokens_to_ids("<|im_end|>"),
        "head_dim": 16,
        "hidden_act": "silu",
        "hidden_size": 48,
        "initializer_range": 0.02,
        "intermediate_size": 64,
        "max_position_embeddings": 262144,
        "model_type": "qwen3_vl_text",
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "rms_norm_eps": 1e-06,
        "rope_scaling": {"mrope_interleaved": True, "mrope_section": [4, 2, 2], "rope_type": "default"},
        "rope_theta": 5000000,
        "tie_word_embeddings": True,
        "use_cache": True,
        "vocab_size": len(tokenizer) + 32,
    }
    vision = {**_QWEN_VISION, "deepstack_visual_indexes": [0], "model_type": "qwen3_vl"}
    config = {
        "architectures": ["Qwen3VLForConditionalGeneration"],
        "image_token_id": ids["image_pad"],
        "model_type": "qwen3_vl",
        "text_config": text,
        "tie_word_embeddings": True,
        "transformers_version": "4.57.0.dev0",
        "video_token_id": ids["video_pad"],
        "vision_config": vision,
        "vision_end_token_id": ids["vision_end"],
        "vision_start_token_id": ids["vision_start"],
    }
    _write(folder / "config.json", config)
    _save_weights(folder, _random(Qwen3VLForConditionalGeneration(Qwen3VLConfig(**config)), seed), shards=shards)
    sampling = {"do_sample": True, "top_k": 20, "top_p": 0.8, "repetition_penalty": 1.0, "temperature": 0.7}
    stops = [tokenizer.convert_tokens_to_ids(token) for token in ("<|im_end|>", "<|endoftext|>")]
    _write(folder / "generation_config.json", {"pad_token_id": stops[1], "bos_token_id": stops[1], "eos_token_id": stops, **sampling})
    size = {"longest_edge": max_pixels, "shortest_edge": 32 * 32}
    _write(folder / "preprocessor_config.json", _QWEN3_VL_PIXELS | {"size": size, "image_processor_type": "Qwen2VLImageProcessorFast"})
    video = _QWEN3_VL_PIXELS | {"size": {"longest_edge": 25165824, "shortest_edge": 4096}, "video_processor_type": "Qwen3VLVideoProcessor"}
    _write(folder / "video_preprocessor_config.json", video)
    _save_tokenizer(folder, tokenizer.backend_tokenizer)
    names = {"eos_token": "<|im_end|>", "pad_token": "<|endoftext|>", "unk_token": None, "bos_token": None}
    settings = {"tokenizer_class": "Qwen2Tokenizer", "add_bos_token": False, "model_max_length": 262144, "chat_template": QWEN3_VL_TEMPLATE}
    _write(folder / "tokenizer_config.json", names | settings)
    _write(folder / "chat_template.json", {"chat_template": QWEN3_VL_TEMPLATE})
    return folder


def save_smolvlm2(folder: Path, *, longest_edge: int = 64, seed: int = 0) -> Path:
    """A SmolVLM2-256M in small: a Llama with its own names for the markers, its own template and end of a turn."""
    folder.mkdir(parents=True)
    backend = _smollm_tokenizer()
    ids = backend.get_vocab()
    text = {
        "architectures": ["VLlama3ForCausalLM"],
        "head_dim": 16,
        "hidden_size": 64,
        "intermediate_size": 64,
        "is_llama_config": True,
        "max_position_embeddings": 8192,
        "model_type": "llama",
        "neftune_noise_alpha": 0.0,
        "num_attention_heads": 4,
        "num_hidden_layers": 2,
        "num_key_value_heads": 2,
        "pad_token_id": 2,
        "pixel_shuffle_factor": 2,
        "qk_layer_norms": False,
        "rms_norm_eps": 1e-05,
        "rope_interleaved": False,
        "rope_theta": 100000,
        "torch_dtype": "bfloat16",
        "use_resampler": False,
        "vocab_size": len(ids),
    }
    vision = {
        "hidden_size": 24,
        "image_size": 32,
        "intermediate_size": 32,
        "max_image_size": {"longest_edge": 32},
        "model_type": "smolvlm_vision",
        "num_attention_heads": 2,
        "num_hidden_layers": 2,
        "patch_size": 8,
        "size": {"longest_edge": longest_edge},
        "tie_word_embeddings": False,
        "use_base_siglip": False,
    }
    config = {
        "architectures": ["SmolVLMForConditionalGeneration"],
        "image_token_id": ids["<image>"],
        "model_type": "smolvlm",
        "pad_token_id": 128002,
        "scale_factor": 2,
        "text_config": text,
        "tie_word_embeddings": False,
        "torch_dtype": "float32",
        "transformers_version": "4.47.1",
        "use_cache": False,
        "use_reentrant_checkpointing": False,
        "vision_config": vision,
        "vocab_size": len(ids),
    }
    _write(folder / "config.json", config)
    made = SmolVLMConfig(**{name: value for name, value in config.items() if name != "pad_token_id"})
    _save_weights(folder, _random(SmolVLMForConditionalGeneration(made), seed), shards=False)
    stops = {"bos_token_id": 1, "eos_token_id": ids["<end_of_utterance>"], "pad_token_id": 2}
    _write(folder / "generation_config.json", {"_from_model_config": True, **stops, "transformers_version": "4.47.1"})
    pixels = {f"do_{step}": True for step in ("convert_rgb", "image_splitting", "normalize", "pad", "rescale", "resize")}
    pixels |= {"image_mean": [0.5] * 3, "image_std": [0.5] * 3, "resample": 1, "rescale_factor": 0.00392156862745098}
    pixels |= {"max_image_size": {"longest_edge": 32}, "size": {"longest_edge": longest_edge}, "processor_class": "SmolVLMProcessor"}
    pixels |= {"image_processor_type": "SmolVLMImageProcessor"}
    pixels |= {"video_sampling": {"fps": 1, "max_frames": 64, "video_size": {"longest_edge": 32}}}
    _write(folder / "preprocessor_config.json", pixels)
    _write(folder / "processor_config.json", {"image_seq_len": 4, "processor_class": "SmolVLMProcessor"})
    _save_tokenizer(folder, backend)
    markers = {"end_of_utterance_token": "<end_of_utterance>", "fake_image_token": "<fake_token_around_image>"}
    markers |= {"global_image_token": "<global-img>", "image_token": "<image>"}
    named = {"bos_token": "<|im_start|>", "eos_token": "<end_of_utterance>", "pad_token": "<|im_end|>", "unk_token": "<|endoftext|>"}
    special = ["<fake_token_around_image>", "<image>", "<end_of_utterance>"]
    settings = {"additional_special_tokens": special, "extra_special_tokens": markers, "model_max_length": 8192, "truncation_side": "left"}
    settings |= {"tokenizer_class": "GPT2Tokenizer", "vocab_size": len(ids) - 128, "add_prefix_space": False}
    _write(folder / "tokenizer_config.json", {**named, **markers, **settings, "processor_class": "SmolVLMProcessor"})
    _write(folder / "special_tokens_map.json", {**named, **markers, "additional_special_tokens": special})
    added = {token: number for token, number in ids.items() if number >= ids["<global-img>"]}
    _write(folder / "added_tokens.json", added)
    _write(folder / "chat_template.json", {"chat_template": SMOLVLM2_TEMPLATE})
    return folder


def save_qwen3_5(folder: Path, *, seed: int = 0) -> Path:
    """Of a Qwen3.5-0.8B what a vision donor needs: config.json, and weights of which those of the encoder are all there."""
    folder.mkdir(parents=True)
    vision = {**_QWEN_VISION, "deepstack_visual_indexes": [], "model_type": "qwen3_5"}
    text = {"model_type": "qwen3_5_text", "hidden_size": 48, "num_hidden_layers": 4, "vocab_size": 512, "head_dim": 16}
    config = {"architectures": ["Qwen3_5ForConditionalGeneration"], "model_type": "qwen3_5", "text_config": text, "vision_config": vision}
    _write(folder / "config.json", config)
    tower = _random(Qwen3_5VisionModel(Qwen3_5VisionConfig(**{name: vision[name] for name in vision if name != "model_type"})), seed)
    tensors = {f"model.visual.{name}": tensor for name, tensor in tower.state_dict().items()}
    tensors["model.language_model.embed_tokens.weight"] = torch.zeros(512, 48, dtype=torch.bfloat16)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    _write(folder / "preprocessor_config.json", _QWEN3_VL_PIXELS | {"image_processor_type": "Qwen2VLImageProcessorFast"})
    return folder


def _smollm_tokenizer() -> Tokenizer:
    """A byte-level BPE with digits one by one, SmolLM2's special tokens first and SmolVLM's markers last."""
    tokenizer = Tokenizer(models.BPE())
    cuts = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)]
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.Sequence(cuts), decoders.ByteLevel()
    first = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<repo_name>", "<reponame>", "<file_sep>", "<filename>", "<gh_stars>"]
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, special_tokens=first, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tiles = [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    reserved = [f"<|reserved_special_token_{number}|>" for number in range(88)]
    last = ["<global-img>", *tiles, "<fake_token_around_image>", "<image>", *reserved, "<end_of_utterance>"]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in last])
    return tokenizer


def _random(model: PreTrainedModel, seed: int) -> PreTrainedModel:
    generator = torch.Generator().manual_seed(seed)
    for parameter in model.parameters():  # larger than transformers starts them, so that logits differ visibly
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2, generator=generator)
    return model.to(torch.bfloat16)


def _save_weights(folder: Path, model: PreTrainedModel, *, shards: bool) -> None:
    """`model.safetensors`, or two files and their index."""
    tied = model.config.tie_word_embeddings
    tensors = {name: tensor.contiguous() for name, tensor in model.state_dict().items() if not (tied and name == "lm_head.weight")}
    if not shards:
        return save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    names = sorted(tensors)
    parts = {f"model-0000{number + 1}-of-00002.safetensors": names[number::2] for number in range(2)}
    for file, part in parts.items():
        save_file({name: tensors[name] for name in part}, folder / file, metadata={"format": "pt"})
    total = sum(tensor.numel() * tensor.element_size() for tensor in tensors.values())
    places = {name: file for file, part in parts.items() for name in part}
    _write(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})


def _save_tokenizer(folder: Path, backend: Tokenizer) -> None:
    """tokenizer.json, and what slow tokenizers read."""
    backend.save(str(folder / "tokenizer.json"))
    backend.model.save(str(folder))


def _write(path: Path, content: dict[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
