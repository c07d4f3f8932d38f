"""Donors and checkpoints whose settings somebody spoilt: one line that names the file, whatever is in it.

python -m pytest tests/test_settings_files.py
"""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import smvl
from smvl.assemble import CheckpointError, load_checkpoint
from smvl.export.checkpoint import ExportError, open_checkpoint
from smvl.infer.budget.plan import plan_budget
from smvl.infer.engine import Engine
from smvl.infer.manifest import ExportFolderError, check_files
from smvl.infer.onnx_folder import FORMAT
from smvl.model.saving import save_model
from smvl.processing.chat_template import default_chat_template
from smvl.settings_files import SettingsFileError, read_object, reading
from tests.donors import save_text_donor, save_vision_donor


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Donors `vision` and `text`, and `checkpoint`, their splice."""
    folder = tmp_path_factory.mktemp("saved")
    model, processor = smvl.splice(save_vision_donor(folder / "vision"), save_text_donor(folder / "text"))
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return folder


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    return shutil.copytree(saved, tmp_path / "copied")


def refusal(action: Callable, *arguments: Path) -> str:
    with pytest.raises(ValueError) as error:
        action(*arguments)
    message = str(error.value)
    assert "\n" not in message and len(message) < 900, message
    return message


def load_all(folder: Path, name: str) -> str:
    """What splicing or loading says of the spoilt file `name`."""
    return refusal(load_checkpoint, folder / "checkpoint") if name.startswith("checkpoint") else refusal(splice, folder)


def splice(folder: Path) -> None:
    smvl.splice(folder / "vision", folder / "text")


NO_OBJECTS = {
    "nothing": b"",
    "null": b"null",
    "a list": b"[]",
    "a number": b"3",
    "a text": b'"x"',
    "true": b"true",
    "no text": b"\xff\xfe\x00\x01",
}
NO_OBJECTS |= {"a beginning": b'{"a": ', "lists in lists": b"[" * 100_000}
FILES = [f"vision/{name}" for name in ("config.json", "preprocessor_config.json")]
FILES += [f"text/{name}" for name in ("config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json")]
FILES += [f"checkpoint/{name}" for name in ("config.json", "generation_config.json", "preprocessor_config.json", "processor_config.json")]
FILES += ["checkpoint/tokenizer.json", "checkpoint/tokenizer_config.json"]


@pytest.mark.parametrize("content", NO_OBJECTS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_holds_no_object_is_named(folder, name, content):
    (folder / name).write_bytes(NO_OBJECTS[content])
    message = load_all(folder, name)
    assert str(folder / name) in message or (name.endswith("/tokenizer.json") and str((folder / name).parent) in message)


@pytest.mark.parametrize("name", ["checkpoint/special_tokens_map.json", "text/added_tokens.json", "text/model.safetensors.index.json"])
def test_a_file_that_need_not_be_there_is_named_too(folder, name):
    (folder / name).write_text("null", encoding="utf-8")
    assert f"{folder / name} holds null; expected a JSON object." in load_all(folder, name)


def spoil(path: Path, dotted: str, value: object) -> None:
    tree = json.loads(path.read_text(encoding="utf-8"))
    *parents, last = dotted.split(".")
    node = tree
    for key in parents:
        node = node[key]
    node[last] = value
    path.write_text(json.dumps(tree), encoding="utf-8")


WRONG_VALUES = [
    ("vision/config.json", "vision_config", ""),
    ("vision/config.json", "vision_config.image_size", "image_size"),
    ("vision/config.json", "vision_config.hidden_act", ""),
    ("vision/config.json", "scale_factor", "scale_factor"),
    ("vision/preprocessor_config.json", "image_mean", "image_mean is {value}; expected three numbers"),
    ("vision/preprocessor_config.json", "image_std", "image_std is {value}; expected three numbers above 0"),
    ("vision/preprocessor_config.json", "resample", "resample is {value}; expected 0 to 5"),
    ("text/config.json", "model_type", ""),
    ("text/config.json", "hidden_size", "hidden_size"),
    ("text/config.json", "rope_parameters.rope_theta", ""),
    ("text/tokenizer_config.json", "model_max_length", ""),
    ("text/tokenizer.json", "model", "tokenizer"),
    ("text/tokenizer.json", "added_tokens", "tokenizer"),
    ("checkpoint/config.json", "text_config", "config.json has no text_config with a model_type"),
    ("checkpoint/config.json", "vision_config", "config.json has no vision_config with a model_type"),
    ("checkpoint/generation_config.json", "eos_token_id", "generation_config.json: eos_token_id is "),
    ("checkpoint/processor_config.json", "image_seq_len", "image_seq_len"),
    ("checkpoint/processor_config.json", "image_processor.image_mean", "image_mean is "),
    ("checkpoint/processor_config.json", "image_processor.rescale_factor", "rescale_factor is {value}; expected a number above 0."),
    ("checkpoint/processor_config.json", "image_processor.do_normalize", "do_normalize is {value}; expected true, as in training."),
    ("checkpoint/tokenizer.json", "model.vocab", "processor"),
]


@pytest.mark.parametrize("value", [None, [], "x", {"a": 1}], ids=repr)
@pytest.mark.parametrize(("name", "key", "told"), WRONG_VALUES)
def test_a_value_of_another_kind_is_told_in_one_line_that_names_the_folder(folder, name, key, told, value):
    if (key, value) in (("model_max_length", None), ("added_tokens", [])) :
        pytest.skip("nothing is wrong with these: no limit, and no tokens")
    spoil(folder / name, key, value)
    message = load_all(folder, name)
    assert str((folder / name).parent) in message and told.format(value=repr(value)) in message


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("checkpoint/processor_config.json", "cannot be loaded: it has no processor_config.json with image_seq_len; copy the folder whole"),
        ("checkpoint/tokenizer.json", "checkpoint has no tokenizer.json; copy the folder whole."),
        ("checkpoint/generation_config.json", "generation_config.json: eos_token_id is []; expected ids of tokens."),
        ("text/tokenizer.json", "has 1 tokens; expected tokenizer.json and tokenizer_config.json. Download the folder again."),
    ],
)
def test_a_file_that_is_missing_is_named(folder, name, told):
    (folder / name).unlink()
    if name.startswith("text"):
        (folder / "text/tokenizer_config.json").unlink()
    assert told in load_all(folder, name)


def test_files_of_two_checkpoints_are_refused(folder):
    spoil(folder / "checkpoint/processor_config.json", "image_seq_len", 5)
    told = "the processor has tiles of 32 pixels and image_seq_len 5, but by config.json the encoder reads 32 at most and makes 4 features"
    assert told in load_all(folder, "checkpoint")


def test_a_processor_with_smaller_tiles_than_the_model_was_trained_on_is_refused(folder):
    spoil(folder / "checkpoint/processor_config.json", "image_seq_len", 1)
    spoil(folder / "checkpoint/processor_config.json", "image_processor.max_image_size", {"longest_edge": 16})
    assert "says that a tile has 32 pixels and 4 features, but processor_config.json says 16 and 1." in load_all(folder, "checkpoint")


@pytest.mark.parametrize("template", ["{{ messages", "{% for message in messages %}{{ message.role }}{% endfor %}"])
def test_a_chat_template_that_shows_no_image_is_refused(folder, template):
    (folder / "checkpoint/chat_template.jinja").write_text(template, encoding="utf-8")
    message = load_all(folder, "checkpoint")
    assert f"the processor in {folder / 'checkpoint'} cannot be loaded: " in message


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "preprocessor_config.json", "tokenizer.json"])
@pytest.mark.parametrize("content", ["null", "[]", "3", "{"])
def test_an_export_names_the_file_of_its_checkpoint(folder, name, content):
    (folder / "checkpoint" / name).write_text(content, encoding="utf-8")
    with pytest.raises(ExportError, match=f"checkpoint/{name} (cannot be read|holds .*; expected a JSON object)"):
        open_checkpoint(folder / "checkpoint")


@pytest.mark.parametrize("files", [None, [], {"a": None}, {"a": {"size": "3"}}, "x"], ids=repr)
def test_a_manifest_that_lists_no_files_is_refused(tmp_path, files):
    (tmp_path / "export.json").write_text(json.dumps({"format": FORMAT, "files": files}), encoding="utf-8")
    with pytest.raises(ExportFolderError, match="export.json does not list the export's files. Copy it again"):
        check_files(tmp_path, FORMAT)


@pytest.mark.parametrize("key", ["vision_config.num_attention_heads", "text_config.max_position_embeddings"])
@pytest.mark.parametrize("size", [0, -1])
def test_a_size_that_is_none_is_told_before_an_answer(folder, key, size):
    spoil(folder / "checkpoint/config.json", key, size)
    assert f"checkpoint/config.json: {key} is {size}; expected at least 1." in refusal(load_checkpoint, folder / "checkpoint")


@pytest.mark.parametrize("value", [None, [], {"a": 1}, "x", -1, 1e30, True], ids=repr)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("config.json", "text_config.intermediate_size"),
        ("config.json", "vision_config.hidden_size"),
        ("config.json", "scale_factor"),
        ("preprocessor_config.json", "size.longest_edge"),
    ],
)
def test_a_memory_budget_names_the_size_that_is_none(folder, name, key, value):
    spoil(folder / "checkpoint" / name, key, value)
    where = f"checkpoint/{name}: {key.replace('.', ': ')} is {value!r}; expected a whole number above 0."
    assert where in refusal(lambda: plan_budget(str(folder / "checkpoint"), "4GB"))


def test_what_does_not_fit_is_named_by_its_first_tensors(folder):
    spoil(folder / "checkpoint/config.json", "vision_config.num_hidden_layers", 9)
    message = refusal(load_checkpoint, folder / "checkpoint")
    assert "do not match its config.json: missing_keys model.vision_model.encoder.layers.2.layer_norm1.bias, " in message
    assert message.endswith(" and 109 more.")


def test_a_tokenizer_at_which_tokenizers_gives_up_is_named(folder):
    spoil(folder / "text/tokenizer.json", "model.continuing_subword_prefix", "../..")
    assert str(folder / "text") in refusal(splice, folder)


def test_an_interrupt_is_no_fault_of_a_file():
    with pytest.raises(KeyboardInterrupt), reading("a/b cannot be read"):
        raise KeyboardInterrupt


def test_reading_keeps_the_cause_and_says_the_class_of_an_error_without_words():
    with pytest.raises(SettingsFileError, match="^a/b cannot be read: IndexError$") as error:
        with reading("a/b cannot be read"):
            raise IndexError
    assert isinstance(error.value.__cause__, IndexError)
    with pytest.raises(CheckpointError, match="^as it is$"):
        with reading("a/b cannot be read", CheckpointError):
            raise CheckpointError("as it is")


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}", encoding="utf-8")
    path.chmod(0)
    with pytest.raises(SettingsFileError, match="config.json cannot be read .*Permission denied"):
        read_object(path)


NAMED_PIPES = ["model.safetensors", "config.json", "tokenizer.json", "chat_template.jinja", "export.json"]
NAMED_PIPES += ["additional_chat_templates/other.jinja"]


@pytest.mark.skipif(os.name != "posix", reason="named pipes are posix")
@pytest.mark.parametrize("name", NAMED_PIPES)
def test_a_named_pipe_in_a_folder_is_refused_by_name_and_not_waited_for(folder, name):
    path = folder / "checkpoint" / name
    path.parent.mkdir(exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    message = refusal(Engine.from_folder, folder / "checkpoint")
    told = "has no config.json" if name == "config.json" else f"{path} is a named pipe; expected a file."
    assert told in message
    assert f"{path} is a named pipe; expected a file." in refusal(open_checkpoint, folder / "checkpoint")


@pytest.mark.skipif(os.name != "posix", reason="named pipes are posix")
def test_a_shard_that_is_a_named_pipe_is_refused_wherever_it_lies(folder):
    os.mkfifo(folder / "pipe.safetensors")
    index = {"metadata": {}, "weight_map": {"a": "../pipe.safetensors", "b": "missing.safetensors"}}
    (folder / "checkpoint/model.safetensors.index.json").write_text(json.dumps(index), encoding="utf-8")
    assert "/../pipe.safetensors is a named pipe; expected a file." in load_all(folder, "checkpoint")


@pytest.mark.skipif(os.name != "posix", reason="devices are posix")
@pytest.mark.parametrize("name", ["vision/model.safetensors", "text/model.safetensors", "text/vocab.txt", "vision/README"])
def test_a_device_in_the_place_of_a_file_of_a_donor_is_refused_by_name(folder, name):
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to("/dev/zero")
    assert f"{folder / name} is a device; expected a file." in refusal(splice, folder)


def test_a_link_that_leads_nowhere_is_named(folder):
    (folder / "checkpoint/chat_template.jinja").unlink()
    (folder / "checkpoint/chat_template.jinja").symlink_to("elsewhere")
    assert f"{folder / 'checkpoint/chat_template.jinja'} cannot be read ([Errno 2]" in load_all(folder, "checkpoint")


def test_what_lies_in_hidden_folders_and_links_to_files_are_no_fault(folder):
    (folder / "checkpoint/.git").mkdir()
    (folder / "checkpoint/.git/link").symlink_to("elsewhere")
    weights = folder / "checkpoint/model.safetensors"
    weights.rename(folder / "weights")
    weights.symlink_to("../weights")
    load_checkpoint(folder / "checkpoint")


NO_NUMBERS = [("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf"), ("1e999", "inf"), ('{"__float__": "NaN"}', "NaN")]


@pytest.mark.parametrize(("written", "told"), NO_NUMBERS)
@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("checkpoint/config.json", "text_config.rms_norm_eps"),
        ("checkpoint/generation_config.json", "eos_token_id.0"),
        ("checkpoint/tokenizer_config.json", "model_max_length"),
        ("text/config.json", "rms_norm_eps"),
        ("vision/preprocessor_config.json", "image_mean.1"),
    ],
)
def test_a_number_that_is_none_is_refused_by_file_and_key(folder, name, key, written, told):
    tree = json.loads((folder / name).read_text(encoding="utf-8"))
    *parents, last = [int(part) if part.isdecimal() else part for part in key.split(".")]
    node = tree
    for parent in parents:
        node = node[parent]
    node[last] = "HERE"
    (folder / name).write_text(json.dumps(tree).replace('"HERE"', written), encoding="utf-8")
    where = key + (".__float__" if "__float__" in written else "")
    assert f"{folder / name}: {where} is {told}, which is no finite number." in load_all(folder, name)


def without_template(folder: Path, how: str) -> None:
    path = folder / "chat_template.jinja"
    path.unlink()
    if how == "a folder":
        path.mkdir()
    elif how != "deleted":
        path.write_text({"emptied": "", "blank": " \n", "a mark alone": "\ufeff"}[how], encoding="utf-8")


@pytest.mark.parametrize("how", ["deleted", "emptied", "blank", "a mark alone", "a folder"])
def test_without_its_own_file_a_template_is_taken_from_the_tokenizers_and_never_the_projects(folder, how):
    """They differ in what a prompt opens with that does not say whether to think."""
    _, processor = load_checkpoint(folder / "checkpoint")
    processor.think_by_default(False)
    processor.save_pretrained(folder / "checkpoint")
    without_template(folder / "checkpoint", how)
    assert load_checkpoint(folder / "checkpoint")[1].chat_template == processor.chat_template != default_chat_template()
    assert "thinks_by_default = false" in open_checkpoint(folder / "checkpoint").chat_template
    settings = json.loads((folder / "checkpoint/tokenizer_config.json").read_text(encoding="utf-8"))
    (folder / "checkpoint/tokenizer_config.json").write_text(json.dumps({**settings, "chat_template": None}), encoding="utf-8")
    assert f"{folder / 'checkpoint'} has no chat template; expected one in chat_template.jinja." in load_all(folder, "checkpoint")
    assert "has no chat template; expected one in chat_template.jinja." in refusal(open_checkpoint, folder / "checkpoint")


@pytest.mark.parametrize("name", ["chat_template.jinja", "tokenizer_config.json"])
def test_a_template_is_read_without_the_mark_that_some_editors_begin_a_file_with(folder, name):
    path = folder / "checkpoint/chat_template.jinja"
    template = path.read_text(encoding="utf-8")
    if name == path.name:
        path.write_text("\ufeff" + template, encoding="utf-8")
    else:
        path.unlink()
        spoil(folder / "checkpoint" / name, "chat_template", "\ufeff" + template)
    assert load_checkpoint(folder / "checkpoint")[1].chat_template == template
    assert "\ufeff" not in open_checkpoint(folder / "checkpoint").chat_template


def test_several_named_templates_in_the_place_of_one_are_refused(folder):
    (folder / "checkpoint/chat_template.jinja").unlink()
    spoil(folder / "checkpoint/tokenizer_config.json", "chat_template", [{"name": "default", "template": "x"}])
    assert "the chat template is of the type list; expected one text." in load_all(folder, "checkpoint")
    assert "the chat template is of the type list; expected one text." in refusal(open_checkpoint, folder / "checkpoint")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("text_config.hidden_act", "__import__", "an activation that transformers knows, such as silu"),
        ("vision_config.hidden_act", "nonesuch", "an activation that transformers knows, such as silu"),
        ("scale_factor", 0, "a whole number above 0"),
        ("scale_factor", -2, "a whole number above 0"),
        ("scale_factor", True, "a whole number above 0"),
        ("dtype", "float7", "a type of torch's, such as bfloat16"),
        ("torch_dtype", "Tensor", "a type of torch's, such as bfloat16"),
        ("text_config.dtype", 16, "a type of torch's, such as bfloat16"),
        ("text_config.rms_norm_eps", -1, "a number from 0 to 1"),
        ("text_config.rms_norm_eps", "1e-6", "a number from 0 to 1"),
        ("vision_config.layer_norm_eps", 1e9, "a number from 0 to 1"),
        ("text_config.rope_theta", 0, "a number above 0"),
    ],
)
def test_a_value_that_its_key_cannot_have_is_told_by_file_and_key(folder, key, value, expected):
    told = f"config.json: {key} is {value!r}; expected {expected}."
    spoil(folder / "checkpoint/config.json", key, value)
    assert f"checkpoint/{told}" in load_all(folder, "checkpoint")
    if key.startswith("text_config."):
        spoil(folder / "text/config.json", key.removeprefix("text_config."), value)
        assert f"text/{told.replace('text_config.', '')}" in refusal(splice, folder)
    else:
        spoil(folder / "vision/config.json", key, value)
        assert f"vision/{told}" in refusal(splice, folder)


@pytest.mark.parametrize("folder_", ["", " "])
def test_an_empty_path_is_told_as_such(folder_):
    assert "the folder of a model is empty; expected its path." in refusal(load_checkpoint, folder_)
