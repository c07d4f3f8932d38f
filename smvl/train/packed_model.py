"""The model as it is trained: packs in, the sum of their token losses out, and no arithmetic that the loss does not need.

What transformers' own forward pass would do besides, and this does not: look for padding among the tiles and build a mask for each,
search the image tokens, build a block mask over the pack, and compute logits at positions that nobody asks about. The result is the
same (tests/test_packed_model.py).
"""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from torch import nn
from transformers import SmolVLMForConditionalGeneration

from smvl.layouts.find_model import layout_of
from smvl.layouts.modules import Shapes, split_features
from smvl.layouts.pixel_scale import PixelScale
from smvl.model.chinese_adapter import head_table
from smvl.model.fused_norms import fuse_norms
from smvl.model.packed_attention import sample_options, use_packed_attention
from smvl.train.loss import linear_cross_entropy, token_losses
from smvl.train.step_clock import StepClock

BATCH_KEYS = (
    *("input_ids", "position_ids", "image_positions", "loss_positions", "targets"),
    *("sample_lengths", "sample_bounds", "pixels", "shapes"),
)
"""What of a batch `PackedModel` takes; see `smvl.packing.collator`."""

_COMPILED_VARIANTS = 64


class PackedModel(nn.Module):
    """A model of any layout with its loss. The model inside stays stock.

    Args:
        model: its text attention becomes packed where it is `sdpa`.
        pixel_scale: how pixels are normalised.
        clock: is told when vision, text and loss are done, forwards and backwards.
    """

    def __init__(self, model: SmolVLMForConditionalGeneration, pixel_scale: PixelScale, clock: StepClock | None = None):
        super().__init__()
        self.model, self.layout = model, layout_of(model)
        self._white = pixel_scale.white
        # Buffers, as they must be where the pixels are: to send them with every batch would make the processor wait for the card.
        for name in ("mean", "deviation"):
            values = torch.tensor(getattr(pixel_scale, name)).view(-1, 1, 1).to(model.device)
            self.register_buffer(f"_pixel_{name}", values, persistent=False)
        self.clock = clock or StepClock()
        self._is_packed = use_packed_attention(model)
        fuse_norms(model.get_decoder())
        self.layout.prepare(model)

    def forward(
        self,
        input_ids: torch.Tensor,
        position_ids: torch.Tensor,
        image_positions: torch.Tensor,
        loss_positions: torch.Tensor,
        targets: torch.Tensor,
        sample_lengths: Sequence[int],
        sample_bounds: torch.Tensor,
        pixels: torch.Tensor | None = None,
        shapes: Shapes = (),
        reduction: Literal["sum", "none"] = "sum",
    ) -> torch.Tensor:
        """Losses of one packed sequence of L tokens.

        Args:
            input_ids: (1, L) int64.
            position_ids: (1, L) or (axes, 1, L) int64; they start again at 0 with each sample.
            image_positions: (I,) int64, where the image tokens are.
            loss_positions, targets: (K,) int64, where the loss is asked, and the token that is to be predicted there.
            sample_lengths: tokens of each sample, which sum to L.
            sample_bounds: (samples + 1,) int32, where each sample begins, and L.
            pixels: (units, 3, side, side) uint8, in the order of the image tokens; None without images.
            shapes: of each picture.

        Returns:
            The sum of the token losses, or with `none` each of them (K,); float32.

        Raises:
            ValueError: pixels and image tokens do not match.
        """
        embeddings, deep = self._put_images(self.model.get_input_embeddings()(input_ids), image_positions, pixels, shapes)
        self.clock.lap_backward(embeddings, "text")
        self.clock.lap("vision")
        deep_options = self.layout.text_options(image_positions, deep)
        hidden = self._read(embeddings, position_ids, sample_lengths, sample_bounds, **deep_options)
        self.clock.lap_backward(hidden, "loss")
        self.clock.lap("text")
        asked = hidden.flatten(0, 1).index_select(0, loss_positions)  # (K, D)
        loss = (linear_cross_entropy if reduction == "sum" else token_losses)(asked, head_table(self.model), targets)
        self.clock.lap("loss")
        return loss

    def _put_images(
        self, embeddings: torch.Tensor, positions: torch.Tensor, pixels: torch.Tensor | None, shapes: Shapes
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        """The word embeddings (1, L, D) with image features where the image tokens are, and those (I, D) that go deeper."""
        if pixels is None:
            # A process whose packs have no image still runs the vision path, or the others wait for its gradients for ever.
            size, shapes = self.layout.no_pictures(self.model, 1)
            blank = torch.zeros(size, dtype=torch.uint8, device=embeddings.device)
            return embeddings + self.image_features(blank, shapes).sum().to(embeddings.dtype) * 0.0, []
        features, *deep = split_features(self.image_features(pixels, shapes), embeddings.shape[-1])
        if len(features) != len(positions):
            raise ValueError(
                f"the batch has {len(pixels)} tiles or patches, which make {len(features)} image features, but {len(positions)} image "
                "tokens. Model and processor are not of one checkpoint."
            )
        merged = embeddings.flatten(0, 1).index_copy(0, positions, features.to(embeddings.dtype))
        return merged.view_as(embeddings), deep

    def image_features(self, pixels: torch.Tensor, shapes: Shapes) -> torch.Tensor:
        """Pixels (units, 3, side, side) uint8 to what the text model reads of them, as `ModelLayout.join` has it."""
        dtype = self.layout.patch_weight(self.model).dtype
        learns = any(parameter.requires_grad for part in self.layout.vision(self.model) for parameter in part.parameters())
        # A frozen tower in half precision has nothing for autocast to cast, which would take its norms to float32 and back.
        casts = torch.is_autocast_enabled(pixels.device.type) and (learns or dtype == torch.float32)
        with torch.set_grad_enabled(torch.is_grad_enabled() and learns), torch.autocast(pixels.device.type, enabled=casts):
            states = self.layout.see(self.model, self.pixel_values(pixels).to(dtype), shapes)
        return self.layout.join(self.model, states)

    def pixel_values(self, pixels: torch.Tensor) -> torch.Tensor:
        """Pixels (units, 3, side, side) uint8 normalised: float32, to the bit what the processor's `pixel_values` are on a CPU."""
        return pixels.float().div_(self._white).sub_(self._pixel_mean).div_(self._pixel_deviation)

    def _read(
        self,
        embeddings: torch.Tensor,
        position_ids: torch.Tensor,
        sample_lengths: Sequence[int],
        sample_bounds: torch.Tensor,
        **options: Any,
    ) -> torch.Tensor:
        """The text model's last hidden states (1, L, D)."""
        if self._is_packed:
            # A mask that is given is taken as it is: transformers builds none, and packed attention looks at none.
            options |= sample_options(self.model, embeddings, sample_lengths, sample_bounds)
            options["attention_mask"] = embeddings.new_zeros(1, 1, 1, 1)
        elif self.model.config.text_config._attn_implementation == "flash_attention_2":  # what it would else work out in every layer
            options |= {"cu_seq_lens_q": sample_bounds, "cu_seq_lens_k": sample_bounds}
            options |= {"max_length_q": max(sample_lengths), "max_length_k": max(sample_lengths)}
        return self.model.get_decoder()(inputs_embeds=embeddings, position_ids=position_ids, use_cache=False, **options).last_hidden_state

    def compile_layers(self, backend: str = "inductor") -> None:
        """Compile each layer of both towers for any length; the layers of a tower share their code.

        Attention by sample or picture stays as it is: on a card, where all attend at once, another number of them compiles nothing anew.
        """
        # Both towers' layers have one entry point, and it is compiled again for each set of weights that learn: eight is not enough.
        torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _COMPILED_VARIANTS)
        for layer in [*self.layout.vision_layers(self.model), *self.model.get_decoder().layers]:
            layer.compile(dynamic=True, backend=backend)

    # ---- what the Trainer asks of a model ------------------------------------------------------------------------------------------

    @property
    def config(self) -> Any:
        return self.model.config

    def activation_checkpointing_enable(self, activation_checkpointing_kwargs: dict[str, Any] | None = None, **options: Any) -> None:
        """Compute activations again in the backward pass instead of keeping them: less memory, about a third more time."""
        self._stock("checkpointing_enable")({"use_reentrant": False, **(activation_checkpointing_kwargs or {})}, **options)

    def gradient_checkpointing_enable(self, gradient_checkpointing_kwargs: dict[str, Any] | None = None, **options: Any) -> None:
        """The same under the name that transformers had for it before 5.23."""
        self.activation_checkpointing_enable(gradient_checkpointing_kwargs, **options)

    def activation_checkpointing_disable(self) -> None:
        """Keep activations again."""
        self._stock("checkpointing_disable")()

    def _stock(self, name: str) -> Any:
        return getattr(self.model, f"activation_{name}", None) or getattr(self.model, f"gradient_{name}")
