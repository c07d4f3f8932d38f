"""From a model with LoRA beside its layers, and layers in four bits perhaps, to the stock model that computes the same."""

from collections.abc import Iterable, Sequence

import torch
from torch import nn
from torch.nn import functional
from transformers import SmolVLMForConditionalGeneration

from smvl.model.saving import ATTACHED
from smvl.train.lora import ADAPTER, is_lora_attached, lora_layers
from smvl.train.nf4 import is_quantized, plain_weight

_NUM_PROBES = 64
"""Columns of each merged weight that are compared with the live layer."""

_ADVICE = "The live model was left as it was. Keep the adapter with save_adapter and do not use the merged weights."


class MergeError(ValueError):
    """A merged model that does not compute what the live one does."""


@torch.no_grad()
def merged_state_dict(model: SmolVLMForConditionalGeneration) -> dict[str, torch.Tensor]:
    """The state under the stock names and shapes with the adapters added in, to be saved with `save_pretrained(state_dict=...)`.

    The sums are made in float32 and take the weight's dtype. Nothing in the model changes; what needed no sum is the model's own
    tensor, not a copy. Marker rows and a Chinese adapter are left out: what they learned stands in the embedding, as after every step.
    """
    folded = _layers_to_fold(model)
    state: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        layer = next((layer for layer in folded if name.startswith(f"{layer}.")), None)
        if layer is None:
            if not name.startswith(ATTACHED):
                state[name] = tensor
        elif f"{layer}.weight" not in state:
            state[f"{layer}.weight"] = _merged_weight(folded[layer])
            bias = _base_linear(folded[layer]).bias
            if bias is not None:
                state[f"{layer}.bias"] = bias.detach()
    return state


@torch.no_grad()
def merge_lora(model: SmolVLMForConditionalGeneration, inputs: Sequence[dict[str, torch.Tensor]]) -> float:
    """Fold the adapters into the layers beside which they stand, so that the model is stock again, and check that it computes the same.

    Args:
        inputs: keyword arguments of `model(...)`, on its device; for each of them the logits of before and after are compared.

    Returns:
        The largest difference between the two, in logits.

    Raises:
        MergeError: that difference, or that of one layer from the layer it replaces, is larger than rounding explains; the model is left
            as it was.
        ValueError: there are no inputs, or no adapters.
    """
    if not is_lora_attached(model):
        raise ValueError("there is no LoRA to merge in this model. Call attach_lora first.")
    if not inputs:
        raise ValueError("merging needs at least one input to compare the model of before and after on.")
    was_training = model.training
    model.eval()
    live = [_logits(model, entry) for entry in inputs]
    layers = _layers_to_fold(model)
    try:
        for name, layer in layers.items():
            merged = _merged_linear(layer)
            _check_layer(name, layer, merged)
            model.set_submodule(name, merged)
        difference = torch.stack([(_logits(model, entry) - before).abs().max() for entry, before in zip(inputs, live)]).max().item()
        _check_agrees(model, difference, size=max(before.abs().max().item() for before in live), layers=layers.values())
    except BaseException:
        for name, layer in layers.items():
            model.set_submodule(name, layer)
        raise
    finally:
        model.train(was_training)
    del model.peft_config
    return difference


def _check_layer(name: str, live: nn.Module, merged: nn.Linear) -> None:
    """Raise `MergeError` where a column of the merged weight is not what the live layer answers to the unit vector of that column.

    In bfloat16 a forgotten adapter would hide in the rounding of 28 layers; here nothing is added up, so that an entry may be off by
    its own last bit and no more.
    """
    columns = torch.arange(0, merged.in_features, max(1, merged.in_features // _NUM_PROBES), device=merged.weight.device)
    probes = functional.one_hot(columns, merged.in_features).to(merged.weight.dtype)  # (num_probes, in_features)
    found, expected = merged(probes).float(), live(probes).float()  # (num_probes, out_features)
    base = plain_weight(_base_linear(live)).float().T[columns]
    last_bit = 1e-5 if merged.weight.dtype == torch.float32 and not is_quantized(_base_linear(live)) else 2**-7
    excess = ((found - expected).abs() - last_bit * (found.abs() + base.abs()) - 1e-5 * base.abs().max()).max().item()
    if not excess <= 0:  # also where it is not a number
        difference, size = (found - expected).abs().max().item(), expected.abs().max().item()
        raise MergeError(
            f"the merged weight of {name} is not what the live layer computes: entries differ by up to {difference:.3g}, more than their "
            f"last bit (the largest is {size:.3g}). {_ADVICE}"
        )


def _check_agrees(model: nn.Module, difference: float, *, size: float, layers: Iterable[nn.Module]) -> None:
    """Raise `MergeError` for logits, `size` large, that differ by more than rounding explains; a NaN agrees with nothing."""
    tolerance = _tolerance(model.dtype, size, quantized=any(is_quantized(_base_linear(layer)) for layer in layers))
    if not difference <= tolerance:
        raise MergeError(
            f"the merged model's logits differ from the live model's by {difference:.3g}, more than the {tolerance:.3g} that rounding in "
            f"{str(model.dtype).removeprefix('torch.')} explains (the largest logit is {size:.3g}). {_ADVICE}"
        )


def _tolerance(dtype: torch.dtype, size: float, *, quantized: bool) -> float:
    """How far apart the logits of the live and the merged model may be.

    In float32 only the order of sums differs: 1e-4, times the largest logit over 10 where that is more. In bfloat16 the merged
    weights have 8 significant bits, to which the live model never rounds the sum: 5% of the largest logit; so too beside 4-bit layers,
    which compute in bfloat16.
    """
    if dtype == torch.float32 and not quantized:
        return 1e-4 * max(1.0, size / 10)
    return 0.05 * size


def _logits(model: nn.Module, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(**inputs).logits.float()  # (B, L, V)


def _layers_to_fold(model: nn.Module) -> dict[str, nn.Module]:
    """All modules that stand for a stock Linear, by its name: those with an adapter, and quantised ones without."""
    layers = lora_layers(model)
    inner = {id(_base_linear(layer)) for layer in layers.values()}
    quantized = {name: module for name, module in model.named_modules() if is_quantized(module) and id(module) not in inner}
    return layers | quantized


def _base_linear(layer: nn.Module) -> nn.Linear:
    return layer if isinstance(layer, nn.Linear) else layer.get_base_layer()


def _merged_weight(layer: nn.Module) -> torch.Tensor:
    """The weight (out_features, in_features) of the stock Linear that computes what `layer` does."""
    weight = plain_weight(_base_linear(layer))
    if isinstance(layer, nn.Linear):
        return weight
    learned = layer.lora_B[ADAPTER].weight.float() @ layer.lora_A[ADAPTER].weight.float()
    return (weight.float() + layer.scaling[ADAPTER] * learned).to(weight.dtype)


def _merged_linear(layer: nn.Module) -> nn.Linear:
    base, weight = _base_linear(layer), _merged_weight(layer)
    linear = nn.Linear(base.in_features, base.out_features, bias=base.bias is not None, device="meta")
    linear.weight = nn.Parameter(weight, requires_grad=False)
    linear.bias = base.bias
    return linear.eval()
