"""Several processes that do one thing after another, with results in order."""

import gc
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

_AHEAD = 4
"""Tasks a process has waiting, so that none idles and memory stays bounded."""

_work: Callable[[Any], Any] | None = None


def in_order(work: Callable[[Any], Any], tasks: Iterable[Any], *, num_processes: int) -> Iterator[Any]:
    """`work` of each task, in the order of the tasks; one process works here.

    Processes are forked where that is safe (Linux), so that they share what `work` holds. They end with this iterator, and when this
    process is killed; Ctrl-C is left to this process.

    Raises:
        ValueError: a process was killed from outside.
    """
    if num_processes == 1:
        yield from map(work, tasks)
        return
    gc.freeze()  # forked processes share what nobody writes to, and collecting garbage writes to all it looks at
    context = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
    pool = ProcessPoolExecutor(num_processes, mp_context=context, initializer=_begin, initargs=(work, os.getpid()))
    waiting = deque()
    try:
        for task in tasks:
            waiting.append(pool.submit(_do, task))
            if len(waiting) >= _AHEAD * num_processes:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise ValueError("a process was killed from outside, most likely for want of memory. Take fewer with --processes.") from error
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(work: Callable[[Any], Any], parent: int) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """A parent that was killed cannot say so."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _do(task: Any) -> Any:
    return _work(task)
