"""Bars on standard error, which no closed terminal can break."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

SECONDS_BETWEEN_LINES = 60.0
"""Where standard error is no terminal."""


class Screen:
    """Standard error for as long as there is one. Where its terminal is closed or its reader is gone, the training is not."""

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            sys.stderr.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(sys.stderr, name)  # what a bar asks of its file besides: whether it is a terminal, how wide, in which encoding


SCREEN = Screen()


class _Lines:
    """In a log, where a bar would be a line a second: a line now and then."""

    def __init__(self, name: str, total: int, done: int):
        self._name, self._total, self._done, self._first = name, total, done, done
        self._began = self._said = time.monotonic()

    def __call__(self, number: int) -> None:
        self._done += number
        now = time.monotonic()
        if now - self._said >= SECONDS_BETWEEN_LINES:
            self._said = now
            left = (now - self._began) / (self._done - self._first) * (self._total - self._done)
            SCREEN.write(f"{self._name}: {self._done} of {self._total}, {timedelta(seconds=round(left))} left\n")
            SCREEN.flush()


@contextlib.contextmanager
def counting(name: str, total: int, *, done: int = 0) -> Iterator[Callable[[int], Any]]:
    """A bar with the time that is left, or lines where there is no terminal; within, call what it gives with how many more are done.

    Args:
        done: how many were done before; they say nothing of the time that is left.
    """
    if sys.stderr is None or not sys.stderr.isatty():
        yield _Lines(name, total, done)
        return
    from tqdm.auto import tqdm  # not before there is something to count

    with tqdm(desc=name, total=total, initial=done, dynamic_ncols=True, file=SCREEN) as bar:
        yield bar.update
