"""A light adapter for Chinese: what a token's characters look and sound like, brought through a small network, is added to its embedding.

    delta = output(gelu(norm(sum of the weighted features of the token)))          output starts at zero
    table[ids] = base rows + delta

A small text model has met many characters too seldom to know what they share; the parts, the radical and the sound say it. That such
features help was found for models trained from the start: by strokes (Cao et al. 2018, cw2vec), by glyph and pinyin (Sun et al. 2021,
ChineseBERT, arXiv 2106.16038).

delta depends on the token's id alone, so it is a change of the embedding's rows, and where the head shares its table, of the head's: the
rows of Chinese tokens hold base + delta all the time, written anew after every step. So generating and saving know of no adapter, and to
fold it is to take it away. Only gradients need more: hooks lead what reaches the looked-up rows, and the head's table, on to the network.
"""

from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional
from transformers import PreTrainedModel

from smvl.model.sharded_tensors import full_tensor, set_rows

ATTRIBUTE = "chinese_adapter"
"""Under this name the adapter hangs on the model while it is attached; a saved checkpoint has no such entry."""

RANK = 128
"""Width of the network. All the deltas lie in a space of as many directions."""


class Features(Protocol):
    """Weighted features of N tokens, F kinds of them and M in all; see `smvl.processing.character_features.CharacterFeatures`."""

    token_ids: torch.Tensor
    names: tuple[str, ...]
    feature_ids: torch.Tensor
    weights: torch.Tensor
    offsets: torch.Tensor


class ChineseAdapter(nn.Module):
    """The network, and its place in a model; its parameters are float32 whatever the model's type.

    Args:
        model: any with an embedding of `token_ids` rows and a head.
        features: of the tokens whose rows change.
        seed: of the network's start; nothing else is drawn from.
    """

    def __init__(self, model: PreTrainedModel, features: Features, seed: int):
        super().__init__()
        embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
        self._embedding = [embedding]  # in a list, so that the embedding is not registered twice
        self.is_tied = head.weight is embedding.weight
        base = embedding.weight.detach()[features.token_ids.to(embedding.weight.device)].clone()  # (N, D)
        row_of_id = torch.full((embedding.num_embeddings,), -1)
        row_of_id[features.token_ids] = torch.arange(len(features.token_ids))
        buffers = dict(base=base, ids=features.token_ids, row_of_id=row_of_id, size=base.float().square().mean().sqrt())
        buffers |= dict(feature_ids=features.feature_ids, weights=features.weights, offsets=features.offsets)
        for name, buffer in buffers.items():
            self.register_buffer(name, buffer, persistent=False)
        generator = torch.Generator().manual_seed(seed)
        self.features = nn.Parameter(torch.randn(len(features.names), RANK, generator=generator))
        self.norm = nn.LayerNorm(RANK)
        self.output = nn.Parameter(torch.zeros(base.shape[1], RANK))
        self._hooks = [embedding.register_forward_hook(self._add_gradient)]
        if self.is_tied:
            self._hooks.append(head.register_forward_hook(self._use_learning_table))

    def hidden(self) -> torch.Tensor:
        """(N, RANK) float32: what the network makes of each token's features, about as large as a base row's entries."""
        with torch.autocast(self.features.device.type, enabled=False):
            weights = self.weights.to(self.features.dtype)
            bags = functional.embedding_bag(self.feature_ids, self.features, self.offsets, mode="sum", per_sample_weights=weights)
            return functional.gelu(self.norm(bags)) * self.size

    def forward(self) -> torch.Tensor:
        """(N, D) float32: delta. One step of Adam at a rate of 1e-3 changes it by some hundredths of the base rows' size."""
        with torch.autocast(self.features.device.type, enabled=False):
            return functional.linear(self.hidden(), self.output)

    @torch.no_grad()
    def write(self) -> None:
        """Set the rows of the embedding (and of a head that is tied to it) to base + delta."""
        parameters = {name: full_tensor(parameter.detach()) for name, parameter in self.named_parameters()}
        delta = torch.func.functional_call(self, parameters, ())
        set_rows(self._embedding[0].weight, self.ids, self.base.float() + delta)

    def remove(self) -> None:
        self.write()
        for hook in self._hooks:
            hook.remove()

    # ---- gradients -----------------------------------------------------------------------------------------------------------------

    @property
    def _learns(self) -> bool:
        return torch.is_grad_enabled() and self.output.requires_grad

    def learning_table(self, table: torch.Tensor) -> torch.Tensor:
        """The table, of which the gradient in the rows of Chinese tokens reaches the network; the same when nothing learns."""
        return _LearningRows.apply(self(), table, self.ids) if self._learns else table

    def _add_gradient(self, embedding: nn.Embedding, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor | None:
        """The looked-up rows as they are; what changes is where their gradient goes."""
        if not self._learns:
            return None
        row = self.row_of_id[inputs[0]]  # (B, L)
        with torch.autocast(self.features.device.type, enabled=False):
            # As an embedding, not by indexing: the gradient of indexing adds up in whatever order the threads come.
            delta = functional.linear(functional.embedding(row.clamp(min=0), self.hidden()), self.output)  # (B, L, D)
        nothing = torch.where((row >= 0).unsqueeze(-1), delta - delta.detach(), 0.0)
        return output + nothing.to(output.dtype)

    def _use_learning_table(self, head: nn.Linear, inputs: tuple[torch.Tensor], output: torch.Tensor) -> torch.Tensor | None:
        """For who calls the head itself: `smvl.train.packed_model` never computes all logits."""
        return functional.linear(inputs[0], self.learning_table(head.weight), head.bias) if self._learns else None


class _LearningRows(torch.autograd.Function):
    """The table, in which `rows` have been written already; only its gradient is theirs."""

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, table: torch.Tensor, ids: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(ids)
        ctx.dtype = rows.dtype
        return table.detach()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        return gradient.index_select(0, ctx.saved_tensors[0]).to(ctx.dtype), None, None


def attach_chinese_adapter(model: PreTrainedModel, features: Features, seed: int) -> ChineseAdapter:
    """Put an adapter beside the embedding of a model whose embedding is frozen; `detach_chinese_adapter` folds it.

    The model computes what it did before, bit for bit, until the adapter learns.

    Raises:
        ValueError: one is attached already, or the features are of a larger vocabulary.
    """
    if ATTRIBUTE in model._modules:
        raise ValueError("a Chinese adapter is attached to this model already. Call detach_chinese_adapter first.")
    num_rows = model.get_input_embeddings().num_embeddings
    if features.token_ids.max() >= num_rows:
        raise ValueError(
            f"the features name token {features.token_ids.max()}, but the embedding has {num_rows} rows. Take the tokenizer of this model."
        )
    model.add_module(ATTRIBUTE, ChineseAdapter(model, features, seed).to(model.device))
    return model.get_submodule(ATTRIBUTE)


def write_chinese_rows(model: PreTrainedModel) -> None:
    """Bring the embedding up to what the adapter has learned; nothing to do when none is attached."""
    if ATTRIBUTE in model._modules:
        model.get_submodule(ATTRIBUTE).write()


def detach_chinese_adapter(model: PreTrainedModel) -> None:
    """Fold the adapter into the embedding and make the model stock again; nothing to do when none is attached."""
    if ATTRIBUTE in model._modules:
        model.get_submodule(ATTRIBUTE).remove()
        del model._modules[ATTRIBUTE]


def head_table(model: PreTrainedModel) -> torch.Tensor:
    """The head's weight (V, D), as the loss must take it for an adapter to learn from it."""
    weight = model.get_output_embeddings().weight
    adapter = model._modules.get(ATTRIBUTE)
    return weight if adapter is None or not adapter.is_tied else adapter.learning_table(weight)
