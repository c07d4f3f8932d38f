"""smvl/model_folder: a folder of a model is read, and nothing else happens, whatever its files ask for."""

import ast
import builtins
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

import smvl
from smvl import settings_files
from smvl.assemble import load_checkpoint
from smvl.config import DataConfig
from smvl.doctor.token_count import processor_of_folder
from smvl.infer.engine import Engine
from smvl.layouts.encoder_sides import sides_in
from smvl.model.donors import DonorError, check_text_donor, load_text, load_tower, read_vision_donor
from smvl.model.saving import save_model
from smvl.model_folder import ModelFolderError, read_config, refusing_code
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.settings_files import SettingsFileError
from tests.donors import save_text_donor, save_vision_donor

ROOT = Path(__file__).parents[1]
NEEDS_CODE = "can only be loaded by running code that it brings along"
CODE = """
from pathlib import Path
Path("{mark}").touch()
from transformers import PreTrainedConfig as C, PreTrainedModel as M, PreTrainedTokenizerFast as T
"""
AUTO_MAP = {
    **dict.fromkeys(("AutoModel", "AutoModelForCausalLM", "AutoModelForImageTextToText"), "planted.M"),
    **{"AutoConfig": "planted.C", "AutoTokenizer": ["planted.T", "planted.T"]},
    **dict.fromkeys(("AutoProcessor", "AutoImageProcessor"), "planted.C"),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two donors, `vision` and `text`, and what is spliced of them: `linear`, a stock checkpoint, and `mlp`, one with code of ours."""
    folder = tmp_path_factory.mktemp("folders")
    vision, text = save_vision_donor(folder / "vision"), save_text_donor(folder / "text")
    for projector in ("linear", "mlp"):
        model, processor = smvl.splice(vision, text, projector=projector, longest_edge=64)
        save_model(model, folder / projector)
        processor.save_pretrained(folder / projector)
    return folder


class Planted:
    """A copy of a model folder with a module that leaves a mark when it is run, and settings that ask for it."""

    def __init__(self, source: Path, folder: Path):
        self.folder, self._mark = folder, folder.with_name("has_run")
        shutil.copytree(source, folder)
        (folder / "planted.py").write_text(CODE.format(mark=self._mark), encoding="utf-8")

    def edit(self, file: str, **settings: Any) -> "Planted":
        path = self.folder / file
        content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        path.write_text(json.dumps({**content, **settings}), encoding="utf-8")
        return self

    def edit_part(self, part: str, **settings: Any) -> "Planted":
        config = json.loads((self.folder / "config.json").read_text(encoding="utf-8"))
        return self.edit("config.json", **{part: {**config[part], **settings}})

    @property
    def has_run(self) -> bool:
        return self._mark.exists()


@pytest.fixture
def plant(folders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Planted]:
    """A planted copy of one of `folders`; whoever asks on standard input is told yes."""
    monkeypatch.setattr(builtins, "input", lambda prompt="": "y")
    return lambda name: Planted(folders / name, tmp_path / "model")


# ---- no code of a folder runs ----------------------------------------------------------------------------------------------------


LOADS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "a checkpoint": ("linear", load_checkpoint),
    "a checkpoint with our code": ("mlp", load_checkpoint),
    "an engine": ("linear", lambda folder: Engine.from_folder(folder, device="cpu")),
    "a text donor": ("text", check_text_donor),
    "a vision donor": ("vision", read_vision_donor),
    "features of a vision donor": ("vision", lambda folder: sides_in(folder, None)),
}


@pytest.mark.parametrize("load", LOADS)
def test_a_model_that_only_its_own_code_knows_is_refused_and_nothing_runs_or_asks(load, plant):
    name, function = LOADS[load]
    planted = plant(name).edit("config.json", model_type="planted", auto_map=AUTO_MAP)
    with pytest.raises(ValueError, match=NEEDS_CODE):
        function(planted.folder)
    assert not planted.has_run


TOKENIZER_LOADS = {
    "a checkpoint": ("mlp", load_checkpoint),
    "a processor": ("mlp", SmVLMProcessor.from_pretrained),
    "the data check": ("text", lambda folder: processor_of_folder(folder, DataConfig())),
}


@pytest.mark.parametrize("load", TOKENIZER_LOADS)
def test_a_tokenizer_that_only_the_folders_code_knows_is_refused(load, plant):
    name, function = TOKENIZER_LOADS[load]
    planted = plant(name).edit("tokenizer_config.json", tokenizer_class="Planted", auto_map=AUTO_MAP)
    planted.edit("config.json", model_type="planted")
    with pytest.raises(ValueError, match=NEEDS_CODE):
        function(planted.folder)
    assert not planted.has_run


def test_an_image_processor_that_only_the_folders_code_knows_is_refused(plant):
    planted = plant("linear")
    settings = {"auto_map": AUTO_MAP, "image_processor_type": "Planted"}
    planted.edit("preprocessor_config.json", **settings).edit("processor_config.json", image_processor=settings)
    with pytest.raises(SettingsFileError, match="image_processor_type is 'Planted'; expected one of SmolVLMImageProcessor, "):
        SmVLMProcessor.from_pretrained(planted.folder)
    assert not planted.has_run


def test_code_for_a_part_of_a_known_model_does_not_run(plant):
    """transformers knows the configuration of a vision-encoder-decoder, but no class of its own for it as a text model."""
    planted = plant("linear")
    planted.edit_part("text_config", model_type="vision-encoder-decoder", auto_map=AUTO_MAP, _name_or_path=str(planted.folder))
    with pytest.raises(ValueError, match="Unrecognized configuration class"):
        load_checkpoint(planted.folder)
    assert not planted.has_run


@pytest.mark.parametrize("name", ["linear", "mlp"])
def test_a_known_kind_is_loaded_by_the_installed_class_whatever_code_lies_beside_it(name, plant, folders):
    planted = plant(name).edit("config.json", auto_map=AUTO_MAP).edit("tokenizer_config.json", auto_map=AUTO_MAP)
    (planted.folder / "custom_generate").mkdir()
    shutil.copy(planted.folder / "planted.py", planted.folder / "custom_generate/generate.py")
    model, _ = load_checkpoint(planted.folder)
    expected = load_checkpoint(folders / name)[0]
    assert type(model) is type(expected) and not planted.has_run
    assert all(torch.equal(mine, other) for mine, other in zip(model.state_dict().values(), expected.state_dict().values(), strict=True))


def test_infer_takes_nothing_from_standard_input_as_leave_to_run_code(plant):
    planted = plant("linear").edit("config.json", model_type="planted", auto_map=AUTO_MAP)
    command = [sys.executable, "infer.py", "--model", planted.folder, "图中有什么?"]
    done = subprocess.run(command, input="y\n" * 9, capture_output=True, text=True, cwd=ROOT)
    assert (done.returncode, done.stdout, planted.has_run) == (1, "", False)
    assert done.stderr == (
        f"infer.py: {planted.folder} can only be loaded by running code that it brings along (auto_map in its JSON files), which is never "
        "done. Give a model whose model_type, tokenizer_class and image_processor_type transformers itself knows.\n"
    )


def test_every_load_through_transformers_says_that_no_code_may_run():
    """`from_pretrained` of an Auto class asks where it is not told."""
    own = ("SmVLMProcessor", "Qwen3ForCausalLM", "nn.Embedding")  # the first is told inside, the others never look for code
    sources = [*ROOT.glob("*.py"), *(path for room in ("smvl", "demo", "benchmarks") for path in (ROOT / room).rglob("*.py"))]
    calls = {
        f"{path.relative_to(ROOT)}:{node.lineno}": {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}
        for path in sources
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "from_pretrained"
        if ast.unparse(node.func.value) not in own
    }
    assert len(calls) >= 5
    assert [place for place, keywords in calls.items() if keywords.get("trust_remote_code") != "False"] == []


# ---- nothing else is loaded, and files have bounds -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", ["processor_config.json", "audio_tokenizer_config.json"])
def test_a_processor_that_names_another_model_is_refused(file, plant):
    named = {"audio_tokenizer_class": "DacModel", "audio_tokenizer_name_or_path": "somebody/model"}
    planted = plant("linear").edit(file, **({"audio_tokenizer": named} if file == "processor_config.json" else named))
    with pytest.raises(ModelFolderError, match="names an audio tokenizer, a model of its own that nothing here uses. Take it out"):
        SmVLMProcessor.from_pretrained(planted.folder)


@pytest.mark.parametrize("file", ["config.json", "chat_template.jinja", "tokenizer.json", "vocab.txt"])
def test_a_file_larger_than_any_of_its_kind_is_refused_unread(file, plant, monkeypatch):
    folder = plant("linear").folder
    monkeypatch.setattr(settings_files, "_MOST_BYTES", 1 << 20)
    monkeypatch.setattr(settings_files, "_MOST_BYTES_OF_TOKENIZER", 1 << 20)
    with (folder / file).open("ab") as content:
        content.truncate((1 << 20) + 1)
    with pytest.raises(SettingsFileError, match=f"{file} has 1,048,577 bytes; at most 1,048,576 of such a file are read."):
        SmVLMProcessor.from_pretrained(folder)


def test_weights_are_not_counted_among_the_files_that_are_read_whole(plant, monkeypatch):
    monkeypatch.setattr(settings_files, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(settings_files, "_MOST_BYTES_OF_TOKENIZER", 100_000)
    folder = plant("linear").folder
    assert (folder / "model.safetensors").stat().st_size > 100_000
    assert read_config(folder).model_type == "smolvlm"


def test_more_layers_than_there_are_tensors_are_refused_before_they_are_built(plant):
    planted = plant("linear").edit_part("vision_config", num_hidden_layers=1_000_000)
    with pytest.raises(ValueError, match="config.json asks for 1,000,002 layers, but the weights hold 62 tensors."):
        load_checkpoint(planted.folder)


def test_layers_are_counted_by_the_name_that_a_kind_of_model_has_for_them(tmp_path):
    GPT2LMHeadModel(GPT2Config(n_layer=1, n_embd=8, n_head=2, vocab_size=60_000, n_positions=16)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    (tmp_path / "config.json").write_text(json.dumps({**config, "n_layer": 1_000}), encoding="utf-8")
    with pytest.raises(DonorError, match="config.json asks for 1,000 layers, but the weights hold 16 tensors."):
        load_text(tmp_path, dtype=torch.float32, attention="sdpa")


def test_a_vision_encoder_is_compared_with_its_weights_before_it_is_built(plant):
    for settings, complaint in {
        ("num_hidden_layers", 1_000): "config.json asks for 1,000 layers of the vision encoder, but its weights hold 37 tensors.",
        ("image_size", 10**5): "of another shape embeddings.position_embedding.weight. Download the folder again.",
        ("intermediate_size", 10**6): "of another shape encoder.layers.0.mlp.fc1.bias, .* Download the folder again.",
    }.items():
        planted = plant("vision").edit_part("vision_config", **dict([settings]))
        with pytest.raises(DonorError, match=complaint):
            load_tower(read_vision_donor(planted.folder), dtype=torch.float32, attention="sdpa")
        shutil.rmtree(planted.folder)


@pytest.mark.parametrize(
    "load", [load_checkpoint, lambda folder: load_text(folder, dtype=torch.float32, attention="sdpa")], ids=["checkpoint", "donor"]
)
def test_an_adapter_beside_a_model_is_refused_and_not_put_in(load, plant):
    name = "linear" if load is load_checkpoint else "text"
    planted = plant(name).edit("adapter_config.json", peft_type="LORA", r=1, target_modules=["q_proj"], base_model_name_or_path="other")
    with pytest.raises(ValueError, match="holds a model and an adapter beside it.* Merge the adapter into the model with peft, or take"):
        load(planted.folder)


def test_a_model_that_does_not_fit_into_memory_is_an_error_in_one_line(plant):
    planted = plant("linear").edit_part("text_config", vocab_size=10**12)
    with pytest.raises(ValueError, match="can't allocate memory"):
        load_checkpoint(planted.folder)


def test_a_package_that_is_not_installed_is_named_in_one_line(plant, monkeypatch):
    monkeypatch.setattr("transformers.utils.import_utils.BACKENDS_MAPPING", {"timm": (lambda: False, "{0} needs\n\ntimm.")})
    folder = plant("linear").edit("config.json", model_type="timm_wrapper", architecture="hf_hub:somebody/model").folder
    for load in (SmVLMProcessor.from_pretrained, read_config):
        with pytest.raises(ValueError) as caught:
            load(folder)
        expected = f"{folder} needs a package that is not installed, or is not what its config.json says: TimmWrapperConfig needs timm."
        assert str(caught.value) == expected


def test_other_errors_of_a_load_stay_what_they_are(tmp_path):
    with pytest.raises(ValueError, match="^something else$"), refusing_code(tmp_path):
        raise ValueError("something else")
