"""smvl/data/rules: every way to break a row that there is goes into quarantine under its rule, with its reason; the good rows arrive."""

import ast
import copy
import itertools
import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

import smvl
from smvl.config import SourceConfig
from smvl.data.quarantine import Quarantine
from smvl.data.rules import RULES
from smvl.data.sample import Sample, SampleError
from smvl.packing.collator import FAILURES, PackCollator
from smvl.packing.encode import Encoder
from smvl.packing.mixture import Mixture
from smvl.packing.packs import PackedDataset, PackSampler
from smvl.source_registry import open_source
from tests.broken_rows import ASSISTANT, USER, broken_rows, picture
from tests.donors import save_text_donor, save_vision_donor
from tests.rows import IMAGE_LAYOUTS, TEXT_ROWS, TOOL_ROWS, image_forms
from tests.tiny_data import text_row

PACKAGE = Path(smvl.__file__).parent


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return Encoder(smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"))[1], max_length=256)


def train_on(source, encoder: Encoder, quarantine: Quarantine) -> list[str]:
    """Read a source through an epoch as training does; the ids of the samples that arrive."""
    mixture = Mixture([source], [1], seed=0)
    sampler = PackSampler(mixture, encoder, max_length=256, packing=True, seed=0, quarantine=quarantine)
    dataset, collate = PackedDataset(mixture, encoder), PackCollator(0)
    entries = [dataset[pack] for pack in sampler.first_epoch()]
    for failure in itertools.chain.from_iterable(collate([pack]).get(FAILURES, ()) for pack in entries):
        quarantine.add(failure)
    return [entry.id for pack in entries for entry in pack if not hasattr(entry, "rule")]


def test_each_broken_row_is_in_quarantine_and_the_good_ones_between_them_arrive(tmp_path, encoder):
    broken = broken_rows(tmp_path / "data")
    lines = []
    for number, entry in enumerate(broken):
        lines += [entry.row if isinstance(entry.row, str) else json.dumps(entry.row), json.dumps(text_row(number))]
    lines += [
        json.dumps({**picture("good.png"), "id": "with an image"}),
        json.dumps({**picture(str(tmp_path / "data/good.png")), "id": "absolute"}),
    ]
    (tmp_path / "data/rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    quarantine = Quarantine(tmp_path / "quarantine.jsonl", max_share=1.0)
    arrived = train_on(open_source(SourceConfig(path=str(tmp_path / "data"))), encoder, quarantine)

    assert sorted(arrived) == sorted(["with an image", "absolute", *(f"text-{number}" for number in range(len(broken)))])
    found = {int(entry["id"]): entry for entry in map(json.loads, (tmp_path / "quarantine.jsonl").read_text(encoding="utf-8").splitlines())}
    assert sorted(found) == list(range(0, 2 * len(broken), 2)) and len(broken) >= 40
    for number, expected in enumerate(broken):
        entry = found[2 * number]
        assert (entry["source"], entry["rule"]) == (f"{tmp_path.name}/data", expected.rule), entry
        assert re.search(expected.reason, entry["reason"]), (expected, entry)
    assert quarantine.table()[f"{tmp_path.name}/data"]["seen"] == len(lines)


def test_an_image_in_a_source_of_pure_text_goes_into_quarantine(tmp_path, encoder):
    broken_rows(tmp_path / "data")
    rows = [text_row(0), picture("good.png"), {"question": "?", "answer": "!", "image": "good.png"}, text_row(3)]
    (tmp_path / "data/rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    quarantine = Quarantine(None, max_share=1.0)
    assert train_on(open_source(SourceConfig(path=str(tmp_path / "data"), text=True)), encoder, quarantine) in (
        ["text-0", "text-3"],
        ["text-3", "text-0"],
    )
    assert quarantine.rules == {"image in text": 2}


def test_a_row_that_asks_nothing_of_the_model_is_refused(encoder, monkeypatch):
    monkeypatch.setattr("smvl.processing.laid_out.LaidOut.num_supervised", 0)
    with pytest.raises(SampleError) as error:
        encoder.lay_out(Sample("1", [USER, ASSISTANT], [], "test"))
    assert error.value.rule == "nothing supervised"


JUNK = [
    None,
    float("nan"),
    0,
    -1,
    3.5,
    True,
    "",
    " ",
    "x",
    "<image>",
    "\ud800",
    "{}",
    "[]",
    [],
    {},
    [None],
    [[]],
    [{}],
    {"a": None},
    {"bytes": 3},
]


def spoilt(value: Any, generator: random.Random) -> Any:
    """The value with junk in one place, anywhere in it, or with a key or an entry less."""
    if not value or not isinstance(value, (dict, list)) or generator.random() < 0.2:
        return generator.choice(JUNK)
    keys = list(value) if isinstance(value, dict) else range(len(value))
    key = generator.choice(keys)
    copied = copy.copy(value)
    if generator.random() < 0.2:
        del copied[key]
    else:
        copied[key] = spoilt(value[key], generator)
    return copied


def test_however_a_row_is_spoilt_it_is_a_sample_or_breaks_a_rule(tmp_path, encoder):
    image = image_forms(tmp_path)["path"]
    rows = [row for layout in IMAGE_LAYOUTS.values() for row in layout(image)] + [*TOOL_ROWS.values(), *TEXT_ROWS.values()]
    generator = random.Random(1)
    spoilt_rows = [text_row(0), *(spoilt(spoilt(row, generator), generator) for _ in range(25) for row in rows)]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in spoilt_rows), encoding="utf-8")
    for text in (False, True):
        source, rules = open_source(SourceConfig(path=str(path), text=text)), set()
        for row in range(len(source)):
            try:
                sample = source[row]
                if row < len(source) // 10:
                    encoder.lay_out(sample)
            except SampleError as error:
                rules.add(error.rule)
        assert rules <= set(RULES) and len(rules) >= 15


# ---- the table -------------------------------------------------------------------------------------------------------------------


def rules_in_the_code() -> set[str]:
    """The rules that errors are raised with: the first argument of a SampleError, the second of an ImageError."""
    found = set()
    for path in [*(PACKAGE / "data").rglob("*.py"), *(PACKAGE / "processing").glob("*.py"), *(PACKAGE / "packing").glob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else ""
            place = {"SampleError": 0, "ImageError": 1}.get(name)
            if place is not None and len(node.args) > place and isinstance(node.args[place], ast.Constant):
                found.add(node.args[place].value)
    return found


def test_the_table_names_every_rule_and_each_is_broken_above(tmp_path):
    by_default, by_variable = {"unreadable image"}, {"row form", "tools form", "tool call form", "tool call arguments"}
    assert rules_in_the_code() | by_default | by_variable == set(RULES)
    assert {entry.rule for entry in broken_rows(tmp_path / "data")} | {"image in text", "chat template"} == set(RULES)


def test_every_rule_says_what_to_do():
    for rule, advice in RULES.items():
        assert re.fullmatch(r"[^:]+: .+", advice) and len(rule) <= 20, rule
