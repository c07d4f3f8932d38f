"""How a command of this project ends: what the machine does to it is one line and an exit status, and no answer is lost on its way out."""

import codecs
import contextlib
import errno
import io
import os
import re
import select
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

CLOSED_PIPE = 141
"""The exit status of a command whose reader has gone, as of any other program in a shell."""

INTERRUPTED = 130
"""The exit status after Ctrl-C."""

_ESCAPE = "smvl_escape"
"""The name of an error handler for encoding: escapes in place of what cannot be written, and a note that there were some."""

_OWN = ("", "smvl", "nano", "benchmarks", "examples")
_INSTALL = 'Install what training needs: pip install "qwen3-smvl[train]", or pip install -r requirements.txt in this project\'s folder.'

_DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP)
_CUT_SHORT = re.compile("[0-9]+ requested and [0-9]+ written")
"""What numpy's `tofile` says when there is no more room, and no number with it."""
_BROKEN = (errno.EIO, errno.ESTALE, errno.EMFILE, errno.ENFILE, errno.ENOMEM)


def run_program(name: str, program: Callable[[], int], *, way_on: str = "run the same command again") -> int:
    """Run a command; returns its exit status, or the one that stands for what the machine did to it.

    A reader of standard output that goes away early (`| head`) ends it quietly. Characters that standard output cannot encode are written
    as escapes, which is said once. What is wrong with a disk or a file is one line on standard error, and so is Ctrl-C.

    Args:
        name: the command, before its messages.
        program: does the work. Its own exceptions, other than those of the machine, pass through.
        way_on: what to do once there is room again, or after Ctrl-C.
    """
    escaped = _escape_what_cannot_be_written()
    try:
        try:
            status = program()
        finally:
            _flush()
    except KeyboardInterrupt:  # of a command that has nothing to add
        say(f"\n{name}: stopped. To go on: {way_on}.")
        return INTERRUPTED
    except Exception as error:  # whatever a full disk makes torch, safetensors and others throw; all else is raised again
        reader_is_gone = isinstance(error, BrokenPipeError) and _has_no_reader()
        if reader_is_gone or not _output_works():
            _write_nowhere()  # what is still in its buffer would fail once more when the interpreter ends
        if reader_is_gone:
            return CLOSED_PIPE
        if isinstance(error, ModuleNotFoundError) and (error.name or "").split(".")[0] not in _OWN:
            say(f"{name}: the package {error.name} is not installed. {_INSTALL}")
            return 1
        for cause in _causes(error):
            if advice := advice_for(cause, way_on):
                say(f"{name}: {_describe(cause)}. {advice}")
                return 1
        raise
    if escaped:
        say(f"{name}: standard output is {sys.stdout.encoding}; what it cannot show was written as escapes. Set PYTHONIOENCODING=utf-8.")
    return status


def say(line: str) -> None:
    """Write a line to standard error, if anybody can still read it."""
    with contextlib.suppress(OSError):  # the terminal is gone
        if sys.stderr is not None:
            sys.stderr.write(f"{line}\n")
            sys.stderr.flush()


def is_disk_full(error: BaseException) -> bool:
    """Whether an error says so; torch, safetensors and numpy have errors of their own for it."""
    if isinstance(error, OSError) and (error.errno in _DISK_FULL or _CUT_SHORT.fullmatch(str(error))):
        return True
    return "No space left" in str(error)


def can_be_written(text: str) -> bool:
    """Whether standard output can encode a text."""
    try:
        text.encode(sys.stdout.encoding or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def advice_for(error: BaseException, way_on: str) -> str | None:
    """What to do about a fault of the machine; None for any other error."""
    if is_disk_full(error):
        return f"Make room there, and {way_on}."
    if not isinstance(error, OSError):
        return None
    if _concerns_the_cache(error):
        return "HF_HOME names the folder in which tables are kept once they were read: set it to one that can be written."
    if error.errno in _NOT_WRITABLE:
        return "Give a place that can be read and written, or its permissions."
    return f"Look after the machine, and {way_on}." if error.errno in _BROKEN else None


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from: `datasets` wraps what the machine does to it."""
    while error is not None:
        yield error
        error = error.__cause__


def _concerns_the_cache(error: OSError) -> bool:
    """Whether the folder in which Hugging Face's packages write cannot be made or written, as the home of a service's account."""
    if not isinstance(error.filename, str):
        return False
    path, cache = Path(error.filename), Path(os.environ.get("HF_HOME") or os.path.expanduser("~/.cache/huggingface"))
    return path == cache or path in cache.parents or cache in path.parents


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.strerror} ({error.filename})"
    return " ".join(str(error).split())


# ---- standard output -------------------------------------------------------------------------------------------------------------


def _escape_what_cannot_be_written() -> list[str]:
    """Have standard output write escapes; returns a list that will hold what was escaped."""
    escaped: list[str] = []

    def escape(error: UnicodeError) -> tuple[str | bytes, int]:
        escaped.append(error.object[error.start : error.end])
        return codecs.backslashreplace_errors(error)

    codecs.register_error(_ESCAPE, escape)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=_ESCAPE)
    return escaped


def _flush() -> None:
    if sys.stdout is not None:
        sys.stdout.flush()


def _output_works() -> bool:
    try:
        _flush()
    except OSError:
        return False
    return True


def _has_no_reader() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
        return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))
    except OSError:  # not a file of the system's
        return False


def _write_nowhere() -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
