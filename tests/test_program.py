"""smvl/program: a command ends with one line and a status, whatever the machine does to it, and what it has to say is not lost.

python -m pytest tests/test_program.py
"""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors import SafetensorError

from smvl.__main__ import COMMANDS
from smvl.program import CLOSED_PIPE, is_disk_full, run_program

ROOT = Path(__file__).parents[1]

SAY = """
import sys
from smvl.__main__ import COMMANDS
from smvl.program import run_program
def program():
    {body}
    return 3
sys.exit(run_program("name", program))
"""


def run(body: str, *, encoding: str = "utf-8", **options) -> subprocess.CompletedProcess:
    """A command in a process of its own: its status, and the bytes that it wrote."""
    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    return subprocess.run([sys.executable, "-c", SAY.format(body=body)], cwd=ROOT, env=environment, stderr=subprocess.PIPE, **options)


def fail(error: BaseException) -> int:
    raise error


def test_its_status_is_the_commands():
    assert run_program("name", lambda: 3) == 3


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left", "out/a.json"), "No space left (out/a.json). Make room there, and go on."),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "[Errno 122] Disk quota exceeded. Make room there, and go on."),
        (SafetensorError("I/O error: No space left on device (os error 28)"), "No space left on device (os error 28). Make room there"),
        (PermissionError(errno.EACCES, "Permission denied", "/data"), "Permission denied (/data). Give a place that can be read"),
        (OSError(errno.EROFS, "Read-only file system", "/data"), "Read-only file system (/data). Give a place"),
        (NotADirectoryError(errno.ENOTDIR, "Not a directory", "a.txt/b"), "Not a directory (a.txt/b). Give a place"),
        (OSError("98304 requested and 61440 written"), "98304 requested and 61440 written. Make room there, and go on."),
        (OSError(errno.EIO, "Input/output error"), "[Errno 5] Input/output error. Look after the machine, and go on."),
    ],
)
def test_a_fault_of_the_machine_is_one_line_and_status_1(capsys, error, message):
    assert run_program("name", lambda: fail(error), way_on="go on") == 1
    said = capsys.readouterr().err
    assert said.startswith(f"name: {message}") or message in said
    assert said.count("\n") == 1


def test_what_the_machine_did_is_found_below_what_a_package_made_of_it(capsys):
    error = RuntimeError("An error occurred while generating the dataset")
    error.__cause__ = OSError(errno.ENOSPC, "No space left", "cache/a.arrow")
    assert run_program("name", lambda: fail(error), way_on="go on") == 1
    assert capsys.readouterr().err == "name: No space left (cache/a.arrow). Make room there, and go on.\n"


@pytest.mark.parametrize(
    ("variable", "folder"), [("HOME", ".cache"), ("HOME", ""), ("HOME", ".cache/huggingface/datasets"), ("HF_HOME", "datasets")]
)
@pytest.mark.parametrize("number", [errno.ENOENT, errno.EACCES, errno.EROFS, errno.ENOTDIR])
def test_a_home_that_cannot_be_written_is_named_with_the_way_around_it(monkeypatch, capsys, variable, folder, number):
    monkeypatch.delenv("HF_HOME", raising=False)
    monkeypatch.setenv(variable, "/nobody/home")
    path = os.path.join("/nobody/home", folder)
    assert run_program("name", lambda: fail(OSError(number, "No", path))) == 1
    advice = "HF_HOME names the folder in which tables are kept once they were read: set it to one that can be written."
    assert capsys.readouterr().err == f"name: No ({path}). {advice}\n"


def test_ctrl_c_is_one_line(capsys):
    assert run_program("name", lambda: fail(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "\nname: stopped. To go on: run the same command again.\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", [[], *([name] for name in COMMANDS)], ids=" ".join)
def test_every_command_of_the_package_ends_so(command):
    environment = {**os.environ, "PYTHONUNBUFFERED": ""}  # argparse looks away from what fails while it writes
    with open("/dev/full", "wb") as full:
        arguments = [sys.executable, "-m", "smvl", *command, "--help"]
        done = subprocess.run(arguments, cwd=ROOT, env=environment, stdout=full, stderr=subprocess.PIPE)
    way_on = COMMANDS[command[0]].way_on if command else "run the same command again"
    said = f"{' '.join(['smvl', *command])}: [Errno 28] No space left on device. Make room there, and {way_on}.\n"
    assert (done.returncode, done.stderr.decode()) == (1, said)


def test_a_package_that_is_missing_is_named_with_what_installs_it(capsys):
    assert run_program("name", lambda: fail(ModuleNotFoundError("No module named 'cn2an'", name="cn2an"))) == 1
    said = capsys.readouterr().err
    assert said.startswith('name: the package cn2an is not installed. Install what training needs: pip install "qwen3-smvl[train]"')
    with pytest.raises(ModuleNotFoundError):
        run_program("name", lambda: fail(ModuleNotFoundError("No module named 'smvl.lost'", name="smvl.lost")))


@pytest.mark.parametrize("error", [KeyError("ours"), FileNotFoundError(errno.ENOENT, "gone", "ours"), ValueError("no"), BrokenPipeError()])
def test_any_other_error_passes_through(error):
    with pytest.raises(type(error)):
        run_program("name", lambda: fail(error))


def test_only_a_full_disk_is_one():
    assert is_disk_full(OSError(errno.ENOSPC, "")) and is_disk_full(RuntimeError("No space left on device"))
    assert not is_disk_full(OSError(errno.EACCES, "")) and not is_disk_full(RuntimeError("shape"))


@pytest.mark.parametrize("flush", [True, False])
def test_a_reader_that_goes_away_ends_it_quietly(flush):
    reader, writer = os.pipe()
    os.close(reader)
    done = run(f"print('text', flush={flush})", stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (CLOSED_PIPE, b"")


def test_the_help_of_a_command_may_be_cut_short_too():
    reader, writer = os.pipe()
    os.close(reader)
    done = run("import argparse; argparse.ArgumentParser().parse_args(['--help'])", stdout=writer)
    os.close(writer)
    assert done.returncode in (0, CLOSED_PIPE) and done.stderr == b""  # argparse of some Pythons looks away itself


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("flush", [True, False])
def test_output_that_goes_to_a_full_disk_is_one_line(flush):
    with open("/dev/full", "wb") as full:
        done = run(f"print('text', flush={flush})", stdout=full)
    assert done.returncode == 1
    assert done.stderr == b"name: [Errno 28] No space left on device. Make room there, and run the same command again.\n"


@pytest.mark.parametrize(
    ("encoding", "text", "written"),
    [
        ("utf-8", "图 🙂", "图 🙂".encode()),
        ("gbk", "图", "图".encode("gbk")),
        ("ascii", "图 🙂 é", rb"\u56fe \U0001f642 \xe9"),
        ("gbk", "图🙂", "图".encode("gbk") + rb"\U0001f642"),
        ("utf-8", "\udcc4.png", rb"\udcc4.png"),
    ],
)
def test_what_cannot_be_encoded_is_written_as_escapes_and_that_is_said_once(encoding, text, written):
    done = run(f"print({ascii(text)}); print({ascii(text)})", encoding=encoding, stdout=subprocess.PIPE)
    assert (done.returncode, done.stdout) == (3, written + b"\n" + written + b"\n")
    said = f"name: standard output is {encoding}; what it cannot show was written as escapes. Set PYTHONIOENCODING=utf-8.\n"
    assert done.stderr.decode() == (said if b"\\" in written else "")


def test_messages_may_go_nowhere():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", SAY.format(body="raise PermissionError(13, 'no', 'x')")], cwd=ROOT, stderr=writer)
    os.close(writer)
    assert done.returncode == 1
