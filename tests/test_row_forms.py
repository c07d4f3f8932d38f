"""How others write rows: each form gives the sample that is meant, or is refused by the name of what is not read."""

import base64
import datetime
import io
import json
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smvl.data.rules import SampleError
from smvl.data.sample import Sample
from smvl.data.sources.row_source import RowSource
from smvl.processing.images import read_image
from tests.rows import in_memory
from tests.tiny_data import text_row

ASKED, ANSWERED = {"role": "user", "content": "什么颜色?"}, {"role": "assistant", "content": "红色"}
IMAGE, TEXT = {"type": "image"}, {"type": "text", "text": "什么颜色?"}
SEEN = [{"role": "user", "content": [IMAGE, TEXT]}, ANSWERED]
SCHEMA = {"name": "get_weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
TOOLS = [{"type": "function", "function": SCHEMA}]


def source_of(row: Any, **options: Any) -> RowSource:
    """A source whose second row is `row`."""
    return in_memory(text_row(0), row, **options)


def sample_of(row: Any, **options: Any) -> Sample:
    return source_of(row, **options)[1]


def refusal(row: Any, **options: Any) -> tuple[str, str]:
    """The rule that a row breaks, and the reason."""
    with pytest.raises(SampleError) as error:
        sample_of(row, **options)
    return error.value.rule, str(error.value)


def chat(*messages: Any, **more: Any) -> dict[str, Any]:
    return {"messages": list(messages), **more}


# ---- images without a place of their own ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "row",
    [
        chat(ASKED, ANSWERED, images=[b"1"]),
        chat(ASKED, ANSWERED, image=b"1"),
        chat({**ASKED, "images": [b"1"]}, ANSWERED),
        chat({**ASKED, "image": b"1"}, ANSWERED),
        chat({**ASKED, "content": [TEXT], "images": [b"1"]}, ANSWERED),
        chat({**ASKED, "content": [IMAGE, TEXT], "images": [b"1"]}, ANSWERED),
        chat({**ASKED, "content": "<image>\n什么颜色?", "images": [b"1", None]}, ANSWERED),
        {"conversations": [{"from": "human", "value": "什么颜色?", "image": b"1"}, {"from": "gpt", "value": "红色"}]},
        {"conversations": [{"from": "human", "value": "什么颜色?"}, {"from": "gpt", "value": "红色"}], "images": [b"1"]},
        {"prompt": [ASKED], "completion": [ANSWERED], "images": [b"1"]},
        {"query": "什么颜色?", "response": "红色", "images": [b"1"]},
    ],
)
def test_images_without_a_place_stand_before_the_words_of_their_turn(row):
    sample = sample_of(row)
    assert (list(sample.messages), sample.images) == (SEEN, [b"1"])


def test_images_of_turns_stay_in_their_turns():
    again = {"role": "user", "content": "这张呢?", "images": [b"2", b"3"]}
    sample = sample_of(chat(ASKED, ANSWERED, again, ANSWERED, {**ASKED, "images": []}, ANSWERED))
    assert sample.images == [b"2", b"3"]
    assert [message["content"] for message in sample.messages[::2]] == [
        "什么颜色?",
        [IMAGE, IMAGE, {"type": "text", "text": "这张呢?"}],
        "什么颜色?",
    ]
    rule, _ = refusal(chat(ASKED, {**ANSWERED, "images": [b"1"]}))
    assert rule == "image in answer"


@pytest.mark.parametrize(
    "nothing", [[None], [""], "", " ", None, [], [{"bytes": None, "path": None}], {"bytes": None, "path": None}, "[]", "[null]"]
)
@pytest.mark.parametrize("column", ["images", "image", "image_path"])
def test_a_text_row_with_nothing_for_an_image_is_a_text_row(column, nothing):
    for options in ({}, {"text": True}):
        sample = sample_of(chat(ASKED, ANSWERED, **{column: nothing}), **options)
        assert (list(sample.messages), sample.images) == ([ASKED, ANSWERED], [])
    assert sample_of(chat({**ASKED, "images": nothing}, ANSWERED)).images == []
    assert refusal(chat({**ASKED, "content": "<image>?"}, ANSWERED, **{column: nothing}))[0] in ("missing image", "image count")


def test_of_columns_the_first_that_is_filled_is_read_and_the_same_image_in_another_form_is_no_other():
    row = chat(
        ASKED, ANSWERED, images=[None], image="", image_path="a/1.png", img={"bytes": b"\x89PNG", "path": None}, image_url="https://x/1.png"
    )
    sample, unread = source_of(row).read(1)
    assert sample.images == ["nowhere/a/1.png"] and unread == ["img", "image_url"]


@pytest.mark.parametrize(
    ("listed", "images"),
    [
        ('["a.png", "b.png"]', ["nowhere/a.png", "nowhere/b.png"]),
        ('{"bytes": null, "path": "a.png"}', ["nowhere/a.png"]),
        ('[{"path": "a.png", "bytes": null}]', ["nowhere/a.png"]),
        ("[1].png", ["nowhere/[1].png"]),
        ("a.png", ["nowhere/a.png"]),
    ],
)
def test_a_list_of_images_may_be_json_text(listed, images):
    assert sample_of(chat(ASKED, ANSWERED, images=listed)).images == images


def test_a_row_of_fixed_width_may_have_images_that_are_null():
    parts = [{"type": "image", "text": None, "image": {"bytes": None, "path": None}}, {**TEXT, "image": None}]
    sample = sample_of(chat({"role": "user", "content": parts}, ANSWERED, images=["a.png", None]))
    assert (list(sample.messages), sample.images) == (SEEN, ["nowhere/a.png"])


def test_an_index_is_a_number_whatever_the_table_made_of_it():
    def asked(*indices):
        return {"role": "user", "content": [*({"type": "image", "index": index} for index in indices), TEXT]}

    assert sample_of(chat(asked(1.0, 0.0), ANSWERED, images=[b"0", b"1"])).images == [b"1", b"0"]
    assert sample_of(chat(asked(0, 1, 0), ANSWERED, images=[b"0", b"1"])).images == [b"0", b"1", b"0"]
    for indices, rule in (((1, None), "image count"), ((1, 1), "image count"), ((0.5, 1), "content part"), (("0", "1"), "content part")):
        assert refusal(chat(asked(*indices), ANSWERED, images=[b"0", b"1"]))[0] == rule


@pytest.mark.parametrize("place", ["<IMAGE>", "<image 1>", "<|image_1|>", "<|image_pad|>", "<img>", "<ImageHere>", "<Image_2>", "[IMG]"])
def test_a_place_in_other_words_is_no_word(place):
    rule, reason = refusal(chat({**ASKED, "content": f"看{place}什么颜色?"}, ANSWERED, images=[b"1"]))
    assert rule == "image count" and f"{place} stands in the text" in reason
    assert sample_of(chat({**ASKED, "content": f"什么是{place}?"}, ANSWERED)).images == [], "without images it is a word"


def test_an_image_that_is_named_in_the_words_is_not_learned_as_words():
    asked = {**ASKED, "content": "Picture 1: <img>images/a.png</img>\n什么颜色?"}
    assert refusal(chat(asked, ANSWERED))[0] == refusal(chat(asked, ANSWERED, images=[b"1"]))[0] == "unread image"


def test_a_list_of_parts_as_text_is_not_learned_as_words():
    assert refusal(chat({**ASKED, "content": json.dumps([TEXT, IMAGE])}, ANSWERED))[0] == "content form"
    assert sample_of(chat(ASKED, {**ANSWERED, "content": json.dumps([TEXT])})).answer == json.dumps([TEXT]), "an answer may be JSON"


@pytest.mark.parametrize("kind", ["bare", "url", "struct", "part", "openai", "anthropic"])
@pytest.mark.parametrize(
    "rewrite",
    [
        lambda text: text,
        lambda text: "\n".join(text[start : start + 76] for start in range(0, len(text), 76)) + "\n",
        lambda text: text.replace("+", "-").replace("/", "_"),
        lambda text: text.rstrip("="),
        lambda text: f" {text}",
    ],
)
def test_base64_is_read_wherever_it_stands_and_however_it_is_written(kind, rewrite):
    buffer = io.BytesIO()
    picture = Image.effect_noise((24, 24), 90).convert("RGB")
    picture.save(buffer, "JPEG")
    text = rewrite(base64.b64encode(buffer.getvalue()).decode())
    url = f"DATA:image/jpeg;base64,{text}"
    asked = {
        "bare": {**ASKED, "images": [text]},
        "url": {**ASKED, "image": url},
        "struct": {**ASKED, "image": {"bytes": text, "path": None}},
        "part": {**ASKED, "content": [{"type": "image", "base64": text}, TEXT]},
        "openai": {**ASKED, "content": [{"type": "image_url", "image_url": {"url": url}}, TEXT]},
        "anthropic": {
            **ASKED,
            "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": text}}, TEXT],
        },
    }[kind]
    sample = sample_of(chat(asked, ANSWERED))
    assert list(sample.messages) == SEEN
    assert np.array_equal(np.asarray(read_image(sample.images[0])), np.asarray(read_image(buffer.getvalue())))


# ---- images that nobody reads ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("imgs", ["a.png"]),
        ("image_cam_front", "front.jpg"),
        ("image_1", {"bytes": b"\x89PNG\r\n", "path": None}),
        ("screenshot", b"\xff\xd8\xff\xe0"),
        ("file_name", "train/0001.JPEG"),
        ("url", "https://example.com/a.webp?x=1"),
        ("figure", "data:image/png;base64,iVBOR"),
        ("pixels", "iVBORw0KGgoAAAANSUhEUg"),
        ("pics", '["a.png"]'),
        ("view", Image.new("RGB", (2, 2))),
        ("imgs", "0001"),
        ("photo", {"image": "a.png", "alt": "猫"}),
        ("cams", [[["a.png"]]]),
        ("files", [{"url": "a.png", "name": "x"}]),
        ("attachments", '[{"contentType": "image/png", "url": "data:image/png;base64,iVBOR"}]'),
        ("media", [{"bytes": b"\x89PNG", "path": "a.png"}]),
    ],
)
def test_a_row_whose_images_stand_in_another_column_is_refused_by_its_name(column, value):
    for options in ({}, {"text": True}):
        rule, reason = refusal(chat(ASKED, ANSWERED, **{column: value}), **options)
        assert rule == "unread image" and f"{column} holds 1 images" in reason
    rule, reason = refusal(chat({**ASKED, column: value}, ANSWERED))
    assert rule == "unread image" and f"messages[].{column} holds 1 images" in reason
    assert refusal(chat({**ASKED, column: "x y"}, ANSWERED, ASKED | {column: value}, ANSWERED))[0] == "unread image", "in a later turn"


def test_more_images_than_are_read_are_refused_and_facts_about_them_are_not():
    seen = chat(ASKED, ANSWERED, image="a/1.png")
    for more in (
        {"image_2": "a/2.png"},
        {"images": ["a/2.png", "a/3.png"]},
        {"depth_image": "d/1-depth.png"},
        {"frames": ["a/2.png", "a/3.png"]},
    ):
        assert refusal(seen | more)[0] == "unread image"
    facts = {
        "image_id": "1.png",
        "image_width": 640,
        "file_name": "2.png",
        "mask": {"bytes": b"\x89PNG", "path": None},
        "image_source": "coco",
    }
    assert source_of(seen | facts).read(1)[1] == list(facts)


@pytest.mark.parametrize("column", ["video", "audios", "video_path", "clip", "media"])
def test_video_and_sound_are_refused_by_the_name_of_their_column(column):
    assert refusal(chat(ASKED, ANSWERED, **{column: ["a.mp4"]})) == (
        "content part",
        f"memory:1: the column {column} is filled; expected text and images, other media are not read",
    )
    assert sample_of(chat(ASKED, ANSWERED, has_audio=False, video=None, videos=[], audio="")).images == []


# ---- tools ----------------------------------------------------------------------------------------------------------------------

CALL = {"function": {"name": "get_weather", "arguments": {"city": "北京"}}}
CALLED = [
    ASKED,
    {"role": "assistant", "content": "", "tool_calls": [CALL]},
    {"role": "tool", "content": "晴"},
    {"role": "assistant", "content": "晴天"},
]


@pytest.mark.parametrize("tools", [TOOLS, json.dumps(TOOLS), [SCHEMA], json.dumps([SCHEMA], ensure_ascii=False)])
@pytest.mark.parametrize("key", ["tools", "functions"])
def test_tools_of_the_system_turn_are_the_conversations(key, tools):
    sample = sample_of(chat({"role": "system", "content": "你是助手", key: tools}, *CALLED))
    assert sample.tools == TOOLS and [message["role"] for message in sample.messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
    ]
    assert sample.messages[0] == {"role": "system", "content": "你是助手"}
    turns = [{"from": "system", "value": "", key: tools}, {"from": "human", "value": "?"}, {"from": "gpt", "value": "!"}]
    sample = sample_of({"conversations": turns})
    assert sample.tools == TOOLS and sample.messages[0]["role"] == "user", "a system turn that only brings tools says nothing"


def test_tools_that_stand_in_two_places_must_be_the_same():
    row = chat({"role": "system", "content": "s", "tools": TOOLS}, *CALLED, tools=json.dumps([SCHEMA]), functions=[])
    assert sample_of(row).tools == TOOLS
    assert refusal(row | {"functions": [{"name": "other"}]})[0] == "tools form"
    assert refusal(chat({**ASKED, "tools": TOOLS}, ANSWERED))[0] == "tools form"


@pytest.mark.parametrize("value", [TOOLS, [SCHEMA], SCHEMA, json.dumps(TOOLS)])
@pytest.mark.parametrize("name", ["available_tools", "tool_list", "function", "api_list"])
def test_tools_under_another_name_are_refused_by_it(name, value):
    expected = f"{name} holds tools, which are not read from there; expected them in `tools`"
    assert refusal(chat(*CALLED, **{name: value})) == ("tools form", f"memory:1: {expected}")
    assert refusal(chat({"role": "system", "content": "s", name: value}, *CALLED))[1] == f"memory:1: messages[].{expected}"
    for word in ("get_weather", "[get_weather]", ["get_weather"], {"count": 1}):
        assert source_of(chat(*CALLED, **{name: word})).read(1)[1] == [name], "without a schema it is a fact about the row"


@pytest.mark.parametrize("nothing", ["", "[]", "null", [], [None]])
def test_where_nothing_stands_in_the_place_of_calls_there_are_none(nothing):
    for key in ("tool_calls", "function_call"):
        assert sample_of(chat(ASKED, {**ANSWERED, key: nothing})).messages == [ASKED, ANSWERED]


def two_calls(**ids: Any) -> dict[str, Any]:
    names = ids.pop("names", ("first", "second"))
    calls = [{"function": {"name": name, "arguments": {}}} for name in names]
    for call, value in zip(calls, ids.get("ids", ())):
        call[ids.get("key", "id")] = value
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(content: str, **more: Any) -> dict[str, Any]:
    return {"role": "tool", "content": content, **more}


@pytest.mark.parametrize(
    ("calls", "results"),
    [
        (two_calls(ids=("a", "b")), [result("2", tool_call_id="b"), result("1", tool_call_id="a")]),
        (two_calls(ids=(1, 2)), [result("2", tool_call_id=2.0), result("1", tool_call_id="1")]),
        (two_calls(ids=("a",)), [result("2", tool_call_id="b"), result("1", tool_call_id="a")]),
        (two_calls(), [result("2", name="second"), result("1", name="first")]),
        (two_calls(ids=("a", "b")), [result("2", name="second"), result("1", tool_call_id="a")]),
        (two_calls(ids=("a", "b")), [result("2", call_id="b"), result("1", tool_use_id="a")]),
        (two_calls(ids=("a", "b")), [result("2", id="b"), result("1", id="a")]),
        (two_calls(ids=("a", "b"), key="call_id"), [result("2", tool_call_id="b"), result("1", tool_call_id="a")]),
        (two_calls(ids=("a", "b")), [result("1", id="message-2"), result("2", id="message-3")]),
        (two_calls(ids=("a", "b")), [result("1"), result("2")]),
        (two_calls(), [result("1", tool_call_id="x"), result("2", tool_call_id="y")]),
    ],
)
def test_results_stand_in_the_order_of_the_calls_that_they_name(calls, results):
    messages = sample_of(chat(ASKED, calls, *results, ANSWERED)).messages
    assert messages[2:4] == [{"role": "tool", "content": "1"}, {"role": "tool", "content": "2"}]


def test_a_result_that_names_no_call_is_refused():
    for results in ([result("1", tool_call_id="c")], [result("1", tool_call_id="a")] * 2):
        assert refusal(chat(ASKED, two_calls(ids=("a", "b")), *results, ANSWERED))[0] == "tool result"


@pytest.mark.parametrize(
    "row",
    [
        chat(ASKED, {**ANSWERED, "tool_calls": [{"function": {"name": "f", "arguments": '{"x": 1, "twice": {"x": 1}, "twice": 2}'}}]}),
        chat(ASKED, {**ANSWERED, "function_call": '{"name": "f", "arguments": {"twice": 1, "twice": 2}}'}),
        chat(ASKED, {"role": "function_call", "content": '{"name": "f", "twice": 1, "twice": 2}'}),
        chat(ASKED, ANSWERED, tools='[{"name": "f", "parameters": {"properties": {"twice": {}, "twice": {}}}}]'),
        {"messages": '[{"role": "user", "content": "?", "twice": 1, "twice": 1}]'},
        {"question": "?", "answer": "!", "history": '[{"twice": 1, "twice": 1}]'},
    ],
)
def test_a_key_that_stands_twice_in_json_text_is_named(row):
    rule, reason = refusal(row)
    assert rule == "broken JSON" and "JSON with the key 'twice' twice in one object" in reason


def test_an_image_of_two_paths_is_not_the_second():
    sample = sample_of(chat(ASKED, ANSWERED, images='{"path": "a.png", "path": "b.png"}'))
    assert sample.images == ['nowhere/{"path": "a.png", "path": "b.png"}'], "the text names no file"


# ---- choices --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [
        {"choices": ["猫", "狗"]},
        {"options": '["猫", "狗"]'},
        {"options": "['猫', '狗']"},
        {"options": {"A": "猫", "B": "狗"}},
        {"choices": {"text": ["猫", "狗"], "label": ["A", "B"]}},
        {"choices": [{"label": "A", "text": "猫"}, {"label": "B", "text": "狗"}]},
        {"answer_choices": "A. 猫\nB. 狗"},
        {"options": "猫|狗"},
        {"A": "猫", "B": "狗", "C": None},
        {"option_a": "猫", "option_b": "狗"},
        {"Option A": "猫", "Option B": "狗"},
        {"opa": "猫", "opb": "狗"},
        {"choices": [3, 4.0]},
    ],
)
def test_choices_that_the_question_does_not_show_are_refused(columns):
    row = {"question": "这是什么?", "answer": "B", **columns}
    rule, reason = refusal(row)
    assert rule == "unread words" and "the row has choices that are not in the question" in reason
    assert refusal(chat({**ASKED, "content": "A. 猫"}, {**ANSWERED, "content": "B. 狗 3 4"}, **columns))[0] == "unread words"
    shown = {**row, "question": "3 还是 4?这是什么? A. 猫  B. 狗"}
    if columns.get("answer_choices") is None:
        assert source_of(shown).read(1)[1] == [column for column in columns if columns[column] is not None]
    assert sample_of({**row, "question": "这是什么? A. 猫\nB. 狗\n3\n4"}).answer == "B"


@pytest.mark.parametrize(
    "facts",
    [
        {"options": {"temperature": 0.5, "model": "x"}},
        {"choices": [{"index": 0, "message": {"role": "assistant", "content": "另一个"}}]},
        {"choices": []},
        {"choice": 2},
        {"option": "x"},
        {"A": "x"},
        {"num_choices": 4},
        {"options": "default"},
    ],
)
def test_what_only_sounds_like_choices_is_a_fact_about_the_row(facts):
    assert sample_of(chat(ASKED, ANSWERED, **facts)).messages == [ASKED, ANSWERED]


# ---- switches of the loss -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["loss", "weight", "loss_weight", "loss_scale", "train", "training", "trainable", "learn", "train_on_turn", "with_loss"]
)
@pytest.mark.parametrize("value", [0, 0.0, False, "false", "0"])
def test_a_turn_that_is_switched_off_is_marked_and_the_others_are_not(name, value):
    messages = sample_of(chat(ASKED, {**ANSWERED, name: value}, ASKED, {**ANSWERED, name: 1})).messages
    assert messages == [ASKED, {**ANSWERED, "weight": 0}, ASKED, ANSWERED]
    turns = [{"from": "human", "value": "?"}, {"from": "function_call", "value": '{"name": "f"}', name: value}]
    assert (
        sample_of({"conversations": [*turns, {"from": "observation", "value": "1"}, {"from": "gpt", "value": "!"}]}).messages[1]["weight"]
        == 0
    )


@pytest.mark.parametrize("name", ["mask", "masked", "ignore", "ignore_loss"])
def test_a_mask_is_a_switch_the_other_way_round(name):
    assert sample_of(chat(ASKED, {**ANSWERED, name: True}, ASKED, {**ANSWERED, name: False})).messages[1]["weight"] == 0


def test_a_switch_of_another_turn_may_say_what_is_so_anyway():
    messages = chat({**ASKED, "weight": 0, "train": False, "masked": True}, {**ANSWERED, "weight": 1, "train": True, "loss": None})[
        "messages"
    ]
    assert sample_of(chat(*messages)).messages == [ASKED, ANSWERED]


@pytest.mark.parametrize("value", [0.5, 2, -1, "half", [1, 0], {"a": 1}])
def test_a_switch_that_is_neither_on_nor_off_is_refused(value):
    rule, reason = refusal(chat(ASKED, {**ANSWERED, "loss_weight": value}))
    assert rule == "message switch" and "the switch loss_weight of message 1 is" in reason


@pytest.mark.parametrize(
    ("more", "rule"),
    [
        ({"loss_weight": 0}, "message switch"),
        ({"train": False}, "message switch"),
        ({"mask_history": True}, "message switch"),
        ({"is_train": "false"}, "message switch"),
        ({"train_on_last_only": 1}, "message switch"),
        ({"weight": 0.0}, "message switch"),
        ({"ignore": True}, "message switch"),
        ({"skip_loss": 1}, "message switch"),
        ({"no_train": "true"}, "message switch"),
        ({"label": False}, "rejected answer"),
        ({"kto_tag": False}, "rejected answer"),
    ],
)
def test_a_row_that_is_not_to_be_learned_is_refused(more, rule):
    assert refusal(chat(ASKED, ANSWERED, **more))[0] == rule


@pytest.mark.parametrize("name", ["output_with_loss", "compute_loss", "is_train", "is_masked", "no_learning", "supervise", "train_this"])
@pytest.mark.parametrize("value", [False, True, 0, 1.0, "false"])
def test_a_switch_of_another_name_is_refused_by_it(name, value):
    rule, reason = refusal(chat(ASKED, {**ANSWERED, name: None}, ASKED, {**ANSWERED, name: value}))
    assert rule == "message switch" and f"messages[].{name} is {value!r}, which seems to switch the loss" in reason
    facts = {"trained_on": "2024", "is_train": True, "learning_rate": 0, "num_train_rows": 0, "train": 1}
    assert source_of(chat(ASKED, {**ANSWERED, name: "x"}, **facts)).read(1)[1] == [*facts, f"messages[].{name}"]
    assert sample_of(chat(ASKED, {**ANSWERED, "loss": "", "mask": []})).messages == [ASKED, ANSWERED], "nothing is no switch"


@pytest.mark.parametrize(
    ("column", "switches"),
    [
        ("loss_masks", [0, 1]),
        ("loss_mask", [False, True]),
        ("weights", [0, 1]),
        ("weights", "[0, 1]"),
        ("labels", [0, 1]),
        ("labels", [-100, -100, 7, 8, 9]),
        ("turn_weights", [0.5, 1.0]),
        ("message_weights", [0, 0, 0, 1]),
        ("loss_mask", [None, 0, None, 1]),
        ("loss_mask", [0, 0, 1, 1, 1, 0, 1]),
        ("assistant_masks", [0, 0, 0, 0, 0, 1, 1]),
        ("is_trained", "[True, False]"),
        ("loss", "0,1"),
        ("weights", {"1": 0, "3": 1}),
        ("mask", [1, 1]),
        ("ignore", [True, False]),
        ("is_masked", [1, 1]),
        ("learn", ["off", "on"]),
    ],
)
def test_a_list_of_switches_beside_the_messages_is_refused_by_its_name(column, switches):
    rule, reason = refusal(chat(ASKED, ANSWERED, ASKED, ANSWERED, **{column: switches}))
    assert rule == "message switch" and f"{column} is {switches}, which seems to switch the loss" in reason


@pytest.mark.parametrize(
    "facts",
    [
        {"label": "cat"},
        {"label": 0},
        {"labels": ["cat", "dog"]},
        {"labels": [3, 7]},
        {"labels": [0, 1, 1]},
        {"weights": [1, 1]},
        {"loss_mask": [True, True]},
        {"weights": [0.1, 0.2, 0.3]},
        {"scores": [0, 1]},
        {"bbox": [0, 1]},
        {"attention_mask": [1, 1, 1, 1, 1, 1, 0]},
        {"training_data": "a, b"},
        {"mask": {"bytes": b"\x89PNG", "path": None}},
        {"weight_kg": 70, "learned_from": ["a", "b"]},
    ],
)
def test_a_list_that_switches_nothing_is_a_fact_about_the_row(facts):
    assert source_of(chat(ASKED, ANSWERED, ASKED, {**ANSWERED, "content": "a.png"}, images=[b"1"], **facts)).read(1)[1] == list(facts)


def test_an_image_or_a_task_that_is_not_read_is_named():
    parts = [{"type": "image", "image": "a.png", "path": "a.png", "url": "b.png"}, {"type": "image", "bytes": b"1", "path": "c.png"}, TEXT]
    sample, unread = source_of(chat({**ASKED, "content": parts}, ANSWERED, task={"name": "vqa"})).read(1)
    assert sample.images == ["nowhere/a.png", {"bytes": b"1", "path": "c.png"}] and unread == ["task", "messages[].content[].url"]
    assert source_of(chat(ASKED, ANSWERED, task="vqa")).read(1)[1] == []


def test_a_list_of_switches_in_any_turn_is_refused():
    rule, reason = refusal(chat(ASKED, {**ANSWERED, "token_loss": [1, 1]}, ASKED, {**ANSWERED, "token_loss": [0, 1]}))
    assert rule == "message switch" and "messages[].token_loss is [0, 1], which seems to switch the loss" in reason


def test_a_switch_in_a_part_or_in_an_entry_of_texts_is_refused():
    part = {"type": "text", "text": "红色", "weight": 0}
    rule, reason = refusal(chat(ASKED, {**ANSWERED, "content": [part]}))
    assert rule == "message switch" and "messages[].content[].weight is 0" in reason
    rule, reason = refusal({"images": [], "texts": [{"user": "?", "assistant": "!", "ignore": True}]})
    assert rule == "message switch" and "texts[].ignore is True" in reason


# ---- boxes ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "boxes",
    [
        {"objects": {"ref": ["猫"], "bbox": [[1, 2, 3, 4]]}},
        {"objects": '{"ref": [], "bbox": [[1, 2, 3, 4]]}'},
        {"bboxes": [[1, 2, 3, 4]]},
        {"gt_box": [1, 2, 3, 4]},
        {"coordinates": [[1, 2], [3, 4]]},
    ],
)
@pytest.mark.parametrize("asked", ["<ref-object>在哪里?", "圈出 <bbox>"])
def test_places_for_boxes_are_not_learned_as_words(boxes, asked):
    row = {"question": asked, "answer": "<bbox>", "image": "a.png"}
    assert refusal(row | boxes)[0] == "grounding boxes"
    assert sample_of(row | {"objects": {"ref": [], "bbox": []}, "bboxes": "[]"}).answer == "<bbox>", "without boxes it is a word"
    assert source_of({**row, "question": "?", "answer": "!"} | boxes).read(1)[1] == list(boxes)
    assert refusal(chat({**ASKED, "content": asked, **boxes}, ANSWERED))[0] == "grounding boxes", "in a turn"
    with_coordinates = {**row, "question": "<ref>猫</ref>在哪里?", "answer": "<box>(1,2),(3,4)</box>"}
    assert source_of(with_coordinates | boxes).read(1)[1] == list(boxes), "the coordinates are words"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (chat({**ASKED, "content": "<image>" * 10_001}, ANSWERED), "the row has 10,001 <image>; expected at most 10,000"),
        (chat({**ASKED, "content": [TEXT] * 100_001}, ANSWERED), "message 0 has 100,001 parts; expected at most 100,000"),
        (chat(ASKED, ANSWERED, images=["a.png"] * 10_001), "the row has 10,001 images; expected at most 10,000"),
        (chat(*[ASKED] * 10_000, ANSWERED), "the column messages holds 10,001 entries; expected at most 10,000"),
    ],
)
def test_what_no_model_could_read_is_refused_before_it_is_taken_apart(row, reason):
    assert refusal(row) == ("too long", f"memory:1: {reason}")


def test_no_depth_of_a_row_ends_the_reading():
    deep: list = []
    for _ in range(5000):
        deep = [deep]
    assert source_of(chat(ASKED, ANSWERED, meta=deep)).read(1)[1] == ["meta"]
    for row in (deep, chat(ASKED, ANSWERED, images=deep), chat(ASKED, ANSWERED, tools=deep), chat({**ASKED, "content": deep}, ANSWERED)):
        assert refusal(row)[0] in ("row form", "image form", "content part", "tools form")


@pytest.mark.parametrize("value", [datetime.date(2026, 1, 1), b"1", Decimal("1.5"), float("inf"), {(1, 2): 3}])
def test_what_a_table_holds_and_json_does_not_is_no_argument_and_no_schema(value):
    call = {"role": "assistant", "content": None, "tool_calls": [{"function": {"name": "f", "arguments": {"x": value}}}]}
    assert refusal(chat(ASKED, call))[0] == "tool call arguments"
    assert refusal(chat(ASKED, ANSWERED, tools=[{"name": "f", "parameters": {"x": value}}]))[0] == "tools form"


# ---- ids, system prompts, what is left ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "text"), [(7, "7"), (7.0, "7"), ("7", "7"), (1.5, "1.5"), (float("nan"), "memory:1"), (None, "memory:1"), ("", "memory:1")]
)
def test_an_id_is_the_same_whatever_the_table_made_of_it(value, text):
    assert sample_of(chat(ASKED, ANSWERED, id=value)).id == text


def test_a_system_prompt_is_read_under_either_name():
    for column in ("system", "system_prompt"):
        assert sample_of(chat(ASKED, ANSWERED, **{column: "简短。"})).messages[0] == {"role": "system", "content": "简短。"}
        system = {"role": "system", "content": "简短。", "tools": TOOLS}
        assert len(sample_of(chat(system, ASKED, ANSWERED, **{column: "简短。"})).messages) == 3


@pytest.mark.parametrize(
    ("column", "words"), [("input", "表"), ("context", "表"), ("history", [["一?", "二"]]), ("history", '[["一?", "二"]]')]
)
def test_words_beside_a_list_of_turns_are_refused_by_their_column(column, words):
    row = {"prompt": [ASKED], "completion": [ANSWERED]}
    rule, reason = refusal({**row, column: words})
    assert rule == "unread words" and f"{column} is filled" in reason and "prompt is a list of turns" in reason
    for nothing in ("", None, [], "[]"):
        assert sample_of({**row, column: nothing}).messages == [ASKED, ANSWERED]


def test_two_system_prompts_of_a_row_must_be_the_same():
    rule, reason = refusal(chat(ASKED, ANSWERED, system="简短。", system_prompt="详细。"))
    assert (rule, reason) == ("unread words", "memory:1: system and system_prompt hold system prompts that differ; expected one")
    for more in ({"system": "简短。"}, {"system": ""}, {"system": None}):
        assert sample_of(chat(ASKED, ANSWERED, system_prompt="简短。", **more)).messages[0]["content"] == "简短。"


@pytest.mark.parametrize(
    ("role", "first", "second"),
    [
        ("assistant", {"reasoning_content": "想"}, {"thinking": "再想"}),
        (
            "assistant",
            {"tool_calls": [{"function": {"name": "f", "arguments": "{}"}}]},
            {"function_call": {"name": "g", "arguments": "{}"}},
        ),
        ("system", {"tools": [{"name": "f"}]}, {"functions": [{"name": "g"}]}),
    ],
)
def test_what_a_turn_says_under_two_names_is_the_same_or_refused(role, first, second):
    def turns(more):
        system = {"role": "system", "content": "s", **(more if role == "system" else {})}
        return chat(system, ASKED, {**ANSWERED, **(more if role == "assistant" else {})})

    rule, reason = refusal(turns(first | second))
    assert rule == "unread words" and f"has {next(iter(first))} and {next(iter(second))}, which differ" in reason
    alone = sample_of(turns(second))
    for nothing in ([], "", None):
        again = sample_of(turns(dict.fromkeys(first, nothing) | second))
        assert (again.messages, again.tools) == (alone.messages, alone.tools), "the one that is filled is read"


def test_a_call_under_both_names_is_one_call():
    call = {"name": "f", "arguments": '{"x": 1}'}
    sample = sample_of(chat(ASKED, {**ANSWERED, "tool_calls": [{"id": "1", "type": "function", "function": call}], "function_call": call}))
    assert sample.messages[1]["tool_calls"] == [{"type": "function", "function": {"name": "f", "arguments": {"x": 1}}}]


@pytest.mark.parametrize("write", [lambda turns: turns, json.dumps, lambda turns: f"\n {json.dumps(turns, indent=1)}", tuple])
def test_a_prompt_of_turns_is_read_as_turns_also_as_json_text(write):
    row = {"prompt": write([ASKED]), "completion": write([ANSWERED])}
    assert sample_of(row).messages == [ASKED, ANSWERED]
    assert refusal({**row, "input": "表"})[0] == "unread words"
    assert sample_of({"prompt": "[1] 是什么?", "completion": "[2]"}).messages[0]["content"] == "[1] 是什么?"


def test_arguments_under_two_names_are_the_same_or_refused():
    def called(**function):
        return chat(ASKED, {**ANSWERED, "tool_calls": [{"function": {"name": "f", **function}}]})

    rule, reason = refusal(called(arguments={"x": 1}, parameters={"x": 2}))
    assert rule == "unread words" and "message 1 has arguments and parameters, which differ" in reason
    for function in ({"arguments": None, "parameters": {"x": 2}}, {"arguments": {"x": 2}, "parameters": {}}):
        assert sample_of(called(**function)).messages[1]["tool_calls"][0]["function"] == {"name": "f", "arguments": {"x": 2}}


def test_turns_given_as_json_text_are_looked_through_too():
    row = {"prompt": [ASKED], "completion": json.dumps([{**ANSWERED, "no_grad": 1, "score": 3}])}
    assert refusal(row)[0] == "message switch"
    assert source_of({**row, "completion": json.dumps([{**ANSWERED, "score": 3}])}).read(1)[1] == ["completion[].score"]


def test_of_content_and_value_the_one_that_is_filled_is_read():
    turns = [{"role": "user", "content": None, "value": "?", "from": None}, {"from": "gpt", "role": None, "value": "!", "content": None}]
    assert [message["content"] for message in sample_of({"conversations": turns}).messages] == ["?", "!"]
    named = [{"role": "user", "from": "小明", "content": "?"}, ANSWERED]
    assert source_of({"messages": named}).read(1)[1] == ["messages[].from"], "a role that is not read is named"


def test_all_that_nobody_reads_is_named_by_its_place():
    asked = {**ASKED, "name": "小明", "content": [{**TEXT, "caption": "c", "index": None}, "?"]}
    answered = {**ANSWERED, "score": 5, "value": "其他", "refusal": None, "annotations": []}
    row = chat(asked, answered, source="x", meta={"a": 1}, empty={"a": None}, conversations=[ASKED], tools=None)
    assert source_of(row).read(1)[1] == [
        "source",
        "meta",
        "conversations",
        "messages[].name",
        "messages[].content[].caption",
        "messages[].score",
        "messages[].value",
    ]
    pairs = {"images": [], "texts": [{"user": "?", "assistant": "!", "source": "s", "rating": 4}], "relevance_min": 4, "source": "s"}
    assert source_of(pairs).read(1)[1] == ["relevance_min", "texts[].rating"]
    assert source_of({"prompt": [ASKED], "completion": [{**ANSWERED, "score": 1}], "history": [], "x": 1}).read(1)[1] == [
        "x",
        "completion[].score",
    ]
    assert source_of({"question": "[?]", "answer": "[!]", "context": "c", "history": [["a", "b"]]}).read(1)[1] == []
