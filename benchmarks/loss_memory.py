"""Time and peak memory of a training step's loss: logits of every position against logits of supervised positions only.

    python benchmarks/loss_memory.py [--length 2048] [--supervised 0.2] [--vocabulary 151936] [--width 256]

Each side runs in a process of its own, so that its peak is its own; both losses are printed and must agree.
"""

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--length", type=int, default=2048, help="tokens in the row")
    parser.add_argument("--supervised", type=float, default=0.2, help="share of them that the model is asked for")
    parser.add_argument("--vocabulary", type=int, default=151_936)
    parser.add_argument("--width", type=int, default=256, help="hidden size")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--side", choices=["plain", "ours"])
    options = parser.parse_args()
    if options.side:
        print(json.dumps(measure(options)))
        return
    results = {}
    for side in ("plain", "ours"):
        command = [sys.executable, __file__, *sys.argv[1:], "--side", side]
        results[side] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True, cwd=ROOT).stdout)
    print(f"{'':6}  {'seconds (median)':>16}  {'peak MB above start':>19}  {'loss':>9}")
    for side, figures in results.items():
        print(f"{side:6}  {figures['seconds']:16.3f}  {figures['megabytes']:19.0f}  {figures['loss']:9.5f}")
    plain, ours = results["plain"], results["ours"]
    print(f"ratio   {plain['seconds'] / ours['seconds']:15.1f}x  {plain['megabytes'] / max(ours['megabytes'], 1):18.1f}x")


def measure(options: argparse.Namespace) -> dict[str, float]:
    """One side: forward and backward of the loss of a one-layer model."""
    sys.path.insert(0, str(ROOT))
    import torch
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration

    from smvl.train.loss import supervised_loss

    torch.manual_seed(0)
    text = dict(model_type="qwen3", hidden_size=options.width, intermediate_size=options.width, num_hidden_layers=1, head_dim=64)
    text |= dict(num_attention_heads=4, num_key_value_heads=2, vocab_size=options.vocabulary, tie_word_embeddings=True, pad_token_id=0)
    vision = dict(hidden_size=24, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2, image_size=32, patch_size=8)
    config = SmolVLMConfig(text_config=text, vision_config=vision, tie_word_embeddings=True, image_token_id=1, pad_token_id=0)
    model = SmolVLMForConditionalGeneration(config)
    model.requires_grad_(False)
    model.model.text_model.layers.requires_grad_(True)
    ids = torch.randint(2, options.vocabulary, (1, options.length))
    labels = ids.clone()
    labels[0, : int(options.length * (1 - options.supervised))] = -100
    batch = {"input_ids": ids, "labels": labels, "position_ids": torch.arange(options.length)[None]}
    start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = []
    for _ in range(options.repeats):
        began = time.perf_counter()
        if options.side == "plain":
            loss = model(**batch, use_cache=False).loss
        else:
            total, count = supervised_loss(model, batch)
            loss = total / count
        loss.backward()
        seconds.append(time.perf_counter() - began)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"seconds": statistics.median(seconds), "megabytes": (peak - start) / 1024, "loss": loss.item()}


if __name__ == "__main__":
    main()
