"""smvl.load: two lines ask a model, with the answers that the engine gives, from any folder."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import smvl
from smvl.infer.answer import Answer
from smvl.infer.request import Request
from smvl.processing.images import ImageError
from tests.test_engine import one_thread, picture, save_small_checkpoint  # noqa: F401

ROOT = Path(__file__).parent.parent
SHORT = {"max_new_tokens": 6}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("loaded")
    save_small_checkpoint(folder)
    picture("red").save(folder / "a.png")
    picture("blue", 32, 32).save(folder / "b.png")
    return folder


@pytest.fixture(scope="module")
def model(folder: Path):
    return smvl.load(folder / "checkpoint", device="cpu")


def test_an_answer_is_the_engines(model, folder):
    parts = [{"type": "image"}, {"type": "image"}, {"type": "text", "text": "哪一张更大?"}]
    messages = [{"role": "system", "content": "你看图。"}, {"role": "user", "content": parts}]
    [expected] = model.engine.answer([Request(messages, [folder / "a.png", folder / "b.png"])], **SHORT)
    answer = model.ask("哪一张更大?", images=[folder / "a.png", folder / "b.png"], system="你看图。", **SHORT)
    assert isinstance(answer, Answer) and answer.token_ids == expected.token_ids and str(answer) == expected.text != ""


def test_pieces_join_to_the_answer(model, folder):
    pieces = list(model.stream("图中有什么?", [folder / "a.png"], **SHORT))
    assert "".join(pieces) == model.ask("图中有什么?", [folder / "a.png"], **SHORT).text and len(pieces) > 1


def test_a_single_picture_needs_no_list(model, folder):
    path = folder / "a.png"
    expected = model.ask("?", images=[path], **SHORT).token_ids
    for image in (path, str(path), path.read_bytes(), Image.open(path)):
        assert model.ask("?", image, **SHORT).token_ids == expected


def test_without_pictures_it_answers_too(model):
    assert model.ask("你好", **SHORT).num_tiles == 0


def test_a_conversation_remembers(model, folder):
    conversation = model.conversation(max_new_tokens=4)
    conversation.add_image(folder / "a.png")
    list(conversation.ask("?"))
    list(conversation.ask("再说一次"))
    assert conversation.answer.num_known_tokens > 0 and conversation.answer.num_tiles == 5


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"question": None}, "question is of the type NoneType; expected text."),
        ({"question": b"?"}, "question is of the type bytes; expected text."),
        ({"question": "?", "images": None}, "images is None; expected a list with one image for each image part."),
        ({"question": "?", "images": {"a.png"}}, "images is "),
        ({"question": "?", "images": 5}, "images is 5; expected a list"),
        ({"question": "?", "max_new_tokens": 0}, "max_new_tokens is 0; an answer needs at least 1."),
        ({"question": "?", "thinking": "yes"}, "thinking is "),
    ],
)
def test_what_means_nothing_is_named(model, arguments, complaint):
    with pytest.raises(ValueError) as caught:
        model.ask(**arguments)
    assert str(caught.value).startswith(complaint)
    with pytest.raises(ValueError):
        model.stream(**arguments)


def test_a_picture_that_is_not_there_is_named(model):
    with pytest.raises(ImageError, match="^gone.png: "):
        model.ask("?", "gone.png")
    with pytest.raises(ImageError):
        model.ask("?", [io.BytesIO()])


def test_a_budget_chooses_the_form_itself(folder):
    with pytest.raises(ValueError, match="^budget is for the CPU"):
        smvl.load(folder / "checkpoint", budget="1GB", dtype="float32")
    model = smvl.load(folder / "checkpoint", budget="4GB")
    assert model.engine.plan.budget == 4_000_000_000 and model.ask("?", folder / "a.png", **SHORT).text


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no-such"):
        smvl.load(tmp_path / "no-such")


def test_another_name_is_not_there():
    with pytest.raises(AttributeError, match="no attribute 'lod'"):
        smvl.lod  # noqa: B018


def test_importing_the_package_loads_nothing_heavy():
    program = "import sys, smvl; assert smvl.__version__ and not {'torch', 'transformers', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, cwd=ROOT)
