"""Weights in 8 or 4 bits, as onnxruntime's own operators read them.

Blocks of a row that share a scale are for MatMulNBits and GatherBlockQuantized. Their products take activations that the operator itself
rounds to 8 bits block by block (accuracy level 4), so that one large value spoils no other block, and nothing has to be calibrated.
Rounding is done by onnxruntime's kernels.
"""

from dataclasses import dataclass

import numpy as np
import onnx_ir as ir
from onnxruntime.capi import _pybind_state as kernels  # what onnxruntime.quantization calls; its own module sets up the root logger

from smvl.infer.onnx_folder import VISION_ENCODER

DOMAIN = "com.microsoft"
INT8_ACTIVATIONS = 4
"""MatMulNBits' accuracy level at which it multiplies integers."""
_KERNELS = {4: kernels.quantize_matmul_4bits, 8: kernels.quantize_matmul_8bits}


@dataclass(frozen=True)
class WeightFormat:
    """How the matrices of a graph are stored."""

    bits: int
    block: int
    """Weights in a row that share a scale."""
    symmetric: bool = True
    """Whether a block's middle stands for zero; else each block has a zero point of its own."""


def format_for(graph: str, bits: int) -> WeightFormat | None:
    """How a graph's weights are stored in an export of that many bits; None for floating point.

    A block of 64 with a zero point of its own is as near to the original as one of 32 without, and takes a fifth less memory, as the
    operator keeps two float32 numbers for each block. In 8 bits a zero point gains nothing.
    """
    if bits >= 16:
        return None
    return WeightFormat(4, 64, symmetric=False) if bits == 4 and graph != VISION_ENCODER else WeightFormat(8, 64)


def quantize(model: ir.Model, weights: WeightFormat) -> None:
    """Store every matrix that a product or a lookup takes from the model's weights in that format.

    What remains in floating point: norms, biases, the convolution that cuts a tile into patches, and positions.
    """
    for node in list(model.graph):
        if node.op_type == "MatMul" and _weight(node.inputs[1]) is not None:
            _replace(model, node, "MatMulNBits", *_product(node, weights))
        elif node.op_type == "Gather" and _weight(node.inputs[0]) is not None:
            _replace(model, node, "GatherBlockQuantized", *_lookup(node, weights))
    model.opset_imports[DOMAIN] = 1


def _weight(value: ir.Value | None) -> np.ndarray | None:
    """The matrix behind an input, if it is one of the model's weights."""
    if value is None or value.const_value is None or len(value.const_value.shape) != 2:
        return None
    return value.const_value.numpy()


def _product(node: ir.Node, weights: WeightFormat) -> tuple[list[ir.Value], dict[str, int]]:
    data, matrix = node.inputs
    rows, columns = matrix.const_value.shape
    packed, scales, zero_points = _round_blocks(_weight(matrix), weights)
    stored = _initializers(matrix.name, packed, scales, None if weights.symmetric else zero_points)
    attributes = dict(K=rows, N=columns, bits=weights.bits, block_size=weights.block, accuracy_level=INT8_ACTIVATIONS)
    return [data, *stored], attributes


def _lookup(node: ir.Node, weights: WeightFormat) -> tuple[list[ir.Value], dict[str, int]]:
    table, ids = node.inputs
    width = table.const_value.shape[1]
    packed, scales, zero_points = _round_blocks(_weight(table).T, weights)
    rows = packed.reshape(len(packed), -1)[:, : width * weights.bits // 8]  # without the last block's padding
    packed, scales, *zero_points = _initializers(table.name, np.ascontiguousarray(rows), scales, None if weights.symmetric else zero_points)
    attributes = dict(gather_axis=0, quantize_axis=1, block_size=weights.block, bits=weights.bits)
    return [packed, ids, scales, *zero_points], attributes


def _round_blocks(matrix: np.ndarray, weights: WeightFormat) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Blocks (columns, blocks, bytes of one), scales (columns, blocks) and zero points, packed, of a matrix (rows, columns)."""
    rows, columns = matrix.shape
    num_blocks, in_a_byte = -(-rows // weights.block), 8 // weights.bits
    padded = np.zeros((num_blocks * weights.block, columns), dtype=np.float32)
    padded[:rows] = matrix
    packed = np.zeros((columns, num_blocks, weights.block // in_a_byte), dtype=np.uint8)
    zero_points = np.zeros((columns, -(-num_blocks // in_a_byte)), dtype=np.uint8)
    scales = np.zeros((columns, num_blocks), dtype=np.float32)
    _KERNELS[weights.bits](packed, padded, scales, zero_points, weights.block, columns, rows, weights.symmetric)
    return packed, scales, zero_points


def _initializers(name: str, packed: np.ndarray, scales: np.ndarray, zero_points: np.ndarray | None) -> list[ir.Value]:
    parts = {"blocks": packed, "scales": scales} | ({} if zero_points is None else {"zero_points": zero_points})
    return [ir.Value(name=f"{name}.{part}", const_value=ir.tensor(array, name=f"{name}.{part}")) for part, array in parts.items()]


def _replace(model: ir.Model, node: ir.Node, operator: str, inputs: list[ir.Value], attributes: dict[str, int]) -> None:
    """Put the operator in the node's place; weights that nothing reads any more leave the model."""
    old_inputs = list(node.inputs)
    for value in inputs:
        if value not in old_inputs:
            model.graph.register_initializer(value)
    new = ir.node(operator, inputs, attributes, domain=DOMAIN, name=node.name)
    ir.convenience.replace_nodes_and_values(model.graph, node, [node], [new], node.outputs, new.outputs)
    for value in old_inputs:
        if value.name in model.graph.initializers and not value.uses():
            del model.graph.initializers[value.name]
