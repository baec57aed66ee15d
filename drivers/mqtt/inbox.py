"""A bounded queue from a network thread to the event loop; a full one stops the thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class Closed(Exception):  # noqa: N818 - an end, not an error
    """Nothing more comes from this inbox, and what was left in it is dropped."""


class Inbox(Generic[T]):
    """At most `items_max` items and `bytes_max` bytes wait (one item always may).

    Made in the event loop. `put` and `close` are for any thread, `take` for the loop.
    """

    def __init__(self, items_max: int, bytes_max: int) -> None:
        self._items: deque[tuple[T, int]] = deque()
        self._bytes = 0
        self._items_max = items_max
        self._bytes_max = bytes_max
        self._changed = threading.Condition()
        self._loop = asyncio.get_running_loop()
        self._wake = asyncio.Event()
        self._closed = False

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, size: int, deadline_s: float) -> bool:
        """Wait for room and put; False where there is none in time, or the inbox is closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_room(size), deadline_s)
            if self._closed or not self._has_room(size):
                return False
            self._items.append((item, size))
            self._bytes += size
            first = len(self._items) == 1
        if first:
            self._call_wake()
        return True

    def close(self) -> None:
        """End it: waiting putters give up, the taker gets Closed."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()
        self._call_wake()

    async def take(self, most: int, deadline_s: float) -> list[T]:
        """Whatever waits, up to `most`, in order; empty after the deadline. Raises Closed."""
        if not self._items and not self._closed:
            self._wake.clear()
            # Looked at again: an item that came before the clear has woken nobody.
            if not self._items and not self._closed:
                try:
                    async with asyncio.timeout(deadline_s):
                        await self._wake.wait()
                except TimeoutError:
                    return []
        with self._changed:
            if self._closed:
                raise Closed
            taken = [self._items.popleft() for _ in range(min(most, len(self._items)))]
            self._bytes -= sum(size for _, size in taken)
            self._changed.notify_all()
        return [item for item, _ in taken]

    def _has_room(self, size: int) -> bool:
        if not self._items:
            return True
        return len(self._items) < self._items_max and self._bytes + size <= self._bytes_max

    def _call_wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._wake.set)
        except RuntimeError:
            return  # The loop is closed: nobody waits any more.
