"""From a module to an ONNX model: `torch.onnx` with the names that other runtimes look up, and nothing of the machine it ran on."""

import warnings

import onnx_ir
import torch

from smvl.export.onnx.graph import Graph

OPSET = 20
"""The first with GELU as one operator."""


def trace(graph: Graph) -> onnx_ir.Model:
    """The graph as an ONNX model; its weights are the module's own memory, not copies."""
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # of axes that the tracer names itself, and of its own deprecations
        program = torch.onnx.export(
            graph.module,
            graph.inputs,
            dynamo=True,
            dynamic_shapes=graph.dynamic_shapes,
            input_names=graph.input_names,
            output_names=graph.output_names,
            opset_version=OPSET,
            optimize=True,
            verbose=False,
        )
    model = program.model
    model.producer_name, model.producer_version = "qwen3-smvl", None
    model.graph.name = graph.name
    if graph.finish is not None:
        graph.finish(model)
    _forget_origin(model)
    return model


def _forget_origin(model: onnx_ir.Model) -> None:
    """Drop the tracer's notes of which line of which file made a node: megabytes of paths."""
    model.metadata_props.clear()
    model.graph.metadata_props.clear()
    for node in model.graph.all_nodes():
        node.metadata_props.clear()
        node.doc_string = None
    for value in [*model.graph.inputs, *model.graph.outputs, *model.graph.initializers.values()]:
        value.metadata_props.clear()
