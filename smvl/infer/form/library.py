"""llguidance, which no part of a run needs that asks for no form."""

from types import ModuleType


def load_llguidance() -> ModuleType:
    """The library.

    Raises:
        ValueError: it is not installed.
    """
    try:
        import llguidance
    except ImportError as error:
        raise ValueError(f"answers in a form need llguidance ({error}). Install it: pip install llguidance") from error
    return llguidance
