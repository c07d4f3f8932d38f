"""The server's routes, as a Starlette application: OpenAI's interface, health, and figures."""

import asyncio
import hmac
import json
import logging
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import anyio.to_thread
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from smvl.infer.engine import Engine
from smvl.infer.request import Request as Question
from smvl.processing.data_url import is_data_url
from smvl.serve.batcher import Batcher, Ended, Event, Job, Step
from smvl.serve.chat_request import ChatRequest, read_chat_request
from smvl.serve.chat_response import ChatResponse, Written
from smvl.serve.errors import ApiError, refused
from smvl.serve.fetching import FetchRules, fetch
from smvl.serve.figures import Figures

logger = logging.getLogger(__name__)

_MOST_CHARACTERS_OF_A_TOKEN = 32
"""On the average of a text: more would be hardly anything but blanks."""


@dataclass(frozen=True)
class ServerSettings:
    """What a server allows."""

    name: str
    """What it calls its model."""
    api_key: str | None = None
    hosts: tuple[str, ...] = ("127.0.0.1", "localhost", "[::1]")
    """Names by which it may be asked, so that no web page of elsewhere reaches it under a name of its own; `*` for any."""
    fetch: FetchRules = field(default_factory=FetchRules)
    default_tokens: int = 1024
    most_bytes: int = 64 << 20
    """Of a request's body."""
    most_pictures: int = 32
    body_seconds: float = 60.0
    """For a request to arrive."""


class Server:
    """Answers requests over an engine; `app` is what an ASGI server runs."""

    def __init__(self, engine: Engine, batcher: Batcher, settings: ServerSettings):
        self._engine, self._batcher, self._settings = engine, batcher, settings
        self._figures = Figures(batcher)
        routes = [
            Route("/v1/chat/completions", self._chat, methods=["POST"]),
            Route("/v1/models", self._models),
            Route("/v1/models/{name:path}", self._model),
            Route("/health", self._health),
            Route("/metrics", self._metrics),
        ]
        middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=list(settings.hosts), www_redirect=False)]
        handlers = {ApiError: _answer_error, ClientDisconnect: _answer_nobody, Exception: _answer_fault}
        self.app = Starlette(routes=routes, middleware=middleware, exception_handlers=handlers)

    # ---- what is small ---------------------------------------------------------------------------------------------------------

    async def _health(self, request: Request) -> Response:
        return JSONResponse({"status": "ok", "waiting": self._batcher.num_waiting, "running": self._batcher.num_running})

    async def _metrics(self, request: Request) -> Response:
        self._check_key(request)
        return PlainTextResponse(self._figures.text(), media_type=self._figures.kind)

    async def _models(self, request: Request) -> Response:
        self._check_key(request)
        return JSONResponse({"object": "list", "data": [self._described()]})

    async def _model(self, request: Request) -> Response:
        self._check_key(request)
        self._check_name(request.path_params["name"])
        return JSONResponse(self._described())

    def _described(self) -> dict[str, Any]:
        return {
            "id": self._settings.name,
            "object": "model",
            "created": 0,
            "owned_by": "smvl",
            "max_model_len": self._engine.facts.max_positions,
        }

    def _check_key(self, request: Request) -> None:
        if self._settings.api_key is None:
            return
        given = request.headers.get("authorization", "").removeprefix("Bearer ").encode()
        if not hmac.compare_digest(given, self._settings.api_key.encode()):
            raise ApiError(401, "the API key is missing or another one: send Authorization: Bearer KEY.", code="invalid_api_key")

    def _check_name(self, name: str) -> None:
        if name not in ("", self._settings.name):
            raise ApiError(404, f"there is no model {name}; there is {self._settings.name}.", param="model", code="model_not_found")

    # ---- questions -------------------------------------------------------------------------------------------------------------

    async def _chat(self, request: Request) -> Response:
        self._check_key(request)
        asked = read_chat_request(await self._body(request), default_tokens=self._settings.default_tokens)
        self._check_name(asked.model)
        waiting = await self._submit(asked)
        response = ChatResponse(asked, self._settings.name, self._engine.processor.tokenizer, self._engine.facts.stop_ids)
        if asked.stream:
            first = await _while_there(request, waiting, waiting.next_event())  # what is wrong is an error of HTTP, not of the stream
            return StreamingResponse(self._stream(waiting, first, response, asked), media_type="text/event-stream", headers=_UNBUFFERED)
        return JSONResponse(response.whole(await _while_there(request, waiting, self._collect(waiting))))

    async def _body(self, request: Request) -> Any:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise ApiError(415, "send Content-Type: application/json.")  # a form of a web page of elsewhere cannot
        try:
            body = await asyncio.wait_for(self._read_body(request), self._settings.body_seconds)
        except TimeoutError as error:
            raise ApiError(408, f"the request did not arrive within {self._settings.body_seconds:g} seconds.") from error
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise refused(f"the body is no JSON ({error}).") from error

    async def _read_body(self, request: Request) -> bytes:
        most, body = self._settings.most_bytes, bytearray()
        too_large = ApiError(413, f"the request has more than {most >> 20} MB. Send fewer or smaller pictures.", code="too_large")
        if int(request.headers.get("content-length") or 0) > most:
            raise too_large
        async for chunk in request.stream():
            body += chunk
            if len(body) > most:
                raise too_large
        return bytes(body)

    async def _submit(self, asked: ChatRequest) -> "_Waiting":
        self._check_length(asked)
        pictures = await anyio.to_thread.run_sync(self._read_pictures, asked.pictures)
        choice = {"tools": asked.tools, "tool_choice": asked.tool_choice, "thinking": asked.thinking, "form": asked.form}
        waiting = _Waiting(asyncio.get_running_loop())
        waiting.job = Job(Question(asked.messages, pictures, **choice), asked.samplings, asked.stop, waiting.tell, asked.may_shorten)
        waiting.num_answers = len(asked.samplings)
        self._batcher.submit(waiting.job)
        self._figures.began()
        return waiting

    def _check_length(self, asked: ChatRequest) -> None:
        """Refuse at once what no model could read: the model's thread would cut it into tokens first, and others wait."""
        most = _MOST_CHARACTERS_OF_A_TOKEN * self._engine.facts.max_positions
        if len(json.dumps([asked.messages, asked.tools], ensure_ascii=False)) > most:
            raise refused(
                f"the conversation has more than {most:,} characters, which the model cannot read.", "messages", "context_length_exceeded"
            )

    def _read_pictures(self, addresses: Sequence[str]) -> list[Any]:
        if len(addresses) > self._settings.most_pictures:
            raise refused(f"{len(addresses)} pictures; at most {self._settings.most_pictures} are read.", "messages")
        read = []
        for place, address in enumerate(addresses):
            try:
                source = address if is_data_url(address) else fetch(address, self._settings.fetch)
                read.append(self._engine.read_image(source))
            except ValueError as error:
                raise refused(f"picture {place + 1}: {error}", "messages", "invalid_image") from error
        return read

    async def _collect(self, waiting: "_Waiting") -> list[Written]:
        """All answers, once they are whole."""
        written = [Written() for _ in range(waiting.num_answers)]
        async for event in waiting.events():
            _take(written, event)
        self._figures.ended(written)
        return written

    async def _stream(self, waiting: "_Waiting", first: Event, response: ChatResponse, asked: ChatRequest) -> AsyncIterator[str]:
        written = [Written() for _ in range(waiting.num_answers)]
        try:
            for row in range(waiting.num_answers):
                yield _event(response.piece(row, {"role": "assistant", "content": ""}))
            async for event in waiting.events(first):
                _take(written, event)
                for chunk in _chunks(event, written, response):
                    yield _event(chunk)
            if asked.include_usage:
                yield _event(response.usage_piece(written))
            yield "data: [DONE]\n\n"
            self._figures.ended(written)
        except ApiError as error:
            yield _event(error.body())
        finally:
            waiting.leave()


_Result = TypeVar("_Result")
_UNBUFFERED = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


class _Waiting:
    """Events of a job, which come from the model's thread, in the server's loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop, self._queue = loop, asyncio.Queue()
        self.job: Job
        self.num_answers = 1

    def tell(self, event: Event) -> None:
        self._loop.call_soon_threadsafe(self._queue.put_nowait, event)

    def leave(self) -> None:
        self.job.is_left.set()

    async def next_event(self) -> Event:
        """The next event.

        Raises:
            ApiError: the job failed.
        """
        event = await self._queue.get()
        if isinstance(event, ApiError):
            raise event
        if isinstance(event, ValueError):
            raise refused(str(event)) from event
        if isinstance(event, Exception):
            raise ApiError(500, f"the model failed: {type(event).__name__}.", code="model_failed") from event
        return event

    async def events(self, first: Event | None = None) -> AsyncIterator[Event]:
        """All events until every answer has ended."""
        num_ended = 0
        while num_ended < self.num_answers:
            event = first or await self.next_event()
            first = None
            num_ended += isinstance(event, Ended)
            yield event


def _take(written: Sequence[Written], event: Event) -> None:
    own = written[event.row]
    if isinstance(event, Step):
        own.text += "".join(piece.text for piece in event.pieces if not piece.is_reasoning)
        own.reasoning += "".join(piece.text for piece in event.pieces if piece.is_reasoning)
        own.scores += event.scores
    else:
        own.answer, own.stop_text = event.answer, event.stop_text


def _chunks(event: Event, written: Sequence[Written], response: ChatResponse) -> list[dict[str, Any]]:
    if isinstance(event, Ended):
        return response.last_pieces(event.row, written[event.row])
    deltas = [{"reasoning_content" if piece.is_reasoning else "content": piece.text} for piece in event.pieces] or [{}]
    return [response.piece(event.row, delta, event.scores if place == 0 else ()) for place, delta in enumerate(deltas)]


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


async def _while_there(request: Request, waiting: _Waiting, work: Coroutine[Any, Any, _Result]) -> _Result:
    """What some work gives, as long as the client waits for it.

    Raises:
        ClientDisconnect: it does not; its job is given up.
    """
    working, leaving = asyncio.ensure_future(work), asyncio.ensure_future(_wait_for_leaving(request))
    await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if working.done():
        return working.result()
    waiting.leave()
    working.cancel()
    raise ClientDisconnect


async def _wait_for_leaving(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _answer_error(request: Request, error: ApiError) -> Response:
    headers = {"Retry-After": "1"} if error.status == 429 else {"Connection": "close"} if error.status in (408, 413) else None
    return JSONResponse(error.body(), status_code=error.status, headers=headers)


async def _answer_nobody(request: Request, error: ClientDisconnect) -> Response:
    return Response(status_code=499)  # as nginx counts it; nobody reads it


async def _answer_fault(request: Request, error: Exception) -> Response:
    return await _answer_error(request, ApiError(500, f"the server failed: {type(error).__name__}."))
