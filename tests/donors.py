"""Small donors in the on-disk layout of the real ones, made in a second; random weights unless a test trains them."""

import json
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
from transformers import (
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
    SiglipConfig,
    SiglipModel,
    SmolVLMConfig,
    SmolVLMForConditionalGeneration,
)

from smvl.layouts.image_processors import EncoderSides
from smvl.processing import build
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.qwen3 import PLAIN_ADDED_TOKENS, SPECIAL_TOKENS, SPLIT_PATTERN

TILE, PATCH = 32, 8
CORPUS = [
    "图中有什么?一个红色的圆形。",
    "两张图中哪一张的数字更大?第一张。",
    "What is in the picture? A red circle.",
    "user assistant system",
] * 4
NUM_SPARE_ROWS = 64


def small_tokenizer(special: tuple[str, ...] = SPECIAL_TOKENS, plain: tuple[str, ...] = PLAIN_ADDED_TOKENS) -> PreTrainedTokenizerFast:
    """A byte-level BPE of 400 tokens, cut as Qwen3's and with Qwen3's added tokens."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(SPLIT_PATTERN), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    tokenizer.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False))
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in plain])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<|im_end|>" if special else None)


def save_text_donor(folder: Path, *, kind: str = "qwen3", tied: bool = True, seed: int = 0) -> Path:
    """A Qwen3 or Llama kind of two layers with its tokenizer; the Llama kind has no spare rows and no ChatML tokens."""
    torch.manual_seed(seed)
    shape = dict(hidden_size=48, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2)
    if kind == "qwen3":
        tokenizer = small_tokenizer()
        num_rows = len(tokenizer) + NUM_SPARE_ROWS
        config = Qwen3Config(**shape, vocab_size=num_rows, head_dim=16, tie_word_embeddings=tied, rope_theta=1_000_000.0)
        model = Qwen3ForCausalLM(config)
    else:
        tokenizer = small_tokenizer(special=("<|endoftext|>",), plain=())
        config = LlamaConfig(**shape, vocab_size=len(tokenizer), tie_word_embeddings=tied)
        model = LlamaForCausalLM(config)
    for parameter in model.parameters():  # larger than transformers starts them, so that logits differ visibly
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def save_vision_donor(
    folder: Path, *, kind: str = "smolvlm", tile: int = TILE, patch: int = PATCH, scale_factor: int = 2, seed: int = 0
) -> Path:
    """A SmolVLM, Idefics3 or plain SigLIP folder with a tower of two layers."""
    torch.manual_seed(seed)
    vision = dict(hidden_size=24, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=tile, patch_size=patch)
    text = dict(model_type="llama", hidden_size=16, intermediate_size=16, num_hidden_layers=1, num_attention_heads=2, vocab_size=32)
    text |= dict(pad_token_id=0, bos_token_id=0, eos_token_id=0)
    if kind == "siglip":
        model = SiglipModel(SiglipConfig(vision_config=vision, text_config={**text, "model_type": "siglip_text_model"}))
    else:
        config_class = SmolVLMConfig if kind == "smolvlm" else Idefics3Config
        model_class = SmolVLMForConditionalGeneration if kind == "smolvlm" else Idefics3ForConditionalGeneration
        model = model_class(
            config_class(vision_config=vision, text_config=text, scale_factor=scale_factor, image_token_id=1, pad_token_id=0)
        )
    for parameter in model.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter, std=0.2)
    model.save_pretrained(folder)
    settings = dict(image_processor_type="SmolVLMImageProcessor", image_mean=[0.5] * 3, image_std=[0.5] * 3, resample=1)
    settings |= dict(do_image_splitting=True, size={"longest_edge": 2 * tile}, max_image_size={"longest_edge": tile})
    (folder / "preprocessor_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


SPLICE: dict[str, dict[str, Any]] = {
    "smolvlm": {"longest_edge": 2 * TILE},
    "qwen3_vl": {"layout": "qwen3_vl", "deepstack": [0], "min_pixels": 256, "max_pixels": 4 * TILE**2},
}
"""What `smvl.splice` is given for a small model of each layout."""


def let_taps_speak(model: PreTrainedModel) -> None:
    """Give DeepStack's mergers, where there are any, what they have once they have learned."""
    for merger in getattr(model.get_encoder("image"), "deepstack_merger_list", []):
        torch.nn.init.normal_(merger.linear_fc2.weight, std=0.3, generator=torch.Generator().manual_seed(5))


def build_processor(text: Path, vision: Path, *, tile: int, longest_edge: int, image_seq_len: int) -> tuple[SmVLMProcessor, list[int]]:
    """A processor for tiles."""
    encoder = EncoderSides(tile, PATCH, image_seq_len)
    return build.build_processor(text, vision, encoder, layout="smolvlm", image={"longest_edge": longest_edge})
