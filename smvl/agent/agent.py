"""A model that calls tools until it can answer: bounded, asking before anything is changed, and saying why it ended.

agent = Agent(smvl.load("output/demo"), tools=[look_up], servers=["python prices.py"], allow={"update_price"})
print(agent.run("把价签上的价格写进系统。", images=["tag.jpg"]))
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from os import PathLike
from typing import Any, Self

from PIL import Image

from smvl.agent.functions import tool_of
from smvl.agent.outcome import Outcome
from smvl.agent.run import Bounds, Event, Permit, Run
from smvl.agent.servers import Servers
from smvl.agent.tool import Tool
from smvl.agent.transcript import Transcript
from smvl.infer.argument_kinds import check_kinds
from smvl.infer.engine import Engine
from smvl.infer.loaded_model import LoadedModel
from smvl.infer.tool_calls import ToolCall, read_functions


class Agent:
    """A model and its tools. Each question is a conversation of its own, one at a time; connections to servers stay open until `close`.

    Args:
        model: what `smvl.load` gives, or an engine.
        tools: Python functions with type hints and a docstring; those that are not marked with `read_only` may change something.
        servers: MCP servers: commands, http addresses, or whatever `mcp.Client` takes. Their tools may change something unless the
            server says that they only read (`readOnlyHint`).
        system: what the model is told first.
        thinking: whether the model may reason before each answer.
        steps: answers of the model in one run; calls in the last of them are not carried out.
        seconds: of one run, without the time that `permit` takes. An answer is stopped when they are over, and so is the wait for a server;
            a Python function is not.
        allow: names of tools that need no permission.
        permit: decides on every other call that may change something; without it, such calls are refused.
        transcript: a file of JSON Lines to which everything that happens is added.
        watch: is told the same, event by event.
        max_new_tokens, temperature: as in `Engine.stream`.

    Raises:
        ValueError: a tool does not say what it takes, a server does not start, two tools have one name, or `allow` names none.
    """

    def __init__(
        self,
        model: LoadedModel | Engine,
        tools: Sequence[Callable[..., Any]] = (),
        servers: Sequence[Any] = (),
        *,
        system: str | None = None,
        thinking: bool = False,
        steps: int = 8,
        seconds: float = 300.0,
        allow: Collection[str] = (),
        permit: Permit | None = None,
        transcript: str | PathLike[str] | None = None,
        watch: Callable[[Event], None] | None = None,
        max_new_tokens: int = 512,
        temperature: float = 0.0,
    ):
        self.engine = model.engine if isinstance(model, LoadedModel) else model
        self._bounds = Bounds(steps, seconds)
        self._opening = [] if system is None else [{"role": "system", "content": system}]
        self._thinking, self._transcript, self._watch = thinking, transcript, watch
        self._generation = {"max_new_tokens": max_new_tokens, "temperature": temperature}
        own = [tool_of(function) for function in tools]
        self._servers = Servers(servers) if servers else None
        try:
            self.tools = _by_name([*own, *(self._servers.tools if self._servers is not None else [])])
            self._permit = _permission(self.tools, allow, permit)
        except BaseException:
            self.close()
            raise

    def run(self, question: str, images: Any = ()) -> Outcome:
        """Let the model answer a question, with calls of tools before.

        Args:
            images: pictures that the question is about, in order, or a single one: paths, bytes, `data:` URLs, PIL images.

        Raises:
            ValueError: an image cannot be read, the question leaves no room for an answer, or the transcript cannot be written.
        """
        if not isinstance(question, str):
            raise ValueError(f"question is of the type {type(question).__name__}; expected text.")
        pictures = [images] if isinstance(images, str | bytes | PathLike | Image.Image) else images
        check_kinds(images=pictures)
        with nullcontext() if self._transcript is None else Transcript(self._transcript) as transcript:
            watchers = [watcher for watcher in (transcript, self._watch) if watcher is not None]
            run = Run(self.engine, self.tools, self._permit, self._bounds, watchers, thinking=self._thinking, generation=self._generation)
            return run.answer(self._opening, question, pictures)

    def close(self) -> None:
        """End the connections to servers, and the processes behind them; the agent can run no more of their tools."""
        if self._servers is not None:
            self._servers.close()
            self._servers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()


def _by_name(tools: Sequence[Tool]) -> dict[str, Tool]:
    named: dict[str, Tool] = {}
    for tool in tools:
        if tool.name in named:
            raise ValueError(f"{named[tool.name].source} and {tool.source} both offer the tool {tool.name}. Leave one of them out.")
        named[tool.name] = tool
    read_functions([tool.description for tool in tools])
    return named


def _permission(tools: dict[str, Tool], allow: Collection[str], permit: Permit | None) -> Callable[[ToolCall], tuple[bool, str]]:
    """What says whether a call may be carried out, and by what right.

    Raises:
        ValueError: `allow` names a tool that there is not.
    """
    allowed = {allow} if isinstance(allow, str) else set(allow)
    if unknown := sorted(allowed - tools.keys()):
        raise ValueError(f"allow names {', '.join(unknown)}; there are the tools {', '.join(tools) or '(none)'}.")

    def decide(call: ToolCall) -> tuple[bool, str]:
        if not tools[call.name].changes:
            return True, "it only reads"
        if call.name in allowed:
            return True, "it is allowed by name"
        return (False, "nobody was asked") if permit is None else (bool(permit(call)), "somebody was asked")

    return decide
