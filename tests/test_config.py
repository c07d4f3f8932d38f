"""Configuration: strict, one clear message for each mistake, and shipped recipes that load.

python -m pytest tests/test_config.py
"""

import ast
import dataclasses
import re
from pathlib import Path

import pytest

from smvl import config as config_module
from smvl import strict_yaml
from smvl.config import Config, ConfigError, dump_config, load_config
from smvl.trainer_keys import OWNED_TRAINER_KEYS

ROOT = Path(__file__).parents[1]
RECIPES = [ROOT / "train.yaml", *sorted((ROOT / "configs").glob("*.yaml"))]

MINIMAL = """
model: {vision: v, text: t}
stages:
  - name: align
    mixture: [{source: cauldron, path: data}]
    train: [connector, markers]
    trainer: {max_steps: 5}
output_dir: out
"""


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    return write(tmp_path, MINIMAL)


def write(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def message_of(path: Path, *overrides: str) -> str:
    with pytest.raises(ConfigError) as error:
        load_config(path, overrides)
    return str(error.value)


def test_defaults_fill_what_a_minimal_recipe_leaves_out(minimal: Path) -> None:
    config = load_config(minimal)
    assert (config.model.projector, config.model.scale_factor, config.data.image.tile) == ("linear", None, 512)
    assert (config.stages[0].mixture[0].weight, config.tracking.mode, config.seed) == (1.0, "local", 42)
    assert config.evaluation.heldout is None


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_shipped_recipes_load_and_survive_a_round_trip(recipe: Path, tmp_path: Path) -> None:
    config = load_config(recipe)
    assert load_config(write(tmp_path, dump_config(config))) == config


def test_text_that_looks_like_something_else_survives_a_round_trip(minimal: Path, tmp_path: Path) -> None:
    texts = ["1e-3", "1", "yes", "on", "null", "", "~", "true", "012", "2001-01-01", "1:30", "<<", "中文", "a: b", ".inf"]
    trainer = {"texts": texts, "numbers": [1, -2.5, 1e-9, 1e22, True, None], "nested": {"deep": [{}]}}
    config = load_config(minimal)
    config = dataclasses.replace(config, stages=[dataclasses.replace(config.stages[0], trainer=trainer)])
    loaded = load_config(write(tmp_path, dump_config(config)))
    assert loaded == config
    assert [type(number) for number in loaded.stages[0].trainer["numbers"]] == [int, float, float, float, bool, type(None)]


@pytest.mark.parametrize("text", ["1e-3", "1E-3", "1.e-3", "+1e-3", "0.001", ".001"])
def test_floats_in_every_spelling_are_numbers_everywhere(minimal: Path, text: str) -> None:
    config = load_config(minimal, [f"stages.0.trainer.learning_rate={text}", f"stages.0.lr.connector={text}"])
    assert config.stages[0].trainer["learning_rate"] == 0.001
    assert config.stages[0].lr == {"connector": 0.001}


def test_words_of_yaml_1_1_stay_words(minimal: Path) -> None:
    config = load_config(minimal, ["stages.0.name=on", "stages.0.trainer.a=1:30", "stages.0.trainer.b=010"])
    assert config.stages[0].name == "on"
    assert config.stages[0].trainer == {"max_steps": 5, "a": "1:30", "b": 10}


def test_overrides_set_scalars_lists_and_sections_that_the_file_leaves_out(minimal: Path) -> None:
    overrides = [
        "stages.0.trainer.max_steps=20",
        "stages.0.train=[connector]",
        "stages.0.unfreeze=[{at: 0.5, add: ['text.layers[-4:]']}]",
        "stages.0.lr.text.layers[-4:]=2e-5",
        "evaluation.heldout={source: jsonl, path: held}",
        "evaluation.heldout.split=test",
        "data.image.longest_edge=2048",
        "output_dir=a=b",
    ]
    config = load_config(minimal, overrides)
    stage = config.stages[0]
    assert (stage.trainer, stage.train, stage.lr) == ({"max_steps": 20}, ["connector"], {"text.layers[-4:]": 2e-5})
    assert (config.evaluation.heldout.path, config.evaluation.heldout.split) == ("held", "test")
    assert (config.data.image.longest_edge, config.output_dir) == (2048, "a=b")


@pytest.mark.parametrize("second", ["seed=2", "seed=1", "seed="])
def test_an_override_that_is_given_twice_is_refused(minimal: Path, second: str) -> None:
    with pytest.raises(ConfigError, match="^seed: found 'seed=1', expected each key once on the command line$"):
        load_config(minimal, ["seed=1", "output_dir=out", second])


NO_IMAGE_CHANGES = "stages.0.mixture.0.augment_images: found 'no change', expected a value above 0 of share and of"
DOES_NOTHING = {
    "stages.0.mixture.0.augment_images={share: 0.5}": NO_IMAGE_CHANGES,
    "stages.0.mixture.0.augment_images={}": NO_IMAGE_CHANGES,
    "stages.0.mixture.0.augment_images={blur: 0}": NO_IMAGE_CHANGES,
    "stages.0.mixture.0.augment_images={share: 0, blur: 0.3}": NO_IMAGE_CHANGES,
    "stages.0.mixture.0.augment_text={}": "stages.0.mixture.0.augment_text: found 'no change', expected a value above 0 of synonyms, ",
    "stages.0.mixture.0.augment_text={min_overlap: 0.1}": "stages.0.mixture.0.augment_text: found 'no change', expected a value above 0",
    "evaluation.heldout.weight=2": "evaluation.heldout.weight: found 2.0, expected nothing, as held-out samples are read as they are",
    "evaluation.heldout.augment_text={rephrase: 0.1}": "evaluation.heldout.augment_text: found TextAugmentConfig(",
    "evaluation.heldout.augment_images={blur: 0.1}": "evaluation.heldout.augment_images: found ImageAugmentConfig(",
}


@pytest.mark.parametrize("override", DOES_NOTHING)
def test_what_would_do_nothing_is_refused_by_its_key(minimal: Path, override: str) -> None:
    with pytest.raises(ConfigError) as error:
        load_config(minimal, ["evaluation.heldout={path: held}", override])
    assert str(error.value).startswith(DOES_NOTHING[override]) and "\n" not in str(error.value)


WRONG_OVERRIDES = {
    "stages.0.trainr.max_steps=1": "stages.0.trainr: unknown key; did you mean stages.0.trainer? "
    "Valid here: name, mixture, mix_by, prompts, text_share, long, objective, train, unfreeze, lr, lora, trainer",
    "modle.vision=x": "modle: unknown key; did you mean model? Valid here: "
    "model, data, stages, evaluation, sight, tracking, output_dir, save_on_signal, seed",
    "data.image.tiel=1": "data.image.tiel: unknown key; did you mean data.image.tile? "
    "Valid here: tile, longest_edge, min_pixels, max_pixels",
    "data.max_length=2k": "data.max_length: found '2k' (text), expected a whole number",
    "data.max_length=1.5": "data.max_length: found 1.5 (a number), expected a whole number",
    "data.workers=true": "data.workers: found true, expected a whole number",
    "data.packing=1": "data.packing: found 1 (a whole number), expected true or false",
    "data.packing=yes": "data.packing: found 'yes' (text), expected true or false",
    "model.vision=3": "model.vision: found 3 (a whole number), expected text",
    "output_dir=": "output_dir: found nothing (null), expected text",
    "stages.0.train=connector": "stages.0.train: found 'connector' (text), expected a list",
    "stages.0.lr=[1]": "stages.0.lr: found a list, expected a mapping",
    "stages.0.lr.connector=high": "stages.0.lr.connector: found 'high' (text), expected a number",
    "stages.0.trainer={1: 2}": "stages.0.trainer.1: found 1 (a whole number) as a key, expected text; quote it",
    "model.projector=mpl": "model.projector: found 'mpl' (text), expected one of linear, mlp",
    "model.scale_factor=0": "model.scale_factor: found 0, expected at least 1",
    "data.max_drop_share=5": "data.max_drop_share: found 5.0, expected a share from 0 to 1",
    "data.image.longest_edge=100": "data.image.longest_edge: found 100, expected at least one tile (512)",
    "stages.0.mixture.0.weight=0": "stages.0.mixture.0.weight: found 0.0, expected a finite number above 0",
    "stages.0.mixture.0.weight=.inf": "stages.0.mixture.0.weight: found inf, expected a finite number above 0",
    "stages.0.name=a/b": "stages.0.name: found 'a/b', expected letters, digits, - and _ (it becomes a folder)",
    "stages.0.train=[]": "stages.0.train: found [], expected at least one part, for example [connector, markers]",
    "stages.0.train=[a, a]": "stages.0.train: found 'a', expected each part once in `train` and `unfreeze` together",
    "stages.0.lr={text: 1}": "stages.0.lr: found 'text', expected a part that this stage trains: connector, markers",
    "stages.0.lr.connector=-1": "stages.0.lr.connector: found -1.0, expected a finite rate above 0",
    "stages.0.unfreeze=[{at: 1, add: [text]}]": "stages.0.unfreeze.0.at: found 1.0, expected a share above 0 and below 1 "
    "(what learns from the start is in `train`)",
    "stages.0.unfreeze=[{at: 0.5}]": "stages.0.unfreeze.0.add: missing; this key is required, add it",
    "stages.0.unfreeze=[{at: 0.5, add: [text]}, {at: 0.5, add: [vision]}]": "stages.0.unfreeze: found [0.5, 0.5], "
    "expected strictly increasing `at`; steps at the same share are one entry",
    "stages=[]": "stages: found [], expected at least one stage",
    "evaluation.batch_size=0": "evaluation.batch_size: found 0, expected at least 1",
    "evaluation.max_new_tokens=10000000000": "evaluation.max_new_tokens: found 10000000000, expected at most 1,000,000",
    "data.max_length=100000000000000": "data.max_length: found 100000000000000, expected at most 1,000,000",
    "data.look_ahead=2000000": "data.look_ahead: found 2000000, expected at most 1,000,000",
    "data.workers=-1": "data.workers: found -1, expected at least 0",
    "data.workers=100000": "data.workers: found 100000, expected at most 1,000",
    "data.scenes={folder: a, num_align: 1, num_finetune: 1, num_heldout: 10000000}": "data.scenes.num_heldout: found 10000000, "
    "expected at most 1,000,000",
    "stages.0.mixture.0.stream=0": "stages.0.mixture.0.stream: found 0, expected at least 1",
    "stages.0.mixture.0.weight=1e300": "stages.0.mixture.0.weight: found 1e+300, expected a number from 1e-09 to 1e+12",
    "stages.0.mixture.0.weight=1e-300": "stages.0.mixture.0.weight: found 1e-300, expected a number from 1e-09 to 1e+12",
    "stages.0.mixture.0.path=''": "stages.0.mixture.0.path: found '', expected a folder, a file, or the id of a data set on the hub",
    "model.text=''": "model.text: found '', expected a folder",
    'model.text="a\\0b"': "model.text: found 'a\\x00b' (text), expected text without zero bytes and halves of characters",
    'output_dir="\\ud800"': "output_dir: found '\\ud800' (text), expected text without zero bytes and halves of characters",
    f"stages.0.name={'a' * 65}": f"stages.0.name: found '{'a' * 59}... (67 characters), expected at most 64 characters",
    'stages.0={name: a, mixture: [{path: a}], train: ["x\\ny"], lr: {"x\\ny": 0}}': "stages.0.lr.'x\\ny': found 0.0, "
    "expected a finite rate above 0",
    "stages.0={name: a, mixture: [{path: a}], train: [lora], lora: {layers: x}}": "stages.0.lora.layers: found 'x', "
    "expected a slice of the text layers in brackets, for example '[-4:]'",
    "max_steps": "override 'max_steps': expected key=value, for example stages.0.trainer.max_steps=20",
    "=3": "override '=3': expected key=value, for example stages.0.trainer.max_steps=20",
    "stages.1.name=b": "stages.1: found '1', expected an index from 0 to 0",
    "stages.align.name=b": "stages.align: found 'align', expected an index from 0 to 0",
    "stages.0.unfreeze.0.at=0.5": "stages.0.unfreeze.0: the list stages.0.unfreeze is not there yet; "
    "set it as a whole, stages.0.unfreeze=[...]",
    "seed.x=1": "override 'seed.x=1': seed is 7 (a whole number), which has no keys",
    "seed=[": "override 'seed=[', line 1: not valid YAML: expected the node content, but found '<stream end>'; correct this line",
}


@pytest.mark.parametrize("override", WRONG_OVERRIDES)
def test_a_wrong_override_gives_one_clear_message(minimal: Path, override: str) -> None:
    assert message_of(minimal, "seed=7", override) == WRONG_OVERRIDES[override]


@pytest.mark.parametrize("key", OWNED_TRAINER_KEYS)
def test_trainer_keys_that_smvl_sets_are_refused_with_the_way_out(minimal: Path, key: str) -> None:
    advice = OWNED_TRAINER_KEYS[key]
    expected = f"stages.0.trainer.{key}: smvl sets this one itself; {advice}"
    assert message_of(minimal, f"stages.0.trainer.{key}=1") == expected


WRONG_FILES = {
    "": "{path}: found nothing, expected the keys model, stages and output_dir; see train.yaml",
    "- a\n": "{path}: found a list, expected the keys model, stages and output_dir; see train.yaml",
    "seed: 1\n": "model: missing; this key is required, add it",
    "a: 1\nb: [\n": "{path}, line 3: not valid YAML: expected the node content, but found '<stream end>'; correct this line",
    "a:\n\tb: 1\n": "{path}, line 2: not valid YAML: found character '\\t' that cannot start any token; correct this line",
    "a: 1\nb: 2\na: 3\n": "{path}, line 3: not valid YAML: the key 'a' occurs twice; correct this line",
    "a: {b: 1, b: 2}\n": "{path}, line 1: not valid YAML: the key 'b' occurs twice; correct this line",
    "a: !!python/name:os.system\n": "{path}, line 1: not valid YAML: could not determine a constructor for the tag "
    "'tag:yaml.org,2002:python/name:os.system'; correct this line",
}


@pytest.mark.parametrize("text", WRONG_FILES, ids=repr)
def test_a_wrong_file_gives_one_clear_message(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    assert message_of(path) == WRONG_FILES[text].format(path=path)


def test_two_stages_of_one_name_are_refused(tmp_path: Path) -> None:
    text = MINIMAL.replace("stages:\n", "stages:\n  - {name: align, mixture: [{source: s, path: p}], train: [connector]}\n")
    assert message_of(write(tmp_path, text)) == "stages: found 'align', expected each stage's `name` once"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.yaml"
    expected = f"cannot read {missing}: No such file or directory; give the path of a YAML file such as train.yaml"
    assert message_of(missing) == expected
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    assert message_of(binary).startswith(f"cannot read {binary}: it is not UTF-8 text;")


def test_anchors_and_merges_work_and_an_overridden_merge_key_is_not_a_double(tmp_path: Path) -> None:
    text = MINIMAL.replace("trainer: {max_steps: 5}", "trainer: {a: &x {m: 1, n: 2}, b: {<<: *x, m: 3}}")
    assert load_config(write(tmp_path, text)).stages[0].trainer["b"] == {"m": 3, "n": 2}


def test_an_alias_to_itself_is_refused(tmp_path: Path) -> None:
    text = MINIMAL.replace("trainer: {max_steps: 5}", "trainer: &x {again: *x}")
    path = write(tmp_path, text)
    assert message_of(path) == f"{path}: an alias (*name) holds itself; write the value out"


def test_every_field_is_documented_by_a_string_below_it() -> None:
    tree = ast.parse(Path(config_module.__file__).read_text(encoding="utf-8"))
    for node in (node for node in tree.body if isinstance(node, ast.ClassDef)):
        for field, following in zip(node.body, node.body[1:] + [None]):
            if isinstance(field, ast.AnnAssign):
                documented = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
                assert documented, f"{node.name}.{field.target.id} has no docstring below it"


@pytest.mark.parametrize("module", [config_module, strict_yaml], ids=lambda module: module.__name__)
def test_configuration_imports_nothing_heavy(module) -> None:
    imported = set()
    for node in ast.walk(ast.parse(Path(module.__file__).read_text(encoding="utf-8"))):
        imported |= {alias.name for alias in node.names} if isinstance(node, ast.Import) else set()
        imported |= {node.module} if isinstance(node, ast.ImportFrom) else set()
    assert not {name.split(".")[0] for name in imported} & {"torch", "transformers", "accelerate", "datasets", "swanlab"}


def test_every_key_of_the_documented_recipe_is_commented() -> None:
    lines = (ROOT / "train.yaml").read_text(encoding="utf-8").splitlines()
    for number, line in enumerate(lines):
        if re.match(r"\s*(- )?[a-z_]+:", line):
            commented = " # " in line or lines[number - 1].lstrip(" -").startswith("# ")
            assert commented, f"train.yaml line {number + 1} has no comment: {line}"


def test_recipes_give_the_trainer_only_what_the_installed_transformers_accepts(tmp_path: Path) -> None:
    training_arguments = pytest.importorskip("transformers").TrainingArguments
    valid = {field.name for field in dataclasses.fields(training_arguments)}
    for recipe in RECIPES:
        for stage in load_config(recipe).stages:
            assert set(stage.trainer) <= valid, f"{recipe.name}, stage {stage.name}"
            training_arguments(**{**stage.trainer, "output_dir": str(tmp_path), "use_cpu": True})


def test_every_key_of_the_configuration_stands_in_the_documented_recipe() -> None:
    text = (ROOT / "train.yaml").read_text(encoding="utf-8")
    left_out = {config_module.ScenesConfig, config_module.LoraConfig, config_module.DistortionConfig}  # null there; inherited
    sections = {kind for kind in vars(config_module).values() if dataclasses.is_dataclass(kind)} - left_out
    missing = {field.name for kind in sections for field in dataclasses.fields(kind) if not re.search(rf"\b{field.name}:", text)}
    assert missing == set()


def test_the_documented_recipe_mixes_in_fourteen_percent_text_and_holds_its_test_data_out() -> None:
    config = load_config(ROOT / "train.yaml")
    align, finetune = config.stages
    assert (align.text_share, finetune.text_share, finetune.mix_by) == (None, 0.14, "samples")
    for stage in config.stages:
        for kind in (False, True):
            weights = [source.weight for source in stage.mixture if source.text is kind]
            assert sum(weights) == pytest.approx(1) or not weights
    sources = [source for stage in config.stages for source in stage.mixture]
    trained = {subset for source in sources for subset in source.subsets}
    assert not trained & {"mimic_cgd", "localized_narratives", "okvqa", "ocrvqa", "clevr_math"}
    heldout = config.evaluation.heldout
    assert (heldout.source, heldout.split) == ("scenes", "validation")
    assert heldout.split not in {source.split for source in sources if source.path == heldout.path}


def test_a_config_cannot_be_changed_after_loading(minimal: Path) -> None:
    config: Config = load_config(minimal)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.seed = 1
