"""A TCP proxy that fails as cables, switches and converters do, for as long as it is told to.

It knows no protocol: what passes it is bytes. `cut` begins a fault, `lift` ends it; what a fault
has done to a connection (half-open, reset) stays done.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections import deque
from enum import StrEnum
from typing import cast

DELAY_S = 0.5
GARBAGE_BYTES_MAX = 300
HELD_MAX = 10_000
CONNECT_S_MAX = 5.0


class Cut(StrEnum):
    """What happens to the line. Faults of bytes are those of the answers."""

    NONE = "none"
    RESET = "reset"
    REFUSE = "refuse"
    HALF_OPEN = "half-open"
    STALL = "stall"
    DELAY = "delay"
    SHORT = "short"
    GARBAGE = "garbage"
    CORRUPT = "corrupt"
    DUPLICATE = "duplicate"


class FaultProxy:
    """Between clients and `upstream` (host, port). `delay_s`: how long DELAY holds an answer."""

    def __init__(self, upstream: tuple[str, int], seed: int = 1, delay_s: float = DELAY_S) -> None:
        self.upstream = upstream
        self.port = 0
        self.fault = Cut.NONE
        self.delay_s = delay_s
        self.chance = random.Random(seed)  # noqa: S311 - faults, not secrets
        self.links: set[Link] = set()
        self._host = ""
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: the system chooses) and return the port."""
        self._host = host
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Client(Link(self)), host, port)
        self.port = int(self._server.sockets[0].getsockname()[1])
        return self.port

    async def close(self) -> None:
        """Stop listening and end every connection."""
        self._deaf()
        for link in tuple(self.links):
            link.end()
            link.connecting.cancel()
            await asyncio.gather(link.connecting, return_exceptions=True)

    async def cut(self, fault: Cut) -> None:
        """Begin a fault, on the connections that there are and on new ones."""
        self.fault = fault
        if fault is Cut.REFUSE:
            self._deaf()
        for link in tuple(self.links):
            if fault in (Cut.RESET, Cut.REFUSE):
                link.reset()
            link.dead |= fault is Cut.HALF_OPEN

    async def lift(self) -> None:
        """End the fault: held bytes go on their way, whoever was refused is let in again."""
        before, self.fault = self.fault, Cut.NONE
        if before is Cut.REFUSE:
            await self.start(self._host, self.port)
        for link in tuple(self.links):
            if before is Cut.STALL:
                link.flush()

    def damaged(self, answer: bytes) -> bytes:
        """An answer as it arrives under the fault."""
        if self.fault is Cut.SHORT:
            return answer[: len(answer) // 2]
        if self.fault is Cut.GARBAGE:
            return self.chance.randbytes(self.chance.randint(1, GARBAGE_BYTES_MAX))
        if self.fault is Cut.CORRUPT:
            at = self.chance.randrange(len(answer))
            wrong = answer[at] ^ self.chance.randint(1, 255)
            return answer[:at] + bytes((wrong,)) + answer[at + 1 :]
        return 2 * answer if self.fault is Cut.DUPLICATE else answer

    def _deaf(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None


class Link:
    """One connection and the one behind it. `dead`: half-open, nothing passes it any more."""

    def __init__(self, proxy: FaultProxy) -> None:
        self._proxy = proxy
        self.dead = proxy.fault is Cut.HALF_OPEN
        self.client: asyncio.Transport | None = None
        self.plant: asyncio.Transport | None = None
        self._held: deque[tuple[bytes, bool]] = deque(maxlen=HELD_MAX)
        self._delayed: deque[bytes] = deque(maxlen=HELD_MAX)

    def opened(self, client: asyncio.Transport) -> None:
        """A client is there: hung up on, or connected on."""
        self.client = client
        self._proxy.links.add(self)
        self.connecting = asyncio.create_task(self._connect())
        if self._proxy.fault is Cut.RESET:
            self.reset()

    def pass_on(self, data: bytes, *, answer: bool) -> None:
        """Bytes of one side, to the other as the fault lets them."""
        fault = self._proxy.fault
        if self.dead:
            return
        if fault is Cut.STALL or (self.plant is None and not answer):
            self._held.append((data, answer))
        elif answer and (fault is Cut.DELAY or self._delayed):
            self._delayed.append(data)
            asyncio.get_running_loop().call_later(self._proxy.delay_s, self._delayed_on)
        else:
            self._write(self._proxy.damaged(data) if answer else data, answer=answer)

    def flush(self) -> None:
        """What was held goes on, in its order."""
        while self._held and not self.dead:
            data, answer = self._held.popleft()
            self._write(data, answer=answer)

    def end(self) -> None:
        """Both sides are closed; a half-open one was never told, until its client gives up."""
        self._proxy.links.discard(self)
        for side in (self.client, self.plant):
            if side is not None:
                side.abort()

    def reset(self) -> None:
        """The client is told by RST."""
        if self.client is not None:
            peer = self.client.get_extra_info("socket")
            # Without lingering the kernel sends RST, not FIN.
            with contextlib.suppress(OSError):
                peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.end()

    async def _connect(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(CONNECT_S_MAX):
                self.plant, _ = await loop.create_connection(
                    lambda: _Plant(self), *self._proxy.upstream
                )
        except (OSError, TimeoutError):
            self.end()
            return
        if self not in self._proxy.links:
            self.plant.abort()
        elif self._proxy.fault is not Cut.STALL:
            self.flush()

    def _delayed_on(self) -> None:
        if self._delayed and not self.dead:
            self._write(self._delayed.popleft(), answer=True)

    def _write(self, data: bytes, *, answer: bool) -> None:
        side = self.client if answer else self.plant
        if side is not None and not side.is_closing():
            side.write(data)


class _Client(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link = link

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport = cast("asyncio.Transport", transport)  # uvloop has a class of its own
        self._link.opened(transport)

    def data_received(self, data: bytes) -> None:
        self._link.pass_on(data, answer=False)

    def connection_lost(self, _: Exception | None) -> None:
        self._link.end()


class _Plant(asyncio.Protocol):
    def __init__(self, link: Link) -> None:
        self._link = link

    def data_received(self, data: bytes) -> None:
        self._link.pass_on(data, answer=True)

    def connection_lost(self, _: Exception | None) -> None:
        if not self._link.dead:
            self._link.end()
