"""The processes that serve this one: a small one from which workers are forked, and Python's own."""

import multiprocessing
import os
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from smvl.train.interruption import SIGNALS

ROOT = Path(__file__).parents[2]
FORK_SERVER = "forkserver"


def use_worker_server() -> None:
    """Let worker processes be forked from a small process of their own, where the system has that, and not from this one.

    A fork leaves the memory of the process that forked in pages that both share, and each page that one of them writes to is copied; large
    pages are split for it, and Python writes to whatever it looks at. On a virtual machine with a card, launching a step took twice as
    long once fourteen idle workers had been forked (benchmarks/README.md).
    """
    if FORK_SERVER in multiprocessing.get_all_start_methods():
        multiprocessing.set_start_method(FORK_SERVER, force=True)
        multiprocessing.set_forkserver_preload(["smvl.packing.packs"])


def start_helpers(*, workers: bool) -> None:
    """Start multiprocessing's own processes now, so that they ignore the signals that end a run, as workers do (packing/worker_process.py).

    Args:
        workers: whether there will be any; their server, if they have one, loads what they need while this process does.
    """
    if os.name != "posix":
        return
    from multiprocessing import forkserver, resource_tracker

    with _ignored(SIGNALS):
        resource_tracker.ensure_running()
        if workers and multiprocessing.get_start_method() == FORK_SERVER:
            # It looks for modules where it was started, which need not be where this package lies, and leaves out what it does not find.
            os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
            forkserver.ensure_running()


@contextmanager
def _ignored(signals: Sequence[int]) -> Iterator[None]:
    """Within it processes are started that go on ignoring these."""
    before = {number: signal.signal(number, signal.SIG_IGN) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
