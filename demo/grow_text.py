"""Carries the text donor over to a tokenizer with more words, without reading anything anew.

    git show OLD:demo/donors/text/tokenizer.json > old.json
    python demo/make_tokenizer.py && python demo/grow_text.py old.json

Words that the old tokenizer had keep their rows; a new word begins as the mean of the rows of its pieces, so that it means about what they
meant together. Nothing else changes: a text of old words alone is answered as before."""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoTokenizer, Qwen3ForCausalLM

FOLDER = Path(__file__).parent / "donors" / "text"
NUM_ROWS = 1024  # the tokenizer uses about 930: the rest is room for a splice's new markers, as in Qwen3


def carried_rows(rows: torch.Tensor, old: Tokenizer, new: Tokenizer) -> torch.Tensor:
    """(NUM_ROWS, width): the table of the new tokenizer, out of the old one's (old rows, width); spare rows are spare ones of the old."""
    num_old = old.get_vocab_size()
    spare = rows[num_old:].repeat(NUM_ROWS // (len(rows) - num_old) + 1, 1)
    carried = spare[:NUM_ROWS].clone()
    for token, place in new.get_vocab().items():
        known = old.token_to_id(token)
        pieces = [known] if known is not None else old.encode(new.decode([place], skip_special_tokens=False)).ids
        carried[place] = rows[pieces].float().mean(0)
    return carried


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", help="the tokenizer.json that the donor was pretrained with")
    old = Tokenizer.from_file(parser.parse_args().old)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, trust_remote_code=False)
    model = Qwen3ForCausalLM.from_pretrained(FOLDER, dtype=torch.bfloat16)
    rows = carried_rows(model.get_input_embeddings().weight.data, old, tokenizer.backend_tokenizer)
    model.resize_token_embeddings(NUM_ROWS, mean_resizing=False)
    model.get_input_embeddings().weight.data.copy_(rows)
    ends = [tokenizer.eos_token_id, tokenizer.pad_token_id]
    model.config.bos_token_id, model.config.eos_token_id, model.config.pad_token_id = ends[1], ends[0], ends[1]
    model.generation_config.eos_token_id, model.generation_config.pad_token_id = ends, ends[1]
    model.save_pretrained(FOLDER)


if __name__ == "__main__":
    main()
