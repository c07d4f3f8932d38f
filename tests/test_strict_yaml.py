"""Strict YAML: hostile files end at once, in one line that names the key, and a file of another kind is not shown."""

import time
from pathlib import Path

import pytest

from smvl.infer.settings import Settings, check_paths, read_settings
from smvl.strict_yaml import MAX_CHARACTERS, ConfigError, apply_override, build, describe, parse_yaml, read_yaml, where_looked

PASSWORDS = "root:$6$salt$hash:20228:0:99999:7:::\n"
ACCOUNTS = "root:x:0:0:root:/root:/bin/sh\ndaemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"


def message_of(text: str) -> str:
    began = time.perf_counter()
    with pytest.raises(ConfigError) as error:
        parse_yaml(text, "a.yaml")
    assert time.perf_counter() - began < 5
    message = str(error.value)
    assert len(message) < 400 and message.isprintable()
    return message


def tower(first: str, level: str, num_levels: int) -> str:
    """`num_levels` values, each of which names the one before ten times."""
    names = [f"a{number}" for number in range(num_levels)]
    levels = [f"{name}: &{name} " + level.format(",".join([f"*{before}"] * 10)) for before, name in zip(names, names[1:])]
    return "trainer:\n  " + "\n  ".join([f"a0: &a0 {first}", *levels])


DEEP = "found lists and mappings within each other, deeper than 32; write it shorter"
TOO_MUCH = "found aliases (*name) that expand to more than 1,000,000 characters; write it shorter"

HOSTILE = {
    "lists in lists": ("trainer: " + "[" * 5000 + "]" * 5000, DEEP),
    "mappings in mappings": ("trainer: " + "{a: " * 5000 + "1" + "}" * 5000, DEEP),
    "indented mappings": ("\n".join("  " * depth + "a:" for depth in range(500)), DEEP),
    "lists that are never closed": ("trainer: " + "[" * 5000, DEEP),
    "a bomb of lists": (tower("[x, x, x]", "[{}]", 12), f"a.yaml: trainer.a6: {TOO_MUCH}"),
    "a bomb of mappings": (tower("{x: 1}", "{{<<: [{}]}}", 12), f"a.yaml: trainer.a6.<<: {TOO_MUCH}"),
    "a bomb of one long text": (tower("x" * 50_000, "[{}]", 4), f"a.yaml: trainer.a2: {TOO_MUCH}"),
    "aliases in a row": (
        "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000)),
        "a.yaml: a32: found aliases (*name) within each other, deeper than 32; write it shorter",
    ),
    "an alias in itself": ("a: &a [1, *a]", "a.yaml: an alias (*name) holds itself; write the value out"),
    "a merge of itself": ("a: &a {<<: *a}", "a.yaml: an alias (*name) holds itself; write the value out"),
    "400 digits": (f"seed: {'1' * 400}", "a.yaml: seed: found a whole number of 400 digits, expected at most 18; write it shorter"),
    "5000 digits": (
        f"a: [1, {{b: -{'1' * 5000}}}]",
        "a.yaml: a.1.b: found a whole number of 5000 digits, expected at most 18; write it shorter",
    ),
    "a tag of another type": ("a: !!int x", "a.yaml, line 1: not valid YAML: 'x' cannot be read as int; correct this line"),
    "a date that is none": ("a: !!timestamp x", "a.yaml, line 1: not valid YAML: 'x' cannot be read as timestamp; correct this line"),
    "a truth that is none": ("a: !!bool x", "a.yaml, line 1: not valid YAML: 'x' cannot be read as bool; correct this line"),
    "a zero byte": ("a: \0", "a.yaml: not valid YAML: unacceptable character #x0000: special characters are not allowed"),
    "a long tag": (f"a: !<{'x' * 3000}> 1", "a.yaml, line 1: not valid YAML: could not determine a constructor for the tag 'xxx"),
    "a long alias": (f"a: *{'x' * 3000}", "a.yaml, line 1: not valid YAML: found undefined alias 'xxx"),
    "a long doubled key": (f"{{{'x' * 200}: 1, {'x' * 200}: 2}}", "(202 characters) occurs twice; correct this line"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_text_ends_at_once_in_one_short_line(name: str) -> None:
    text, message = HOSTILE[name]
    assert message in message_of(text)


def test_depth_and_digits_up_to_the_bounds_are_read() -> None:
    assert parse_yaml("a: " + "[" * 30 + "]" * 30, "a.yaml") is not None
    assert parse_yaml(f"a: -{'9' * 18}", "a.yaml") == {"a": -(10**18 - 1)}


def test_an_override_changes_one_of_two_places_that_share_an_alias() -> None:
    tree = parse_yaml("a: &x {steps: 1}\nb: *x\nc: [*x]", "a.yaml")
    apply_override(tree, "b.steps=2")
    assert tree == {"a": {"steps": 1}, "b": {"steps": 2}, "c": [{"steps": 1}]}


@pytest.mark.parametrize("override", [".".join("a" * 3000) + "=1", f"a={'9' * 400}", "x" * 3000, "a=" + "[" * 3000, f"b.{'0' * 5000}=1"])
def test_a_hostile_override_ends_in_one_short_line(override: str) -> None:
    with pytest.raises(ConfigError) as error:
        apply_override({"b": [1]}, override)
    assert len(str(error.value)) < 400 and str(error.value).isprintable()


def test_a_file_that_holds_no_settings_is_not_shown(tmp_path: Path) -> None:
    path = tmp_path / "accounts"
    path.write_text(ACCOUNTS, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_settings(path)
    assert str(error.value) == f"{path}: found text, expected options of infer.py; see configs/infer/edge.yaml"


def test_a_line_that_reads_as_a_key_is_not_shown(tmp_path: Path) -> None:
    """It ends in a colon, and nothing follows."""
    path = tmp_path / "passwords"
    path.write_text(PASSWORDS, encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{path}: (a key of 35 characters that is no name): unknown key; did you mean ")
    assert "hash" not in str(error.value)


def test_of_a_long_value_the_first_characters_are_shown() -> None:
    assert describe("x" * 1000) == f"'{'x' * 59}... (1,002 characters) (text)"
    with pytest.raises(ConfigError) as error:
        build(Settings, {"a\nb": 1})
    assert str(error.value).startswith("(a key of 3 characters that is no name): unknown key; did you mean ")


def test_a_file_without_end_is_refused_by_its_size(tmp_path: Path) -> None:
    path = tmp_path / "long.yaml"
    path.write_text("#" * (MAX_CHARACTERS + 1), encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        read_yaml(path, "train.yaml")
    assert str(error.value) == f"cannot read {path}: it has more than 1,000,000 characters; give the path of a YAML file such as train.yaml"


def test_a_path_that_can_be_none_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"cannot read 'a\\x00b': embedded null byte; give the path of a YAML file such as train.yaml"):
        read_yaml("a\0b", "train.yaml")


# ---- relative paths ----------------------------------------------------------------------------------------------------------------


def test_a_path_that_is_not_there_is_looked_for_from_the_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as `model/qwen` of a recipe in configs/, read by someone who started in another folder than the project's."""
    (tmp_path / "project/configs").mkdir(parents=True)
    (tmp_path / "project/model").mkdir()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    recipe = tmp_path / "project/configs/a.yaml"
    counted = f" Relative paths count from the current folder, {tmp_path}/elsewhere, not from that of the YAML file, {recipe.parent}"
    assert where_looked("model", recipe) == f"{counted}; model is in {tmp_path}/project: start there."
    assert where_looked("no_model", recipe) == f"{counted}."
    assert where_looked("model", None) == f" Relative paths count from the current folder, {tmp_path}/elsewhere."
    assert where_looked("/model", recipe) == ""


def test_beside_the_file_one_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert where_looked("model", "a.yaml") == f" Relative paths count from the current folder, {tmp_path}."


def test_what_infer_is_told_by_its_file_must_be_there(tmp_path: Path) -> None:
    settings = Settings(model=str(tmp_path / "none"), image=[str(tmp_path / "none.png")])
    for model, images, key, path in [(settings.model, [], "model", "none"), ("other", settings.image, "image", "none.png")]:
        with pytest.raises(ConfigError) as error:
            check_paths(settings, "a.yaml", model=model, images=images)
        assert str(error.value) == f"a.yaml: {key}: there is no {tmp_path}/{path}."
    check_paths(settings, "a.yaml", model="other", images=[])
