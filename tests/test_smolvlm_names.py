"""SmolVLM's names for the markers: every place where one stands is renamed, ids stay, and nothing is renamed onto a name in use."""

import json

import pytest

from smvl.layouts.tokens import STOCK_ATTRIBUTES, TILE_MARKERS, add_missing_tokens
from smvl.processing.smolvlm_names import SMOLVLM_ATTRIBUTES, SMOLVLM_NAMES, to_own_names, to_smolvlm_names
from tests.donors import small_tokenizer


def test_a_tokenizer_keeps_its_ids_under_the_other_names() -> None:
    tokenizer = small_tokenizer()
    add_missing_tokens(tokenizer, TILE_MARKERS)
    before = tokenizer.backend_tokenizer.to_str()
    renamed = to_smolvlm_names(before)
    ids = [{token["content"]: token["id"] for token in json.loads(text)["added_tokens"]} for text in (before, renamed)]
    assert ids[1] == {SMOLVLM_NAMES.get(name, name): number for name, number in ids[0].items()}
    assert {"<image>", "<fake_token_around_image>", "<global-img>"} <= ids[1].keys()
    assert json.loads(before)["model"] == json.loads(renamed)["model"]
    assert to_own_names(renamed) == before


def test_words_that_resemble_a_marker_stay() -> None:
    text = "{{- '<|image_pad|>' -}} <|vision_start|> <vision_start> <|vision_pad|> <row_1_col_1> image_pad"
    renamed = "{{- '<image>' -}} <|vision_start|> <fake_token_around_image> <global-img> <row_1_col_1> image_pad"
    assert to_smolvlm_names(text) == renamed
    assert to_own_names(renamed) == text


def test_a_name_in_use_is_refused() -> None:
    with pytest.raises(ValueError, match="<global-img> already"):
        to_smolvlm_names('{"content": "<global-img>"}')


def test_the_attributes_name_the_same_markers() -> None:
    assert SMOLVLM_ATTRIBUTES.keys() == STOCK_ATTRIBUTES.keys()
    assert SMOLVLM_ATTRIBUTES == {name: SMOLVLM_NAMES.get(token, token) for name, token in STOCK_ATTRIBUTES.items()}
