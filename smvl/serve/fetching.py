"""Pictures by their address, only where it is allowed: named hosts, public addresses, bounded in size and time.

What a name resolves to is checked before anything is sent, and that address is the one connected to, so that a name that means something
else a moment later (DNS rebinding) leads nowhere; so is every redirect.
"""

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from smvl.strict_yaml import shorten

_MOST_REDIRECTS = 3
_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK = 1 << 16


@dataclass(frozen=True)
class FetchRules:
    """Which addresses may be fetched."""

    hosts: tuple[str, ...] = ()
    """Names, or `*.example.com` for all below one, or `*` for every public one; none allows nothing."""
    allow_private: bool = False
    """Addresses of this machine and of private networks too: for tests, and for a store of pictures in one's own network."""
    most_bytes: int = 20 << 20
    seconds: float = 20.0
    """For all of it, redirects included."""

    def allows(self, host: str) -> bool:
        return any(_matches(host, pattern) for pattern in self.hosts)


def fetch(address: str, rules: FetchRules) -> bytes:
    """The bytes that an http or https address leads to.

    Raises:
        ValueError: the address is not allowed, leads nowhere, or gives too much or too slowly.
    """
    deadline = time.monotonic() + rules.seconds
    for _ in range(_MOST_REDIRECTS + 1):
        with _Connection(_checked(address, rules), rules, deadline) as connection:
            response = connection.get()
            if response.status in _REDIRECTS:
                address = urljoin(address, response.headers.get("Location", ""))
                continue
            if response.status != 200:
                raise ValueError(f"{shorten(address)} answers with status {response.status}.")
            return connection.read(response)
    raise ValueError(f"{shorten(address)} was redirected more than {_MOST_REDIRECTS} times.")


def _matches(host: str, pattern: str) -> bool:
    if pattern == "*":
        return True
    return host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern


def _checked(address: str, rules: FetchRules) -> SplitResult:
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"{shorten(address)} is no address ({error}).") from error
    if parts.scheme not in ("http", "https") or not host:
        raise ValueError(f"{shorten(address)}: pictures are given as data: URLs, or as http and https addresses of hosts that are allowed.")
    if parts.username or parts.password:
        raise ValueError("an address with a user's name or password is not fetched.")
    if not rules.allows(host):
        allowed = ", ".join(rules.hosts) or "no host is"
        raise ValueError(f"pictures of {shorten(host)} are not fetched; allowed: {allowed}. Send the picture as a data: URL.")
    return parts


class _Connection:
    """One request to a checked address."""

    def __init__(self, parts: SplitResult, rules: FetchRules, deadline: float):
        self._parts, self._rules, self._deadline = parts, rules, deadline
        port = parts.port or (443 if parts.scheme == "https" else 80)
        self._http = http.client.HTTPConnection(parts.hostname, port)
        self._port = port
        self._socket: socket.socket | None = None
        self._watch = threading.Timer(max(0.0, deadline - time.monotonic()), self._break_off)
        self._watch.daemon = True

    def __enter__(self) -> "_Connection":
        self._watch.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._watch.cancel()
        self._http.close()
        if self._socket is not None:
            self._socket.close()

    def _break_off(self) -> None:
        """End a connection whose other side sends a byte now and then, which no timeout of a socket sees."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def get(self) -> http.client.HTTPResponse:
        path = (self._parts.path or "/") + (f"?{self._parts.query}" if self._parts.query else "")
        try:
            self._http.sock = self._socket = self._connect()
            self._http.request("GET", path, headers={"Accept": "image/*", "User-Agent": "smvl"})
            return self._http.getresponse()
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            raise self._failed(error) from error

    def read(self, response: http.client.HTTPResponse) -> bytes:
        found = bytearray()
        try:
            while chunk := response.read1(_CHUNK):
                found += chunk
                if len(found) > self._rules.most_bytes:
                    raise ValueError(f"{shorten(self._parts.geturl())} has more than {self._rules.most_bytes >> 20} MB.")
        except (OSError, http.client.HTTPException) as error:
            raise self._failed(error) from error
        if time.monotonic() >= self._deadline:
            raise self._failed(TimeoutError())
        return bytes(found)

    def _failed(self, error: Exception) -> ValueError:
        address = shorten(self._parts.geturl())
        if time.monotonic() >= self._deadline:
            return ValueError(f"{address} took more than {self._rules.seconds:g} seconds.")
        return ValueError(f"{address} cannot be fetched ({type(error).__name__}: {error}).")

    def _connect(self) -> socket.socket:
        """To the first of the host's addresses, all of which must be allowed."""
        found = socket.getaddrinfo(self._parts.hostname, self._port, type=socket.SOCK_STREAM)
        for *_, (ip, *_) in found:
            if not self._rules.allow_private and not is_public(ip):
                raise ValueError(
                    f"{self._parts.hostname} is {ip}, an address of this machine or a private network, which is not fetched from."
                )
        family, kind, protocol, _, target = found[0]
        connection = socket.socket(family, kind, protocol)
        connection.settimeout(max(0.01, self._deadline - time.monotonic()))
        try:
            connection.connect(target)
            if self._parts.scheme == "https":
                connection = ssl.create_default_context().wrap_socket(connection, server_hostname=self._parts.hostname)
        except BaseException:
            connection.close()
            raise
        return connection


def is_public(ip: str) -> bool:
    """Whether an address is one of the internet: not of this machine, a private network, a link, or a group."""
    address = ipaddress.ip_address(ip.partition("%")[0])
    inner: Sequence[ipaddress.IPv4Address | ipaddress.IPv6Address | None] = [
        getattr(address, "ipv4_mapped", None),
        getattr(address, "sixtofour", None),
        *(getattr(address, "teredo", None) or ()),
    ]
    if address in _NAT64:
        inner = [ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)]
    return all(each is None or (each.is_global and not each.is_multicast) for each in [*inner, *([] if address in _NAT64 else [address])])


_NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""IPv6 addresses that stand for those of IPv4 (RFC 6052)."""
