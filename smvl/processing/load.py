"""The processor of a model folder, in one line and without torchvision, which transformers' own needs."""

from os import PathLike

from smvl.processing.processing_smvl import SmVLMProcessor


def load_processor(folder: str | PathLike[str]) -> SmVLMProcessor:
    """The processor of a checkpoint or an export: pictures and messages in, what `generate` takes out (`apply_chat_template`).

    Raises:
        ValueError: a file of it is missing or damaged.
    """
    return SmVLMProcessor.from_pretrained(folder)
