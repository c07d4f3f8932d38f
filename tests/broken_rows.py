"""Rows, each broken in its own way, with the rule that it breaks and what the reason must say."""

import base64
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from tests.tiny_data import dds_of_unknown_kind, icns_of, noise, png_declaring

USER, ASSISTANT = {"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}
RESULT = {"role": "tool", "content": "4"}


@dataclass(frozen=True)
class BrokenRow:
    """One row."""

    rule: str
    reason: str
    """A pattern that the reason matches."""
    row: Any
    """What the line holds: text as it is, anything else as JSON."""


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


def picture(image: Any) -> dict[str, Any]:
    return chat({"role": "user", "content": [{"type": "image", "image": image}, {"type": "text", "text": "?"}]}, ASSISTANT)


def call(function: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}


def llava(value: str, **images: Any) -> dict[str, Any]:
    return {"conversations": [{"from": "human", "value": value}, {"from": "gpt", "value": "!"}], **images}


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


def broken_rows(folder: Path) -> list[BrokenRow]:
    """Rows for a JSON Lines file in `folder`, beside which their images are written."""
    return [*_badly_written(), *_no_conversations(), *_tools_astray(), *_misplaced_images(), *_bad_images(folder)]


def _badly_written() -> list[BrokenRow]:
    return [
        BrokenRow("broken JSON", "this is not JSON", '{"messages": [broken'),
        BrokenRow("broken JSON", "this is not JSON .*recursion", "[" * 100_000),
        BrokenRow(
            "broken JSON", "this is JSON with the key 'answer' twice in one object", '{"question": "?", "answer": "!", "answer": "."}'
        ),
        BrokenRow(
            "broken JSON",
            "the arguments that message 1 gives to f are JSON with the key 'x' twice",
            chat(USER, call({"name": "f", "arguments": '{"x": 1, "x": 2}'})),
        ),
        BrokenRow("row form", r"the row is list '\[1, 2\]'; expected an object", [1, 2]),
        BrokenRow("row form", "the column messages holds str 'none'; expected a list", {"messages": "none"}),
        BrokenRow("row form", "the column conversations holds a list as text that is not JSON", {"conversations": "[{broken"}),
        BrokenRow("row form", "are nested more than 100 deep", chat(USER, ASSISTANT, tools=[{"name": "f", "parameters": nested(200)}])),
        BrokenRow("column type", "the reasoning of message 1 is int; expected text", chat(USER, {**ASSISTANT, "reasoning": 5})),
        BrokenRow(
            "unread words", "input is filled, .* prompt is a list of turns", {"prompt": [USER], "completion": [ASSISTANT], "input": "3"}
        ),
        BrokenRow(
            "unread words", "system and system_prompt hold system prompts that differ", chat(USER, ASSISTANT, system="s", system_prompt="t")
        ),
        BrokenRow("unknown layout", r"found the columns label, text; nearest layouts: .* lacks ", {"text": "?", "label": 3}),
        BrokenRow("column type", "the column answer holds int '3'; expected text", {"question": "?", "answer": 3}),
        BrokenRow("row id", r"the id has 300 characters \(xxx.*expected at most 256", chat(USER, ASSISTANT, id="x" * 300)),
        BrokenRow("row id", "the id is dict .*expected a text, a number, or none", chat(USER, ASSISTANT, id={"a": 1})),
        BrokenRow(
            "text encoding", r"half a surrogate pair, U\+D83D, at character 3", r'{"question": "\u6211\u7684 \ud83d", "answer": "!"}'
        ),
        BrokenRow("text encoding", "hold a NUL at character 1; expected text", {"question": "a\0b", "answer": "!"}),
        BrokenRow(
            "text encoding",
            r"hold 6,400 different private-use characters \(U\+E000 to U\+F8FF\)",
            {"question": "".join(map(chr, range(0xE000, 0xF900))), "answer": "!"},
        ),
    ]


def _no_conversations() -> list[BrokenRow]:
    return [
        BrokenRow("no messages", "the conversation is empty", {"messages": None}),
        BrokenRow(
            "message form", 'message 0 has no role but the keys content; expected "role" and "content"', chat({"content": "?"}, ASSISTANT)
        ),
        BrokenRow(
            "message switch", "the switch weight of message 1 is '0.5'; expected true or false", chat(USER, {**ASSISTANT, "weight": 0.5})
        ),
        BrokenRow(
            "message switch", "the switch train of message 0 asks to learn what the user says", chat({**USER, "train": True}, ASSISTANT)
        ),
        BrokenRow("message switch", "the switch train_detail of message 1", chat(USER, {**ASSISTANT, "train_detail": [{"train": False}]})),
        BrokenRow("message switch", r"the row is switched off \(loss_weight: 0\)", chat(USER, ASSISTANT, loss_weight=0)),
        BrokenRow("message switch", r"the row is switched off \(ignore: True\)", chat(USER, ASSISTANT, ignore=True)),
        BrokenRow("message switch", r"loss_masks is \[0, 1\], which seems", chat(USER, ASSISTANT, USER, ASSISTANT, loss_masks=[0, 1])),
        BrokenRow("nothing supervised", "every answer is switched off", chat(USER, {**ASSISTANT, "loss": False})),
        BrokenRow("rejected answer", "label is false", chat(USER, ASSISTANT, label=False)),
        BrokenRow(
            "message form", "message 0 has neither content nor value but the keys role, text", chat({"role": "system", "text": "s"}, USER)
        ),
        BrokenRow(
            "unknown role",
            "message 1 has the role 'narrator'; expected one of user, human",
            chat(USER, {"role": "narrator", "content": "!"}),
        ),
        BrokenRow("system position", "message 2 is the system's", chat(USER, ASSISTANT, {"role": "system", "content": "s"}, ASSISTANT)),
        BrokenRow("turn order", "message 0 is the assistant's and comes before any question", chat(ASSISTANT, USER, ASSISTANT)),
        BrokenRow("turn order", "message 2 is the assistant's and follows another of its own", chat(USER, ASSISTANT, ASSISTANT)),
        BrokenRow(
            "content form",
            "the content of message 0 is int; expected a string or a list of parts",
            chat({"role": "user", "content": 3}, ASSISTANT),
        ),
        BrokenRow(
            "content part", "a part of type 'video'", chat({"role": "user", "content": [{"type": "video", "video": "a.mp4"}]}, ASSISTANT)
        ),
        BrokenRow("content part", "an image part with the index 0.5", chat({"role": "user", "content": [{"type": "image", "index": 0.5}]})),
        BrokenRow(
            "content part", "words or an image", chat({"role": "user", "content": [{"type": "text", "text": "?", "image": "good.png"}]})
        ),
        BrokenRow("content part", r"the column messages\[\].audio is filled", chat({**USER, "audio": "a.wav"}, ASSISTANT)),
        BrokenRow("content part", "the column clip is filled", chat(USER, ASSISTANT, clip=["a.mp4"])),
        BrokenRow("content part", "the column videos is filled; expected text and images", chat(USER, ASSISTANT, videos=["a.mp4"])),
        BrokenRow("no question", "no message is the user's", chat({"role": "system", "content": "s"}, ASSISTANT)),
        BrokenRow("empty question", "message 0 is the user's and is empty", {"question": None, "answer": "!"}),
        BrokenRow("no answer", "the last message is the user's; expected the assistant's", chat(USER, ASSISTANT, USER)),
        BrokenRow("empty answer", "message 1 is the assistant's and is empty", {"question": "?", "answer": " \n"}),
        BrokenRow("empty answer", "message 1 .* holds thinking alone", {"question": "?", "answer": "<think>3</think>\n"}),
        BrokenRow("empty question", "message 0 is the user's and is empty", {"question": "\u200b", "answer": "!"}),
        BrokenRow(
            "unread words", r"choices that are not in the question \(choices: 'cat'\)", {"question": "?", "answer": "A", "choices": ["cat"]}
        ),
        BrokenRow("too long", "longer than max_length 256", {"question": "?", "answer": "长" * 2000}),
        BrokenRow("too long", "the column messages holds 10,001 entries; expected at most 10,000", chat(*[USER] * 10_000, ASSISTANT)),
        BrokenRow("too long", "the row has 10,001 images; expected at most 10,000", chat(USER, ASSISTANT, images=["good.png"] * 10_001)),
    ]


def _tools_astray() -> list[BrokenRow]:
    return [
        BrokenRow("tools form", "the tools are not JSON", chat(USER, ASSISTANT, tools="{broken")),
        BrokenRow("tools form", "message 0 is the user's and holds tools", chat({**USER, "tools": [{"name": "f"}]}, ASSISTANT)),
        BrokenRow(
            "tools form",
            "the row gives 2 lists of tools that differ",
            chat({"role": "system", "content": "s", "functions": [{"name": "g"}]}, USER, ASSISTANT, tools=[{"name": "f"}]),
        ),
        BrokenRow(
            "tool call form",
            "the tool call of message 1 is not JSON",
            {"conversations": [{"from": "human", "value": "?"}, {"from": "function_call", "value": "f(x)"}]},
        ),
        BrokenRow("tool call name", "has the name None; expected the name of a function", chat(USER, call({"arguments": "{}"}))),
        BrokenRow(
            "tool call arguments",
            "the arguments that message 1 gives to f are not JSON",
            chat(USER, call({"name": "f", "arguments": "{x: 1"})),
        ),
        BrokenRow(
            "tool call arguments", "to f are no JSON .*{'x': nan}", chat(USER, call({"name": "f", "arguments": {"x": float("nan")}}))
        ),
        BrokenRow("tool call arguments", "are 5; expected a JSON object", chat(USER, call({"name": "f", "arguments": 5}))),
        BrokenRow("tool result", "message 1 is a tool's, but no call", chat(USER, RESULT, ASSISTANT)),
        BrokenRow(
            "tool result",
            "message 2 answers the tool call 'call_2'; the calls left unanswered are call_1",
            chat(USER, call({"name": "f", "arguments": "{}"}), {**RESULT, "tool_call_id": "call_2"}, ASSISTANT),
        ),
    ]


def _misplaced_images() -> list[BrokenRow]:
    return [
        BrokenRow("image count", "there are 2 places .* and 1 images listed", llava("<image><image>?", image="good.png")),
        BrokenRow("image count", "there are 1 places .* and 0 images listed", llava("<image>?")),
        BrokenRow("image count", "there are 1 places .* and 2 images listed", llava("<image>?", images=["good.png"] * 2)),
        BrokenRow(
            "image count", "message 0 lists 2 images and has 1 places", chat({**USER, "content": "<image>", "images": ["good.png"] * 2})
        ),
        BrokenRow(
            "image count",
            "the image parts take the images 1, None of 2 listed",
            chat({"role": "user", "content": [{"type": "image", "index": 1}, {"type": "image"}]}, ASSISTANT, images=["good.png"] * 2),
        ),
        BrokenRow(
            "image in answer",
            "message 1 is the assistant's and holds an image",
            chat(USER, {"role": "assistant", "content": [{"type": "image", "image": "good.png"}]}),
        ),
        BrokenRow(
            "image in answer",
            "<image> stands in what the assistant says",
            chat(USER, {"role": "assistant", "content": "<image>"}, images=["good.png"]),
        ),
        BrokenRow("missing image", "image 0 is None; expected a path, bytes, base64", llava("<image>?", image=[None])),
        BrokenRow(
            "missing image", "image 0 has neither bytes nor a path but bytes, path", llava("<image>?", image={"bytes": None, "path": None})
        ),
        BrokenRow("image form", "image 0 is int; expected a path, bytes, base64", llava("<image>?", image=5)),
        BrokenRow(
            "unread image",
            "imgs holds 1 images, which are not read from there; expected them in `images`",
            chat(USER, ASSISTANT, imgs=["a.png"]),
        ),
        BrokenRow(
            "unread image",
            "image_cam_front holds 1 images.* beside the 1 that are",
            {**llava("?", image="a.png"), "image_cam_front": "b.png"},
        ),
        BrokenRow("unread image", "image holds 1 images.* beside the 1 that are", {**llava("?", images=["a.png"]), "image": "b.png"}),
        BrokenRow("unread image", r"messages\[\].pics holds 1 images", chat({**USER, "pics": ["a.png"]}, ASSISTANT)),
        BrokenRow(
            "grounding boxes",
            "<bbox> stands in the text for what objects holds",
            chat({"role": "user", "content": "<bbox>?"}, ASSISTANT, objects={"ref": [], "bbox": [[1, 2, 3, 4]]}),
        ),
        BrokenRow("image URL", "image 0 stands at https://example.com/a.png; nothing is fetched", picture("https://example.com/a.png")),
        BrokenRow(
            "image path", "image 0 is ../outside.png, which leads to .*outside.png, out of the data folder", picture("../outside.png")
        ),
        BrokenRow("image path", "image 0 has a NUL or half a surrogate pair in its path", picture("half \ud83d.png")),
        BrokenRow("image path", "image 0 has a NUL or half a surrogate pair in its path", picture("\ud83d/a.png")),
        BrokenRow("image path", "image 0 is /etc/x.png, which leads to", picture("FILE://localhost/etc/x.png")),
        BrokenRow("missing image", r"\[x/a#1.png: there is no such image file", picture("file://[x/a%231.png")),
        BrokenRow("image path", "image 0 is /etc/passwd, which leads to /etc/passwd, out of the data folder", picture("/etc/passwd")),
        BrokenRow("image path", "image 0 is link.png, which leads to .*outside.png, out of the data folder", picture("link.png")),
        BrokenRow("image path", "image 0 is linked/outside.png, which leads to", picture("linked/outside.png")),
    ]


def _bad_images(folder: Path) -> list[BrokenRow]:
    _write_images(folder)
    cut = base64.b64encode((folder / "good.png").read_bytes()).decode()[:-7]
    return [
        BrokenRow("missing image", "xxx.*there is no such image file .*File name too long", picture("x" * 300 + ".png")),
        BrokenRow("missing image", "xxx.*there is no such image file .*File name too long", picture("x" * 300 + "/a.png")),
        BrokenRow("unreadable image", "pipe.png: this is not an image that can be read .it is a named pipe", picture("pipe.png")),
        BrokenRow("unreadable image", "lfs.png: this is not an image that can be read .it is a Git LFS pointer", picture("lfs.png")),
        BrokenRow("unreadable image", "kind.dds: .*Unimplemented pixel format", picture("kind.dds")),
        BrokenRow("image too large", "bomb.icns: 3,600,000,000 pixels", picture("bomb.icns")),
        BrokenRow("missing image", "gone.png: there is no such image file", picture("gone.png")),
        BrokenRow("empty image", "empty.png: the image is empty", picture("empty.png")),
        BrokenRow("unreadable image", "notes.png: this is not an image that can be read", picture("notes.png")),
        BrokenRow("unreadable image", "this is not an image that can be read .*directory", picture("album.png")),
        BrokenRow("damaged image", "half.png: the image is damaged or cut short", picture("half.png")),
        BrokenRow("damaged image", "half.jpg: the image is damaged or cut short", picture("half.jpg")),
        BrokenRow("image base64", "the base64 of this data: URL is damaged", picture("data:image/png;base64,@@@")),
        BrokenRow("image base64", "the base64 of this data: URL is damaged", picture(cut)),
        BrokenRow("image too large", "bomb.png: 3,600,000,000 pixels; at most 120,000,000 are read", picture("bomb.png")),
        BrokenRow("image shape", "line.png: 1000 x 1 pixels; expected at least 2 each way", picture("line.png")),
        BrokenRow("image shape", "strip.png: 2 x 500 pixels; .*at most 200 times", picture("strip.png")),
    ]


def _write_images(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    noise(0).save(folder / "good.png")
    noise(0).save(folder.parent / "outside.png")
    (folder / "link.png").symlink_to(folder.parent / "outside.png")
    (folder / "album.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    (folder / "linked").symlink_to(folder.parent, target_is_directory=True)
    files: dict[str, Callable[[], bytes]] = {
        "empty.png": lambda: b"",
        "notes.png": lambda: b"not a picture",
        "half.png": lambda: (folder / "good.png").read_bytes()[:3000],
        "bomb.png": lambda: png_declaring(60_000, 60_000),
        "lfs.png": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n",
        "kind.dds": lambda: dds_of_unknown_kind(),
        "bomb.icns": lambda: icns_of(png_declaring(60_000, 60_000)),
    }
    for name, content in files.items():
        (folder / name).write_bytes(content())
    noise(1).save(folder / "whole.jpg", quality=95)
    (folder / "half.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:1500])
    Image.new("RGB", (1000, 1), "red").save(folder / "line.png")
    Image.new("RGB", (2, 500), "red").save(folder / "strip.png")
