"""Answers that keep a form: whatever the model would rather say, in a batch, alone, streamed, drawn, and after thinking.

python -m pytest tests/test_form.py
"""

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

from benchmarks.random_forms import random_schema, write_at_random
from smvl.infer.engine import Engine
from smvl.infer.form.closed_schema import close_objects
from smvl.infer.form.form import Form
from smvl.infer.form.matcher import FormTokens, Matcher
from smvl.infer.form.options import form_of
from smvl.infer.memory import Memory
from tests.donors import small_tokenizer
from tests.test_engine import ask, picture, save_small_checkpoint

GOODS = {
    "type": "object",
    "properties": {
        "商品名称": {"enum": ["苹果", "牛奶"]},
        "单价": {"type": "integer", "minimum": 0, "maximum": 99},
        "有货": {"type": "boolean"},
    },
    "required": ["商品名称", "单价", "有货"],
}


@pytest.fixture(scope="module")
def engine(layout: str, tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine.from_folder(save_small_checkpoint(tmp_path_factory.mktemp("form"), layout=layout), device="cpu")


@pytest.fixture(scope="module")
def tokens() -> FormTokens:
    tokenizer = small_tokenizer()
    return FormTokens(tokenizer, len(tokenizer) + 5, [tokenizer.eos_token_id])


def accepts(form: Form, text: str, *, thinking: bool = False) -> bool:
    """Whether a whole answer has the form."""
    tokenizer = small_tokenizer()
    matcher = FormTokens(tokenizer, len(tokenizer) + 5, [tokenizer.eos_token_id]).matcher(form, thinking=thinking)
    for token in tokenizer.encode(text):
        if matcher.is_complete or not matcher.allowed()[token]:
            return False
        matcher.write([token])
    return matcher.is_complete or bool(matcher.allowed()[tokenizer.eos_token_id])


def num_cells(text: str) -> list[int]:
    """Cells of each row of a Markdown table."""
    return [len(re.findall(r"(?:[^|\\]|\\.)+(?=\|)", line[1:])) for line in text.split("\n")]


# ---- the answers of a model that knows nothing ----------------------------------------------------------------------------------


def requests(**fields: Any) -> list[Any]:
    """Of unlike lengths, with and without a form, so that rows of a batch go on by unlike numbers of tokens."""
    return [
        ask("图中有什么?", picture("red"), form=Form.json_schema(GOODS), **fields),
        ask("What is in the picture?", **fields),
        ask("哪一张?", picture("blue", 20, 60), picture("green", 64, 64), form=Form.choices(["第一张图更大", "第二张图更大"]), **fields),
        ask("图中有什么东西?" * 3, form=Form.regex("[0-9]{2}元一公斤"), **fields),
    ]


def check_answers(texts: list[str]) -> None:
    jsonschema.validate(json.loads(texts[0]), GOODS)
    assert list(json.loads(texts[0])) == ["商品名称", "单价", "有货"]
    assert texts[2] in ("第一张图更大", "第二张图更大")
    assert re.fullmatch("[0-9]{2}元一公斤", texts[3])


def test_every_answer_has_its_form_and_is_complete(engine: Engine) -> None:
    answers = engine.answer(requests(), max_new_tokens=64)
    check_answers([answer.text for answer in answers])
    assert [answers[row].finish for row in (0, 2, 3)] == ["stop"] * 3


def test_drawn_answers_have_it_too(engine: Engine) -> None:
    found = [engine.answer(requests(), max_new_tokens=64, temperature=3.0, seed=seed) for seed in range(4)]
    for answers in found:
        check_answers([answer.text for answer in answers])
    assert len({answers[3].text for answers in found}) > 1


def test_a_batch_each_alone_and_a_stream_give_the_same(engine: Engine) -> None:
    together = engine.answer(requests(), max_new_tokens=64)
    for request, answer in zip(requests(), together):
        assert engine.answer([request], max_new_tokens=64)[0].token_ids == answer.token_ids
        stream = engine.stream(request, max_new_tokens=64)
        assert "".join(piece.text for piece in stream) == answer.text
        assert stream.answer.token_ids == answer.token_ids


def test_forced_tokens_are_not_asked_of_the_model_and_change_no_answer(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    [with_them] = engine.answer(requests()[:1], max_new_tokens=64)
    steps = []
    read = engine.model.read

    def counted(*given: Any) -> Any:
        reading = read(*given)
        go_on = reading.go_on
        monkeypatch.setattr(reading, "go_on", lambda tokens: (steps.append(len(tokens[0])), go_on(tokens)))
        return reading

    monkeypatch.setattr(engine.model, "read", counted)
    engine.answer(requests()[:1], max_new_tokens=64)
    assert len(steps) <= with_them.num_new_tokens - with_them.num_forced_tokens < with_them.num_new_tokens / 2
    monkeypatch.setattr(Matcher, "write_forced", lambda self: [])
    [asked_for_each] = engine.answer(requests()[:1], max_new_tokens=64)
    assert (asked_for_each.text, asked_for_each.num_forced_tokens) == (with_them.text, 0)


def test_with_thinking_the_form_begins_behind_it(engine: Engine) -> None:
    text = "<think>\n图中有红色\n</think>\n\n"
    assert accepts(Form.json_schema(GOODS), text + '{"商品名称":"苹果","单价":3,"有货":true}', thinking=True)
    assert not accepts(Form.json_schema(GOODS), text + "苹果", thinking=True)
    assert not accepts(Form.choices(["是"]), "是", thinking=True)
    [answer] = engine.answer([ask("图?", form=Form.choices(["是的", "不是"]), thinking=True)], max_new_tokens=12)
    assert engine.processor.tokenizer.decode(answer.token_ids).startswith("<think>\n")
    assert "</think>" in engine.processor.tokenizer.decode(answer.token_ids) or answer.finish in ("length", "repetition")


def test_a_form_that_has_no_room_is_cut_where_the_room_ends(engine: Engine) -> None:
    [answer] = engine.answer(requests()[:1], max_new_tokens=3)
    [whole] = engine.answer(requests()[:1], max_new_tokens=64)
    assert (answer.finish, answer.token_ids) == ("length", whole.token_ids[:3])


ANY_TEXT = {"type": "object", "properties": {"摘要": {"type": "string"}, "多少": {"type": "integer"}}, "required": ["摘要", "多少"]}


@pytest.mark.parametrize("room", [64, 160])
def test_json_whose_room_ends_is_closed_and_says_that_it_was_cut(engine: Engine, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
    """A model that would go on for ever in a text, without ever repeating itself."""
    goes_on = engine.processor.tokenizer.encode("".join(map(chr, range(0x4E00, 0x4F00))), add_special_tokens=False)

    class GoesOn:
        def __init__(self):
            self._ids = iter(goes_on)

        def likeliest(self, allowed: Any) -> list[int]:
            wanted = next(self._ids)
            return [wanted if allowed[0] is None or allowed[0][wanted] else int(allowed[0].argmax())]

        def go_on(self, tokens: list[list[int]]) -> None:
            pass

    monkeypatch.setattr(engine.model, "read", lambda *_: GoesOn())
    [answer] = engine.answer([ask("写?", form=Form.json_schema(ANY_TEXT))], max_new_tokens=room)
    assert answer.finish == "length" and room - 33 <= answer.num_new_tokens <= room
    jsonschema.validate(json.loads(answer.text), ANY_TEXT)
    [called] = engine.answer([ask("写?", tools=[tool("note", 摘要={"type": "string"})], tool_choice="note")], max_new_tokens=room)
    assert called.finish == "length" and [(call.name, call.error) for call in called.tool_calls] == [("note", None)]


def tool(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties, "required": list(properties)}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def test_only_json_is_closed_and_no_thought(engine: Engine, tokens: FormTokens) -> None:
    tokenizer = small_tokenizer()
    for form, begun in ((Form.regex("[^|]+"), "水"), (Form.table(), "| 品名"), (Form.latex(), r"\frac{1")):
        matcher = tokens.matcher(form, thinking=False)
        matcher.write(tokenizer.encode(begun))
        assert (matcher.allowed(must_close=True) == matcher.allowed()).all() and not matcher.was_closed
    matcher = tokens.matcher(Form.json_schema(ANY_TEXT), thinking=True)
    matcher.write(tokenizer.encode("<think>\n水"))
    assert (matcher.allowed(must_close=True) == matcher.allowed()).all() and not matcher.was_closed
    matcher.write(tokenizer.encode('\n</think>\n\n{"摘要":"水'))
    assert {tokenizer.decode([int(token)])[-1] for token in matcher.allowed(must_close=True).nonzero()[0]} == {'"'} and matcher.was_closed


def test_a_form_without_a_choice_that_has_no_room_is_not_called_whole(engine: Engine) -> None:
    whole = engine.answer([ask("图?", form=Form.regex("马和牛在一起"))])[0]
    assert (whole.text, whole.finish) == ("马和牛在一起", "stop")
    cut = engine.answer([ask("图?", form=Form.regex("马和牛在一起"))], max_new_tokens=whole.num_new_tokens - 1)[0]
    assert (cut.finish, cut.token_ids) == ("length", whole.token_ids[:-1])


def test_a_memory_knows_the_forced_tokens_that_were_read_with_what_was_chosen(engine: Engine) -> None:
    request, memory = ask("图?", picture("red"), form=Form.regex("红色的[0-9]圆形和[0-9]方形")), Memory()
    stream = engine.stream(request, max_new_tokens=40, memory=memory)
    assert re.fullmatch("红色的[0-9]圆形和[0-9]方形", "".join(piece.text for piece in stream))
    num_last = len(engine.processor.tokenizer.encode("0方形"))  # nobody asked what follows them
    read = [*engine.lay_out(request).input_ids, *stream.answer.token_ids[:-num_last]]
    assert [mark for mark in memory._marks if not isinstance(mark, tuple)] == [id for id in read if id != engine.processor.image_token_id]
    again = engine.stream(request, max_new_tokens=40, memory=memory)
    assert "".join(piece.text for piece in again) == stream.answer.text


# ---- what the prompt says of it -------------------------------------------------------------------------------------------------


def test_the_last_question_says_the_form_in_its_own_language(engine: Engine) -> None:
    def shown(request: Any) -> str:
        return engine.processor.tokenizer.decode(engine.lay_out(request).input_ids)

    assert '图中有什么?\n请只回答其中之一:"是", "否"<|im_end|>' in shown(ask("图中有什么?", form=Form.choices(["是", "否"])))
    assert 'big?\nAnswer with one of: "yes", "no"<|im_end|>' in shown(ask("Is it big?", form=Form.choices(["yes", "no"])))
    assert '请按此JSON Schema用JSON回答:{"type":"integer"}<|im_end|>' in shown(ask("几个?", form=Form.json_schema({"type": "integer"})))
    assert shown(ask("图?", form=Form.regex("a"))) == shown(ask("图?"))
    said = "几个?\n请用Markdown表格回答。"  # is not said again
    assert shown(ask(said, form=Form.table())) == shown(ask(said))
    turns = [{"role": "user", "content": "一?"}, {"role": "assistant", "content": "二"}, {"role": "user", "content": "三?"}]
    assert shown(type(ask(""))(turns, form=Form.table())).count("请用Markdown表格回答。") == 1
    assert turns[-1] == {"role": "user", "content": "三?"}


# ---- forms ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text, is_one",
    [
        ("| 品名 | 单价 |\n| --- | ---: |\n| 苹果 | 3 |\n| 梨 |  |", True),
        ("|品名|\n|---|", True),
        (r"| a \| b | c |" + "\n|:--|--:|", True),
        ("| 品名 | 单价 |\n| --- |", False),
        ("| 品名 | 单价 |\n| --- | --- |\n| 苹果 |", False),
        ("| 品名 | 单价 |", False),
        ("表格", False),
        ("|" + " a |" * 24 + "\n|" + "---|" * 24, True),
    ],
)
def test_tables_have_as_many_cells_in_every_row(text: str, is_one: bool) -> None:
    assert accepts(Form.table(), text) == is_one


@pytest.mark.parametrize(
    "text",
    [
        r"\frac{x^2}{36}-\frac{y^2}{144}=1",
        r"\lim_{n\to\infty}\left(1+\frac{21}{n}\right)^n=",
        r"\sqrt[3]{x_1^2+y_1}\geq f'(x)",
        r"\pi r^2+\alpha_1x^\beta y",
        r"S=\{1,2\}",
        r"\sum_{i=1}^{n}\vec{a}\cdot\overline{AB}",
        r"90^\circ",
        r"\mathrm{H_2SO_4}",
        r"\left[\frac{1}{2}\right]",
    ],
)
def test_formulas_are_latex_that_another_reader_reads(text: str) -> None:
    assert accepts(Form.latex(), text)
    assert accepts(Form.latex(), f"设${text}$,求值。\n${text}$")
    MathTextParser("agg").parse(f"${text}$")


@pytest.mark.parametrize(
    "text", [r"\pir", r"{x", r"\frac{1}", r"x^2^3", r"\left(x", "设$x", r"\begin{cases}x", r"\unknown", "x}", r"\sqrt", "$$x$", r"\alpha_"]
)
def test_what_is_opened_and_not_closed_is_no_latex(text: str) -> None:
    assert not accepts(Form.latex(), text)


def test_an_environment_is_closed_by_its_own_name() -> None:
    assert accepts(Form.latex(), r"\begin{cases}x+1&x>0\\2&x<0\end{cases}")
    assert accepts(Form.latex(), r"\begin{array}{cc}1&2\\3&4\end{array}")
    assert not accepts(Form.latex(), r"\begin{cases}x\end{matrix}")


def test_json_is_on_one_line_without_spaces_and_has_no_keys_but_those_named() -> None:
    form = Form.json_schema(GOODS)
    assert accepts(form, '{"商品名称":"牛奶","单价":12,"有货":false}')
    for wrong in ('{"商品名称": "牛奶","单价":12,"有货":false}', '{"商品名称":"牛奶","单价":12,"有货":false,"a":1}', '{"单价":12}'):
        assert not accepts(form, wrong)
    assert accepts(Form.lark('start: "甲" | "乙" /[0-9]+/'), "乙12")


def test_objects_are_closed_only_where_that_changes_nothing_else() -> None:
    plain = {"type": "object", "properties": {"properties": {"type": "object", "properties": {"a": {"const": {"properties": {"b": 1}}}}}}}
    inner = {"type": "object", "properties": {"a": {"const": {"properties": {"b": 1}}}}, "additionalProperties": False}
    assert close_objects(plain) == {"type": "object", "properties": {"properties": inner}, "additionalProperties": False}
    for left in (
        {"allOf": [{"properties": {"a": {}}}, {"properties": {"b": {}}}]},
        {"properties": {"a": {}}, "anyOf": [{"properties": {"b": {}}}]},
        {"properties": {"a": {}}, "additionalProperties": {"type": "integer"}},
        {"type": "object"},
        {"type": "object", "properties": {"a": {}}, "required": ["b"]},
    ):
        assert close_objects(left) == left


def nested(depth: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_choices_are_taken_as_they_stand_however_many_there_are() -> None:
    signs = 'a.b*(c)|[d]{2}^$#&-~/\\"'
    form = Form.choices([signs, "😀好", "第\n二", *(f"商品{number}" for number in range(3000))])
    assert [accepts(form, text) for text in (signs, "😀好", "第\n二", "商品2999", "aXb*(c)", "商品")] == [True] * 4 + [False] * 2


@pytest.mark.parametrize(
    "schema, said",
    [
        ({"type": "array", "uniqueItems": True}, "uniqueItems"),
        ({"not": {"type": "string"}}, '"not"'),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "oneOf"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, "minLength"),
        ({"type": "string", "format": "handwriting"}, "handwriting"),
        ({"type": "word"}, "word"),
        ({"$ref": "#/definitions/missing"}, "/definitions/missing"),
        ({"type": "string", "pattern": "(?=a)b"}, "look-around"),
        ({"enum": {1, 2}}, "holds what JSON has not"),
        ({"type": "number", "minimum": float("nan")}, "holds what JSON has not"),
        (nested(500), "lies too deep"),
        ("{", "no JSON"),
        ("[1]", "expected an object"),
    ],
)
def test_a_schema_that_cannot_be_kept_is_refused_by_name_before_anything_is_asked(schema: Any, said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Form.json_schema(schema)


@pytest.mark.parametrize(
    "make, said",
    [
        (lambda: Form.regex("("), "unclosed group"),
        (lambda: Form.lark("start: missing"), "missing"),
        (lambda: Form.regex(None), "regex is None; expected text"),
        (lambda: Form.lark(3), "the grammar is 3; expected text"),
        (lambda: Form.choices([]), "expected a list of texts"),
        (lambda: Form.choices("是否"), "expected a list of texts"),
        (lambda: Form.choices(["是", ""]), "none of them empty"),
        (lambda: ask("?", form="json") and Engine.lay_out(None, ask("?", form="json")), "expected a Form"),
    ],
)
def test_what_is_no_form_is_refused(make: Any, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        make()


# ---- random schemas -------------------------------------------------------------------------------------------------------------


def test_random_answers_to_random_schemas_are_valid(tokens: FormTokens) -> None:
    random, tokenizer, checked = np.random.default_rng(0), small_tokenizer(), 0
    for _ in range(60):
        schema = random_schema(random)
        text = write_at_random(Form.json_schema(schema), tokens, tokenizer, random, ('"', "]", "}", "0")).text
        if text is not None:
            validator = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
            validator.validate(json.loads(text))
            checked += 1
    assert checked >= 55


def test_random_tables_have_rows_of_one_length(tokens: FormTokens) -> None:
    random, tokenizer = np.random.default_rng(0), small_tokenizer()
    texts = [write_at_random(Form.table(), tokens, tokenizer, random, ("\n", "|", "-")).text for _ in range(10)]
    assert sum(text is not None for text in texts) >= 5
    for text in texts:
        assert text is None or len(set(num_cells(text))) == 1, text


# ---- options --------------------------------------------------------------------------------------------------------------------

NO_OPTIONS = {"json_schema": None, "regex": None, "choices": None, "boxes": False, "boxes_of": None}
NO_OPTIONS |= {"table": False, "latex": False, "lark": None}


def test_options_name_one_form(tmp_path: Path) -> None:
    (tmp_path / "schema.json").write_text('{"type": "integer"}', encoding="utf-8")
    (tmp_path / "grammar.lark").write_text('start: "甲"', encoding="utf-8")
    assert form_of(NO_OPTIONS) is None
    assert form_of({**NO_OPTIONS, "json_schema": str(tmp_path / "schema.json")}) == Form.json_schema({"type": "integer"})
    assert form_of({**NO_OPTIONS, "lark": str(tmp_path / "grammar.lark")}) == Form.lark('start: "甲"')
    assert form_of({**NO_OPTIONS, "choices": "是, 否,不知道"}) == Form.choices(["是", "否", "不知道"])
    assert form_of({**NO_OPTIONS, "table": True}) == Form.table()
    with pytest.raises(ValueError, match="--regex and --latex were given together"):
        form_of({**NO_OPTIONS, "regex": "a", "latex": True})
    with pytest.raises(ValueError, match=r"--json-schema: .*none\.json cannot be read \(No such file"):
        form_of({**NO_OPTIONS, "json_schema": "none.json"})
    (tmp_path / "gbk.json").write_bytes('{"title": "中文"}'.encode("gbk"))
    with pytest.raises(ValueError, match=r"--json-schema: .*gbk\.json is not in UTF-8"):
        form_of({**NO_OPTIONS, "json_schema": str(tmp_path / "gbk.json")})
