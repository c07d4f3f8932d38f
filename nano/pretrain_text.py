"""Pretrains nano's text donor: a small Qwen3 that has read pages told as places and in words (telling.py), and has never seen a pixel.

    python -m nano.make_tokenizer FOLDER && python -m nano.pretrain_text OUT --minutes 30

What tells a page is not part of the donor: for each place within a token a matrix, applied to the embedding of the character that stands
there. A connector takes over from it when the donor gets eyes."""

import argparse
import json
import logging
import random
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional
from transformers import AutoTokenizer, GenerationConfig, PreTrainedTokenizerBase, Qwen3Config, Qwen3ForCausalLM

from nano.telling import NAMES, NOTHING, TOKENS, tell, tell_in_words
from smvl.config import SceneSourceConfig
from smvl.data.scenes.contents import TRAIN, VALIDATION
from smvl.data.scenes.scene import FIELD, READ, REFUSAL
from smvl.data.scenes.source import SceneRows

logger = logging.getLogger("pretrain_text")

TOKENIZER = Path(__file__).parent / "tokenizer"
TELLER = "teller.pt"
SHAPE = dict(
    hidden_size=384, intermediate_size=896, num_hidden_layers=6, num_attention_heads=6, num_key_value_heads=2, head_dim=64
)  # fmt: skip
SPARE_ROWS = 128
"""Of the embedding, at least: room for a splice's new markers, as in Qwen3."""
PICTURE, PLACE = "<|vision_pad|>", "<|image_pad|>"
CONTEXT_WEIGHT = 0.03
"""Of what the user says, which is mostly chance; answers count fully."""
NOISE = 0.3
"""Of a told token's own spread: features of a tower are no embeddings."""
WORDS_SHARE = 0.15
"""Share of the scenes told in words."""
MAX_LENGTH = 640
COOLDOWN = 0.5


@dataclass(frozen=True)
class Settings:
    out: Path
    minutes: float
    kinds: tuple[str, ...]
    questions: tuple[str, ...]
    batch: int
    workers: int
    seed: int
    device: str
    report: float
    resume: bool


@dataclass(frozen=True)
class Told:
    """One scene."""

    ids: list[int]
    weights: list[float]
    names: np.ndarray | None
    """(TOKENS, NAMES): what stands in the places of `PLACE`; None where the page was told in words."""


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
        """(B, TOKENS, width) from (B, TOKENS, NAMES) ids; most places are bare and cost nothing."""
        told = self.turns.new_zeros(names.shape[0] * names.shape[1], self.turns.shape[-1])
        for turn, own in zip(self.turns, names.flatten(0, 1).unbind(-1)):
            shown = (own != NOTHING).nonzero().flatten()
            told = told.index_add(0, shown, (embeddings(own[shown]) @ turn).to(told.dtype))
        return told.unflatten(0, names.shape[:2])


class ToldScenes(torch.utils.data.IterableDataset):
    """Endless scenes of a split, each drawn once."""

    def __init__(self, settings: Settings, split: str):
        self.settings, self.split = settings, split
        self.tokenizer = AutoTokenizer.from_pretrained(TOKENIZER, trust_remote_code=False)
        vocabulary = ((token, self.tokenizer.decode([place])) for token, place in self.tokenizer.get_vocab().items())
        self.ids = {character: self.tokenizer.get_vocab()[token] for token, character in vocabulary if len(character) == 1}
        scenes = SceneSourceConfig(
            kinds=dict.fromkeys(settings.kinds, 1.0), questions=list(settings.questions), turns=[1, 1, 1, 1, 1, 1], pairs=0.0,
            seed=settings.seed, plain_fonts=True,
        )  # fmt: skip
        self.rows = SceneRows(scenes, split, "told")

    def __iter__(self) -> Iterator[Told]:
        worker = torch.utils.data.get_worker_info()
        number, step = (worker.id, worker.num_workers) if worker else (0, 1)
        while True:
            told = self.told(number)
            if len(told.ids) <= MAX_LENGTH:
                yield told
            number += step

    def told(self, row: int) -> Told:
        """A row's picture told, its questions and answers in Qwen3's format without thinking."""
        generator = random.Random(f"{self.settings.seed} told {self.split} {row}")
        scene = self.rows.draw(row)
        drawing = scene.drawings[0]
        in_words = generator.random() < WORDS_SHARE
        picture = tell_in_words(drawing.texts) if in_words else PICTURE + PLACE * TOKENS
        ids, weights = [], []
        turns = scene.conversation.turns
        for number, turn in enumerate(turns):
            think = "<think>\n\n</think>\n\n" if number == len(turns) - 1 else ""
            shown = "" if number else picture
            prompt = f"<|im_start|>user\n{shown}{turn.question.question}<|im_end|>\n<|im_start|>assistant\n{think}"
            for text, weight in ((prompt, CONTEXT_WEIGHT), (f"{turn.question.answer}<|im_end|>", 1.0), ("\n", CONTEXT_WEIGHT)):
                part = self.tokenizer(text)["input_ids"]
                ids += part
                weights += [weight] * len(part)
        return Told(ids, weights, None if in_words else tell(drawing, self.ids, generator))


def collate(told: list[Told], pad: int) -> dict[str, torch.Tensor]:
    """Padded to the longest, which causal attention never looks at."""
    longest = max(len(each.ids) for each in told)
    ids = torch.tensor([each.ids + [pad] * (longest - len(each.ids)) for each in told])
    weights = torch.tensor([each.weights + [0.0] * (longest - len(each.weights)) for each in told])
    bare = np.full((TOKENS, NAMES), NOTHING)
    names = torch.from_numpy(np.stack([bare if each.names is None else each.names for each in told]))
    return {"ids": ids, "weights": weights, "names": names}


def embed(model: Qwen3ForCausalLM, teller: Teller, batch: dict[str, torch.Tensor], place: int, noise: float) -> torch.Tensor:
    """(B, L, width): tokens as the model knows them, told places as the teller tells them."""
    embedded = model.model.embed_tokens(batch["ids"])
    where = batch["ids"] == place
    if not where.any():
        return embedded
    told = teller(model.model.embed_tokens, batch["names"])[where.any(1)].flatten(0, 1)
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
def measure(model: Qwen3ForCausalLM, teller: Teller, scenes: ToldScenes, num: int, device: str) -> dict[str, float]:
    """Share of answers about told scenes of the other split that are foretold whole, token by token, and of their tokens."""
    place = scenes.tokenizer.convert_tokens_to_ids(PLACE)
    end, whole, tokens = scenes.tokenizer.eos_token_id, [], []
    for row in range(num):
        told = scenes.told(row)
        if told.names is None or len(told.ids) > MAX_LENGTH:
            continue
        batch = {name: value.to(device) for name, value in collate([told], 0).items()}
        with torch.autocast(device.split(":")[0], torch.bfloat16):
            best = model.lm_head(model.model(inputs_embeds=embed(model, teller, batch, place, 0.0), use_cache=False).last_hidden_state)
        right = (best[0, :-1].argmax(-1) == batch["ids"][0, 1:]).tolist()
        own = []
        for correct, token, weight in zip(right, told.ids[1:], told.weights[1:]):
            if weight == 1.0:
                own.append(correct)
                tokens.append(correct)
                if token == end:
                    whole.append(all(own))
                    own = []
    return {"answers": round(sum(whole) / len(whole), 4), "tokens": round(sum(tokens) / len(tokens), 4)}


def build_optimizers(model: Qwen3ForCausalLM, teller: Teller) -> list[torch.optim.Optimizer]:
    """Muon for the layers' matrices, AdamW for embeddings, norms and the teller."""
    matrices = [parameter for parameter in model.model.layers.parameters() if parameter.ndim == 2]
    known = {id(parameter) for parameter in matrices}
    others = [parameter for parameter in (*model.parameters(), *teller.parameters()) if id(parameter) not in known]
    muon = torch.optim.Muon(matrices, lr=0.02, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original")
    return [muon, torch.optim.AdamW(others, lr=2e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def train(model: Qwen3ForCausalLM, teller: Teller, settings: Settings) -> None:
    scenes, heldout = ToldScenes(settings, TRAIN), ToldScenes(settings, VALIDATION)
    place, pad = (scenes.tokenizer.convert_tokens_to_ids(token) for token in (PLACE, "<|endoftext|>"))
    optimizers = build_optimizers(model, teller)
    rates = [[group["lr"] for group in optimizer.param_groups] for optimizer in optimizers]
    loader = torch.utils.data.DataLoader(
        scenes, batch_size=settings.batch, num_workers=settings.workers, collate_fn=lambda told: collate(told, pad)
    )
    batches, start = iter(loader), time.monotonic()
    step, mean, aside, reported, waited = 0, 0.0, 0.0, start, 0.0
    while (spent := (time.monotonic() - start - aside) / (60 * settings.minutes)) < 1:
        share = min((step + 1) / 40, 1.0, (1 - spent) / COOLDOWN)
        for optimizer, own in zip(optimizers, rates):
            for group, rate in zip(optimizer.param_groups, own):
                group["lr"] = rate * share
        asked = time.monotonic()
        batch = {name: value.to(settings.device) for name, value in next(batches).items()}
        waited += time.monotonic() - asked
        loss = answer_loss(model, teller, batch, place)
        loss.backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *teller.parameters()], 1.0)
        for optimizer in optimizers:
            optimizer.step()
        model.zero_grad()
        teller.zero_grad()
        step += 1
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        if time.monotonic() - reported > settings.report:
            before = time.monotonic()
            entry = {"step": step, "seconds": round(before - start - aside), "loss": round(mean, 4), "waited": round(waited, 1)}
            report(model, teller, entry, heldout, settings, num=40)
            reported = time.monotonic()
            aside += reported - before
    report(model, teller, {"step": step, "seconds": round(60 * settings.minutes), "loss": round(mean, 4)}, heldout, settings, num=300)


def report(model: Qwen3ForCausalLM, teller: Teller, entry: dict, heldout: ToldScenes, settings: Settings, *, num: int) -> None:
    logger.info("%s", json.dumps(entry | measure(model, teller, heldout, num, settings.device)))
    save(model, teller, settings.out)


def save(model: Qwen3ForCausalLM, teller: Teller, folder: Path) -> None:
    """The donor in bfloat16 with its tokenizer, and the teller beside it."""
    states = {name: value.to(torch.bfloat16) for name, value in model.state_dict().items()}
    model.save_pretrained(folder, state_dict=states)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    (folder / "config.json").write_text(json.dumps(config | {"dtype": "bfloat16"}, indent=2) + "\n", encoding="utf-8")
    torch.save(teller.state_dict(), folder / TELLER)
    for file in TOKENIZER.iterdir():
        shutil.copy(file, folder / file.name)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--kinds", default="receipt,price_tag,dial,street_sign")
    parser.add_argument("--questions", default=",".join((FIELD, READ, REFUSAL)))
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--report", type=float, default=120, help="seconds between two reports")
    parser.add_argument("--resume", action="store_true", help="go on from the weights in OUT, with a new schedule")
    options = vars(parser.parse_args())
    lists = {name: tuple(options[name].split(",")) for name in ("kinds", "questions")}
    settings = Settings(**options | lists)
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(settings.seed)
    settings.out.mkdir(parents=True, exist_ok=True)
    tokenizer = AutoTokenizer.from_pretrained(TOKENIZER, trust_remote_code=False)
    model = build_model(tokenizer)
    teller = Teller(model.config.hidden_size)
    if settings.resume:
        model = Qwen3ForCausalLM.from_pretrained(settings.out, dtype=torch.float32)
        teller.load_state_dict(torch.load(settings.out / TELLER, weights_only=True))
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id,
        do_sample=True, temperature=0.6, top_p=0.95, top_k=20,
    )  # fmt: skip
    logger.info("%.1f million parameters", sum(parameter.numel() for parameter in model.parameters()) / 1e6)
    train(model.to(settings.device), teller.to(settings.device), settings)


if __name__ == "__main__":
    main()
