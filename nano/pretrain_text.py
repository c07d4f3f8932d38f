"""Pretrains nano's text donor: a small Qwen3 that has read pages told as places and in words (telling.py), and has never seen a pixel.

    python -m nano.pretrain_text OUT --minutes 30                    # from nothing
    python -m nano.pretrain_text OUT --minutes 5 --start models/nano # goes on from the text half of a model, or from such a folder

It is led from a line in a low strip to strips of half a page, as soon as it reads those that it is given, and with them come whole scenes.
What tells a page is not part of the donor: for each place within a token a matrix, applied to the embedding of the character that stands
there. A connector takes over from it when the donor gets eyes."""

import argparse
import json
import logging
import random
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from nano.by_clock import muon_and_adam, num_measured, train_by_clock
from nano.domain import add_kinds, domain
from nano.lines import characters_of, scene_lines
from nano.telling import NAMES, NOTHING, draw_strip, tell, tell_in_words
from nano.weights import tensors_of
from smvl.scenes.contents import TRAIN, VALIDATION
from smvl.scenes.source import SceneRows

logger = logging.getLogger("pretrain_text")

TOKENIZER = Path(__file__).parent / "tokenizer"
TEXT_PREFIX = "model.text_model."
TELLER, CURVE = "teller.safetensors", "curve.jsonl"
SHAPE = dict(
    hidden_size=384, intermediate_size=896, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=2, head_dim=64
)  # fmt: skip
SPARE_ROWS = 128
"""Of the embedding, at least: room for a splice's new markers, as in Qwen3."""
PICTURE, PLACE = "<|vision_pad|>", "<|image_pad|>"
NOISE = 0.3
"""Of a told token's own spread: features of a tower are no embeddings."""
WORDS_SHARE = 0.15
"""Share of the scenes told in words."""
MAX_LENGTH = 640
COOLDOWN, START_COOLDOWN = 0.4, 1.0
"""Share of the time in which the rates fall to zero; and for a donor that goes on."""
READ_LOSS, RISE = 0.7, 1 / 600
"""Where the mean loss of strips is below this, nats a token, a step with strips raises their level by so much."""
SCENES_SHARE = 0.8
"""Share of the steps with scenes at level 1; it grows with the level."""
NUM_LINES_SCENES = 1000
ASKED_TO_READ = ("请读出文字。", "图中写着什么？", "逐行读出图中的文字。", "请读出所有文字，每行一行。", "写出图上的字。")


@dataclass(frozen=True)
class Settings:
    out: Path
    minutes: float
    kinds: tuple[str, ...]
    batch: int
    """Tokens of a step, padding among them."""
    workers: int
    seed: int
    device: str
    report: float
    """Seconds between two reports, each of which saves."""
    start: Path | None


@dataclass(frozen=True)
class Told:
    """One scene."""

    ids: list[int]
    weights: list[float]
    names: np.ndarray
    """(places, NAMES): what stands in the places of `PLACE`; none where the page was told in words."""


def build_model(tokenizer: PreTrainedTokenizerBase) -> Qwen3ForCausalLM:
    config = Qwen3Config(
        **SHAPE, vocab_size=-(-(len(tokenizer) + SPARE_ROWS) // 128) * 128, max_position_embeddings=4096, tie_word_embeddings=True,
        rope_theta=10000.0, bos_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


class Teller(nn.Module):
    """From the characters in a token's places to what stands for the token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.turns = nn.Parameter(torch.stack([nn.init.orthogonal_(torch.empty(width, width)) for _ in range(NAMES)]))

    def forward(self, embeddings: nn.Embedding, names: torch.Tensor) -> torch.Tensor:
        """(places, width) from (places, NAMES) ids; most are bare and cost nothing."""
        told = self.turns.new_zeros(len(names), self.turns.shape[-1])
        for turn, own in zip(self.turns, names.unbind(-1)):
            shown = (own != NOTHING).nonzero().flatten()
            told = told.index_add(0, shown, (embeddings(own[shown]) @ turn).to(told.dtype))
        return told


class ToldPages(torch.utils.data.IterableDataset):
    """Endless batches of strips and of scenes of a split, as hard and as often as a shared level says."""

    def __init__(self, settings: Settings, split: str):
        self.settings, self.split = settings, split
        self.level = torch.zeros(1).share_memory_()
        self.tokenizer = AutoTokenizer.from_pretrained(TOKENIZER, trust_remote_code=False)
        vocabulary = self.tokenizer.get_vocab()
        decoded = {self.tokenizer.decode([place]): place for place in vocabulary.values()}
        self.lines = scene_lines(settings.kinds, NUM_LINES_SCENES)
        self.ids = {character: decoded[character] for character in characters_of(self.lines) if character in decoded}
        self.rows = SceneRows(domain(settings.kinds, seed=settings.seed), split, "told")

    def __iter__(self) -> Iterator[dict[str, torch.Tensor]]:
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        while True:
            level = self.level.item()
            strips = random.Random(f"{self.settings.seed} strips {number}").random() >= SCENES_SHARE * level
            told: list[Told] = []
            while True:
                own = self.strip(number, level) if strips else self.scene(number)
                longest = max(len(each.ids) for each in (own, *told))
                if told and longest * (len(told) + 1) > self.settings.batch:
                    break
                number += step
                if len(own.ids) <= MAX_LENGTH:
                    told.append(own)
            yield collate(told, self.tokenizer.pad_token_id) | {"strips": torch.tensor(strips)}

    def scene(self, row: int) -> Told:
        """A row's picture told, with its questions and answers."""
        generator = random.Random(f"{self.settings.seed} told {self.split} {row}")
        scene = self.rows.draw(row)
        drawing = scene.drawings[0]
        turns = [(turn.question.question, turn.question.answer) for turn in scene.conversation.turns]
        if generator.random() < WORDS_SHARE:
            return self._talk(tell_in_words(drawing.texts), np.zeros((0, NAMES), np.int64), turns)
        return self._talk("", tell(drawing, self.ids, generator), turns)

    def strip(self, number: int, level: float = 1.0) -> Told:
        """Some lines of text, and the wish to have them read."""
        generator = random.Random(f"{self.settings.seed} strip {self.split} {number}")
        strip = draw_strip(self.ids, self.lines, generator, level)
        return self._talk("", strip.names, [(generator.choice(ASKED_TO_READ), "\n".join(strip.lines))])

    def _talk(self, words: str, names: np.ndarray, turns: Sequence[tuple[str, str]]) -> Told:
        """In Qwen3's format without thinking; an earlier turn's answer has no think block, as in its template."""
        picture = words or PICTURE + PLACE * len(names)
        ids, weights = [], []
        for number, (question, answer) in enumerate(turns):
            think = "<think>\n\n</think>\n\n" if number == len(turns) - 1 else ""
            prompt = f"<|im_start|>user\n{'' if number else picture}{question}<|im_end|>\n<|im_start|>assistant\n{think}"
            for text, weight in ((prompt, 0.0), (f"{answer}<|im_end|>", 1.0), ("\n", 0.0)):
                part = self.tokenizer(text)["input_ids"]
                ids += part
                weights += [weight] * len(part)
        return Told(ids, weights, names)


def collate(told: Sequence[Told], pad: int) -> dict[str, torch.Tensor]:
    """Padded to the longest, which causal attention never looks at; what is told stands one after the other."""
    longest = max(len(each.ids) for each in told)
    ids = torch.tensor([each.ids + [pad] * (longest - len(each.ids)) for each in told])
    weights = torch.tensor([each.weights + [0.0] * (longest - len(each.weights)) for each in told])
    return {"ids": ids, "weights": weights, "names": torch.from_numpy(np.concatenate([each.names for each in told]))}


def embed(model: Qwen3ForCausalLM, teller: Teller, batch: dict[str, torch.Tensor], place: int, noise: float) -> torch.Tensor:
    """(B, L, width): tokens as the model knows them, told places as the teller tells them."""
    embedded = model.model.embed_tokens(batch["ids"])
    where = batch["ids"] == place
    if not where.any():
        return embedded
    told = teller(model.model.embed_tokens, batch["names"])
    told = told + torch.randn_like(told) * (noise * told.detach().std())
    return embedded.masked_scatter(where[..., None], told.to(embedded.dtype))


def answer_loss(model: Qwen3ForCausalLM, teller: Teller, batch: dict[str, torch.Tensor], place: int) -> torch.Tensor:
    targets = batch["ids"][:, 1:]
    weights = batch["weights"][:, 1:] * (targets != place)
    device = batch["ids"].device.type
    with torch.autocast(device, torch.bfloat16):
        hidden = model.model(inputs_embeds=embed(model, teller, batch, place, NOISE), use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden[weights > 0])
    losses = functional.cross_entropy(logits.float(), targets[weights > 0], reduction="none")
    return (losses * weights[weights > 0]).sum() / weights.sum()


@torch.no_grad()
def measure(model: Qwen3ForCausalLM, teller: Teller, told: Iterable[Told], pages: ToldPages, device: str) -> dict[str, float]:
    """Share of the answers that are foretold whole, token by token, and of their tokens."""
    place, end = (pages.tokenizer.convert_tokens_to_ids(token) for token in (PLACE, "<|im_end|>"))
    whole, tokens = [], []
    for each in told:
        batch = {name: value.to(device) for name, value in collate([each], 0).items()}
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            best = model.lm_head(model.model(inputs_embeds=embed(model, teller, batch, place, 0.0), use_cache=False).last_hidden_state)
        right = (best[0, :-1].argmax(-1) == batch["ids"][0, 1:]).tolist()
        own = []
        for correct, token, weight in zip(right, each.ids[1:], each.weights[1:]):
            if weight == 1.0:
                own.append(correct)
                tokens.append(correct)
                if token == end:
                    whole.append(all(own))
                    own = []
    return {"answers": round(sum(whole) / len(whole), 4), "tokens": round(sum(tokens) / len(tokens), 4)}


def train(model: Qwen3ForCausalLM, teller: Teller, settings: Settings, level: float) -> None:
    """Train from a level on."""
    pages, heldout = ToldPages(settings, TRAIN), ToldPages(settings, VALIDATION)
    place = pages.tokenizer.convert_tokens_to_ids(PLACE)
    batches = iter(torch.utils.data.DataLoader(pages, batch_size=None, num_workers=settings.workers))

    pages.level.fill_(level)
    strips_loss = None

    def loss_of_step(_: float) -> torch.Tensor:
        nonlocal strips_loss
        batch = {name: value.to(settings.device) for name, value in next(batches).items()}
        loss = answer_loss(model, teller, batch, place)
        if batch["strips"]:
            strips_loss = loss.item() if strips_loss is None else 0.95 * strips_loss + 0.05 * loss.item()
            pages.level.add_(RISE * (strips_loss < READ_LOSS)).clamp_(max=1.0)
        return loss

    def tell_progress(entry: dict, last: bool) -> None:
        entry |= {"level": round(pages.level.item(), 3), "strips loss": round(strips_loss or 0.0, 3)}
        report(model, teller, entry, heldout, settings, num=num_measured(settings.report, 40, 300) if last else 40)

    optimizers = muon_and_adam(model.model.layers.parameters(), [*model.parameters(), *teller.parameters()], rate=0.02)
    cooldown = START_COOLDOWN if settings.start else COOLDOWN
    train_by_clock(
        optimizers, loss_of_step, tell_progress, minutes=settings.minutes, between_reports=settings.report, cooldown=cooldown, max_norm=1.0
    )


def report(model: Qwen3ForCausalLM, teller: Teller, entry: dict, heldout: ToldPages, settings: Settings, *, num: int) -> None:
    """Measure on strips and on scenes of the other split, write the curve, and save."""
    for name, draw in (("strips", heldout.strip), ("scenes", heldout.scene)):
        entry |= {name: measure(model, teller, map(draw, range(num)), heldout, settings.device)}
    logger.info("%s", json.dumps(entry))
    with (settings.out / CURVE).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")
    save(model, teller, settings.out)


def load(model: Qwen3ForCausalLM, teller: Teller, folder: Path) -> bool:
    """Take up a donor, or the text half of a spliced model; returns whether its teller lay beside it.

    Raises:
        ValueError: tensors are missing or of other shapes.
    """
    state = {name.removeprefix(TEXT_PREFIX): value for name, value in tensors_of(folder, TEXT_PREFIX).items()}
    if not state:
        state = {name.removeprefix("model."): value for name, value in tensors_of(folder, "model.").items()}
    model.model.load_state_dict(state)
    if (folder / TELLER).exists():
        teller.load_state_dict(load_file(folder / TELLER))
        return True
    return False


def save(model: Qwen3ForCausalLM, teller: Teller, folder: Path) -> None:
    """The donor in bfloat16 with its tokenizer, and the teller beside it; each file whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    states = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    with tempfile.TemporaryDirectory(dir=folder) as unfinished:
        new = Path(unfinished)
        model.save_pretrained(new, state_dict=states)
        config = json.loads((new / "config.json").read_text(encoding="utf-8"))
        (new / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}, indent=2) + "\n", encoding="utf-8")
        save_file({name: value.contiguous() for name, value in teller.state_dict().items()}, new / TELLER)
        for file in TOKENIZER.iterdir():
            shutil.copy(file, new / file.name)
        for file in new.iterdir():
            file.replace(folder / file.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    add_kinds(parser)
    parser.add_argument("--batch", type=int, default=2400, help="tokens of a step")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", type=float, default=120, help="seconds between two reports")
    parser.add_argument("--start", type=Path, help="folder of a donor or of a model to go on from, with a new schedule")
    settings = Settings(**vars(parser.parse_args()))
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER, trust_remote_code=False)
    model = build_model(tokenizer)
    teller = Teller(model.config.hidden_size)
    level = float(load(model, teller, settings.start)) if settings.start else 0.0
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id,
        do_sample=True, temperature=0.6, top_p=0.95, top_k=20,
    )  # fmt: skip
    logger.info("%.1f million parameters", sum(parameter.numel() for parameter in model.parameters()) / 1e6)
    train(model.to(settings.device), teller.to(settings.device), settings, level)


if __name__ == "__main__":
    main()
