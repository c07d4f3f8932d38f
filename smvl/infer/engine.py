"""The one generation path: infer.py, evaluation and serving all ask a model through `Engine`, whatever runtime the model is loaded in.

engine = Engine.from_folder("output/demo")
question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}
[answer] = engine.answer([Request([question], images=["a.jpg"])])
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from PIL import Image

from smvl.infer.answer import Answer
from smvl.infer.answering import Answering, AnswerStream, Clock
from smvl.infer.argument_kinds import check_kinds
from smvl.infer.backend import Model, Reading
from smvl.infer.budget.plan import Plan
from smvl.infer.form.matcher import FormTokens
from smvl.infer.form.tools import calling_form
from smvl.infer.memory import Memory, image_key, marks_of
from smvl.infer.opening import open_model, open_plan
from smvl.infer.prompt import Prompt
from smvl.infer.request import Request, check_request, messages_of
from smvl.infer.sampling import Choice, Sampling
from smvl.infer.text_stream import TextStream, split_thinking
from smvl.infer.tool_calls import OPENING, read_functions, split_calls
from smvl.infer.writing import Writing
from smvl.processing.images import ImageError, image_header, image_name, image_size, read_image
from smvl.processing.laid_out import LaidOut
from smvl.processing.processing_smvl import SmVLMProcessor


class Engine:
    """A model and its processor, ready to answer."""

    def __init__(self, model: Model, processor: SmVLMProcessor, plan: Plan | None = None):
        self.model = model
        self.processor = processor
        self.facts = model.facts
        self.plan = plan
        if plan is not None:
            context = min(plan.use.context, model.facts.max_positions)
            self.facts = replace(model.facts, max_positions=context, max_batch=1)

    @classmethod
    def from_folder(
        cls, folder: str | Path, *, device: str = "auto", dtype: str = "auto", attention: str = "sdpa", quantize: str | None = None
    ) -> Self:
        """Load a checkpoint or an export; see `opening.open_model`.

        Raises:
            ValueError: the folder is not whole, or there is no such device or dtype.
        """
        check_kinds(folder=folder)
        return cls(*open_model(folder, device=device, dtype=dtype, attention=attention, quantize=quantize))

    @classmethod
    def from_plan(cls, plan: Plan) -> Self:
        """Load what a memory budget grants (`budget.plan.plan_budget`), and keep within it.

        Raises:
            ValueError: as `from_folder`.
        """
        return cls(*open_plan(plan), plan)

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
        on_answered: Callable[[int], None] | None = None,
    ) -> list[Answer]:
        """Answer all requests, in the order asked.

        They run in batches of about equal length; which ones share a batch changes no answer, drawn ones included. For the choice of
        tokens see `Sampling`.

        Args:
            on_answered: called after each batch with the number of requests in it.

        Raises:
            ValueError: a request is malformed, an image cannot be read, or a prompt leaves no room for the answer.
        """
        check_kinds(requests=requests, batch_size=batch_size)
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; expected at least 1.")
        batch_size = min(batch_size, self.facts.max_batch or batch_size)
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
        prompts = [self.prepare(request, sampling, row) for row, request in enumerate(requests)]
        prompts.sort(key=len, reverse=True)  # longest first, so that a lack of memory shows at once
        answers: dict[int, Answer] = {}
        for start in range(0, len(prompts), batch_size):
            batch = prompts[start : start + batch_size]
            answers.update(zip((prompt.row for prompt in batch), self._answer_batch(batch, sampling)))
            if on_answered is not None:
                on_answered(len(batch))
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
        memory: Memory | None = None,
    ) -> AnswerStream:
        """Answer one request piece by piece; the pieces join to what `answer` gives for the same arguments.

        Args:
            memory: what was read for an earlier request; what the two have in common at their beginning is not read again.

        Raises:
            ValueError: as `answer`, at once, except for an image whose pixels turn out damaged when they are read.
        """
        sampling = Sampling(max_new_tokens=max_new_tokens, temperature=temperature, top_p=top_p, top_k=top_k, seed=seed)
        return AnswerStream(self, self.prepare(request, sampling), sampling, memory or Memory())

    def first_scores(self, request: Request) -> np.ndarray:
        """(vocabulary,) float32: the model's scores of the first token of its answer.

        Raises:
            ValueError: as `answer`.
        """
        sampling, memory = Sampling(max_new_tokens=1), Memory()
        self.recall(self.prepare(request, sampling), 1, memory)
        return memory.reading.scores()[0]

    def decode(self, ids: Sequence[int]) -> str:
        """Text of new tokens, without the special ones."""
        return self.processor.tokenizer.decode(list(ids), skip_special_tokens=True, clean_up_tokenization_spaces=False)

    def read_image(self, source: Any) -> Image.Image:
        """Decode an image; within a memory budget also scale it down to what the model is shown of it, which is all that is kept then.

        Raises:
            ValueError: it cannot be read, or cannot be shown to the model, or has more pixels than the budget allows.
        """
        if self.plan is None:
            image = read_image(source)
            self.processor.pictures.plan(image.height, image.width)  # an error now, and not with every question
            return image
        if not isinstance(source, Image.Image):
            _check_pixels(source, self.plan)
            if self.plan.use.one_at_a_time:
                self.model.release_decoder()
        return self.processor.shrink(read_image(source))

    # ---- from requests to prompts ----------------------------------------------------------------------------------------------

    def lay_out(self, request: Request) -> LaidOut:
        """The ids of a request as the model is asked for the next token, and how its images are shown.

        Raises:
            ValueError: the request is malformed, or an image cannot be opened.
        """
        check_request(request)
        messages = messages_of(request)
        if not messages or messages[-1]["role"] == "assistant":
            raise ValueError("a request must end with a message that is not the assistant's; there is nothing to answer.")
        return self.processor.lay_out(
            messages,
            [image_size(image) for image in request.images],
            tools=request.tools,
            add_generation_prompt=True,
            enable_thinking=request.thinking,
        )

    def prepare(self, request: Request, sampling: Sampling, row: int = 0) -> Prompt:
        """A request laid out for the model.

        Raises:
            ValueError: as `answer`.
        """
        laid_out = self.lay_out(request)
        functions = read_functions(request.tools or ())
        form = calling_form(functions, request.tool_choice, request.form) if functions else request.form
        prompt = Prompt(request, form, functions if request.tool_choice != "none" else {}, laid_out, row)
        limit = self.facts.max_positions
        if len(prompt) + sampling.max_new_tokens > limit:
            pictures = f"{prompt.laid_out.num_units} image {self.processor.pictures.unit}"
            reader = "the model reads" if self.plan is None else f"a budget of {self.plan.budget / 1e6:,.0f} MB allows"
            raise ValueError(
                f"the prompt has {len(prompt)} tokens ({pictures}) and max_new_tokens is "
                f"{sampling.max_new_tokens}, but {reader} at most {limit}. Ask for fewer new tokens, or shorten the conversation."
            )
        return prompt

    # ---- generation ------------------------------------------------------------------------------------------------------------

    def _answer_batch(self, prompts: Sequence[Prompt], sampling: Sampling) -> list[Answer]:
        answering = Answering(self, prompts, [sampling] * len(prompts))
        for _ in answering.steps():
            pass
        return answering.answers

    def read(self, prompts: Sequence[Prompt], room: int) -> Reading:
        """Read prompts together, with room for so many tokens after each."""
        known: dict[str, np.ndarray] = {}
        features = [_join(known, keys) for keys in self._see(prompts, known)]
        positions = [self.processor.positions(prompt.laid_out) for prompt in prompts]
        return self.model.read([prompt.laid_out.input_ids for prompt in prompts], features, room, positions)

    def recall(self, prompt: Prompt, room: int, memory: Memory) -> int:
        """Let `memory` read a prompt; returns how many of its tokens it knew."""
        [keys] = self._see([prompt], memory.features)
        memory.features = {key: memory.features[key] for key in keys}
        ids = prompt.laid_out.input_ids
        marks = marks_of(ids, self.processor.image_token_id, keys, [len(memory.features[key]) for key in keys])
        positions = self.processor.positions(prompt.laid_out)
        return memory.read(self.model, ids, marks, _join(memory.features, keys), positions, room)

    def _see(self, prompts: Sequence[Prompt], known: dict[str, np.ndarray]) -> list[list[str]]:
        """The keys of each prompt's images; the features of those that are not in `known` are put there."""
        found, unknown, pictures = [], {}, self.processor.pictures
        for prompt in prompts:
            images = [self.read_image(prompt.request.images[index]) for index in prompt.laid_out.kept_images]
            found.append([image_key(image, plan) for image, plan in zip(images, prompt.laid_out.plans)])
            for key, image, plan in zip(found[-1], images, prompt.laid_out.plans):
                if key not in known and key not in unknown:
                    unknown[key] = plan, pictures.cut(image, plan)
        if unknown:
            plans, pixels = zip(*unknown.values())
            features = self.model.encode_images(np.concatenate(pixels), [plan.shape for plan in plans])
            ends = np.cumsum([pictures.num_tokens(plan) for plan in plans])
            known.update(zip(unknown, np.split(features.reshape(-1, features.shape[-1]), ends[:-1])))
        return found

    def begin(self, prompt: Prompt, sampling: Sampling) -> Writing:
        """An answer to a prompt, before its first token."""
        matcher = None if prompt.form is None else self._form_tokens.matcher(prompt.form, thinking=prompt.request.thinking)
        return Writing(sampling.max_new_tokens, self.facts.stop_ids, self.decode, matcher, sampling.num_likeliest)

    def text_stream(self, prompt: Prompt) -> TextStream:
        """What turns an answer's tokens into text as they come; calls of tools are no text."""
        return TextStream(self.decode, self.processor.before_answer, until=OPENING if prompt.functions else None)

    @cached_property
    def _form_tokens(self) -> FormTokens:
        return FormTokens(self.processor.tokenizer, self.facts.num_scores, self.facts.stop_ids)

    def write(self, reading: Reading, writings: Sequence[Writing], choose: Choice) -> Iterator[list[list[int]]]:
        """What each step adds to each answer, until every one has ended; nothing to those that have."""
        while True:
            chosen = choose(reading, [writing.allowed for writing in writings])
            are_scored = any(writing.num_likeliest is not None for writing in writings)
            scores = self._scores_of_tokens(reading) if are_scored else [None] * len(writings)
            added = [writing.go_on(*each) for writing, *each in zip(writings, chosen, scores)]
            yield added
            if all(writing.finish for writing in writings):
                return
            reading.go_on([tokens or [token] for tokens, token in zip(added, chosen)])  # what follows an end means nothing

    def _scores_of_tokens(self, reading: Reading) -> np.ndarray:
        """(answers, vocabulary): those that no token has count as nothing."""
        scores = reading.scores().copy()
        scores[:, list(self.facts.suppressed_ids)] = -np.inf
        return scores

    def report(self, prompt: Prompt, writing: Writing, clock: Clock, num_known_tokens: int = 0) -> Answer:
        """What an answer says of itself."""
        ids = writing.ids
        reasoning, text = split_thinking(self.decode(ids).removeprefix(self.processor.before_answer))
        text, calls = split_calls(text, prompt.functions) if prompt.functions else (text, ())
        return Answer(
            text=text,
            reasoning=reasoning,
            finish=writing.finish,
            num_prompt_tokens=len(prompt),
            num_image_tokens=prompt.laid_out.input_ids.count(self.processor.image_token_id),
            num_tiles=prompt.laid_out.num_units,
            num_new_tokens=len(ids),
            seconds_to_first_token=clock.seconds_to_first_token,
            seconds=clock.seconds(),
            token_ids=tuple(ids),
            num_known_tokens=num_known_tokens,
            num_forced_tokens=writing.num_forced,
            tool_calls=calls,
            token_scores=tuple(writing.scores),
        )


def _check_pixels(source: Any, plan: Plan) -> None:
    width, height = image_header(source).stored_size
    if height * width > plan.most_pixels:
        raise ImageError(
            f"{image_name(source)}: {width} x {height} pixels; a budget of {plan.budget / 1e6:,.0f} MB allows {plan.most_pixels:,} while a "
            "picture is decoded. Scale the image down, or grant more memory.",
            "image too large",
        )


def _join(known: dict[str, np.ndarray], keys: Sequence[str]) -> np.ndarray | None:
    """(image tokens, width) of some images, in their order."""
    return np.concatenate([known[key] for key in keys]) if keys else None
