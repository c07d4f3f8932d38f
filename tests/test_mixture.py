"""smvl/packing/mixture: shares hold in samples or in tokens, on any number of ranks and workers, and no sample comes twice in an epoch."""

import itertools
import json
from collections import Counter
from types import SimpleNamespace

import pytest
from accelerate.data_loader import BatchSamplerShard
from torch.utils.data import BatchSampler, DataLoader, Dataset

from smvl.config import ConfigError, LongConfig, SourceConfig, StageConfig, load_config
from smvl.data.quarantine import Quarantine
from smvl.data.sample import Sample, SampleError
from smvl.packing.mixture import Mixture, RowKey, open_mixture, source_weights
from smvl.packing.packs import PackSampler
from smvl.packing.plan import RowCost
from tests.tiny_data import write_json_lines

TEXT_SHARE = 0.14


class Rows:
    """A source whose rows are costs: `mean_tokens` tokens, more or less, and tiles where it has images. Every `broken`-th is unusable."""

    def __init__(self, name: str, length: int, mean_tokens: int, *, tiles: int = 0, broken: int = 0):
        self.name, self.length, self.mean_tokens, self.tiles, self.broken = name, length, mean_tokens, tiles, broken

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, row: int) -> RowCost:
        if self.broken and row % self.broken == 0:
            raise SampleError("broken", f"{row} is broken")
        return RowCost(self.mean_tokens // 2 + row * 7919 % self.mean_tokens, self.tiles)


class CostsAsLayouts:
    def lay_out(self, cost: RowCost) -> SimpleNamespace:
        return SimpleNamespace(input_ids=range(cost.tokens), num_units=cost.units, shortened=())


def four_sources() -> list[Rows]:
    """Of very different lengths, in rows and in tokens a row."""
    return [
        Rows("captions", 60_000, 100, tiles=1),
        Rows("documents", 4_000, 900, tiles=5, broken=50),
        Rows("charts", 9_000, 300, tiles=3),
        Rows("chats", 30_000, 200, broken=97),
    ]


WEIGHTS = [0.5 * 0.86, 0.2 * 0.86, 0.3 * 0.86, TEXT_SHARE]


def sampler_of(
    mix_by: str, *, workers: int = 0, sources: list[Rows] | None = None, weights=WEIGHTS, long: LongConfig | None = None
) -> PackSampler:
    mixture = Mixture(sources or four_sources(), weights, seed=5, mix_by=mix_by, long=long)
    options = {"max_length": 2048, "packing": True, "seed": 5, "quarantine": Quarantine(None, 1.0), "workers": workers}
    return PackSampler(mixture, CostsAsLayouts(), **options)


def packs_of(sampler: PackSampler, num_samples: int) -> list[tuple[RowKey, ...]]:
    packs, count = [], 0
    for pack in sampler:
        packs.append(pack)
        count += len(pack)
        if count >= num_samples:
            return packs


# ---- shares ----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def one_rank() -> dict[str, list]:
    """The packs of twenty thousand samples, mixed in either way."""
    return {mix_by: packs_of(sampler_of(mix_by), 20_000) for mix_by in ("samples", "tokens")}


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_twenty_thousand_samples_have_the_shares_that_were_asked_for(one_rank, mix_by):
    statistics = sampler_of(mix_by).statistics_of(one_rank[mix_by])
    total = getattr(statistics.total, mix_by)
    for name, weight in zip(("captions", "documents", "charts", "chats"), WEIGHTS):
        assert abs(getattr(statistics.by_source[name], mix_by) / total - weight) < 0.005
    assert abs(getattr(statistics.total, f"text_{mix_by}") / total - TEXT_SHARE) < 0.005
    assert statistics.total.samples >= 20_000


def test_shares_hold_from_the_first_rows_on_though_some_cannot_be_used():
    rows, counts = sampler_of("samples").mixture.stream(), Counter()
    for _ in range(3000):
        key = rows.next()
        is_usable = key.row % 50 > 0
        rows.count(key, 1 if is_usable else None)
        counts[key.source] += is_usable
        assert all(abs(counts[source] - weight * counts.total()) <= 3 for source, weight in enumerate(WEIGHTS))


def test_a_long_source_starves_no_short_one():
    sampler = sampler_of("samples", sources=[Rows("long", 100_000, 50), Rows("short", 40, 50)], weights=[0.9, 0.1])
    first = [key for pack in sampler.first_epoch() for key in pack]
    assert Counter(key.source for key in first) == {0: 361, 1: 40}  # and then it is the short one's turn again


def test_the_realised_mixture_is_told_by_source_and_for_pure_text():
    sampler = sampler_of("samples", sources=[Rows("pictures", 60, 100, tiles=2), Rows("chats", 40, 100)], weights=[3, 1])
    statistics = sampler.statistics_of(sampler.first_epoch())
    assert statistics.by_source["pictures"].samples == 60 and statistics.by_source["chats"].samples == 20
    table = statistics.describe_mixture().splitlines()
    assert table[0].split() == ["source", "samples", "share", "tokens", "share"]
    assert table[1].split()[:3] == ["pictures", "60", "75.00%"] and table[3].split()[-4:-2] == ["20", "25.00%"]


# ---- long samples ----------------------------------------------------------------------------------------------------------------

LONG = LongConfig(tokens=800, share=0.45)


def short_and_long() -> list[Rows]:
    """One without a long row, one with a few, one with nothing else; some cannot be used."""
    return [Rows("captions", 700, 100, tiles=1, broken=60), Rows("reports", 600, 600, tiles=3), Rows("books", 200, 1700, broken=9)]


def long_sampler(mix_by: str = "samples", long: LongConfig = LONG, **options) -> PackSampler:
    return sampler_of(mix_by, sources=short_and_long(), weights=[2, 2, 1], long=long, **options)


def is_long(sampler: PackSampler, key: RowKey) -> bool:
    return sampler.cost(key).tokens >= LONG.tokens


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_long_samples_have_their_share_from_the_first_rows_on(mix_by):
    """Never off by more than one of them, though most rows that are looked at are of the other length."""
    sampler, taken = long_sampler(mix_by), Counter()
    rows = sampler.mixture.stream()
    while rows.num_rows < 250:
        key = rows.next()
        cost = sampler.cost(key)
        if rows.count(key, cost and cost.tokens):
            taken[cost.tokens >= LONG.tokens] += cost.tokens if mix_by == "tokens" else 1
            assert abs(taken[True] - LONG.share * taken.total()) <= (2550 if mix_by == "tokens" else 1)
    natural = sampler_of(mix_by, sources=short_and_long(), weights=[2, 2, 1])
    counts = Counter(natural.cost(key).tokens >= LONG.tokens for pack in itertools.islice(natural, 60) for key in pack)
    assert abs(counts[True] / counts.total() - LONG.share) > 0.05, "they would have had it anyhow"


def test_their_share_is_told_beside_the_sources():
    sampler = long_sampler()
    statistics = sampler.statistics_of(list(itertools.islice(sampler, 60)))
    assert statistics == type(statistics).from_json(json.loads(json.dumps(statistics.to_json())))
    name, share = statistics.describe_mixture().splitlines()[-1].split(")")[0], statistics.long.samples / statistics.total.samples
    assert name.strip() == "(of all: from 800 tokens on" and f"{share:.2%}" in statistics.describe_mixture().splitlines()[-1]


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_no_row_is_lost_to_its_length_and_none_comes_twice_in_an_epoch(mix_by):
    sampler, seen = long_sampler(mix_by), Counter()
    for packs in itertools.islice(sampler.first_epochs(), 12):
        rows = [key[:2] for pack in packs for key in pack]
        assert len(set(rows)) == len(rows) > 20
        seen.update(rows)
    usable = {(number, row) for number, source in enumerate(short_and_long()) for row in range(len(source))}
    usable = {key for key in usable if sampler.cost(RowKey(*key)) is not None}
    assert seen.keys() == usable
    for number in range(3):  # no row of a source comes again before all others of its length have come
        for length in (False, True):
            counts = [seen[key] for key in usable if key[0] == number and is_long(sampler, RowKey(*key)) is length]
            assert not counts or max(counts) - min(counts) <= 1


def test_a_source_without_long_samples_does_not_have_to_be_looked_through_first():
    sources = [Rows("captions", 50_000, 100, tiles=1), Rows("books", 200, 1700)]
    sampler = sampler_of("samples", sources=sources, weights=[9, 1], long=LONG)
    next(iter(sampler))
    assert sampler.quarantine.num_seen < 5000


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_with_long_samples_the_order_after_a_resume_is_the_same_and_so_it_is_with_workers(mix_by):
    whole = list(itertools.islice(long_sampler(mix_by), 200))
    assert whole == list(itertools.islice(long_sampler(mix_by, workers=8), 200))
    for cut in (0, 1, 60, 133, 180):
        sampler = long_sampler(mix_by)
        list(itertools.islice(sampler, cut + 15))
        resumed = long_sampler(mix_by)
        resumed.start_from(json.loads(json.dumps(sampler.state_at(cut))))
        assert list(itertools.islice(resumed, 200 - cut)) == whole[cut:]
        assert resumed.statistics == long_sampler(mix_by).statistics_of(whole)


def test_a_run_does_not_go_on_with_another_share_of_long_samples():
    sampler = long_sampler()
    list(itertools.islice(sampler, 5))
    with pytest.raises(ValueError, match=r"planned with long \[800, 0.45\] \(now \[800, 0.4\]\)"):
        long_sampler(long=LongConfig(tokens=800, share=0.4)).start_from(sampler.state_at(5))


@pytest.mark.parametrize(("tokens", "wanted"), [(1900, "at least 1,900"), (3, "less than 3")])
def test_a_mixture_without_such_samples_is_an_error_that_says_so(tokens, wanted):
    sources = [Rows("a", 60, 100), Rows("b", 40, 300)]
    sampler = sampler_of("samples", sources=sources, weights=[1, 1], long=LongConfig(tokens=tokens, share=0.5))
    with pytest.raises(ValueError, match=f"the mixture has no sample of {wanted} tokens, as the stage's `long` asks for. Give another"):
        list(itertools.islice(sampler, 100))


# ---- ranks and workers -----------------------------------------------------------------------------------------------------------


class Keys(Dataset):
    """Gives back the packs that it is asked for."""

    def __getitem__(self, pack):
        return pack


def keep(batch):
    return batch


def packs_of_rank(rank: int, num_ranks: int, num_packs: int, num_workers: int) -> list:
    """What one of several processes trains on, as accelerate deals out batches, through a loader with workers."""
    sampler = sampler_of("tokens")
    batches = BatchSampler(list(itertools.islice(sampler, num_packs)), batch_size=2, drop_last=False)
    shard = BatchSamplerShard(batches, num_processes=num_ranks, process_index=rank)
    loader = DataLoader(Keys(), batch_sampler=shard, num_workers=num_workers, collate_fn=keep)
    return [pack for batch in loader for pack in batch]


def test_four_ranks_with_two_workers_share_the_packs_of_one(one_rank):
    num_packs = len(one_rank["tokens"]) // 8 * 8
    ranks = [packs_of_rank(rank, 4, num_packs, num_workers=2) for rank in range(4)]
    in_turn = zip(*map(pairs, ranks), strict=True)
    assert [pack for turn in in_turn for batch in turn for pack in batch] == one_rank["tokens"][:num_packs]
    keys = [key for rank in ranks for pack in rank for key in pack]
    assert len(keys) > 19_900 and len({key[:2] for key in keys}) == len(keys)  # all of it is the first epoch


def pairs(packs: list) -> list:
    return [packs[start : start + 2] for start in range(0, len(packs), 2)]


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_no_sample_comes_twice_in_an_epoch(mix_by):
    sampler = sampler_of(mix_by, sources=[Rows("a", 500, 100), Rows("b", 330, 300, broken=20), Rows("c", 90, 50)], weights=[5, 4, 2])
    for packs in itertools.islice(sampler.first_epochs(), 8):
        rows = [key[:2] for pack in packs for key in pack]
        assert len(set(rows)) == len(rows) > 90


def test_measuring_in_other_processes_changes_nothing():
    sources = [Rows("a", 700, 100), Rows("b", 300, 300, broken=20), Rows("c", 90, 50)]
    streams = [
        list(itertools.islice(sampler_of("tokens", workers=workers, sources=sources, weights=[5, 4, 2]), 150)) for workers in (0, 2, 8)
    ]
    assert streams[0] == streams[1] == streams[2]


# ---- going on --------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mix_by", ["samples", "tokens"])
def test_the_order_after_a_resume_is_the_same(mix_by):
    def small() -> PackSampler:
        sources = [Rows("a", 500, 100), Rows("b", 330, 300, broken=20), Rows("c", 90, 50)]
        return sampler_of(mix_by, sources=sources, weights=[5, 4, 2])

    whole = list(itertools.islice(small(), 500))
    for cut in (0, 1, 77, 200, 333, 450):
        sampler = small()
        list(itertools.islice(sampler, cut + 40))
        state = json.loads(json.dumps(sampler.state_at(cut)))
        resumed = small()
        resumed.start_from(state)
        assert list(itertools.islice(resumed, 500 - cut)) == whole[cut:]
        assert resumed.statistics == small().statistics_of(whole)


# ---- configuration ---------------------------------------------------------------------------------------------------------------


def source(weight: float, **options) -> SourceConfig:
    return SourceConfig(path="data", weight=weight, **options)


def test_one_key_sets_the_share_of_pure_text():
    mixture = [source(3), source(1), source(5, text=True), source(5, text=True)]
    assert source_weights(mixture, 0.14) == pytest.approx([0.645, 0.215, 0.07, 0.07])
    assert source_weights(mixture, None) == [3, 1, 5, 5]


@pytest.mark.parametrize(
    ("long", "message"),
    [
        ("{tokens: 4096, share: 0.3}", "stages.0.long.tokens: found 4096, expected at most data.max_length (2,048), as no sample is l"),
        ("{tokens: 1, share: 0.3}", "stages.0.long.tokens: found 1, expected at least 2"),
        ("{tokens: 9, share: 1}", "stages.0.long.share: found 1.0, expected a share above 0 and below 1"),
        ("{share: 0.3}", "stages.0.long.tokens: missing; this key is required, add it"),
        ("{tokens: 9, share: 0.3}", "stages.0.trainer: found ['num_train_epochs'], expected max_steps, as with `long` an epoch ends where"),
    ],
)
def test_a_share_of_long_samples_that_cannot_be_is_refused_by_its_key(tmp_path, long, message):
    stage = "name: s\n    mixture: [{path: data}]\n    train: [connector]\n    trainer: {max_steps: 1}"
    (tmp_path / "r.yaml").write_text(f"model: {{vision: v, text: t}}\nstages:\n  - {stage}\noutput_dir: o\n", encoding="utf-8")
    with pytest.raises(ConfigError) as error:
        epochs = ["stages.0.trainer={num_train_epochs: 1}"] if "num_train_epochs" in message else []
        load_config(tmp_path / "r.yaml", [f"stages.0.long={long}", *epochs])
    assert str(error.value).startswith(message)


def test_a_mixture_opens_every_source_or_none(tmp_path):
    write_json_lines(tmp_path / "data")
    good = SourceConfig(source="jsonl", path=str(tmp_path / "data/text.jsonl"))
    bad = SourceConfig(source="jsonl", path=str(tmp_path / "missing.jsonl"))
    with pytest.raises(ValueError, match="missing.jsonl"):
        open_mixture(StageConfig(name="s", mixture=[good, bad], train=["connector"]), seed=0)
    same = open_mixture(StageConfig(name="s", mixture=[good, good], train=["connector"]), seed=0)
    assert same.names == ["data/text.jsonl (0)", "data/text.jsonl (1)"] and isinstance(same[RowKey(0, 1)], Sample)
