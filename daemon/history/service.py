"""History beside the alarms: the spool takes every batch, a thread drains it into the store.

The alarm path waits for the spool's fsync only where it tells a source that a batch is safe, and
never for the store: a store that dies fills the spool.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.history.columns import Store, StoreFault
from parkwatch.daemon.history.embedded import EmbeddedStore
from parkwatch.daemon.history.spool import Bounds, Spool
from parkwatch.rules.batch import Batch

log = logging.getLogger("parkwatch.history")
DRAIN_S = 0.5
DRAIN_ROWS = 20_000
"""So many rows at once are followed by the next without a pause."""
BACK_OFF_S = (0.5, 30.0)
RETRY_AFTER_S_MAX = 120.0
DOWN_TRIES = 3
CLOSE_S = 10.0


class Told(Protocol):
    """Who learns that history is down or has lost readings; called in the event loop."""

    def __call__(self, alarm: str, *, active: bool, text: str) -> None:
        """`alarm` is `system/history:down` or `system/history:gap`."""


class History:
    """The history of one daemon (see the module). `names[i]` is the id of point i."""

    def __init__(
        self,
        config: HistoryConfig,
        data: Path,
        names: Sequence[str],
        told: Told,
        *,
        bounds: Bounds | None = None,
    ) -> None:
        self._config = config
        self._data = data
        self._told = told
        self._spool = Spool(data / "spool", names, self._on_lost, bounds)
        self._thread = threading.Thread(target=self._run, name="history", daemon=True)
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._store: Store | None = None
        self._tries = 0
        self._error = ""
        self._losing = False
        self._paused_at = self._paused_lost = 0
        self.stored = self.lost = 0
        """Readings handed to the store, and given up, since this start."""

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._spool.start()
        self._thread.start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Done when the batch is durable in the spool, or was counted as lost."""
        if not self.paused:
            return self._spool.append(batch)
        self._paused_lost += len(batch)
        self.lost += len(batch)
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    @property
    def paused(self) -> bool:
        """Whether readings are only counted: the disk is left to the journal."""
        return bool(self._paused_at)

    def pause(self, now: int) -> None:
        """Write nothing from here on (engine time, ns); what comes is counted and told."""
        self._paused_at, self._paused_lost = now, 0
        text = "磁盘空间不足,历史停止 history stopped: the disk is short of space"
        self._tell("system/history:gap", active=True, text=text)

    def resume(self) -> tuple[int, int]:
        """Go on; since when it was paused, and how many readings were not kept."""
        since, lost = self._paused_at, self._paused_lost
        self._paused_at = 0
        text = f"历史恢复 history goes on; {lost} 条读数未存 readings not kept"
        self._tell("system/history:gap", active=False, text=text)
        return since, lost

    def state(self) -> dict[str, Any]:
        """For the health page: what waits, what was kept, the last error of the store."""
        behind_ns = self._spool.newest - self._spool.drained if self._spool.drained else 0
        return {
            "store": self._config.store,
            "backlog_s": round(max(0, behind_ns) / 1e9, 1),
            "spool_bytes": self._spool.size,
            "stored": self.stored,
            "lost": self.lost,
            "error": self._error,
        }

    async def close(self) -> None:
        """Write what waits; hand on what the store takes within a few seconds."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._spool.close)
        self._stopping.set()
        await loop.run_in_executor(None, self._thread.join, CLOSE_S)

    # The draining thread -------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            ending = self._stopping.is_set()
            try:
                handed_on = self._drain()
            except (StoreFault, OSError) as fault:
                pause_s = self._refused(fault)
            else:
                pause_s = 0.0 if handed_on >= DRAIN_ROWS else DRAIN_S
                if handed_on:
                    self._worked()
                # At the end everything is handed on that the store still takes.
                ending = ending and not handed_on
            if ending:
                break
            if pause_s:
                self._stopping.wait(pause_s)
        if self._store is not None:
            self._store.close()

    def _drain(self) -> int:
        """Hand on the oldest rows; how many."""
        if self.paused:
            self._stopping.wait(DRAIN_S)
            return 0
        if self._store is None:
            self._store = open_store(self._config, self._data)
        if not self._spool.wait(0.0 if self._stopping.is_set() else DRAIN_S):
            return 0
        taken = self._spool.take()
        if taken is None:
            return 0
        if len(taken.rows):
            self._store.write(taken.rows)
        self._spool.commit(taken)
        self.stored += len(taken.rows)
        return len(taken.rows)

    def _refused(self, fault: StoreFault | OSError) -> float:
        """Count and tell; how long to leave the store alone."""
        self._tries += 1
        self._error = str(fault)
        log.warning("history: %s", fault)
        if self._tries == DOWN_TRIES:
            self._tell("system/history:down", active=True, text=self._error)
        if self._store is not None:
            self._store.close()
            self._store = None
        first, most = BACK_OFF_S
        pause_s = min(most, first * 2.0 ** min(self._tries - 1, 10))
        asked_s = fault.retry_after_s if isinstance(fault, StoreFault) else 0.0
        # Jitter: many daemons of one InfluxDB must not come back at one moment.
        jitter = 0.5 + secrets.randbelow(1_000) / 1_000
        return max(pause_s * jitter, min(asked_s, RETRY_AFTER_S_MAX))

    def _worked(self) -> None:
        if self._tries >= DOWN_TRIES:
            self._tell("system/history:down", active=False, text="历史库恢复 works again")
        self._tries = 0
        self._error = ""

    def _on_lost(self, rows: int, why: str) -> None:
        self.lost += rows
        if rows and self._losing:
            return  # Told at the first and at the end: a record a batch would fill the journal.
        self._losing = bool(rows)
        text = f"{why}: {rows} 条读数未存 readings not kept"
        if not rows:
            text = f"缓冲区恢复 works again; {self.lost} 条读数未存 readings not kept"
        if not self.paused:
            self._tell("system/history:gap", active=bool(rows), text=text)

    def _tell(self, alarm: str, *, active: bool, text: str) -> None:
        def tell() -> None:
            self._told(alarm, active=active, text=text)

        assert self._loop is not None
        self._loop.call_soon_threadsafe(tell)


def open_store(config: HistoryConfig, data: Path) -> Store:
    """The configured store; raises StoreFault."""
    if config.store == "influx":
        # Its client takes half a second to import: parks without InfluxDB do not pay for it.
        from parkwatch.daemon.history.influx import InfluxStore  # noqa: PLC0415

        return InfluxStore(config, data / "history" / "dead")
    return EmbeddedStore(data / "history" / "history.db", config.retention_days)
