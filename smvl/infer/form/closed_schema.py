"""A JSON schema in which an object that names its properties has no others, where that changes nothing else.

JSON Schema allows anything that it does not speak of. A small model that may go on with keys of its own does.
"""

from collections.abc import Iterator
from typing import Any

_WEIGHS_OTHERS = {"allOf", "oneOf", "not", "if", "dependentSchemas", "unevaluatedProperties", "minProperties"}
"""Whether an object meets these can depend on a property being allowed that nothing names."""
_NAMES_MORE = {"$ref", "anyOf"}
"""Beside one of these, an object's properties are not all that it may have."""
_SPEAKS_OF_OTHERS = {"additionalProperties", "patternProperties"}


def close_objects(schema: Any) -> Any:
    """The schema with `additionalProperties: false` where it is meant; what is valid by it is valid by the old one."""
    parts = [part for part in _parts(schema) if isinstance(part, dict)]
    if any(_WEIGHS_OTHERS & set(part) or ("properties" in part and _NAMES_MORE & set(part)) for part in parts):
        return schema
    return _closed(schema)


def _parts(value: Any) -> Iterator[Any]:
    """A value and all that stands in it."""
    yield value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _parts(part)


def _closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: value if key in ("const", "enum", "default", "examples") else _closed_below(key, value) for key, value in schema.items()}
    names, required = schema.get("properties"), schema.get("required", [])
    are_all = isinstance(names, dict) and bool(names) and isinstance(required, list) and all(name in names for name in required)
    if are_all and not _SPEAKS_OF_OTHERS & set(schema):
        closed["additionalProperties"] = False
    return closed


def _closed_below(key: str, value: Any) -> Any:
    if key in ("properties", "patternProperties", "$defs", "definitions") and isinstance(value, dict):
        return {name: _closed(part) for name, part in value.items()}  # a property may be called "properties"
    return _closed(value)
