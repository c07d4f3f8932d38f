"""The settings of infer.py, which a YAML file may hold and the command line overrides."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from smvl.strict_yaml import ConfigError, build, kind_of, read_yaml, where_looked


@dataclass(frozen=True)
class Settings:
    """Keys of the YAML file; each is the option of the same name, and its value here what holds without either."""

    model: str | None = None
    image: list[str] = field(default_factory=list)
    system: str | None = None
    thinking: bool = False
    json_schema: str | None = None
    """A file; the form of every answer, as each of these is: see `smvl.infer.form`."""
    regex: str | None = None
    choices: str | None = None
    """With commas between."""
    boxes: bool = False
    boxes_of: str | None = None
    """Labels, with commas between."""
    table: bool = False
    latex: bool = False
    lark: str | None = None
    """A file."""
    draw: str | None = None
    """The PNG file that the boxes of the answer are drawn into."""
    max_new_tokens: int = 256
    temperature: float = 0.0
    device: str = "auto"
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    quantize: Literal["int8", "int4", "fp8"] | None = None
    budget: str | None = None
    """Memory of the process, such as `1GB`; see `smvl.infer.budget.plan`."""
    longest_edge: int | None = None
    max_pixels: int | None = None
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


def check_paths(settings: Settings, file: str | Path, *, model: str | None, images: Sequence[str]) -> None:
    """Raise `ConfigError` for a path of the file that leads nowhere; the command line may have put another in its place.

    Args:
        model, images: what is asked for in the end.
    """
    named = [("model", path) for path in [settings.model] if path is not None and path == model]
    named += [(key, path) for key, path in [("json_schema", settings.json_schema), ("lark", settings.lark)] if path is not None]
    named += [("image", path) for path in settings.image if path in images]
    for key, path in named:
        if not Path(path).exists():
            raise ConfigError(f"{file}: {key}: there is no {path}.{where_looked(path, file)}")
