"""What a tool of an MCP server answered, as text and pictures."""

import base64
import json
from typing import Any

from smvl.agent.tool import Result, ToolFailure


def result_of(answer: Any) -> Result:
    """Text and pictures of a `CallToolResult`.

    Raises:
        ToolFailure: the server says that the call failed, or a picture is no base64.
    """
    texts, pictures = [], []
    for part in answer.content:
        text, picture = _read_part(part)
        texts += [text] if text else []
        pictures += [picture] if picture is not None else []
    if not answer.content and answer.structured_content is not None:
        texts.append(json.dumps(answer.structured_content, ensure_ascii=False))
    if answer.is_error:
        raise ToolFailure("\n".join(texts) or "the server says that the call failed, and not why")
    return Result("\n".join(texts) if texts or pictures else "done", tuple(pictures))


def _read_part(part: Any) -> tuple[str, bytes | None]:
    if part.type == "text":
        return part.text, None
    if part.type == "image":
        return "", _decode(part.data)
    if part.type == "resource_link":
        return str(part.uri), None
    if part.type == "resource" and hasattr(part.resource, "text"):
        return part.resource.text, None
    if part.type == "resource" and (part.resource.mime_type or "").startswith("image/"):
        return "", _decode(part.resource.blob)
    return f"({part.type} that cannot be shown)", None


def _decode(data: str) -> bytes:
    try:
        return base64.b64decode(data, validate=True)
    except ValueError as error:
        raise ToolFailure(f"the picture that the server gave is no base64 ({error})") from error
