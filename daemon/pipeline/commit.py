"""One writer: everything that waits goes into one transaction, and only then anyone is told."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from parkwatch.daemon.journal.anchor import Anchor, Anchors
from parkwatch.daemon.journal.journal import Journal, Record
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.daemon.store.database import JournalFault

T = TypeVar("T")
WAITING_MAX = 1_024
GROUPS_MAX = 256
COMMIT_S_MAX = 30.0
"""A disk that has not answered by then has failed; BUSY is given up earlier."""
SLICES = 30
CLOSE_S = 10.0
_UNFIT = (TypeError, ValueError, LookupError, ArithmeticError, RecursionError)
"""What a group raises that no retry can write; the disk is not to blame."""


@dataclass(slots=True)
class _Submitted:
    group: Group
    now: int
    done: asyncio.Future[list[Record]]


class Committer:
    """A thread that commits groups in the order of their submission.

    After any I/O error but BUSY it commits nothing more (SQLite would go on on a handle whose
    fsync failed): every later `submit` raises the same JournalFault and `failed` is called once.
    A full disk is none where `release` gives some space back: SQLite has rolled back cleanly then,
    and the same groups are tried again.
    Codes: JNL-010 the disk refused, JNL-011 it does not answer, JNL-012 closed, JNL-013 our bug.
    """

    def __init__(
        self,
        db: sqlite3.Connection,
        journal: Journal,
        anchors: Anchors,
        failed: Callable[[JournalFault], None],
        release: Callable[[], bool] = lambda: False,
    ) -> None:
        self._release = release
        self._writer = Writer(db, journal)
        self._journal = journal
        self._anchors = anchors
        self._failed = failed
        self._subscribers: list[Callable[[Sequence[Record]], None]] = []
        self._waiting: deque[_Submitted] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._fault: JournalFault | None = None
        self._room = asyncio.Semaphore(WAITING_MAX)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    @property
    def commits(self) -> int:
        """Transactions that became durable."""
        return self._writer.commits

    @property
    def fault(self) -> JournalFault | None:
        """Why nothing is committed any more."""
        return self._fault

    @property
    def hung(self) -> bool:
        """Whether the disk still holds the thread after `close`: then no connection can be closed,
        and no process that waits for its threads ends."""
        return self._closing and self._thread.is_alive()

    def start(self) -> None:
        """Begin, in the running loop."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def subscribe(self, callback: Callable[[Sequence[Record]], None]) -> None:
        """Called in the event loop after each commit, records in order of sequence."""
        self._subscribers.append(callback)

    async def submit(self, group: Group, now: int) -> list[Record]:
        """The group's records, once they are durable; `now` is engine time in ns.

        Raises JournalFault, or TypeError and ValueError for a group that has no form in the
        journal (nothing of it is written). Cancelling the caller takes nothing back.
        """
        done: asyncio.Future[list[Record]] = asyncio.get_running_loop().create_future()
        if self._room.locked():
            await self._patiently(self._room.acquire())  # The disk is behind: that must be felt.
        else:
            await self._room.acquire()
        self._queue(_Submitted(group, now, done))
        return await self._patiently(done)

    async def _patiently(self, wanted: Awaitable[T]) -> T:
        """Wait as long as a disk may take. A wait counts in slices: a loop that was busy itself
        (100,000 points that go stale at once) accuses no disk."""
        waiting = asyncio.ensure_future(wanted)
        try:
            for _ in range(SLICES):
                await asyncio.wait({waiting}, timeout=COMMIT_S_MAX / SLICES)
                if waiting.done():
                    return waiting.result()
        finally:
            waiting.cancel()
        self._break("JNL-011", f"磁盘 {COMMIT_S_MAX:.0f} s 无应答 the disk does not answer")
        assert self._fault is not None
        raise self._fault

    def _queue(self, submitted: _Submitted) -> None:
        with self._wake:
            if self._fault is None and not self._closing:
                self._waiting.append(submitted)
                self._wake.notify()
                return
        self._room.release()
        raise self._fault or _fault("JNL-012", "日志已关闭 the journal is closed")

    async def close(self) -> None:
        """Commit what waits, write the last anchor, end."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        loop = asyncio.get_running_loop()
        if self._thread.is_alive():
            await loop.run_in_executor(None, self._thread.join, CLOSE_S)
        await loop.run_in_executor(None, self._anchors.close)

    # The thread ----------------------------------------------------------------------------

    def _run(self) -> None:
        taken: list[_Submitted] = []
        try:
            while taken := self._take():
                self._commit(taken)
        except BaseException as error:
            self._break("JNL-013", f"提交线程出错 the committer failed: {error!r}")
            with self._wake:
                taken += self._waiting
            self._refuse(taken)
            raise

    def _take(self) -> list[_Submitted]:
        """Everything that waits, at most GROUPS_MAX; empty once closed and drained."""
        with self._wake:
            self._wake.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(GROUPS_MAX, len(self._waiting)))]

    def _commit(self, submitted: Sequence[_Submitted]) -> None:
        if self._fault is not None:
            self._refuse(submitted)
            return
        try:
            results = self._writer.write([(each.group, each.now) for each in submitted])
        except sqlite3.Error as error:
            if _full(error) and self._release():
                self._commit(submitted)
                return
            self._break("JNL-010", f"日志写入失败 the journal cannot be written: {error}")
            self._refuse(submitted)
        except _UNFIT as error:
            if len(submitted) == 1:
                self._call(self._settle, submitted, None, error)
                return
            for each in submitted:  # One unfit group takes no other with it.
                self._commit([each])
        else:
            self._anchor(results)
            records = [record for group in results for record in group]
            if records:
                for subscriber in self._subscribers:  # Each alone: one that raises stops no other.
                    self._call(subscriber, records)
            self._call(self._settle, submitted, results, None)

    def _anchor(self, results: Sequence[Sequence[Record]]) -> None:
        journal = self._journal
        if journal.seq == 0:
            return
        urgent = any(
            record.kind == "command" or record.body.get("grade") in ("red", "orange")
            for records in results
            for record in records
        )
        self._anchors.put(Anchor(journal.seq, journal.head, journal.time), urgent=urgent)

    def _break(self, code: str, what: str) -> None:
        """From here on nothing is committed; from the thread or the loop."""
        with self._wake:
            if self._fault is not None:
                return
            fault = self._fault = _fault(code, what)
        self._call(self._failed, fault)

    def _refuse(self, submitted: Sequence[_Submitted]) -> None:
        self._call(self._settle, submitted, None, self._fault)

    def _call(self, function: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            return  # The loop has closed: nobody is left to be told.

    # In the loop ---------------------------------------------------------------------------

    def _settle(
        self,
        submitted: Sequence[_Submitted],
        results: Sequence[list[Record]] | None,
        error: BaseException | None,
    ) -> None:
        for number, each in enumerate(submitted):
            self._room.release()
            if each.done.done():
                continue  # Cancelled or timed out; what was committed stays.
            if results is not None:
                each.done.set_result(results[number])
            elif error is not None:
                each.done.set_exception(error)


def _full(error: sqlite3.Error) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # Errors of Python's own layer have none.
    return code == sqlite3.SQLITE_FULL


def _fault(code: str, what: str) -> JournalFault:
    remedy = "检查磁盘;守护进程将重启并校验 check the disk; the daemon starts again and verifies"
    return JournalFault(code, what, remedy)
