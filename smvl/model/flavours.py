"""One model under two stock names: `smolvlm` and `idefics3` compute the same from the same tensors, and differ in what config.json says."""

from typing import Any

_NAMES = {
    "smolvlm": {"model_type": "smolvlm", "architectures": ["SmolVLMForConditionalGeneration"]},
    "idefics3": {"model_type": "idefics3", "architectures": ["Idefics3ForConditionalGeneration"]},
}


def is_idefics3(config: dict[str, Any]) -> bool:
    """Whether a config.json is of the other flavour."""
    return config.get("model_type") == "idefics3"


def as_idefics3(config: dict[str, Any]) -> dict[str, Any]:
    """A `smolvlm` config.json as an `idefics3` one."""
    return _named(config, "idefics3")


def as_smolvlm(config: dict[str, Any]) -> dict[str, Any]:
    """An `idefics3` config.json as a `smolvlm` one."""
    return _named(config, "smolvlm")


def _named(config: dict[str, Any], flavour: str) -> dict[str, Any]:
    return config | _NAMES[flavour] | {"vision_config": config["vision_config"] | {"model_type": f"{flavour}_vision"}}
