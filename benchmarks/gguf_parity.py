"""A checkpoint in PyTorch against its GGUF files in llama.cpp: the same held-out questions, token by token, and the share answered right.

    python -m benchmarks.gguf_parity --model output/demo --heldout data/demo/heldout.jsonl --questions 100

Needs llama.cpp through npm (see smvl/export/gguf/llama_node.py). llama.cpp scales pictures by rules of its own. It is given pictures that
fill whole tiles, so that only the view of the whole is still scaled by it; PyTorch is asked a second time with that view made as there
("same pixels"), and what then still differs is arithmetic. The last line is of pictures handed over as they are.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from smvl.config import SourceConfig
from smvl.data.sample import Sample
from smvl.eval.exact_match import normalise
from smvl.export.gguf.folder import export_gguf
from smvl.export.gguf.llama_node import LlamaNode, LlamaNodeError, Session
from smvl.export.gguf.pictures import fit_to_tiles
from smvl.export.gguf.pieces import pieces_of
from smvl.export.questions import expected_text
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.images import read_image
from smvl.processing.laid_out import LaidOut
from smvl.source_registry import open_source

KINDS = ("F32", "F16", "Q8_0", "Q4_0")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parse_options(arguments)
    try:
        node = LlamaNode.find()
    except LlamaNodeError as error:
        sys.exit(f"benchmarks.gguf_parity: {error}")
    engine = Engine.from_folder(options.model, device="cpu", dtype="float32")
    source = open_source(SourceConfig(source="jsonl", path=options.heldout))
    samples = [source[row] for row in range(min(options.questions, len(source)))]
    prompts, own = ask_torch(engine, samples, engine.processor.pixel_values, options.tokens)
    _, theirs = ask_torch(engine, samples, lambda images, layout: pixels_of_llama_cpp(engine, images, layout), options.tokens)
    print(f"{'':10}{'MB':>7}{'prompts':>9}{'equal tokens':>14}{'..same pixels':>15}{'exact match':>13}{'points':>8}{'peak MB':>9}")
    right = [score(engine, ids, samples) for ids in (own, theirs)]
    print(f"{'PyTorch':10}{'':7}{'':9}{'':14}{share(engine, own, pieces(engine, theirs)):15.2%}{right[0]:13.3f}")
    with tempfile.TemporaryDirectory() as folder:
        for kind, fit in [*((kind, True) for kind in options.kinds), ("F16", False)]:
            files = export_gguf(options.model, folder, kind=kind, name="model")
            requests = [Request(sample.prompt, sample.images, sample.tools) for sample in samples]
            suppressed = engine.facts.suppressed_ids
            session = node.ask(files, requests, max_new_tokens=options.tokens, suppressed_ids=suppressed, fit_pictures=fit)
            name = kind if fit else f"{kind}, raw"
            print_row(engine, name, files.size, session, prompts, own, theirs, samples, right[0])
    print(session.build)


def parse_options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="output/demo", help="a checkpoint folder")
    parser.add_argument("--heldout", default="data/demo/heldout.jsonl", help="held-out questions")
    parser.add_argument("--questions", type=int, default=100)
    parser.add_argument("--tokens", type=int, default=24, help="written at most")
    parser.add_argument("--kinds", nargs="+", default=KINDS)
    return parser.parse_args(arguments)


def ask_torch(
    engine: Engine, samples: Sequence[Sample], pixels: Callable[[list[Image.Image], LaidOut], np.ndarray], max_new_tokens: int
) -> tuple[list[list[int]], list[list[int]]]:
    """The ids of each prompt and of its greedy answer, for pixels made in that way."""
    prompts, answers = [], []
    for sample in samples:
        layout = engine.lay_out(Request(sample.prompt, sample.images, sample.tools))
        tiles = pixels([read_image(image) for image in sample.images], layout)
        features = engine.model.encode_images(tiles, [plan.shape for plan in layout.plans]) if len(tiles) else None
        reading = engine.model.read(
            [layout.input_ids], [None if features is None else features.reshape(-1, features.shape[-1])], max_new_tokens
        )
        written = reading.likeliest()
        while written[-1] not in engine.facts.stop_ids and len(written) < max_new_tokens:
            reading.go_on([written[-1:]])
            written += reading.likeliest()
        prompts.append(layout.input_ids)
        answers.append(written)
    return prompts, answers


def pixels_of_llama_cpp(engine: Engine, images: Sequence[Image.Image], layout: LaidOut) -> np.ndarray:
    """Tiles of pictures that fill whole tiles: the same, but for the view of the whole, which is scaled down by another filter."""
    settings, first = engine.processor.image_processor, 0
    tile, tiles = settings.max_image_size["longest_edge"], engine.processor.pixel_values(images, layout)
    for image, grid in zip(images, layout.plans):
        whole = fit_to_tiles(image, settings).resize((tile, tile), Image.Resampling.BICUBIC)
        values = (np.asarray(whole, dtype=np.float32) / 255 - np.float32(settings.image_mean)) / np.float32(settings.image_std)
        tiles[first + grid.num_tiles - 1] = values.transpose(2, 0, 1)
        first += grid.num_tiles
    return tiles


def pieces(engine: Engine, answers: Sequence[Sequence[int]]) -> list[list[str]]:
    return [pieces_of(engine.processor.tokenizer, ids) for ids in answers]


def share(engine: Engine, answers: Sequence[Sequence[int]], others: Sequence[Sequence[str]]) -> float:
    """Of all tokens those that stand at the same place in both."""
    same = total = 0
    for mine, other in zip(pieces(engine, answers), others):
        same += sum(one == another for one, another in zip(mine, other))
        total += max(len(mine), len(other))
    return same / total


def score(engine: Engine, answers: Sequence[Sequence[int]], samples: Sequence[Sample]) -> float:
    texts = [engine.decode(ids) for ids in answers]
    return float(np.mean([normalise(text) == normalise(expected_text(sample)) for text, sample in zip(texts, samples)]))


def print_row(engine, kind: str, size: int, session: Session, prompts, own, theirs, samples, right_in_torch: float) -> None:
    image = engine.processor.image_token_id
    wanted = [tuple(-1 if token == image else token for token in ids) for ids in prompts]
    equal_prompts = sum(reply.prompt_ids == ids for reply, ids in zip(session.replies, wanted))
    written = [reply.pieces for reply in session.replies]
    right = float(np.mean([normalise(reply.text) == normalise(expected_text(sample)) for reply, sample in zip(session.replies, samples)]))
    print(
        f"{kind:10}{size / 1e6:7.1f}{f'{equal_prompts}/{len(wanted)}':>9}{share(engine, own, written):14.2%}"
        f"{share(engine, theirs, written):15.2%}{right:13.3f}{100 * (right - right_in_torch):+8.1f}{session.peak_bytes / 1e6:9.0f}",
        flush=True,
    )


if __name__ == "__main__":
    main()
