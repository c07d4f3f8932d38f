"""Attention of a single picture to all of itself, in a branch of its own.

onnxruntime's operator keeps no scores where nothing is added to them. With a bias it writes all of them down, which for 3,072 patches
(1024 x 768) and 12 heads takes 450 MB more. Which of the two it is, is known when pictures come; torch traces no such branch around the
operator.
"""

import numpy as np
import onnx_ir as ir

_NUM_WITHOUT_BIAS = 3
"""Inputs of the operator before its bias: query, key and value."""


def branch_for_one_picture(model: ir.Model) -> None:
    """Leave the bias of every attention out where `image_grid_thw` holds one frame; the graph must have such an input."""
    is_one = _is_one(model)
    for node in [node for node in model.graph if node.op_type == "MultiHeadAttention" and len(node.inputs) > _NUM_WITHOUT_BIAS]:
        branches = {"then_branch": list(node.inputs[:_NUM_WITHOUT_BIAS]), "else_branch": list(node.inputs)}
        graphs = [ir.AttrGraph(name, _attention(node, inputs, f"{node.name}_{name}")) for name, inputs in branches.items()]
        chosen = ir.Node("", "If", [is_one], graphs, num_outputs=1, name=f"{node.name}_if")
        ir.convenience.replace_nodes_and_values(model.graph, node, [node], [chosen], node.outputs, chosen.outputs)


def _is_one(model: ir.Model) -> ir.Value:
    """() bool, worked out at the graph's beginning."""
    [grids] = [value for value in model.graph.inputs if value.name == "image_grid_thw"]
    constants = {"first_column": np.array(0), "one_frame": np.array(1)}
    for name, value in constants.items():
        model.graph.register_initializer(ir.Value(name=name, const_value=ir.tensor(value, name=name)))
    column, one = (model.graph.initializers[name] for name in constants)
    frames = ir.node("Gather", [grids, column], {"axis": 1})
    number = ir.node("ReduceSum", frames.outputs, {"keepdims": 0})
    equal = ir.node("Equal", [number.outputs[0], one])
    model.graph.insert_before(model.graph[0], [frames, number, equal])
    return equal.outputs[0]


def _attention(node: ir.Node, inputs: list[ir.Value | None], name: str) -> ir.Graph:
    attention = ir.Node(node.domain, node.op_type, inputs, node.attributes.values(), num_outputs=1, name=name)
    [output], [given] = attention.outputs, node.outputs
    output.name, output.dtype, output.shape = f"{name}_output", given.dtype, given.shape
    return ir.Graph([], [output], nodes=[attention], name=name)
