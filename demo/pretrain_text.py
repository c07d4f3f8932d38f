"""Pretrains the demo's text donor: a small Qwen3 that has read chats and scenes told in words, and has never seen a picture.

    python demo/make_tokenizer.py && python demo/pretrain_text.py --steps 2000

It learns what a frozen text model needs before eyes are of any use to it: to look things up in its context, copy,
count, compare and refer back. Neither the held-out reading combinations nor any pixel occur here."""

import argparse
import json
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
from smvl.demo_scenes.documents import LINE, NUM_TICKS, picture_of, place_mark
from smvl.demo_scenes.picture import LONG_EDGE, Scene, Turn
from smvl.demo_scenes.tasks import compare_numbers, draw_captions, draw_scene, position, refer_back
from smvl.demo_scenes.uses import inspect_gauge, inspect_sheet, office, retail, study
from smvl.demo_scenes.words import HELDOUT, TRAIN

logger = logging.getLogger("pretrain_text")
FOLDER = Path(__file__).parent / "donors" / "text"
NUM_ROWS = 1024  # the tokenizer uses about 930: the rest is room for a splice's new markers, as in Qwen3
ROW_LENGTH, ROWS_PER_STEP = 512, 6
CONTEXT_WEIGHT = 0.05  # what the user says is mostly chance; it is learnt a little, answers fully
USE_SHARE = 0.45
TOOLS_TOLD = (
    "# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within "
    "<tools></tools> XML tags:\n<tools>\n",
    "\n</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n"
    '<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call>',
)
NOISE = 0.25  # of the embeddings' own spread: a neighbour of a word shall mean that word

Encoded = tuple[list[int], list[float]]


def encode(tokenizer, generator: random.Random, scene: Scene, *, replies: bool = True) -> Encoded:
    """The scene in Qwen3's chat format without thinking; an earlier turn's answer has no think block, as in its template."""
    ids, weights = [], []
    for text, weight in tell_scene(generator, scene, replies):
        part = tokenizer(text)["input_ids"]
        ids += part
        weights += [weight] * len(part)
    return ids, weights


def tell_scene(generator: random.Random, scene: Scene, replies: bool) -> Iterator[tuple[str, float]]:
    """Pieces of text with their weights in the loss. A call is followed by what came of it and a reply, where these are wanted."""
    yield tell_tools(scene), CONTEXT_WEIGHT
    for turn in scene.turns:
        opening = "<|im_end|>\n<|im_start|>assistant\n" + ("<think>\n\n</think>\n\n" if turn is scene.turns[-1] else "")
        yield f"<|im_start|>user\n{tell_turn(generator, turn)}{opening}", CONTEXT_WEIGHT
        yield f"{tell_answer(turn)}<|im_end|>", 1.0
        if turn.call and replies:
            result = f"<tool_response>\n{turn.call.result}\n</tool_response>"
            yield f"\n<|im_start|>user\n{result}{opening}", CONTEXT_WEIGHT
            yield f"{turn.call.reply}<|im_end|>", 1.0
        yield "\n", CONTEXT_WEIGHT


def tell_tools(scene: Scene) -> str:
    """The functions of a scene as Qwen3's template tells them."""
    if not scene.tools:
        return ""
    opening, closing = TOOLS_TOLD
    told = "\n".join(json.dumps(tool, ensure_ascii=False) for tool in scene.tools)
    return f"<|im_start|>system\n{opening}{told}{closing}<|im_end|>\n"


def tell_answer(turn: Turn) -> str:
    """What is said, or the call in its place."""
    if turn.call is None:
        return turn.answer
    call = json.dumps({"name": turn.call.name, "arguments": turn.call.arguments}, ensure_ascii=False)
    return f"<tool_call>\n{call}\n</tool_call>"


def draw_sample(generator: random.Random, split: str) -> Scene:
    """Much of what is hard in words: choosing one of two things, and one of two pictures."""
    if generator.random() < USE_SHARE:
        return draw_use(generator, split)
    kind = generator.random()
    if kind < 0.15:
        return draw_chat(generator)
    if kind < 0.40:
        return generator.choice([position, compare_numbers, refer_back])(generator, split)
    return (draw_captions if kind < 0.7 else draw_scene)(generator, split)


def draw_use(generator: random.Random, split: str) -> Scene:
    """A gauge has nothing printed on it that could be told: its reading stands in its place."""
    kind = generator.choices([retail, office, study, "gauge", inspect_sheet], weights=[3, 3, 4, 3, 3])[0]
    if kind != "gauge":
        return kind(generator, split)
    value, place = generator.randrange(NUM_TICKS), generator.choice([0.25, 0.5, 0.75])
    mark = place_mark(generator, str(value), LONG_EDGE * place, LONG_EDGE / 2, LINE)
    return inspect_gauge(generator, value, picture_of(generator, [mark]))


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
        kind = generator.random()
        draw = draw_scene if kind > 0.4 else draw_use
        scene = draw_chat(generator) if kind < 0.1 else draw(generator, HELDOUT)
        ids, _ = encode(tokenizer, generator, scene, replies=False)
        length = len(tokenizer(tell_answer(scene.turns[-1]))["input_ids"]) + 1
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
        if (step + 1) % 150 == 0:
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
