"""Donors of any shape in the on-disk layout of the real ones, with random weights: what a benchmark of speed and memory needs of them."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from torch import nn
from transformers import (
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>", "<|image_pad|>")
PLAIN = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>")


@dataclass(frozen=True)
class TextShape:
    """A Qwen3 model with one table for input and output."""

    vocabulary: int
    """Rows of the table; the tokenizer may have fewer tokens."""
    width: int
    layers: int
    heads: int
    key_heads: int
    head_size: int
    inner_width: int


@dataclass(frozen=True)
class VisionShape:
    """A SigLIP tower in SmolVLM's layout."""

    tile: int
    """Side of its input in pixels."""
    patch: int
    scale_factor: int
    """Side of the square of patches that becomes one token."""
    width: int
    layers: int
    heads: int
    inner_width: int


def save_text_donor(folder: Path, shape: TextShape, corpus: Iterable[str], *, dtype: torch.dtype) -> None:
    """A text model and a byte-level BPE that has learned the words of `corpus`, so that they take as many tokens as Qwen3 gives them."""
    config = Qwen3Config(
        vocab_size=shape.vocabulary,
        hidden_size=shape.width,
        intermediate_size=shape.inner_width,
        num_hidden_layers=shape.layers,
        num_attention_heads=shape.heads,
        num_key_value_heads=shape.key_heads,
        head_dim=shape.head_size,
        rope_theta=1_000_000.0,
        tie_word_embeddings=True,
    )
    _save(Qwen3ForCausalLM, config, dtype, folder)
    _make_tokenizer(corpus).save_pretrained(folder)


def save_vision_donor(folder: Path, shape: VisionShape, *, dtype: torch.dtype) -> None:
    """A tower with its image settings; the text model beside it, which no splice reads, is as small as can be."""
    vision = dict(image_size=shape.tile, patch_size=shape.patch, hidden_size=shape.width, intermediate_size=shape.inner_width)
    vision |= dict(num_hidden_layers=shape.layers, num_attention_heads=shape.heads)
    text = dict(model_type="llama", hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=32)
    text |= dict(pad_token_id=0, bos_token_id=0, eos_token_id=0)
    config = SmolVLMConfig(vision_config=vision, text_config=text, scale_factor=shape.scale_factor, image_token_id=1, pad_token_id=0)
    _save(SmolVLMForConditionalGeneration, config, dtype, folder)
    settings = dict(image_processor_type="SmolVLMImageProcessor", image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=1)
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")


@torch.no_grad()
def _save(model_class: type[PreTrainedModel], config: PreTrainedConfig, dtype: torch.dtype, folder: Path) -> None:
    """With weights that keep the size of what passes through, so that the loss depends on every part of the model."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # a card draws them in no time
    with device:
        model = model_class._from_config(config, dtype=dtype)
    generator = torch.Generator(device).manual_seed(0)
    for parameter in model.parameters():
        if parameter.dim() > 1:
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5, generator=generator)
    model.cpu().save_pretrained(folder)


def _make_tokenizer(corpus: Iterable[str]) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(SPLIT), "isolated"), byte_level])
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(corpus, trainers.BpeTrainer(vocab_size=600, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in SPECIAL])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in PLAIN])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>", pad_token="<|endoftext|>")
