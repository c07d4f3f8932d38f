"""One turn of a conversation, in whichever form a data set writes it, as one message of ours.

Image parts come out as `{"type": "image", "image": value or None, "index": number or None}`: whose image it is, placeholders.py decides.
Beside role and content a message may have, until row_source.py has read them, the images that the turn lists (`images`) and the
conversation's tools (`tools`).
"""

import re
from collections.abc import Callable
from typing import Any

from smvl.data.rules import SampleError
from smvl.data.sources.listed_images import image_column, listed_images
from smvl.data.sources.loss_switches import SWITCHES, is_switched_off
from smvl.data.sources.values import is_empty, is_missing, whole_number
from smvl.data.tool_calls import CALL_ID_KEYS, read_calls, read_tools

CALL = "function_call"
ROLE_NAMES = {
    **dict.fromkeys(("user", "human"), "user"),
    **dict.fromkeys(("assistant", "gpt", "chatgpt", "bot", "model"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys((CALL, "tool_call"), CALL),
}
"""What data sets call the roles; a function call is an assistant's message whose value is the call."""

TOOL_KEYS = ("tools", "functions")
_CALL_KEYS = ("tool_calls", "function_call")
_REASONING_KEYS = ("reasoning_content", "reasoning", "thinking")
_ROLE_KEYS, _CONTENT_KEYS = ("role", "from"), ("content", "value")
_READ_IN_ROLE = {
    "system": TOOL_KEYS,
    "user": (),
    "assistant": (*_CALL_KEYS, *_REASONING_KEYS),
    "tool": (*CALL_ID_KEYS, "id", "name"),
    CALL: (),
}
_MOST_PARTS = 100_000
"""Of a message: more than twice the tokens that Qwen3-0.6B reads."""
_NAMED_IMAGE = re.compile(r"<img>[^<>\n]{1,4096}</img>")
_PARTS_AS_TEXT = re.compile(r'\s*\[\s*\{\s*"type"\s*:\s*"(text|image|image_url)"')
_IMAGE_KEYS = ("image", "image_url", "url", "path", "base64", "data", "source")
_IMAGE_ALONE = ("image", "image_url", "base64", "bytes")
"""Those under which nothing but an image stands: a part of text has none of them."""
_READ_IN_PARTS = ("type", "text", "index", "bytes", "detail")
"""`detail` is a wish of OpenAI's about resolution, which the tiles decide here."""


def read_turn(turn: Any, index: int) -> dict[str, Any]:
    """`{"from", "value"}` (ShareGPT, LLaVA) or `{"role", "content"}` (OpenAI, Hugging Face) as a message with our role names.

    Raises:
        SampleError: it is neither, its role is unknown, or a part of it cannot be read.
    """
    turn = turn if isinstance(turn, dict) else {}
    role = _role_of(turn, index)
    content = _first_filled(turn, _CONTENT_KEYS)
    if role == "user" and isinstance(content, str) and _PARTS_AS_TEXT.match(content):
        raise SampleError("content form", f"the content of message {index} is a list of parts as JSON text; expected the list")
    is_off = is_switched_off(turn, "assistant" if role == CALL else role, index)
    if role == CALL:
        message = {"role": "assistant", "content": "", "tool_calls": read_calls(content, index)}
    else:
        if content is None and role in ("system", "tool") and not any(key in turn for key in _CONTENT_KEYS):
            raise SampleError("message form", f"message {index} has neither content nor value but {_keys(turn)}")
        message = {"role": role, "content": "" if content is None else _read_content(content, index), **_extras(turn, role, index)}
    return {**message, "weight": 0} if is_off else message


def keys_read(turn: dict[str, Any]) -> set[str]:
    """The keys of a turn that are read."""
    role, content = (next((key for key in keys if not is_missing(turn.get(key))), None) for keys in (_ROLE_KEYS, _CONTENT_KEYS))
    return {role, content, image_column(turn), *SWITCHES, *_READ_IN_ROLE[ROLE_NAMES[turn[role]]]}


def keys_read_in_part(part: dict[str, Any]) -> set[str]:
    """The keys of a part that are read: of those under which an image may stand the first that is filled, and those that repeat it."""
    if not is_missing(part.get("bytes")):
        return {*_READ_IN_PARTS, "path"}
    image = _first_filled(part, _IMAGE_KEYS)
    return {*_READ_IN_PARTS, *(key for key in _IMAGE_KEYS if part.get(key) == image)}


def _role_of(turn: dict[str, Any], index: int) -> str:
    name = _first_filled(turn, _ROLE_KEYS)
    if name is None:
        raise SampleError(
            "message form", f'message {index} has no role but {_keys(turn)}; expected "role" and "content", or "from" and "value"'
        )
    role = ROLE_NAMES.get(name) if isinstance(name, str) else None
    if role is None:
        raise SampleError("unknown role", f"message {index} has the role {name!r}; expected one of {', '.join(ROLE_NAMES)}")
    return role


def _extras(turn: dict[str, Any], role: str, index: int) -> dict[str, Any]:
    """What a turn has beside its words: images, tools, calls, reasoning, and which call a tool answers."""
    tools = _stated(turn, TOOL_KEYS, index, read_tools)
    if tools is not None and role != "system":
        raise SampleError("tools form", f"message {index} is the {role}'s and holds tools; expected them in the row or in its system turn")
    found = {
        "images": listed_images(turn),
        "tools": tools,
        "tool_calls": _stated(turn, _CALL_KEYS, index, lambda calls: read_calls(calls, index)) if role == "assistant" else None,
        "reasoning_content": _reasoning(turn, index) if role == "assistant" else None,
        "tool_call_id": _first_filled(turn, CALL_ID_KEYS) if role == "tool" else None,
        "id": turn.get("id") if role == "tool" else None,
        "name": turn.get("name") if role == "tool" else None,
    }
    return {key: value for key, value in found.items() if not is_missing(value) and value != []}


def _reasoning(turn: dict[str, Any], index: int) -> str | None:
    reasoning = _stated(turn, _REASONING_KEYS, index)
    if not isinstance(reasoning, (str, type(None))):
        raise SampleError("column type", f"the reasoning of message {index} is {type(reasoning).__name__}; expected text")
    return reasoning


def _stated(turn: dict[str, Any], keys: tuple[str, ...], index: int, read: Callable[[Any], Any] = str) -> Any:
    """What stands under the filled ones of some keys; None where nothing does, also as JSON text.

    Raises:
        SampleError: several are filled, and `read` as different things.
    """
    filled = {key: turn[key] for key in keys if not is_empty(turn.get(key))}
    if len(filled) > 1:
        meant = [read(value) for value in filled.values()]
        if any(value != meant[0] for value in meant):
            raise SampleError("unread words", f"message {index} has {' and '.join(filled)}, which differ; expected one of them")
    return next(iter(filled.values()), None)


def _first_filled(turn: dict[str, Any], keys: tuple[str, ...]) -> Any:
    """What stands under the first of some keys that is not null; None where all are."""
    return next((turn[key] for key in keys if not is_missing(turn.get(key))), None)


# ---- content -------------------------------------------------------------------------------------------------------------------------


def _read_content(content: Any, index: int) -> str | list[dict[str, Any]]:
    if isinstance(content, str):
        if _NAMED_IMAGE.search(content):
            raise SampleError("unread image", f"message {index} names an image in its words, as Qwen-VL does; expected an image part")
        return content
    if not isinstance(content, (list, tuple)):
        raise SampleError(
            "content form", f"the content of message {index} is {type(content).__name__}; expected a string or a list of parts"
        )
    if len(content) > _MOST_PARTS:
        raise SampleError("too long", f"message {index} has {len(content):,} parts; expected at most {_MOST_PARTS:,}")
    return [_read_part(part, index) for part in content]


def _read_part(part: Any, index: int) -> dict[str, Any]:
    if isinstance(part, str):
        return {"type": "text", "text": part}
    kind = _kind(part)
    if kind == "text" and isinstance(part.get("text"), str) and all(is_empty(part.get(key)) for key in _IMAGE_ALONE):
        return {"type": "text", "text": part["text"]}
    if kind in ("image", "image_url") and is_empty(part.get("text")):
        image = _image_of(part)
        return {"type": "image", "image": None if is_empty(image) else image, "index": _index_of(part, index)}
    raise SampleError(
        "content part",
        f"message {index} holds a part of type {kind!r} with {_keys(part)}; expected text, image or image_url; words or an image",
    )


def _kind(part: Any) -> str:
    """The type that a part states; one that states none is what its only key says (Qwen-VL writes `{"image": PATH}`)."""
    if not isinstance(part, dict):
        return type(part).__name__
    kind = part.get("type")
    if is_missing(kind):
        kind = next((key for key in ("image", "text") if not is_missing(part.get(key))), "unknown")
    return str(kind)


def _index_of(part: dict[str, Any], index: int) -> int | None:
    """Which of the row's images a part takes."""
    number = whole_number(part.get("index"))
    if is_missing(number):
        return None
    if isinstance(number, bool) or not isinstance(number, int):
        raise SampleError("content part", f"message {index} holds an image part with the index {number!r}; expected a number from 0 on")
    return number


def _image_of(part: dict[str, Any]) -> Any:
    if not is_missing(part.get("bytes")):
        return {"bytes": part["bytes"], "path": part.get("path")}
    value = _first_filled(part, _IMAGE_KEYS)
    if isinstance(value, dict):  # OpenAI's image_url, Anthropic's source
        value = next((value[key] for key in ("url", "data") if not is_missing(value.get(key))), value)
    return value


def _keys(value: Any) -> str:
    keys = ", ".join(map(str, value)) if isinstance(value, dict) else ""
    return f"the keys {keys[:80]}" if keys else "no keys"
