"""A proxy before an MQTT broker that cuts, goes silent, slips bytes in, or speaks only 3.1.1."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

REFUSED_VERSION = b"\x20\x02\x00\x01"


@dataclass(slots=True)
class BrokerProxy:
    """`silent`: nothing goes either way and no connection ends; `old`: MQTT 5 is refused;
    `versions`: what each CONNECT asked for; `heard`: bytes that clients sent."""

    upstream: tuple[str, int]
    port: int = 0
    silent: bool = False
    old: bool = False
    versions: list[int] = field(default_factory=list)
    heard: bytearray = field(default_factory=bytearray)
    _open: set[asyncio.StreamWriter] = field(default_factory=set)
    _clients: list[asyncio.StreamWriter] = field(default_factory=list)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client, from its CONNECT on."""
        hello = await reader.read(65_536)
        if not hello:
            writer.close()
            return
        self.heard += hello
        self.versions.append(hello[hello.index(b"MQTT") + 4])
        if self.old and self.versions[-1] == 5:
            writer.write(REFUSED_VERSION)
            writer.close()
            return
        their_reader, their_writer = await asyncio.open_connection(*self.upstream)
        self._open |= {writer, their_writer}
        self._clients.append(writer)
        their_writer.write(hello)
        ways = ((reader, their_writer, self.heard), (their_reader, writer, bytearray()))
        self._tasks |= {asyncio.create_task(self._carry(*way)) for way in ways}

    async def _carry(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, heard: bytearray
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                heard += data
                if not self.silent:
                    writer.write(data)
                    await writer.drain()
        if not self.silent:
            writer.close()

    def cut(self) -> None:
        """Reset every connection, as a broken cable does once it is noticed."""
        for writer in self._open:
            writer.transport.abort()
        self._open.clear()

    def slip_in(self, data: bytes) -> None:
        """Bytes to the newest client that the broker never sent."""
        self._clients[-1].write(data)


@contextlib.asynccontextmanager
async def before(host: str, port: int) -> AsyncIterator[BrokerProxy]:
    """A proxy on a free port, until the end of the block."""
    proxy = BrokerProxy((host, port))
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.cut()
        for task in proxy._tasks:
            task.cancel()
        await asyncio.gather(*proxy._tasks, return_exceptions=True)
