"""The memory contract: what is granted fits, by its own figures and as measured; what is refused is refused with figures."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import infer
from smvl.infer.budget.costs import Shapes, Use, onnx_costs, onnx_file_bytes, torch_costs
from smvl.infer.budget.forms import forms_of
from smvl.infer.budget.plan import BudgetError, Plan, parse_bytes, plan_budget
from smvl.infer.command import parse_arguments
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.infer.settings import read_settings
from smvl.layouts.smolvlm.tiles import cut_tiles, plan_grid
from smvl.processing.images import ImageError
from smvl.processing.processing_smvl import SmVLMProcessor
from tests.onnx_exports import export_small, save_small_checkpoint
from tests.test_imports import ROOT

FULL_SIZE = {
    "scale_factor": 4,
    "tie_word_embeddings": True,
    "text_config": {
        "num_hidden_layers": 28,
        "hidden_size": 1024,
        "intermediate_size": 3072,
        "num_attention_heads": 16,
        "num_key_value_heads": 8,
        "head_dim": 128,
        "vocab_size": 151936,
        "max_position_embeddings": 40960,
    },
    "vision_config": {
        "num_hidden_layers": 12,
        "hidden_size": 768,
        "intermediate_size": 3072,
        "num_attention_heads": 12,
        "image_size": 512,
        "patch_size": 16,
    },
}
"""Of SmolVLM2-256M's vision encoder and Qwen3-0.6B."""


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("budget"))


@pytest.fixture(scope="module")
def export(checkpoint: Path) -> Path:
    return export_small(checkpoint, checkpoint.parent / "onnx", 4)


@pytest.fixture
def full_size(tmp_path: Path) -> Path:
    """A checkpoint's folder of the real shapes whose weights are a hole in a file."""
    folder = tmp_path / "full"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(FULL_SIZE))
    settings = {"size": {"longest_edge": 1024}, "max_image_size": {"longest_edge": 512}}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    for name, size in (("model.safetensors", 1_390_000_000), ("tokenizer.json", 11_430_000)):
        with (folder / name).open("wb") as file:
            file.truncate(size)
    return folder


def ask(*images: Path | Image.Image) -> Request:
    content = [*[{"type": "image"}] * len(images), {"type": "text", "text": "图中有什么?"}]
    return Request([{"role": "user", "content": content}], images)


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(width).integers(0, 256, (height, width, 3), dtype=np.uint8))


# ---- sizes and shapes ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("1GB", 10**9), ("600 mb", 6 * 10**8), ("0.5GiB", 2**29), (".5gb", 5 * 10**8), ("1024", 1024), (1024, 1024)]
)
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "1 TB", "-1GB", "0", "1e9", "1GB or so", "１GB x"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no amount of memory; expected one such as 1GB"):
        parse_bytes(text)


def test_weights_and_cache_of_the_real_shapes() -> None:
    """The sizes of files were seen in exports of these shapes; the cache is 2 x 28 layers x 8 heads x 128 numbers of 4 bytes."""
    shapes = Shapes.of(FULL_SIZE)
    assert shapes.cache_bytes(4) == 229_376
    seen = {4: (339_901_440, 88_730_624), 8: (633_237_504, 165_306_368), 16: (1_191_970_816, 311_164_928), 32: (2_383_941_632, 622_329_856)}
    for bits, (decoder, embedding) in seen.items():
        forecast = onnx_file_bytes(shapes, bits)
        assert forecast["decoder"] == pytest.approx(decoder, rel=0.02)
        assert forecast["embedding"] == pytest.approx(embedding, rel=0.02)
    assert shapes.tokens_per_tile == 64


def test_weights_are_counted_also_where_the_head_is_not_the_embedding(checkpoint: Path) -> None:
    """Norms, biases and the markers' rows are left out: little, but more in so small a model."""
    config = json.loads((checkpoint / "config.json").read_text())
    assert not config["tie_word_embeddings"]
    size = (checkpoint / "model.safetensors").stat().st_size
    costs = torch_costs(Shapes.of(config), dtype="float32", file_bytes=size, tokenizer_bytes=0)
    assert costs.text + costs.vision == pytest.approx(size, rel=0.1) and costs.loading == 0


# ---- what is chosen ------------------------------------------------------------------------------------------------------------


def test_the_full_size_model_in_4_bits_fits_into_a_gigabyte_with_all_its_tiles(full_size: Path) -> None:
    costs = onnx_costs(Shapes.of(FULL_SIZE), bits=4, tokenizer_bytes=11_430_000)
    assert max(costs.moments(Use(5, 600, one_at_a_time=True), 12_600_000).values()) < 0.98e9
    with pytest.raises(BudgetError) as refusal:
        plan_budget(full_size, "1GB")
    lines = str(refusal.value).splitlines()
    assert "that is here fits into 1,000 MB. ONNX, 4 bits would need a budget of 764 MB" in lines[0]
    assert f"not here: python -m smvl export --model {full_size} --to onnx --bits 4 --out {full_size}-onnx-4" in lines[-1]


@pytest.mark.parametrize("budget", ["600MB", "200MB", "1KB"])
def test_too_small_a_budget_is_refused_with_what_each_form_would_take(full_size: Path, budget: str) -> None:
    with pytest.raises(BudgetError) as refusal:
        plan_budget(full_size, budget)
    found = [line.split("  ")[1] for line in str(refusal.value).splitlines()[2:]]
    assert found == ["torch, float32", "torch, bfloat16", "ONNX, 8 bits", "ONNX, 4 bits"]


def test_a_larger_budget_buys_tiles_then_exactness_then_context(full_size: Path) -> None:
    plans = [plan_budget(full_size, budget) for budget in ("2.1GB", "2.6GB", "4GB", "6GB", "7GB")]
    assert [plan.form.dtype for plan in plans] == ["bfloat16"] * 3 + ["float32"] * 2
    assert plans[0].use.tiles < 5 and [plan.use.tiles for plan in plans[1:]] == [5] * 4
    assert plans[1].use.context < plans[2].use.context and plans[3].use.context < plans[4].use.context
    for plan in plans:
        longer = replace(plan, use=replace(plan.use, context=plan.use.context + 100))
        assert plan.peak <= 0.98 * plan.budget < longer.peak


def test_a_checkpoint_whose_export_lies_beside_it_is_loaded_as_that_where_it_must_be(checkpoint: Path, export: Path) -> None:
    names = [form.name for form in forms_of(checkpoint)]
    assert names == ["torch, float32", "torch, bfloat16", "ONNX, 4 bits", "ONNX, 8 bits"]
    assert plan_budget(checkpoint, "1GB").form.runtime == "torch"
    assert plan_budget(checkpoint, "450MB").form.folder == export


def test_an_export_of_other_weights_is_no_form_of_a_checkpoint(checkpoint: Path, export: Path, tmp_path: Path) -> None:
    other = Path(shutil.copytree(checkpoint, tmp_path / checkpoint.name))
    weights = other / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-4] + b"\1\2\3\4")
    shutil.copytree(export, tmp_path / "onnx")
    assert [form.name for form in forms_of(other) if form.folder] == ["torch, float32", "torch, bfloat16"]


def test_limits_by_hand_hold_too(full_size: Path) -> None:
    assert plan_budget(full_size, "7GB", most_tiles=3).use.tiles == 3
    assert plan_budget(full_size, "7GB", longest_edge=512).use.tiles == 1


@pytest.mark.parametrize("limit", [{"most_tiles": 0}, {"longest_edge": 0}, {"longest_edge": 700}, {"longest_edge": -512}])
def test_a_limit_that_no_grid_can_have_is_refused_and_not_passed_over(full_size: Path, limit: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="longest_edge must be 1 to 6 whole tiles|tiles for an image; expected a whole number"):
        plan_budget(full_size, "7GB", **limit)


def test_a_folder_without_a_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="has no config.json; expected a checkpoint or an export"):
        plan_budget(tmp_path, "1GB")


# ---- what is kept --------------------------------------------------------------------------------------------------------------


def granted(export: Path, **changes: object) -> Plan:
    plan = plan_budget(export, "1GB")
    return replace(plan, use=replace(plan.use, **changes))


def test_a_prompt_longer_than_the_granted_context_is_refused(export: Path) -> None:
    engine = Engine.from_plan(granted(export, context=60))
    with pytest.raises(ValueError, match=r"prompt has \d+ tokens .* but a budget of 1,000 MB allows at most 60"):
        engine.answer([ask(noise(64, 48))], max_new_tokens=40)
    assert engine.answer([ask()], max_new_tokens=4)[0].num_new_tokens >= 1


def test_one_graph_at_a_time_answers_the_same(export: Path) -> None:
    both, alone = (Engine.from_plan(granted(export, one_at_a_time=which)) for which in (False, True))
    assert alone.model._decoder is None
    requests = [ask(noise(64, 48)), ask(), ask(noise(20, 60), noise(64, 64))]
    expected = [answer.token_ids for answer in both.answer(requests, max_new_tokens=12)]
    assert [answer.token_ids for answer in alone.answer(requests, max_new_tokens=12)] == expected
    assert alone.model._vision is None


def test_a_reading_goes_on_after_the_decoder_was_released(export: Path) -> None:
    model = Engine.from_plan(granted(export, one_at_a_time=True)).model
    reading, untouched = model.read([[5, 6, 7]], [None], 4), model.read([[5, 6, 7]], [None], 4)
    model.release_decoder()
    assert model._decoder is None
    reading.go_on([[9]])
    untouched.go_on([[9]])
    assert (reading.scores() == untouched.scores()).all()


def test_pictures_are_kept_scaled_and_give_the_same_answer(export: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    noise(300, 200).save(path)
    within, without = Engine.from_plan(granted(export)), Engine.from_folder(export)
    assert (within.read_image(path).size, without.read_image(path).size) == ((64, 64), (300, 200))
    assert within.answer([ask(path)], max_new_tokens=8)[0].token_ids == without.answer([ask(path)], max_new_tokens=8)[0].token_ids


@pytest.mark.parametrize("most_tiles", [None, 3, 1])
@pytest.mark.parametrize("size", [(300, 200), (90, 333), (64, 64), (10, 10), (65, 31), (200, 3)])
def test_a_scaled_picture_is_cut_into_the_same_tiles(checkpoint: Path, size: tuple[int, int], most_tiles: int | None) -> None:
    processor = SmVLMProcessor.from_pretrained(checkpoint)
    processor.limit_images(most_tiles=most_tiles)
    image = noise(*size)
    shrunk = processor.shrink(image)
    grids = [plan_grid(each.height, each.width, processor.image_processor, 64, most_tiles) for each in (image, shrunk)]
    assert grids[0] == grids[1]
    tiles, again = (cut_tiles(each, processor.image_processor, grids[0]) for each in (image, shrunk))
    assert (tiles == again).all() and processor.shrink(shrunk) is shrunk


def test_a_picture_with_more_pixels_than_can_be_decoded_is_refused_by_its_name(export: Path, tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    noise(300, 200).save(path)
    plan = granted(export)
    spent = replace(plan, budget=round(plan.peak))  # nothing left for pixels
    tight = replace(spent, use=replace(spent.use, context=spent.use.context + 10**6))
    with pytest.raises(ImageError, match=r"large.png: 300 x 200 pixels; a budget of .* MB allows \d+ while a picture is decoded"):
        Engine(Engine.from_folder(export).model, None, tight).read_image(path)


@pytest.mark.parametrize("budget", ["170MB", "300MB"])
def test_the_measured_peak_is_within_the_budget(export: Path, tmp_path: Path, budget: str) -> None:
    """In a process of its own, which fills the whole context it was granted, up to 3,000 tokens."""
    noise(1600, 1200).save(tmp_path / "picture.png")
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.memory_budget", "--model", export, "--side", budget, tmp_path / "picture.png"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["peak"] <= parse_bytes(budget)
    assert found["read"] >= min(found["context"], 3000) - 64


# ---- infer.py ------------------------------------------------------------------------------------------------------------------


def test_infer_shows_what_it_grants_and_keeps_the_answer_apart(export: Path, capsys: pytest.CaptureFixture) -> None:
    assert infer.main(["--model", str(export), "--budget", "1GB", "--max-new-tokens", "4", "--json", "图中有什么?"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["num_new_tokens"] >= 1
    first, second, *rows = captured.err.splitlines()
    assert first.startswith(f"Within 1,000 MB: ONNX, 4 bits ({export})") and second.startswith("Images of at most 5 tiles")
    assert [row.strip().rsplit("  ", 1)[0].strip() for row in rows[:3]] == ["libraries and tokenizer", "text model", "vision encoder"]


def test_infer_refuses_with_the_table(export: Path, capsys: pytest.CaptureFixture) -> None:
    assert infer.main(["--model", str(export), "--budget", "20MB", "图中有什么?"]) == 1
    captured = capsys.readouterr()
    assert captured.out == "" and captured.err.startswith(f"infer.py: no form of {export} that is here fits into 20 MB.")
    assert captured.err.count("\n") == 3


def test_a_budget_chooses_the_form_itself(export: Path, capsys: pytest.CaptureFixture) -> None:
    assert infer.main(["--model", str(export), "--budget", "1GB", "--dtype", "float32", "?"]) == 1
    assert "--budget is for the CPU and chooses the form of the model itself" in capsys.readouterr().err


def test_a_yaml_file_holds_the_options_and_the_command_line_overrides_them(
    export: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = tmp_path / "edge.yaml"
    file.write_text(f"model: {export}\nbudget: 1GB\nmax_new_tokens: 3\n")
    arguments = parse_arguments(["--config", str(file), "--max-new-tokens", "5", "?"])
    assert (arguments.model, arguments.budget, arguments.max_new_tokens, arguments.image) == (str(export), "1GB", 5, [])
    file.write_text("budgit: 1GB\n")
    assert infer.main(["--config", str(file), "?"]) == 1
    assert "budgit: unknown key; did you mean budget?" in capsys.readouterr().err
    assert infer.main(["--config", str(tmp_path / "missing.yaml"), "?"]) == 1
    assert "missing.yaml: No such file or directory" in capsys.readouterr().err


def test_torch_counts_weights_twice_where_they_are_converted() -> None:
    shapes = Shapes.of(FULL_SIZE)
    in_place, converted = (
        torch_costs(shapes, dtype=dtype, file_bytes=1_390_000_000, tokenizer_bytes=0) for dtype in ("bfloat16", "float32")
    )
    assert (in_place.loading, converted.loading) == (0, 1_390_000_000)


def test_the_shipped_settings_for_a_small_machine_are_read() -> None:
    settings = read_settings(ROOT / "configs/infer/edge.yaml")
    assert (settings.budget, settings.max_new_tokens) == ("1GB", 128)
