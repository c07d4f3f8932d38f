"""One turn of a conversation, in whichever form a data set writes it, as one message of ours.

Image parts come out as `{"type": "image", "image": value or None, "index": number or None}`: whose image it is, placeholders.py decides.
"""

from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.values import is_missing
from smvl.data.tool_calls import read_calls

CALL = "function_call"
ROLE_NAMES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys((CALL, "tool_call"), CALL),
}
"""What data sets call the roles; a function call is an assistant's message whose value is the call."""

_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_IMAGE_KEYS = ("image", "image_url", "url", "path", "base64", "data")


def read_turn(turn: Any, index: int) -> dict[str, Any]:
    """`{"from", "value"}` (ShareGPT, LLaVA) or `{"role", "content"}` (OpenAI, Hugging Face) as a message with our role names.

    Raises:
        SampleError: it is neither, its role is unknown, or a part of it cannot be read.
    """
    turn = turn if isinstance(turn, dict) else {}
    name = turn.get("role", turn.get("from"))
    if is_missing(name):
        raise SampleError(
            "message form", f'message {index} has no role but {_keys(turn)}; expected "role" and "content", or "from" and "value"'
        )
    role = ROLE_NAMES.get(name) if isinstance(name, str) else None
    if role is None:
        raise SampleError("unknown role", f"message {index} has the role {name!r}; expected one of {', '.join(ROLE_NAMES)}")
    if turn.get("loss") is False or turn.get("weight") == 0:
        raise SampleError("message switch", f"message {index} is switched off (loss: false or weight: 0); here every answer is learned")
    content = turn.get("content", turn.get("value"))
    if role == CALL:
        return {"role": "assistant", "content": "", "tool_calls": read_calls(content, index)}
    message = {"role": role, "content": "" if is_missing(content) else _read_content(content, index)}
    return {**message, **_extras(turn, role)}


def _extras(turn: dict[str, Any], role: str) -> dict[str, Any]:
    """Calls, reasoning, and which call a tool answers, where the turn has them."""
    if role == "tool":
        call_id = turn.get("tool_call_id")
        return {} if is_missing(call_id) else {"tool_call_id": call_id}
    if role != "assistant":
        return {}
    calls = turn.get("tool_calls")
    calls = turn.get("function_call") if is_missing(calls) else calls
    found = {} if is_missing(calls) or calls == [] else {"tool_calls": calls}
    reasoning = next((turn[key] for key in _REASONING_KEYS if isinstance(turn.get(key), str)), None)
    return found if reasoning is None else {**found, "reasoning_content": reasoning}


def _read_content(content: Any, index: int) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        return content
    if not isinstance(content, (list, tuple)):
        raise SampleError(
            "content form", f"the content of message {index} is {type(content).__name__}; expected a string or a list of parts"
        )
    return [_read_part(part, index) for part in content]


def _read_part(part: Any, index: int) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = _kind(part)
    if kind == "text" and isinstance(part.get("text"), str):
        return {"type": "text", "text": part["text"]}
    if kind in ("image", "image_url"):
        number = part.get("index")
        return {"type": "image", "image": _image_of(part), "index": number if isinstance(number, int) else None}
    raise SampleError(
        "content part", f"message {index} holds a part of type {kind!r} with {_keys(part)}; expected text, image or image_url"
    )


def _kind(part: Any) -> str:
    """The type that a part states; one that states none is what its only key says (Qwen-VL writes `{"image": PATH}`)."""
    if not isinstance(part, dict):
        return type(part).__name__
    kind = part.get("type")
    if is_missing(kind):
        kind = next((key for key in ("image", "text") if not is_missing(part.get(key))), "unknown")
    return str(kind)


def _image_of(part: dict[str, Any]) -> Any:
    if not is_missing(part.get("bytes")):
        return {"bytes": part["bytes"], "path": part.get("path")}
    value = next((part[key] for key in _IMAGE_KEYS if not is_missing(part.get(key))), None)
    return value.get("url") if isinstance(value, dict) and "url" in value else value


def _keys(value: Any) -> str:
    keys = ", ".join(map(str, value)) if isinstance(value, dict) else ""
    return f"the keys {keys[:80]}" if keys else "no keys"
