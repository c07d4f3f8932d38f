"""`smvl ask`, and infer.py: from the command line to a model's answer, or a chat."""

import os

from smvl.environment import set_environment

os.environ["HF_HUB_OFFLINE"] = "1"  # read when transformers is imported
set_environment()

import argparse
import dataclasses
import io
import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from smvl.infer.budget.plan import BudgetError, Plan
from smvl.infer.drawing.file import check_drawing, write_drawing
from smvl.infer.form.options import add_form_options, form_of
from smvl.infer.model_options import add_model_options, check_model_options, grant, load_engine
from smvl.infer.settings import Settings, check_paths, read_settings
from smvl.infer.typed import path_of_address, typed_text
from smvl.program import can_be_written, say
from smvl.strict_yaml import ConfigError, at_key

if TYPE_CHECKING:
    from smvl.infer.answer import Answer
    from smvl.infer.chat import Conversation
    from smvl.infer.engine import Engine


EXAMPLES = """\
examples:
  {name} --model output/demo --image a.jpg "图中有什么?"
  {name} --model output/demo --image a.jpg --image b.jpg "Which of the two is larger?"
  {name} --model output/demo                  # a chat; /help shows what it can do
  {name} --model output/demo --image a.jpg --json "图中有什么?"
  {name} --model output/demo --image a.jpg --choices 是,否 "图中有红色的图形吗?"
  {name} --model output/demo-onnx --image a.jpg "图中有什么?"      # an ONNX or GGUF export; needs no torch
  {name} --model output/demo --budget 1GB --image a.jpg "图中有什么?"
"""


def main(arguments: Sequence[str]) -> int:
    return execute(arguments, name="smvl ask")


def execute(given: Sequence[str], *, name: str) -> int:
    """Ask as the command line says.

    Args:
        name: the command, before its messages.

    Returns:
        Exit status: 0, 1 for what the user can mend, 130 after Ctrl-C.
    """
    try:
        arguments = parse_arguments(given, name)
        plan = grant(arguments)
        converse(arguments, plan)
    except BudgetError as error:
        say(f"{name}: {error}")  # with its table
        return 1
    except ValueError as error:
        say(f"{name}: {' '.join(str(error).split())}")
        return 1
    except KeyboardInterrupt:
        say("")
        return 130
    return 0


def parse_arguments(given: Sequence[str], name: str = "smvl ask") -> argparse.Namespace:
    """The options, over those of the file that `--config` names.

    Raises:
        ConfigError: the file cannot be read, or holds a mistake.
    """
    first = argparse.ArgumentParser(add_help=False)
    first.add_argument("--config")
    config = first.parse_known_args(given)[0].config
    settings = Settings() if config is None else read_settings(config)
    parser = argparse.ArgumentParser(
        prog=name,
        description="Ask a model about pictures.",
        epilog=EXAMPLES.format(name=name),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("question", nargs="?", help="without one, a chat in which images can be added")
    parser.add_argument("--config", metavar="FILE", help="a YAML file with any of the options below, such as configs/infer/edge.yaml")
    add_model_options(parser, most_tokens=Settings.max_new_tokens, required=False)
    parser.add_argument("--image", action="append", metavar="PATH", help="repeat for several images")
    parser.add_argument("--system", metavar="TEXT", help="what the model is told first")
    parser.add_argument("--thinking", action="store_true", help="let the model reason before it answers")
    add_form_options(parser)
    parser.add_argument("--temperature", type=float, metavar="T", help="0 is the likeliest answer (default: %(default)s)")
    parser.add_argument("--draw", metavar="OUT.png", help="draw the answer's boxes on its picture, the last one of several")
    parser.add_argument("--json", action="store_true", help="print one JSON object: answer, reasoning, token counts, seconds")
    parser.set_defaults(**dataclasses.asdict(settings))
    arguments = parser.parse_args(given)
    if arguments.model is None:
        parser.error("the following arguments are required: --model")
    if arguments.json and arguments.question is None:
        parser.error("--json needs a question")
    if arguments.draw is not None and arguments.question is None:
        parser.error("--draw needs a question")
    arguments.question, arguments.system = (text and typed_text(text) for text in (arguments.question, arguments.system))
    arguments.image = [path_of_address(image) for image in arguments.image]
    check_options(arguments)
    arguments.form = form_of(vars(arguments))
    if config is not None:
        check_paths(settings, config, model=arguments.model, images=arguments.image)
    return arguments


def check_options(arguments: argparse.Namespace) -> None:
    """Raise `ConfigError` for an option that would be refused under another name once the model is loaded, or not at all."""
    check_model_options(arguments)
    for image in arguments.image:
        if not image.strip():
            raise ConfigError("--image is empty; expected a path.")
    if arguments.draw is not None:
        with at_key("--draw"):
            check_drawing(arguments.draw, arguments.image)


def converse(arguments: argparse.Namespace, plan: Plan | None) -> None:
    if sys.stdout is None:
        raise ValueError("standard output is closed: there is nowhere to write the answer. Leave >&- out.")
    if sys.stdin is None and arguments.question is None:
        raise ValueError("standard input is closed: there is nowhere to read questions from. Give one on the command line.")
    # here, because whether transformers may import torch must be known first
    from smvl.infer.chat import Conversation
    from smvl.processing.images import image_size, read_image

    # images before the model is loaded, which takes longer; within a budget their pixels come later, to be scaled down at once
    images = [read_image(path) for path in arguments.image] if plan is None else arguments.image
    if plan is not None:
        for path in arguments.image:
            image_size(path)
    engine = load_engine(arguments, plan)
    conversation = Conversation(
        engine,
        system=arguments.system,
        thinking=arguments.thinking,
        form=arguments.form,
        max_new_tokens=arguments.max_new_tokens,
        temperature=arguments.temperature,
    )
    for image in images:
        conversation.add_image(image)
    if arguments.json:
        print_json(conversation, arguments.question)
    elif arguments.question is not None:
        print_streamed(conversation, arguments.question)
    else:
        chat(conversation)
    if arguments.draw is not None:
        draw(arguments, conversation.answer, engine)


def draw(arguments: argparse.Namespace, answer: "Answer", engine: "Engine") -> None:
    if engine.plan is not None and engine.plan.use.one_at_a_time:
        engine.model.release_decoder()  # as when the picture was read: the budget has room for either
    try:
        lines = write_drawing(arguments.draw, answer.text, arguments.image)
    except ValueError as error:  # a full disk is told as everywhere
        raise ConfigError(f"--draw: {error}") from error
    for line in lines:
        say(line)
    if answer.finish != "stop":  # JSON whose room ends is closed, in the middle of a number too
        say("The answer was cut: its last box may not be what was meant.")


def print_json(conversation: "Conversation", question: str) -> None:
    for _ in conversation.ask(question):
        pass
    answer = dataclasses.asdict(conversation.answer)
    del answer["token_ids"], answer["tool_calls"], answer["token_scores"]  # neither tools nor scores can be asked for here
    found = {"answer": answer.pop("text"), **answer}
    line = json.dumps(found, ensure_ascii=False)
    write((line if can_be_written(line) else json.dumps(found)) + "\n")  # JSON has escapes of its own


def print_streamed(conversation: "Conversation", question: str) -> None:
    from smvl.infer.chat import show

    for text in show(conversation.ask(question)):
        write(text)
    write("\n")
    answer = conversation.answer
    if answer.finish == "length":
        say(f"The answer was cut after {answer.num_new_tokens} tokens; --max-new-tokens gives it more room.")
    elif answer.finish == "repetition":
        say("The answer was stopped: it says the same again and again.")


def chat(conversation: "Conversation") -> None:
    try:
        import readline  # noqa: F401  (line editing; without it a terminal deletes half a Chinese character)
    except ImportError:
        pass
    from smvl.infer.chat import run_chat

    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="surrogateescape")  # as the command line is read: see smvl/infer/typed.py
    run_chat(conversation, input, write)


def write(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
