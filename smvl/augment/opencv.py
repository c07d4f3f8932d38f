"""OpenCV, loaded when it is first needed and on one thread: its own fight with the processes that load data, and hang in forked ones."""

from functools import cache
from types import ModuleType


@cache
def opencv() -> ModuleType:
    """The module `cv2`.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise ValueError("distortions of images need OpenCV: pip install opencv-python-headless") from error
    cv2.setNumThreads(1)
    return cv2
