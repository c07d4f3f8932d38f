"""Quantized text layers: what is quantized and what is not, how far the scores move, and that what is saved is what was run.

python -m pytest tests/test_torchao.py
"""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from smvl.export.torchao import export_torchao
from smvl.infer.engine import Engine
from smvl.model.torchao_quantization import KINDS
from tests.test_engine import ask, picture, save_small_checkpoint

torchao = pytest.importorskip("torchao", reason="pip install -r requirements-quantize.txt")

LARGEST_MOVE = {"int8": 0.05, "int4": 1.0, "fp8": 0.25}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("torchao"))


@pytest.mark.parametrize("kind", KINDS)
def test_a_saved_model_answers_as_the_one_that_was_quantized_while_loading(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    request = ask("图中有什么?", picture("red"))
    plain = Engine.from_folder(checkpoint, device="cpu").first_scores(request)
    loaded = Engine.from_folder(checkpoint, device="cpu", quantize=kind)
    scores = loaded.first_scores(request)
    assert 0 < abs(scores - plain).max() < LARGEST_MOVE[kind] * abs(plain).max()
    export_torchao(checkpoint, tmp_path / kind, kind=kind)
    saved = Engine.from_folder(tmp_path / kind, device="cpu")
    np.testing.assert_allclose(saved.first_scores(request), scores, rtol=0, atol=1e-5)
    [answer], [again] = (engine.answer([request], max_new_tokens=8) for engine in (loaded, saved))
    assert answer.token_ids == again.token_ids


def test_text_layers_alone_are_quantized(checkpoint: Path) -> None:
    model = Engine.from_folder(checkpoint, device="cpu", quantize="int8").model.model
    quantized = {name for name, parameter in model.named_parameters() if type(parameter.data) is not torch.Tensor}
    linears = {
        f"{name}.weight"
        for name, module in model.model.text_model.layers.named_modules(prefix="model.text_model.layers")
        if isinstance(module, torch.nn.Linear)
    }
    assert quantized == linears


def test_what_cannot_be_quantized_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="quantize is int3; expected one of int8, int4, fp8"):
        Engine.from_folder(checkpoint, device="cpu", quantize="int3")
    export_torchao(checkpoint, tmp_path / "int8", kind="int8")
    assert "quantization_config" in json.loads((tmp_path / "int8" / "config.json").read_text())
    with pytest.raises(ValueError, match="is quantized already"):
        Engine.from_folder(tmp_path / "int8", device="cpu", quantize="int8")
