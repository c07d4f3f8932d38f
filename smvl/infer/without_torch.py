"""Running without torch where it is installed."""

import sys


def without_torch() -> None:
    """Let transformers be imported as if torch were not installed: two seconds and a few hundred megabytes less.

    transformers imports torch wherever it finds it, and an ONNX export needs none. Call it before transformers is imported; a process that
    has imported torch already stays as it is.
    """
    sys.modules.setdefault("torch", None)
