"""An event loop whose clock jumps to whatever is due next: hours of a bus in seconds, exactly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

from parkwatch.drivers.config import Bus
from parkwatch.drivers.modbus.wire import Wire

T = TypeVar("T")
Says = Callable[[bytes], Iterable[tuple[float, bytes]]]
"""What a line answers to the bytes of a master: each reply with its delay in seconds."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """Nothing in it waits: where everybody does, time goes on to the first of them."""

    def __init__(self) -> None:
        super().__init__()
        self._now = 1_000.0
        self._selector.select = self._jump  # type: ignore[attr-defined]

    def time(self) -> float:
        return self._now

    def now_ns(self) -> int:
        """The same as engine time."""
        return round(self._now * 1e9)

    async def passes(self, seconds: float) -> None:
        """So much virtual time, in which everybody else does what is due."""
        over = self.create_future()
        self.call_later(seconds, over.set_result, None)
        await over

    def _jump(self, timeout: float | None = None) -> list[Any]:
        assert timeout is not None, "everybody waits, and for nothing"
        self._now += timeout
        return []


class Pipe(asyncio.Transport):
    """A master's end of a line on the loop's clock; a reply comes to whoever is connected then."""

    def __init__(self, line: Line, wire: Wire) -> None:
        super().__init__()
        self._line, self._wire = line, wire

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._line.asked(bytes(data))

    def abort(self) -> None:
        if self._line.wire is self._wire:
            self._line.wire = None


class Line:
    """A serial line, or a converter that serves one connection. `dark`: nobody can connect."""

    def __init__(self, says: Says) -> None:
        self.wire: Wire | None = None
        self.opened = 0
        self.dark = False
        self._says = says

    async def connect(self, _: Bus, wire: Wire) -> asyncio.Transport:
        if self.dark:
            raise ConnectionRefusedError("nobody listens")
        self.wire = wire
        self.opened += 1
        return Pipe(self, wire)

    def asked(self, data: bytes) -> None:
        loop = asyncio.get_running_loop()
        for delay_s, reply in self._says(data):
            loop.call_later(delay_s, self.say, reply)

    def say(self, data: bytes) -> None:
        """Bytes that the master hears now."""
        if self.wire is not None:
            self.wire.data_received(data)


def virtually(work: Callable[[VirtualLoop], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine on the virtual clock."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        return runner.run(work(loop))
