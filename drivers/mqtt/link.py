"""What every connection to an MQTT broker promises, whichever client carries it.

A persistent session, QoS 1, acknowledged by hand and in the order of arrival; bounded: what is not
taken stays in the broker.
"""

from __future__ import annotations

import ssl
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Protocol

from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt.wire import Arrived

RECEIVE_MAX = 1_000
"""So many messages are on their way to us, or here and not yet safe."""
WAITING_BYTES_MAX = 32 * 1_048_576
KEEPALIVE_S = 15
SESSION_S = 14 * 24 * 3600
"""As long as the shipped broker keeps what a client that is away has not taken."""
OPEN_S = 5.0
END_S = 5.0


class Link(Protocol):
    """Made for one connection, in the event loop: `open`, `take` until Closed, `close`."""

    session_present: bool
    unspoken: bool
    """Why `open` failed: the broker does not speak this version of MQTT, as far as can be seen."""
    why: str
    """Why it ended, once it has; empty where that is not known."""

    @property
    def waiting(self) -> int:
        """Messages that have come and were not taken."""

    async def open(self) -> str:
        """Connect and subscribe; empty where that is done, else why it is not."""

    async def take(self, deadline_s: float) -> Sequence[Arrived]:
        """Whatever has come, in order; empty after the deadline. Raises Closed. The last item of
        each names it for `acknowledge`, 0 where that is not needed."""

    def acknowledge(self, names: Iterable[int]) -> None:
        """What is safe, in any order; the broker is told in the order of arrival."""

    async def close(self) -> None:
        """End the connection, keep the session; what was not acknowledged comes again."""


class Receipts:
    """Packet ids in the order of arrival, each told only when all before it are safe."""

    def __init__(self) -> None:
        self._first = 1
        self._ids: deque[int] = deque()
        self._safe: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids)

    def arrived(self, packet_id: int) -> int:
        """The name of a message for `safe`: they count up from 1."""
        self._ids.append(packet_id)
        return self._first + len(self._ids) - 1

    def safe(self, names: Iterable[int]) -> list[int]:
        """The packet ids that may be told now."""
        self._safe.update(names)
        self._safe.discard(0)
        told = []
        while self._first in self._safe:
            self._safe.remove(self._first)
            self._first += 1
            told.append(self._ids.popleft())
        return told


def tls_context(broker: Broker) -> ssl.SSLContext:
    """TLS 1.2 and newer against the given authority (the system's where none is), with our own
    certificate where the broker asks for one. Raises OSError or ssl.SSLError."""
    context = ssl.create_default_context(cafile=broker.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if broker.cert_file:
        context.load_cert_chain(broker.cert_file, broker.key_file)
    return context
