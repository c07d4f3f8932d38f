"""SmVL-nano: pages with known places, the tokenizer that is cut out of Qwen3's, the donors that come of them."""

import dataclasses
import itertools
import json
import random
import subprocess
import tarfile
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoTokenizer, SmolVLMForConditionalGeneration
from transformers.models.smolvlm.modeling_smolvlm import SmolVLMVisionTransformer

import smvl
from nano import __main__ as way
from nano import by_clock, fit_connector, parts, pretrain_text, pretrain_vision, score
from nano.alphabet import alphabet
from nano.domain import domain
from nano.geometry import PATCH, SIDE, SLOTS, TILE, TOKENS
from nano.lines import characters_of, scene_lines
from nano.make_tokenizer import FOLDER, derivation
from nano.pages import BARE, UNKNOWN, LabelledPage, Pages, ScenePages, draw_number, name_patches, place_characters
from nano.telling import NAMES, NOTHING, draw_strip, merge, tell
from nano.views import draw_photograph, map_points
from smvl.config import SceneSourceConfig, load_config
from smvl.processing.laid_out import IGNORED_LABEL
from smvl.scenes.fonts import common_characters, pip_fonts
from smvl.scenes.glyphs import Mark
from smvl.scenes.scene import Drawing
from smvl.scenes.source import SceneRows
from tests.qwen3 import qwen3_tokenizer

PLAIN = SceneSourceConfig(kinds={"receipt": 1, "price_tag": 1}, pairs=0.0, plain_fonts=True, rows=1000)


def pages(characters: str = "永国鑫", lines: tuple[str, ...] = (), tile: int = 128) -> Pages:
    return Pages(characters, lines, pip_fonts().faces, tile=tile)


# ---- pages -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_a_page_depends_on_its_seed_and_level_alone(level):
    first, again = pages().draw("a", level), pages().draw("a", level)
    assert all(np.array_equal(getattr(first, name), getattr(again, name)) for name in ("pixels", "centres", "labels", "sizes"))
    assert not np.array_equal(first.pixels, pages().draw("b", level).pixels)


def test_a_page_of_level_0_is_black_on_white_in_the_plainest_face():
    drawn = [pages().draw(str(seed), 0.0).pixels for seed in range(20)]
    assert all((page[..., 0] == page[..., 1]).all() and page.max() == 255 and page.min() == 0 for page in drawn)


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_ink_stands_where_a_character_is_said_to_be(level):
    for seed in range(20):
        page = pages("鑫国圆").draw(str(seed), level)
        for (x, y), label, size in zip(page.centres, page.labels, page.sizes):
            reach = max(4, size // 3)
            if label > UNKNOWN and min(x, y, 128 - x, 128 - y) > reach:
                around = page.pixels[int(y) - reach : int(y) + reach + 1, int(x) - reach : int(x) + reach + 1].reshape(-1, 3)
                assert np.ptp(around.astype(int), axis=0).max() > 20


def test_labels_are_the_characters_of_the_alphabet_and_others_are_unknown():
    drawn = [pages("永", lines=("国",)).draw(str(seed), 0.0) for seed in range(10)]
    assert set(np.concatenate([page.labels for page in drawn])) == {UNKNOWN, 2}


def test_patches_are_named_from_left_to_right_and_one_that_is_too_full_counts_nothing():
    centres = np.array([(20.0, 5.0), (17.0, 6.0), (40.0, 8.0), (35.0, 3.0), (45.0, 3.0), (42.0, 3.0), (-1.0, 5.0), (5.0, 200.0)])
    page = LabelledPage(np.zeros((48, 48, 3), np.uint8), centres, np.arange(2, 10), np.full(8, 12))
    names = name_patches(page, 16)
    assert names[:, 0].T.tolist() == [[BARE] * 3, [3, 2, BARE], [IGNORED_LABEL] * 3]
    cells, slots = place_characters(page, 16)
    assert cells.tolist() == [1, 1, 2, 2, 2, 2, -1, -1] and slots.tolist() == [1, 0, 1, 0, 3, 2, -1, -1]
    assert (names[:, 1:] == BARE).all()


def test_numbers_are_of_every_sort():
    generator = random.Random(0)
    drawn = [draw_number(generator) for _ in range(400)]
    assert any(text.startswith("¥") for text in drawn) and any(":" in text for text in drawn) and any("年" in text for text in drawn)
    assert all(set(text) <= set("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-./:¥￥元斤盒年月日x×*") for text in drawn)


def test_drawn_scenes_are_pages_too():
    scenes = ScenePages(alphabet(), PLAIN, "train", tile=256)
    page = scenes.draw("a", 1.0)
    assert page.pixels.shape == (256, 256, 3) and len(page.labels) > 20 and (page.labels > UNKNOWN).mean() > 0.95
    inside = ((page.centres > 10) & (page.centres < 246)).all(1)
    assert inside.mean() > 0.9


def test_a_photograph_keeps_a_document_in_its_tile():
    for seed in range(200):
        view = draw_photograph((300, 500), 640, random.Random(seed))
        corners = map_points(view, [(0, 0), (300, 0), (300, 500), (0, 500), (150, 250)])
        assert (corners[4] > 150).all() and (corners[4] < 490).all() and (corners > -80).all() and (corners < 720).all()
    assert np.allclose(map_points(draw_photograph((300, 500), 640, random.Random(0), 0.0), [(300, 250)]), [(640, 320)])


def test_lines_hold_what_stands_on_scenes_and_only_of_the_training_split():
    lines = scene_lines(("receipt",), 20)
    assert lines == scene_lines(("receipt",), 20) and any("¥" in line for line in lines) and len(lines) > 200
    characters = characters_of(lines)
    assert len(set(characters)) == len(characters) and set("".join(lines)) - set(" 　\n") <= set(characters)


# ---- the tokenizer ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut():
    return AutoTokenizer.from_pretrained(FOLDER)


def test_every_character_that_is_one_token_of_qwen3_is_one_here(cut):
    whole = qwen3_tokenizer()
    single = [character for character in alphabet() if len(whole.encode(character, add_special_tokens=False)) == 1]
    assert len(common_characters()) == 3755 and len(single) > 3700
    assert [len(cut.encode(character, add_special_tokens=False)) for character in single] == [1] * len(single)


def test_what_is_kept_is_cut_as_qwen3_cuts_it(cut):
    whole = qwen3_tokenizer()
    texts = ('{"name": "update_price", "arguments": {"product": ', "2023-06-14 13:47", "¥287.80", "<|im_start|>user\n", "| --- |")
    for text in texts:
        assert cut.tokenize(text) == whole.tokenize(text)


def test_text_comes_back_and_no_token_holds_two_chinese_characters(cut):
    text = "总价是多少？共计壹佰元。emoji 🀄 and Ünïcödé\n\n喱岚怡攸"
    assert cut.decode(cut.encode(text)) == text
    decoded = [cut.decode([place]) for place in range(len(cut))]
    assert not [token for token in decoded if sum("\u4e00" <= character <= "\u9fff" for character in token) > 1]


def test_added_tokens_follow_the_others_and_each_is_one(cut):
    added = [token for token in qwen3_tokenizer().get_added_vocab()]
    ids = cut.convert_tokens_to_ids(added)
    assert sorted(ids) == list(range(len(cut) - len(added), len(cut)))
    assert all(cut.encode(token) == [place] for token, place in zip(added, ids))


def test_a_token_that_no_merges_make_is_told_by_its_pieces():
    ranks = {("a", "b"): 0, ("ab", "c"): 1}
    assert derivation("abc", ranks) == ([("a", "b"), ("ab", "c")], ["abc"])
    assert derivation("abd", ranks) == ([("a", "b")], ["ab", "d"])


# ---- the tower -------------------------------------------------------------------------------------------------------------------


def vision_settings(out: Path, **changes) -> pretrain_vision.Settings:
    settings = pretrain_vision.Settings(
        out=out, minutes=0.02, kinds=("receipt",), fonts=None, start=None, batch=1, workers=0, seed=1, device="cpu", report=60.0
    )
    return dataclasses.replace(settings, **changes)


@pytest.fixture
def small_tower(monkeypatch):
    monkeypatch.setattr(pretrain_vision, "SHAPE", dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1))
    torch.manual_seed(0)
    return pretrain_vision.Tower(5)


def test_a_whole_tile_is_seen_as_the_stock_tower_sees_it(small_tower):
    pixels = torch.randint(0, 256, (2, TILE, TILE, 3), dtype=torch.uint8)
    with torch.no_grad():
        own = small_tower(pixels, torch.zeros(2, 2, dtype=torch.int64))
        stock = small_tower.tower(pixel_values=pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).last_hidden_state
    assert torch.allclose(own, stock, atol=1e-5)


def test_a_piece_stands_where_it_is_put(small_tower):
    """Alone in a tower without layers, a piece's patches are those of the tile that it was cut from."""
    small_tower.tower.encoder.layers = torch.nn.ModuleList()
    tile = torch.randint(0, 256, (1, TILE, TILE, 3), dtype=torch.uint8)
    row, column = 7, 12
    piece = tile[:, row * PATCH : (row + 4) * PATCH, column * PATCH : (column + 4) * PATCH]
    with torch.no_grad():
        whole = small_tower(tile, torch.zeros(1, 2, dtype=torch.int64)).reshape(SIDE, SIDE, -1)[row : row + 4, column : column + 4]
        alone = small_tower(piece, torch.tensor([[row, column]])).reshape(4, 4, -1)
    assert torch.allclose(alone, whole, atol=1e-5)


def test_neighbours_begin_with_alike_positions():
    positions = pretrain_vision.sine_positions(8, 64).reshape(8, 8, 64)
    near, far = (positions[2, 2] - positions[2, 3]).norm(), (positions[2, 2] - positions[7, 7]).norm()
    assert near < 0.6 * far


def test_patches_that_show_something_and_half_as_many_bare_ones_count(small_tower):
    features = torch.randn(1, 256, 32)
    names = torch.zeros(1, SLOTS, 16, 16, dtype=torch.int64)
    names[0, 0, 3, 4], names[0, :, 5, 5] = 2, IGNORED_LABEL
    loss = pretrain_vision.naming_loss(small_tower, features, names)
    assert torch.isfinite(loss) and loss > 1


def test_a_tower_that_was_pretrained_is_a_donor(tmp_path, monkeypatch, small_tower):
    settings = vision_settings(tmp_path / "vision")
    settings.out.mkdir()
    page = pages("永国", tile=TILE)
    monkeypatch.setattr(pretrain_vision, "measure", lambda *_, **__: {"all": 0.5})
    batches = pretrain_vision.PageBatches("永国鑫", ("永",), pip_fonts().faces, settings)
    pretrain_vision.write_settings(settings.out)
    pretrain_vision.train(small_tower, batches, {"seen fonts": page}, settings)
    curve = [json.loads(line) for line in (settings.out / pretrain_vision.CURVE).read_text().splitlines()]
    assert curve[-1]["seen"] > 0 and curve[-1]["seen fonts"] == {"all": 0.5}
    again = pretrain_vision.Tower(5)
    pretrain_vision.load(again, settings.out)
    assert all(torch.equal(value.bfloat16(), again.state_dict()[name].bfloat16()) for name, value in small_tower.state_dict().items())


def test_characters_are_measured_by_what_was_named(small_tower, tmp_path):
    """A reader that always names the second character is right about all of these and no others."""
    small_tower.reader.weight.data.zero_()
    small_tower.reader.bias.data.view(SLOTS, 5)[:, 3] = 9.0
    settings = vision_settings(tmp_path)
    both = pages("永国鑫", lines=(), tile=TILE)
    found = pretrain_vision.measure(small_tower, both, settings, level=0.0, num=2, name="x")
    drawn = [both.draw(f"1 x {place}", 0.0) for place in range(2)]
    labels = np.concatenate([page.labels[((page.centres >= 0) & (page.centres < TILE)).all(1)] for page in drawn])
    assert found["hanzi"] == pytest.approx((labels[labels > UNKNOWN] == 3).mean(), abs=0.02)


# ---- the text half ---------------------------------------------------------------------------------------------------------------


def drawing_of(marks: list[Mark]) -> Drawing:
    return Drawing(Image.new("RGB", (TILE, TILE)), {}, (), tuple(marks))


def test_a_page_is_told_by_the_places_of_its_characters(monkeypatch):
    monkeypatch.setattr("nano.telling.draw_photograph", lambda size, tile, generator: np.eye(3))
    monkeypatch.setattr("nano.telling.ERRORS", 0.0)
    places = {"b": (9.0, 3.0), "a": (2.0, 3.0), "c": (20.0, 20.0), "d": (33.0, 3.0), "?": (500.0, 500.0), "far": (900.0, 3.0)}
    marks = [Mark(character, x, y, 12) for character, (x, y) in places.items()]
    told = tell(drawing_of(marks), {"a": 10, "b": 11, "c": 12, "d": 13}, random.Random(0))
    assert told.shape == (TOKENS, NAMES)
    assert told[0].tolist() == [10, 11, NOTHING] + [NOTHING] * 6 + [12, NOTHING, NOTHING]
    assert told[1].tolist() == [13] + [NOTHING] * 11 and (told[2:] == NOTHING).all()


def test_tokens_take_patches_together_as_pixel_shuffle_does():
    """What the connector finds at a token is what was told there: same patches, same order."""
    from transformers import SmolVLMConfig
    from transformers.models.smolvlm.modeling_smolvlm import SmolVLMConnector

    numbers = np.arange(SIDE * SIDE * 2).reshape(SIDE, SIDE, 2)
    text = {"model_type": "llama", "hidden_size": 8, "num_attention_heads": 2, "num_key_value_heads": 2}
    vision = {"hidden_size": 2, "num_attention_heads": 1}
    config = SmolVLMConfig(scale_factor=2, vision_config=vision, text_config=text)
    shuffled = SmolVLMConnector(config).pixel_shuffle(torch.from_numpy(numbers.reshape(1, SIDE * SIDE, 2)).float(), 2)
    assert merge(numbers).tolist() == shuffled[0].int().tolist()


@pytest.mark.parametrize("level", [0.0, 0.5, 1.0])
def test_a_strip_is_told_line_by_line(level):
    for seed in range(300):
        strip = draw_strip({"永": 7, "国": 8, "1": 9}, ("永国",), random.Random(seed), level)
        told = strip.names[strip.names != NOTHING]
        assert strip.names.shape[1] == NAMES and len(strip.names) % (SIDE // 2) == 0 and strip.lines and all(strip.lines)
        written = sorted({"永": 7, "国": 8, "1": 9}[character] for line in strip.lines for character in line if character in "永国1")
        assert sorted(told.tolist()) == written


def test_strips_are_low_at_level_0_and_up_to_half_a_page_at_1():
    heights = [
        {len(draw_strip({"1": 9}, ("11",), random.Random(seed), level).names) * 2 // SIDE for seed in range(300)} for level in (0.0, 1.0)
    ]
    assert heights == [{2}, set(range(2, 9))]


@pytest.fixture(scope="module")
def told_pages(tmp_path_factory):
    return pretrain_text.ToldPages(text_settings(tmp_path_factory.mktemp("text")), "validation")


def test_a_scene_is_told_with_its_questions_and_only_answers_count_fully(told_pages):
    told = next(told for told in map(told_pages.scene, range(20)) if len(told.names))
    text = told_pages.tokenizer.decode(told.ids)
    assert text.count("<|image_pad|>") == len(told.names) == TOKENS and text.count("<think>") == 1
    learned = told_pages.tokenizer.decode([token for token, weight in zip(told.ids, told.weights) if weight == 1.0])
    answers = [part.split("<|im_end|>")[0].removeprefix("<think>\n\n</think>\n\n") for part in text.split("<|im_start|>assistant\n")[1:]]
    assert learned == "".join(f"{answer}<|im_end|>" for answer in answers)


def test_batches_hold_as_many_tokens_as_they_may_and_what_is_told_fits_its_places(told_pages):
    place = told_pages.tokenizer.convert_tokens_to_ids(pretrain_text.PLACE)
    kinds = set()
    for level in (0.0, 1.0):
        told_pages.level.fill_(level)
        for batch in itertools.islice(told_pages, 6):
            kinds.add((level, bool(batch["strips"])))
            assert batch["ids"].numel() <= told_pages.settings.batch and batch["ids"].shape == batch["weights"].shape
            assert (batch["ids"] == place).sum() == len(batch["names"])
    assert kinds >= {(0.0, True), (1.0, False)} and (0.0, False) not in kinds


def test_what_is_told_stands_in_its_places_and_nowhere_else(told_pages):
    torch.manual_seed(0)
    model, teller = torch.nn.Module(), pretrain_text.Teller(16)
    model.model = torch.nn.Module()
    model.model.embed_tokens = torch.nn.Embedding(len(told_pages.tokenizer), 16)
    batch = pretrain_text.collate([told_pages.strip(0), told_pages.strip(1)], 0)
    place = told_pages.tokenizer.convert_tokens_to_ids(pretrain_text.PLACE)
    embedded, plain = pretrain_text.embed(model, teller, batch, place, 0.0), model.model.embed_tokens(batch["ids"])
    where = batch["ids"] == place
    assert torch.equal(embedded[~where], plain[~where])
    assert torch.allclose(embedded[where], teller(model.model.embed_tokens, batch["names"]))


def text_settings(out: Path) -> pretrain_text.Settings:
    return pretrain_text.Settings(
        out=out, minutes=0.02, kinds=("price_tag",), 
        batch=1500, workers=0, seed=1, device="cpu", report=60.0, start=None,
    )  # fmt: skip


def test_a_told_place_gives_its_characters_and_a_bare_one_nothing():
    torch.manual_seed(0)
    teller, table = pretrain_text.Teller(16), torch.nn.Embedding(6, 16)
    names = torch.full((2, NAMES), NOTHING)
    names[0, 3] = 4
    told = teller(table, names)
    assert torch.allclose(told[0], table.weight[4] @ teller.turns[3], atol=1e-5) and (told[1] == 0).all()


@pytest.mark.parametrize(("threshold", "rises"), [(100.0, True), (0.0, False)])
def test_strips_grow_harder_as_soon_as_they_are_read(tmp_path, monkeypatch, threshold, rises):
    layers = dict(num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
    monkeypatch.setattr(pretrain_text, "SHAPE", dict(hidden_size=32, intermediate_size=32, **layers))
    monkeypatch.setattr(pretrain_text, "READ_LOSS", threshold)
    monkeypatch.setattr(pretrain_text, "report", lambda model, teller, entry, *_, **__: entries.append(entry))
    entries: list[dict] = []
    donor = pretrain_text.build_model(AutoTokenizer.from_pretrained(FOLDER))
    pretrain_text.train(donor, pretrain_text.Teller(32), text_settings(tmp_path), 0.0)
    assert (entries[-1]["level"] > 0) is rises and entries[-1]["step"] > 3


def test_two_donors_of_nano_are_spliced_and_answer(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_vision, "SHAPE", dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1))
    layers = dict(num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
    monkeypatch.setattr(pretrain_text, "SHAPE", dict(hidden_size=32, intermediate_size=32, **layers))
    vision, text = tmp_path / "vision", tmp_path / "text"
    vision.mkdir()
    tower = pretrain_vision.Tower(5)
    pretrain_vision.write_settings(vision)
    pretrain_vision.save(tower, vision)
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    donor = pretrain_text.build_model(tokenizer)
    pretrain_text.save(donor, pretrain_text.Teller(32), text)
    model, processor = smvl.splice(vision=vision, text=text, longest_edge=TILE)
    assert isinstance(model.model.vision_model, SmolVLMVisionTransformer)
    prompt = processor.apply_chat_template(
        [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "总价是多少?"}]}], add_generation_prompt=True
    )
    batch = processor(text=prompt, images=[Image.new("RGB", (300, 500))], return_tensors="pt")
    assert (batch["input_ids"] == model.config.image_token_id).sum() == TOKENS and batch["pixel_values"].shape[-2:] == (TILE, TILE)
    assert model(**batch).logits.shape[-1] >= len(tokenizer)


def test_both_halves_go_on_from_a_model_and_from_its_parts(tmp_path, monkeypatch):
    """What is taken up from a spliced model is what was spliced, to the bit of bfloat16; as well before there is a connector."""
    monkeypatch.setattr(pretrain_vision, "SHAPE", dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1))
    layers = dict(num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
    monkeypatch.setattr(pretrain_text, "SHAPE", dict(hidden_size=32, intermediate_size=32, **layers))
    monkeypatch.setattr(parts, "MAX_PART", 350_000)
    run = tmp_path / "run"
    (run / "vision").mkdir(parents=True)
    tower, tokenizer = pretrain_vision.Tower(5), AutoTokenizer.from_pretrained(FOLDER)
    donor, teller = pretrain_text.build_model(tokenizer), pretrain_text.Teller(32)
    pretrain_vision.write_settings(run / "vision")
    pretrain_vision.save(tower, run / "vision")
    pretrain_text.save(donor, teller, run / "text")
    for name in ("vision/curve.jsonl", "vision/characters.txt", "text/curve.jsonl"):
        (run / name).write_text("一\n", encoding="utf-8")

    def taken_up(folder: Path) -> tuple[bool, bool]:
        other, other_donor = pretrain_vision.Tower(5), pretrain_text.build_model(tokenizer)
        pretrain_vision.load(other, folder)
        told = pretrain_text.load(other_donor, pretrain_text.Teller(32), folder)
        for own, found in ((tower.tower, other.tower), (donor, other_donor)):
            for name, value in own.state_dict().items():
                rows = len(tokenizer) if "embed_tokens" in name or "lm_head" in name else None  # a splice fills spare rows with markers
                assert torch.equal(value[:rows].bfloat16(), found.state_dict()[name][:rows].bfloat16()), name
        return told, torch.equal(tower.reader.weight.bfloat16(), other.reader.weight.bfloat16())

    parts.write_parts(run, tmp_path / "parts")
    files = sorted(path.name for path in (tmp_path / "parts").iterdir())
    assert len(files) <= 8 and sum(name.endswith(".safetensors") for name in files) > 1
    assert all(path.stat().st_size < 360_000 for path in (tmp_path / "parts").glob("*.safetensors"))
    assert taken_up(tmp_path / "parts") == (False, False)
    with tarfile.open(tmp_path / "parts" / parts.REST) as archive:
        archive.extractall(tmp_path / "parts", filter="data")
    assert taken_up(tmp_path / "parts") == (True, True)

    model, processor = smvl.splice(vision=run / "vision", text=run / "text", longest_edge=TILE)
    model.save_pretrained(run / "model")
    processor.save_pretrained(run / "model")
    parts.write_parts(run, tmp_path / "parts")
    with tarfile.open(tmp_path / "parts" / parts.REST) as archive:
        archive.extractall(tmp_path / "parts", filter="data")
    assert taken_up(run / "model") == (False, False) and taken_up(tmp_path / "parts") == (True, True)
    whole, again = (SmolVLMForConditionalGeneration.from_pretrained(folder).state_dict() for folder in (run / "model", tmp_path / "parts"))
    assert all(torch.equal(value.bfloat16(), again[name].bfloat16()) for name, value in whole.items())


def test_the_recipe_loads_and_draws_what_the_donors_were_shown():
    config = load_config(Path(__file__).parent.parent / "configs/nano.yaml")
    scenes = [stage.mixture[0].scenes for stage in config.stages] + [config.evaluation.heldout.scenes]
    assert all(SceneRows(each, "train", "nano").draw(0).conversation.turns for each in scenes)
    assert config.data.image.tile == config.data.image.longest_edge == TILE and config.evaluation.heldout.split != "train"


def test_training_by_the_clock_ends_in_its_time_with_its_rates_at_zero():
    weight = torch.nn.Parameter(torch.ones(4, 4))
    optimizers, entries, rates = by_clock.muon_and_adam([weight], [weight, torch.nn.Parameter(torch.ones(4))], rate=0.1), [], []

    def loss_of_step(spent: float) -> torch.Tensor:
        rates.append((spent, optimizers[0].param_groups[0]["lr"]))
        return weight.square().sum()

    options = dict(minutes=0.01, between_reports=0.2, cooldown=0.5, max_norm=1.0)
    by_clock.train_by_clock(optimizers, loss_of_step, lambda entry, last: entries.append((entry["step"], last)), **options)
    assert entries[-1] == (len(rates), True) and len(entries) > 1 and not any(last for _, last in entries[:-1])
    assert all(rate <= 0.1 * (1 - spent) / 0.5 + 0.01 for spent, rate in rates) and rates[-1][1] < 0.01


def test_a_connector_is_fitted_to_what_the_teller_says(tmp_path, monkeypatch):
    """A tower whose features are one-hot names has a connector that says exactly what was told: the teller's own matrices."""
    monkeypatch.setattr(pretrain_vision, "SHAPE", dict(hidden_size=32, intermediate_size=32, num_hidden_layers=1, num_attention_heads=1))
    layers = dict(num_hidden_layers=1, num_attention_heads=2, num_key_value_heads=1, head_dim=16)
    monkeypatch.setattr(pretrain_text, "SHAPE", dict(hidden_size=32, intermediate_size=32, **layers))
    monkeypatch.setattr(fit_connector, "RIDGE", 1e-9)
    vision, text = tmp_path / "vision", tmp_path / "text"
    vision.mkdir()
    (vision / pretrain_vision.CHARACTERS).write_text("0123456789", encoding="utf-8")
    pretrain_vision.save(pretrain_vision.Tower(12), vision)
    donor, teller = pretrain_text.build_model(AutoTokenizer.from_pretrained(FOLDER)), pretrain_text.Teller(32)
    pretrain_text.save(donor, teller, text)
    places = fit_connector.Places(vision, text, ("price_tag",), device="cpu", workers=0)
    drawn = []

    def see(pixels: torch.Tensor, corners: torch.Tensor) -> torch.Tensor:
        names = torch.from_numpy(name_patches(drawn[-1], PATCH)).clamp(min=0).flatten(1)
        return torch.nn.functional.one_hot(names, 12).permute(1, 0, 2).flatten(1)[None].float()  # (1, patches, SLOTS * labels)

    places.tower = see
    for pages in places.pages.values():
        own = pages.draw
        monkeypatch.setattr(pages, "draw", lambda seed, level, own=own: drawn.append(own(seed, level)) or drawn[-1])
    weight = fit_connector.fit(places, 30)
    assert weight.shape == (32, 4 * SLOTS * 12) and fit_connector.explained(places, weight, 3) > 0.95  # rare ones were not seen
    for patch, slot, character in ((0, 0, 1), (2, 1, 5), (3, 0, 9)):
        names = torch.full((1, NAMES), NOTHING)
        names[0, SLOTS * patch + slot] = int(places.ids[character + 2])
        first = (SLOTS * patch + slot) * 12
        expected = places.teller(places.embeddings, names)[0].detach().double().numpy()
        assert weight[:, first + character + 2] - weight[:, first] == pytest.approx(expected, abs=0.02 * np.abs(expected).max())


# ---- the whole way ---------------------------------------------------------------------------------------------------------------


def way_settings(out: Path, **changes) -> way.Settings:
    own = dict(minutes=10.0, kinds=(), fonts=None, start=None, parts=None, device="cpu", seed=1)
    return way.Settings(out=out, **own | changes)


def test_steps_are_as_many_as_fit_into_the_time_that_is_left(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(way, "try_steps", lambda settings: way.Trial([0.5, 1.5], 100.0))
    monkeypatch.setattr(way.subprocess, "run", lambda command, cwd: commands.append(command) or SimpleNamespace(returncode=0))
    way.finetune(way_settings(tmp_path), time.monotonic() + 1100 + way.ENDING)
    align, finetuned = (stage.trainer["max_steps"] for stage in load_config(commands[0][2], commands[0][3:]).stages)
    assert align == pytest.approx(1000 * 0.85 * 0.08 / 0.5, abs=2) and finetuned == pytest.approx(1000 * 0.85 * 0.92 / 1.5, abs=2)


def test_a_step_takes_what_both_halves_take_in_the_mean():
    """The first step of each half is slow and does not count; entries of evaluations have no seconds."""
    slow, fast, later = [8.0, 1.0], [0.0, 1.0], [1.0, 1.0]
    steps = [slow, fast, fast, fast, slow, later, later, later]
    history = [{"step": number, "seconds/vision": spent[0], "seconds/text": spent[1]} for number, spent in enumerate(steps, 1)]
    assert way.seconds_of_step([*history, {"step": 8, "eval_loss": 3.0}], 8) == pytest.approx(1.5)
    assert way.seconds_of_step(history[:1], 8) == pytest.approx(9.0)


class QuickTrial:
    """A training that logs its steps and ends when it was looked at three times."""

    looks, returncode = 0, 0

    def __init__(self, command: list[str], cwd: Path):
        (folder,) = (Path(part.removeprefix("output_dir=")) for part in command if part.startswith("output_dir="))
        for stage, seconds in (("align", 0.01), ("finetune", 0.02)):
            history = [{"step": step, "seconds/text": seconds} for step in range(1, 7)]
            (folder / stage / "checkpoint-6").mkdir(parents=True)
            (folder / stage / "checkpoint-6/trainer_state.json").write_text(json.dumps({"log_history": history}))

    def poll(self) -> int | None:
        self.looks += 1
        return 0 if self.looks > 3 else None


def test_a_trial_says_what_steps_take_and_what_starting_takes(tmp_path, monkeypatch):
    monkeypatch.setattr(way.subprocess, "Popen", QuickTrial)
    monkeypatch.setattr(way.time, "monotonic", iter([100.0, 107.3]).__next__)
    trial = way.try_steps(way_settings(tmp_path))
    assert trial.seconds == pytest.approx([0.01, 0.02])
    assert trial.starting == pytest.approx(7.3 - way.TRIAL_STEPS // 2 * 0.01 - way.TRIAL_STEPS * 0.02) and not (tmp_path / "trial").exists()


@pytest.mark.parametrize("kinds", [(), ("price_tag",)])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_what_a_run_asks_of_the_recipe_is_what_the_recipe_knows(tmp_path, kinds, device):
    settings = way_settings(tmp_path, kinds=kinds, device=device)
    command = way.train_command(settings, tmp_path / "model", [7, 9], ["stages.0.trainer.eval_steps=2"])
    config = load_config(command[2], command[3:])
    assert [stage.trainer["max_steps"] for stage in config.stages] == [7, 9] and config.output_dir == str(tmp_path / "model")
    scenes = [stage.mixture[0].scenes for stage in config.stages] + [config.evaluation.heldout.scenes]
    assert all(set(each.kinds) == set(kinds or domain().kinds) for each in scenes)
    command = way.train_command(settings, tmp_path / "trial", [2, 4], way.IN_TRIAL)
    trial = load_config(command[2], command[3:])
    assert trial.evaluation.heldout is None and all(stage.trainer["logging_steps"] == 1 for stage in trial.stages)


def test_a_half_that_fails_ends_the_other(tmp_path):
    (tmp_path / "start").mkdir()
    with pytest.raises(RuntimeError, match="^nano.pretrain_text did not end well"):  # the tower was still drawing when the other failed
        way.pretrain(way_settings(tmp_path, start=tmp_path / "start"))


def test_a_folder_that_holds_a_model_is_refused_before_anything_is_trained(tmp_path, monkeypatch, caplog):
    (tmp_path / "model").mkdir()
    monkeypatch.setattr("sys.argv", ["nano", str(tmp_path), "--minutes", "9", "--kinds", "receipt,dial"])
    monkeypatch.setattr(way, "pretrain", lambda settings: pytest.fail("nothing may be trained"))
    assert way.main() == 1 and "holds a model already" in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("OUT", "soon"), "found soon"),
        (("OUT", "1"), "2 at least"),
        (("OUT", "5", "--start", "nowhere"), "no folder nowhere"),
        (("OUT",), "MINUTES"),
    ],
)
def test_the_script_for_a_card_says_what_it_expects(tmp_path, arguments, message):
    script = Path(__file__).parent.parent / "benchmarks/gpu/nano.sh"
    own = [str(tmp_path / "out") if argument == "OUT" else argument for argument in arguments]
    done = subprocess.run(["bash", script, *own], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2 and message in done.stderr


# ---- scores ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "expected", "edits"), [("", "", 0), ("总价", "", 2), ("12.50", "12.80", 1), ("abcd", "xabd", 2), ("", "ab", 2)]
)
def test_edit_distance(found, expected, edits):
    assert score.edit_distance(found, expected) == score.edit_distance(expected, found) == edits


def test_an_interval_is_wilsons():
    assert score.interval(90, 100) == pytest.approx((0.8256, 0.9448), abs=1e-4)
    assert score.interval(0, 0) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("lines", "answer", "held"),
    [
        (["合计 ¥1,234.50"], "1234.50元", True),
        (["合 计", "￥12.50"], "12.80元", False),
        (["宏捷茶饮", "日期:2028年7月16日"], "2028年7月16日", True),
        (["甲", "丙"], "甲\n乙", False),
        ([], "甲", False),
    ],
)
def test_an_answer_stands_in_what_an_ocr_read(lines, answer, held):
    assert score.holds(lines, answer) is held


def test_scores_are_tabled_by_kind_beside_an_ocr(tmp_path):
    score.draw(tmp_path, dataclasses.replace(PLAIN, kinds={"price_tag": 1}, questions=["field", "read"], turns=[1]), 12)
    questions = score.read_lines(tmp_path / score.QUESTIONS)
    assert len(questions) == 12 and all((tmp_path / entry["image"]).exists() and entry["answer"] for entry in questions)
    answers = [
        {"id": entry["id"], "images": images, "answer": entry["answer"] if right else "", "correct": right}
        for images, right in ((score.RIGHT, True), (score.SWAPPED, False))
        for entry in questions
    ]
    score.write_lines(tmp_path / score.ANSWERS, answers)
    score.write_lines(tmp_path / "rapidocr.jsonl", [{"id": entry["id"], "lines": []} for entry in questions])
    lines = score.table(tmp_path).splitlines()
    assert lines[0].endswith("stands in rapidocr's text |") and lines[-1].startswith(
        "| all | 12 | 1.000 (0.757 to 1.000) | 0.000 | 0.000 | 0.000 |"
    )


def test_the_questions_are_of_the_split_that_nothing_is_trained_on(tmp_path):
    score.draw(tmp_path, PLAIN, 3)
    assert all(entry["id"].startswith("test-") for entry in score.read_lines(tmp_path / score.QUESTIONS))
    sample = score.sample_of(tmp_path, score.read_lines(tmp_path / score.QUESTIONS)[0])
    assert sample.answer and sample.images[0].endswith((".jpg", ".png"))
