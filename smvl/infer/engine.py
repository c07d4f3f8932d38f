"""The one generation path: infer.py, evaluation and serving all ask a model through `Engine`.

    engine = Engine.from_folder("output/demo")
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}
    [answer] = engine.answer([Request([question], images=["a.jpg"])])
"""

import queue
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import torch
from transformers import SmolVLMForConditionalGeneration, StoppingCriteria, StoppingCriteriaList

from smvl.assemble import load_checkpoint
from smvl.infer.sampling import Sampling
from smvl.infer.text_stream import TextStream, split_thinking
from smvl.processing.images import image_size, read_image
from smvl.processing.layout import Layout
from smvl.processing.processing_smvl import SmVLMProcessor

_DTYPES = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Request:
    """One conversation that waits for an answer."""

    messages: Sequence[dict[str, Any]]
    """OpenAI / Hugging Face messages, content a string or a list of parts; the last is not the assistant's."""
    images: Sequence[Any] = ()
    """One for each image part, in their order: whatever `read_image` reads."""
    tools: Sequence[dict[str, Any]] | None = None
    thinking: bool = False
    """Whether the model may reason before it answers."""


@dataclass(frozen=True)
class Answer:
    """What the model wrote, and what it took."""

    text: str
    reasoning: str
    """What stood in the thinking block; empty without one."""
    finish: Literal["stop", "length"]
    """`stop`: the model ended its turn; `length`: it was cut at `max_new_tokens`."""
    num_prompt_tokens: int
    num_image_tokens: int
    """How many of the prompt's tokens are image features."""
    num_tiles: int
    num_new_tokens: int
    """Tokens written, reasoning and the token that ends the turn included."""
    seconds_to_first_token: float
    """From reading the images to the first token; of the whole batch, as all its requests are answered together."""
    seconds: float
    """From reading the images to the last token of the batch."""


@dataclass(frozen=True)
class Piece:
    """A part of an answer in the making."""

    text: str
    is_reasoning: bool


@dataclass(frozen=True)
class _Prompt:
    """A request that was laid out; `row` numbers it among those asked together."""

    request: Request
    layout: Layout
    row: int

    def __len__(self) -> int:
        return len(self.layout.input_ids)


class Engine:
    """A model and its processor, ready to answer. The model may be one in training: it is left in the mode in which it was found."""

    def __init__(self, model: SmolVLMForConditionalGeneration, processor: SmVLMProcessor):
        self.model = model
        self.processor = processor
        stop = model.generation_config.eos_token_id
        if stop is None:
            raise ValueError("the generation config has no eos_token_id, so no answer would ever end. Set it to the id of <|im_end|>.")
        self._stop_ids = frozenset([stop] if isinstance(stop, int) else stop)

    @classmethod
    def from_folder(cls, folder: str | Path, *, device: str = "auto", dtype: str = "auto", attention: str = "sdpa") -> Self:
        """Load a checkpoint folder.

        Args:
            device: `auto` takes a GPU where there is one (cuda, then mps), else the CPU.
            dtype: `auto` keeps the checkpoint's own; on a CPU float32, which is faster there.

        Raises:
            ValueError: the folder is no whole checkpoint, or there is no such device or dtype.
        """
        if dtype not in _DTYPES:
            raise ValueError(f"dtype is {dtype}; expected one of {', '.join(_DTYPES)}.")
        place = _find_device(device)
        if dtype == "auto" and place.type == "cpu":
            dtype = "float32"
        model, processor = load_checkpoint(folder, attention=attention, dtype=dtype)
        return cls(model.to(place), processor)

    def answer(
        self,
        requests: Sequence[Request],
        *,
        max_new_tokens: int = 256,
        batch_size: int = 16,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int | None = None,
    ) -> list[Answer]:
        """Answer all requests, in the order asked.

        They run in batches of about equal length; which ones share a batch changes no answer, drawn ones included. For the choice of
        tokens see `Sampling`.

        Raises:
            ValueError: a request is malformed, an image cannot be read, or a prompt leaves no room for the answer.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1.")
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
        prompts = [self._prepare(request, row, sampling) for row, request in enumerate(requests)]
        prompts.sort(key=len, reverse=True)  # longest first, so that a lack of memory shows at once
        answers: dict[int, Answer] = {}
        for start in range(0, len(prompts), batch_size):
            batch = prompts[start : start + batch_size]
            answers.update(zip((prompt.row for prompt in batch), self._answer_batch(batch, sampling)))
        return [answers[row] for row in range(len(requests))]

    def stream(
        self,
        request: Request,
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
        top_p: float = 1.0,
        top_k: int = 0,
        seed: int | None = None,
    ) -> "AnswerStream":
        """Answer one request piece by piece; the pieces join to what `answer` gives for the same arguments.

        Raises:
            ValueError: as `answer`, at once, except for an image whose pixels turn out damaged when they are read.
        """
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
        return AnswerStream(self, self._prepare(request, 0, sampling), sampling)

    def encode(self, requests: Sequence[Request]) -> dict[str, torch.Tensor]:
        """The model's arguments for a batch of requests, as the model is asked for their next token.

        `input_ids` and `attention_mask` (B, L), padded on the left; with images, `pixel_values` (B, most tiles, 3, H, W).
        """
        return self._batch([_Prompt(request, self._lay_out(request), row) for row, request in enumerate(requests)])

    def decode(self, ids: Sequence[int]) -> str:
        """Text of new tokens, without the special ones."""
        return self.processor.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    # ---- from requests to the model's arguments --------------------------------------------------------------------------------

    def _prepare(self, request: Request, row: int, sampling: Sampling) -> _Prompt:
        prompt = _Prompt(request, self._lay_out(request), row)
        limit = self.model.config.text_config.max_position_embeddings
        if len(prompt) + sampling.max_new_tokens > limit:
            raise ValueError(
                f"the prompt has {len(prompt)} tokens ({prompt.layout.num_tiles} image tiles) and max_new_tokens is "
                f"{sampling.max_new_tokens}, but the model reads at most {limit}. Ask for fewer new tokens, or shorten the conversation."
            )
        return prompt

    def _lay_out(self, request: Request) -> Layout:
        if not request.messages or request.messages[-1].get("role") == "assistant":
            raise ValueError("a request must end with a message that is not the assistant's; there is nothing to answer.")
        return self.processor.lay_out(
            request.messages,
            [image_size(image) for image in request.images],
            tools=request.tools,
            add_generation_prompt=True,
            enable_thinking=request.thinking,
        )

    def _batch(self, prompts: Sequence[_Prompt]) -> dict[str, torch.Tensor]:
        length = max(map(len, prompts))
        padding_id = self.processor.tokenizer.pad_token_id
        ids = [[padding_id] * (length - len(prompt)) + prompt.layout.input_ids for prompt in prompts]
        mask = [[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts]
        batch = {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask)}  # (B, L)
        if any(prompt.layout.grids for prompt in prompts):
            batch["pixel_values"] = self._pixels(prompts)
        return {name: tensor.to(self.model.device) for name, tensor in batch.items()}

    def _pixels(self, prompts: Sequence[_Prompt]) -> torch.Tensor:
        """(B, most tiles, 3, H, W); the model passes over tiles that are zero throughout."""
        rows = [self.processor.pixel_values([read_image(image) for image in prompt.request.images], prompt.layout) for prompt in prompts]
        pixels = torch.zeros(len(rows), max(map(len, rows)), *rows[0].shape[1:])
        for target, row in zip(pixels, rows):
            target[: len(row)] = row
        return pixels

    # ---- generation ------------------------------------------------------------------------------------------------------------

    def _answer_batch(self, prompts: Sequence[_Prompt], sampling: Sampling, watch: "_Watch | None" = None) -> list[Answer]:
        watch = watch or _Watch()
        watch.start()
        batch = self._batch(prompts)
        with _evaluating(self.model):
            ids = self.model.generate(
                **batch,
                max_new_tokens=sampling.max_new_tokens,
                do_sample=False,  # a draw is made by the processors, with seeds of its own
                use_cache=True,
                logits_processor=sampling.processors([prompt.row for prompt in prompts]),
                stopping_criteria=StoppingCriteriaList([watch]),
            )
        new_ids = ids[:, batch["input_ids"].shape[1] :].tolist()
        seconds = watch.seconds()
        return [self._read(prompt, self.cut(row), watch.seconds_to_first_token, seconds) for prompt, row in zip(prompts, new_ids)]

    def cut(self, ids: Sequence[int]) -> list[int]:
        """`ids` up to and with the first that ends a turn; what follows is padding."""
        end = next((index for index, token in enumerate(ids) if token in self._stop_ids), len(ids) - 1)
        return list(ids[: end + 1])

    def _read(self, prompt: _Prompt, ids: list[int], seconds_to_first_token: float, seconds: float) -> Answer:
        reasoning, text = split_thinking(self.decode(ids))
        return Answer(
            text=text,
            reasoning=reasoning,
            finish="stop" if ids[-1] in self._stop_ids else "length",
            num_prompt_tokens=len(prompt),
            num_image_tokens=prompt.layout.input_ids.count(self.processor.image_token_id),
            num_tiles=prompt.layout.num_tiles,
            num_new_tokens=len(ids),
            seconds_to_first_token=seconds_to_first_token,
            seconds=seconds,
        )


class AnswerStream:
    """An answer in the making: iterate once over its `Piece`s, then read `answer`. Leaving the loop early stops the model."""

    def __init__(self, engine: Engine, prompt: _Prompt, sampling: Sampling):
        self._engine, self._prompt, self._sampling = engine, prompt, sampling
        self.answer: Answer | None = None
        """Whole; None until the last piece was taken."""

    def __iter__(self) -> Iterator[Piece]:
        tokens: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        watch = _Watch(tokens.put)
        with ThreadPoolExecutor(max_workers=1) as executor:  # leaving it waits for the model's current step
            try:
                work = executor.submit(self._engine._answer_batch, [self._prompt], self._sampling, watch)
                work.add_done_callback(lambda _: tokens.put(None))
                yield from self._pieces(iter(tokens.get, None))
                [self.answer] = work.result()
            finally:
                watch.is_cancelled = True

    def _pieces(self, tokens: Iterator[int]) -> Iterator[Piece]:
        text = TextStream(self._engine.decode)
        has_ended = False
        for token in tokens:
            if not has_ended:  # on a GPU `generate` notices the end one token late
                yield from _as_pieces(text.push(token))
            has_ended = has_ended or token in self._engine._stop_ids
        yield from _as_pieces(text.finish())


class _Watch(StoppingCriteria):
    """Sees each token as it is chosen: takes the time, hands the first row's tokens on, and can stop the model."""

    def __init__(self, on_token: Callable[[int], None] | None = None):
        self.is_cancelled = False
        self.seconds_to_first_token = 0.0
        self._on_token = on_token
        self._has_begun = False
        self.start()

    def start(self) -> None:
        self._started = time.perf_counter()

    def seconds(self) -> float:
        return time.perf_counter() - self._started

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor, **kwargs: Any) -> torch.BoolTensor:
        if self._on_token or not self._has_begun:
            token = int(input_ids[0, -1])  # waits for the device
            if not self._has_begun:
                self._has_begun, self.seconds_to_first_token = True, self.seconds()
            if self._on_token:
                self._on_token(token)
        return torch.full((len(input_ids),), self.is_cancelled, dtype=torch.bool, device=input_ids.device)


@contextmanager
def _evaluating(model: torch.nn.Module) -> Iterator[None]:
    """Evaluation mode without gradients; afterwards every module is in its own mode again."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        for module, training in modes:
            module.training = training


def _as_pieces(added: tuple[str, str]) -> Iterator[Piece]:
    reasoning, text = added
    if reasoning:
        yield Piece(reasoning, is_reasoning=True)
    if text:
        yield Piece(text, is_reasoning=False)


def _find_device(name: str) -> torch.device:
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        raise ValueError(f"the device {name} cannot be used here ({error}). Take auto or cpu.") from error
    return device
