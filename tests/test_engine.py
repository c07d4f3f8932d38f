"""The generation path: a batch, a stream and a plain loop over full forwards give the same answers, and training does not notice.

python -m pytest tests/test_engine.py
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import smvl.assemble
from smvl.infer.engine import Engine
from smvl.infer.memory import Memory
from smvl.infer.request import Request
from smvl.infer.torch_model import TorchModel
from smvl.layouts.find_model import layout_of
from smvl.layouts.tokens import IMAGE_TOKEN
from smvl.model.saving import save_model
from smvl.processing.images import ImageError, read_image
from tests.donors import SPLICE, let_taps_speak, save_text_donor, save_vision_donor

ONE_THREAD = 1
"""A model this small only loses time to several threads."""


def save_small_checkpoint(folder: Path, *, layout: str = "smolvlm", dtype: torch.dtype = torch.float32) -> Path:
    """A spliced checkpoint of small donors; the seeds are such that its answers vary from prompt to prompt."""
    vision = save_vision_donor(folder / "vision", seed=2)
    text = save_text_donor(folder / "text", seed=2, tied=False)
    model, processor = smvl.splice(vision, text, dtype=dtype, **SPLICE[layout])
    let_taps_speak(model)
    save_model(model, folder / "checkpoint")
    processor.save_pretrained(folder / "checkpoint")
    return folder / "checkpoint"


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(ONE_THREAD)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def checkpoint(layout: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("engine"), layout=layout)


class IdEngine(Engine):
    """An engine whose answers are the ids themselves, so that equal answers are equal token for token."""

    def decode(self, ids: Any) -> str:
        return " ".join(map(str, ids))


@pytest.fixture(scope="module")
def engine(checkpoint: Path) -> Engine:
    return Engine.from_folder(checkpoint, device="cpu")


@pytest.fixture(scope="module")
def id_engine(engine: Engine) -> IdEngine:
    return IdEngine(engine.model, engine.processor)


def picture(colour: str, width: int = 64, height: int = 48) -> Image.Image:
    return Image.new("RGB", (width, height), colour)


def ask(question: str, *images: Any, **fields: Any) -> Request:
    content = [{"type": "image"}] * len(images) + [{"type": "text", "text": question}]
    return Request([{"role": "user", "content": content}], images, **fields)


def mixed_requests() -> list[Request]:
    """No image, one, and two, of several sizes and lengths."""
    return [
        ask("图中有什么?"),
        ask("图中有什么?", picture("red")),
        ask("两张图中哪一张的数字更大?", picture("blue", 20, 60), picture("green", 64, 64)),
        ask("What is in the picture? " * 4),
        ask("图", picture("white", 90, 20), thinking=True),
    ]


def prompt_text(engine: Engine, request: Request) -> str:
    return engine.processor.tokenizer.decode(engine.lay_out(request).input_ids)


def model_inputs(engine: Engine, request: Request) -> dict[str, torch.Tensor]:
    """A request as transformers' own `forward` takes it."""
    laid_out, model = engine.lay_out(request), engine.model.model
    inputs = {"input_ids": torch.tensor([laid_out.input_ids])}
    if laid_out.plans:
        pixels = torch.from_numpy(engine.processor.pixel_values([read_image(image) for image in request.images], laid_out))
        inputs |= layout_of(model).stock_pictures(model, pixels, [plan.shape for plan in laid_out.plans])
        if engine.processor.pictures.names_token_types:
            inputs["mm_token_type_ids"] = (inputs["input_ids"] == engine.processor.image_token_id) * 1
    return inputs


def image_text(engine: Engine, image: Image.Image) -> str:
    rule = engine.processor.pictures
    before, after = rule.picture_text.split(IMAGE_TOKEN)
    return before + rule.text(rule.plan(image.height, image.width)) + after


# ---- equal answers ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [2, 3, 16])
def test_batched_answers_equal_answers_one_by_one(id_engine: IdEngine, batch_size: int) -> None:
    requests = mixed_requests()
    alone = [id_engine.answer([request], max_new_tokens=16)[0] for request in requests]
    together = id_engine.answer(requests, max_new_tokens=16, batch_size=batch_size)
    assert [answer.text for answer in together] == [answer.text for answer in alone]
    assert [answer.num_prompt_tokens for answer in together] == [answer.num_prompt_tokens for answer in alone]
    assert len({answer.text for answer in alone}) == len(requests), "equal answers would hide an exchange"


def test_greedy_with_cache_equals_greedy_without(id_engine: IdEngine) -> None:
    for request in mixed_requests():
        inputs, model = model_inputs(id_engine, request), id_engine.model.model
        expected: list[int] = []
        while len(expected) < 12 and not id_engine.facts.stop_ids & set(expected):
            with torch.no_grad():
                scores = model(**inputs, use_cache=False).logits[0, -1]
            scores[model.generation_config.suppress_tokens] = -torch.inf
            expected.append(int(scores.argmax()))
            inputs["input_ids"] = torch.cat([inputs["input_ids"], scores.argmax().view(1, 1)], dim=1)
            if "mm_token_type_ids" in inputs:
                inputs["mm_token_type_ids"] = torch.nn.functional.pad(inputs["mm_token_type_ids"], (0, 1))
        [answer] = id_engine.answer([request], max_new_tokens=12)
        assert answer.text == " ".join(map(str, expected))


@pytest.mark.parametrize("settings", [{}, {"temperature": 1.0, "top_p": 0.9, "seed": 5}])
def test_streamed_pieces_join_to_the_answer(engine: Engine, settings: dict) -> None:
    for request in mixed_requests():
        [whole] = engine.answer([request], max_new_tokens=16, **settings)
        stream = engine.stream(request, max_new_tokens=16, **settings)
        pieces = list(stream)
        assert "".join(piece.text for piece in pieces if not piece.is_reasoning) == stream.answer.text == whole.text
        assert "".join(piece.text for piece in pieces if piece.is_reasoning) == stream.answer.reasoning == whole.reasoning
        assert len(pieces) > 1
        assert stream.answer.num_new_tokens == whole.num_new_tokens


def test_an_answer_from_a_live_model_equals_one_from_its_folder(engine: Engine, checkpoint: Path) -> None:
    model, processor = smvl.assemble.load_checkpoint(checkpoint)
    live = Engine(TorchModel(model), processor)
    assert [answer.text for answer in live.answer(mixed_requests())] == [answer.text for answer in engine.answer(mixed_requests())]


def test_drawn_answers_depend_on_the_seed_and_on_nothing_else(id_engine: IdEngine) -> None:
    def draw(**settings: Any) -> list[str]:
        return [answer.text for answer in id_engine.answer(mixed_requests(), max_new_tokens=12, temperature=1.5, **settings)]

    state = torch.get_rng_state()
    drawn = draw(seed=1)
    assert draw(seed=1, batch_size=1) == drawn
    assert draw(seed=2) != drawn
    assert draw() != draw()
    assert torch.equal(torch.get_rng_state(), state), "training's random state was touched"


# ---- what the model sees ------------------------------------------------------------------------------------------------------


def test_changing_the_image_changes_the_scores(engine: Engine) -> None:
    model = engine.model.model
    red, blue = (model(**model_inputs(engine, ask("图中有什么?", picture(colour)))).logits[0, -1] for colour in ("red", "blue"))
    assert (red - blue).abs().max() > 0.1


def test_thinking_leaves_the_thinking_block_open(engine: Engine) -> None:
    closed, opened = prompt_text(engine, ask("图?")), prompt_text(engine, ask("图?", thinking=True))
    assert opened == "<|im_start|>user\n图?<|im_end|>\n<|im_start|>assistant\n"
    assert closed == opened + "<think>\n\n</think>\n\n"


def test_two_images_stand_in_their_order_with_their_own_pixels(engine: Engine) -> None:
    first, second = picture("red", 32, 32), picture("blue", 64, 20)
    request = ask("哪一张?", first, second)
    expected = f"<|im_start|>user\n{image_text(engine, first)}{image_text(engine, second)}哪一张?<|im_end|>\n"
    assert prompt_text(engine, request) == expected + "<|im_start|>assistant\n<think>\n\n</think>\n\n"
    laid_out = engine.lay_out(request)
    pixels = engine.processor.pixel_values([first, second], laid_out)  # (units, 3, side, side)
    red_minus_blue = (pixels[:, 0] - pixels[:, 2]).mean(axis=(1, 2))
    first_units, second_units = (plan.num_units for plan in laid_out.plans)
    assert np.sign(red_minus_blue).tolist() == [1] * first_units + [-1] * second_units


def test_an_image_of_an_earlier_turn_stays_where_it_was_shown(engine: Engine) -> None:
    image = picture("red")
    question = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图?"}]}
    request = Request([question, {"role": "assistant", "content": "圆形。"}, {"role": "user", "content": "红色?"}], [image])
    expected = f"<|im_start|>user\n{image_text(engine, image)}图?<|im_end|>\n<|im_start|>assistant\n圆形。<|im_end|>\n"
    expected += "<|im_start|>user\n红色?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
    assert prompt_text(engine, request) == expected
    [answer] = engine.answer([request], max_new_tokens=2)
    plan = engine.processor.pictures.plan(image.height, image.width)
    assert (answer.num_tiles, answer.num_image_tokens) == (plan.num_units, engine.processor.pictures.num_tokens(plan))


def test_tools_are_in_the_prompt(engine: Engine) -> None:
    tool = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
    assert '"name": "get_time"' in prompt_text(engine, ask("几点?", tools=[tool]))


# ---- what an answer says ------------------------------------------------------------------------------------------------------


class WritingReading:
    """A reading whose next tokens are known."""

    def __init__(self, ids: list[int]):
        self._ids, self._place = ids, 0

    def likeliest(self, allowed: Any) -> list[int]:
        return [self._ids[self._place]]

    def go_on(self, tokens: list[list[int]]) -> None:
        self._place += len(tokens[0])


def write_for(engine: Engine, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Let the model write `text`, whatever it is asked."""
    ids = engine.processor.tokenizer.encode(text)
    monkeypatch.setattr(engine.model, "read", lambda *_: WritingReading(ids))


def test_reasoning_is_kept_apart_and_what_follows_the_end_is_not_read(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    write_for(engine, monkeypatch, "<think>\n红色?\n</think>\n\n一个圆形。<|im_end|><|endoftext|><|endoftext|>")
    [answer] = engine.answer([ask("图?", thinking=True)])
    assert (answer.reasoning, answer.text, answer.finish) == ("红色?", "一个圆形。", "stop")
    written = engine.processor.tokenizer.encode("<think>\n红色?\n</think>\n\n一个圆形。<|im_end|>")
    assert answer.num_new_tokens == len(written)


def test_what_comes_after_the_end_is_not_streamed(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    write_for(engine, monkeypatch, "一个圆形。<|im_end|>红色")
    stream = engine.stream(ask("图?"))
    assert "".join(piece.text for piece in stream) == stream.answer.text == "一个圆形。"


def test_an_answer_that_was_cut_says_so(engine: Engine) -> None:
    [answer] = engine.answer([ask("图中有什么?", picture("red"))], max_new_tokens=3)
    assert (answer.finish, answer.num_new_tokens) == ("length", 3)
    assert 0 < answer.seconds_to_first_token <= answer.seconds


def test_an_answer_that_repeats_itself_is_stopped_and_says_so(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    unit = "图中有一个圆形。"
    write_for(engine, monkeypatch, "红色。" + unit * 60)
    [answer] = engine.answer([ask("图?")], max_new_tokens=400)
    length = len(engine.processor.tokenizer.encode(unit))
    assert answer.finish == "repetition" and answer.text.startswith("红色。" + unit * 2)
    assert answer.num_new_tokens <= len(engine.processor.tokenizer.encode("红色。")) + 2 * length + 64
    write_for(engine, monkeypatch, "红色。" + unit * 60)
    stream = engine.stream(ask("图?"), max_new_tokens=400)
    assert "".join(piece.text for piece in stream) == stream.answer.text == answer.text
    assert stream.answer.finish == "repetition"


# ---- guests in training ------------------------------------------------------------------------------------------------------


def test_a_model_in_training_is_left_as_it_was(checkpoint: Path) -> None:
    model, processor = smvl.assemble.load_checkpoint(checkpoint)
    model.train()
    model.get_encoder("image").eval()
    modes = {name: module.training for name, module in model.named_modules()}
    engine = Engine(TorchModel(model), processor)
    engine.answer(mixed_requests(), max_new_tokens=2)
    list(engine.stream(mixed_requests()[1], max_new_tokens=2))
    assert {name: module.training for name, module in model.named_modules()} == modes
    inputs = model_inputs(engine, mixed_requests()[1])
    model(**inputs, labels=inputs["input_ids"]).loss.backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_leaving_a_stream_early_stops_the_model(engine: Engine) -> None:
    steps = []
    hook = engine.model.model.get_decoder().register_forward_hook(lambda *_: steps.append(1))
    for _ in engine.stream(ask("图中有什么?", picture("red")), max_new_tokens=2000):
        break
    hook.remove()
    assert 0 < len(steps) < 20


# ---- refusals ----------------------------------------------------------------------------------------------------------------


def test_a_damaged_image_is_an_error_of_the_stream_not_of_its_thread(engine: Engine, tmp_path: Path) -> None:
    path = tmp_path / "cut.jpg"
    Image.effect_noise((64, 64), 90).save(path)
    path.write_bytes(path.read_bytes()[:-1000])
    stream = engine.stream(ask("图?", path))  # its header is whole
    with pytest.raises(ImageError, match="cut.jpg"):
        list(stream)


def test_a_prompt_without_room_for_the_answer_is_refused(engine: Engine) -> None:
    limit = engine.facts.max_positions
    with pytest.raises(ValueError, match=rf"max_new_tokens is {limit}.* at most {limit}"):
        engine.answer([ask("图?")], max_new_tokens=limit)


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (Request([]), "nothing to answer"),
        (Request([{"role": "assistant", "content": "红色"}]), "nothing to answer"),
        (Request([{"role": "user", "content": "图?"}], ["a.png"]), "no such image"),
        (Request([{"role": "user", "content": "图?"}], [picture("red")]), "0 image parts, but 1 images"),
    ],
)
def test_a_malformed_request_is_refused_before_anything_runs(engine: Engine, request_: Request, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        engine.stream(request_)


@pytest.mark.parametrize(
    "settings",
    [{"max_new_tokens": 0}, {"temperature": -1.0}, {"temperature": float("nan")}, {"top_p": 0.0}, {"top_k": -1}, {"batch_size": 0}],
)
def test_a_setting_that_means_nothing_is_refused_by_name(engine: Engine, settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        engine.answer([ask("图?")], **settings)


QUESTION = [{"role": "user", "content": "图?"}]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        ("hi", "a request is of the type str; expected Request"),
        (None, "a request is of the type NoneType; expected Request"),
        (Request([None]), 'message 0 is of the type NoneType; expected a mapping such as {"role": ...'),
        (Request("hi"), "messages is 'hi'; expected a list of mappings"),
        (Request(None), "messages is None; expected a list of mappings"),
        (Request(QUESTION[0]), "messages is {'role': 'user', 'content': '图?'}; expected a list of mappings"),
        (Request([{"content": "图?"}]), "message 0 has the role None; expected one of system, user, assistant, tool."),
        (Request([*QUESTION, {"role": ["user"], "content": "图?"}]), "message 1 has the role ['user']; expected one of system"),
        (Request([{"role": "user", "content": [["a"]]}]), "message 0 holds a list within its content; expected parts such as {"),
        (Request(QUESTION, "a.png"), "images is 'a.png'; expected a list with one image for each image part."),
        (Request(QUESTION, None), "images is None; expected a list with one image for each image part."),
        (Request(QUESTION, tools={"a": 1}), "tools is {'a': 1}; expected a list of mappings, or None."),
        (Request(QUESTION, tools=["look_up"]), "tools is ['look_up']; expected a list of mappings, or None."),
        (Request(QUESTION, thinking="no"), "thinking is 'no'; expected True or False."),
        (Request(QUESTION, thinking=0), "thinking is 0; expected True or False."),
    ],
)
def test_a_request_of_another_kind_is_told_by_the_name_of_what_is_wrong(engine: Engine, request_: Any, complaint: str) -> None:
    for ask_model in (lambda: engine.answer([request_]), lambda: engine.stream(request_), lambda: engine.first_scores(request_)):
        with pytest.raises(ValueError, match=f"^{re.escape(complaint)}"):
            ask_model()


@pytest.mark.parametrize("requests", ["hi", None, 5, Request(QUESTION), {"messages": QUESTION}])
def test_requests_that_are_no_list_are_refused(engine: Engine, requests: Any) -> None:
    with pytest.raises(ValueError, match=r"^requests is .*; expected a list of Request\(messages, images\).$"):
        engine.answer(requests)


@pytest.mark.parametrize(
    ("name", "values", "expected"),
    [
        ("max_new_tokens", [1.5, 2.0, None, True, "3"], "a whole number."),
        ("batch_size", [1.5, None, True, "x"], "a whole number."),
        ("top_k", [1.5, None, False, "a"], "a whole number."),
        ("seed", ["a", 1.5, True, (1,)], "a whole number, or None."),
        ("temperature", ["0.5", None, True, 1j], "a number."),
        ("top_p", ["1", None, True], "a number."),
    ],
)
def test_a_setting_of_another_kind_is_told_by_its_name(engine: Engine, name: str, values: list, expected: str) -> None:
    for value in values:
        with pytest.raises(ValueError, match=f"^{re.escape(f'{name} is {value!r}; expected {expected}')}$"):
            engine.answer([Request(QUESTION)], **{name: value})


def test_numpys_numbers_are_numbers(id_engine: IdEngine) -> None:
    plain = {"max_new_tokens": 4, "batch_size": 2, "temperature": 0.5, "top_k": 3, "seed": 7}
    given = {name: np.float32(value) if isinstance(value, float) else np.int64(value) for name, value in plain.items()}
    texts = {id_engine.answer([Request(QUESTION)], **settings)[0].text for settings in (plain, given)}
    assert len(texts) == 1


@pytest.mark.parametrize(
    "settings", [{"device": "nonesuch"}, {"device": "hpu"}, {"device": "meta"}, {"device": "cpu:7"}, {"dtype": "int3"}]
)
def test_a_device_or_dtype_that_is_not_there_is_refused_by_name(checkpoint: Path, settings: dict) -> None:
    with pytest.raises(ValueError, match=next(iter(settings.values()))):
        Engine.from_folder(checkpoint, **settings)


@pytest.mark.parametrize("folder", [None, 5, b"checkpoint"])
def test_a_folder_that_is_no_path_is_refused(folder: Any) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(f'folder is {folder!r}; expected the path of a folder.')}$"):
        Engine.from_folder(folder)


def test_on_a_cpu_a_bfloat16_checkpoint_runs_in_float32_unless_asked(tmp_path: Path) -> None:
    folder = save_small_checkpoint(tmp_path, dtype=torch.bfloat16)
    assert Engine.from_folder(folder, device="cpu").model.model.dtype == torch.float32
    engine = Engine.from_folder(folder, device="cpu", dtype="bfloat16")
    assert engine.model.model.dtype == torch.bfloat16
    assert engine.answer(mixed_requests(), max_new_tokens=3)


def test_a_model_that_no_token_ends_is_refused(checkpoint: Path) -> None:
    model, _ = smvl.assemble.load_checkpoint(checkpoint)
    model.generation_config.eos_token_id = None
    with pytest.raises(ValueError, match="eos_token_id"):
        TorchModel(model)


# ---- what is kept over the turns of a conversation -----------------------------------------------------------------------------


class CountingModel:
    """A model that counts the tiles it encodes and the tokens it reads."""

    def __init__(self, model: TorchModel):
        self.facts, self._model = model.facts, model
        self.num_tiles = 0
        self.read_lengths: list[int] = []

    def encode_images(self, tiles: Any, shapes: Any) -> Any:
        self.num_tiles += len(tiles)
        return self._model.encode_images(tiles, shapes)

    def read(self, prompts: Any, features: Any, room: int, positions: Any) -> Any:
        reading = self._model.read(prompts, features, room, positions)
        self.read_lengths += map(len, prompts)
        read_on = reading.read_on
        reading.read_on = lambda length, ids, *rest: (self.read_lengths.append(len(ids)), read_on(length, ids, *rest))
        return reading


def turns(*images: Image.Image) -> list[Request]:
    """A conversation that grows by an answer and a question, and in its third turn by a second image."""
    first = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "图中有什么?"}]}
    second = [{"role": "assistant", "content": "圆形。"}, {"role": "user", "content": "红色?"}]
    third = [
        {"role": "assistant", "content": "第一张。"},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "哪一张?"}]},
    ]
    return [Request([first], images[:1]), Request([first, *second], images[:1]), Request([first, *second, *third], images)]


def test_a_conversation_reads_only_what_is_new_and_answers_the_same(engine: Engine) -> None:
    requests = turns(picture("red"), picture("blue", 20, 60))
    afresh = [id_answer(engine, request) for request in requests]
    units = [engine.processor.pictures.plan(*size).num_units for size in ((48, 64), (60, 20))]
    model = CountingModel(engine.model)
    remembering, memory = IdEngine(model, engine.processor), Memory()
    for request, expected, num_new_tiles in zip(requests, afresh, (units[0], 0, units[1])):
        before = model.num_tiles
        stream = remembering.stream(request, max_new_tokens=12, memory=memory)
        list(stream)
        assert stream.answer.text == expected
        assert model.num_tiles - before == num_new_tiles
        assert model.read_lengths[-1] == stream.answer.num_prompt_tokens - stream.answer.num_known_tokens
    first, second, third = (engine.lay_out(request).input_ids for request in requests)
    closed_thinking = engine.processor.tokenizer.encode("<think>\n\n</think>\n\n")
    assert model.read_lengths[0] == len(first)
    assert model.read_lengths[1] == len(second) - (len(first) - len(closed_thinking)), "the first turn was read again"
    assert model.read_lengths[2] == len(third) - (len(second) - len(closed_thinking))


def id_answer(engine: Engine, request: Request) -> str:
    [answer] = IdEngine(engine.model, engine.processor).answer([request], max_new_tokens=12)
    return answer.text


def test_another_image_in_the_same_place_is_not_taken_for_the_first(engine: Engine) -> None:
    memory = Memory()
    for colour in ("red", "blue", "red"):
        request = ask("图中有什么?", picture(colour))
        stream = IdEngine(engine.model, engine.processor).stream(request, max_new_tokens=12, memory=memory)
        list(stream)
        assert stream.answer.text == id_answer(engine, request)
    assert id_answer(engine, ask("图中有什么?", picture("red"))) != id_answer(engine, ask("图中有什么?", picture("blue")))


def test_an_answer_that_was_broken_off_leaves_a_memory_that_is_right(engine: Engine) -> None:
    memory, requests = Memory(), turns(picture("red"), picture("blue"))
    for _ in engine.stream(requests[0], max_new_tokens=12, memory=memory):
        break
    stream = IdEngine(engine.model, engine.processor).stream(requests[1], max_new_tokens=12, memory=memory)
    list(stream)
    assert stream.answer.text == id_answer(engine, requests[1])
    assert stream.answer.num_known_tokens > 0


def test_a_question_asked_again_reads_its_last_token_alone(engine: Engine) -> None:
    memory, request = Memory(), ask("图中有什么?", picture("red"))
    for num_known in (0, len(engine.lay_out(request).input_ids) - 1):
        stream = IdEngine(engine.model, engine.processor).stream(request, max_new_tokens=12, memory=memory)
        list(stream)
        assert (stream.answer.text, stream.answer.num_known_tokens) == (id_answer(engine, request), num_known)
