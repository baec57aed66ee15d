"""A recording Modbus TCP proxy: the witness that nothing but reads crosses the wire.

It stands between the daemon and the plant, deframes what the client sends, counts every function
code, and lets only 1 to 4 through. Anything else is a violation: recorded, not forwarded, and the
connection ends, so that it cannot pass unnoticed. Replies pass byte by byte, broken ones too.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from dataclasses import dataclass, field

from parkwatch.simulator.modbus_server import HEADER_BYTES, read_frame

READ_CODES = frozenset({1, 2, 3, 4})
CONNECT_S_MAX = 5.0
SEND_S_MAX = 10.0
IDLE_S_MAX = 600.0
CHUNK_BYTES = 65536
EVIDENCE_MAX = 100


@dataclass(slots=True)
class Witness:
    """What the proxy saw. `evidence`: the first refused frames in hex, at most 100."""

    requests: int = 0
    violations: int = 0
    functions: Counter[int] = field(default_factory=Counter)
    evidence: list[str] = field(default_factory=list)

    def refuse(self, frame: bytes) -> None:
        """Count a frame that must not pass."""
        self.violations += 1
        if len(self.evidence) < EVIDENCE_MAX:
            self.evidence.append(frame.hex(" "))


class RecordingProxy:
    """Forwards reads to `upstream` (host, port) and records every function code."""

    def __init__(self, upstream: tuple[str, int]) -> None:
        self.witness = Witness()
        self._upstream = upstream
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen (port 0: the system chooses) and return the port."""
        self._server = await asyncio.start_server(self._connected, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """Stop listening and end every connection."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            # Cancelled by close(): the connection ends with it and nobody else waits for this task.
            with contextlib.suppress(asyncio.CancelledError, OSError, TimeoutError):
                await self._bridge(reader, writer)
        finally:
            self._connections.discard(task)
            writer.close()

    async def _bridge(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.timeout(CONNECT_S_MAX):
            plant_reader, plant_writer = await asyncio.open_connection(*self._upstream)
        try:
            ways = {
                asyncio.create_task(self._requests(reader, plant_writer)),
                asyncio.create_task(_replies(plant_reader, writer)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            plant_writer.close()

    async def _requests(self, reader: asyncio.StreamReader, plant: asyncio.StreamWriter) -> None:
        """Client to plant, frame by frame, until something that is no read comes."""
        with contextlib.suppress(asyncio.IncompleteReadError):
            while True:
                async with asyncio.timeout(IDLE_S_MAX):
                    frame = await read_frame(reader)
                if frame is None:
                    self.witness.refuse(b"no modbus frame")
                    return
                self.witness.requests += 1
                self.witness.functions[frame[HEADER_BYTES]] += 1
                if frame[HEADER_BYTES] not in READ_CODES:
                    self.witness.refuse(frame)
                    return
                plant.write(frame)
                async with asyncio.timeout(SEND_S_MAX):
                    await plant.drain()


async def _replies(plant: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Plant to client, as it comes."""
    while True:
        async with asyncio.timeout(IDLE_S_MAX):
            chunk = await plant.read(CHUNK_BYTES)
        if not chunk:
            return
        writer.write(chunk)
        async with asyncio.timeout(SEND_S_MAX):
            await writer.drain()
