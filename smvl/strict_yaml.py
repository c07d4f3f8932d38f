"""Strict YAML: text -> tree -> dataclasses, with dotted overrides; knows nothing of what is configured.

Strict means that nothing is guessed or dropped: an unknown or doubled key, a value of another type, or a missing key is
an error with the full dotted key. Types follow YAML 1.2, where `1e-3` is a number and `on` is a word.

A file of another kind that is given by mistake is not shown: messages hold keys, and of a value its first characters.
"""

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import yaml

T = TypeVar("T")

KIND_NAMES = {bool: "true or false", int: "a whole number", float: "a number", str: "text", list: "a list", dict: "a mapping"}
ANY_SCALAR = (bool, int, float, str, type(None))
MAX_CHARACTERS = 1_000_000
"""Of a file, and of what its aliases expand to; a recipe has some thousands."""
MAX_DEPTH = 32
"""Lists and mappings within each other."""
MAX_DIGITS = 18
"""Of a whole number: as many as always fit into 64 bits."""
_MAX_SHOWN, _MAX_PROBLEM = 60, 200
FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


_NAME = re.compile(rf"[\w.-]{{1,{_MAX_SHOWN}}}")


class ConfigError(ValueError):
    """A mistake in a YAML file or in an override: what was found, what was expected, what to do."""


@contextmanager
def at_key(key: str) -> Iterator[None]:
    """Within, a message begins with the key whose mistake it tells; a path may be none that a disk can have."""
    try:
        yield
    except OSError as error:
        raise ConfigError(f"{key}: {shorten(str(error.filename))}: {error.strerror}") from error
    except ValueError as error:
        raise ConfigError(f"{key}: {error}") from error


class _Extent(NamedTuple):
    """What a value holds when its aliases are written out."""

    characters: int
    depth: int


class _Loader(yaml.SafeLoader):
    """SafeLoader with YAML 1.2's types (PyYAML has 1.1's), without doubled keys, and with bounds that no recipe comes near."""

    yaml_implicit_resolvers: dict = {}

    def __init__(self, text: str):
        super().__init__(text)
        self._keys: list[str] = []
        self._extents: dict[int, _Extent] = {}

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node:
        self._keys.append(str(index.value if isinstance(index, yaml.ScalarNode) else "" if index is None else index))
        self._check(len(self._keys) <= MAX_DEPTH, f"lists and mappings within each other, deeper than {MAX_DEPTH}")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        if id(node) not in self._extents:
            if is_alias:
                raise ConfigError("an alias (*name) holds itself; write the value out")
            self._extents[id(node)] = self._measure(node)
        self._keys.pop()
        return node

    def _measure(self, node: yaml.Node) -> _Extent:
        if isinstance(node, yaml.ScalarNode):
            num_digits = len(node.value.lstrip("+-")) if node.tag == "tag:yaml.org,2002:int" else 0
            self._check(num_digits <= MAX_DIGITS, f"a whole number of {num_digits} digits, expected at most {MAX_DIGITS}")
            return _Extent(1 + len(node.value), 0)
        parts = [part for pair in node.value for part in pair] if isinstance(node, yaml.MappingNode) else node.value
        extents = [self._extents[id(part)] for part in parts]
        extent = _Extent(1 + sum(part.characters for part in extents), 1 + max((part.depth for part in extents), default=0))
        self._check(extent.characters <= MAX_CHARACTERS, f"aliases (*name) that expand to more than {MAX_CHARACTERS:,} characters")
        self._check(extent.depth <= MAX_DEPTH, f"aliases (*name) within each other, deeper than {MAX_DEPTH}")
        return extent

    def _check(self, correct: bool, found: str) -> None:
        if not correct:
            key = ".".join(filter(None, self._keys))
            raise ConfigError(f"{f'{shown_key(key)}: ' if key else ''}found {found}; write it shorter")

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        try:
            return super().construct_object(node, deep)
        except (ValueError, KeyError, AttributeError) as error:  # what a tag such as !!int makes of a text that is none
            problem = f"{shorten(node.value)} cannot be read as {node.tag.rpartition(':')[2]}"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=node.start_mark) from error

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.MarkedYAMLError(problem=f"the key {shorten(key.value)} occurs twice", problem_mark=key.start_mark)
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


def read_yaml(path: str | Path, example: str) -> Any:
    """The tree in a file.

    Args:
        example: a file of the kind that is meant, for messages.

    Raises:
        ConfigError: it cannot be read, or is no YAML.
    """
    advice = f"give the path of a YAML file such as {example}"
    try:
        with open(path, encoding="utf-8") as file:
            text = file.read(MAX_CHARACTERS + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}; {advice}") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"cannot read {path}: it is not UTF-8 text; {advice}") from error
    except ValueError as error:  # a path with a zero byte
        raise ConfigError(f"cannot read {shorten(str(path))}: {error}; {advice}") from error
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(f"cannot read {path}: it has more than {MAX_CHARACTERS:,} characters; {advice}")
    return parse_yaml(text, str(path))


def where_looked(path: str, file: str | Path | None) -> str:
    """For the message that a path of a YAML file leads nowhere: which folder a relative one counts from, and whether another is meant.

    Args:
        file: the YAML file; None where it is not known.
    """
    if Path(path).is_absolute():
        return ""
    here = Path.cwd()
    text = f" Relative paths count from the current folder, {here}"
    if file is not None and (folder := Path(file).resolve().parent) != here:
        text += f", not from that of the YAML file, {folder}"
        found = next((parent for parent in (folder, *folder.parents) if (parent / path).exists()), None)
        text += f"; {path} is in {found}: start there" if found else ""
    return f"{text}."


def parse_yaml(text: str, where: str) -> Any:
    """The tree in a text. What an alias stands for is there as often as it is named, so that one may be changed alone."""
    try:
        return _unshared(yaml.load(text, Loader=_Loader))
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark else ""
        problem = " ".join((getattr(error, "problem", None) or str(error)).split())[:_MAX_PROBLEM]
        raise ConfigError(f"{where}{line}: not valid YAML: {problem}; correct this line") from error


def _unshared(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _unshared(value) for key, value in tree.items()}
    return [_unshared(value) for value in tree] if isinstance(tree, list) else tree


def dump_yaml(tree: Any) -> str:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def apply_override(tree: dict, override: str) -> None:
    """Sets one `dotted.key=value` in the tree; whether the key exists in the schema is checked when it is built."""
    dotted, equals, text = override.partition("=")
    where = f"override {shorten(override)}"
    if not equals or not dotted:
        raise ConfigError(f"{where}: expected key=value, for example stages.0.trainer.max_steps=20")
    value = parse_yaml(text, where)
    *parents, last = split_key(dotted)
    if len(parents) > MAX_DEPTH:
        raise ConfigError(f"{where}: found a key of {len(parents) + 1} parts, expected at most {MAX_DEPTH}")
    node, path = tree, ""
    for part, following in zip(parents, [*parents[1:], last]):
        node, path = _descend(node, part, path, following), _join(path, part)
    if isinstance(node, list):
        node[_list_index(node, last, path)] = value
    elif isinstance(node, dict):
        node[last] = value
    else:
        raise ConfigError(f"{where}: {path} is {describe(node)}, which has no keys")


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
    if not (part.isdecimal() and len(part) <= MAX_DIGITS and int(part) < len(node)):
        expected = f"an index from 0 to {len(node) - 1}" if node else f"no index, the list is empty; set {path}=[...]"
        raise ConfigError(f"{_join(path, shown_key(part))}: found {shorten(part)}, expected {expected}")
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
    near = difflib.get_close_matches(str(name)[:_MAX_SHOWN], valid, n=1, cutoff=0.0)[0]
    return f"{_join(key, _shown_name(name))}: unknown key; did you mean {_join(key, near)}? Valid here: {', '.join(valid)}"


def _build_choice(choices: tuple, value: Any, key: str) -> Any:
    if value not in choices:
        raise ConfigError(f"{key}: found {describe(value)}, expected one of {', '.join(map(str, choices))}")
    return value


def _build_dict(kind: Any, value: Any, key: str) -> dict:
    for name in _expect(dict, value, key):
        if not isinstance(name, str):
            raise ConfigError(f"{_join(key, shown_key(name))}: found {describe(name)} as a key, expected text; quote it")
    return {name: build(kind, item, _join(key, shown_key(name))) for name, item in value.items()}


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
    if kind is str and not _can_be_written(value):
        raise ConfigError(f"{key}: found {describe(value)}, expected text without zero bytes and halves of characters")
    return value


def _can_be_written(text: str) -> bool:
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:  # "\ud800" is a half of a character
        return False


def describe(value: Any) -> str:
    """A value as a message shows it: itself and its kind."""
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    return kind_of(value) if isinstance(value, (list, dict)) else f"{shorten(value)} ({kind_of(value)})"


def kind_of(value: Any) -> str:
    """What a value is, without what is in it."""
    return KIND_NAMES.get(type(value), type(value).__name__)


def shorten(value: object) -> str:
    """A value on one line, of its characters the first."""
    text = repr(value)
    return text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}... ({len(text):,} characters)"


def shown_key(name: object) -> str:
    """A key as it stands in the file, or shortened where it would fill the screen or break the line."""
    text = str(name)
    return text if len(text) <= _MAX_SHOWN and text.isprintable() else shorten(text)


def _shown_name(name: object) -> str:
    """A key that nobody asked for, as it stands in the file; one that is no name may be a line of a file of another kind: not shown."""
    text = str(name)
    return text if _NAME.fullmatch(text) else f"(a key of {len(text):,} characters that is no name)"


def _join(path: str, name: object) -> str:
    return f"{path}.{name}" if path else str(name)
