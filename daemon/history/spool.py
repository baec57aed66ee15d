"""The spool: readings are durable here before their source is told; a store drains it at leisure.

Segment files (see segment.py) in one folder, one new file a start, so that point indices need not
survive a restart. A thread of its own writes what waits with one fdatasync a group. The folder is
bounded: the oldest history goes first, counted. A cursor file says what the stores have; it may
be a moment old after a crash: stores keep equal readings once.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from parkwatch.daemon.history import segment
from parkwatch.daemon.history.columns import Rows
from parkwatch.rules.batch import Batch

log = logging.getLogger("parkwatch.history")
WAITING_MAX = 4_096
GROUP_MAX = 512
TAKE_BYTES = 2 * segment.FRAME_BYTES_MAX
CLOSE_S = 10.0
CURSOR_SCHEMA = 1


@dataclass(frozen=True, slots=True)
class Bounds:
    """All segments together, and one. 4 GiB hold 1,000 readings a second for three days."""

    total: int = 4 << 30
    segment: int = 16 << 20


@dataclass(frozen=True, slots=True, order=True)
class Cursor:
    """A place in the spool: everything before it was handed on."""

    segment: int
    offset: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Rows to hand on, and the cursor to commit once they are safe. `rows` may be empty."""

    rows: Rows
    after: Cursor


@dataclass(slots=True)
class _Waiting:
    batch: Batch
    done: asyncio.Future[None]


class Spool:
    """`append` in the event loop, `take` and `commit` in the draining thread.

    `lost(rows, why)` is called from either thread when readings are given up; `lost(0, "")` when
    the spool can be written again after that. A batch that cannot be kept is counted and its
    future is done: alarms and acknowledgements never wait for a disk.
    """

    def __init__(
        self,
        folder: Path,
        names: Sequence[str],
        lost: Callable[[int, str], None],
        bounds: Bounds | None = None,
    ) -> None:
        self._folder = folder
        self._names = tuple(names)
        self._lost = lost
        self._bounds = bounds or Bounds()
        self._waiting: queue.Queue[_Waiting | None] = queue.Queue(WAITING_MAX)
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed = threading.Condition()
        self._sizes: dict[int, int] = {}  # durable bytes of each segment, oldest first
        self._cursor = Cursor(0, 0)
        self._dictionary: tuple[int, tuple[str, ...], int] | None = None
        self._file = -1
        self._number = 0
        self._opened = self._failing = False
        self.newest = self.drained = 0
        """`received` of the last reading appended, and of the last one handed on."""

    @property
    def size(self) -> int:
        """Bytes of all segments."""
        with self._changed:
            return sum(self._sizes.values())

    def start(self) -> None:
        """Find what earlier runs left, cut torn tails, begin to write; in the running loop."""
        self._loop = asyncio.get_running_loop()
        try:
            self._open()
        except OSError as error:
            log.warning("spool: %s", error)  # The first write tries again, and counts.
        self._thread.start()

    def append(self, batch: Batch) -> asyncio.Future[None]:
        """Done when the batch is durable, or was counted as lost."""
        assert self._loop is not None
        done: asyncio.Future[None] = self._loop.create_future()
        if not len(batch):
            done.set_result(None)
            return done
        try:
            self._waiting.put_nowait(_Waiting(batch, done))
        except queue.Full:
            self._give_up(len(batch), "缓冲队列满 the disk is behind")
            done.set_result(None)
        return done

    def close(self) -> None:
        """Write what waits; blocks. What was not handed on stays for the next start."""
        try:
            self._waiting.put(None, timeout=CLOSE_S)
            self._thread.join(CLOSE_S)
        except queue.Full:
            log.warning("spool: the disk does not answer")
        with self._changed:
            self._changed.notify_all()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    # Reading -------------------------------------------------------------------------------

    def wait(self, timeout_s: float) -> bool:
        """Whether there is something to take, waiting for it."""
        with self._changed:
            return self._changed.wait_for(self._behind, timeout_s)

    def take(self) -> Taken | None:
        """The oldest rows that were not committed, of one segment; None when there are none.

        Taking again without a commit gives the same rows. Damage inside a segment gives up the
        rest of that segment, counted.
        """
        with self._changed:
            if not self._behind():
                return None
            number = self._cursor.segment
            if number not in self._sizes:
                number = min(n for n in self._sizes if n >= number)
            offset = self._cursor.offset if number == self._cursor.segment else 0
            end, whole = self._sizes[number], number != self._number
        try:
            return self._take(number, offset, end, whole=whole)
        except FileNotFoundError:
            return self._nothing(Cursor(number + 1, 0))  # Dropped meanwhile, and counted there.

    def commit(self, taken: Taken) -> None:
        """The rows are safe elsewhere: move the cursor, remove what is behind it."""
        if len(taken.rows):
            self.drained = int(taken.rows.received[-1])
        with self._changed:
            self._cursor = max(self._cursor, taken.after)
            done = [n for n in self._sizes if n < self._cursor.segment and n != self._number]
            for number in done:
                del self._sizes[number]
        self._write_cursor()
        for number in done:
            self._path(number).unlink(missing_ok=True)

    def _behind(self) -> bool:
        return any(
            number > self._cursor.segment
            or (number == self._cursor.segment and size > self._cursor.offset)
            for number, size in self._sizes.items()
        )

    def _take(self, number: int, offset: int, end: int, *, whole: bool) -> Taken:
        try:
            names, first = self._names_of(number)
        except segment.SegmentFault as fault:
            self._give_up(1, f"缓冲段损坏 spool segment {number}: {fault}")
            return self._nothing(Cursor(number + 1, 0))
        offset = offset or first
        with self._path(number).open("rb") as file:
            file.seek(offset)
            data = file.read(min(TAKE_BYTES, end - offset))
        found = list(segment.frames(data, offset))
        after = Cursor(number, found[-1].end if found else offset)
        if after.offset >= end or not found:
            if after.offset < end:
                self._give_up(1, f"缓冲段损坏 spool segment {number} at {after.offset}")
            # The segment being written is only left behind by the one that follows it.
            after = Cursor(number + 1, 0) if whole else Cursor(number, end)
        return Taken(_rows(names, found), after)

    def _names_of(self, number: int) -> tuple[tuple[str, ...], int]:
        known = self._dictionary
        if known is None or known[0] != number:
            names, first = segment.read_header(self._path(number).read_bytes())
            # One object for one dictionary: stores keep what they derive from it.
            names = self._names if names == self._names else names
            known = self._dictionary = (number, names, first)
        return known[1], known[2]

    def _nothing(self, after: Cursor) -> Taken:
        return Taken(_rows(self._names, []), after)

    def _write_cursor(self) -> None:
        body = {"schema": CURSOR_SCHEMA, "segment": self._cursor.segment}
        body["offset"] = self._cursor.offset
        new = self._folder / "cursor.new"
        new.write_text(json.dumps(body), encoding="ascii")
        new.replace(self._folder / "cursor")

    # Writing -------------------------------------------------------------------------------

    def _open(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        cursor = _read_cursor(self._folder / "cursor")
        numbers = sorted(int(path.stem) for path in self._folder.glob("*.seg"))
        if numbers:
            segment.cut_tail(self._path(numbers[-1]))
        paths = {n: self._path(n) for n in numbers}
        with self._changed:
            self._cursor = cursor
            self._sizes = {n: p.stat().st_size for n, p in paths.items() if p.exists()}
            self._number = max([cursor.segment, *numbers])
            self._opened = True
            self._changed.notify_all()

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
            self._keep([one for one in taken if one is not None])

    def _keep(self, waiting: Sequence[_Waiting]) -> None:
        if not waiting:
            return
        try:
            data = b"".join(segment.frames_of(one.batch) for one in waiting)
            try:
                self._write(data)
            except OSError:
                # After a failed fsync nothing says what the file holds: once more, in a new one.
                self._abandon()
                self._write(data)
        except OSError as error:
            self._abandon()
            self._give_up(sum(len(one.batch) for one in waiting), str(error))
        else:
            self.newest = int(waiting[-1].batch.received[-1])
            self.drained = self.drained or int(waiting[0].batch.received[0])
            if self._failing:
                self._failing = False
                self._lost(0, "")
        assert self._loop is not None
        self._loop.call_soon_threadsafe(_done, [one.done for one in waiting])

    def _write(self, data: bytes) -> None:
        if not self._opened:
            self._open()
        if self._file < 0 or self._sizes[self._number] >= self._bounds.segment:
            self._rotate()
        segment.write_all(self._file, data)
        os.fdatasync(self._file)
        with self._changed:
            self._sizes[self._number] += len(data)
            self._changed.notify_all()

    def _rotate(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
        number = self._number + 1
        self._file, size = segment.create(self._path(number), number, self._names)
        with self._changed:
            self._number = number
            self._sizes[number] = size
        self._make_room()

    def _abandon(self) -> None:
        """Cut the file back to what is known to be durable and write it no more."""
        if self._file < 0:
            return
        try:
            os.ftruncate(self._file, self._sizes.get(self._number, 0))
            os.close(self._file)
        except OSError as error:
            log.warning("spool: %s", error)  # Its readers stop at the durable end anyway.
        self._file = -1

    def _make_room(self) -> None:
        with self._changed:
            total, gone = sum(self._sizes.values()), list[int]()
            for number, size in list(self._sizes.items())[:-1]:
                if total <= self._bounds.total:
                    break
                total -= size
                gone.append(number)
                del self._sizes[number]
            cursor = self._cursor
            if gone:
                self._cursor = max(cursor, Cursor(gone[-1] + 1, 0))
        for number in gone:
            path = self._path(number)
            rows = segment.count(path, cursor.offset if number == cursor.segment else 0)
            path.unlink(missing_ok=True)
            self._give_up(rows, "缓冲区满,最旧读数已弃 the spool is full, oldest dropped")

    def _give_up(self, rows: int, why: str) -> None:
        self._failing = True
        self._lost(rows, why)

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:012d}.seg"


def _rows(names: tuple[str, ...], found: Sequence[segment.Frame]) -> Rows:
    origins = tuple(dict.fromkeys(frame.origin for frame in found))
    position = {origin: i for i, origin in enumerate(origins)}
    lengths = [len(frame.point) for frame in found]
    origin = np.repeat(np.array([position[f.origin] for f in found], dtype=np.int32), lengths)

    def column(name: str, dtype: str) -> np.ndarray:
        return np.concatenate([np.empty(0, dtype), *(getattr(f, name) for f in found)])

    return Rows(
        names=names,
        origins=origins,
        point=column("point", "i4"),
        value=column("value", "f8"),
        quality=column("quality", "u1"),
        time=column("time", "i8"),
        received=column("received", "i8"),
        origin=origin,
    )


def _read_cursor(path: Path) -> Cursor:
    """The cursor, or the beginning: an older one only tells the stores what they know."""
    try:
        body = json.loads(path.read_text(encoding="ascii"))
        return Cursor(int(body["segment"]), int(body["offset"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Cursor(0, 0)


def _done(futures: Sequence[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
