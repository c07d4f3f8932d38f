"""The body of /v1/chat/completions, as OpenAI documents it (https://platform.openai.com/docs/api-reference/chat/create), read and checked.

What would change an answer and is not supported is refused by its name; what cannot change one is passed over.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from smvl.infer.form.form import Form
from smvl.infer.sampling import Sampling
from smvl.serve.errors import refused
from smvl.strict_yaml import shorten

MOST_CHOICES, MOST_LOGPROBS, MOST_STOPS = 8, 20, 4
_PASSED_OVER = {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "prediction", "verbosity"}
_ONLY_AS = {
    "frequency_penalty": (0, None),
    "presence_penalty": (0, None),
    "logit_bias": ({}, None),
    "modalities": (["text"], None),
    "reasoning_effort": (None, "none"),
    "functions": (None,),
    "function_call": (None,),
    "audio": (None,),
    "web_search_options": (None,),
}
"""Fields that are supported with these values only: with them they change nothing."""
_READ = {
    *("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "seed", "n", "stop", "stream"),
    *("stream_options", "logprobs", "top_logprobs", "tools", "tool_choice", "parallel_tool_calls", "response_format"),
    *("structured_outputs", "chat_template_kwargs"),
}


@dataclass(frozen=True)
class ChatRequest:
    """A question, whose pictures are still as they were sent."""

    messages: list[dict[str, Any]]
    """As `smvl.infer.request.Request` takes them; each picture is the part {"type": "image"}."""
    pictures: tuple[str, ...]
    """data: URLs and addresses, in their order."""
    tools: list[dict[str, Any]] | None
    tool_choice: str
    most_calls: int | None
    form: Form | None
    thinking: bool
    samplings: tuple[Sampling, ...]
    """One for each answer that is wanted."""
    may_shorten: bool
    """Whether an answer may have less room than that, as the client did not say how much it should have."""
    stop: tuple[str, ...]
    model: str
    stream: bool
    include_usage: bool


def read_chat_request(body: Any, *, default_tokens: int) -> ChatRequest:
    """Read a body.

    Args:
        default_tokens: longest answer where the body does not say.

    Raises:
        ApiError: it is none, or asks for what is not supported.
    """
    if not isinstance(body, dict):
        raise refused("the body is no JSON object.")
    _check_fields(body)
    messages, pictures = _read_messages(body.get("messages"))
    tools = _optional(body, "tools", list, "a list of functions") or None
    return ChatRequest(
        messages=messages,
        pictures=tuple(pictures),
        tools=tools,
        tool_choice=_read_tool_choice(body.get("tool_choice"), tools),
        most_calls=1 if _optional(body, "parallel_tool_calls", bool, "true or false") is False else None,
        form=_read_form(body),
        thinking=_read_thinking(body),
        samplings=_read_samplings(body, default_tokens),
        may_shorten=body.get("max_completion_tokens") is None and body.get("max_tokens") is None,
        stop=_read_stop(body.get("stop")),
        model=_optional(body, "model", str, "a text") or "",
        stream=_optional(body, "stream", bool, "true or false") or False,
        include_usage=bool((_optional(body, "stream_options", dict, "an object") or {}).get("include_usage")),
    )


def _check_fields(body: Mapping[str, Any]) -> None:
    for name, allowed in _ONLY_AS.items():
        if name in body and body[name] not in allowed and body[name] is not None:
            raise refused(f"{name} is not supported here. Leave it out.", name, "unsupported_parameter")
    if unknown := sorted(set(body) - _READ - _PASSED_OVER - _ONLY_AS.keys()):
        raise refused(f"{', '.join(map(shorten, unknown))}: there are no such fields. Leave them out.", unknown[0], "unknown_parameter")


def _optional(body: Mapping[str, Any], name: str, kind: type | tuple[type, ...], expected: str) -> Any:
    value = body.get(name)
    if value is not None and (not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool)):
        raise refused(f"{name} is {shorten(value)}; expected {expected}.", name)
    return value


# ---- messages --------------------------------------------------------------------------------------------------------------------


def _read_messages(messages: Any) -> tuple[list[dict[str, Any]], list[str]]:
    if not isinstance(messages, list) or not messages:
        raise refused('messages is missing or empty; expected a list such as [{"role": "user", "content": "..."}].', "messages")
    read, pictures = [], []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise refused(f"{where} is {shorten(message)}; expected an object with role and content.", where)
        content, own = _read_content(message.get("content"), f"{where}.content")
        role = "system" if message["role"] == "developer" else message["role"]
        kept = {"role": role, "content": content}
        if message.get("tool_calls"):
            kept["tool_calls"] = _read_calls(message["tool_calls"], f"{where}.tool_calls")
        if isinstance(message.get("reasoning_content"), str):
            kept["reasoning_content"] = message["reasoning_content"]
        read.append(kept)
        pictures += own
    return read, pictures


def _read_content(content: Any, where: str) -> tuple[str | list[dict[str, Any]], list[str]]:
    if content is None:
        return "", []
    if isinstance(content, str):
        return content, []
    if not isinstance(content, list):
        raise refused(f"{where} is {shorten(content)}; expected a text or a list of parts.", where)
    parts, pictures = [], []
    for place, part in enumerate(content):
        kind = part.get("type") if isinstance(part, dict) else None
        if kind in ("text", "refusal") and isinstance(part.get(kind), str):
            parts.append({"type": "text", "text": part[kind]})
        elif kind == "image_url":
            parts.append({"type": "image"})
            pictures.append(_address_of(part["image_url"] if "image_url" in part else None, f"{where}[{place}]"))
        else:
            raise refused(f"{where}[{place}] is {shorten(part)}; expected a part of the type text or image_url.", f"{where}[{place}]")
    return parts, pictures


def _address_of(given: Any, where: str) -> str:
    address = given.get("url") if isinstance(given, dict) else given
    if not isinstance(address, str) or not address:
        raise refused(
            f'{where} has no address; expected {{"type": "image_url", "image_url": {{"url": "data:image/png;base64,..."}}}}.', where
        )
    return address


def _read_calls(calls: Any, where: str) -> list[dict[str, Any]]:
    """Earlier calls, whose arguments OpenAI writes as a text of JSON."""
    if not isinstance(calls, list):
        raise refused(f"{where} is {shorten(calls)}; expected a list of calls.", where)
    return [_read_call(call, f"{where}[{place}]") for place, call in enumerate(calls)]


def _read_call(call: Any, where: str) -> dict[str, Any]:
    function = call.get("function") if isinstance(call, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str):
        raise refused(f"{where} is {shorten(call)}; expected a function with name and arguments.", where)
    arguments = function.get("arguments") or {}
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError as error:
            raise refused(f"the arguments of {where} are no JSON ({error}).", where) from error
    if not isinstance(arguments, dict):
        raise refused(f"the arguments of {where} are {shorten(arguments)}; expected an object.", where)
    return {"type": "function", "function": {"name": function["name"], "arguments": arguments}}


# ---- what the answer is held to --------------------------------------------------------------------------------------------------


def _read_tool_choice(choice: Any, tools: Sequence[Any] | None) -> str:
    if choice is None:
        return "auto"
    if isinstance(choice, dict):
        function = choice.get("function")
        choice = function.get("name") if isinstance(function, dict) else None
        if choice in ("auto", "none", "required"):
            raise refused(f"a function cannot be called {choice}.", "tool_choice")
    elif choice not in ("auto", "none", "required"):
        choice = None
    if not isinstance(choice, str) or not choice:
        expected = 'auto, none, required, or {"type": "function", "function": {"name": ...}}'
        raise refused(f"tool_choice is none of these: {expected}.", "tool_choice")
    if not tools and choice not in ("auto", "none"):
        raise refused("tool_choice asks for a call, but there are no tools.", "tool_choice")
    return choice


def _read_form(body: Mapping[str, Any]) -> Form | None:
    wanted = _optional(body, "response_format", dict, "an object") or {"type": "text"}
    outputs = _optional(body, "structured_outputs", dict, "an object")
    try:
        form = _form_of_format(wanted)
        if outputs is None:
            return form
        if form is not None:
            raise ValueError("response_format and structured_outputs both ask for a form. Leave one out.")
        return _form_of_outputs(outputs)
    except ValueError as error:
        raise refused(str(error), "response_format" if outputs is None else "structured_outputs") from error


def _form_of_format(wanted: Mapping[str, Any]) -> Form | None:
    kind = wanted.get("type")
    if kind == "text":
        return None
    if kind == "json_object":
        return Form.json_schema({"type": "object"})
    described = wanted.get("json_schema")
    if kind != "json_schema" or not isinstance(described, dict) or "schema" not in described:
        expected = 'text, json_object, or {"type": "json_schema", "json_schema": {"name": ..., "schema": {...}}}'
        raise ValueError(f"response_format is {shorten(wanted)}; expected {expected}.")
    return Form.json_schema(described["schema"])


def _form_of_outputs(outputs: Mapping[str, Any]) -> Form:
    """vLLM's `structured_outputs`: one of json, regex, choice, grammar."""
    makers = {"json": Form.json_schema, "regex": Form.regex, "choice": Form.choices, "grammar": Form.lark}
    given = {name: value for name, value in outputs.items() if value is not None}
    if len(given) != 1 or not given.keys() <= makers.keys():
        raise ValueError(f"structured_outputs holds {', '.join(map(shorten, given)) or 'nothing'}; expected one of {', '.join(makers)}.")
    [(name, value)] = given.items()
    return makers[name](value)


def _read_thinking(body: Mapping[str, Any]) -> bool:
    """As vLLM and SGLang let clients say it of Qwen3."""
    options = _optional(body, "chat_template_kwargs", dict, "an object") or {}
    if set(options) - {"enable_thinking"} or not isinstance(options.get("enable_thinking", False), bool):
        raise refused(f'chat_template_kwargs is {shorten(options)}; expected {{"enable_thinking": true}} or false.', "chat_template_kwargs")
    return options.get("enable_thinking", False)


# ---- choice of tokens ------------------------------------------------------------------------------------------------------------


def _read_samplings(body: Mapping[str, Any], default_tokens: int) -> tuple[Sampling, ...]:
    number = (int, float)
    count = _whole(body, "n", 1, MOST_CHOICES) or 1
    most = _whole(body, "max_completion_tokens", 1) or _whole(body, "max_tokens", 1) or default_tokens
    likeliest = _whole(body, "top_logprobs", 0, MOST_LOGPROBS)
    is_scored = _optional(body, "logprobs", bool, "true or false")
    if likeliest is not None and not is_scored:
        raise refused("top_logprobs is given, but logprobs is not true.", "top_logprobs")
    temperature = _optional(body, "temperature", number, "a number from 0 to 2")
    if temperature is not None and not 0 <= temperature <= 2:
        raise refused(f"temperature is {temperature}; expected a number from 0 to 2.", "temperature")
    top_p = _optional(body, "top_p", number, "a number above 0, up to 1")
    try:
        sampling = Sampling(
            max_new_tokens=most,
            temperature=temperature or 0.0,
            top_p=1.0 if top_p is None else top_p,
            top_k=_whole(body, "top_k", 0) or 0,
            seed=_whole(body, "seed"),
            num_likeliest=(likeliest or 0) if is_scored else None,
        )
    except ValueError as error:
        raise refused(str(error)) from error
    return (sampling,) * count


def _whole(body: Mapping[str, Any], name: str, least: int | None = None, most: int | None = None) -> int | None:
    value = _optional(body, name, int, "a whole number")
    if value is not None and ((least is not None and value < least) or (most is not None and value > most)):
        upper = "or more" if most is None else f"to {most}"
        raise refused(f"{name} is {value}; expected {least} {upper}.", name)
    return value


def _read_stop(stop: Any) -> tuple[str, ...]:
    texts = [stop] if isinstance(stop, str) else stop or []
    if not isinstance(texts, list) or len(texts) > MOST_STOPS or not all(isinstance(text, str) and text for text in texts):
        raise refused(f"stop is {shorten(stop)}; expected a text or up to {MOST_STOPS} of them, none empty.", "stop")
    return tuple(texts)
