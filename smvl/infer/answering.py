"""Answers in the making: all that are asked together, step by step, and one alone, piece by piece."""

import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from smvl.infer.answer import Answer, Piece
from smvl.infer.backend import ModelFacts, Reading
from smvl.infer.memory import Memory
from smvl.infer.prompt import Prompt
from smvl.infer.sampling import Choice, Sampling
from smvl.infer.text_stream import TextStream
from smvl.infer.token_scores import TokenScore
from smvl.infer.writing import Writing


class Writer(Protocol):
    """What `smvl.infer.engine.Engine` does for answers in the making."""

    facts: ModelFacts

    def begin(self, prompt: Prompt, sampling: Sampling) -> Writing: ...

    def read(self, prompts: Sequence[Prompt], room: int) -> Reading: ...

    def recall(self, prompt: Prompt, room: int, memory: Memory) -> int: ...

    def write(self, reading: Reading, writings: Sequence[Writing], choose: Choice) -> Iterator[list[list[int]]]: ...

    def text_stream(self, prompt: Prompt) -> TextStream: ...

    def report(self, prompt: Prompt, writing: Writing, clock: "Clock", num_known_tokens: int = 0) -> Answer: ...


class Answering:
    """Answers to prompts that are read together. Iterate once, over `steps` or over the pieces of text; then `answers` are whole.

    Args:
        samplings: how each answer's tokens are chosen.
        memory: of an earlier prompt, where there is one prompt only.
    """

    def __init__(self, engine: Writer, prompts: Sequence[Prompt], samplings: Sequence[Sampling], memory: Memory | None = None):
        self._engine, self._prompts, self._samplings, self._memory = engine, prompts, samplings, memory
        self._writings = [engine.begin(prompt, sampling) for prompt, sampling in zip(prompts, samplings)]
        self.answers: list[Answer | None] = [None] * len(prompts)
        """Each None until it has ended."""
        self._num_known = 0

    def steps(self) -> Iterator[list[list[int]]]:
        """What each step adds to each answer; nothing to those that have ended."""
        engine, self._clock, read = self._engine, Clock(), []
        rows, rooms = [prompt.row for prompt in self._prompts], [sampling.max_new_tokens for sampling in self._samplings]
        if self._memory is None:
            reading = engine.read(self._prompts, max(rooms))
        else:
            [prompt], [room] = self._prompts, rooms
            self._num_known = engine.recall(prompt, room, self._memory)
            reading = self._memory.reading
        for added in engine.write(reading, self._writings, Choice(self._samplings, rows, engine.facts.suppressed_ids)):
            self._clock.saw_token()
            if self._memory is not None:
                self._memory.note(read)  # the step before has been read, or there would be no next
                [read] = added
            for row, writing in enumerate(self._writings):
                if writing.finish is not None and self.answers[row] is None:
                    self.answers[row] = self.report(row)
            yield added

    def __iter__(self) -> Iterator[list[list[Piece]]]:
        """The text that each step adds to each answer; an answer is whole before its last piece is given."""
        texts = [self._engine.text_stream(prompt) for prompt in self._prompts]
        for added in self.steps():
            pieces = [[piece for token in tokens for piece in _as_pieces(text.push(token))] for text, tokens in zip(texts, added)]
            for row, tokens in enumerate(added):
                if tokens and self.answers[row] is not None:
                    pieces[row] += _as_pieces(texts[row].finish())
            yield pieces

    def scores(self, row: int) -> Sequence[TokenScore]:
        """Of the tokens of one answer so far, where its sampling asks for them."""
        return self._writings[row].scores

    def report(self, row: int) -> Answer:
        """One answer as it stands."""
        return self._engine.report(self._prompts[row], self._writings[row], self._clock, self._num_known)

    def end(self, row: int) -> None:
        """Write no more of one answer: nobody waits for it, or it has all that was wanted."""
        self._writings[row].end()


class AnswerStream:
    """An answer in the making: iterate once over its `Piece`s, then read `answer`. Leaving the loop early stops the model."""

    def __init__(self, engine: Writer, prompt: Prompt, sampling: Sampling, memory: Memory):
        self._answering = Answering(engine, [prompt], [sampling], memory)

    @property
    def answer(self) -> Answer | None:
        """Whole; None until the last piece comes."""
        return self._answering.answers[0]

    def __iter__(self) -> Iterator[Piece]:
        for [pieces] in self._answering:
            yield from pieces


class Clock:
    """Takes the time from the start to the first token, and to now."""

    def __init__(self):
        self._started = time.perf_counter()
        self.seconds_to_first_token = 0.0

    def saw_token(self) -> None:
        self.seconds_to_first_token = self.seconds_to_first_token or self.seconds()

    def seconds(self) -> float:
        return time.perf_counter() - self._started


def _as_pieces(added: tuple[str, str]) -> list[Piece]:
    reasoning, text = added
    return [Piece(part, is_reasoning) for part, is_reasoning in ((reasoning, True), (text, False)) if part]
