"""smvl/processing/rendering: a chat template of a model folder ends, or is ended, and its errors are said."""

import json
import re
import sys
from pathlib import Path

import pytest

from smvl.infer.engine import Engine
from smvl.infer.request import Request
from smvl.processing import rendering
from smvl.processing.processing_smvl import SmVLMProcessor, default_chat_template
from smvl.processing.rendering import ChatTemplateError
from tests.donors import build_processor, save_text_donor
from tests.onnx_exports import save_small_checkpoint
from tests.qwen3 import official_chat_template

MESSAGES = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "好"}]
GOES_ON = "the chat template has taken 200,000 steps and goes on. Restore chat_template.jinja."
ENDLESS = {
    "loops without a word": "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
    "loops that write": "{% for i in range(99999) %}{% for j in range(99999) %}xxxxxxxxxx{% endfor %}{% endfor %}",
    "macros that double": "{% macro m(n) %}{% if n %}{{ m(n - 1) }}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(60) }}",
    "a function of jinja's": "{{ lipsum(n=999999999) }}",
    "loops over a string": "{% for i in range(99999) %}{% for c in 'abc' * 99999 %}{% set n = i + 1 %}{% endfor %}{% endfor %}",
}
WRONG = {
    "syntax": ("{% for %}", "Expected an expression, got 'end of statement block'"),
    "a name that nobody gave": ("{{ nobody.name }}", "'nobody' is undefined"),
    "arithmetic": ("{{ 1 / 0 }}", "division by zero"),
    "types": ("{{ 1 + 'a' }}", "unsupported operand type"),
    "a macro without an end": ("{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "maximum recursion depth exceeded"),
    "its own refusal": ("{{ raise_exception('no tools here') }}", "no tools here"),
    "a way out of the sandbox": ("{{ ''.__class__.__mro__ }}", "access to attribute '__class__' of 'str' object is unsafe"),
    "another file": ("{% include '/etc/hostname' %}", "no loader for this environment specified"),
    "all memory at once": ("{{ 'a' * 10 ** 18 }}", "MemoryError"),
    "nothing": ("{# empty #}", "makes 0 characters of these messages; expected 1 to 10,000,000"),
}


@pytest.fixture
def processor(tmp_path: Path) -> SmVLMProcessor:
    save_text_donor(tmp_path)
    return build_processor(tmp_path, tmp_path, tile=32, longest_edge=64, image_seq_len=4)[0]


@pytest.mark.parametrize("kind", ENDLESS)
def test_a_template_that_goes_on_is_stopped(processor, monkeypatch, kind):
    monkeypatch.setattr(rendering, "MOST_STEPS", 200_000)
    processor.chat_template = ENDLESS[kind]
    with pytest.raises(ChatTemplateError) as caught:
        processor.lay_out(MESSAGES)
    assert str(caught.value) == GOES_ON


def test_a_text_that_doubles_is_refused_before_it_is_tokenized(processor):
    processor.chat_template = "{% set s = namespace(t='abcdefgh') %}{% for i in range(21) %}{% set s.t = s.t ~ s.t %}{% endfor %}{{ s.t }}"
    with pytest.raises(ChatTemplateError, match="makes 16,777,216 characters of these messages; expected 1 to 10,000,000"):
        processor.lay_out(MESSAGES)


@pytest.mark.parametrize("kind", WRONG)
def test_what_a_template_raises_is_an_error_of_the_template(processor, kind):
    processor.chat_template, complaint = WRONG[kind]
    with pytest.raises(ChatTemplateError, match=complaint) as caught:
        processor.lay_out(MESSAGES)
    assert str(caught.value).startswith("the chat template ")


@pytest.mark.parametrize("kind", ["video", "<|im_end|>"])
def test_messages_that_the_projects_template_refuses_are_an_error_as_well(processor, kind):
    complaint = re.escape(f'Found a content part of type "{kind}"; allowed are "text", "image" and "image_url".')
    with pytest.raises(ChatTemplateError, match=complaint):
        processor.lay_out([{"role": "user", "content": [{"type": kind}]}, MESSAGES[1]])


def test_a_template_that_writes_other_images_than_there_are_is_refused(processor):
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "?"}]}
    for template, written in [("没有图", 0), ("<|image_pad|>又一次<|image_pad|>", 2)]:
        processor.chat_template = template
        with pytest.raises(ChatTemplateError, match=f"writes {written} images where the messages hold 1; expected each of them once"):
            processor.lay_out([question, MESSAGES[1]], [(64, 64)])


def test_an_image_in_a_role_that_the_template_passes_over_is_not_lost_in_silence(processor):
    processor.chat_template = default_chat_template() + "{#- somebody else's -#}"
    developer = {"role": "developer", "content": [{"type": "image"}]}
    with pytest.raises(ChatTemplateError, match="writes 0 images where the messages hold 1"):
        processor.lay_out([developer, *MESSAGES], [(64, 64)])


def test_a_sound_template_of_others_gives_the_ids_that_it_gives_without_limits(processor, monkeypatch):
    conversation = [
        {"role": "system", "content": "你是助手。"},
        *[{"role": "user", "content": "一加一?"}, {"role": "assistant", "content": "二。"}] * 50,
    ]
    own = processor.lay_out(conversation)
    processor.chat_template = official_chat_template()
    assert processor.chat_template != default_chat_template()
    assert processor.lay_out(conversation) == own
    monkeypatch.setattr(rendering, "MOST_STEPS", 300)
    with pytest.raises(ChatTemplateError, match="has taken 300 steps and goes on"):
        processor.lay_out(conversation)
    processor.chat_template = default_chat_template()
    assert processor.lay_out(conversation) == own, "the project's own is not counted"


def test_whoever_traces_goes_on_tracing(processor):
    """A debugger, or a measure of what tests cover."""
    seen = []

    def trace(frame, event, argument):
        seen.append(event)

    before = sys.gettrace()
    processor.chat_template = official_chat_template()
    sys.settrace(trace)
    try:
        processor.lay_out(MESSAGES)
        assert sys.gettrace() is trace and seen
    finally:
        sys.settrace(before)


# ---- at the door -----------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("checkpoint"))


@pytest.fixture
def change(checkpoint: Path):
    """Change a file of the checkpoint for one test."""
    kept = {path: path.read_bytes() for path in checkpoint.iterdir() if path.suffix in (".json", ".jinja")}
    yield lambda name, content: (checkpoint / name).write_text(content, encoding="utf-8")
    for path in set(checkpoint.iterdir()) - kept.keys():
        if path.suffix != ".safetensors":
            path.unlink() if path.is_file() else [*map(Path.unlink, path.iterdir()), path.rmdir()]
    for path, content in kept.items():
        path.write_bytes(content)


def test_a_template_that_is_too_large_is_refused_when_it_is_loaded(checkpoint, change):
    change("chat_template.jinja", "字" * 30_000)
    with pytest.raises(ValueError, match="the chat template has 90,000 bytes; expected at most 65,536. Restore chat_template.jinja."):
        SmVLMProcessor.from_pretrained(checkpoint)


def test_several_templates_are_refused_when_they_are_loaded(checkpoint, change):
    (checkpoint / "additional_chat_templates").mkdir()
    change("additional_chat_templates/tools.jinja", "好")
    with pytest.raises(ValueError, match="the chat template is of the type dict; expected one text. Keep one template"):
        SmVLMProcessor.from_pretrained(checkpoint)


def test_a_template_that_ends_for_no_conversation_is_refused_when_it_is_loaded(checkpoint, change, monkeypatch):
    monkeypatch.setattr(rendering, "MOST_STEPS", 200_000)
    change("chat_template.jinja", ENDLESS["loops that write"])
    with pytest.raises(ValueError, match="has taken 200,000 steps and goes on"):
        Engine.from_folder(checkpoint, device="cpu")


def test_an_engine_with_a_template_that_does_not_end_for_some_answers_these_with_an_error(checkpoint, change, monkeypatch):
    monkeypatch.setattr(rendering, "MOST_STEPS", 200_000)
    change("chat_template.jinja", "{% if messages[0].role == 'system' %}" + ENDLESS["loops that write"] + "{% endif %}<|image_pad|>")
    engine = Engine.from_folder(checkpoint, device="cpu")
    with pytest.raises(ValueError, match="has taken 200,000 steps and goes on"):
        engine.answer([Request([{"role": "system", "content": "."}, {"role": "user", "content": "?"}])])


FEATURES = {
    10_000_000: "image_seq_len is 10000000; expected 1 to 1,024 features of a tile of 32 pixels. Restore processor_config.json.",
    0: "image_seq_len is 0; expected 1 to 1,024",
    -4: "image_seq_len is -4; expected 1 to 1,024",
    "4": "image_seq_len is '4'; expected 1 to 1,024",
    4.0: "image_seq_len is 4.0; expected 1 to 1,024",
    True: "image_seq_len is True; expected 1 to 1,024",
    1024: "image_seq_len 1024, but by config.json the encoder reads 32 at most and makes 4 features of such a tile.",
    5: "image_seq_len 5, but by config.json",
}


@pytest.mark.parametrize("found", FEATURES, ids=str)
def test_features_that_a_tile_cannot_have_are_refused(checkpoint, change, found):
    settings = json.loads((checkpoint / "processor_config.json").read_text(encoding="utf-8"))
    change("processor_config.json", json.dumps({**settings, "image_seq_len": found}))
    with pytest.raises(ValueError) as caught:
        SmVLMProcessor.from_pretrained(checkpoint)
    assert FEATURES[found] in str(caught.value)


def test_tiles_that_the_encoder_cannot_read_are_refused(checkpoint, change):
    settings = json.loads((checkpoint / "processor_config.json").read_text(encoding="utf-8"))
    images = {**settings["image_processor"], "max_image_size": {"longest_edge": 4096}, "size": {"longest_edge": 8192}}
    change("processor_config.json", json.dumps({**settings, "image_processor": images, "image_seq_len": 256**2}))
    with pytest.raises(ValueError, match="the processor has tiles of 4096 pixels and image_seq_len 65536, but by config.json the encoder"):
        SmVLMProcessor.from_pretrained(checkpoint)


@pytest.mark.parametrize("tile", [0, -32])
def test_a_tile_without_pixels_is_refused(checkpoint, change, tile):
    settings = json.loads((checkpoint / "processor_config.json").read_text(encoding="utf-8"))
    images = {**settings["image_processor"], "max_image_size": {"longest_edge": tile}}
    change("processor_config.json", json.dumps({**settings, "image_processor": images}))
    with pytest.raises(ValueError, match=f"longest_edge is 64 and the tile is {tile} pixels"):
        SmVLMProcessor.from_pretrained(checkpoint)


@pytest.mark.parametrize("tile", [4097, 10**9, "32", 32.0, None])
def test_a_tile_larger_than_any_or_no_number_of_pixels_is_refused_without_a_config_as_well(checkpoint, change, tile):
    settings = json.loads((checkpoint / "processor_config.json").read_text(encoding="utf-8"))
    images = {**settings["image_processor"], "max_image_size": {"longest_edge": tile}}
    change("processor_config.json", json.dumps({**settings, "image_processor": images, "image_seq_len": 10**7}))
    change("config.json", "{}")
    with pytest.raises(ValueError, match=f"the tile is {tile!r} pixels; expected whole numbers, and a tile of 1 to 4,096."):
        SmVLMProcessor.from_pretrained(checkpoint)
