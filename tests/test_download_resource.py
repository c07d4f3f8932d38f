"""The download script, run with stand-ins for `modelscope` and `hf` that take the same options; and the recipe and the documents that name
the same sets.

python -m pytest tests/test_download_resource.py
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from smvl.config import load_config
from smvl.source_registry import is_drawn

ROOT = Path(__file__).parents[1]
TOOLS = ["bash", "cat", "dirname", "du", "find", "sed", "sleep", "sort", "tail", "tr", "wc"]

WEIGHTS = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors", "onnx/model.onnx"]
CAULDRON = [
    f"{subset}/train-{part:05d}-of-00012-ab12.parquet"
    for subset in "textcaps cocoqa screen2words textvqa aokvqa iam".split()
    for part in range(12)
]
BOTH_HUBS = {
    "Qwen/Qwen3-0.6B": WEIGHTS,
    "HuggingFaceTB/SmolVLM2-256M-Video-Instruct": WEIGHTS,
    "HuggingFaceM4/Docmatix": [f"data/train-{part:05d}-of-01106-ab12.parquet" for part in range(1106)],
}
MODELSCOPE = {**BOTH_HUBS, "AI-ModelScope/the_cauldron": CAULDRON}
HF = {
    **BOTH_HUBS,
    "HuggingFaceM4/the_cauldron": CAULDRON,
    "BUAADreamer/llava-en-zh-300k": [f"{language}/train-{part:05d}-of-00059.parquet" for language in ("en", "zh") for part in range(59)],
    "Mxode/I_Wonder_Why-Chinese": ["general/train-01.parquet", "preference/train-01.parquet", "reasoning/train-01.parquet", "README.md"],
    "hiyouga/glaive-function-calling-v2-sharegpt": ["glaive_toolcall.json", "README.md"],
    "llamafactory/glaive_toolcall_zh": ["glaive_toolcall_zh_1k.json", "README.md"],
}
"""What lies on the hubs, as far as it matters here: sets that one of them lacks, and files that must stay there."""

ONLY_ON_HF = list(HF)[-4:]
MODELSCOPE_IDS = ["Qwen/Qwen3-0.6B", "HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "AI-ModelScope/the_cauldron", "HuggingFaceM4/Docmatix"]
HF_IDS = [name.replace("AI-ModelScope/the", "HuggingFaceM4/the") for name in MODELSCOPE_IDS] + ONLY_ON_HF
NAMES = "qwen3 smolvlm2 cauldron docmatix zh_llava zh_text tools tools_zh"

# Options as `modelscope download --help` (modelscope-hub 0.5) and `hf download --help` (huggingface_hub 2.4) list them. Both match a
# pattern against the whole path with fnmatch.
STAND_IN = """
import argparse, fnmatch, json, os, pathlib, sys

parser = argparse.ArgumentParser()
parser.add_argument("command", choices=["download"])
parser.add_argument("repo_id")
parser.add_argument("--repo-type", choices=["model", "dataset"], required=True)
parser.add_argument("--local-dir", type=pathlib.Path, required=True)
parser.add_argument("--include", **({include}))
options = parser.parse_args()
calls = pathlib.Path(os.environ["CALLS"])
with calls.open("a") as log:
    log.write("{hub} " + options.repo_id + "\\n")
if len(calls.read_text().splitlines()) <= int(os.environ.get("FAIL_FIRST", 0)):
    sys.exit("connection reset")
listing = json.loads(pathlib.Path(os.environ["HUBS"]).read_text())["{hub}"]
if options.repo_id not in listing:
    sys.exit("404 " + options.repo_id)
for name in listing[options.repo_id]:
    path = options.local_dir / name
    if os.environ.get("LEAVE_OUT", "nothing") in str(path) or not any(fnmatch.fnmatch(name, pattern) for pattern in options.include):
        continue
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
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
    (tmp_path / "hubs.json").write_text(json.dumps({"modelscope": MODELSCOPE, "hf": HF}))
    write_program(commands / "modelscope", STAND_IN.format(hub="modelscope", include="{'nargs': '+'}"))
    write_program(commands / "hf", STAND_IN.format(hub="hf", include="{'action': 'append'}"))
    write_command(commands / "df", df_that_says({"": ("/dev/a", 10**9)}))
    return checkout


def write_command(path: Path, text: str) -> None:
    path.unlink(missing_ok=True)  # it may be a link to the machine's own command, which must not be written through
    path.write_text(text)
    path.chmod(0o755)


def write_program(path: Path, text: str) -> None:
    """A command in Python, run by the interpreter that runs the tests: what the PATH calls python3 may need more than is in `bin`."""
    path.with_suffix(".py").write_text(text)
    write_command(path, f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(path))}.py "$@"\n')


def df_that_says(free: dict[str, tuple[str, int]]) -> str:
    """A `df -Pk FOLDER` with the file system and the free KB of each folder; "" is any other."""
    cases = "".join(f"{folder or ''}*) echo '{system} 9 9 {kilobytes} 9% /' ;;\n" for folder, (system, kilobytes) in free.items())
    return f'#!/bin/sh\necho "Filesystem 1024-blocks Used Available Capacity Mounted on"\ncase "$2" in\n{cases}esac\n'


def run(checkout: Path, *options: str, **environment: str) -> subprocess.CompletedProcess:
    commands = checkout.parent / "bin"
    variables = {
        "PATH": str(commands),
        "CALLS": str(checkout.parent / "calls"),
        "HUBS": str(checkout.parent / "hubs.json"),
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


def plan(*options: str) -> list[dict[str, str]]:
    """The sets of a dry run of the script as it lies in the repository."""
    output = subprocess.run(
        ["bash", ROOT / "download_resource.sh", "--dry-run", *options], capture_output=True, text=True, check=True
    ).stdout
    form = r"  (?P<name>\S+) +(?P<id>\S+/\S+) +-> (?P<folder>\S+) +about (?P<size>.+?), licence: (?P<licence>.+)"
    return [found.groupdict() for line in output.splitlines() if (found := re.fullmatch(form, line))]


def test_everything_is_downloaded_beside_the_script_and_found_complete(checkout: Path) -> None:
    result = run(checkout, "--source", "hf")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[-2:] == [
        f"All files are there: {NAMES}",
        "Next: python train.py train.yaml",
    ]
    assert calls(checkout) == [f"hf {name}" for name in HF_IDS]
    assert (checkout / "model/Qwen3-0.6B/model.safetensors").exists()


def test_a_set_that_one_hub_lacks_comes_from_the_other_and_the_plan_says_so(checkout: Path) -> None:
    result = run(checkout)
    assert (result.returncode, result.stderr) == (0, "")
    assert calls(checkout) == [f"modelscope {name}" for name in MODELSCOPE_IDS] + [f"hf {name}" for name in ONLY_ON_HF]
    notes = [line for line in result.stdout.splitlines() if line.startswith("Note:")]
    assert notes == [
        f"Note: no copy of {name} on ModelScope is known: it comes from Hugging Face at https://huggingface.co" for name in ONLY_ON_HF
    ]


def test_only_the_parts_that_are_used_are_fetched(checkout: Path) -> None:
    assert run(checkout).returncode == 0
    files = {str(path.relative_to(checkout)) for path in checkout.rglob("*") if path.is_file()} - {"download_resource.sh"}
    parts = {
        folder: sum(file.startswith(f"data/{folder}/") for file in files) for folder in ("the_cauldron", "docmatix", "zh_llava", "zh_text")
    }
    assert parts == {"the_cauldron": 5 * 12, "docmatix": 10, "zh_llava": 10, "zh_text": 1}
    assert {"data/docmatix/data/train-00009-of-01106-ab12.parquet", "data/zh_llava/zh/train-00000-of-00059.parquet"} <= files
    assert not [file for file in files if "/iam/" in file or "/en/" in file or file.endswith((".onnx", ".md"))]


def test_all_that_the_documented_recipe_names_is_downloaded_or_drawn(checkout: Path) -> None:
    assert run(checkout).returncode == 0
    config = load_config(ROOT / "train.yaml")
    sources = [source for stage in config.stages for source in stage.mixture] + [config.evaluation.heldout]
    used = {Path(config.model.vision), Path(config.model.text)}
    used |= {Path(source.path, subset) for source in sources if not is_drawn(source) for subset in source.subsets or [""]}
    assert {path for path in used if not (checkout / path).exists()} == set()
    tops = {Path(*path.parts[:2]) for path in used}
    assert {path.relative_to(checkout) for path in checkout.glob("*/*")} == tops, "downloaded and never used"
    subsets = {subset for source in sources for subset in source.subsets}
    assert {path.name for path in (checkout / "data/the_cauldron").iterdir()} == subsets, "downloaded and never used"


@pytest.mark.parametrize("document", ["train.yaml", "docs/data.md", "docs/data.zh-CN.md"])
def test_script_recipe_and_documents_name_the_same_ids_sizes_and_licences(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")
    for found in [*plan(), *plan("--source", "hf")]:
        assert found["id"] in text, found["id"]
        lines = [line for line in text.splitlines() if found["id"] in line and found["size"] in line]
        assert lines, f"{document} has no line with both {found['id']} and {found['size']}"
        if found["name"] != "cauldron":
            assert any(found["licence"] in line for line in lines), f"{document}: {found['name']} without {found['licence']}"


@pytest.mark.parametrize("document", ["train.yaml", "docs/data.md", "docs/data.zh-CN.md"])
def test_the_total_is_the_same_everywhere_and_the_sum_of_the_lines(document: str) -> None:
    sizes = [found["size"].split() for found in plan()]
    total = sum(float(number) / {"GB": 1, "MB": 1000}[unit] for number, unit in sizes)
    output = subprocess.run(["bash", ROOT / "download_resource.sh", "--dry-run"], capture_output=True, text=True, check=True).stdout
    assert f"Together about {total:.1f} GB" in output.splitlines()
    assert f"{total:.1f} GB" in (ROOT / document).read_text(encoding="utf-8")


def test_both_languages_name_the_same_sets_and_figures() -> None:
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in ("docs/data.md", "docs/data.zh-CN.md")]
    ids = [set(re.findall(r"[A-Za-z][\w-]+/[A-Z][\w.-]+|[a-z_]+/[a-z]\w[\w.-]+", text)) for text in texts]
    figures = [sorted(re.findall(r"0\.\d+|\d+\.\d GB|\d{1,3}%|\d{4}-\d{2}-\d{2}|\d+\.\d{5}|train-\d+-of-\d+", text)) for text in texts]
    rows = [[line.count("|") for line in text.splitlines() if line.startswith("|")] for text in texts]
    assert rows[0] == rows[1]
    assert ids[0] == ids[1]
    assert figures[0] == figures[1]


def test_the_documents_give_the_weights_of_the_recipe() -> None:
    config = load_config(ROOT / "train.yaml")
    for document in ("docs/data.md", "docs/data.zh-CN.md"):
        text = (ROOT / document).read_text(encoding="utf-8")
        rows = re.findall(r"^\| `(data/\S+|source: \w+)` \| (0\.\d+|-) \| (0\.\d+|-) \|", text, re.MULTILINE)
        stated = {path: [None if weight == "-" else float(weight) for weight in weights] for path, *weights in rows}
        mixed = [{source.path or f"source: {source.source}": source.weight for source in stage.mixture} for stage in config.stages]
        assert stated == {name: [stage.get(name) for stage in mixed] for name in set().union(*mixed)}, document


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--only", "model"], ["model/Qwen3-0.6B", "model/SmolVLM2-256M-Video-Instruct"]),
        (["--only", "tools"], ["data/tools"]),
        (["--only", "tools", "--only", "docmatix", "--only", "tools"], ["data/docmatix", "data/tools"]),
    ],
    ids=" ".join,
)
def test_only_downloads_what_is_named(checkout: Path, options: list[str], expected: list[str]) -> None:
    assert run(checkout, *options).returncode == 0
    assert sorted(str(path.relative_to(checkout)) for path in checkout.glob("*/*")) == expected


def test_only_data_is_all_sets_but_the_weights(checkout: Path) -> None:
    assert run(checkout, "--only", "data").returncode == 0
    assert downloaded(checkout) == ["data"]
    assert len(calls(checkout)) == 6


def test_dry_run_says_what_from_where_to_where_and_how_large_and_downloads_nothing(checkout: Path) -> None:
    result = run(checkout, "--dry-run", "--source", "hf", HF_ENDPOINT="https://hf-mirror.com")
    assert (result.returncode, result.stderr) == (0, "")
    lines = result.stdout.splitlines()
    assert lines[:2] == ["From Hugging Face at https://hf-mirror.com (HF_ENDPOINT=https://hf-mirror.com uses a mirror)", f"To {checkout}"]
    assert " ".join(lines[2].split()) == "qwen3 Qwen/Qwen3-0.6B -> model/Qwen3-0.6B about 1.5 GB, licence: Apache-2.0"
    assert lines[-1] == "Together about 30.8 GB"
    assert (downloaded(checkout), calls(checkout)) == ([], [])


def test_a_disk_that_is_too_small_is_refused_before_the_first_byte(checkout: Path) -> None:
    write_command(checkout.parent / "bin/df", df_that_says({"": ("/dev/a", 20_000_000)}))
    result = run(checkout)
    assert result.returncode == 1
    expected = f"Not enough room in {checkout}/: 30.8 GB to fetch, 20.0 GB free."
    assert result.stderr.startswith(expected)
    assert calls(checkout) == []
    assert run(checkout, "--only", "docmatix").returncode == 0


def test_what_is_already_there_needs_no_room_again(checkout: Path) -> None:
    write_command(checkout.parent / "bin/df", df_that_says({"": ("/dev/a", 100)}))
    write_command(checkout.parent / "bin/du", '#!/bin/sh\necho "300000 $2"\n')
    assert run(checkout, "--only", "tools").returncode == 1
    (checkout / "data/tools").mkdir(parents=True)
    assert run(checkout, "--only", "tools").returncode == 0


def test_weights_and_data_may_lie_on_two_disks(checkout: Path) -> None:
    (checkout / "data").mkdir()
    write_command(checkout.parent / "bin/df", df_that_says({"data": ("/dev/b", 28_500_000), "": ("/dev/a", 2_600_000)}))
    assert run(checkout).returncode == 0
    shutil.rmtree(checkout / "model")
    write_command(checkout.parent / "bin/df", df_that_says({"data": ("/dev/b", 28_500_000), "": ("/dev/a", 2_400_000)}))
    result = run(checkout)
    assert result.returncode == 1
    assert result.stderr.startswith(f"Not enough room in {checkout}/model: 2.5 GB to fetch, 2.4 GB free.")


def test_a_failed_download_is_tried_again_until_it_succeeds(checkout: Path) -> None:
    result = run(checkout, "--only", "model", FAIL_FIRST="2")
    assert result.returncode == 0
    assert calls(checkout) == ["modelscope Qwen/Qwen3-0.6B"] * 3 + ["modelscope HuggingFaceTB/SmolVLM2-256M-Video-Instruct"]
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
    "aokvqa/train-00009": "data/the_cauldron/aokvqa/*.parquet: 11 of 12 files are there",
    "zh_text": "data/zh_text/general/*.parquet is missing",
    "zh_llava/zh/train-00003": "data/zh_llava/zh/*.parquet: 9 of 10 files are there",
    "glaive_toolcall.json": "data/tools/glaive_toolcall.json is missing",
    "Qwen3-0.6B/model.safetensors": "model/Qwen3-0.6B/*.safetensors is missing",
}


@pytest.mark.parametrize("left_out", LEFT_OUT)
def test_what_a_successful_download_left_out_is_named(checkout: Path, left_out: str) -> None:
    result = run(checkout, LEAVE_OUT=left_out)
    assert result.returncode == 1
    again = "Run the same command again; it goes on where it stopped."
    assert result.stderr.splitlines() == ["Not complete:", f"  {LEFT_OUT[left_out]}", again]


def test_what_a_hub_keeps_for_resuming_is_no_file_that_was_asked_for(checkout: Path) -> None:
    waiting = checkout / "data/tools/.cache/huggingface/download"
    waiting.mkdir(parents=True)
    (waiting / "glaive_toolcall.json").write_text("half of it")
    result = run(checkout, "--only", "tools", LEAVE_OUT="glaive")
    assert "  data/tools/glaive_toolcall.json is missing" in result.stderr.splitlines()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--only", "model"], "The command 'modelscope' is missing: pip install modelscope\n"),
        (["--only", "tools"], "The command 'hf' is missing: pip install -U huggingface_hub\n"),
        (["--source", "hf"], "The command 'hf' is missing: pip install -U huggingface_hub\n"),
    ],
    ids=["modelscope", "hf instead", "hf"],
)
def test_a_missing_command_is_named_with_its_package(checkout: Path, options: list[str], expected: str) -> None:
    for command in ("modelscope", "hf"):
        (checkout.parent / "bin" / command).unlink()
    result = run(checkout, *options)
    assert (result.returncode, result.stderr) == (1, expected)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--models"], "unknown option '--models'"),
        (["--source"], "--source is '', expected modelscope or hf"),
        (["--source", "github"], "--source is 'github', expected modelscope or hf"),
        (["--only", "weights"], f"--only is 'weights', expected model, data or one of {NAMES}"),
        (["--only", "tools tools_zh"], f"--only is 'tools tools_zh', expected model, data or one of {NAMES}"),
        (["--only"], f"--only is '', expected model, data or one of {NAMES}"),
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
