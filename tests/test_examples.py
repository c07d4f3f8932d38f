"""The four uses in examples/: what each makes of a model's answers, and what it does when an answer is wrong.

python -m pytest tests/test_examples.py
"""

import asyncio
import csv
import importlib.util
import json
from collections.abc import Callable
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import pytest
from PIL import Image

from examples import draw_pictures
from examples.industry import inspect_pictures
from examples.industry.inspect_pictures import Reading, inspect_gauge, inspect_sheet, work_orders
from examples.office import file_receipts
from examples.office.file_receipts import read_receipt
from examples.study import work_out as study
from examples.study.work_out import value_of, work_out
from smvl.demo_scenes.uses import UPDATE_PRICE
from smvl.infer.engine import Engine
from smvl.infer.loaded_model import LoadedModel
from tests.test_agent import ScriptedReading, called
from tests.test_engine import picture, save_small_checkpoint

if importlib.util.find_spec("mcp"):
    from examples import measure
    from examples.retail import change_prices, stock_server
needs_mcp = pytest.mark.skipif(importlib.util.find_spec("mcp") is None, reason="mcp is not installed (requirements-agent.txt)")
STOCK = [("茶山", 1, 5), ("鱼月", 30, 0)]


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small_checkpoint(tmp_path_factory.mktemp("examples"))


@pytest.fixture(scope="module")
def model(checkpoint: Path) -> LoadedModel:
    return LoadedModel(Engine.from_folder(checkpoint, device="cpu"))


@pytest.fixture
def script(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the model write these answers, one after another; programs get this model, whichever folder they name."""

    def write(*answers: str) -> None:
        encode = model.engine.processor.tokenizer.encode
        readings = iter([ScriptedReading([encode(f"{answer}<|im_end|>")]) for answer in answers])
        monkeypatch.setattr(model.engine.model, "read", lambda *_: next(readings))

    monkeypatch.setattr("smvl.load", lambda folder: model)
    return write


@pytest.fixture
def agent_script(model: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """The same within one run of an agent, which reads on."""

    def write(*answers: str) -> None:
        encode = model.engine.processor.tokenizer.encode
        reading = ScriptedReading([encode(f"{answer}<|im_end|>") for answer in answers])
        monkeypatch.setattr(model.engine.model, "read", lambda *_: reading)

    monkeypatch.setattr("smvl.load", lambda folder: model)
    return write


@pytest.fixture
def png(tmp_path: Path) -> Path:
    picture("red").save(tmp_path / "picture.png")
    return tmp_path / "picture.png"


@pytest.fixture
def stock(tmp_path: Path) -> Path:
    stock_server.create_stock(tmp_path / "a shop's stock.db", STOCK)
    return tmp_path / "a shop's stock.db"


def compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


# ---- study -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "value"),
    [
        (r"\frac{4}{7}+\frac{1}{7}", Fraction(5, 7)),
        (r"\frac{4+1}{7}", Fraction(5, 7)),
        (r"\frac{1}{2}+\frac{1}{3}+\frac{1}{6}", Fraction(1)),
        (r"\frac{4}{0}", None),
        (r"\frac{a}{7}", None),
        ("5", None),
        ("", None),
    ],
)
def test_a_step_is_worked_out_exactly(step, value):
    assert value_of(step) == value


def test_steps_that_hold_are_told_from_those_that_do_not(model, script, png, capsys):
    right = r"\frac{4}{7}+\frac{1}{7}=\frac{4+1}{7}=\frac{5}{7}"
    script(right, right.replace("5", "8"))
    assert study.main([str(png), str(png), "--model", "any"]) == 1
    assert capsys.readouterr().out == (
        f"{png}: the steps hold\n    \\frac{{4}}{{7}}+\\frac{{1}}{{7}}\n  = \\frac{{4+1}}{{7}}\n  = \\frac{{5}}{{7}}\n"
        f"{png}: the steps do not hold, look again\n    \\frac{{4}}{{7}}+\\frac{{1}}{{7}}\n  = \\frac{{4+1}}{{7}}\n  = \\frac{{8}}{{7}}\n"
    )
    script(right)
    assert study.main([str(png), "--model", "any"]) == 0


def test_what_a_model_that_knows_nothing_writes_is_latex_that_does_not_hold(model, png):
    assert not work_out(model, png).holds


# ---- industry --------------------------------------------------------------------------------------------------------------------


def test_the_limit_that_was_said_counts_whatever_the_model_says_of_it(model, script, png):
    script(compact({"读数": 7, "上限": 9}), compact({"读数": 6, "上限": 6}))
    readings = [reading for _ in range(2) for reading in inspect_gauge(model, png, device="泵", limit=6)]
    assert readings == [Reading("泵", 7, 6), Reading("泵", 6, 6)]
    assert work_orders(readings) == [{"device": "泵", "value": 7, "limit": 6}]


def test_a_sheet_is_read_line_by_line_and_orders_go_to_standard_output(script, png, capsys):
    script(compact([{"设备": "门", "读数": 7, "上限": 5}, {"设备": "水", "读数": 3, "上限": 5}]))
    assert inspect_pictures.main([str(png), "--model", "any"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out) == [{"device": "门", "value": 7, "limit": 5}]
    assert err == f"{png}: 门 7, limit 5\n{png}: 水 3, limit 5\n"


def test_an_empty_sheet_makes_no_order(model, script, png):
    script("[]")
    assert inspect_sheet(model, png) == []


# ---- office ----------------------------------------------------------------------------------------------------------------------


def receipt(product="茶", price=12, total=40, summary="茶12元,一共40元") -> str:
    return compact({"商品": product, "单价": price, "合计": total, "摘要": summary})


@pytest.mark.parametrize(
    ("answer", "doubt"),
    [
        (receipt(), ""),
        (receipt(total=8, summary="茶12元,一共8元"), "the total is less than the price"),
        (receipt(product="鱼", price=13), "the summary says otherwise about 商品, 单价"),
        (receipt(price=52, total=77, summary="茶522元,一共77元"), "the summary says otherwise about 单价"),
    ],
)
def test_receipts_that_do_not_fit_are_marked(model, script, png, answer, doubt):
    script(answer)
    assert read_receipt(model, png).doubt == doubt


def test_receipts_become_lines_that_a_spreadsheet_reads_and_no_formula(script, png, tmp_path, capsys):
    script(receipt(), receipt(product="=1+1", summary="=1+1,12元,一共40元"))
    assert file_receipts.main([str(png), str(png), "--model", "any", "--out", str(tmp_path / "out.csv")]) == 0
    assert (tmp_path / "out.csv").read_bytes().startswith(b"\xef\xbb\xbfpicture,product,price,total,summary,doubt\r\n")
    with (tmp_path / "out.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["product"], row["price"], row["total"], row["summary"]) for row in rows] == [
        ("茶", "12", "40", "茶12元,一共40元"),
        ("'=1+1", "12", "40", "'=1+1,12元,一共40元"),
    ]
    assert capsys.readouterr().out.endswith(f"2 receipts in {tmp_path / 'out.csv'}, 0 to be looked at\n")


def test_a_file_that_is_there_is_not_written_over(script, png, tmp_path, capsys):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(SystemExit):
        file_receipts.main([str(png), "--model", "any", "--out", str(tmp_path / "out.csv")])
    assert (tmp_path / "out.csv").read_text() == "mine" and "is there already" in capsys.readouterr().err


# ---- retail ----------------------------------------------------------------------------------------------------------------------


def ask_server(stock: Path, *calls: tuple[str, dict]) -> list[tuple[str, bool]]:
    """(text, whether it is an error) of some calls of the server's tools."""
    from mcp import Client

    async def call_all() -> list[tuple[str, bool]]:
        async with Client(stock_server.create_server(stock)) as client:
            answers = [await client.call_tool(name, arguments) for name, arguments in calls]
        return [(answer.content[0].text, answer.is_error) for answer in answers]

    return asyncio.run(call_all())


@needs_mcp
def test_the_stock_server_looks_up_and_changes_one_price(stock):
    assert ask_server(stock, ("check_stock", {"商品": "鱼月"}), ("update_price", {"商品": "鱼月", "单价": 26})) == [
        ("鱼月30元,有0个", False),
        ("鱼月改为26元", False),
    ]
    assert stock_server.read_prices(stock) == {"茶山": 1, "鱼月": 26}


@needs_mcp
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"商品": "火星", "单价": 3}, "there is no product named 火星."),
        ({"商品": "茶山'; DROP TABLE stock; --", "单价": 3}, "there is no product named 茶山'; DROP TABLE stock; --."),
        ({"商品": "茶山", "单价": 0}, "单价0: a price is more than 0 and at most 100000."),
        ({"商品": "茶山", "单价": -5}, "单价-5: a price is more than 0 and at most 100000."),
        ({"商品": "茶山", "单价": 10**30}, f"单价{10**30}: a price is more than 0 and at most 100000."),
    ],
)
def test_what_the_stock_cannot_hold_is_told_and_changes_nothing(stock, arguments, message):
    [(text, is_error)] = ask_server(stock, ("update_price", arguments))
    assert is_error and message in text
    assert stock_server.read_prices(stock) == {"茶山": 1, "鱼月": 30}


@needs_mcp
def test_an_agent_shows_the_models_the_function_that_the_demo_has_learnt(model, stock):
    with change_prices.open_agent(model, change_prices.stock_command(stock), allow=False) as agent:
        assert agent.tools["update_price"].description == UPDATE_PRICE
        assert agent.tools["update_price"].changes and not agent.tools["check_stock"].changes


@needs_mcp
def test_a_tag_changes_the_stock_where_it_is_allowed_and_only_there(agent_script, stock, png, capsys):
    answers = (called("update_price", 商品="茶山", 单价=26), "茶山改为26元。")
    command = [str(png), "--model", "any", "--stock", str(stock)]
    agent_script(*answers)
    assert change_prices.main(command) == 0 and stock_server.read_prices(stock) == {"茶山": 1, "鱼月": 30}
    capsys.readouterr()
    agent_script(*answers)
    assert change_prices.main([*command, "--allow"]) == 0 and stock_server.read_prices(stock) == {"茶山": 26, "鱼月": 30}
    assert capsys.readouterr().out == f"{png}: 茶山改为26元。\n茶山: 1 -> 26\n"


@needs_mcp
def test_a_tag_changes_the_stock_through_a_server_over_http(model, agent_script, stock, png):
    agent_script(called("update_price", 商品="茶山", 单价=26), "茶山改为26元。")
    with measure.serving_http(stock) as address, closing(change_prices.open_agent(model, address, allow=True)) as agent:
        assert change_prices.change_price(agent, png).ended == "answered"
    assert stock_server.read_prices(stock) == {"茶山": 26, "鱼月": 30}


@needs_mcp
def test_without_permission_a_program_says_so_in_its_own_words(agent_script, stock, png, capsys):
    wanted = called("update_price", 商品="茶山", 单价=26)
    agent_script(wanted, wanted)
    assert change_prices.main([str(png), "--model", "any", "--stock", str(stock)]) == 1
    told = "no price was changed: nobody permitted it. --allow permits it; on a terminal you are asked."
    assert capsys.readouterr().out == f"{png}: {told}\n"


@needs_mcp
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--stock", "{folder}/no.db"], "Name the products of a new one with --products"),
        (["--stock", "{folder}/text.db"], "file is not a database"),
        (["--server", "http://127.0.0.1:9/mcp"], "the MCP server http://127.0.0.1:9/mcp cannot be used"),
        ([], "one of the arguments --stock --server is required"),
    ],
)
def test_a_stock_that_cannot_be_had_is_one_line(script, tmp_path, png, capsys, options, message):
    (tmp_path / "text.db").write_text("no database " * 100)
    script()
    with pytest.raises(SystemExit):
        change_prices.main([str(png), "--model", "any", *(option.format(folder=tmp_path) for option in options)])
    assert message in capsys.readouterr().err.splitlines()[-1]


@needs_mcp
def test_a_stock_is_made_of_the_products_that_are_named_and_never_written_over(agent_script, tmp_path, png):
    agent_script("没有。")
    stock = tmp_path / "new.db"
    assert change_prices.main([str(png), "--model", "any", "--stock", str(stock), "--products", "茶山, 鱼月"]) == 0
    assert stock_server.read_prices(stock) == {"茶山": 1, "鱼月": 1}
    with pytest.raises(ValueError, match="is there already"):
        stock_server.create_stock(stock, STOCK)


# ---- what is common ----------------------------------------------------------------------------------------------------------------


@needs_mcp
def test_a_picture_that_cannot_be_read_is_named_and_the_others_are_dealt_with(script, png, tmp_path, capsys):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    script(r"\frac{1}{3}+\frac{1}{3}=\frac{2}{3}")
    assert study.main([str(broken), str(png), "--model", "any"]) == 1
    script("[]")
    assert inspect_pictures.main([str(broken), str(png), "--model", "any"]) == 1
    script(receipt())
    assert file_receipts.main([str(broken), str(png), "--model", "any", "--out", str(tmp_path / "out.csv")]) == 1
    out, err = capsys.readouterr()
    assert err.count(f"{broken} is left out: ") == 3 and f"{png}: the steps hold" in out and "1 receipts in" in out


@needs_mcp
@pytest.mark.parametrize("program", ["study", "industry", "office", "retail"])
def test_a_folder_without_a_model_is_one_line(program, png, tmp_path, capsys):
    main = {"study": study.main, "industry": inspect_pictures.main, "office": file_receipts.main, "retail": change_prices.main}[program]
    retail = ["--stock", str(tmp_path / "new.db"), "--products", "茶"]
    more = {"office": ["--out", str(tmp_path / "out.csv")], "retail": retail}.get(program, [])
    with pytest.raises(SystemExit):
        main([str(png), "--model", str(tmp_path / "nothing"), *more])
    assert "nothing" in capsys.readouterr().err.splitlines()[-1] and not (tmp_path / "out.csv").exists()


# ---- measured --------------------------------------------------------------------------------------------------------------------


def test_pictures_are_drawn_for_trying_out_with_what_stands_on_them(tmp_path, capsys):
    assert draw_pictures.main([str(tmp_path / "uses"), "--pictures", "2"]) == 0
    truth = json.loads((tmp_path / "uses/truth.json").read_text(encoding="utf-8"))
    assert list(truth) == [f"{kind}-{place:02d}.png" for kind in draw_pictures.KINDS for place in range(2)]
    assert all(max(Image.open(tmp_path / "uses" / name).size) >= 96 for name in truth)
    assert truth["sums-00.png"] == draw_pictures.draw_cases("sums", 1)[0].truth
    with pytest.raises(SystemExit):
        draw_pictures.main([str(tmp_path / "uses")])
    assert "is there already" in capsys.readouterr().err


@needs_mcp
def test_a_swapped_picture_always_says_something_else():
    for kind in draw_pictures.KINDS:
        cases = draw_pictures.draw_cases(kind, 12)
        pictures = {id(case.picture): case.truth for case in cases}
        assert all(pictures[id(other.picture)] != other.truth == case.truth for case, other in zip(cases, measure.swapped(cases)))


@needs_mcp
def test_right_answers_count_and_others_do_not(model, script):
    cases = draw_pictures.draw_cases("sums", 4)
    script(*(case.truth for case in cases[:3]), cases[0].truth)
    assert measure.share_right(model, cases, measure.study_is_right) == 0.75
    cases = draw_pictures.draw_cases("sheets", 2)
    rows = [dict(zip(("设备", "读数", "上限"), line)) for line in cases[0].truth]
    script(compact(rows), compact(rows[::-1]))
    assert measure.share_right(model, cases, measure.sheet_is_right) == 0.5


@needs_mcp
def test_tags_are_stocked_one_by_one_and_none_without_permission(model, monkeypatch, tmp_path):
    cases = draw_pictures.draw_cases("tags", 3)

    def changing(agent, tag):
        """Stands for a model that reads every tag."""
        name, price = next(case.truth for case in cases if case.picture is tag)
        tool = agent.tools["update_price"]
        if agent._permit(type("Call", (), {"name": "update_price"}))[0]:
            tool.call({"商品": name, "单价": price}, 10)

    monkeypatch.setattr(measure, "change_price", changing)
    for name, asked, allow, found in (
        ("right", cases, True, (1.0, 3)),
        ("swapped", measure.swapped(cases), True, (0.0, 3)),  # each tag comes into the stock, but not when it is asked for
        ("forbidden", cases, False, (0.0, 0)),
    ):
        stock = tmp_path / f"{name}.db"
        stock_server.create_stock(stock, [(case.truth[0], 1, 5) for case in cases])
        assert measure.share_stocked(model, asked, change_prices.stock_command(stock), stock, allow=allow) == found


@needs_mcp
def test_the_measurement_runs_to_its_end_with_a_model_that_knows_nothing(checkpoint, capsys):
    assert measure.main(["--model", str(checkpoint), "--pictures", "3"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == ["study", "industry", "industry", "office", "retail", "retail", "retail"]
    assert lines[-1] == "  retail    without permission, 0 prices were changed"
