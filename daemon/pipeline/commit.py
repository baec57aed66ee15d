"""One writer: everything that waits goes into one transaction, and only then anyone is told."""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from parkwatch.daemon.journal.anchor import Anchor, Anchors
from parkwatch.daemon.journal.journal import Entry, Journal, Record
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox import timers as timer_rows
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.store.database import JournalFault, transaction

__all__ = ["Committer", "Entry", "Group", "Record"]

WAITING_MAX = 1_024
GROUPS_MAX = 256
BUSY_TRIES = 10


@dataclass(frozen=True, slots=True)
class Group:
    """One atomic unit: records, outbox rows and their states, timers, snapshots, cursors."""

    entries: Sequence[Entry] = ()
    messages: Sequence[Message] = ()
    deliveries: Sequence[Delivery] = ()
    timers: Sequence[Timer] = ()
    cancel: Sequence[str] = ()
    snapshot: Mapping[str, bytes] = field(default_factory=dict)
    cursors: Mapping[str, int] = field(default_factory=dict)


@dataclass(slots=True)
class _Submitted:
    group: Group
    now: int
    done: asyncio.Future[list[Record]]


class Committer:
    """A thread that commits groups in the order of their submission.

    After any I/O error but BUSY it commits nothing more (SQLite would go on on a handle whose
    fsync failed): every later `submit` raises JournalFault JNL-010 and `failed` is called once.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        journal: Journal,
        anchors: Anchors,
        failed: Callable[[JournalFault], None],
    ) -> None:
        self._db = db
        self._journal = journal
        self._anchors = anchors
        self._failed = failed
        self._waiting: queue.Queue[_Submitted | None] = queue.Queue(WAITING_MAX)
        self._subscribers: list[Callable[[Sequence[Record]], None]] = []
        self._fault: JournalFault | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)
        self.commits = 0

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def subscribe(self, callback: Callable[[Sequence[Record]], None]) -> None:
        """Called in the event loop after each commit, records in order of sequence."""
        self._subscribers.append(callback)

    async def submit(self, group: Group, now: int) -> list[Record]:
        """Returns when the group is durable."""
        if self._fault is not None:
            raise self._fault
        loop = asyncio.get_running_loop()
        submitted = _Submitted(group, now, loop.create_future())
        while True:
            try:
                self._waiting.put_nowait(submitted)
                break
            except queue.Full:
                await asyncio.sleep(0.001)  # The disk is behind: the pipeline must feel it.
        return await submitted.done

    async def close(self) -> None:
        """Commit what waits, write the last anchor, end."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, self._waiting.put, None)
        await loop.run_in_executor(None, self._thread.join, 10.0)
        await loop.run_in_executor(None, self._anchors.close)

    # The thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        stop = False
        while not stop:
            taken = [self._waiting.get()]
            while len(taken) < GROUPS_MAX:
                try:
                    taken.append(self._waiting.get_nowait())
                except queue.Empty:
                    break
            stop = None in taken
            self._commit([s for s in taken if s is not None])

    def _commit(self, submitted: Sequence[_Submitted]) -> None:
        if not submitted:
            return
        if self._fault is None:
            try:
                results = self._transact(submitted)
            except sqlite3.Error as error:
                self._fault = JournalFault(
                    "JNL-010",
                    f"日志写入失败 the journal cannot be written: {error}",
                    "检查磁盘;守护进程将重启并校验 check the disk; the daemon starts again",
                )
                self._call(self._failed, self._fault)
            else:
                self._call(self._tell, submitted, results)
                self._anchor(results)
                return
        for each in submitted:
            self._call(_fail, each.done, self._fault)

    def _transact(self, submitted: Sequence[_Submitted]) -> list[list[Record]]:
        for attempt in range(BUSY_TRIES):
            try:
                with transaction(self._db):
                    results = [self._apply(each.group, each.now) for each in submitted]
            except sqlite3.OperationalError as error:
                self._journal.reload()
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or attempt == BUSY_TRIES - 1:
                    raise
            else:
                self.commits += 1
                return results
        raise AssertionError("the loop returns or raises")

    def _apply(self, group: Group, now: int) -> list[Record]:
        db = self._db
        records = self._journal.append(group.entries, now) if group.entries else []
        for record in records:
            if record.kind == "transition":
                body = record.body
                outbox.supersede(
                    db, body["alarm"], body["occurrence"], body["version"], record.time
                )
        outbox.add(db, group.messages)
        outbox.apply(db, group.deliveries)
        timer_rows.drop(db, group.cancel)
        timer_rows.put(db, group.timers)
        db.executemany(
            "INSERT OR REPLACE INTO snapshot VALUES (?, ?, ?, ?)",
            [(name, self._journal.seq, now, body) for name, body in group.snapshot.items()],
        )
        db.executemany("INSERT OR REPLACE INTO cursor VALUES (?, ?)", list(group.cursors.items()))
        return records

    def _anchor(self, results: Sequence[Sequence[Record]]) -> None:
        urgent = any(
            record.kind == "command" or record.body.get("grade") in ("red", "orange")
            for records in results
            for record in records
        )
        journal = self._journal
        self._anchors.put(Anchor(journal.seq, journal.head, journal.time), urgent=urgent)

    # In the loop ---------------------------------------------------------------------------

    def _call(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(function, *args)

    def _tell(self, submitted: Sequence[_Submitted], results: Sequence[list[Record]]) -> None:
        records = [record for group in results for record in group]
        if records:
            for subscriber in self._subscribers:
                subscriber(records)
        for each, result in zip(submitted, results, strict=True):
            if not each.done.done():
                each.done.set_result(result)


def _fail(done: asyncio.Future[list[Record]], fault: JournalFault) -> None:
    if not done.done():
        done.set_exception(fault)
