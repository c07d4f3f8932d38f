"""Strict YAML: text -> tree -> dataclasses, with dotted overrides; knows nothing of what is configured.

Strict means that nothing is guessed or dropped: an unknown or doubled key, a value of another type, or a missing key is
an error with the full dotted key. Types follow YAML 1.2, where `1e-3` is a number and `on` is a word.
"""

import dataclasses
import difflib
import re
import types
import typing
from typing import Any, TypeVar

import yaml

T = TypeVar("T")

KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
ANY_SCALAR = (bool, int, float, str, type(None))
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


class ConfigError(ValueError):
    """A mistake in a YAML file or in an override: what was found, what was expected, what to do."""


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's types (PyYAML has 1.1's) and without doubled keys."""

    yaml_implicit_resolvers: dict = {}

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {key.value!r} occurs twice", problem_mark=key.start_mark)
                seen.add(key.value)
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes text that either YAML version would read as something else."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


for _tag, _pattern, _first in (
    ("null", re.compile(r"~|null|Null|NULL|"), ["~", "n", "N", ""]),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE"), list("tTfF")),
    ("int", re.compile(r"[-+]?[0-9]+"), list("-+0123456789")),
    ("float", FLOAT, list("-+.0123456789")),
    ("merge", re.compile(r"<<"), ["<"]),
):
    _full = re.compile(f"(?:{_pattern.pattern})$")
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _full, _first)
    _Dumper.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", _full, _first)
# PyYAML reads a leading zero as octal; YAML 1.2 does not.
_Loader.add_constructor("tag:yaml.org,2002:int", lambda loader, node: int(loader.construct_scalar(node)))


def parse_yaml(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}{line}: not valid YAML: {problem}; correct this line") from error


def dump_yaml(tree: Any) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def apply_override(tree: dict, override: str) -> None:
    """Sets one `dotted.key=value` in the tree; whether the key exists in the schema is checked when it is built."""
    dotted, equals, text = override.partition("=")
    if not equals or not dotted:
        raise ConfigError(f"override {override!r}: expected key=value, for example stages.0.trainer.max_steps=20")
    value = parse_yaml(text, f"override {override!r}")
    *parents, last = split_key(dotted)
    node, path = tree, ""
    for part, following in zip(parents, [*parents[1:], last]):
        node, path = _descend(node, part, path, following), _join(path, part)
    if isinstance(node, list):
        node[_list_index(node, last, path)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"override {override!r}: {path} is {describe(node)}, which has no keys")


def split_key(dotted: str) -> list[str]:
    """Splits at dots, except in what follows `.lr.`: parts of the model have dots in their names."""
    head, lr, part = dotted.partition(".lr.")
    return [*head.split("."), "lr", part] if lr else head.split(".")


def _descend(node: Any, part: str, path: str, following: str) -> Any:
    here = _join(path, part)
    if isinstance(node, list):
        return node[_list_index(node, part, path)]
    if not isinstance(node, dict):
        raise ConfigError(f"{here}: {path} is {describe(node)}, which has no keys; set {path} as a whole")
    if node.get(part) is None:  # a section that the file leaves out can still be overridden
        if following.isdecimal():
            raise ConfigError(f"{here}.{following}: the list {here} is not there yet; set it as a whole, {here}=[...]")
        node[part] = {}
    return node[part]


def _list_index(node: list, part: str, path: str) -> int:
    if not (part.isdecimal() and int(part) < len(node)):
        expected = f"an index from 0 to {len(node) - 1}" if node else f"no index, the list is empty; set {path}=[...]"
        raise ConfigError(f"{_join(path, part)}: found {part!r}, expected {expected}")
    return int(part)


def build(kind: Any, value: Any, key: str = "") -> Any:
    """Checks `value` against a type hint and returns it as that type; `key` is where it stands."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, value, key)
    if origin in (types.UnionType, typing.Union):  # Literal[...] | None is the second
        return None if value is None else build(arguments[0], value, key)
    if origin is typing.Literal:
        return _build_choice(arguments, value, key)
    if origin is list:
        return [build(arguments[0], item, _join(key, index)) for index, item in enumerate(_expect(list, value, key))]
    if origin is dict:
        return _build_dict(arguments[1], value, key)
    if kind is Any:
        return _build_any(value, key)
    return _expect(kind, value, key)


def _build_dataclass(kind: type[T], value: Any, key: str) -> T:
    hints = typing.get_type_hints(kind)
    for name in _expect(dict, value, key):
        if name not in hints:
            raise ConfigError(_unknown_key(name, list(hints), key))
    for field in dataclasses.fields(kind):
        if field.name not in value and field.default is field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{_join(key, field.name)}: missing; this key is required, add it")
    values = {name: build(hints[name], item, _join(key, name)) for name, item in value.items()}
    try:
        return kind(**values)
    except ConfigError as error:  # a dataclass names its own field; only here is it known where it stands
        raise ConfigError(_join(key, error)) from None


def _unknown_key(name: Any, valid: list[str], key: str) -> str:
    near = difflib.get_close_matches(str(name), valid, n=1, cutoff=0.0)[0]
    return f"{_join(key, name)}: unknown key; did you mean {_join(key, near)}? Valid here: {', '.join(valid)}"


def _build_choice(choices: tuple, value: Any, key: str) -> Any:
    if value not in choices:
        raise ConfigError(f"{key}: found {describe(value)}, expected one of {', '.join(map(str, choices))}")
    return value


def _build_dict(kind: Any, value: Any, key: str) -> dict:
    for name in _expect(dict, value, key):
        if not isinstance(name, str):
            raise ConfigError(f"{_join(key, name)}: found {describe(name)} as a key, expected text; quote it")
    return {name: build(kind, item, _join(key, name)) for name, item in value.items()}


def _build_any(value: Any, key: str) -> Any:
    if isinstance(value, dict):
        return _build_dict(Any, value, key)
    if isinstance(value, list):
        return [_build_any(item, _join(key, index)) for index, item in enumerate(value)]
    if not isinstance(value, ANY_SCALAR):
        raise ConfigError(f"{key}: found {describe(value)}, expected text, a number, true, false, null, a list or a mapping")
    return value


def _expect(kind: type, value: Any, key: str) -> Any:
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:  # not isinstance: true is an int to Python, never to a user
        raise ConfigError(f"{key or 'the file'}: found {describe(value)}, expected {KIND_NAMES[kind]}")
    return value


def describe(value: Any) -> str:
    """A value as a message shows it: itself and its kind."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    kind = KIND_NAMES.get(type(value), type(value).__name__)
    return kind if isinstance(value, (list, dict)) else f"{value!r} ({kind})"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
