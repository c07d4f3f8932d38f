"""Training a few rows of a frozen embedding: the markers' rows, which no donor has trained.

The rows learn as a small parameter of their own, put in place of the embedding's by a hook, and are written back after every step.
So the rest of the embedding gets no gradient and no optimizer state, and the weights on disk are always the stock ones.
"""

from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional
from transformers import SmolVLMForConditionalGeneration

from smvl.model.sharded_tensors import full_tensor, set_rows

ATTRIBUTE = "marker_rows"
"""Under this name the rows hang on the model while they learn; a saved checkpoint has no such entry."""


class MarkerRows(nn.Module):
    """The embedding rows of `ids` as a parameter (len(ids), width), float32 whatever the embedding's dtype."""

    def __init__(self, embedding: nn.Embedding, ids: Sequence[int]):
        super().__init__()
        self._embedding = [embedding]  # in a list, so that the embedding is not registered twice
        row_of_id = torch.full((embedding.num_embeddings,), -1, dtype=torch.long)
        row_of_id[list(ids)] = torch.arange(len(ids))
        self.register_buffer("ids", torch.tensor(ids), persistent=False)
        self.register_buffer("row_of_id", row_of_id, persistent=False)
        self.rows = nn.Parameter(embedding.weight.detach()[list(ids)].float().clone())
        self._hook = embedding.register_forward_hook(self._replace_rows)

    def _replace_rows(self, embedding: nn.Embedding, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor:
        row = self.row_of_id[inputs[0]]  # (B, L)
        # As an embedding, not by indexing: the gradient of indexing adds up in whatever order the threads come.
        learned = functional.embedding(row.clamp(min=0), self.rows).to(output.dtype)  # (B, L, D)
        return torch.where((row >= 0).unsqueeze(-1), learned, output)

    def write_back(self) -> None:
        """Copy the rows into the embedding (and into a head that is tied to it)."""
        set_rows(self._embedding[0].weight, self.ids, full_tensor(self.rows.detach()))

    def remove(self) -> None:
        self.write_back()
        self._hook.remove()


def attach_marker_rows(model: SmolVLMForConditionalGeneration, ids: Sequence[int]) -> MarkerRows:
    """Let the rows of `ids` learn while the embedding is frozen; `detach_marker_rows` ends it."""
    model.add_module(ATTRIBUTE, MarkerRows(model.get_input_embeddings(), ids).to(model.device))
    return model.get_submodule(ATTRIBUTE)


def write_back_marker_rows(model: SmolVLMForConditionalGeneration) -> None:
    """Copy the rows into the embedding; nothing to do when none are attached."""
    if ATTRIBUTE in model._modules:
        model.get_submodule(ATTRIBUTE).write_back()


def detach_marker_rows(model: SmolVLMForConditionalGeneration) -> None:
    """Write the rows back and make the model stock again; nothing to do when none are attached."""
    if ATTRIBUTE in model._modules:
        model.get_submodule(ATTRIBUTE).remove()
        del model._modules[ATTRIBUTE]
