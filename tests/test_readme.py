"""README.md and README.zh-CN.md: equal in all but language, their commands run, their map is whole."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest
from huggingface_hub.utils import filter_repo_objects
from PIL import Image

from smvl.__main__ import COMMANDS
from smvl.config import load_config
from smvl.demo_scenes.draw import draw_scenes
from smvl.demo_scenes.tasks import draw_question
from smvl.demo_scenes.words import HELDOUT
from smvl.infer.command import parse_arguments
from smvl.train.command import parse
from tests.test_engine import save_small_checkpoint

ROOT = Path(__file__).parent.parent
READMES = {name: (ROOT / name).read_text(encoding="utf-8") for name in ("README.md", "README.zh-CN.md")}


def code_blocks(text: str) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[str]:
    lines = (line.split("   #")[0].strip() for kind, block in code_blocks(READMES[name]) if kind == "bash" for line in block.splitlines())
    return [line for line in lines if line]


def links(text: str) -> set[str]:
    return set(re.findall(r"\]\(([^)#]+)\)", text))


def test_both_languages_have_the_same_commands_formats_and_links():
    english, chinese = READMES.values()
    assert code_blocks(english) == code_blocks(chinese)
    ours, theirs = ({link.replace(".zh-CN", "") for link in links(text)} for text in (english, chinese))
    assert ours == theirs


def test_both_languages_have_the_same_sections_and_tables():
    shapes = [[re.match(r"#+|\|", line)[0] for line in text.splitlines() if re.match(r"#+ |\|", line)] for text in READMES.values()]
    assert shapes[0] == shapes[1]


def test_both_languages_quote_the_same_figures():
    tables = [re.findall(r"\b\d+\.\d+\b", text) for text in READMES.values()]
    assert tables[0] == tables[1]


@pytest.mark.parametrize("name", READMES)
def test_every_link_leads_to_a_file(name):
    missing = [link for link in links(READMES[name]) if not link.startswith("http") and not (ROOT / link).exists()]
    assert not missing


def test_the_map_names_every_file_at_the_top():
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    top = {path.split("/")[0] for path in tracked}
    named = {link.split("/")[0] for link in links(READMES["README.md"])}
    assert top - named <= {".gitignore", ".ci", "README.md"}


def test_the_training_commands_have_configurations_that_load():
    found = [command for command in commands("README.md") if "train.py" in command]
    for command in found:
        arguments = command.split("train.py ", 1)[1].split()
        options = parse(arguments, "train.py")
        load_config(ROOT / options.config, options.overrides)
    assert len(found) >= 3


def test_the_inference_commands_have_options_that_infer_knows():
    found = [command for command in commands("README.md") if command.startswith("python infer.py")]
    assert len(found) >= 4
    for command in found:
        parse_arguments(shlex.split(command)[2:])


def test_the_other_commands_are_those_that_there_are():
    words = [shlex.split(command)[1:] for command in commands("README.md") if command.startswith("python -m ")]
    found = {(module, rest[0]) for _, module, *rest in words if not module.startswith("benchmarks.")}
    assert {name for module, name in found if module == "smvl"} <= COMMANDS.keys()
    others = {module for module, _ in found} - {"smvl"}
    assert len(others) >= 6 and all((ROOT / f"{module.replace('.', '/')}.py").is_file() for module in others)


def test_the_pictures_that_are_asked_about_are_what_the_demo_draws_there():
    """Where the demo's data is drawn anew, a picture of that name may be another one."""
    seed = load_config(ROOT / "configs/demo.yaml").seed
    scenes = draw_scenes(draw_question, HELDOUT, 800, f"{seed} heldout")
    named = {(int(row), int(place)) for text in READMES.values() for row, place in re.findall(r"heldout-(\d{6})-(\d)\.png", text)}
    assert named and all(place < len(scenes[row].pictures) for row, place in named)
    for command in commands("README.md"):
        question = shlex.split(command)[-1]
        rows = {int(row) for row in re.findall(r"heldout-(\d{6})", command)}
        if question == "图中写着什么?":
            assert {scenes[row].task for row in rows} == {"read_sign"}, command
        elif rows:
            assert {scenes[row].turns[-1].question for row in rows} == {question}, command


def test_the_export_commands_name_targets_that_exist():
    from smvl.export.command import parse
    from smvl.export.targets import find_target

    found = [command for command in commands("README.md") if command.startswith("python -m smvl export")]
    parsed = [parse(shlex.split(command)[4:]) for command in found]
    assert {find_target(options.to, options.bits).name for options in parsed} == {"onnx", "gguf", "idefics3", "torchao"}


def test_what_is_uploaded_is_the_model_and_not_what_its_stages_left():
    """`hf upload` and `modelscope upload` match patterns against whole paths, as fnmatch does."""
    uploads = [shlex.split(command) for command in commands("README.md") if " upload " in command]
    assert [words[0] for words in uploads] == ["hf", "modelscope"]
    left = ["README.md", "LICENSE", "model.safetensors", "align/model/model.safetensors", "finetune/trainer.json", "swanlog/run-1/files/a"]
    for words in uploads:
        kept = list(filter_repo_objects(left, ignore_patterns=words[words.index("--exclude") + 1]))
        assert kept == ["README.md", "LICENSE", "model.safetensors"]


def test_the_benchmarks_that_it_names_are_there():
    found = set(re.findall(r"python -m benchmarks\.(\w+)", (ROOT / "README.md").read_text(encoding="utf-8")))
    assert {"infer_latency", "transformers_js", "web_page"} <= found
    assert not [name for name in found if not (ROOT / "benchmarks" / f"{name}.py").is_file()]


def test_ci_runs_the_test_command_of_the_readme():
    script = (ROOT / ".ci/run").read_text(encoding="utf-8")
    [command] = [command for command in commands("README.md") if command.startswith("pip install -r requirements-dev.txt && ")]
    test = command.partition(" && ")[2]
    assert test.startswith("pytest") and "-r requirements-dev.txt\n" in script and script.rstrip().endswith(f"\n{test}")


def test_the_download_command_explains_itself():
    done = subprocess.run(["bash", ROOT / "download_resource.sh", "--dry-run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_python_examples_run_as_printed_and_give_the_same_answer(tmp_path, monkeypatch, capsys):
    """With small models where the example's are, whose answers are cut short."""
    for folder in ("data/demo/images", "docs", "output", "model"):
        (tmp_path / folder).mkdir(parents=True)
    save_small_checkpoint(tmp_path / "small")
    shutil.copytree(tmp_path / "small/checkpoint", tmp_path / "output/demo")
    shutil.copytree(tmp_path / "small/vision", tmp_path / "model/SmolVLM2-256M-Video-Instruct")
    shutil.copytree(tmp_path / "small/text", tmp_path / "model/Qwen3-0.6B")
    for path in ("data/demo/images/heldout-000000-0.png", "docs/demo.png"):
        Image.new("RGB", (60, 40), "red").save(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    blocks = [block for kind, block in code_blocks(READMES["README.md"]) if kind == "python"]
    for block in blocks:
        exec(block.replace("max_new_tokens=64", "max_new_tokens=3").replace('0.png"])', '0.png"], max_new_tokens=3)'), {})
    printed = capsys.readouterr().out.splitlines()
    assert len(blocks) == 3 and len(printed) == 2 and all(printed)
