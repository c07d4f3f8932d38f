"""Cuts Qwen3's tokenizer down to what nano's text uses.

    python -m nano.make_tokenizer FOLDER        # a folder with Qwen3's tokenizer.json, of the model or of any package of it

Bytes, one token for each character of the alphabet, and those runs of ASCII that the questions and answers of the scenes use; each with the
merges that lead to it, in their order, so that what is kept is cut as Qwen3 cuts it. No token holds two Chinese characters: what is read
off a picture is read character by character. All added tokens stay."""

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.pre_tokenizers import ByteLevel

from nano.alphabet import alphabet
from smvl.config import SceneSourceConfig
from smvl.scenes.contents import TRAIN
from smvl.scenes.source import SceneRows

FOLDER = Path(__file__).parent / "tokenizer"
NUM_SCENES = 4000
"""Read for the ASCII that they use."""
LEAST_TIMES = 40
"""A run of ASCII that comes less often is written with shorter tokens."""
ROLES = ("system", "user", "assistant")
SETTINGS = {
    "add_bos_token": False,
    "add_prefix_space": False,
    "bos_token": None,
    "clean_up_tokenization_spaces": False,
    "eos_token": "<|im_end|>",
    "errors": "replace",
    "model_max_length": 4096,
    "pad_token": "<|endoftext|>",
    "split_special_tokens": False,
    "tokenizer_class": "Qwen2Tokenizer",
    "unk_token": None,
}


def scene_texts(num: int) -> Iterator[str]:
    """Questions, answers, tools and calls of drawn scenes."""
    rows = SceneRows(SceneSourceConfig(rows=num, plain_fonts=True), TRAIN, "tokenizer")
    for row in range(num):
        scene = rows.draw(row)
        yield from (json.dumps(tool, ensure_ascii=False) for tool in scene.conversation.tools)
        for turn in scene.conversation.turns:
            yield turn.question.question
            yield turn.question.answer
            yield from (json.dumps(call, ensure_ascii=False) for call in turn.question.tool_calls)


def as_bytes(text: str) -> str:
    """The text as a byte-level tokenizer spells it."""
    return ByteLevel(add_prefix_space=False, use_regex=False).pre_tokenize_str(text)[0][0]


def chosen_tokens(tokenizer: Tokenizer, texts: Sequence[str]) -> set[str]:
    """Tokens that shall be kept, as the tokenizer spells them."""
    vocabulary = set(tokenizer.get_vocab(with_added_tokens=False))
    used = Counter(token for text in texts for token in tokenizer.encode(text, add_special_tokens=False).tokens)
    ascii_runs = {token for token, times in used.items() if times >= LEAST_TIMES and token.replace("Ġ", " ").isascii()}
    characters = set(alphabet()).union(*texts) - {"\n"}
    return vocabulary & (ascii_runs | {as_bytes(text) for text in (*characters, *ROLES, "\n", "\n\n")})


def derivation(token: str, ranks: dict[tuple[str, str], int]) -> tuple[list[tuple[str, str]], list[str]]:
    """(merges that make a token out of its bytes, the pieces that it ends as): more than one where no merges lead there."""
    pieces, taken = list(token), []
    while len(pieces) > 1:
        pairs = [(ranks[pair], place, pair) for place, pair in enumerate(zip(pieces, pieces[1:])) if pair in ranks]
        if not pairs:
            break
        _, place, pair = min(pairs)
        pieces[place : place + 2] = ["".join(pair)]
        taken.append(pair)
    return taken, pieces


def cut(description: dict, chosen: set[str]) -> dict:
    """The tokenizer.json with the chosen tokens alone, their ids close together in their old order, the added tokens after them."""
    merges = [tuple(merge.split(" ")) if isinstance(merge, str) else tuple(merge) for merge in description["model"]["merges"]]
    ranks = {merge: rank for rank, merge in enumerate(merges)}
    kept_tokens, kept_merges = set(ByteLevel.alphabet()), set()
    for token in chosen:
        taken, pieces = derivation(token, ranks)
        if len(pieces) == 1:
            kept_merges.update(taken)
            kept_tokens.update("".join(pair) for pair in taken)
    old = description["model"]["vocab"]
    vocabulary = {token: place for place, token in enumerate(sorted(kept_tokens, key=old.__getitem__))}
    added = [{**entry, "id": len(vocabulary) + place} for place, entry in enumerate(description["added_tokens"])]
    model = {**description["model"], "vocab": vocabulary, "merges": [list(merge) for merge in merges if merge in kept_merges]}
    return {**description, "model": model, "added_tokens": added}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    description = json.loads((parser.parse_args().folder / "tokenizer.json").read_text(encoding="utf-8"))
    chosen = chosen_tokens(Tokenizer.from_str(json.dumps(description)), list(scene_texts(NUM_SCENES)))
    FOLDER.mkdir(exist_ok=True)
    written = json.dumps(cut(description, chosen), ensure_ascii=False, indent=0)
    (FOLDER / "tokenizer.json").write_text(written + "\n", encoding="utf-8")
    (FOLDER / "tokenizer_config.json").write_text(json.dumps(SETTINGS, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
