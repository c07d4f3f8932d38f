"""Asking a checkpoint and its export the same questions, each in the runtime that it is made for and in a process of its own."""

import importlib.util
import json
import statistics
from dataclasses import replace
from pathlib import Path

import numpy as np

from smvl.export.probe import Probed, probe, read_questions
from smvl.export.targets import Target
from smvl.infer.gguf_folder import open_gguf_folder
from smvl.infer.repetition import until_loop
from smvl.processing.processing_smvl import SmVLMProcessor

Asked = tuple[Probed, np.ndarray | None]
"""Answers, and (questions, vocabulary) float32 scores of first tokens where the runtime gives them."""


def ask_both(target: Target, checkpoint: Path, export: Path, questions: Path, scratch: Path, *, max_new_tokens: int) -> tuple[Asked, Asked]:
    """What a checkpoint and its export answer.

    Raises:
        ValueError: one of them cannot be loaded, or its runtime is not installed.
    """
    before = probe(checkpoint, questions, scratch / "checkpoint", max_new_tokens=max_new_tokens)
    if target.name != "gguf" or _has_llama_cpp_python():
        return before, probe(export, questions, scratch / "export", max_new_tokens=max_new_tokens)
    return _in_pieces(before, checkpoint), (_ask_llama(checkpoint, export, questions, max_new_tokens), None)


def _has_llama_cpp_python() -> bool:
    """With it the engine asks a GGUF export as it does any other; without it llama.cpp is asked through Node, with its own processor."""
    return importlib.util.find_spec("llama_cpp") is not None


def _in_pieces(asked: Asked, checkpoint: Path) -> Asked:
    """Answers with their tokens as llama.cpp writes them down, which gives no ids."""
    from smvl.export.gguf.pieces import pieces_of

    probed, scores = asked
    tokenizer = SmVLMProcessor.from_pretrained(checkpoint).tokenizer
    return replace(probed, tokens=[pieces_of(tokenizer, ids) for ids in probed.tokens]), scores


def _ask_llama(checkpoint: Path, export: Path, questions: Path, max_new_tokens: int) -> Probed:
    from smvl.export.gguf.folder import GGUFFiles
    from smvl.export.gguf.llama_node import PACKAGE, LlamaNode

    folder = open_gguf_folder(export)
    requests = read_questions(questions)
    generation = json.loads((checkpoint / "generation_config.json").read_text(encoding="utf-8"))
    session = LlamaNode.find().ask(
        GGUFFiles(text=folder.text, vision=folder.vision),
        requests,
        max_new_tokens=max_new_tokens,
        suppressed_ids=generation.get("suppress_tokens") or (),
    )
    written = [until_loop(reply.pieces) for reply in session.replies]  # as the engine stops the checkpoint's answers
    loops = [len(pieces) < len(reply.pieces) for pieces, reply in zip(written, session.replies)]
    rates = [(len(reply.pieces) - 1) / (reply.seconds - reply.seconds_to_first_token) for reply in session.replies if len(reply.pieces) > 1]
    return Probed(
        texts=["".join(pieces) if is_cut else reply.text for pieces, reply, is_cut in zip(written, session.replies, loops)],
        tokens=written,
        loops=sum(loops) / len(loops),
        load_seconds=session.seconds_to_load,
        seconds_to_first_token=statistics.median(reply.seconds_to_first_token for reply in session.replies),
        tokens_per_second=statistics.median(rates) if rates else None,
        peak_bytes=session.peak_bytes,
        runtime=f"{session.build} in {PACKAGE}",
    )
