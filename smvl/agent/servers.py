"""Tools of MCP servers (https://modelcontextprotocol.io): commands that speak over their standard streams, and addresses.

The protocol's package is asynchronous; one thread holds all connections, each in a task of its own, so that a server that dies takes no
other with it.
"""

import asyncio
import concurrent.futures
import contextlib
import os
import shlex
import threading
from collections import deque
from collections.abc import Coroutine, Iterator, Sequence
from functools import partial
from typing import Any

from smvl.agent.mcp_library import load_mcp
from smvl.agent.mcp_results import result_of
from smvl.agent.tool import Result, Tool, ToolFailure

CONNECT_SECONDS = 60
"""A server may have to be fetched first, as by npx."""
_CLOSE_SECONDS = 10
_NAMED_SCHEMAS = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")
_SCHEMAS = ("items", "prefixItems", "additionalProperties", "contains", "anyOf", "oneOf", "allOf", "not", "if", "then", "else")
"""Keys of a JSON schema that hold schemas: by name, and alone or as a list."""


class Servers:
    """Connections to servers, open until `close`.

    Args:
        servers: commands such as "python prices.py", addresses such as http://127.0.0.1:8000/mcp, or whatever `mcp.Client` takes.

    Raises:
        ValueError: mcp is not installed, or a server does not start, or offers what is no tool.
    """

    def __init__(self, servers: Sequence[Any]):
        load_mcp()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="mcp", daemon=True)
        self._thread.start()
        self._connections: list[_Connection] = []
        self.tools: list[Tool] = []
        try:
            for server in servers:
                self._connections.append(_Connection(self._loop, server))
                self.tools += self._connections[-1].open()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End all connections, and the processes behind them."""
        for connection in self._connections:
            connection.close()
        self._connections = []
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSE_SECONDS)
        if not self._thread.is_alive():
            self._loop.close()


class _Connection:
    """One server."""

    def __init__(self, loop: asyncio.AbstractEventLoop, server: Any):
        self._loop, self._server = loop, server
        self._name = server if isinstance(server, str) else type(server).__name__
        self._stderr: _LastLines | None = None
        self._closing = asyncio.Event()
        self._client: Any = None
        self._opened: concurrent.futures.Future[list[Any]] = concurrent.futures.Future()
        self._held: concurrent.futures.Future[None] | None = None
        self._is_over = threading.Event()

    def open(self) -> list[Tool]:
        """Connect; returns the tools."""
        target = self._target()
        self._held = self._start(self._hold(target))
        try:
            listed = self._opened.result(CONNECT_SECONDS)
        except TimeoutError as error:
            raise ValueError(f"the MCP server {self._name} did not answer within {CONNECT_SECONDS:g} seconds.") from error
        except Exception as error:  # whatever stands between here and a server: processes, sockets, the protocol
            said = self._stderr.text() if self._stderr is not None else ""
            raise ValueError(f"the MCP server {self._name} cannot be used: {_why(error)}.{said and f' It said: {said}'}") from error
        return [self._tool(each) for each in listed]

    def close(self) -> None:
        if self._held is not None:
            if not self._opened.done():  # it never came to be
                self._held.cancel()
            self._loop.call_soon_threadsafe(self._closing.set)
            self._is_over.wait(_CLOSE_SECONDS)
        if self._stderr is not None:
            self._stderr.close()

    def _target(self) -> Any:
        if not isinstance(self._server, str) or self._server.startswith(("http://", "https://")):
            return self._server
        from mcp.client.stdio import StdioServerParameters, stdio_client

        words = shlex.split(self._server, posix=os.name != "nt")
        if not words:
            raise ValueError("an MCP server is an empty text; expected a command or an address.")
        self._stderr = _LastLines()
        return stdio_client(StdioServerParameters(command=words[0], args=words[1:]), errlog=self._stderr.file)

    async def _hold(self, target: Any) -> None:
        """Open the connection, and keep it until it is to be closed: both in this task, as the package wants it."""
        from mcp import Client

        try:
            async with Client(target) as self._client:
                self._opened.set_result(await self._list())
                await self._closing.wait()
        except BaseException as error:
            if not self._opened.done():
                self._opened.set_exception(error if isinstance(error, Exception) else ConnectionError("the connection was given up"))
            raise
        finally:
            self._is_over.set()

    async def _list(self) -> list[Any]:
        page = await self._client.list_tools()
        listed = list(page.tools)
        while page.next_cursor:
            page = await self._client.list_tools(cursor=page.next_cursor)
            listed += page.tools
        return listed

    def _tool(self, listed: Any) -> Tool:
        check_schema(listed.input_schema, listed.name, self._name)
        parameters = without_titles(listed.input_schema)
        function = {"name": listed.name, "description": listed.description or listed.name, "parameters": parameters}
        reads_only = listed.annotations is not None and listed.annotations.read_only_hint is True
        source = f"the MCP server {self._name}"
        return Tool(listed.name, {"type": "function", "function": function}, not reads_only, partial(self._call, listed.name), source)

    def _call(self, name: str, arguments: dict[str, Any], seconds: float) -> Result:
        called = self._start(self._client.call_tool(name, arguments, read_timeout_seconds=seconds))
        try:
            answer = called.result(seconds + _CLOSE_SECONDS)
        except Exception as error:  # as for opening
            called.cancel()
            raise ToolFailure(_why(error)) from error
        return result_of(answer)

    def _start(self, work: Coroutine[Any, Any, Any]) -> "concurrent.futures.Future[Any]":
        return asyncio.run_coroutine_threadsafe(work, self._loop)


class _LastLines:
    """What a process writes to standard error: a file for it, and its last lines."""

    def __init__(self):
        reading, writing = os.pipe()
        self.file = os.fdopen(writing, "w")
        self._lines: deque[str] = deque(maxlen=5)
        threading.Thread(target=self._read, args=(reading,), daemon=True).start()

    def text(self) -> str:
        return " ".join(" ".join(self._lines.copy()).split())[-400:]

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()

    def _read(self, reading: int) -> None:
        with os.fdopen(reading, encoding="utf-8", errors="replace") as lines:
            self._lines.extend(line for line in iter(lines.readline, "") if line.strip())


def _why(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):  # as anyio raises them
        error = error.exceptions[0]
    return f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": ")


def check_schema(schema: dict[str, Any], tool: str, server: str) -> None:
    """Raise `ValueError` for a schema by which no arguments could be checked."""
    from jsonschema import Draft202012Validator, SchemaError

    what = f"the tool {tool} of the MCP server {server} takes arguments by"
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        raise ValueError(f"{what} what is no JSON schema ({error.message}).") from error
    if elsewhere := [target for target in _references(schema) if not target.startswith("#")]:
        raise ValueError(f"{what} a JSON schema that lies elsewhere ({elsewhere[0]}), and nothing is fetched.")


def without_titles(schema: Any) -> Any:
    """A JSON schema without the titles that servers in Python make of every name: a small model loses its way among them."""
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if not (key == "title" and isinstance(value, str))}
    for key, value in kept.items():
        if key in _NAMED_SCHEMAS and isinstance(value, dict):
            kept[key] = {name: without_titles(part) for name, part in value.items()}
        elif key in _SCHEMAS:
            kept[key] = [without_titles(part) for part in value] if isinstance(value, list) else without_titles(value)
    return kept


def _references(schema: Any) -> Iterator[str]:
    """What the parts of a schema refer to."""
    if isinstance(schema, dict) and isinstance(schema.get("$ref"), str):
        yield schema["$ref"]
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        yield from _references(part)
