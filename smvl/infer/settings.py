"""The settings of infer.py, which a YAML file may hold and the command line overrides."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smvl.strict_yaml import ConfigError, build, kind_of, read_yaml


@dataclass(frozen=True)
class Settings:
    """Keys of the YAML file; each is the option of the same name, and its value here what holds without either."""

    model: str | None = None
    image: list[str] = field(default_factory=list)
    system: str | None = None
    thinking: bool = False
    max_new_tokens: int = 256
    temperature: float = 0.0
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantize: Literal["int8", "int4", "fp8"] | None = None
    budget: str | None = None
    """Memory of the process, such as `1GB`; see `smvl.infer.budget.plan`."""
    longest_edge: int | None = None
    max_tiles: int | None = None


def read_settings(path: str | Path) -> Settings:
    """Read a YAML file.

    Raises:
        ConfigError: it cannot be read, or a key or value is wrong; the message names it.
    """
    tree = read_yaml(path, example="configs/infer/edge.yaml")
    if tree is not None and not isinstance(tree, dict):
        raise ConfigError(f"{path}: found {kind_of(tree)}, expected options of infer.py; see configs/infer/edge.yaml")
    try:
        return build(Settings, tree or {})
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
