"""LoRA beside the text layers: two small matrices learn for each frozen one (Hu et al. 2021, arXiv 2106.09685).

    output = weight @ input + alpha / rank * (B @ (A @ input))        A (rank, in), B (out, rank); B starts at zero

peft makes the layers. While they hang in the model, its own weights do not move; `lora_merge.py` adds them up into a stock model, and
`save_adapter` writes them alone, as peft does. With `quantize: nf4` the frozen matrices are held in four bits (`nf4.py`).
"""

import copy
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration

from smvl.config import LoraConfig
from smvl.layouts.find_model import layout_of
from smvl.model.marker_rows import ATTRIBUTE
from smvl.model.saving import save_tensors
from smvl.train.nf4 import is_quantized, quantize_text_layers
from smvl.train.parts import part_parameters

ADAPTER = "default"
"""peft's name for the only adapter of a model."""

_PEFT_PREFIX = "base_model.model."
"""What peft writes before a parameter's name, because it wraps the model twice."""


# ---- attaching -------------------------------------------------------------------------------------------------------------------


def attach_lora(model: SmolVLMForConditionalGeneration, settings: LoraConfig, seed: int) -> list[nn.Parameter]:
    """Put adapters beside the text layers that `settings` names and freeze everything else.

    The model computes what it did before, bit for bit (unless it is quantised here), until the adapters learn. They are float32
    whatever the model's dtype, and start from `seed` alone.

    Returns:
        The parameters that learn, in the order of `lora_parameters`.

    Raises:
        ValueError: the slice holds no layer, a name matches nothing or no Linear, LoRA is attached already, or something that the
            settings need is not installed or not there.
    """
    peft = _peft()
    if is_lora_attached(model):
        raise ValueError("LoRA is attached to this model already. Call merge_lora first.")
    pattern = _target_pattern(model, settings)
    if settings.quantize is not None:
        quantize_text_layers(model)
    config = peft.LoraConfig(r=settings.rank, lora_alpha=settings.alpha, lora_dropout=settings.dropout, target_modules=pattern, bias="none")
    place = model.device if model.device.type == "meta" else nullcontext()  # of a model without weights, adapters have none either
    # peft draws its own start from the global generator; that is put back, and the start replaced.
    with torch.random.fork_rng(devices=[]), _announced_to_peft(model), place:
        peft.inject_adapter_in_model(config, model, adapter_name=ADAPTER)
    _start(model, seed)
    return list(lora_parameters(model).values())


def is_lora_attached(model: nn.Module) -> bool:
    return bool(lora_layers(model))


def lora_parameters(model: nn.Module) -> dict[str, nn.Parameter]:
    """The adapters' matrices, named as in an adapter file of peft without its prefix, in the order of the model's layers.

    For example `model.text_model.layers.0.self_attn.q_proj.lora_A.weight` (rank, in_features).
    """
    return {
        f"{name}.{matrix}.weight": getattr(layer, matrix)[ADAPTER].weight
        for name, layer in lora_layers(model).items()
        for matrix in ("lora_A", "lora_B")
    }


def _target_pattern(model: SmolVLMForConditionalGeneration, settings: LoraConfig) -> str:
    """The regular expression that fits the full names of the layers to adapt, and no other.

    A list of leaf names would not do: the vision encoder has a q_proj too, and peft takes a list for endings of names.
    """
    chosen = set(map(id, part_parameters(model, f"text.layers{settings.layers}")))
    layers = model.get_decoder().layers
    indices = [index for index, layer in enumerate(layers) if id(next(layer.parameters())) in chosen]
    for leaf in settings.modules:
        found = {name: module for name, module in layers[indices[0]].named_modules() if name and name.rpartition(".")[2] == leaf}
        if not found:
            linears = [name.rpartition(".")[2] for name, module in layers[indices[0]].named_modules() if isinstance(module, nn.Linear)]
            raise ValueError(f"lora: no module of a text layer is named {leaf!r}; its Linears are {', '.join(linears)}. Mend modules.")
        for name, module in found.items():
            if not isinstance(module, nn.Linear):
                raise ValueError(f"lora: {name} is a {type(module).__name__}; only a Linear can have an adapter. Take {leaf} out.")
    leaves = "|".join(map(re.escape, settings.modules))
    return rf"{re.escape(_name_of(layers, model))}\.(?:{'|'.join(map(str, indices))})\.(?:\w+\.)*(?:{leaves})"


def _name_of(module: nn.Module, model: nn.Module) -> str:
    return next(name for name, found in model.named_modules() if found is module)


@contextmanager
def _announced_to_peft(model: nn.Module) -> Iterator[None]:
    """peft looks for this attribute before it takes a 4-bit layer for one; others take it for a model that they cannot move."""
    if any(is_quantized(module) for module in model.modules()):
        model.is_loaded_in_4bit = True
    try:
        yield
    finally:
        vars(model).pop("is_loaded_in_4bit", None)


@torch.no_grad()
def _start(model: nn.Module, seed: int) -> None:
    """A uniform within 1 / sqrt(in_features), B zero, as in the authors' code. Drawn on the CPU, so that every device starts alike."""
    generator = torch.Generator().manual_seed(seed)
    for layer in lora_layers(model).values():
        layer.lora_A.float(), layer.lora_B.float()  # peft gives them the dtype of the weight beside which they stand
        a, b = layer.lora_A[ADAPTER].weight, layer.lora_B[ADAPTER].weight  # (rank, in), (out, rank)
        a.copy_(nn.init.kaiming_uniform_(torch.empty(a.shape), a=math.sqrt(5), generator=generator))
        b.zero_()
        layer.train(model.training)


def lora_layers(model: nn.Module) -> dict[str, nn.Module]:
    """peft's layers by the names of the Linears that they stand for; found without importing peft."""
    return {name: module for name, module in model.named_modules() if "lora_A" in module._modules}


# ---- the adapter alone -----------------------------------------------------------------------------------------------------------


def save_adapter(model: SmolVLMForConditionalGeneration, folder: str | Path) -> None:
    """Write everything that learned beside the frozen model, in the layout of peft: `PeftModel.from_pretrained(base, folder)` loads it.

    That is the adapters, the connector (as peft's `modules_to_save`) and, where they are attached, the marker rows (as its
    `trainable_token_indices`). The base is the model to which LoRA was attached.

    Raises:
        ValueError: there are no adapters, or something else learns too, which such a folder has no room for.
    """
    if not is_lora_attached(model):
        raise ValueError("there is no LoRA to save in this model. Call attach_lora first, or save the whole model.")
    tensors: dict[str, torch.Tensor] = dict(lora_parameters(model))
    connectors = {_name_of(module, model): module for module in layout_of(model).connector(model) if len(module.state_dict())}
    tensors |= {f"{place}.{name}": tensor for place, module in connectors.items() for name, tensor in module.state_dict().items()}
    config: Any = copy.deepcopy(model.peft_config[ADAPTER])
    config.inference_mode, config.modules_to_save = True, list(connectors)
    if ATTRIBUTE in model._modules:
        markers = model.get_submodule(ATTRIBUTE)
        embedding = _name_of(model.get_input_embeddings(), model)
        config.trainable_token_indices = {embedding: markers.ids.tolist()}
        tensors[f"{embedding}.token_adapter.trainable_tokens_delta"] = markers.rows  # the rows themselves, for all that peft's name says
    _check_all_learned_is_in(model, tensors)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    config.save_pretrained(path)
    written = {_PEFT_PREFIX + name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_tensors(written, path / "adapter_model.safetensors")


def _check_all_learned_is_in(model: nn.Module, tensors: dict[str, torch.Tensor]) -> None:
    written = {tensor.data_ptr() for tensor in tensors.values()}
    lost = [name for name, parameter in model.named_parameters() if parameter.requires_grad and parameter.data_ptr() not in written]
    if lost:
        raise ValueError(
            f"an adapter folder holds LoRA, the connector and the marker rows, but {lost[0]} learns as well ({len(lost)} such "
            "parameters). Save the whole model instead: save_pretrained(state_dict=merged_state_dict(model))."
        )


def _peft():
    try:
        import peft
    except ImportError as error:
        raise ValueError(f"LoRA needs peft ({error}). Install it: pip install peft") from error
    return peft
