"""A run goes on with another number of processes: every pack once, none lost; and several processes end together."""

import json
import os
import signal
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import psutil
import pytest
import yaml

import train
from smvl.config import load_config
from smvl.data.quarantine import Quarantine
from smvl.packing.encode import Encoder
from smvl.packing.mixture import open_mixture
from smvl.packing.packs import PackedDataset, PackSampler
from smvl.processing.processing_smvl import SmVLMProcessor
from smvl.train.run import Run
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
SAVED, STOPPED, MAX_STEPS = 4, 5, 7
"""The step of the last checkpoint, the step at which the run is broken off, and the steps of the stage."""
UNMEASURED = ["evaluation.generate=false", "stages.0.trainer.eval_strategy=no", "stages.0.trainer.eval_steps=null"]


def run_stage(config: Path, log: Path, *options: str, processes: int, stop: int | None = None, slow: float = 0) -> None:
    """Train in so many processes; `stop` ends them at that step, as a kill would; `slow` lets the others read checkpoints late."""
    environment = {"SMVL_TEST_SLOW": str(slow)} | ({} if stop is None else {"SMVL_TEST_STOP": str(stop)})
    process = start_stage(config, log, *options, processes=processes, **environment)
    _, errors = process.communicate(timeout=180)
    assert (process.returncode == 0) == (stop is None), errors


def start_stage(config: Path, log: Path, *options: str, processes: int, **environment: str) -> subprocess.Popen:
    log.mkdir(exist_ok=True)
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)] if processes > 1 else []
    return subprocess.Popen(
        [sys.executable, *launcher, "-m", "tests.logged_train", str(config), *options],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SMVL_TEST_LOG": str(log), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def packs_in(log: Path, steps: range) -> list[list[str]]:
    """The packs that were trained on in these steps, in the order of the stream: processes take them in turn."""
    entries = [json.loads(line) for file in log.iterdir() for line in file.read_text(encoding="utf-8").splitlines()]
    chosen = [entry for entry in entries if entry["step"] in steps]
    return [entry["ids"] for entry in sorted(chosen, key=lambda entry: (entry["step"], entry["number"], entry["process"]))]


def first_packs(config_path: Path, checkpoint: Path, number: int) -> list[list[str]]:
    """What the stream begins with."""
    config = load_config(config_path)
    encoder = Encoder(SmVLMProcessor.from_pretrained(checkpoint), config.data.max_length, config.data.max_units)
    mixture = open_mixture(config.stages[0], seed=config.seed)
    options = {"max_length": config.data.max_length, "packing": config.data.packing, "look_ahead": config.data.look_ahead}
    sampler = PackSampler(mixture, encoder, seed=config.seed, quarantine=Quarantine(None, 1.0), **options)
    dataset = PackedDataset(mixture, encoder)
    return [[f"{sample.source}/{sample.id}" for sample in dataset[pack]] for pack in islice(sampler, number)]


@pytest.mark.parametrize(("before", "after"), [(2, 1), (1, 2)])
def test_a_run_resumed_with_another_number_of_processes_trains_on_every_pack_once(tmp_path, before, after):
    overrides = [
        *UNMEASURED,
        f"stages.0.trainer.max_steps={MAX_STEPS}",
        f"stages.0.trainer.save_steps={SAVED}",
        "stages.0.trainer.gradient_accumulation_steps=2",
    ]
    config = write_one_stage(write_run(tmp_path))
    run_stage(config, tmp_path / "first", *overrides, processes=before, stop=STOPPED)
    run_stage(config, tmp_path / "second", *overrides, "--resume", processes=after)
    trained = packs_in(tmp_path / "first", range(SAVED)) + packs_in(tmp_path / "second", range(SAVED, MAX_STEPS))
    assert len(trained) == 2 * (before * SAVED + after * (MAX_STEPS - SAVED))
    assert trained == first_packs(tmp_path / "out/config.yaml", tmp_path / "out", len(trained))


def test_the_first_process_waits_with_what_it_deletes_until_the_others_have_read_it(tmp_path, monkeypatch):
    """Resumed at the end of a stage, no step keeps the processes together."""
    overrides = [*UNMEASURED, "stages.0.trainer.max_steps=2"]
    config = write_one_stage(write_run(tmp_path))
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(Run, "_finish_stage", lambda *_: sys.exit(1))
        train.main([str(config), *overrides])
    assert (tmp_path / "out/align/checkpoint-2/complete").exists()
    run_stage(config, tmp_path / "log", *overrides, "--resume", processes=2, slow=3)
    assert (tmp_path / "out/model.safetensors").exists() and not list(tmp_path.glob("out/align/checkpoint-*"))


def children(process: subprocess.Popen) -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children()]


@pytest.mark.parametrize("receiver", ["the second process", "the launcher", "all"])
def test_a_signal_to_any_process_stops_all_at_the_same_step_with_one_state(tmp_path, receiver):
    """A run that goes on from there trains on every pack once."""
    overrides = [*UNMEASURED, "stages.0.trainer.save_steps=1000"]
    config = write_one_stage(write_run(tmp_path))
    log = tmp_path / "first"
    process = start_stage(config, log, *overrides, "stages.0.trainer.max_steps=5000", processes=2)
    while process.poll() is None and not all((log / f"{number}.jsonl").exists() for number in (0, 1)):
        time.sleep(0.01)
    if receiver == "all":
        os.killpg(process.pid, signal.SIGTERM)
    else:
        os.kill(process.pid if receiver == "the launcher" else children(process)[1], signal.SIGTERM)
    _, errors = process.communicate(timeout=120)
    [checkpoint] = (tmp_path / "out/align").glob("checkpoint-*")
    assert f"train.py: stopped by SIGTERM. Last state: {checkpoint}. The same command with --resume goes on.\n" in errors
    assert errors.count("train.py: ") == 1
    step = json.loads((checkpoint / "data_position.json").read_text(encoding="utf-8"))["step"]
    assert len(packs_in(log, range(5000))) == 2 * step
    assert packs_in(log, range(step)) == first_packs(tmp_path / "out/config.yaml", checkpoint, 2 * step)


WORKER_SERVER = """
import multiprocessing, signal, sys
sys.path.insert(0, {root!r})
from smvl.train.helper_processes import start_helpers, use_worker_server

def report(answers):
    ignored = [name for name in ("SIGINT", "SIGTERM", "SIGHUP") if signal.getsignal(signal.Signals[name]) == signal.SIG_IGN]
    answers.put(("smvl.packing.packs" in sys.modules, ignored))

if __name__ == "__main__":
    use_worker_server()
    start_helpers(workers=True)
    answers = multiprocessing.SimpleQueue()
    multiprocessing.Process(target=report, args=(answers,)).start()
    print(*answers.get(), [signal.getsignal(number) == signal.SIG_DFL for number in (signal.SIGTERM, signal.SIGHUP)])
"""


def test_the_server_of_workers_finds_smvl_from_any_folder_and_ignores_what_ends_a_run(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(WORKER_SERVER.format(root=str(ROOT)), encoding="utf-8")
    done = subprocess.run([sys.executable, str(script)], cwd="/", capture_output=True, text=True, timeout=120)
    assert done.stdout == "True ['SIGINT', 'SIGTERM', 'SIGHUP'] [True, True]\n", done.stderr


def write_one_stage(path: Path) -> Path:
    """The run without its second stage."""
    config = yaml.safe_load(path.read_text(encoding="utf-8"))
    config["stages"] = config["stages"][:1]
    path.write_text(yaml.safe_dump(config, allow_unicode=True), encoding="utf-8")
    return path
