"""Worker processes end with their run, and not with the signals that end it.

Ctrl-C reaches every process of a terminal, and a scheduler's SIGTERM every process of a job. The run finishes its step then, and may need
its workers for that; when it has ended, they end too.
"""

import signal
from collections.abc import Callable


def leave_signals_to_the_run(worker: int) -> None:
    """What a worker does first: `worker_init_fn` of a DataLoader. What it was forked with is not enough, as torch sets SIGTERM anew."""
    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        if name in signal.Signals.__members__:
            signal.signal(signal.Signals[name], signal.SIG_IGN)


class WorkerStart:
    """The same, and then what a worker would have done without it.

    Args:
        then: another `worker_init_fn`.
    """

    def __init__(self, then: Callable[[int], None]):
        self.then = then

    def __call__(self, worker: int) -> None:
        leave_signals_to_the_run(worker)
        self.then(worker)
