"""The two lines of Python that ask a model: `smvl.load(folder).ask(question, images=[...])`."""

from collections.abc import Iterator
from os import PathLike
from typing import Any

from PIL import Image

from smvl.infer.answer import Answer
from smvl.infer.argument_kinds import check_kinds
from smvl.infer.budget.plan import plan_budget
from smvl.infer.chat import Conversation, show
from smvl.infer.engine import Engine
from smvl.infer.form.form import Form
from smvl.infer.request import Request


class LoadedModel:
    """A model that is ready to answer. `engine` is the same with all options: batches, tools, times, scores.

    Args:
        engine: the model and its processor.
    """

    def __init__(self, engine: Engine):
        self.engine = engine

    def ask(
        self,
        question: str,
        images: Any = (),
        *,
        system: str | None = None,
        thinking: bool = False,
        form: Form | None = None,
        **sampling: Any,
    ) -> Answer:
        """The answer to one question, which knows of no earlier one. `str(answer)` is its text.

        Args:
            images: pictures that the question is about, in order, or a single one: paths, bytes, `data:` URLs, PIL images.
            system: what the model is told first.
            thinking: whether the model may reason before it answers; the reasoning is in `Answer.reasoning`.
            form: what the answer must match, such as `Form.json_schema({...})`.
            sampling: as in `Engine.answer`: `max_new_tokens`, `temperature`, `top_p`, `top_k`, `seed`. Without them, the likeliest tokens.

        Raises:
            ValueError: an image cannot be read, or an argument means nothing.
        """
        return self.engine.answer([_request(question, images, system, thinking=thinking, form=form)], **sampling)[0]

    def stream(
        self,
        question: str,
        images: Any = (),
        *,
        system: str | None = None,
        thinking: bool = False,
        form: Form | None = None,
        **sampling: Any,
    ) -> Iterator[str]:
        """The same answer in pieces of text, as they are written; reasoning stands between <think> tags. Arguments as `ask` takes them.

        Raises:
            ValueError: as `ask`, at once.
        """
        return show(self.engine.stream(_request(question, images, system, thinking=thinking, form=form), **sampling))

    def conversation(self, **options: Any) -> Conversation:
        """Several turns that remember each other and their pictures; options as `Conversation` takes them."""
        return Conversation(self.engine, **options)


def load(
    folder: str | PathLike[str], *, device: str = "auto", dtype: str = "auto", quantize: str | None = None, budget: str | None = None
) -> LoadedModel:
    """Load a checkpoint, or an ONNX or GGUF export.

    Args:
        device: auto, cpu, cuda, cuda:1, mps, ...
        dtype: auto, float32, bfloat16 or float16.
        quantize: int8, int4 or fp8: of a checkpoint's text layers, by torchao.
        budget: memory that the process may take, such as "1GB": chooses form, tiles and context, on the CPU.

    Raises:
        ValueError: the folder is not whole, what it needs is not installed, an argument is not for it, or the budget is too small.
    """
    if budget is None:
        return LoadedModel(Engine.from_folder(folder, device=device, dtype=dtype, quantize=quantize))
    if device not in ("auto", "cpu") or dtype != "auto" or quantize:
        raise ValueError("budget is for the CPU and chooses the form of the model itself. Leave device, dtype and quantize out.")
    return LoadedModel(Engine.from_plan(plan_budget(folder, budget)))


def _request(question: str, images: Any, system: str | None, **fields: Any) -> Request:
    if not isinstance(question, str):
        raise ValueError(f"question is of the type {type(question).__name__}; expected text.")
    pictures = [images] if isinstance(images, str | bytes | PathLike | Image.Image) else images
    check_kinds(images=pictures)
    parts = [*[{"type": "image"}] * len(pictures), {"type": "text", "text": question}]
    opening = [] if system is None else [{"role": "system", "content": system}]
    return Request([*opening, {"role": "user", "content": parts}], pictures, **fields)
