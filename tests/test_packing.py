"""smvl/packing/packs, pack_plan and measuring: packs are full, complete, the same for a seed, and a broken-off stream goes on exactly."""

import gc
import itertools
import json
import multiprocessing

import pytest
import torch

import smvl
from benchmarks.packing_fill import draw_costs, make_sampler
from smvl.config import SourceConfig
from smvl.data.quarantine import Failure, Quarantine
from smvl.packing.collator import FAILURES, PackCollator
from smvl.packing.encode import Encoder
from smvl.packing.measuring import RowCosts
from smvl.packing.mixture import Mixture, RowKey
from smvl.packing.packs import PackedDataset, PackSampler
from smvl.packing.plan import RowCost, plan_packs
from smvl.packing.statistics import Tally
from smvl.source_registry import open_source
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import noise, open_json_lines, text_row, write_json_lines, write_rows


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return Encoder(smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"))[1], max_length=256)


# ---- the plan --------------------------------------------------------------------------------------------------------------------


def tokens_of(costs: list[RowCost], members: list[int]) -> int:
    return sum(costs[index].tokens for index in members)


def tiles_of(costs: list[RowCost], members: list[int]) -> int:
    return sum(costs[index].units for index in members)


def test_a_pack_begins_with_the_longest_and_is_filled_to_the_last_token():
    costs = [RowCost(tokens, 0) for tokens in (5, 7, 5, 2, 4, 2, 5, 1, 6)]
    assert plan_packs(costs, 10) == [[1, 3, 7], [8, 4], [0, 2], [6, 5]]


def test_tiles_bind_a_pack_as_tokens_do():
    costs = [RowCost(4, 3), RowCost(3, 3), RowCost(3, 1), RowCost(2, 0)]
    assert plan_packs(costs, 10) == [[0, 1, 2]] + [[3]]
    assert plan_packs(costs, 10, max_units=4) == [[0, 2, 3], [1]]


def test_a_row_over_a_limit_is_alone():
    assert plan_packs([RowCost(3, 0), RowCost(12, 0), RowCost(2, 9)], 10, max_units=4) == [[1], [0], [2]]


@pytest.mark.parametrize("max_units", [None, 60, 30])
@pytest.mark.parametrize("seed", range(5))
def test_packs_of_random_rows_keep_both_limits_and_lose_nothing(seed, max_units):
    costs = [RowCost(cost.tokens, min(cost.units, max_units or 99)) for cost in draw("image", 200, 4096, seed=seed)]
    packs = plan_packs(costs, 4096, max_units)
    assert sorted(itertools.chain(*packs)) == list(range(200))
    assert all(tokens_of(costs, pack) <= 4096 and tiles_of(costs, pack) <= (max_units or 999) for pack in packs)


# ---- fill ------------------------------------------------------------------------------------------------------------------------


def draw(mix: str, num_rows: int, max_length: int, *, text_share: float = 0.2, seed: int = 0) -> list[RowCost]:
    return draw_costs(mix, num_rows, max_length=max_length, text_share=text_share, seed=seed)


@pytest.mark.parametrize("text_share", [0.1, 0.3])
@pytest.mark.parametrize(("mix", "max_length"), [("sample", 4096), ("sample", 8192), ("image", 8192), ("small", 2048)])
def test_packs_of_a_mix_like_the_cauldrons_are_98_percent_full(mix, max_length, text_share):
    """At 2048, and with several large images at 4096, no packing can be: see the column `bound` of benchmarks/packing_fill.py."""
    sampler = make_sampler(draw(mix, 2000, max_length, text_share=text_share), max_length=max_length)
    packs = list(itertools.islice(sampler, len(sampler.first_epoch())))
    assert len(set(itertools.chain(*packs))) == 2000
    assert sampler.statistics.fill_rate > 0.98


def test_statistics_count_what_the_packs_hold():
    costs = [RowCost(60, 2, ("fewer_tiles",)), RowCost(40, 0), RowCost(50, 1, ("fewer_tiles", "early_turns_dropped"))]
    sampler = make_sampler(costs, max_length=100)
    list(itertools.islice(sampler, 2))
    statistics = sampler.statistics
    assert (statistics.packs, statistics.total, statistics.fill_rate) == (2, Tally(3, 150, 3, 1, 40), 0.75)
    assert statistics.describe() == (
        "2 packs of 3 samples, 75.0% filled (150 tokens, 3 tiles; room for 100 tokens each); "
        "shortened: early_turns_dropped 1, fewer_tiles 2."
    )


# ---- an epoch --------------------------------------------------------------------------------------------------------------------


def sampler_of_files(encoder, folder, *, seed=3, **options) -> PackSampler:
    write_json_lines(folder, num_rows=30)
    sources = [open_json_lines(folder / "colours.jsonl"), open_json_lines(folder / "text.jsonl")]
    defaults = {"max_length": 256, "packing": True, "seed": seed, "quarantine": Quarantine(None, max_share=0.5)}
    return PackSampler(Mixture(sources, [2, 1], seed=seed), encoder, **{**defaults, **options})


def test_an_epoch_of_packs_holds_every_row_once_and_none_is_too_long(encoder, tmp_path):
    sampler = sampler_of_files(encoder, tmp_path, look_ahead=16)
    packs = sampler.first_epoch()
    rows = list(itertools.chain(*packs))
    assert sorted(rows) == sorted([RowKey(0, row) for row in range(30)] + [key for key in rows if key.source == 1])
    assert len(set(rows)) == len(rows) == 45
    assert all(sum(sampler.cost(key).tokens for key in pack) <= 256 for pack in packs)
    assert len(packs) < len(rows) / 2


def test_a_row_waits_for_one_window_at_most():
    sampler = make_sampler(draw("image", 2000, 2048), max_length=2048, look_ahead=64)  # few packs are full here
    rows = sampler.mixture.stream()
    place = {rows.next(): number // 64 for number in range(2000)}
    latest = 0
    for pack in sampler.first_epoch():
        latest = max(latest, *(place[key] for key in pack))
        assert min(place[key] for key in pack) >= latest - 1


def test_the_same_seed_gives_the_same_packs_and_another_seed_others(encoder, tmp_path):
    first, second = (list(itertools.islice(sampler_of_files(encoder, tmp_path), 40)) for _ in range(2))
    other = list(itertools.islice(sampler_of_files(encoder, tmp_path, seed=4), 40))
    assert first == second != other


def test_epochs_differ_in_order(encoder, tmp_path):
    sampler = sampler_of_files(encoder, tmp_path)
    first, second = itertools.islice(sampler.first_epochs(), 2)
    assert first != second


def test_without_packing_every_sample_has_a_sequence_of_its_own_in_the_mixtures_order(encoder, tmp_path):
    sampler = sampler_of_files(encoder, tmp_path, packing=False, look_ahead=16)
    rows = sampler.mixture.stream()
    for pack in itertools.islice(sampler, 40):
        assert pack == (rows.next(),)
        rows.count(pack[0], 1)


def test_the_planned_costs_are_the_encoded_ones(encoder, tmp_path):
    sampler = sampler_of_files(encoder, tmp_path)
    dataset = PackedDataset(sampler.mixture, encoder)
    for pack in itertools.islice(sampler, 5):
        encoded = dataset[pack]
        assert [(len(entry.input_ids), len(entry.pixels)) for entry in encoded] == [sampler.cost(key)[:2] for key in pack]


# ---- going on --------------------------------------------------------------------------------------------------------------------

DRAWN = draw("image", 150, 4096)


def drawn_sampler(**options) -> PackSampler:
    return make_sampler(DRAWN, max_length=4096, **{"look_ahead": 32, **options})


@pytest.mark.parametrize("options", [{}, {"max_units": 40}, {"packing": False}], ids=str)
def test_a_stream_broken_off_anywhere_goes_on_exactly(options):
    whole, sampler = list(itertools.islice(drawn_sampler(**options), 400)), drawn_sampler(**options)
    packs = iter(sampler)
    for cut in range(0, 330, 7):  # over several ends of epochs
        while sampler.statistics.packs < cut + 50:  # the loader runs ahead of training
            next(packs)
        state = json.loads(json.dumps(sampler.state_at(cut)))
        resumed = drawn_sampler(**options)
        resumed.start_from(state)
        assert list(itertools.islice(resumed, 400 - cut)) == whole[cut:]
        assert resumed.statistics.packs == 400


def test_a_resumed_stream_can_be_broken_off_again_and_its_statistics_go_on():
    unbroken = drawn_sampler()
    whole = list(itertools.islice(unbroken, 200))
    state, found = drawn_sampler().state_at(0), []
    for cut in (3, 60, 61, 137, 200):
        sampler = drawn_sampler()
        sampler.start_from(state)
        found += list(itertools.islice(sampler, cut - len(found)))
        state = sampler.state_at(cut)
    assert found == whole
    assert sampler.statistics == unbroken.statistics


def test_going_on_measures_one_window_again():
    sampler = drawn_sampler()
    list(itertools.islice(sampler, 60))
    resumed = drawn_sampler()
    resumed.start_from(sampler.state_at(60))
    next(iter(resumed))
    assert resumed.quarantine.num_seen <= 2 * 32  # the rows that it reads, and those that were carried into it


def test_a_changed_number_of_processes_loses_no_row_and_doubles_none():
    whole = list(itertools.islice(drawn_sampler(), 120))
    state, trained = drawn_sampler().state_at(0), []
    for num_processes, until in ((2, 40), (3, 100), (1, 120)):
        samplers = [drawn_sampler() for _ in range(num_processes)]
        for sampler in samplers:
            sampler.start_from(state)
        dealt = [itertools.islice(sampler, rank, None, num_processes) for rank, sampler in enumerate(samplers)]
        while len(trained) < until:
            trained += [next(packs) for packs in dealt]
        states = [sampler.state_at(until) for sampler in samplers]
        assert all(other == states[0] for other in states)
        state = states[0]
    assert trained == whole


def test_a_position_is_refused_that_is_forgotten_or_yet_to_come_or_of_other_settings():
    sampler = drawn_sampler()
    list(itertools.islice(sampler, 100))
    state = sampler.state_at(90)
    for position in (0, 1000):
        with pytest.raises(ValueError, match=f"the position after {position} packs is not known any more, or not yet"):
            sampler.state_at(position)
    with pytest.raises(ValueError, match=r"planned with max_units None \(now 40\); go on with the same, or begin a new run"):
        drawn_sampler(max_units=40).start_from(state)


# ---- measuring -------------------------------------------------------------------------------------------------------------------


def test_planning_processes_change_nothing_and_end_with_the_stream(encoder, tmp_path):
    write_rows(tmp_path / "bad/bad.jsonl", [text_row(0), {"messages": "none"}, *(text_row(number) for number in range(2, 30))])
    found = []
    for workers in (0, 1, 8):
        sampler = sampler_of_files(encoder, tmp_path, workers=workers, look_ahead=8)
        sampler.mixture.sources[1] = open_json_lines(tmp_path / "bad/bad.jsonl")
        packs = iter(sampler)
        found.append((list(itertools.islice(packs, 40)), sampler.statistics, sampler.quarantine.num_seen, dict(sampler.quarantine.rules)))
        assert len(multiprocessing.active_children()) == {0: 0, 1: 1, 8: 2}[workers]
        del packs
        gc.collect()
        assert not multiprocessing.active_children()
    assert found[0] == found[1] == found[2]
    assert found[0][3] == {"row form": 1}


def test_costs_survive_their_compact_form_and_only_measured_rows_have_one():
    costs, ways = RowCosts([2, 3]), ("fewer_tiles", "early_turns_dropped")
    costs[RowKey(1, 2)], costs[RowKey(1, 0)], costs[RowKey(0, 1)] = RowCost(70_000, 300, ways), RowCost(1, 0, ways[1:]), None
    assert (costs[RowKey(1, 2)], costs[RowKey(1, 0)], costs[RowKey(0, 1)]) == (RowCost(70_000, 300, ways), RowCost(1, 0, ways[1:]), None)
    assert RowKey(0, 1) in costs and RowKey(0, 0) not in costs
    with pytest.raises(KeyError):
        costs[RowKey(0, 0)]


def test_workers_change_nothing(encoder, tmp_path):
    sampler = sampler_of_files(encoder, tmp_path)
    dataset = PackedDataset(sampler.mixture, encoder)
    packs = sampler.first_epoch()
    batches = []
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(dataset, sampler=packs, batch_size=2, num_workers=workers, collate_fn=PackCollator(0))
        batches.append([batch["input_ids"] for batch in loader])
    assert all(torch.equal(first, second) for first, second in zip(*batches, strict=True))


# ---- rows that cannot be used ----------------------------------------------------------------------------------------------------


def test_a_bad_row_goes_into_quarantine_and_the_rest_is_packed(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=4)
    rows = [text_row(0), {"messages": "none"}, text_row(2)]
    source = open_json_lines(write_rows(tmp_path / "bad.jsonl", rows))
    quarantine = Quarantine(tmp_path / "quarantine.jsonl", max_share=0.5)
    sampler = PackSampler(Mixture([source], [1], seed=0), encoder, max_length=256, packing=True, seed=0, quarantine=quarantine)
    first, second = itertools.islice(sampler.first_epochs(), 2)
    assert sorted(itertools.chain(*first)) == [RowKey(0, 0), RowKey(0, 2)]
    assert sorted(itertools.chain(*second)) == [RowKey(0, 0, 1), RowKey(0, 2, 1)]
    line = (tmp_path / "quarantine.jsonl").read_text(encoding="utf-8")
    assert line.count("\n") == 1 and '"rule": "row form"' in line


def test_an_image_cut_short_is_found_by_the_worker_and_its_pack_goes_on(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=4)
    noise(0, (64, 64)).save(tmp_path / "images/0.png")
    whole = (tmp_path / "images/0.png").read_bytes()
    (tmp_path / "images/0.png").write_bytes(whole[: len(whole) // 2])
    source = open_json_lines(tmp_path / "colours.jsonl")
    dataset = PackedDataset(Mixture([source], [1], seed=0), encoder)
    entries = dataset[(RowKey(0, 0), RowKey(0, 1))]
    assert isinstance(entries[0], Failure) and entries[0].rule == "damaged image" and "0.png" in entries[0].reason
    batch = PackCollator(0)([entries])
    assert batch[FAILURES] == [entries[0]]
    assert batch["input_ids"].shape == (1, len(entries[1].input_ids))


def test_a_mixture_of_nothing_but_bad_rows_is_an_error(encoder, tmp_path):
    source = open_json_lines(write_rows(tmp_path / "bad.jsonl", [{"messages": "none"}] * 3))
    quarantine = Quarantine(None, max_share=1.0)
    sampler = PackSampler(Mixture([source], [1], seed=0), encoder, max_length=256, packing=True, seed=0, quarantine=quarantine)
    for first in (lambda: next(iter(sampler)), sampler.first_epoch, lambda: sampler.first_epoch(first_rows=2)):
        with pytest.raises(ValueError, match="no row of the mixture can be used: row form: 3. Mend the rows, raise data.max_length, or"):
            first()


def test_a_source_of_pictures_that_is_called_pure_text_is_an_error_that_says_so(encoder, tmp_path):
    source = open_source(SourceConfig(path=str(write_json_lines(tmp_path)), text=True))
    quarantine = Quarantine(None, max_share=1.0)
    sampler = PackSampler(Mixture([source], [1], seed=0), encoder, max_length=256, packing=True, seed=0, quarantine=quarantine)
    with pytest.raises(ValueError, match="no row of the mixture can be used: image in text: 24"):
        sampler.first_epoch()


def test_what_an_animation_loses_is_counted(encoder, tmp_path):
    path = write_json_lines(tmp_path, num_rows=4)
    frames = [noise(number, (64, 64)) for number in range(3)]
    frames[0].save(tmp_path / "images/0.png", format="GIF", save_all=True, append_images=frames[1:])
    sampler = PackSampler(
        Mixture([open_json_lines(path)], [1], seed=0), encoder, max_length=256, packing=True, seed=0, quarantine=Quarantine(None, 0)
    )
    statistics = sampler.statistics_of(sampler.first_epoch())
    assert statistics.shortened == {"first_frames": 1} and statistics.describe().endswith("shortened: first_frames 1.")
