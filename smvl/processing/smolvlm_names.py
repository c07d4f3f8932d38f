"""The markers under SmolVLM's names, as llama.cpp, transformers.js and the Idefics3 processor look them up.

These runtimes have the names written into their code. So an export carries the same tokenizer, ids and template with other names for
three tokens, and whoever loads it with this package puts the project's own names back.
"""

from smvl.layouts.tokens import AROUND_IMAGE_TOKEN, END_OF_TURN, GLOBAL_TOKEN, IMAGE_TOKEN, VIDEO_TOKEN

SMOLVLM_NAMES = {
    IMAGE_TOKEN: "<image>",
    AROUND_IMAGE_TOKEN: "<fake_token_around_image>",
    GLOBAL_TOKEN: "<global-img>",
}
"""By the project's names. The markers of tiles have the same name in both."""

SMOLVLM_ATTRIBUTES = {
    "image_token": SMOLVLM_NAMES[IMAGE_TOKEN],
    "fake_image_token": SMOLVLM_NAMES[AROUND_IMAGE_TOKEN],
    "global_image_token": SMOLVLM_NAMES[GLOBAL_TOKEN],
    "video_token": VIDEO_TOKEN,
    "end_of_utterance_token": END_OF_TURN,
}
"""`tokens.STOCK_ATTRIBUTES` under these names."""


def to_smolvlm_names(text: str) -> str:
    """A tokenizer file or a chat template with SmolVLM's names in it.

    Raises:
        ValueError: one of the names is taken already, so that two tokens would have it.
    """
    return _rename(text, SMOLVLM_NAMES)


def to_own_names(text: str) -> str:
    """What `to_smolvlm_names` was given."""
    return _rename(text, {theirs: own for own, theirs in SMOLVLM_NAMES.items()})


def _rename(text: str, names: dict[str, str]) -> str:
    for old, new in names.items():
        if new in text:
            raise ValueError(f"the text holds {new} already; {old} cannot take that name too. Rename that token of the tokenizer first.")
        text = text.replace(old, new)
    return text
