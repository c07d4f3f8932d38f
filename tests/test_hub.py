"""smvl/data/sources/hub and stream: data sets of the hub by their id, from the cache when offline, and as much of a stream as is asked for.

Nothing is fetched: `datasets.load_dataset` finds the hub in a folder, or what it fetches from in the cache.
"""

import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import datasets
import pyarrow.parquet
import pytest

from smvl.config import SourceConfig
from smvl.data.sources import stream
from smvl.data.sources.hub import is_hub_id
from smvl.data.sources.stream import StreamFolder
from smvl.source_registry import check_source, open_source
from smvl.train.checkpoint import fingerprint
from tests.rows import IMAGE_LAYOUTS, SEEN, image_forms, summary
from tests.tiny_data import write_json_lines

load_dataset = datasets.load_dataset
QUESTIONS = [{"question": f"{number}?", "answer": f"{number}!"} for number in range(25)]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.setattr(datasets.config, "HF_CACHE_HOME", tmp_path / "home")
    return tmp_path / "cache"


class Hub:
    """A folder with one folder a data set and one below it for each subset; counts what is asked for."""

    def __init__(self, folder: Path):
        self.folder, self.asked = folder, []

    def add(self, path: str, subset: str, rows: list[dict], features: datasets.Features | None = None) -> None:
        (self.folder / path / subset).mkdir(parents=True, exist_ok=True)
        datasets.Dataset.from_list(rows, features=features).to_parquet(self.folder / path / subset / "train-00000-of-00001.parquet")

    def load_dataset(self, path: str, name: str | None = None, *, split: str, streaming: bool = False, **options):
        if path == "parquet":
            return load_dataset(path, split=split, **options)
        self.asked.append((path, name, split, streaming))
        if not (self.folder / path).exists():
            raise datasets.exceptions.DatasetNotFoundError(f"Dataset '{path}' doesn't exist on the Hub or cannot be accessed.")
        if not (self.folder / path / name).exists():
            raise ValueError(f"BuilderConfig '{name}' not found. Available: {self.subsets(path)}")
        return load_dataset("parquet", data_files={"train": str(self.folder / path / name / "*.parquet")}, split=split, streaming=streaming)

    def subsets(self, path: str) -> list[str]:
        return sorted(entry.name for entry in (self.folder / path).iterdir())


@pytest.fixture
def hub(tmp_path, monkeypatch) -> Hub:
    hub = Hub(tmp_path / "hub")
    monkeypatch.setattr(datasets, "load_dataset", hub.load_dataset)
    monkeypatch.setattr(datasets, "get_dataset_config_names", hub.subsets)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    return hub


def open_hub(path: str, **options):
    return open_source(SourceConfig(path=path, **options))


def questions(source) -> list[str]:
    return [source[row].messages[0]["content"] for row in range(len(source))]


# ---- ids -------------------------------------------------------------------------------------------------------------------------


def test_what_reads_like_an_id_is_one_unless_something_lies_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_json_lines(tmp_path / "data")
    assert is_hub_id("HuggingFaceM4/the_cauldron") and is_hub_id("liuhaotian/LLaVA-Instruct-150K")
    for path in ("data/text.jsonl", "data/missing", "other/missing.jsonl", "a/b/c", "name", "/a/b", "./a", "a/..", "data"):
        assert not is_hub_id(path)


def test_every_subset_is_read_and_images_come_as_from_a_folder(hub, tmp_path):
    image = image_forms(tmp_path)["struct"]
    features = datasets.Features(
        {
            "images": datasets.List(datasets.Image()),
            "texts": datasets.List({key: datasets.Value("string") for key in ("user", "assistant", "source")}),
        }
    )
    for number, subset in enumerate(("a", "b")):
        hub.add("owner/Some-Set", subset, IMAGE_LAYOUTS["cauldron"](image)[number : number + 1], features)
    source = open_hub("owner/Some-Set")
    assert [summary(source[row]) for row in range(2)] == [(messages, colours, None) for messages, colours in SEEN]
    assert source.name == "owner/Some-Set" and source.locate(1) == "owner/Some-Set/b:0"
    assert len(open_hub("owner/Some-Set", subsets=["b"], source="hub")) == 1
    assert all(file.exists() for file in source.files) and len(source.files) == 2


def test_of_the_cauldron_the_broken_subsets_are_not_even_asked_for(hub, monkeypatch):
    from smvl.data.sources import hub as module

    monkeypatch.setattr(module, "SUBSETS", ["ai2d", "ocrvqa", "vsr"])
    row = {"images": [], "texts": [{"user": "?", "assistant": "!"}]}
    for subset in ("ai2d", "ocrvqa", "vsr"):
        hub.add("HuggingFaceM4/the_cauldron", subset, [{**row, "images": [{"bytes": b"1", "path": None}]}])
    assert len(open_hub("HuggingFaceM4/the_cauldron")) == 2
    assert [name for _, name, _, _ in hub.asked] == ["ai2d", "vsr"]
    with pytest.raises(ValueError, match=r"there is no subset vsrr \(did you mean vsr\?\)"):
        open_hub("HuggingFaceM4/the_cauldron", subsets=["vsrr"])


# ---- errors ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("refuse", [check_source, open_source])
def test_offline_with_nothing_in_the_cache_says_how_to_fetch(refuse):
    with pytest.raises(
        ValueError, match="nobody/nothing: .*no data set of this id in the cache.*HF_HUB_OFFLINE=0 python train.py"
    ) as error:
        refuse(SourceConfig(path="nobody/nothing"))
    assert "if it is a folder, mend the path" in str(error.value)


def test_offline_what_was_fetched_before_is_read(cache, tmp_path):
    """The cache as `datasets` itself lays it out, read by `datasets` itself."""
    datasets.Dataset.from_list(QUESTIONS).to_parquet(tmp_path / "a.parquet")
    load_dataset("parquet", data_files=str(tmp_path / "a.parquet"), split="train")
    (built,) = (folder for folder in (cache / "parquet").glob("*/*/*") if folder.is_dir())
    shutil.move(built, cache / "owner___some_set/default/0.0.0/abc")
    shutil.rmtree(cache / "parquet")
    for file in (cache / "owner___some_set/default/0.0.0/abc").glob("parquet-*.arrow"):
        file.rename(file.with_name(file.name.replace("parquet-", "some_set-")))
    config = SourceConfig(path="owner/SomeSet")
    check_source(config)
    assert questions(open_source(config)) == [row["question"] for row in QUESTIONS]


def test_what_datasets_complains_of_becomes_one_message_with_what_to_do(hub):
    hub.add("owner/name", "a", QUESTIONS)
    for options, reason in (
        ({"path": "owner/other", "subsets": ["a"]}, "owner/other: .*no such data set could be reached .* HF_ENDPOINT"),
        ({"path": "owner/name", "subsets": ["b"]}, r"owner/name: BuilderConfig 'b' not found. Available: \['a'\].* Look at `subsets`"),
        ({"path": "owner/name", "split": "test"}, 'owner/name: Unknown split "test".* Look at `subsets` and `split`'),
        ({"path": "name", "source": "hub"}, "name: this is not the id of a data set on the hub; expected owner/name"),
    ):
        with pytest.raises(ValueError, match=reason):
            open_source(SourceConfig(**options))


def test_a_data_set_with_code_of_its_own_is_refused(hub, monkeypatch):
    def refuse(*args, **options):
        raise RuntimeError("Dataset scripts are no longer supported, but found name.py")

    monkeypatch.setattr(datasets, "load_dataset", refuse)
    with pytest.raises(ValueError, match="loaded by code of its own, which is never run .* in parquet"):
        open_hub("owner/name", subsets=["a"])


# ---- streams ---------------------------------------------------------------------------------------------------------------------


def rows_read(monkeypatch) -> Callable[[], int]:
    """Counts the rows that are taken from streams."""
    counted = []
    iterate = datasets.IterableDataset.__iter__

    def counting(self):
        for row in iterate(self):
            counted.append(1)
            yield row

    monkeypatch.setattr(datasets.IterableDataset, "__iter__", counting)
    return lambda: len(counted)


def test_as_many_rows_as_asked_for_are_fetched_once(hub, monkeypatch):
    hub.add("owner/name", "a", QUESTIONS)
    num_read = rows_read(monkeypatch)
    for _ in range(2):
        assert questions(open_hub("owner/name", stream=10)) == [f"{number}?" for number in range(10)]
        assert num_read() == 10 and hub.asked == [("owner/name", "a", "train", True)]
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    assert len(open_hub("owner/name", subsets=["a"], stream=10)) == 10


def test_fewer_rows_are_the_first_of_those_and_more_go_on_behind_them(hub, monkeypatch):
    hub.add("owner/name", "a", QUESTIONS)
    assert len(open_hub("owner/name", stream=10)) == 10
    assert questions(open_hub("owner/name", stream=4)) == [f"{number}?" for number in range(4)]
    assert questions(open_hub("owner/name", stream=17)) == [f"{number}?" for number in range(17)]
    files = StreamFolder.of("owner/name", "a", "train").folder.glob("rows-*")
    assert sorted(file.name for file in files) == ["rows-000000000.parquet", "rows-000000010.parquet"]


def test_a_stream_that_breaks_off_goes_on_where_it_was_and_gives_the_same_rows(hub, monkeypatch):
    hub.add("owner/name", "a", QUESTIONS)
    monkeypatch.setattr(stream, "MAX_ROWS", 4)
    write_table = pyarrow.parquet.write_table

    def failing(table, path, **options):
        write_table(table, path, **options)
        if "000008" in path.name:
            raise KeyboardInterrupt

    monkeypatch.setattr(pyarrow.parquet, "write_table", failing)
    with pytest.raises(KeyboardInterrupt):
        open_hub("owner/name", stream=20)
    folder = StreamFolder.of("owner/name", "a", "train").folder
    assert sorted(path.name for path in folder.glob("rows-*.parquet")) == ["rows-000000000.parquet", "rows-000000004.parquet"]
    monkeypatch.setattr(pyarrow.parquet, "write_table", write_table)
    assert questions(open_hub("owner/name", stream=20)) == [f"{number}?" for number in range(20)]


def test_a_stream_with_fewer_rows_says_so_and_is_not_asked_again(hub, caplog):
    hub.add("owner/name", "a", QUESTIONS)
    for _ in range(2):
        assert len(open_hub("owner/name", stream=100)) == 25
    assert len(hub.asked) == 1 and "asked for 100 rows, but the data set has only 25" in caplog.text


def test_subsets_share_the_rows_of_a_stream(hub):
    for subset in ("a", "b", "c"):
        hub.add("owner/name", subset, [{"question": f"{subset}{number}", "answer": "!"} for number in range(9)])
    assert questions(open_hub("owner/name", stream=5)) == ["a0", "a1", "b0", "b1", "c0"]


def test_processes_that_come_at_once_fetch_once(hub):
    hub.add("owner/name", "a", QUESTIONS)
    with ThreadPoolExecutor(4) as threads:
        sources = list(threads.map(lambda _: open_hub("owner/name", subsets=["a"], stream=20), range(4)))
    assert [len(source) for source in sources] == [20] * 4 and len(hub.asked) == 1


def test_the_fingerprint_of_a_data_set_from_the_hub_is_that_of_its_rows(hub):
    hub.add("owner/name", "a", QUESTIONS)
    hub.add("owner/name", "b", QUESTIONS[1:])
    first, again, other = (fingerprint(SourceConfig(path="owner/name", subsets=[subset])) for subset in ("a", "a", "b"))
    assert first == again != other


def test_images_of_a_stream_are_kept_as_they_are(hub, tmp_path, monkeypatch):
    image = image_forms(tmp_path)["struct"]
    features = datasets.Features({"image": datasets.Image(), "question": datasets.Value("string"), "answer": datasets.Value("string")})
    rows = [{"image": image(colours[0]), "question": "?", "answer": "!"} for _, colours in SEEN] + [
        {"image": None, "question": "?", "answer": "!"}
    ]
    hub.add("owner/name", "a", rows, features)
    monkeypatch.setattr(stream, "MAX_BYTES", 1)
    source = open_hub("owner/name", stream=3)
    assert [summary(source[row])[1] for row in range(3)] == [["红色"], ["红色"], []]
    assert source[0].images[0]["bytes"] == image("红色")["bytes"] and len(source.files) == 3
