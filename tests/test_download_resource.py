"""The download script, run with stand-ins for `modelscope` and `hf` that take the same options.

python -m pytest tests/test_download_resource.py
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smvl.config import load_config

ROOT = Path(__file__).parents[1]
TOOLS = ["bash", "cat", "dirname", "find", "head", "sed", "sleep", "sort", "tail", "tr", "wc"]
MODELSCOPE_IDS = [
    "Qwen/Qwen3-0.6B",
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct",
    "AI-ModelScope/the_cauldron",
    "AI-ModelScope/Magpie-Qwen2-Pro-200K-Chinese",
]
HF_IDS = [name.replace("AI-ModelScope/the", "HuggingFaceM4/the").replace("AI-ModelScope", "Magpie-Align") for name in MODELSCOPE_IDS]
ALL_THERE = "All files are there. Next: python train.py train.yaml"

# Options as `modelscope download --help` (modelscope-hub 0.5) and `hf download --help` (huggingface_hub 2.4) list them.
STAND_IN = """#!{python}
import argparse, os, pathlib, sys

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["download"])
parser.add_argument("repo_id")
parser.add_argument("--repo-type", choices=["model", "dataset"], required=True)
parser.add_argument("--local-dir", type=pathlib.Path, required=True)
parser.add_argument("--include", **({include}))
options = parser.parse_args()
calls = pathlib.Path(os.environ["CALLS"])
with calls.open("a") as log:
    log.write(options.repo_id + "\\n")
if len(calls.read_text().splitlines()) <= int(os.environ.get("FAIL_FIRST", 0)):
    sys.exit("connection reset")
names = []
for pattern in options.include:
    if pattern.endswith("/*"):
        names += [f"{{pattern[:-2]}}/train-{{part:05d}}-of-00012-ab12.parquet" for part in range(12)]
    elif pattern == "*.parquet":
        names += ["data/train-00000-of-00001.parquet"]
    elif pattern == "*.json":
        names += ["config.json", "tokenizer.json", "tokenizer_config.json"]
    elif pattern == "*.safetensors":
        names += ["model.safetensors"]
for name in names:
    path = options.local_dir / name
    if os.environ.get("LEAVE_OUT", "nothing") in str(path):
        continue
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pathlib.Path(os.environ["PARQUET"]).read_bytes() if name.startswith("data/") else b"x")
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with the script, and beside it a `bin` that holds all the commands it may find."""
    checkout, commands = tmp_path / "a checkout", tmp_path / "bin"
    checkout.mkdir()
    commands.mkdir()
    shutil.copy(ROOT / "download_resource.sh", checkout)
    for tool in TOOLS:
        (commands / tool).symlink_to(shutil.which(tool))
    write_command(commands / "python3", f'#!/bin/sh\nexec "{sys.executable}" "$@"\n')
    write_command(commands / "modelscope", STAND_IN.format(python=sys.executable, include="{'nargs': '+'}"))
    write_command(commands / "hf", STAND_IN.format(python=sys.executable, include="{'action': 'append'}"))
    write_parquet(tmp_path / "chats.parquet", instruction=["你好", ""], response=["你好！", "无"])
    return checkout


def write_command(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o755)


def write_parquet(path: Path, **columns: list[str]) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table(columns), path)


def run(checkout: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    commands = checkout.parent / "bin"
    variables = {
        "PATH": str(commands),
        "CALLS": str(checkout.parent / "calls"),
        "PARQUET": str(checkout.parent / "chats.parquet"),
        "DOWNLOAD_WAIT_SECONDS": "0",
        **environment,
    }
    arguments = [str(commands / "bash"), str(checkout / "download_resource.sh"), *options]
    return subprocess.run(arguments, env=variables, cwd="/", capture_output=True, text=True, timeout=60)


def calls(checkout: Path) -> list[str]:
    log = checkout.parent / "calls"
    return log.read_text().splitlines() if log.exists() else []


def downloaded(checkout: Path) -> list[str]:
    return sorted(path.name for path in checkout.iterdir() if path.name != "download_resource.sh")


@pytest.mark.parametrize(("options", "expected"), [([], MODELSCOPE_IDS), (["--source", "hf"], HF_IDS)], ids=["modelscope", "hf"])
def test_everything_is_downloaded_beside_the_script_and_found_complete(checkout: Path, options: list, expected: list) -> None:
    result = run(checkout, *options)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-1] == ALL_THERE
    assert calls(checkout) == expected
    assert (checkout / "model/Qwen3-0.6B/model.safetensors").exists()


def test_all_that_the_documented_recipe_names_is_downloaded(checkout: Path) -> None:
    assert run(checkout).returncode == 0
    config = load_config(ROOT / "train.yaml")
    sources = [source for stage in config.stages for source in stage.mixture] + [config.evaluation.heldout]
    used = {Path(config.model.vision), Path(config.model.text)}
    used |= {Path(source.path, subset) for source in sources for subset in source.subsets or [""]}
    assert [str(path) for path in used if not (checkout / path).exists()] == []
    subsets = {subset for source in sources for subset in source.subsets}
    assert {path.name for path in (checkout / "data/the_cauldron").iterdir()} == subsets, "downloaded and never used"


def test_chinese_text_becomes_messages_and_rows_without_text_are_counted(checkout: Path) -> None:
    result = run(checkout, "--only", "data")
    lines = (checkout / "data/zh_text/train.jsonl").read_text(encoding="utf-8").splitlines()
    expected = [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "你好！"}]
    assert [json.loads(line) for line in lines] == [{"messages": expected}]
    message = "Wrote 1 conversations to data/zh_text/train.jsonl; 1 rows without a question or an answer were left out"
    assert message in result.stdout.splitlines()


def test_chinese_text_with_other_columns_is_refused_by_name(checkout: Path) -> None:
    write_parquet(checkout.parent / "chats.parquet", prompt=["a"], response=["b"])
    result = run(checkout, "--only", "data")
    assert result.returncode == 1
    path = "data/zh_text_parquet/data/train-00000-of-00001.parquet"
    assert f"{path} has no column instruction, only prompt, response" in result.stderr
    assert "  data/zh_text/train.jsonl could not be written from data/zh_text_parquet" in result.stderr.splitlines()
    assert not (checkout / "data/zh_text/train.jsonl").exists()


@pytest.mark.parametrize(("only", "folder"), [("model", "model"), ("data", "data")])
def test_only_downloads_one_of_the_two(checkout: Path, only: str, folder: str) -> None:
    assert run(checkout, "--only", only).returncode == 0
    assert downloaded(checkout) == [folder]


def test_dry_run_says_what_from_where_to_where_and_how_large_and_downloads_nothing(checkout: Path) -> None:
    result = run(checkout, "--dry-run", "--source", "hf", HF_ENDPOINT="https://hf-mirror.com")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[:3] == [
        "From Hugging Face at https://hf-mirror.com (HF_ENDPOINT=https://hf-mirror.com uses a mirror)",
        f"To {checkout}",
        "  Qwen/Qwen3-0.6B                                  -> model/Qwen3-0.6B                       about 1.5 GB",
    ]
    assert result.stdout.splitlines()[-1] == "Together about 21.6 GB"
    assert (downloaded(checkout), calls(checkout)) == ([], [])


@pytest.mark.parametrize("only", ["all", "model", "data"])
def test_the_total_is_the_sum_of_the_lines(checkout: Path, only: str) -> None:
    *lines, total = run(checkout, "--dry-run", "--only", only).stdout.splitlines()
    sizes = [float(line.split()[-2]) for line in lines if line.endswith(" GB")]
    assert total == f"Together about {sum(sizes):.1f} GB"


def test_a_failed_download_is_tried_again_until_it_succeeds(checkout: Path) -> None:
    result = run(checkout, "--only", "model", FAIL_FIRST="2")
    assert result.returncode == 0
    assert calls(checkout) == ["Qwen/Qwen3-0.6B"] * 3 + ["HuggingFaceTB/SmolVLM2-256M-Video-Instruct"]
    assert "Downloading Qwen/Qwen3-0.6B to model/Qwen3-0.6B (try 3 of 5)" in result.stdout


def test_a_download_that_keeps_failing_is_given_up_and_named_and_the_next_one_still_runs(checkout: Path) -> None:
    result = run(checkout, "--only", "model", FAIL_FIRST="2", DOWNLOAD_TRIES="2")
    assert result.returncode == 1
    assert result.stderr.splitlines()[-7:] == [
        "Not complete:",
        "  Qwen/Qwen3-0.6B: the download failed 2 times",
        "  model/Qwen3-0.6B/config.json is missing",
        "  model/Qwen3-0.6B/tokenizer.json is missing",
        "  model/Qwen3-0.6B/tokenizer_config.json is missing",
        "  model/Qwen3-0.6B/*.safetensors is missing",
        "Run the same command again; it goes on where it stopped.",
    ]
    assert (checkout / "model/SmolVLM2-256M-Video-Instruct/model.safetensors").exists()
    assert run(checkout, "--only", "model").returncode == 0


LEFT_OUT = {
    "aokvqa": "data/the_cauldron/aokvqa/*.parquet is missing",
    "aokvqa/train-00009": "data/the_cauldron/aokvqa holds 11 of 12 parquet files",
    "zh_text_parquet": "data/zh_text_parquet/*.parquet is missing",
    "Qwen3-0.6B/model.safetensors": "model/Qwen3-0.6B/*.safetensors is missing",
}


@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_what_a_successful_download_left_out_is_named(checkout: Path, left_out: str) -> None:
    result = run(checkout, LEAVE_OUT=left_out)
    assert result.returncode == 1
    again = "Run the same command again; it goes on where it stopped."
    assert result.stderr.splitlines() == ["Not complete:", f"  {LEFT_OUT[left_out]}", again]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("modelscope", "The command 'modelscope' is missing: pip install modelscope\n"),
        ("hf", "The command 'hf' is missing: pip install -U huggingface_hub\n"),
    ],
)
def test_a_missing_command_is_named_with_its_package(checkout: Path, source: str, expected: str) -> None:
    (checkout.parent / "bin" / source).unlink()
    result = run(checkout, "--source", source)
    assert (result.returncode, result.stderr) == (1, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--models"], "unknown option '--models'"),
        (["--source"], "--source is '', expected modelscope or hf"),
        (["--source", "github"], "--source is 'github', expected modelscope or hf"),
        (["--only", "weights"], "--only is 'weights', expected model or data"),
    ],
    ids=" ".join,
)
def test_wrong_usage_exits_2_with_the_usage(checkout: Path, options: list[str], expected: str) -> None:
    result = run(checkout, *options)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[0] == f"download_resource.sh: {expected}"
    assert result.stderr.splitlines()[1].startswith("Usage: bash download_resource.sh")
    assert calls(checkout) == []


def test_help_exits_0(checkout: Path) -> None:
    result = run(checkout, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert "HF_ENDPOINT" in result.stdout


def test_the_script_is_valid_bash_and_clean_to_shellcheck_where_that_is_installed() -> None:
    script = str(ROOT / "download_resource.sh")
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        subprocess.run(["shellcheck", script], check=True, env=os.environ)
