"""The chat: what the model is shown turn by turn, and what the user can do without ever losing the conversation.

python -m pytest tests/test_chat.py
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from smvl.infer.answer import Answer, Piece
from smvl.infer.chat import HELP, Conversation, run_chat, show
from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing.images import read_image
from tests.test_engine import image_text, one_thread, picture, prompt_text, save_small_checkpoint  # noqa: F401


class ScriptedStream:
    """A stream whose text is known; an exception among its pieces is raised in its place."""

    def __init__(self, pieces: list[Piece | BaseException]):
        self._pieces = pieces
        self.answer: Answer | None = None

    def __iter__(self) -> Iterator[Piece]:
        for piece in self._pieces:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
        reasoning = "".join(piece.text for piece in self._pieces if piece.is_reasoning)
        text = "".join(piece.text for piece in self._pieces if not piece.is_reasoning)
        self.answer = Answer(text, reasoning, "stop", 1, 0, 0, 2, 0.1, 0.2)


class ScriptedEngine:
    """Answers from a script, and keeps what it was asked."""

    def __init__(self, *scripts: list[Piece | BaseException]):
        self._scripts = list(scripts)
        self.requests: list[Request] = []
        self.settings: list[dict[str, Any]] = []

    def read_image(self, source: Any) -> Image.Image:
        return read_image(source)

    def stream(self, request: Request, **settings: Any) -> ScriptedStream:
        self.requests.append(request)
        self.settings.append(settings)
        return ScriptedStream(self._scripts.pop(0))


def says(text: str) -> list[Piece]:
    return [Piece(character, is_reasoning=False) for character in text]


def thinks(text: str) -> list[Piece]:
    return [Piece(text, is_reasoning=True)]


def typed(*lines: str | BaseException) -> Callable[[str], str]:
    """Stands for `input`; after the last line the input is at its end."""
    remaining = iter(lines)

    def read(prompt: str) -> str:
        line = next(remaining, EOFError())
        if isinstance(line, BaseException):
            raise line
        return line

    return read


def chat(conversation: Conversation, *lines: str | BaseException) -> str:
    """All that the user sees below the help."""
    shown: list[str] = []
    run_chat(conversation, typed(*lines), shown.append)
    assert shown[0] == HELP
    return "".join(shown[1:])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.from_folder(save_small_checkpoint(tmp_path_factory.mktemp("chat")), device="cpu")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "a photo.png"
    picture("red", 64, 48).save(path)
    return path


# ---- the conversation --------------------------------------------------------------------------------------------------------


def test_a_later_question_still_sees_the_first_image(engine: Engine) -> None:
    scripted = ScriptedEngine(says("圆形。"), says("红色。"), says("蓝色。"))
    conversation = Conversation(scripted, system="简短。")
    red, blue = picture("red"), picture("blue", 32, 32)
    conversation.add_image(red)
    list(conversation.ask("图中有什么?"))
    list(conversation.ask("什么颜色?"))
    conversation.add_image(blue)
    list(conversation.ask("这张呢?"))
    expected = f"<|im_start|>system\n简短。<|im_end|>\n<|im_start|>user\n{image_text(engine, red)}图中有什么?<|im_end|>\n"
    expected += "<|im_start|>assistant\n圆形。<|im_end|>\n<|im_start|>user\n什么颜色?<|im_end|>\n<|im_start|>assistant\n红色。<|im_end|>\n"
    expected += f"<|im_start|>user\n{image_text(engine, blue)}这张呢?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert prompt_text(engine, scripted.requests[2]) == expected
    assert [image.size for image in scripted.requests[2].images] == [(64, 48), (32, 32)]


def test_a_conversation_with_a_real_model_runs_over_several_turns(engine: Engine) -> None:
    conversation = Conversation(engine, max_new_tokens=4)
    conversation.add_image(picture("red"))
    first = "".join(piece.text for piece in conversation.ask("图中有什么?"))
    tiles_of_first = conversation.answer.num_tiles
    second = "".join(piece.text for piece in conversation.ask("什么颜色?"))
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * 2
    assert [message["content"] for message in conversation.messages[1::2]] == [first, second]
    assert conversation.answer.num_tiles == tiles_of_first == 5


def test_reasoning_does_not_stay_in_the_prompt(engine: Engine) -> None:
    scripted = ScriptedEngine(thinks("先看图。") + says("圆形。"), says("好。"))
    conversation = Conversation(scripted, thinking=True)
    list(conversation.ask("什么?"))
    list(conversation.ask("谢谢"))
    prompt = prompt_text(engine, scripted.requests[1])
    assert "圆形。" in prompt and "先看图" not in prompt and prompt.endswith("<|im_start|>assistant\n")


def test_a_closing_tag_in_an_answer_is_only_a_word(engine: Engine) -> None:
    scripted = ScriptedEngine(says("写 </think> 来结束。"), says("好。"))
    conversation = Conversation(scripted)
    list(conversation.ask("怎么结束?"))
    list(conversation.ask("谢谢"))
    assert "写 </think> 来结束。<|im_end|>" in prompt_text(engine, scripted.requests[1])


def test_clear_forgets_everything_but_the_system_message() -> None:
    conversation = Conversation(ScriptedEngine(says("好"), says("好")), system="简短。")
    conversation.add_image(picture("red"))
    list(conversation.ask("图?"))
    conversation.add_image(picture("blue"))
    conversation.clear()
    assert (conversation.messages, conversation.images) == ([{"role": "system", "content": "简短。"}], [])
    list(conversation.ask("图?"))
    assert conversation.messages[1]["content"] == [{"type": "text", "text": "图?"}]


def test_a_question_that_fails_leaves_the_conversation_as_it_was(engine: Engine) -> None:
    conversation = Conversation(engine, max_new_tokens=engine.facts.max_positions)
    conversation.add_image(picture("red"))
    with pytest.raises(ValueError, match="max_new_tokens"):
        list(conversation.ask("图?"))
    assert (conversation.messages, len(conversation.images)) == ([], 1)


def test_an_image_stays_what_it_was_when_it_was_added(photo: Path) -> None:
    conversation = Conversation(ScriptedEngine(says("好")))
    conversation.add_image(photo)
    Image.new("RGB", (8, 8), "blue").save(photo)
    assert conversation.images[0].getpixel((0, 0)) == (255, 0, 0)


def test_another_question_before_the_end_of_an_answer_is_refused_and_changes_nothing(engine: Engine) -> None:
    scripted = ScriptedEngine(says("圆形"), says("红色"))
    conversation = Conversation(scripted)
    answering = conversation.ask("图?")
    assert next(answering).text == "圆"
    for refused in (lambda: list(conversation.ask("颜色?")), conversation.clear):
        with pytest.raises(ValueError, match="this conversation is writing another answer"):
            refused()
    assert "".join(piece.text for piece in answering) == "形"
    list(conversation.ask("颜色?"))
    assert [message["content"] for message in conversation.messages[1::2]] == ["圆形", "红色"]


def test_an_answer_that_is_closed_or_fails_leaves_the_conversation_free() -> None:
    conversation = Conversation(ScriptedEngine(says("圆形"), [*says("红"), RuntimeError("broken")], says("好")))
    left = conversation.ask("图?")
    next(left)
    left.close()
    with pytest.raises(RuntimeError):
        list(conversation.ask("颜色?"))
    assert "".join(piece.text for piece in conversation.ask("谢谢")) == "好"


def test_threads_that_share_a_conversation_never_mix_their_turns() -> None:
    """Each question is answered whole or refused; the history is of whole turns."""
    conversation = Conversation(ScriptedEngine(*(says("一二三四五六七八") for _ in range(40))))
    refused = []

    def ask(number: int) -> None:
        try:
            assert "".join(piece.text for piece in conversation.ask(str(number))) == "一二三四五六七八"
        except ValueError:
            refused.append(number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(40)))
    asked = [message["content"][0]["text"] for message in conversation.messages[::2]]
    assert sorted([*map(int, asked), *refused]) == list(range(40))
    assert [message["role"] for message in conversation.messages] == ["user", "assistant"] * len(asked)


def test_a_picture_that_is_added_while_an_answer_is_written_is_the_next_questions() -> None:
    scripted = ScriptedEngine(says("圆形"), says("红色"))
    conversation = Conversation(scripted)
    answering = conversation.ask("图?")
    next(answering)
    conversation.add_image(picture("red"))
    list(answering)
    list(conversation.ask("颜色?"))
    assert [len(request.images) for request in scripted.requests] == [0, 1]
    assert [part["type"] for part in conversation.messages[2]["content"]] == ["image", "text"]


# ---- the loop ----------------------------------------------------------------------------------------------------------------


def test_an_answer_is_shown_as_it_arrives() -> None:
    shown: list[str] = []
    run_chat(Conversation(ScriptedEngine(says("圆形"))), typed("图?", "/exit", "never read"), shown.append)
    assert shown == [HELP, "圆", "形", "\n"]


def test_an_image_can_be_added_by_a_path_with_spaces_and_quotes(photo: Path) -> None:
    scripted = ScriptedEngine(says("好"))
    shown = chat(Conversation(scripted), f"/image {photo}", f"/image  '{photo}' ", "哪一张?")
    assert "Image 1: a photo.png, 64 x 48 pixels." in shown and "Image 2: a photo.png" in shown
    assert [part["type"] for part in scripted.requests[0].messages[0]["content"]] == ["image", "image", "text"]


@pytest.mark.parametrize("form", ["/image {escaped}", "/image file://{address}", "{escaped}", "'{path}'", "file://{address}", "{path}"])
def test_a_picture_may_be_dragged_into_the_terminal_after_the_command_or_without_it(photo: Path, form: str) -> None:
    line = form.format(path=photo, escaped=str(photo).replace(" ", "\\ "), address=str(photo).replace(" ", "%20"))
    scripted = ScriptedEngine(says("好"))
    assert "Image 1: a photo.png, 64 x 48 pixels." in chat(Conversation(scripted), line, "哪一张?")
    assert [part["type"] for part in scripted.requests[0].messages[0]["content"]] == ["image", "text"]


def test_several_pictures_may_be_dragged_at_once(photo: Path) -> None:
    conversation = Conversation(ScriptedEngine())
    chat(conversation, f"'{photo}' '{photo}'")
    assert len(conversation.images) == 2


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("\udcc4\udce3", "! b'\\xc4\\xe3' is not text in UTF-8."),
        ("/image ~nobody-here/a.png", "! ~nobody-here/a.png: there is no such image file."),
        ("/image file://server/a.png", "! file://server/a.png is on the machine server."),
    ],
)
def test_what_cannot_be_meant_is_said_and_the_chat_goes_on(line: str, complaint: str) -> None:
    shown = chat(Conversation(ScriptedEngine(says("好"))), line, "图?")
    assert shown.startswith(complaint) and shown.endswith("好\n\n")


def test_an_unreadable_image_is_named_and_the_chat_goes_on(tmp_path: Path, photo: Path) -> None:
    (tmp_path / "notes.txt").write_text("no picture", encoding="utf-8")
    scripted = ScriptedEngine(says("圆形"))
    shown = chat(Conversation(scripted), f"/image {tmp_path}/missing.png", f"/image {tmp_path}/notes.txt", f"/image {photo}", "图?")
    assert "! " + str(tmp_path / "missing.png") + ": there is no such image file.\n" in shown
    assert "notes.txt: this is not an image" in shown and shown.endswith("圆形\n\n")
    assert len(scripted.requests[0].images) == 1


def test_no_name_that_is_typed_ends_the_chat(tmp_path: Path, photo: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    names = ["x" * 5000, f"{tmp_path}/pipe.png", "half\udcff.png", "a\0.png", "~nobody-of-this-name/a.png", "/dev/zero", "."]
    *refusals, added, end = chat(Conversation(ScriptedEngine()), *(f"/image {name}" for name in names), f"/image {photo}").splitlines()
    assert len(refusals) == len(names) and all(refusal.startswith("! ") and refusal.encode("utf-8") for refusal in refusals)
    assert (added, end) == ("Image 1: a photo.png, 64 x 48 pixels. Ask about it.", "")


def test_an_image_whose_name_cannot_be_printed_is_added(photo: Path) -> None:
    renamed = photo.rename(photo.parent / "half\udcff.png")
    assert r"Image 1: half\udcff.png, " in chat(Conversation(ScriptedEngine()), f"/image {renamed}")


def test_clear_is_a_command(photo: Path) -> None:
    scripted = ScriptedEngine(says("好"), says("好"))
    assert "Cleared." in chat(Conversation(scripted), f"/image {photo}", "图?", "/clear", "图?")
    assert [len(request.images) for request in scripted.requests] == [1, 0]


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("/help", ""),
        ("/imgae a.png", "! there is no command /imgae a.png.\n"),
        ("/image", "! /image needs a picture: /image PATH\n"),
    ],
)
def test_what_is_no_command_is_said_with_the_help(line: str, complaint: str) -> None:
    assert chat(Conversation(ScriptedEngine()), line) == complaint + HELP + "\n"


@pytest.mark.parametrize("end", [EOFError(), KeyboardInterrupt()])
def test_the_end_of_input_and_an_interrupt_end_the_chat(end: BaseException) -> None:
    assert chat(Conversation(ScriptedEngine()), "", "  ", end) == "\n"


def test_an_interrupt_stops_an_answer_and_only_that(photo: Path) -> None:
    scripted = ScriptedEngine([*says("圆"), KeyboardInterrupt()], says("方形"))
    shown = chat(Conversation(scripted), f"/image {photo}", "图?", "什么?")
    assert "圆\n! stopped" in shown and shown.endswith("方形\n\n")
    [message] = scripted.requests[1].messages
    assert message["content"] == [{"type": "image"}, {"type": "text", "text": "什么?"}]


def test_an_answer_cut_short_is_said_to_be(engine: Engine) -> None:
    assert "! cut after 2 tokens" in chat(Conversation(engine, max_new_tokens=2), "图中有什么?")


def test_reasoning_is_shown_between_its_tags() -> None:
    assert "".join(show(thinks("先看。") + says("圆形"))) == "<think>\n先看。\n</think>\n\n圆形"
    assert "".join(show(thinks("先看"))) == "<think>\n先看\n</think>"
    assert "".join(show(says("圆形"))) == "圆形"


def test_settings_reach_the_engine() -> None:
    scripted = ScriptedEngine(says("好"))
    list(Conversation(scripted, thinking=True, max_new_tokens=7, temperature=0.5).ask("图?"))
    assert scripted.requests[0].thinking
    [settings] = scripted.settings
    assert settings.pop("memory") is not None
    assert settings == {"max_new_tokens": 7, "temperature": 0.5}
