"""Tokens as llama.cpp writes them down: the only form in which its bindings hand over what it chose."""

from collections.abc import Sequence

from transformers import PreTrainedTokenizerBase
from transformers.convert_slow_tokenizer import bytes_to_unicode

_BYTES = {character: byte for byte, character in bytes_to_unicode().items()}


def pieces_of(tokenizer: PreTrainedTokenizerBase, ids: Sequence[int]) -> list[str]:
    """The text of each token of a byte-level tokenizer; a lone byte of a longer character is written as its number.

    Rows that no token uses are `[PAD...]`, as in an exported file.
    """
    added = {index: token for token, index in tokenizer.get_added_vocab().items()}
    return [added[index] if index in added else _piece(tokenizer.convert_ids_to_tokens(index), index) for index in ids]


def _piece(token: str | None, index: int) -> str:
    if token is None:
        return f"[PAD{index}]"
    content = bytes(_BYTES[character] for character in token)
    if len(content) == 1 and content[0] >= 0x80:
        return f"byte: \\x{content[0]:02x}"
    return content.decode("utf-8", errors="replace")
