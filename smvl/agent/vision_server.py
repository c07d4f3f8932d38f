"""The model as an MCP server: three tools that look at a picture, one question at a time."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import smvl
from smvl.agent.mcp_library import load_mcp
from smvl.agent.picture_access import PictureAccess
from smvl.infer.answer import Answer
from smvl.infer.form.form import Form
from smvl.infer.loaded_model import LoadedModel

_IMAGE = "image: a path in a folder of this server, or the picture itself in base64 or as a data: URL."
_READ = "请按阅读顺序读出图中的全部内容，写成Markdown，表格写成Markdown表格。"
_EXTRACT = "请读出图中的内容。"


def create_server(model: LoadedModel, pictures: PictureAccess, *, max_new_tokens: int) -> Any:
    """An `MCPServer` that answers from a model.

    Raises:
        ValueError: mcp is not installed.
    """
    load_mcp()
    from mcp.server import MCPServer
    from mcp.types import CallToolResult, TextContent, ToolAnnotations

    server = MCPServer("qwen3-smvl", instructions="Looks at pictures and reads them.", version=smvl.__version__, log_level="WARNING")
    looks_only = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
    one_at_a_time = threading.Lock()

    def ask(image: str, question: str, form: Form | None = None) -> Answer:
        with one_at_a_time:
            return model.ask(question, [pictures.read(image)], form=form, max_new_tokens=max_new_tokens)

    def texts(*parts: str, structured: Any = None) -> CallToolResult:
        content = [TextContent(type="text", text=part) for part in parts]
        return CallToolResult(content=content, structured_content=structured)

    @server.tool(annotations=looks_only, description=f"Answer a question about a picture. {_IMAGE}")
    def ask_image(image: str, question: str) -> CallToolResult:
        with _told_to_the_client():
            return texts(*_whole_or_noted(ask(image, question)))

    @server.tool(annotations=looks_only, description=f"Read a document, receipt, table or sign as Markdown. {_IMAGE}")
    def read_document(image: str) -> CallToolResult:
        with _told_to_the_client():
            return texts(*_whole_or_noted(ask(image, _READ)))

    @server.tool(annotations=looks_only, description=f"Read what a JSON schema asks for off a picture, as JSON by that schema. {_IMAGE}")
    def extract(image: str, schema: dict[str, Any]) -> CallToolResult:
        with _told_to_the_client():
            answer = ask(image, _EXTRACT, Form.json_schema(schema))
            if answer.finish != "stop":
                raise ValueError(f"{_how_it_ended(answer)}, before the JSON was whole. Bound its texts and lists (maxLength, maxItems).")
            value = json.loads(answer.text)
            return texts(answer.text, structured=value if isinstance(value, dict) else None)

    return server


@contextmanager
def _told_to_the_client() -> Iterator[None]:
    """Whatever goes wrong is an error of the protocol, with its message."""
    from mcp.server.mcpserver.exceptions import ToolError

    try:
        yield
    except ValueError as error:
        raise ToolError(" ".join(str(error).split())) from None
    except Exception as error:  # of the runtime, such as a lack of memory: the server goes on
        raise ToolError(f"the model failed: {type(error).__name__}: {' '.join(str(error).split())}") from None


def _whole_or_noted(answer: Answer) -> list[str]:
    return [answer.text] if answer.finish == "stop" else [answer.text, f"({_how_it_ended(answer)})"]


def _how_it_ended(answer: Answer) -> str:
    if answer.finish == "length":
        return f"the answer was cut after {answer.num_new_tokens} tokens"
    return f"the answer was stopped after {answer.num_new_tokens} tokens: it said the same again and again"
