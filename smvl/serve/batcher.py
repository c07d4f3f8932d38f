"""One thread that owns the model: questions wait in a bounded queue, and those that wait together are answered together."""

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from smvl.infer.answer import Answer, Piece
from smvl.infer.answering import Answering
from smvl.infer.engine import Engine
from smvl.infer.prompt import Prompt
from smvl.infer.request import Request
from smvl.infer.sampling import Sampling
from smvl.infer.token_scores import TokenScore
from smvl.serve.conversations import Conversations
from smvl.serve.errors import ApiError
from smvl.serve.stop_texts import StopTexts

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Step:
    """What one step added to one answer."""

    row: int
    pieces: tuple[Piece, ...]
    scores: tuple[TokenScore, ...]


@dataclass(frozen=True)
class Ended:
    """An answer that is whole."""

    row: int
    answer: Answer
    stop_text: str | None
    """The text of the client's that ended it."""


Event = Step | Ended | Exception
"""What a job tells whoever waits for it; an exception is the last."""


@dataclass
class Job:
    """One question, and how many answers to it are wanted.

    Args:
        samplings: one for each answer.
        tell: gets every event, in the model's thread.
        may_shorten: give answers less room than their samplings say, where the prompt leaves less.
    """

    request: Request
    samplings: Sequence[Sampling]
    stop: Sequence[str]
    tell: Callable[[Event], None]
    may_shorten: bool = False
    is_left: threading.Event = field(default_factory=threading.Event)
    """Set when nobody waits any more; the job then ends where it stands."""


@dataclass
class _Row:
    """One answer of a batch."""

    job: Job
    number: int
    prompt: Prompt
    sampling: Sampling
    stop: StopTexts
    num_scores: int = 0
    has_begun: bool = False
    """Whether something was told of it."""
    is_told: bool = False
    """Whether all was."""


class Batcher:
    """Answers jobs until `close`.

    Args:
        batch_size: answers that are written together at most; a runtime that reads one prompt at a time gets one.
        most_waiting: jobs that may wait; another is refused with 429.
        keep: conversations whose beginning is kept, so that a next turn need not be read from its start.
    """

    def __init__(self, engine: Engine, *, batch_size: int = 16, most_waiting: int = 64, keep: int = 4):
        self._engine, self._most_waiting = engine, most_waiting
        self._batch_size = min(batch_size, engine.facts.max_batch or batch_size)
        self._conversations = Conversations(keep)
        self._waiting: deque[Job] = deque()
        self._change = threading.Condition()
        self._is_closed = False
        self.num_running = 0
        """Answers that are being written now."""
        self._thread = threading.Thread(target=self._run, name="model", daemon=True)
        self._thread.start()

    @property
    def num_waiting(self) -> int:
        return len(self._waiting)

    def submit(self, job: Job) -> None:
        """Let a job wait for its turn.

        Raises:
            ApiError: too many wait already, or the server is closing.
        """
        with self._change:
            if self._is_closed:
                raise ApiError(503, "the server is closing.", code="closing")
            self._waiting = deque(other for other in self._waiting if not other.is_left.is_set())
            if len(self._waiting) >= self._most_waiting:
                raise ApiError(429, f"{self._most_waiting} requests wait already. Try again in a moment.", code="queue_full")
            self._waiting.append(job)
            self._change.notify()

    def close(self) -> None:
        """Answer nothing more."""
        with self._change:
            self._is_closed = True
            self._change.notify()
        self._thread.join(30)

    # ---- the model's thread ----------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while (jobs := self._next_jobs()) is not None:
            rows = self._prepare_all(jobs)
            self.num_running = len(rows)
            try:
                self._answer(rows)
            except Exception as error:  # of whatever kind: one batch must not end the server
                self._begin_again(rows, error)
            self.num_running = 0

    def _next_jobs(self) -> list[Job] | None:
        """Those that wait, as many as fit together, oldest first; None when all is over."""
        with self._change:
            while not self._waiting and not self._is_closed:
                self._change.wait()
            if self._is_closed:
                for job in self._waiting:
                    job.tell(ApiError(503, "the server is closing.", code="closing"))
                return None
            taken, room = [self._waiting.popleft()], self._batch_size
            room -= len(taken[0].samplings)
            while self._waiting and len(self._waiting[0].samplings) <= room:
                taken.append(self._waiting.popleft())
                room -= len(taken[-1].samplings)
            return taken

    def _prepare_all(self, jobs: Sequence[Job]) -> list[_Row]:
        """Rows of the jobs that can be asked; the others are told why not."""
        rows = []
        for job in jobs:
            if job.is_left.is_set():
                continue
            try:
                rows += self._prepare(job)
            except Exception as error:  # a ValueError is the client's, any other a fault that harms this job alone
                job.tell(error)
        return rows

    def _prepare(self, job: Job) -> list[_Row]:
        sampling = job.samplings[0]
        prompt = self._engine.prepare(job.request, replace(sampling, max_new_tokens=1) if job.may_shorten else sampling)
        room = min(sampling.max_new_tokens, self._engine.facts.max_positions - len(prompt))
        return [
            _Row(job, row, replace(prompt, row=row), replace(each, max_new_tokens=room), StopTexts(job.stop))
            for row, each in enumerate(job.samplings)
        ]

    def _answer(self, rows: list[_Row]) -> None:
        for start in range(0, len(rows), self._batch_size):  # more than one round only where a job wants more answers than fit
            self._answer_together(rows[start : start + self._batch_size])

    def _answer_together(self, rows: Sequence[_Row]) -> None:
        prompts, samplings = [row.prompt for row in rows], [row.sampling for row in rows]
        memory = self._conversations.memory_for(rows[0].job.request) if len(rows) == 1 else None
        answering = Answering(self._engine, prompts, samplings, memory)
        for pieces in answering:
            for place, row in enumerate(rows):
                self._tell(answering, place, row, pieces[place])
        if memory is not None:
            self._conversations.keep(rows[0].job.request, memory)

    def _tell(self, answering: Answering, place: int, row: _Row, pieces: Sequence[Piece]) -> None:
        if row.is_told:
            return
        if row.job.is_left.is_set():
            row.is_told = True
            answering.end(place)
            return
        answer, scores = answering.answers[place], answering.scores(place)[row.num_scores :]
        row.num_scores += len(scores)
        given = self._until_stop(row.stop, pieces, is_last=answer is not None)
        if given or scores:
            row.has_begun = True
            row.job.tell(Step(row.number, tuple(given), tuple(scores)))
        if row.stop.found is not None:
            answering.end(place)
            answer = answer or answering.report(place)
        if answer is not None:
            row.is_told = True
            row.job.tell(Ended(row.number, answer, row.stop.found))

    @staticmethod
    def _until_stop(stop: StopTexts, pieces: Sequence[Piece], *, is_last: bool) -> list[Piece]:
        """Pieces up to a text that ends the answer; reasoning is not looked through."""
        given = [piece if piece.is_reasoning else Piece(stop.push(piece.text), is_reasoning=False) for piece in pieces]
        if is_last and stop.found is None:
            given.append(Piece(stop.finish(), is_reasoning=False))
        return [piece for piece in given if piece.text]

    def _begin_again(self, rows: Sequence[_Row], error: Exception) -> None:
        """What fails together is asked alone, so that one request's fault harms no other; what has begun to be told cannot be."""
        logger.exception("a batch of %d failed", len(rows))
        self._conversations.forget()
        for job in {id(row.job): row.job for row in rows if not row.is_told}.values():
            own = [row for row in rows if row.job is job]
            if len(own) == len(rows) or any(row.has_begun for row in own):
                job.tell(error)
                continue
            try:
                self._answer(own)
            except Exception as again:  # as above
                logger.exception("a question failed")
                job.tell(again)
