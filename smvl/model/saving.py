"""Writing a model so that every runtime reads the same thing from it."""

import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import SmolVLMForConditionalGeneration

from smvl.model import chinese_adapter, marker_rows

ATTACHED = (f"{marker_rows.ATTRIBUTE}.", f"{chinese_adapter.ATTRIBUTE}.")
"""What the names of those tensors begin with that hang on a model only while they learn."""


def save_model(model: SmolVLMForConditionalGeneration, folder: str | Path, state_dict: dict[str, torch.Tensor] | None = None) -> None:
    """Write weights, `config.json` and `generation_config.json` into `folder`; the weights are the model's own unless they are given.

    The fields that transformers 5 no longer writes but other readers take are added: `text_config.rope_theta` (transformers 4 falls back
    to 10000 without a word) and, for a rotation that is scaled, `rope_scaling`; the tie of the head in both places, and the padding id at
    the top. The configuration is that of inference.
    """
    whole = model.state_dict() if state_dict is None else state_dict
    weights = {name: tensor for name, tensor in whole.items() if not name.startswith(ATTACHED)}
    model.save_pretrained(folder, state_dict=weights)
    path = Path(folder) / "config.json"
    for file in Path(folder).glob("*.safetensors"):
        shutil.copymode(path, file)  # safetensors writes files that nobody but their owner can read
    config = json.loads(path.read_text(encoding="utf-8"))
    text = config["text_config"]
    rope = text.get("rope_parameters") or {}
    if rope.get("rope_theta") is not None:
        text["rope_theta"] = rope["rope_theta"]
    if rope.get("rope_type", "default") != "default":
        text["rope_scaling"] = {key: value for key, value in rope.items() if key != "rope_theta"}
    text["tie_word_embeddings"] = config["tie_word_embeddings"]
    config["pad_token_id"] = text["pad_token_id"]
    config["use_cache"] = True  # transformers' Trainer switches it off in the model that it trains
    path.write_text(json.dumps(config, ensure_ascii=False, indent=2, sort_keys=True) + "\n", encoding="utf-8")


def save_tensors(tensors: dict[str, torch.Tensor], path: Path) -> None:
    """Write tensors into a safetensors file of the mode that any other file would have."""
    path.touch()
    mode = path.stat().st_mode
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(mode)
