"""What glibc's heap makes of a sequence of allocations: it keeps freed blocks, cannot use all of them again, and so holds more than lives.

The blocks are really asked for and given back, but never written to: they take addresses and no memory. Where the C library is another,
there is nothing to ask.

It is a replay and no allowance, for what is held depends on how tensors of one step follow each other: of the five configurations of
benchmarks/memory_forecast.py it is next to nothing in one and 1.1 of 2.9 GB in another.
"""

import ctypes
import weakref
from typing import Any

ALIGNMENT = 64
"""Bytes to which torch aligns tensors on CPU."""
_SMALLEST_SEEN = 1 << 16
"""Bytes from which a block is worth a look at the whole heap."""


class _HeapInfo(ctypes.Structure):
    """`struct mallinfo2` (man 3 mallinfo)."""

    _fields_ = [(name, ctypes.c_size_t) for name in "arena ordblks smblks hblks hblkhd usmblks fsmblks uordblks fordblks keepcost".split()]


class HeapReplay:
    """Allocates as tensors come, frees as they go, and notes how far the heap grows; switched on by `start`."""

    def __init__(self) -> None:
        self._library = ctypes.CDLL(None)
        self.works = hasattr(self._library, "mallinfo2")
        self._is_on, self._start, self._peak = False, 0, 0
        if self.works:
            self._library.mallinfo2.restype = _HeapInfo
            self._library.free.argtypes = [ctypes.c_void_p]

    def start(self) -> None:
        """From here on."""
        self._is_on = self.works
        self._start = self._peak = self._size()

    def hold(self, owner: Any, size: int) -> None:
        """A block of `size` bytes for as long as `owner` lives."""
        block = ctypes.c_void_p()
        if (
            not self._is_on
            or not size
            or self._library.posix_memalign(ctypes.byref(block), ctypes.c_size_t(ALIGNMENT), ctypes.c_size_t(size))
        ):
            return
        weakref.finalize(owner, self._library.free, block.value)
        if size >= _SMALLEST_SEEN:
            self._peak = max(self._peak, self._size())

    @property
    def growth(self) -> int:
        """Bytes by which the heap was larger at its peak than at the start."""
        return self._peak - self._start

    def _size(self) -> int:
        if not self.works:
            return 0
        info = self._library.mallinfo2()
        return info.arena + info.hblkhd
