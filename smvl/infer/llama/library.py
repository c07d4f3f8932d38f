"""llama.cpp as the package llama-cpp-python brings it: its log goes to Python's, and what it complains of is kept for an error's text."""

import ctypes
import logging
from ctypes import c_void_p

import llama_cpp
import numpy as np
from llama_cpp import mtmd_cpp

logger = logging.getLogger(__name__)

_ERROR, _CONTINUED = 4, 5
"""Of ggml's `ggml_log_level`; llama-cpp-python numbers them otherwise."""


class _Log:
    """Puts the pieces that llama.cpp writes together to lines, which go to Python's log as DEBUG."""

    def __init__(self):
        self.errors: list[str] = []
        self._line, self._level = "", 0

    def write(self, level: int, text: bytes, _: c_void_p) -> None:
        self._level = self._level if level == _CONTINUED else level
        *lines, self._line = (self._line + text.decode("utf-8", errors="replace")).split("\n")
        for line in filter(None, map(str.strip, lines)):
            logger.debug("%s", line)
            if self._level == _ERROR:
                self.errors.append(line)


_log = _Log()
_callback = llama_cpp.llama_log_callback(_log.write)  # must live as long as the library
llama_cpp.llama_backend_init()
for _set in (llama_cpp.llama_log_set, mtmd_cpp.mtmd_log_set, mtmd_cpp.mtmd_helper_log_set):
    _set(_callback, c_void_p(0))


def take_errors() -> str:
    """What llama.cpp has complained of since the last call, the first complaint of them: those after it say that something failed."""
    errors, _log.errors = _log.errors, []
    return errors[0] if errors else "llama.cpp does not say why"


def pointer_to(array: np.ndarray, kind: type[ctypes._SimpleCData]) -> "ctypes._Pointer":
    """The start of an array, for a function of the library."""
    return array.ctypes.data_as(ctypes.POINTER(kind))
