"""smvl/train/interruption: a signal ends a run with its step, with a state that goes on to the same weights; anywhere else at once.

python -m pytest tests/test_interruption.py
"""

import fcntl
import os
import pty
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerControl

import train
from smvl.train.interruption import SIGNALS, Interrupted, Interruption
from smvl.train.trainer import StopOnSignal
from tests.tiny_run import write_run

ROOT = Path(__file__).parent.parent
ALIGN = {"eval_strategy": "no", "eval_steps": "null", "max_steps": 60, "save_steps": 50}
OVERRIDES = ["evaluation.generate=false", *(f"stages.0.trainer.{key}={value}" for key, value in ALIGN.items())]
STATUS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A folder in which a run went through, unbroken."""
    folder = tmp_path_factory.mktemp("run")
    assert train.main([str(write_run(folder)), *OVERRIDES]) == 0
    return folder


def start(finished: Path, out: Path, *overrides: str, **options) -> subprocess.Popen:
    """train.py in a session of its own, started from another folder."""
    settings = {setting.partition("=")[0]: setting for setting in (*OVERRIDES, *overrides)}  # each key once
    command = [sys.executable, str(ROOT / "train.py"), str(finished / "run.yaml"), f"output_dir={out}", *settings.values()]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, cwd=out.parent, env=environment, start_new_session=True, **{"stderr": (out.parent / "err.txt").open("w"), **options}
    )


def errors(out: Path) -> list[str]:
    """The lines on standard error but for those of the bar."""
    lines = (out.parent / "err.txt").read_text(encoding="utf-8").replace("\r", "\n").splitlines()
    return [line for line in lines if "step/s" not in line and "/60 [" not in line]


def wait_for(process: subprocess.Popen, has_come: Callable[[], bool]) -> None:
    while process.poll() is None and not has_come():
        time.sleep(0.01)
    assert process.poll() is None, "the run has ended before"


def is_training(out: Path) -> bool:
    return " 3/60 [" in (out.parent / "err.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("number", "workers"), [(signal.SIGINT, 2), (signal.SIGTERM, 2), (signal.SIGTERM, 0), (signal.SIGHUP, 0)])
def test_a_run_that_a_signal_ends_saves_its_state_and_goes_on_to_the_same_weights(finished, tmp_path, number, workers):
    """The signal goes to all processes, workers among them, as a terminal and a scheduler send it."""
    out = tmp_path / "out"
    process = start(finished, out, f"data.workers={workers}")
    wait_for(process, lambda: is_training(out))
    os.killpg(process.pid, number)
    assert process.wait(60) == STATUS[number]
    [checkpoint] = (out / "align").glob("checkpoint-*")
    said = f"train.py: stopped by {number.name}. Last state: {checkpoint}. The same command with --resume goes on."
    assert errors(out)[-1] == said and not [line for line in errors(out) if "Traceback" in line or "Error" in line]
    assert not (out / "run.lock").exists()
    assert start(finished, out, f"data.workers={workers}", "--resume").wait(120) == 0
    one, two = (load_file(folder / "model.safetensors") for folder in (finished / "out", out))
    assert all(one[name].equal(two[name]) for name in one)


def test_without_save_on_signal_the_last_regular_state_stays_the_last(finished, tmp_path):
    out = tmp_path / "out"
    process = start(finished, out, "save_on_signal=false", "stages.0.trainer.save_steps=2")
    wait_for(process, lambda: is_training(out))
    process.terminate()
    assert process.wait(60) == 143
    steps = [int(path.name.removeprefix("checkpoint-")) for path in (out / "align").glob("checkpoint-*")]
    assert steps and all(step % 2 == 0 for step in steps)
    assert errors(out)[-1].endswith(f"Last state: {out}/align/checkpoint-{max(steps)}. The same command with --resume goes on.")


@pytest.mark.parametrize("moment", ["Stage align, 60 steps", "Drawing", "imports"])
def test_before_training_a_signal_ends_a_run_at_once_in_one_line(finished, tmp_path, moment):
    out = tmp_path / "out"
    scenes = f"data.scenes={{folder: {tmp_path}/drawn, num_align: 3000, num_finetune: 3000, num_heldout: 300}}"
    process = start(finished, out, *([scenes] if moment == "Drawing" else []))
    if moment == "imports":
        time.sleep(1)
    else:
        wait_for(process, lambda: moment in "".join(errors(out)))
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130
    assert errors(out)[-1] == "train.py: stopped by SIGINT. Last state: none was saved yet. The same command with --resume goes on."
    assert not [line for line in errors(out) if "Traceback" in line]


def test_a_terminal_that_is_closed_ends_a_run_with_its_state(finished, tmp_path):
    """Nothing can be written to it any more; what was to be shown there is no reason to lose a state."""
    out = tmp_path / "out"
    terminal, side = pty.openpty()
    termios.tcsetwinsize(side, (24, 200))
    streams = {"stdin": side, "stdout": side, "stderr": side, "preexec_fn": lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0)}
    process = start(finished, out, "stages.0.trainer.max_steps=5000", **streams)
    os.close(side)
    shown = b""
    while b" 3/5000 [" not in shown:
        shown += os.read(terminal, 1000)
    os.close(terminal)
    assert process.wait(60) == 129
    assert len(list((out / "align").glob("checkpoint-*/complete"))) == 1


@pytest.mark.parametrize("lost", ["stderr", "stdout"])
def test_a_run_goes_on_when_nobody_reads_what_it_shows(finished, tmp_path, lost):
    reader, writer = os.pipe()
    process = start(finished, tmp_path / "out", **{lost: writer})
    os.close(writer)
    os.close(reader)
    assert process.wait(120) == 0
    assert (tmp_path / "out/config.json").exists()


def test_nohup_stays_nohup(finished, tmp_path):
    out = tmp_path / "out"
    process = start(finished, out, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    wait_for(process, lambda: is_training(out))
    os.killpg(process.pid, signal.SIGHUP)
    assert process.wait(120) == 0


# ---- the object itself -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_is_taken_at_once_and_handed_back(number):
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as error, Interruption():
        os.kill(os.getpid(), number)
        time.sleep(1)
    assert (error.value.number, error.value.status, str(error.value)) == (number, STATUS[number], signal.Signals(number).name)
    assert signal.getsignal(number) is before


def test_within_a_step_a_signal_waits_for_its_end():
    done = []
    with pytest.raises(Interrupted), Interruption() as interruption, interruption.after_the_step():
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)  # at once after it: torchrun's copy of the terminal's
        time.sleep(0.01)
        done.append(interruption.number)
    assert done == [signal.SIGTERM]


def test_a_signal_that_comes_while_processes_agree_is_not_lost(monkeypatch):
    """Python takes it when the others have answered, and they have not heard of it: it holds for the next step."""
    interruption, control = Interruption(), TrainerControl()
    arguments = SimpleNamespace(world_size=2, device="cpu")
    stop = StopOnSignal(interruption, saves=True)
    monkeypatch.setattr(torch.distributed, "all_reduce", lambda number, op: setattr(interruption, "number", signal.SIGTERM))
    stop.on_step_end(arguments, None, control)
    assert not control.should_training_stop
    stop.on_step_end(arguments, None, control)
    assert control.should_training_stop and control.should_save and interruption.number == signal.SIGTERM


def test_a_second_signal_does_not_wait(monkeypatch):
    monkeypatch.setattr("smvl.train.interruption._SECONDS_OF_ONE", 0.05)
    with pytest.raises(Interrupted) as error, Interruption() as interruption, interruption.after_the_step():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.1)
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(1)
        raise AssertionError("it has waited")
    assert error.value.number == signal.SIGINT


def test_what_fails_after_a_signal_fails_because_of_it_but_a_full_disk_is_told():
    """Worker processes may have died of the same signal."""
    for raised, seen in ((RuntimeError("DataLoader worker exited"), Interrupted), (ValueError("the disk is full"), ValueError)):
        with pytest.raises(seen), Interruption() as interruption, interruption.after_the_step():
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            raise raised


def test_without_a_signal_an_error_stays_an_error():
    with pytest.raises(RuntimeError), Interruption() as interruption, interruption.after_the_step():
        raise RuntimeError("ours")


def test_a_forked_process_leaves_signals_to_the_first():
    with Interruption():
        child = os.fork()
        if child == 0:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)
            os._exit(7)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
