"""The tokenizer and the chat template as llama.cpp keeps them: in the settings of the text model's file."""

from typing import Any

from gguf import GGUFWriter, TokenType

from smvl.export.checkpoint import Checkpoint, ExportError
from smvl.layouts.tokens import END_OF_TEXT, END_OF_TURN, PATCH_MARKERS, TILE_TOKENS
from smvl.processing.smolvlm_names import SMOLVLM_NAMES

_QWEN_SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
"""Where Qwen2's and Qwen3's tokenizers cut a text into words; llama.cpp has the same rule under the name `qwen2`."""
_BLANK_LINE, _LINE_BREAK = "ĊĊ", "Ċ"
"""Line breaks in the byte-level alphabet of GPT-2."""
_LOOKED_UP = {"smolvlm": (*SMOLVLM_NAMES.values(), *TILE_TOKENS, _LINE_BREAK, _BLANK_LINE), "qwen3_vl": PATCH_MARKERS}
"""By layout: what llama.cpp writes around an image."""


def add_tokenizer(writer: GGUFWriter, checkpoint: Checkpoint, num_rows: int) -> None:
    """Write tokens, their types, merges, special ids and the chat template into the settings of a file.

    Args:
        num_rows: of the embedding; rows without a token are filled up with tokens that nothing becomes.

    Raises:
        ExportError: llama.cpp would cut a text into other tokens than this tokenizer, or does not find a marker.
    """
    _check_rules(checkpoint)
    tokens, types = _list_tokens(checkpoint, num_rows)
    ids = {token: index for index, token in enumerate(tokens)}
    _check_markers(checkpoint, ids)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("qwen2")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in checkpoint.tokenizer["model"]["merges"]])
    writer.add_bos_token_id(ids[END_OF_TEXT])  # unused; llama.cpp takes token 11 where none is named
    writer.add_eos_token_id(ids[END_OF_TURN])
    writer.add_pad_token_id(ids[END_OF_TEXT])
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_chat_template(checkpoint.chat_template)


def _list_tokens(checkpoint: Checkpoint, num_rows: int) -> tuple[list[str], list[TokenType]]:
    tokens = [f"[PAD{index}]" for index in range(num_rows)]
    types = [TokenType.UNUSED] * num_rows
    vocabulary = checkpoint.tokenizer["model"]["vocab"]
    added = checkpoint.tokenizer["added_tokens"]
    highest = max([*vocabulary.values(), *(token["id"] for token in added)])
    if highest >= num_rows:
        raise ExportError(
            f"{checkpoint.folder}: tokenizer.json has a token of id {highest}, but the embedding has {num_rows} rows. Take the weights and "
            "the tokenizer of one checkpoint."
        )
    for token, index in vocabulary.items():
        tokens[index], types[index] = token, TokenType.NORMAL
    for token in added:
        tokens[token["id"]] = token["content"]
        types[token["id"]] = TokenType.CONTROL if token["special"] else TokenType.USER_DEFINED
    return tokens, types


def _check_rules(checkpoint: Checkpoint) -> None:
    """Raise `ExportError` unless the tokenizer is a byte-level BPE that cuts as Qwen's."""
    model, rules = checkpoint.tokenizer["model"], checkpoint.tokenizer["pre_tokenizer"]
    parts = (rules or {}).get("pretokenizers", [])
    found = [_pattern(part) for part in parts if part["type"] == "Split"]
    if model["type"] != "BPE" or found != [_QWEN_SPLIT] or parts[-1]["type"] != "ByteLevel":
        raise ExportError(
            f"the tokenizer in {checkpoint.folder} is a {model['type']} that cuts words by {found or 'no pattern'}; expected Qwen's "
            "byte-level BPE, the only one whose rule is known to be llama.cpp's qwen2."
        )


def _pattern(split: dict[str, Any]) -> str | None:
    return split["pattern"].get("Regex")


def _check_markers(checkpoint: Checkpoint, ids: dict[str, int]) -> None:
    """Raise `ExportError` where llama.cpp would look a token up and not find it: it goes on with the id -1."""
    wanted = (*_LOOKED_UP[checkpoint.layout], END_OF_TEXT, END_OF_TURN)
    missing = [token for token in wanted if token not in ids]
    if missing:
        names = ", ".join(token.replace("Ċ", "\\n") for token in missing[:3])
        raise ExportError(
            f"the tokenizer in {checkpoint.folder} has no single token for {names}, which llama.cpp writes around an image. Take a text "
            "donor whose tokenizer has it (Qwen3's has), or restore tokenizer.json."
        )
