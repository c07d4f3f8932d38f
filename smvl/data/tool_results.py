"""Which call of the assistant's each tool's message answers. The chat template names no ids: a result belongs to its call by its place."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from smvl.data.rules import SampleError
from smvl.data.sources.values import id_text
from smvl.data.tool_calls import CALL_ID_KEYS, list_of_calls


class _Call(NamedTuple):
    place: int
    """Which of the message's calls it is."""
    id: str | None
    name: str | None


def results_in_order(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with the results of each group of calls in the order of the calls.

    A result answers the call of its `tool_call_id`, else that of its `id` where a call has it, else one of its `name`, else the first that
    is left.

    Raises:
        SampleError: a tool's message answers no call that was made just before, or one that was answered.
    """
    ordered: list[dict[str, Any]] = []
    left: list[_Call] = []
    results: list[tuple[int, dict[str, Any]]] = []
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            call = _call_answered(left, message, index)
            left.remove(call)
            results.append((call.place, message))
            continue
        ordered += _by_place(results)
        results = []
        ordered.append(message)
        left = _calls_of(message, index)
    return ordered + _by_place(results)


def _by_place(results: list[tuple[int, dict[str, Any]]]) -> list[dict[str, Any]]:
    return [message for _, message in sorted(results, key=lambda result: result[0])]


def _calls_of(message: dict[str, Any], index: int) -> list[_Call]:
    """Also those that stand in the words, as Qwen3 writes them itself."""
    if message["role"] != "assistant":
        return []
    if message.get("tool_calls"):
        calls = list_of_calls(message["tool_calls"], index)
        return [_Call(place, _id_of(call), _name_of(call)) for place, call in enumerate(calls)]
    content = message.get("content")
    return [_Call(place, None, None) for place in range(content.count("<tool_call>"))] if isinstance(content, str) else []


def _id_of(call: dict[str, Any]) -> str | None:
    return next((text for key in ("id", *CALL_ID_KEYS) if (text := id_text(call.get(key))) is not None), None)


def _name_of(call: dict[str, Any]) -> str | None:
    function = call.get("function", call)
    return function.get("name") if isinstance(function, dict) else None


def _call_answered(left: Sequence[_Call], message: dict[str, Any], index: int) -> _Call:
    if not left:
        raise SampleError("tool result", f"message {index} is a tool's, but no call of the assistant's before it is left unanswered")
    call_id = id_text(message.get("tool_call_id"))
    if call_id is not None and any(call.id is not None for call in left):
        of_id = [call for call in left if call.id == call_id] or [call for call in left if call.id is None]
        if not of_id:
            known = ", ".join(str(call.id) for call in left)
            raise SampleError("tool result", f"message {index} answers the tool call {call_id!r}; the calls left unanswered are {known}")
        return of_id[0]
    own_id = id_text(message.get("id"))  # may be that of the message itself
    if (of_own_id := next((call for call in left if call.id is not None and call.id == own_id), None)) is not None:
        return of_own_id
    return next((call for call in left if call.name is not None and call.name == message.get("name")), left[0])
