"""Pretrains the demo's text donor: a small Qwen3 that has read chats and scenes told in words, and has never seen a picture.

    python demo/make_tokenizer.py && python demo/pretrain_text.py --steps 2000

It learns what a frozen text model needs before eyes are of any use to it: to look things up in its context, copy,
count, compare and refer back. Neither the held-out reading combinations nor any pixel occur here."""

import argparse
import logging
import random
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from torch.nn import functional
from transformers import AutoTokenizer, GenerationConfig, Qwen3Config, Qwen3ForCausalLM

from demo.describe import tell_turn
from smvl.demo_scenes.chats import draw_chat
from smvl.demo_scenes.picture import Scene
from smvl.demo_scenes.tasks import compare_numbers, draw_captions, draw_scene, position, refer_back
from smvl.demo_scenes.words import HELDOUT, TRAIN

logger = logging.getLogger("pretrain_text")
FOLDER = Path(__file__).parent / "donors" / "text"
NUM_ROWS = 768  # the tokenizer uses about 650: the rest is room for a splice's new markers, as in Qwen3
ROW_LENGTH, ROWS_PER_STEP = 256, 12
CONTEXT_WEIGHT = 0.05  # what the user says is mostly chance; it is learnt a little, answers fully
NOISE = 0.25  # of the embeddings' own spread: a neighbour of a word shall mean that word

Encoded = tuple[list[int], list[float]]


def encode(tokenizer, generator: random.Random, scene: Scene) -> Encoded:
    """The scene in Qwen3's chat format without thinking; an earlier turn's answer has no think block, as in its template."""
    ids, weights = [], []
    for turn in scene.turns:
        think = "<think>\n\n</think>\n\n" if turn is scene.turns[-1] else ""
        prompt = f"<|im_start|>user\n{tell_turn(generator, turn)}<|im_end|>\n<|im_start|>assistant\n{think}"
        for text, weight in ((prompt, CONTEXT_WEIGHT), (f"{turn.answer}<|im_end|>", 1.0), ("\n", CONTEXT_WEIGHT)):
            part = tokenizer(text)["input_ids"]
            ids += part
            weights += [weight] * len(part)
    return ids, weights


def draw_sample(generator: random.Random, split: str) -> Scene:
    """Much of what is hard in words: choosing one of two things, and one of two pictures."""
    kind = generator.random()
    if kind < 0.15:
        return draw_chat(generator)
    if kind < 0.40:
        return generator.choice([position, compare_numbers, refer_back])(generator, split)
    return (draw_captions if kind < 0.7 else draw_scene)(generator, split)


def pack_rows(tokenizer, generator: random.Random) -> Iterator[tuple[list[int], list[int], list[float]]]:
    """Rows of whole samples: ids, positions that restart with each sample, loss weights. The rest of a row counts nothing."""
    ids, positions, weights = [], [], []
    while True:
        sample_ids, sample_weights = encode(tokenizer, generator, draw_sample(generator, TRAIN))
        if len(ids) + len(sample_ids) > ROW_LENGTH:
            spare = ROW_LENGTH - len(ids)
            yield ids + [tokenizer.pad_token_id] * spare, positions + list(range(spare)), weights + [0.0] * spare
            ids, positions, weights = [], [], []
        ids += sample_ids
        positions += range(len(sample_ids))
        weights += sample_weights


def build_model(tokenizer) -> Qwen3ForCausalLM:
    config = Qwen3Config(
        vocab_size=NUM_ROWS, hidden_size=256, intermediate_size=640, num_hidden_layers=5, num_attention_heads=4,
        num_key_value_heads=2, head_dim=64, max_position_embeddings=4096, tie_word_embeddings=True, rope_theta=10000.0,
        bos_token_id=tokenizer.pad_token_id, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id,
    )  # fmt: skip
    return Qwen3ForCausalLM(config)


def build_optimizers(model: Qwen3ForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices (it needs about half the steps), AdamW for embeddings and norms."""
    matrices = [parameter for name, parameter in model.named_parameters() if parameter.ndim == 2 and "embed" not in name]
    others = [parameter for name, parameter in model.named_parameters() if parameter.ndim != 2 or "embed" in name]
    muon = torch.optim.Muon(matrices, lr=0.01, momentum=0.95, weight_decay=0.01, adjust_lr_fn="original")
    return [muon, torch.optim.AdamW(others, lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)]


def answer_loss(model: Qwen3ForCausalLM, rows: list) -> torch.Tensor:
    ids, positions = (torch.tensor([row[place] for row in rows]) for place in (0, 1))
    weights = torch.tensor([row[2] for row in rows])[:, 1:]
    embedded = model.model.embed_tokens(ids)
    embedded = embedded + torch.randn_like(embedded) * (NOISE * embedded.detach().std())
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model.model(inputs_embeds=embedded, position_ids=positions, use_cache=False).last_hidden_state[:, :-1]
        logits = model.lm_head(hidden)
    weights = weights * (positions[:, 1:] > 0)  # the first token of a sample is not foretold by the sample before it
    losses = functional.cross_entropy(logits.float().flatten(0, 1), ids[:, 1:].flatten(), reduction="none")
    return (losses * weights.flatten()).sum() / weights.sum()


@torch.no_grad()
def measure(model: Qwen3ForCausalLM, tokenizer, num_scenes: int) -> dict[str, float]:
    """Share of held-out scenes told in words whose last answer is foretold token by token."""
    generator, right = random.Random(7), {}
    for _ in range(num_scenes):
        scene = draw_chat(generator) if generator.random() < 0.1 else draw_scene(generator, HELDOUT)
        ids, weights = encode(tokenizer, generator, scene)
        length = len(tokenizer(scene.turns[-1].answer)["input_ids"]) + 1
        best = model(torch.tensor([ids]), use_cache=False).logits[0, -length - 2 : -2].argmax(-1)
        right.setdefault(scene.task, []).append(best.tolist() == ids[-length - 1 : -1])
    return {task: round(sum(each) / len(each), 3) for task, each in sorted(right.items())}


def train(model: Qwen3ForCausalLM, tokenizer, num_steps: int, seed: int) -> None:
    optimizers = build_optimizers(model)
    warmup, cooldown = num_steps // 40 + 1, num_steps // 2
    schedules = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda step: min((step + 1) / warmup, (num_steps - step) / cooldown, 1.0))
        for each in optimizers
    ]
    rows = pack_rows(tokenizer, random.Random(seed))
    start, mean = time.time(), 0.0
    for step in range(num_steps):
        loss = answer_loss(model, [next(rows) for _ in range(ROWS_PER_STEP)])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        for part in optimizers + schedules:
            part.step()
        model.zero_grad()
        mean = loss.item() if step == 0 else 0.95 * mean + 0.05 * loss.item()
        if (step + 1) % 50 == 0:
            logger.info("step %d loss %.4f seconds %.0f", step + 1, mean, time.time() - start)
        if (step + 1) % 250 == 0:
            logger.info("held-out scenes in words: %s", measure(model, tokenizer, 200))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--resume", action="store_true", help="go on from the weights in the folder, with a new schedule")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(name)s %(message)s")
    torch.manual_seed(arguments.seed)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER, trust_remote_code=False)
    model = Qwen3ForCausalLM.from_pretrained(FOLDER, dtype=torch.float32) if arguments.resume else build_model(tokenizer)
    logger.info("%.2f million parameters", sum(parameter.numel() for parameter in model.parameters()) / 1e6)
    train(model, tokenizer, arguments.steps, arguments.seed)
    logger.info("at the end: %s", measure(model, tokenizer, 1000))
    model.generation_config = GenerationConfig(
        eos_token_id=[tokenizer.eos_token_id, tokenizer.pad_token_id], pad_token_id=tokenizer.pad_token_id,
        do_sample=True, temperature=0.6, top_p=0.95, top_k=20,
    )  # fmt: skip
    model.to(torch.bfloat16).save_pretrained(FOLDER)


if __name__ == "__main__":
    main()
