"""One question to an agent: the loop over the model's answers and the calls in them."""

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from smvl.agent.outcome import Ended, Outcome
from smvl.agent.tool import Result, Tool, ToolFailure, shown_text
from smvl.agent.transcript import picture_name
from smvl.infer.answer import Answer
from smvl.infer.engine import Engine
from smvl.infer.memory import Memory
from smvl.infer.request import Request
from smvl.infer.tool_calls import ToolCall
from smvl.strict_yaml import shorten

Event = dict[str, Any]
"""What happened, as JSON has it: `event` says which of question, answer, permission, result and end."""
Permit = Callable[[ToolCall], bool]


@dataclass(frozen=True)
class Bounds:
    """How far a run goes."""

    steps: int
    seconds: float

    def __post_init__(self):
        for name, value, kind in (("steps", self.steps, int), ("seconds", self.seconds, (int, float))):
            if not isinstance(value, kind) or isinstance(value, bool) or not value > 0:
                raise ValueError(f"{name} is {shorten(value)}; expected a number above 0.")


@dataclass(frozen=True)
class _End:
    """Why a run ends, and what the model said last."""

    ended: Ended
    detail: str = ""
    text: str = ""


class Run:
    """A conversation in the making; for one question.

    Args:
        permit: whether a call may be carried out, and by what right.
        watchers: are told every event as it happens.
    """

    def __init__(
        self,
        engine: Engine,
        tools: dict[str, Tool],
        permit: Callable[[ToolCall], tuple[bool, str]],
        bounds: Bounds,
        watchers: Sequence[Callable[[Event], None]],
        *,
        thinking: bool,
        generation: dict[str, Any],
    ):
        self._engine, self._tools, self._permit, self._bounds, self._watchers = engine, tools, permit, bounds, watchers
        self._thinking, self._generation = thinking, generation
        self._memory = Memory()  # of what was read for the answers before
        self._messages: list[dict[str, Any]] = []
        self._images: list[Any] = []
        self._step = 0
        self._latest: tuple[str, int] = ("right", 0)
        """How the call before this one went, and in which answer it stood."""

    def answer(self, opening: Sequence[dict[str, Any]], question: str, images: Sequence[Any]) -> Outcome:
        """Ask, and carry out what is called, until the run ends."""
        self._started = time.monotonic()
        self._deadline = self._started + self._bounds.seconds
        self._images = [self._engine.read_image(image) for image in images]
        parts = [*[{"type": "image"}] * len(images), {"type": "text", "text": question}]
        self._messages = [*opening, {"role": "user", "content": parts}]
        self._tell("question", text=question, images=list(map(picture_name, images, self._images)), tools=list(self._tools))
        try:
            end = self._go_on()
        except BaseException as error:
            self._tell("end", ended="error", detail=f"{type(error).__name__}: {error}")
            raise
        seconds = time.monotonic() - self._started
        self._tell("end", ended=end.ended, detail=end.detail, text=end.text, steps=self._step, seconds=round(seconds, 3))
        return Outcome(end.text, end.ended, end.detail, self._messages, self._images, self._step, seconds)

    def _go_on(self) -> _End:
        said = ""
        while self._seconds_left() > 0:
            self._step += 1
            answer = self._ask()
            if isinstance(answer, _End):
                return answer
            if end := self._end_by(answer):
                return end
            for call in answer.tool_calls:
                if end := self._carry_out(call):
                    return replace(end, text=answer.text)
            said = answer.text
        return self._out_of_time(said)

    # ---- answers ---------------------------------------------------------------------------------------------------------------

    def _ask(self) -> Answer | _End:
        """The next answer, which enters the conversation; or why there is none."""
        tools = [tool.description for tool in self._tools.values()]
        request = Request(self._messages, self._images, tools or None, thinking=self._thinking)
        try:
            stream = self._engine.stream(request, memory=self._memory, **self._generation)
        except ValueError as error:
            if self._step == 1:
                raise
            self._step -= 1
            return _End("too long", str(error))
        said = []
        for piece in stream:
            said += [] if piece.is_reasoning else [piece.text]
            if self._seconds_left() <= 0 and stream.answer is None:
                return self._out_of_time("".join(said))
        answer = stream.answer
        self._messages.append(_message_of(answer))
        self._tell(
            "answer",
            step=self._step,
            text=answer.text,
            reasoning=answer.reasoning,
            calls=[asdict(call) for call in answer.tool_calls],
            finish=answer.finish,
            prompt_tokens=answer.num_prompt_tokens,
            new_tokens=answer.num_new_tokens,
            seconds=round(answer.seconds, 3),
        )
        return answer

    def _end_by(self, answer: Answer) -> _End | None:
        """Why a run ends with an answer; None where it goes on."""
        if not answer.tool_calls and answer.finish == "stop":
            return _End("answered", text=answer.text)
        if not answer.tool_calls:
            why = f"was cut after {answer.num_new_tokens} tokens" if answer.finish == "length" else "said the same again and again"
            return _End(answer.finish, f"the answer {why}", answer.text)
        if self._step == self._bounds.steps:
            names = ", ".join(call.name or "(no name)" for call in answer.tool_calls)
            return _End("steps", f"after {self._step} answers the model still called tools; not carried out: {names}", answer.text)
        return None

    def _out_of_time(self, text: str = "") -> _End:
        return _End("seconds", f"{self._bounds.seconds:g} seconds were over in step {self._step}", text)

    def _seconds_left(self) -> float:
        return self._deadline - time.monotonic()

    # ---- calls -----------------------------------------------------------------------------------------------------------------

    def _carry_out(self, call: ToolCall) -> _End | None:
        """Do what is called, and tell the model what came of it; returns why the run ends, where it does."""
        if self._seconds_left() <= 0:
            return self._out_of_time()
        if call.error:
            return self._note(call, "wrong", Result(f"error: {call.error}"))
        if not self._is_permitted(call):
            refusal = f"refused: {call.name} was not permitted, and nothing was done. Do not call it again."
            return self._note(call, "refused", Result(refusal))
        try:
            result = self._tools[call.name].call(call.arguments, self._seconds_left())
            pictures = tuple(self._engine.read_image(picture) for picture in result.pictures)
        except ToolFailure as failure:
            return self._note(call, "wrong", Result(f"error: {failure}"))
        except (Exception, SystemExit) as error:  # of whatever kind: a tool must not end the run, and the model can read what it was
            return self._note(call, "wrong", Result(f"error: {type(error).__name__}: {error}"))
        return self._note(call, "right", replace(result, pictures=pictures))

    def _is_permitted(self, call: ToolCall) -> bool:
        asked = time.monotonic()
        granted, why = self._permit(call)
        self._deadline += time.monotonic() - asked  # who is asked may take his time
        self._tell("permission", step=self._step, name=call.name, arguments=call.arguments, granted=granted, why=why)
        return granted

    def _note(self, call: ToolCall, kind: str, result: Result) -> _End | None:
        """Put a result into the conversation. A second wrong or refused call, once the model has read what came of the first, ends it."""
        text = shown_text(result.text or ("" if result.pictures else "(nothing)"))
        parts = [{"type": "text", "text": text}] if text else []
        self._messages.append({"role": "tool", "content": [*parts, *[{"type": "image"}] * len(result.pictures)]})
        self._images += result.pictures
        names = [picture_name(None, picture) for picture in result.pictures]
        self._tell("result", step=self._step, name=call.name, kind=kind, text=text, images=names)
        (kind_before, step_before), self._latest = self._latest, (kind, self._step)
        if kind == "right" or kind != kind_before or step_before == self._step:
            return None
        return _End("refused" if kind == "refused" else "wrong call", f"twice in a row; the last: {call.name or '(no name)'}: {text}")

    def _tell(self, event: str, **facts: Any) -> None:
        for watcher in self._watchers:
            watcher({"event": event, **facts})


def _message_of(answer: Answer) -> dict[str, Any]:
    # reasoning_content, even empty, tells the template that a "</think>" in the answer is only a word
    message = {"role": "assistant", "content": answer.text, "reasoning_content": answer.reasoning}
    return {**message, "tool_calls": [call.as_message() for call in answer.tool_calls]} if answer.tool_calls else message
