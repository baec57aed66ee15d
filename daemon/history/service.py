"""History beside the alarms: a thread that commits what waits; its death delays nothing."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from parkwatch.daemon.history.embedded import EmbeddedStore
from parkwatch.rules.batch import Batch

WAITING_MAX = 4_096
GROUP_MAX = 512


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    done: asyncio.Future[None]


class History:
    """`append` returns when a batch is durable, or was counted as lost: alarms never wait for it.

    `failed(text)` is called in the loop when the store refuses, `failed("")` when it works again.
    """

    def __init__(self, folder: Path, names: Sequence[str], failed: Callable[[str], None]) -> None:
        self._store = EmbeddedStore(folder / "history.db", names)
        self._failed = failed
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(WAITING_MAX)
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._broken = False
        self.stored = self.lost = 0

    def start(self) -> None:
        self._thread.start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Take a batch; a full queue counts it as lost rather than wait."""
        done: asyncio.Future[None] = self._loop.create_future()
        try:
            self._waiting.put_nowait(_Waiting(batch, done))
        except queue.Full:
            self.lost += len(batch)
            done.set_result(None)
        return done

    async def close(self) -> None:
        """Commit what waits."""
        await self._loop.run_in_executor(None, self._waiting.put, None)
        await self._loop.run_in_executor(None, self._thread.join, 10.0)
        self._store.close()

    def _run(self) -> None:
        stop = False
        while not stop:
            taken = [self._waiting.get()]
            while len(taken) < GROUP_MAX:
                try:
                    taken.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            stop = None in taken
            waiting = [one for one in taken if one is not None]
            if waiting:
                self._commit(waiting)

    def _commit(self, waiting: Sequence[_Waiting]) -> None:
        try:
            self.stored += self._store.append([one.batch for one in waiting])
        except sqlite3.Error as error:
            self.lost += sum(len(one.batch) for one in waiting)
            if not self._broken:
                self._broken = True
                self._loop.call_soon_threadsafe(self._failed, str(error))
        else:
            if self._broken:
                self._broken = False
                self._loop.call_soon_threadsafe(self._failed, "")
        self._loop.call_soon_threadsafe(_done, [one.done for one in waiting])


def _done(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
