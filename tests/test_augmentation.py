"""smvl/augment/augmentation: changes depend on the seed and the row alone; images change each time that a row comes, text does not."""

import json
from collections import Counter

import pytest
import torch

import smvl
from smvl.config import ImageAugmentConfig, PromptConfig, SourceConfig, StageConfig, TextAugmentConfig
from smvl.data.quarantine import Quarantine
from smvl.packing.encode import Encoder
from smvl.packing.mixture import Mixture, RowKey, open_mixture
from smvl.packing.packs import PackedDataset, PackSampler
from tests.donors import save_text_donor, save_vision_donor
from tests.tiny_data import noise, write_json_lines, write_rows

STRONG = ImageAugmentConfig(share=1.0, blur=0.8, noise=0.8, dim=0.8, tilt=0.6, perspective=0.6)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("donors")
    return Encoder(smvl.splice(save_vision_donor(folder / "v"), save_text_donor(folder / "t"))[1], max_length=256)


def open_images(folder, augment: ImageAugmentConfig | None, *, seed: int = 1) -> Mixture:
    write_json_lines(folder, num_rows=4)
    noise(0, (64, 64)).save(folder / "images/0.png")
    source = SourceConfig(path=str(folder / "colours.jsonl"), augment_images=augment)
    return open_mixture(StageConfig(name="s", mixture=[source], train=["connector"]), seed=seed)


def pixels(mixture: Mixture, encoder: Encoder, key: RowKey) -> torch.Tensor:
    return PackedDataset(mixture, encoder)[(key,)][0].pixels


def test_images_change_each_time_and_the_same_way_for_a_seed(encoder, tmp_path):
    plain, first, second = (
        pixels(open_images(tmp_path, augment), encoder, RowKey(0, 0, times)) for augment, times in ((None, 0), (STRONG, 0), (STRONG, 1))
    )
    assert plain.shape == first.shape and not torch.equal(plain, first) and not torch.equal(first, second)
    assert torch.equal(first, pixels(open_images(tmp_path, STRONG), encoder, RowKey(0, 0, 0)))
    assert not torch.equal(first, pixels(open_images(tmp_path, STRONG, seed=2), encoder, RowKey(0, 0, 0)))


def test_spared_tasks_keep_their_images(encoder, tmp_path):
    spared = ImageAugmentConfig(share=1.0, blur=0.8, spare=["colour"])
    key = RowKey(0, 0, 0)
    assert torch.equal(pixels(open_images(tmp_path, spared), encoder, key), pixels(open_images(tmp_path, None), encoder, key))


def test_white_space_comes_after_a_share_of_the_pictures_and_is_measured_as_it_is_trained(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=200)
    stage = StageConfig(
        name="s",
        mixture=[SourceConfig(path=str(tmp_path / "colours.jsonl"))],
        train=["connector"],
        prompts=PromptConfig(spaced_share=0.3),
    )
    mixture, again = open_mixture(stage, seed=1), open_mixture(stage, seed=1)
    questions = [mixture[RowKey(0, row)].messages[0]["content"][1]["text"] for row in range(200)]
    assert questions == [again[RowKey(0, row, 3)].messages[0]["content"][1]["text"] for row in range(200)]
    counts = Counter(question.removesuffix("什么颜色?") for question in questions)
    assert counts.keys() == {"", "\n", " "} and 40 <= counts["\n"] + counts[" "] <= 80 and counts["\n"] > counts[" "]
    sampler = PackSampler(mixture, encoder, max_length=256, packing=True, seed=1, quarantine=Quarantine(None, 1.0))
    for row in range(20):
        assert sampler.cost(RowKey(0, row)).tokens == len(PackedDataset(mixture, encoder)[(RowKey(0, row),)][0].input_ids)


def test_a_share_of_the_prompts_is_left_open_each_time_anew(encoder, tmp_path):
    write_json_lines(tmp_path, num_rows=200)
    source = SourceConfig(path=str(tmp_path / "colours.jsonl"))
    stage = StageConfig(name="s", mixture=[source], train=["connector"], prompts=PromptConfig(open_share=0.25))
    mixture = open_mixture(stage, seed=1)
    opened = [[mixture.opens_prompt(RowKey(0, row, times)) for row in range(200)] for times in (0, 1)]
    assert all(30 <= sum(rows) <= 70 for rows in opened) and opened[0] != opened[1]
    block = encoder.processor.tokenizer.encode("<think>")[0]
    for row in (opened[0].index(True), opened[0].index(False)):
        labels = PackedDataset(mixture, encoder)[(RowKey(0, row),)][0].labels.tolist()
        assert (block in labels) is opened[0][row]


def test_changed_text_is_what_was_measured_and_is_the_same_in_every_epoch(encoder, tmp_path):
    pairs = [("请问今天的天气怎么样?", "今天的天气非常好,适合出去散步。"), ("北京是一个怎样的城市?", "北京是一座美丽而且古老的城市。")] * 8
    messages = [[{"role": "user", "content": question}, {"role": "assistant", "content": answer}] for question, answer in pairs]
    path = write_rows(tmp_path / "chats.jsonl", [{"id": str(number), "messages": chat} for number, chat in enumerate(messages)])
    settings = TextAugmentConfig(synonyms=1.0, traditional=0.5, min_overlap=0.1, max_overlap=1.0)
    source = SourceConfig(path=str(path), augment_text=settings, text=True)
    stage = StageConfig(name="s", mixture=[source], train=["connector"])
    mixture = open_mixture(stage, seed=1)
    samples = [mixture[RowKey(0, row)] for row in range(16)]
    assert [sample.messages for sample in samples] == [open_mixture(stage, seed=1)[RowKey(0, row, 3)].messages for row in range(16)]
    texts = [json.dumps(list(sample.messages), ensure_ascii=False) for sample in samples]
    assert any(text != json.dumps(chat, ensure_ascii=False) for text, chat in zip(texts, messages))
    sampler = PackSampler(mixture, encoder, max_length=256, packing=True, seed=1, quarantine=Quarantine(None, 0.5))
    encoded = PackedDataset(mixture, encoder)[tuple(RowKey(0, row) for row in range(16))]
    assert [len(entry.input_ids) for entry in encoded] == [sampler.cost(RowKey(0, row)).tokens for row in range(16)]
