"""smvl/data/packing and collator: packs are full, complete, the same for a seed, and their samples do not see each other."""

import itertools

import pytest
import torch

import smvl
from smvl.data.collator import FAILURES, PackCollator
from smvl.data.encode import Encoder
from smvl.data.mixture import Mixture, RowKey
from smvl.data.packing import PackedDataset, PackSampler, first_fit_decreasing
from smvl.data.quarantine import Failure, Quarantine
from smvl.data.sample import Sample
from smvl.data.sources.json_lines import JsonLines
from smvl.processing.layout import IGNORED_LABEL
from smvl.train.loss import supervised_loss
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import noise, text_row, write_json_lines, write_rows


@pytest.fixture(scope="module", params=["sdpa", "eager"])
def spliced(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"), attention=request.param)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return Encoder(smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"))[1], max_length=256)


def sample(number: int, num_images: int, *, seed: int | None = None) -> Sample:
    parts = [{"type": "image"} for _ in range(num_images)] + [{"type": "text", "text": f"第{number}问?"}]
    messages = [{"role": "user", "content": parts}, {"role": "assistant", "content": "答" * (number + 1)}]
    images = [noise((number if seed is None else seed) * 10 + index, (64, 32 + 32 * (index % 2))) for index in range(num_images)]
    return Sample(id=str(number), messages=messages, images=images, source="test")


FIVE = [sample(number, num_images) for number, num_images in enumerate([2, 0, 3, 1, 0])]


def losses(model, processor, packs: list[list[Sample]]) -> list[float]:
    """Loss of each sample in a batch of packs, found by asking for one sample's tokens at a time."""
    encoder = Encoder(processor, max_length=10_000)
    encoded = [[encoder.encode(entry) for entry in pack] for pack in packs]
    batch = PackCollator(processor.tokenizer.pad_token_id)(encoded)
    batch.pop(FAILURES)
    labels, found = batch["labels"], []
    for row, pack in enumerate(encoded):
        start = 0
        for entry in pack:
            only = torch.full_like(labels, IGNORED_LABEL)
            only[row, start : start + len(entry.labels)] = labels[row, start : start + len(entry.labels)]
            with torch.no_grad():
                total, count = supervised_loss(model, {**batch, "labels": only})
            found.append((total / count).item())
            start += len(entry.labels)
    return found


# ---- isolation -------------------------------------------------------------------------------------------------------------------


def test_packed_losses_equal_separate_losses(spliced):
    separate = [losses(*spliced, [[entry]])[0] for entry in FIVE]
    assert losses(*spliced, [FIVE]) == pytest.approx(separate, abs=1e-5)


def test_samples_in_a_batch_of_uneven_packs_equal_separate_ones(spliced):
    separate = [losses(*spliced, [[entry]])[0] for entry in FIVE]
    assert losses(*spliced, [FIVE[:3], FIVE[3:4], FIVE[4:]]) == pytest.approx(separate, abs=1e-5)


@pytest.mark.parametrize("changed", range(5))
def test_changing_one_sample_changes_no_others_loss(spliced, changed):
    other = sample(changed + 7, num_images=len(FIVE[changed].images), seed=99)
    before, after = losses(*spliced, [FIVE]), losses(*spliced, [[*FIVE[:changed], other, *FIVE[changed + 1 :]]])
    for number in range(5):
        if number == changed:
            assert abs(before[number] - after[number]) > 1e-3
        else:
            assert after[number] == pytest.approx(before[number], abs=1e-5)


def test_an_attention_mask_would_leak(spliced):
    """Why the collator makes none: the check above would fail with one."""
    model, processor = spliced
    encoder = Encoder(processor, max_length=10_000)
    batch = PackCollator(0)([[encoder.encode(entry) for entry in FIVE]])
    inputs = {name: batch[name] for name in ("input_ids", "position_ids", "pixel_values")}
    with torch.no_grad():
        right = model(**inputs, use_cache=False).logits
        leaking = model(**inputs, use_cache=False, attention_mask=torch.ones_like(batch["input_ids"])).logits
    assert (right - leaking).abs().max() > 1e-2


# ---- the plan --------------------------------------------------------------------------------------------------------------------


def test_first_fit_decreasing_fills_bins_and_loses_nothing():
    lengths = [5, 7, 5, 2, 4, 2, 5, 1, 6]
    bins = first_fit_decreasing(lengths, capacity=10)
    assert sorted(itertools.chain(*bins)) == list(range(9))
    assert [sum(lengths[index] for index in members) for members in bins] == [10, 10, 10, 7]


def make_sampler(encoder, folder, *, packing=True, max_length=256, seed=3) -> PackSampler:
    write_json_lines(folder, num_rows=30)
    sources = [JsonLines(folder / "colours.jsonl"), JsonLines(folder / "text.jsonl")]
    quarantine = Quarantine(None, max_share=0.5)
    mixture = Mixture(sources, [2, 1], seed=seed)
    return PackSampler(mixture, encoder, max_length=max_length, packing=packing, seed=seed, quarantine=quarantine)


def test_an_epoch_of_packs_holds_every_row_once_and_none_is_too_long(encoder, tmp_path):
    sampler = make_sampler(encoder, tmp_path)
    packs = list(sampler.epoch(0))
    rows = list(itertools.chain(*packs))
    assert sorted(rows) == sorted(sampler.mixture.order(0)) and len(set(rows)) == len(rows)
    assert all(sum(sampler.length(key) for key in pack) <= 256 for pack in packs)
    assert len(packs) < len(rows) / 2


def test_the_same_seed_gives_the_same_packs_and_another_seed_others(encoder, tmp_path):
    first, second = (list(itertools.islice(make_sampler(encoder, tmp_path), 40)) for _ in range(2))
    other = list(itertools.islice(make_sampler(encoder, tmp_path, seed=4), 40))
    assert first == second != other


def test_epochs_differ_in_order(encoder, tmp_path):
    sampler = make_sampler(encoder, tmp_path)
    assert list(sampler.epoch(0)) != list(sampler.epoch(1))


def test_without_packing_every_sample_has_a_sequence_of_its_own(encoder, tmp_path):
    assert all(len(pack) == 1 for pack in make_sampler(encoder, tmp_path, packing=False).epoch(0))


def test_the_planned_length_is_the_encoded_length(encoder, tmp_path):
    sampler = make_sampler(encoder, tmp_path)
    dataset = PackedDataset(sampler.mixture, encoder)
    for pack in itertools.islice(sampler, 5):
        assert [len(entry.input_ids) for entry in dataset[pack]] == [sampler.length(key) for key in pack]


def test_workers_change_nothing(encoder, tmp_path):
    sampler = make_sampler(encoder, tmp_path)
    dataset = PackedDataset(sampler.mixture, encoder)
    packs = list(sampler.epoch(0))
    batches = []
    for workers in (0, 2):
        loader = torch.utils.data.DataLoader(dataset, sampler=packs, batch_size=2, num_workers=workers, collate_fn=PackCollator(0))
        batches.append([batch["input_ids"] for batch in loader])
    assert all(torch.equal(first, second) for first, second in zip(*batches, strict=True))


# ---- rows that cannot be used ----------------------------------------------------------------------------------------------------


def test_a_bad_row_goes_into_quarantine_and_the_rest_is_packed(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=4)
    rows = [text_row(0), {"messages": "none"}, text_row(2)]
    source = JsonLines(write_rows(tmp_path / "bad.jsonl", rows))
    quarantine = Quarantine(tmp_path / "quarantine.jsonl", max_share=0.5)
    sampler = PackSampler(Mixture([source], [1], seed=0), encoder, max_length=256, packing=True, seed=0, quarantine=quarantine)
    assert sorted(itertools.chain(*sampler.epoch(0))) == [RowKey(0, 0), RowKey(0, 2)]
    list(sampler.epoch(1))
    line = (tmp_path / "quarantine.jsonl").read_text(encoding="utf-8")
    assert line.count("\n") == 1 and '"rule": "row form"' in line


def test_an_image_cut_short_is_found_by_the_worker_and_its_pack_goes_on(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=4)
    noise(0, (64, 64)).save(tmp_path / "images/0.png")
    whole = (tmp_path / "images/0.png").read_bytes()
    (tmp_path / "images/0.png").write_bytes(whole[: len(whole) // 2])
    source = JsonLines(tmp_path / "colours.jsonl")
    dataset = PackedDataset(Mixture([source], [1], seed=0), encoder)
    entries = dataset[(RowKey(0, 0), RowKey(0, 1))]
    assert isinstance(entries[0], Failure) and entries[0].rule == "unreadable image" and "0.png" in entries[0].reason
    batch = PackCollator(0)([entries])
    assert batch[FAILURES] == [entries[0]]
    assert batch["input_ids"].shape == (1, len(entries[1].input_ids))


def test_a_pack_of_nothing_but_bad_rows_still_makes_a_batch(spliced):
    batch = PackCollator(0)([[Failure("1", "s", "r", "because")]])
    batch.pop(FAILURES)
    total, count = supervised_loss(spliced[0], batch)
    assert (total.item(), count.item()) == (0.0, 0)
