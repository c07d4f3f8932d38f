"""The server as OpenAI's own client sees it: answers are the engine's, faults harm nobody else, what is not allowed is refused.

python -m pytest tests/test_serve.py
"""

import asyncio
import base64
import contextlib
import http.server
import importlib.util
import io
import json
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.serve.stop_texts import StopTexts
from tests.test_engine import picture, save_small_checkpoint

needs = [name for name in ("starlette", "uvicorn", "prometheus_client", "openai") if importlib.util.find_spec(name) is None]
pytestmark = pytest.mark.skipif(bool(needs), reason=f"not installed: {', '.join(needs)} (requirements-serve.txt, requirements-dev.txt)")

if not needs:
    import openai
    import uvicorn

    from smvl.serve.app import Server, ServerSettings
    from smvl.serve.batcher import Batcher
    from smvl.serve.command import main
    from smvl.serve.errors import ApiError
    from smvl.serve.fetching import FetchRules, fetch, is_public
    from smvl.serve.slow_senders import ImpatientProtocol

SCHEMA = {
    "type": "object",
    "properties": {"颜色": {"enum": ["红", "蓝"]}, "多少": {"type": "integer", "maximum": 9}},
    "required": ["颜色", "多少"],
}
TOOL = {
    "type": "function",
    "function": {"name": "note", "parameters": {"type": "object", "properties": {"颜色": {"enum": ["红", "蓝"]}}, "required": ["颜色"]}},
}


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.from_folder(save_small_checkpoint(tmp_path_factory.mktemp("serve")), device="cpu")


@contextlib.contextmanager
def serving(engine: Engine, *, most_waiting: int = 64, batch_size: int = 16, **settings: Any) -> Iterator[str]:
    """The address of a server, while it runs in a thread of its own."""
    batcher = Batcher(engine, most_waiting=most_waiting, batch_size=batch_size)
    server = Server(engine, batcher, ServerSettings(**{"name": "small", "default_tokens": 8, **settings}))
    listening = socket.create_server(("127.0.0.1", 0))
    running = uvicorn.Server(uvicorn.Config(server.app, http=ImpatientProtocol, log_level="error"))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    try:
        while not running.started:
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(10)
        batcher.close()


@pytest.fixture(scope="module")
def address(engine: Engine) -> Iterator[str]:
    with serving(engine) as address:
        yield address


@pytest.fixture(scope="module")
def client(address: str) -> "openai.OpenAI":
    return client_of(address)


def client_of(address: str, key: str = "none") -> "openai.OpenAI":
    return openai.OpenAI(base_url=f"{address}/v1", api_key=key, max_retries=0)


def data_url(image: Image.Image) -> str:
    file = io.BytesIO()
    image.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def asked(text: str, *images: Image.Image | str) -> list[dict[str, Any]]:
    urls = [image if isinstance(image, str) else data_url(image) for image in images]
    return [
        {"role": "user", "content": [*({"type": "image_url", "image_url": {"url": url}} for url in urls), {"type": "text", "text": text}]}
    ]


def of_engine(engine: Engine, text: str, *images: Image.Image, tokens: int = 8, **fields: Any) -> Any:
    parts = [*[{"type": "image"}] * len(images), {"type": "text", "text": text}]
    return engine.answer([Request([{"role": "user", "content": parts}], images, **fields)], max_new_tokens=tokens)[0]


# ---- answers ---------------------------------------------------------------------------------------------------------------------


def test_an_answer_is_the_engines_with_its_usage(engine, client):
    images = picture("red"), picture("blue", 20, 60)
    found = client.chat.completions.create(model="small", messages=asked("图中有什么?", *images))
    wanted = of_engine(engine, "图中有什么?", *images)
    [choice] = found.choices
    assert (choice.message.role, choice.message.content, choice.finish_reason) == ("assistant", wanted.text, "length")
    assert (found.usage.prompt_tokens, found.usage.completion_tokens) == (wanted.num_prompt_tokens, wanted.num_new_tokens)
    assert found.model == "small" and found.object == "chat.completion" and found.id.startswith("chatcmpl-")


def test_a_stream_joins_to_the_same_and_ends_with_its_usage(engine, client):
    stream = client.chat.completions.create(
        model="small", messages=asked("图?", picture("red")), stream=True, stream_options={"include_usage": True}, max_tokens=12
    )
    chunks = list(stream)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert text == of_engine(engine, "图?", picture("red"), tokens=12).text
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "length"
    assert not chunks[-1].choices and chunks[-1].usage.completion_tokens == 12 and len({chunk.id for chunk in chunks}) == 1


def test_a_schema_is_kept(client):
    wanted = {"type": "json_schema", "json_schema": {"name": "colours", "schema": SCHEMA, "strict": True}}
    found = client.chat.completions.create(model="small", messages=asked("什么颜色?"), response_format=wanted, max_tokens=60)
    assert json.loads(found.choices[0].message.content).keys() == {"颜色", "多少"}
    assert found.choices[0].finish_reason == "stop"


@pytest.mark.parametrize(
    ("outputs", "holds"),
    [({"choice": ["是", "否"]}, lambda text: text in "是否"), ({"regex": "[0-9]{3}"}, lambda text: len(text) == 3 and text.isdigit())],
)
def test_vllms_structured_outputs_are_kept(client, outputs, holds):
    found = client.chat.completions.create(model="small", messages=asked("?"), extra_body={"structured_outputs": outputs}, max_tokens=20)
    assert holds(found.choices[0].message.content)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "note"}}])
def test_calls_come_back_as_openai_writes_them(client, choice, stream):
    found = client.chat.completions.create(
        model="small", messages=asked("记下颜色"), tools=[TOOL], tool_choice=choice, parallel_tool_calls=False, max_tokens=60, stream=stream
    )
    if stream:
        chunks = list(found)
        [call] = [call for chunk in chunks for call in chunk.choices[0].delta.tool_calls or ()]
        finish = chunks[-1].choices[0].finish_reason
    else:
        [call] = found.choices[0].message.tool_calls
        finish = found.choices[0].finish_reason
        assert found.choices[0].message.content is None
    assert call.function.name == "note" and json.loads(call.function.arguments)["颜色"] in "红蓝"
    assert finish == "tool_calls" and call.id.startswith("call_")


def test_a_conversation_goes_on_behind_a_call_and_its_result(engine, client):
    call = {"id": "call_1", "type": "function", "function": {"name": "note", "arguments": '{"颜色": "红"}'}}
    messages = [
        *asked("记下颜色"),
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "call_1", "content": "好"},
    ]
    found = client.chat.completions.create(model="small", messages=messages, tools=[TOOL])
    function = {"name": "note", "arguments": {"颜色": "红"}}
    ours = [
        {"role": "user", "content": [{"type": "text", "text": "记下颜色"}]},
        {"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": function}]},
        {"role": "tool", "content": "好"},
    ]
    [wanted] = engine.answer([Request(ours, tools=[TOOL])], max_new_tokens=8)
    assert found.usage.prompt_tokens == wanted.num_prompt_tokens and (found.choices[0].message.content or "") == wanted.text


def test_the_same_seed_draws_the_same_and_n_answers_differ(client):
    options = {"model": "small", "messages": asked("说"), "temperature": 2, "max_tokens": 12}
    first, again = ([choice.message.content for choice in client.chat.completions.create(**options, seed=5, n=4).choices] for _ in range(2))
    assert first == again and len(set(first)) > 1
    other = [choice.message.content for choice in client.chat.completions.create(**options, seed=6, n=4).choices]
    assert other != first


def test_log_probabilities_are_of_the_tokens_written(client):
    options = {"model": "small", "messages": asked("说"), "logprobs": True, "top_logprobs": 3, "max_tokens": 5}
    found = client.chat.completions.create(**options)
    content = found.choices[0].logprobs.content
    assert len(content) == 5
    for token in content:
        assert [each.logprob for each in token.top_logprobs] == sorted((each.logprob for each in token.top_logprobs), reverse=True)
        assert len(token.top_logprobs) == 3 and token.logprob == token.top_logprobs[0].logprob <= 0  # the likeliest is what was chosen
    written = b"".join(bytes(token.bytes) for token in content).decode(errors="replace")
    assert written == found.choices[0].message.content
    streamed = [
        token for chunk in client.chat.completions.create(**options, stream=True) for token in (chunk.choices[0].logprobs or NONE).content
    ]
    assert [token.token for token in streamed] == [token.token for token in content]
    assert [token.logprob for token in streamed] == pytest.approx([token.logprob for token in content], abs=1e-4)  # the prompt was known


class NONE:
    content = ()


def test_an_answer_ends_before_a_stop_text(client):
    whole = client.chat.completions.create(model="small", messages=asked("说"), max_tokens=20).choices[0].message.content
    stop = whole[len(whole) // 2 :][:2]
    for stream in (False, True):
        found = client.chat.completions.create(model="small", messages=asked("说"), max_tokens=20, stop=[stop, "绝无此语"], stream=stream)
        if stream:
            chunks = list(found)
            text, choice = "".join(chunk.choices[0].delta.content or "" for chunk in chunks), chunks[-1].choices[0]
        else:
            choice = found.choices[0]
            text = choice.message.content
        assert text == whole[: whole.index(stop)] and choice.finish_reason == "stop"


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_stop_texts_are_found_across_pieces(size):
    text = "一二三四aab五六"
    for stops, wanted, found in (
        (["aab"], "一二三四", "aab"),
        (["五六", "ab"], "一二三四a", "ab"),
        (["aaa", "没有"], text, None),
        ([], text, None),
    ):
        stop = StopTexts(stops)
        given = "".join(stop.push(text[start : start + size]) for start in range(0, len(text), size)) + (
            stop.finish() if stop.found is None else ""
        )
        assert (given, stop.found) == (wanted, found)


def test_models_health_and_figures(client, address):
    assert [model.id for model in client.models.list()] == ["small"] and client.models.retrieve("small").id == "small"
    with urllib.request.urlopen(f"{address}/health") as response:
        assert json.load(response)["status"] == "ok"
    with urllib.request.urlopen(f"{address}/metrics") as response:
        assert b"smvl_requests_total" in response.read()


# ---- many at once ----------------------------------------------------------------------------------------------------------------


def test_those_that_wait_are_answered_together_and_each_gets_its_own(engine, monkeypatch):
    read, sizes = engine.model.read, []
    monkeypatch.setattr(engine.model, "read", lambda prompts, *rest: (sizes.append(len(prompts)), read(prompts, *rest))[1])
    questions = [("图?" * (place % 3 + 1), picture(["red", "green", "blue"][place % 3])) for place in range(12)]

    async def ask_all(address: str) -> list[str]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            jobs = [client.chat.completions.create(model="small", messages=asked(*question)) for question in questions]
            return [found.choices[0].message.content for found in await asyncio.gather(*jobs)]

    with serving(engine) as address:
        found = asyncio.run(ask_all(address))
    monkeypatch.undo()
    assert found == [of_engine(engine, *question).text for question in questions]
    assert len(sizes) < 12 and max(sizes) > 1


def test_a_next_turn_does_not_read_the_conversation_again(client):
    messages = asked("图中有什么?", picture("green"))
    first = client.chat.completions.create(model="small", messages=messages)
    messages += [{"role": "assistant", "content": first.choices[0].message.content}, {"role": "user", "content": "还有呢?"}]
    second = client.chat.completions.create(model="small", messages=messages)
    assert first.usage.prompt_tokens_details.cached_tokens == 0
    assert second.usage.prompt_tokens_details.cached_tokens > first.usage.prompt_tokens / 2


def test_a_fault_of_one_request_harms_no_other(engine, monkeypatch):
    read, release = engine.model.read, threading.Event()

    def breaking(prompts, *rest):
        release.wait(10)
        if any(len(prompt) > 200 for prompt in prompts):
            raise RuntimeError("out of memory")
        return read(prompts, *rest)

    monkeypatch.setattr(engine.model, "read", breaking)

    async def ask_all(address: str) -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{address}/v1", api_key="none", max_retries=0) as client:
            texts = ["一?", "二?", "长" * 300, "三?"]
            jobs = [asyncio.ensure_future(client.chat.completions.create(model="small", messages=asked(text))) for text in texts]
            await asyncio.sleep(0.5)
            release.set()
            return await asyncio.gather(*jobs, return_exceptions=True)

    with serving(engine) as address:
        found = asyncio.run(ask_all(address))
    monkeypatch.undo()
    assert isinstance(found[2], openai.InternalServerError) and "the model failed: RuntimeError" in str(found[2])
    assert [found[place].choices[0].message.content for place in (0, 1, 3)] == [
        of_engine(engine, text).text for text in ("一?", "二?", "三?")
    ]


def test_a_client_that_leaves_frees_its_place(engine, monkeypatch):
    steps, go_on = [], threading.Event()
    write = engine.write

    def slowly(*given):
        for added in write(*given):
            steps.append(added)
            go_on.wait(0.05)
            yield added

    monkeypatch.setattr(engine, "write", slowly)
    with serving(engine) as address:
        stream = client_of(address).chat.completions.create(model="small", messages=asked("说"), max_tokens=400, stream=True)
        next(iter(stream))
        stream.close()
        go_on.wait(1)
        found = client_of(address).chat.completions.create(model="small", messages=asked("二?"), max_tokens=2, timeout=20)
    assert found.usage.completion_tokens == 2 and len(steps) < 200


@pytest.mark.parametrize("stream", [False, True])
def test_one_that_leaves_while_it_waits_is_never_asked_and_leaves_no_trace(engine, monkeypatch, caplog, stream):
    release, prepare, prepared = threading.Event(), engine.prepare, []

    def slowly(request, *rest):
        prepared.append(request.messages[0]["content"][-1]["text"])
        release.wait(10)
        return prepare(request, *rest)

    monkeypatch.setattr(engine, "prepare", slowly)
    with serving(engine) as address:
        first = threading.Thread(
            target=lambda: client_of(address).chat.completions.create(model="small", messages=asked("一?"), max_tokens=1)
        )
        first.start()
        while not prepared:
            time.sleep(0.01)
        with pytest.raises(openai.APITimeoutError):
            client_of(address).with_options(timeout=1.0).chat.completions.create(model="small", messages=asked("二?"), stream=stream)
        time.sleep(0.3)
        release.set()
        first.join(20)
        found = client_of(address).chat.completions.create(model="small", messages=asked("三?"), max_tokens=1)
    assert found.usage.completion_tokens == 1 and prepared == ["一?", "三?"]
    assert not caplog.records


def test_a_full_queue_says_so_at_once(engine, monkeypatch):
    release = threading.Event()
    prepare = engine.prepare
    monkeypatch.setattr(engine, "prepare", lambda *given: (release.wait(10), prepare(*given))[1])
    with serving(engine, most_waiting=2) as address:
        threads = [
            threading.Thread(target=lambda: client_of(address).chat.completions.create(model="small", messages=asked("?"), max_tokens=1))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
            time.sleep(0.3)
        with pytest.raises(openai.RateLimitError, match="2 requests wait already"):
            client_of(address).chat.completions.create(model="small", messages=asked("?"))
        release.set()
        for thread in threads:
            thread.join(20)


# ---- what is refused -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": []}, "messages is missing or empty"),
        ({"messages": asked("?", "data:image/png;base64,AAAA")}, "picture 1: "),
        ({"messages": asked("?", "file:///etc/passwd")}, "pictures are given as data: URLs"),
        ({"messages": asked("?", "http://127.0.0.1/a.png")}, "pictures of '127.0.0.1' are not fetched; allowed: no host is"),
        ({"messages": asked("?", "/etc/passwd")}, "pictures are given as data: URLs"),
        ({"frequency_penalty": 0.5}, "frequency_penalty is not supported here"),
        ({"extra_body": {"best_of": 3}}, "'best_of': there are no such fields"),
        ({"n": 99}, "n is 99; expected 1 to 8"),
        ({"temperature": 3}, "temperature is 3"),
        ({"max_tokens": 0}, "max_tokens is 0"),
        ({"max_tokens": 10**6}, "Ask for fewer new tokens"),
        ({"messages": asked("长" * 2 * 10**6)}, "characters, which the model cannot read"),
        ({"top_logprobs": 2}, "logprobs is not true"),
        ({"stop": [""]}, "none empty"),
        ({"response_format": {"type": "xml"}}, "response_format is"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"not": {}}}}}, "held to this form"),
        ({"tool_choice": "required"}, "there are no tools"),
        ({"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "other"}}}, "tool_choice is other"),
        ({"tools": [{"type": "function", "function": {}}]}, "tool 0 is"),
    ],
)  # fmt: skip
def test_what_cannot_be_met_is_refused_with_its_reason(client, change, message):
    with pytest.raises(openai.BadRequestError) as error:
        client.chat.completions.create(**{"model": "small", "messages": asked("?"), **change})
    assert message in str(error.value)


def test_another_models_name_is_not_found(client):
    with pytest.raises(openai.NotFoundError, match="there is no model gpt; there is small"):
        client.chat.completions.create(model="gpt", messages=asked("?"))


def test_with_a_key_nobody_asks_without_it(engine):
    with serving(engine, api_key="geheim 密") as address:
        with pytest.raises(openai.AuthenticationError):
            client_of(address, "wrong").chat.completions.create(model="small", messages=asked("?"))
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(f"{address}/metrics")
        with urllib.request.urlopen(f"{address}/health") as response:
            assert response.status == 200


def post(address: str, body: bytes, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"{address}/v1/chat/completions", body, {"Content-Type": "application/json", **headers})
    try:
        with urllib.request.urlopen(request) as response:
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{", {}, 400),
        (b"[]", {}, 400),
        (b"\xff\xfe", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 415),
        (b"{}", {"Host": "evil.example.com"}, 400),
        (b'{"messages": [{"role": "user", "content": [{"type": "video_url"}]}]}', {}, 400),
        (b'{"messages": [{"role": "user", "content": 3}]}', {}, 400),
        (b'{"messages": [{"role": "nobody", "content": "?"}]}', {}, 400),
        (b'{"messages": [{"role": "assistant", "content": "?"}]}', {}, 400),
        (b'{"messages": [{"role": "user", "content": "?"}], "stream": "yes"}', {}, 400),
        (b'{"messages": [{"role": "user", "content": "?"}], "seed": 1e400}', {}, 400),
    ],
)
def test_whatever_is_sent_is_answered_in_one_line(address, body, headers, status):
    found, text = post(address, body, **headers)
    assert found == status and "Traceback" not in text


def test_a_body_that_is_too_large_or_too_slow_is_given_up(engine):
    with serving(engine, most_bytes=1 << 20, body_seconds=0.5) as address:
        assert post(address, b'"' + b"a" * (2 << 20) + b'"')[0] == 413
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(
                b"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
            )
            slow.settimeout(5)
            assert b"408" in slow.recv(1000)


def test_a_connection_that_sends_no_request_is_closed(engine, monkeypatch):
    monkeypatch.setattr("smvl.serve.slow_senders.HEADER_SECONDS", 0.3)
    with serving(engine) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as slow:
            slow.sendall(b"POST /v1/chat")
            slow.settimeout(5)
            assert slow.recv(1000) == b""


# ---- pictures by their address ---------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def pictures_at(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with contextlib.suppress(OSError):
                answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def send_png(handler: http.server.BaseHTTPRequestHandler) -> None:
    file = io.BytesIO()
    picture("red").save(file, "PNG")
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(file.getvalue())


def test_a_picture_of_an_allowed_host_is_fetched(engine):
    rules = FetchRules(("127.0.0.1",), allow_private=True)
    with pictures_at(send_png) as pictures, serving(engine, fetch=rules) as address:
        found = client_of(address).chat.completions.create(model="small", messages=asked("图?", f"{pictures}/a.png"))
    assert found.choices[0].message.content == of_engine(engine, "图?", picture("red")).text


def redirect_to(target: str) -> Callable[[http.server.BaseHTTPRequestHandler], None]:
    def answer(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        handler.end_headers()

    return answer


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("file:///etc/passwd", "pictures are given as data: URLs"),
        ("http://10.0.0.1/a", "pictures of '10.0.0.1' are not fetched"),
        ("/again", "redirected more than 3 times"),
    ],
)
def test_a_redirect_leads_only_where_it_is_allowed(target, message):
    with pictures_at(redirect_to(target)) as pictures, pytest.raises(ValueError, match=message):
        fetch(f"{pictures}/a.png", FetchRules(("127.0.0.1",), allow_private=True))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "10.1.2.3", "192.168.0.1", "169.254.169.254", "[::1]", "[::ffff:10.0.0.1]", "0.0.0.0", "2130706433"]
)
def test_an_address_of_a_private_network_is_refused_even_where_every_host_is_allowed(host):
    with pytest.raises(ValueError, match="an address of this machine or a private network|cannot be fetched"):
        fetch(f"http://{host}/a.png", FetchRules(("*",), seconds=2))


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("8.8.8.8", True),
        ("10.0.0.1", False),
        ("100.64.0.1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("2606:4700::1111", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b::808:808", True),
        ("2002:a00:1::", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
    ],
)
def test_public_addresses_are_told_from_others(address, expected):
    assert is_public(address) == expected


def test_what_is_too_large_or_too_slow_is_not_fetched():
    def endless(handler: http.server.BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"a" * 10_000)

    def trickling(handler: http.server.BaseHTTPRequestHandler) -> None:
        while True:
            handler.wfile.write(b"H")
            time.sleep(0.05)

    own = {"hosts": ("127.0.0.1",), "allow_private": True}
    with pictures_at(endless) as pictures, pytest.raises(ValueError, match="has more than 1 MB"):
        fetch(pictures, FetchRules(**own, most_bytes=1 << 20))
    for answer in (trickling, lambda handler: time.sleep(3)):
        started = time.monotonic()
        with pictures_at(answer) as pictures, pytest.raises(ValueError, match="took more than 0.5 seconds"):
            fetch(pictures, FetchRules(**own, seconds=0.5))
        assert time.monotonic() - started < 3


# ---- the command -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--api-key", "密"], "--api-key is empty, or has characters that no header of HTTP can carry"),
        (["--api-key", " "], "--api-key is empty"),
        (["--batch", "0"], "--batch is 0; expected 1 or more."),
        (["--allow-private"], "Name hosts with it."),
        (["--host", "no such host"], "no such host:8000 cannot be had"),
        (["--port", "0", "--model", "nowhere"], "nowhere"),
    ],
)
def test_a_command_that_cannot_serve_is_one_line(options, message, capsys):
    assert main(["--model", "nowhere", *options]) == 1
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("smvl serve: ") and message in line


def test_within_a_budget_no_conversation_is_kept(engine, monkeypatch):
    """It has room for the keys and values of one."""
    kept = []
    monkeypatch.setattr("smvl.serve.command.open_engine", lambda options: SimpleNamespace(plan=options.budget))
    monkeypatch.setattr(
        "smvl.serve.batcher.Batcher", lambda engine, keep, **options: kept.append(keep) or SimpleNamespace(close=lambda: None)
    )
    monkeypatch.setattr("smvl.serve.app.Server", lambda *_: SimpleNamespace(app=None))
    monkeypatch.setattr(uvicorn.Server, "run", lambda *_, **options: options["sockets"][0].close())
    for budget in ([], ["--budget", "1GB"]):
        assert main(["--model", "any", "--port", "0", *budget]) == 0
    assert kept == [4, 0]


def test_the_batcher_refuses_when_it_is_closed(engine):
    batcher = Batcher(engine)
    batcher.close()
    with pytest.raises(ApiError, match="the server is closing"):
        batcher.submit(None)
