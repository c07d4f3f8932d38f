"""Texts that end an answer, whole or in pieces."""

from collections.abc import Sequence


class StopTexts:
    """Passes text on until one of some texts appears; that one, and all behind it, is left out.

    Args:
        texts: none of them empty; without any, everything is passed on.
    """

    def __init__(self, texts: Sequence[str]):
        self._texts = tuple(texts)
        self._held = ""
        self.found: str | None = None
        """The text that ended it."""

    def push(self, piece: str) -> str:
        """What of all that came may be given out now: the start of a stop text is held back until it is none."""
        if self.found is not None:
            return ""
        text = self._held + piece
        places = [(place, stop) for stop in self._texts if (place := text.find(stop)) >= 0]
        if places:
            place, self.found = min(places)
            self._held = ""
            return text[:place]
        held = max((_overlap(text, stop) for stop in self._texts), default=0)
        self._held = text[len(text) - held :]
        return text[: len(text) - held]

    def finish(self) -> str:
        """What was held back."""
        held, self._held = self._held, ""
        return held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of a text begin a stop text."""
    return next((length for length in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:length])), 0)
