"""The splice: a vision encoder and a text model, joined into one Hugging Face model of a stock layout."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import GenerationConfig, PreTrainedModel

from smvl.layouts.qwen3_vl.splice import Qwen3VLSplicer
from smvl.layouts.smolvlm.splice import SmolVLMSplicer
from smvl.layouts.splicing import SpliceOptions, Splicer
from smvl.model.donors import VisionDonor, check_text_donor, load_text, load_tower, make_text, make_tower

logger = logging.getLogger(__name__)

SPLICERS: dict[str, Splicer] = {"smolvlm": SmolVLMSplicer(), "qwen3_vl": Qwen3VLSplicer()}


def splice_model(
    layout: str,
    vision: VisionDonor,
    text: str | Path,
    options: SpliceOptions,
    *,
    marker_ids: Sequence[int],
    unseen_ids: Sequence[int],
    stop_ids: Sequence[int],
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
    seed: int = 42,
) -> PreTrainedModel:
    """Join two donors. Every tensor of theirs is loaded; what is newly made is the connector and the marker rows, and is logged.

    Args:
        layout: a key of `SPLICERS`.
        marker_ids: ids of the markers but the image token, which are trained as inputs.
        unseen_ids: those of all new ids that the text donor's tokenizer did not have.
        stop_ids: ids that end an answer.

    Raises:
        DonorError: a donor is missing, damaged or of the wrong kind, or the options do not fit it.
    """
    splicer, generator = SPLICERS[layout], torch.Generator().manual_seed(seed)
    splicer.check(vision, check_text_donor(text), options)
    tower = load_tower(vision, dtype=dtype, attention=attention)
    language_model = load_text(text, dtype=dtype, attention=attention)
    _make_room(language_model, max([*options.token_ids.values(), *marker_ids, *unseen_ids]))
    _start_rows(language_model, unseen_ids, generator)
    model = splicer.assemble(vision, tower, language_model, options)
    splicer.start_connector(model, generator)
    stranded = [name for name, tensor in [*model.named_parameters(), *model.named_buffers()] if tensor.is_meta]
    assert not stranded, f"no donor brought {stranded}"
    model.generation_config = _generation_config(stop_ids, options.pad_token_id, [*options.token_ids.values(), *marker_ids])
    model.eval()
    return model


def outline_model(
    layout: str,
    vision: VisionDonor,
    text: str | Path,
    options: SpliceOptions,
    *,
    highest_id: int,
    attention: str = "sdpa",
    dtype: torch.dtype = torch.float32,
) -> PreTrainedModel:
    """The model that `splice_model` makes, in its shapes alone: no donor's weights are read, and no tensor has storage.

    Args:
        highest_id: that the embedding must have a row for.

    Raises:
        DonorError: as `splice_model`, but for what weights can be.
    """
    SPLICERS[layout].check(vision, check_text_donor(text), options)
    with torch.device("meta"):
        tower = make_tower(vision, dtype=dtype, attention=attention)
        language_model = make_text(text, dtype=dtype, attention=attention)
        _make_room(language_model, highest_id)
        return SPLICERS[layout].assemble(vision, tower, language_model, options)


def _make_room(language_model: PreTrainedModel, highest_id: int) -> None:
    """Give the embedding more rows only where its spare ones do not suffice; Qwen3's do."""
    num_rows = language_model.get_input_embeddings().num_embeddings
    if highest_id >= num_rows:
        logger.warning(
            "The embedding of the text model has %d rows; %d more were added for the markers.", num_rows, highest_id + 1 - num_rows
        )
        language_model.resize_token_embeddings(highest_id + 1, mean_resizing=False)


@torch.no_grad()
def _start_rows(language_model: PreTrainedModel, unseen_ids: Sequence[int], generator: torch.Generator) -> None:
    """Start each new row near the mean of the trained ones, so that it is neither alien nor equal to another (Hewitt, 2021)."""
    if not unseen_ids:
        return
    weight = language_model.get_input_embeddings().weight
    trained = weight[: min(unseen_ids)].float()
    noise = torch.randn(len(unseen_ids), weight.shape[1], generator=generator)
    weight[list(unseen_ids)] = (trained.mean(dim=0) + 0.5 * trained.std(dim=0) * noise).to(weight.dtype)
    logger.info("Newly made: %d marker rows (ids %d to %d) of the embedding.", len(unseen_ids), min(unseen_ids), max(unseen_ids))


def _generation_config(stop_ids: Sequence[int], pad_token_id: int, marker_ids: Sequence[int]) -> GenerationConfig:
    """Greedy, ends at the end of a turn, and never writes a marker: a marker is an input, not a word."""
    return GenerationConfig(eos_token_id=list(stop_ids), pad_token_id=pad_token_id, suppress_tokens=sorted(marker_ids), do_sample=False)
