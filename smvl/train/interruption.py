"""Signals that end a run: Ctrl-C, SIGTERM (a machine that is taken away, a limit of time) and SIGHUP (a terminal that is closed).

Anywhere else a signal ends the run at once. While a stage trains it is only noted, and the run ends with the step that it is in: then all
processes are at the same place, and the state can be saved there. Whoever cannot wait for that sends a second one.
"""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Self

SIGNALS = (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if os.name == "posix" else []))
_SECONDS_OF_ONE = 1.0
"""Signals within this time are one: torchrun sends its workers what the terminal has sent them already."""


class Interrupted(KeyboardInterrupt):
    """The end of a run by a signal. As with Ctrl-C, nobody who handles errors shall handle it."""

    def __init__(self, number: int):
        super().__init__(signal.Signals(number).name)
        self.number = number

    @property
    def status(self) -> int:
        """The exit status, as a shell gives it."""
        return 128 + self.number


class Interruption:
    """Takes the signals while it is entered, in this process alone, and only those that are not ignored: nohup stays nohup."""

    def __init__(self):
        self.number: int | None = None
        """The signal that has come, in whichever process of the run."""
        self._came = 0.0
        self._waits = False
        self._process = os.getpid()
        self._before: dict[int, object] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # only there can signals be taken
            taken = [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]
            self._before = {number: signal.signal(number, self._take) for number in taken}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextmanager
    def after_the_step(self) -> Iterator[None]:
        """Within it a signal is noted, for whoever looks at `number` after each step.

        Raises:
            Interrupted: at the end, when one has come; also in place of an error that came with it, as worker processes die of it too.
        """
        self._waits = True
        try:
            yield
        except Exception as error:
            if self.number is None or isinstance(error, ValueError):  # what the user must know, such as that the disk is full
                raise
            raise Interrupted(self.number) from error
        finally:
            self._waits = False
        if self.number is not None:
            raise Interrupted(self.number)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() != self._process:  # a worker that was forked: the first process says what happens
            return
        is_first = self.number is None
        if is_first:
            self.number, self._came = number, time.monotonic()
        if self._waits and (is_first or time.monotonic() - self._came < _SECONDS_OF_ONE):
            return
        raise Interrupted(number)
