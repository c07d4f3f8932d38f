"""Connections that are held open without a request: uvicorn waits for them without end, and each takes a place."""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 15.0
"""From a connection to the end of its first request's headers."""


class ImpatientProtocol(H11Protocol):
    """Closes a connection whose first request does not come in time."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._patience = self.loop.call_later(HEADER_SECONDS, self._lose_patience)

    def connection_lost(self, exc: Exception | None) -> None:
        self._patience.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        super().handle_events()
        if self.cycle is not None:
            self._patience.cancel()

    def _lose_patience(self, *_: Any) -> None:
        if self.cycle is None:
            self.transport.close()
