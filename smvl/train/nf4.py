"""Text layers held in four bits: NormalFloat4 with double quantisation, as in QLoRA (Dettmers et al. 2023, arXiv 2305.14314, section 3).

A quantised layer cannot learn; it makes room for what learns beside it (`lora.py`). bitsandbytes does the arithmetic, on a CUDA device.
"""

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration


def quantize_text_layers(model: SmolVLMForConditionalGeneration) -> None:
    """Move the model to the current CUDA device and hold the weights of its text layers' Linears in NF4, computing in bfloat16.

    The vision encoder, the connector, the norms, the embedding and the head stay as they are.

    Raises:
        ValueError: there is no CUDA device, or bitsandbytes is not installed.
    """
    if not torch.cuda.is_available():
        raise ValueError(
            "no CUDA device was found, and 4-bit training (quantize: nf4) needs one. Run on a machine with a card, or leave "
            "quantize out: LoRA then trains beside the unquantised layers, on any device."
        )
    _bitsandbytes()
    device = torch.device("cuda", torch.cuda.current_device())
    model.to(device)
    quantize_linears(model.get_decoder().layers, device)


def quantize_linears(modules: nn.Module, device: torch.device) -> None:
    """Put an NF4 layer in the place of every `nn.Linear` below `modules`; those that are quantised already stay."""
    bitsandbytes = _bitsandbytes()
    for parent in list(modules.modules()):
        for name, linear in list(parent.named_children()):
            if type(linear) is not nn.Linear:
                continue
            quantized = bitsandbytes.nn.Linear4bit(
                linear.in_features,
                linear.out_features,
                bias=linear.bias is not None,
                compute_dtype=torch.bfloat16,
                device="meta",  # storage comes with the weight, in the next lines
            )
            quantized.weight = bitsandbytes.nn.Params4bit(
                linear.weight.detach(), requires_grad=False, compress_statistics=True, quant_type="nf4", module=quantized
            )
            quantized.bias = linear.bias
            setattr(parent, name, quantized.to(device).train(linear.training))  # the move quantises


def is_quantized(module: nn.Module) -> bool:
    """Whether the module is one that `quantize_linears` made."""
    return isinstance(module, nn.Linear) and hasattr(module.weight, "quant_state")


def plain_weight(linear: nn.Linear) -> torch.Tensor:
    """The weight (out_features, in_features) of a Linear: the parameter itself, or the dequantised one in the dtype of before."""
    if not is_quantized(linear):
        return linear.weight.detach()
    return _bitsandbytes().functional.dequantize_4bit(linear.weight.detach(), linear.weight.quant_state)


def _bitsandbytes():
    try:
        import bitsandbytes
    except ImportError as error:
        raise ValueError(f"4-bit training (quantize: nf4) needs bitsandbytes ({error}). Install it: pip install bitsandbytes") from error
    return bitsandbytes
