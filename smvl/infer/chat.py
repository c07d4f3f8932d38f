"""A conversation of several turns about images, and the loop that lets a user type it."""

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from PIL import Image

from smvl.infer.answer import Answer, Piece
from smvl.infer.engine import Engine
from smvl.infer.form.form import Form
from smvl.infer.memory import Memory
from smvl.infer.request import Request
from smvl.infer.typed import dragged_files, typed_paths, typed_text
from smvl.processing.images import image_name

HELP = """\
/image PATH   add an image to your next question (several are fine); a file dragged into the terminal is added too
/clear        forget the conversation and its images
/help         show this
/exit         leave (so does Ctrl-D; Ctrl-C stops an answer, or leaves)
"""


class Conversation:
    """Messages and images so far, earlier images included in every question.

    It answers one question at a time, and refuses another before the last piece of the answer was taken: each thread needs a
    conversation of its own.

    Args:
        system: what the model is told first, and keeps after `clear`.
        thinking: whether the model may reason before it answers; its reasoning does not stay in the history.
        form: what every answer matches.
        max_new_tokens, temperature: as in `Engine.stream`.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        system: str | None = None,
        thinking: bool = False,
        form: Form | None = None,
        max_new_tokens: int = 256,
        temperature: float = 0.0,
    ):
        self._engine = engine
        self._opening = [] if system is None else [{"role": "system", "content": system}]
        self._thinking, self._form = thinking, form
        self._generation = {"max_new_tokens": max_new_tokens, "temperature": temperature}
        self._lock = threading.Lock()
        self.clear()

    def clear(self) -> None:
        """Forget every turn and every image, also those that wait for a question.

        Raises:
            ValueError: an answer is being written.
        """
        with self._alone():
            self.messages: list[dict[str, Any]] = list(self._opening)
            self.images: list[Image.Image] = []
            self.answer: Answer | None = None
            """The last one, with its counts and times."""
            self._num_asked_images = 0
            self._memory = Memory()

    def add_image(self, source: Any) -> Image.Image:
        """Attach an image to the next question. It is decoded now, so that it stays what it is.

        Raises:
            ValueError: the image cannot be read, or shown to the model; the conversation is as it was.
        """
        self.images.append(self._engine.read_image(source))
        return self.images[-1]

    def ask(self, question: str) -> Iterator[Piece]:
        """The answer, piece by piece. Question and answer enter the history with the last piece, not before.

        Raises:
            ValueError: no room for an answer, or another one is being written; the conversation is as it was.
        """
        with self._alone():
            images = list(self.images)  # those added from now on are the next question's
            image_parts = [{"type": "image"}] * (len(images) - self._num_asked_images)
            messages = [*self.messages, {"role": "user", "content": [*image_parts, {"type": "text", "text": question}]}]
            request = Request(messages, images, thinking=self._thinking, form=self._form)
            stream = self._engine.stream(request, memory=self._memory, **self._generation)
            yield from stream
            self.answer = stream.answer
            # reasoning_content, even empty, tells the template that a "</think>" in the answer is only a word
            reply = {"role": "assistant", "content": stream.answer.text, "reasoning_content": stream.answer.reasoning}
            self.messages = [*messages, reply]
            self._num_asked_images = len(images)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Within it nobody else asks or clears. Others are refused: who waits for an answer that he left half read would wait for ever."""
        if not self._lock.acquire(blocking=False):
            raise ValueError(
                "this conversation is writing another answer. Take that one to its end, or close it, before the next question; give each "
                "thread a Conversation of its own."
            )
        try:
            yield
        finally:
            self._lock.release()


def run_chat(conversation: Conversation, read: Callable[[str], str], write: Callable[[str], None]) -> None:
    """Converse until the user leaves.

    Args:
        read: shows a prompt and returns a line, as `input`; EOFError and KeyboardInterrupt end the chat.
        write: shows a piece of text, adding nothing to it.
    """
    write(HELP)
    while True:
        try:
            line = read("> ").strip()
        except (EOFError, KeyboardInterrupt):
            write("\n")
            return
        if line == "/exit":
            return
        if line:
            _respond(conversation, line, write)


def show(pieces: Iterable[Piece]) -> Iterator[str]:
    """The text of pieces for a reader, reasoning between <think> tags."""
    was_reasoning = False
    for piece in pieces:
        if piece.is_reasoning and not was_reasoning:
            yield "<think>\n"
        if was_reasoning and not piece.is_reasoning:
            yield "\n</think>\n\n"
        was_reasoning = piece.is_reasoning
        yield piece.text
    if was_reasoning:
        yield "\n</think>"


def one_line(error: Exception) -> str:
    """An error's message without line breaks."""
    return " ".join(str(error).split())


def _respond(conversation: Conversation, line: str, write: Callable[[str], None]) -> None:
    """Carry out one line; whatever is wrong with it is said, and the chat goes on."""
    try:
        if dragged := dragged_files(line):
            _add_images(conversation, dragged, write)
        elif line.startswith("/"):
            _obey(conversation, line, write)
        else:
            _answer(conversation, typed_text(line), write)
    except ValueError as error:
        write(f"! {one_line(error)}\n")
    except KeyboardInterrupt:
        write("\n! stopped; this question is not in the history, its images wait for the next one.\n")


def _answer(conversation: Conversation, question: str, write: Callable[[str], None]) -> None:
    with closing(show(conversation.ask(question))) as texts:
        for text in texts:
            write(text)
    write("\n")
    if conversation.answer.finish == "length":
        write(f"! cut after {conversation.answer.num_new_tokens} tokens; start with a larger --max-new-tokens.\n")
    elif conversation.answer.finish == "repetition":
        write("! stopped: it says the same again and again.\n")


def _add_images(conversation: Conversation, paths: Sequence[Path], write: Callable[[str], None]) -> None:
    for path in paths:
        image = conversation.add_image(path)
        write(f"Image {len(conversation.images)}: {image_name(path.name)}, {image.width} x {image.height} pixels. Ask about it.\n")


def _obey(conversation: Conversation, line: str, write: Callable[[str], None]) -> None:
    command, _, argument = line.partition(" ")
    if command == "/image" and argument:
        _add_images(conversation, typed_paths(argument), write)
    elif command == "/clear":
        conversation.clear()
        write("Cleared.\n")
    else:
        if command == "/image":
            write("! /image needs a picture: /image PATH\n")
        elif command != "/help":
            write(f"! there is no command {line}.\n")
        write(HELP)
