"""A lock that one process holds at a time. It is the system's: a process that is killed holds it no longer."""

import contextlib
from collections.abc import Iterator
from pathlib import Path


class LockedError(ValueError):
    """Another process holds the lock."""


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Hold the lock of a file, which is made for it and deleted in the end.

    Raises:
        LockedError: another process holds it.
        OSError: the file cannot be made.
    """
    import filelock  # flock, msvcrt or, on a disk without either, a mark; only for those who write

    lock = filelock.FileLock(path)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise LockedError(f"another process holds {path}.") from None
    try:
        yield
    finally:
        with contextlib.suppress(OSError):  # the folder may be gone
            path.unlink()
        lock.release()
