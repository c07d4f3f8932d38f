"""What was read for the latest conversations, so that their next turns are read from where they go on."""

from collections.abc import Sequence
from typing import Any

from smvl.infer.memory import Memory
from smvl.infer.request import Request


class Conversations:
    """The memories of some conversations; the one that was not used for longest goes first.

    Args:
        most: how many are kept; each holds keys and values of all its tokens.
    """

    def __init__(self, most: int):
        self._most = most
        self._kept: list[tuple[Sequence[dict[str, Any]], Memory]] = []

    def memory_for(self, request: Request) -> Memory:
        """The memory of the conversation that this one goes on with, or a new one. A wrong guess costs time and no more."""
        begun = [entry for entry in self._kept if _goes_on(entry[0], request.messages)]
        if not begun:
            return Memory()
        best = max(begun, key=lambda entry: len(entry[0]))
        self._kept.remove(best)
        return best[1]

    def keep(self, request: Request, memory: Memory) -> None:
        """Remember what a request has had read."""
        self._kept = [*self._kept, (request.messages, memory)][-self._most :] if self._most else []

    def forget(self) -> None:
        """Drop everything, as after a fault nobody knows what was read."""
        self._kept = []


def _goes_on(earlier: Sequence[dict[str, Any]], messages: Sequence[dict[str, Any]]) -> bool:
    return len(earlier) <= len(messages) and list(messages[: len(earlier)]) == list(earlier)
