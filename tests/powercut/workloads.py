"""What runs while the disk is recorded: the daemon's own journal path on a real folder.

Each workload says what was acknowledged, when it was: `seq`, `hash` and the `state` of the tables
that belong to it, or what its files hold. Run as a process: `workloads.py NAME FOLDER`.
"""

from __future__ import annotations

import asyncio
import functools
import hashlib
import json
import os
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from readings import NAMES
from readings import batch as history_batch
from storming import newer_schema, park_text, readings, resolved

from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.config.applied import apply
from parkwatch.daemon.config.load import load
from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.history.spool import Bounds, Spool
from parkwatch.daemon.journal.anchor import Anchors
from parkwatch.daemon.journal.archive import records_to
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.outbox.messages import Delivery, Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.turn import Turns, Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import open_reader, open_writer
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import SECOND_NS
from parkwatch.rules.transition import Transition

T0 = 1_700_000_000 * SECOND_NS
POINTS = 8
FLOOD = 500
SIDE = (
    "SELECT key, state, attempt, due, result FROM outbox ORDER BY key",
    "SELECT key, due, body FROM timer ORDER BY key",
    "SELECT name, seq FROM cursor ORDER BY name",
    "SELECT name, seq, time, body FROM snapshot ORDER BY name",
)


def state(db: sqlite3.Connection) -> str:
    """A digest of what commits beside the records: outbox, timers, cursors, snapshots."""
    digest = hashlib.sha256()
    for query in SIDE:
        digest.update(repr(db.execute(query).fetchall()).encode())
    return digest.hexdigest()[:16]


@functools.cache
def park(points: int) -> Resolved:
    """The storm's park; reading it takes longer than judging an image."""
    with tempfile.TemporaryDirectory() as folder:
        return resolved(Path(folder), points)


def restored(db: sqlite3.Connection, points: int, *, whole: bool = False) -> Engine:
    """The engine as a start makes it: the newest snapshot and the tail, or the whole journal."""
    engine = Engine(park(points).site, T0)
    row = db.execute("SELECT seq, body FROM snapshot WHERE name = 'engine'").fetchone()
    since, snapshot = (0, None) if whole or row is None else row
    tail = [
        Transition.from_body(record.body)
        for record in records_to(db, since=since, kinds=["transition"])
    ]
    engine.restore(snapshot, tail, T0 + 10**15)
    return engine


class Said:
    """What was acknowledged, as the recording will find it."""

    def __init__(self, folder: Path) -> None:
        self._fd = os.open(folder / "acked", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def __call__(self, **facts: Any) -> None:
        os.write(self._fd, json.dumps(facts).encode() + b"\n")


def broken(what: object) -> None:
    """The disk of a workload never fails: where it is said to, the recording is worth nothing."""
    sys.stderr.write(f"{what}\n")
    os._exit(1)


class Station:
    """The daemon's committer, engine and policy on one folder, on a clock of its own."""

    def __init__(self, folder: Path, points: int = POINTS) -> None:
        self.folder = folder
        self.said = Said(folder)
        self.db = open_writer(folder / "journal.db")
        if os.environ.get("SYNCHRONOUS"):  # The harness's own proof: it must find this.
            self.db.execute(f"PRAGMA synchronous={os.environ['SYNCHRONOUS']}")
        self.journal = Journal(self.db)
        paths = [folder / "journal.head", folder / "far.head"]
        anchors = Anchors(paths, broken)
        anchors.start()
        self.committer = Committer(self.db, self.journal, anchors, broken)
        self.committer.start()
        self.reader = open_reader(folder / "journal.db")
        self.now = max(T0, self.journal.time)
        r = park(points)
        self.engine = restored(self.db, points)
        policy = ChainPolicy(r.site, Directory(r.people, r.channels, r.chains), r.tz)
        links = LinkAlarms(self.engine, r.site, lambda: self.now)
        self.turns = Turns(self.engine, links, lambda: self.now, policy)
        self.turns.memory = lambda: {"engine": self.engine.snapshot()}

    async def commit(self, group: Group) -> None:
        """Commit alone; acknowledged with the exact state of the tables beside."""
        await self.committer.submit(group, self.now)
        self.acknowledge()

    def acknowledge(self) -> None:
        """The head, and the exact state of the tables beside it."""
        self.said(seq=self.journal.seq, hash=self.journal.head.hex(), state=state(self.reader))

    async def turn(self, values: dict[int, float], after_s: float = 1.0) -> Group:
        """Readings through engine and policy into one transaction, as the pipeline does."""
        self.now += round(after_s * SECOND_NS)
        work = Work()
        self.turns.take(readings(values, self.now), work)
        self.turns.advance(work)
        group = self.turns.group(work)
        assert group is not None
        await self.commit(group)
        return group

    async def deliver(self, messages: Sequence[Message], state: str, attempt: int = 1) -> None:
        """What the sender commits around a call."""
        self.now += SECOND_NS // 100
        await self.commit(
            Group(
                entries=[
                    Entry("delivery", {"key": m.key, "attempt": attempt, "state": state})
                    for m in messages
                ],
                deliveries=[
                    Delivery(m.key, attempt, state, "试验", "apprise", self.now) for m in messages
                ],
            )
        )

    async def close(self) -> None:
        await self.committer.close()
        self.reader.close()
        self.db.close()


def said(n: int) -> Group:
    return Group(entries=[Entry("system", {"n": n, "text": f"第{n}条"})])


async def singles(station: Station) -> None:
    """One transition a commit, as on a quiet day."""
    for n in range(40):
        await station.turn({n % POINTS: 90.0 if n // POINTS % 2 == 0 else 1.0})


async def groups(station: Station) -> None:
    """A hundred at once: one transaction; each is acknowledged for itself."""

    async def one(n: int) -> None:
        found = await station.committer.submit(said(n), station.now)
        row = station.reader.execute("SELECT hash FROM record WHERE seq = ?", (found[-1].seq,))
        station.said(seq=found[-1].seq, hash=row.fetchone()[0].hex())

    for first in range(0, 600, 100):
        await asyncio.gather(*(one(n) for n in range(first, first + 100)))


async def flood(station: Station) -> None:
    """Five hundred alarms in a few transactions, with their messages."""
    for first in range(0, FLOOD, 100):
        await station.turn(dict.fromkeys(range(first, first + 100), 90.0))


async def outbox(station: Station) -> None:
    """Messages through every state."""
    for n in range(POINTS):
        group = await station.turn({n: 90.0})
        await station.deliver(group.messages, "sending")
        match n % 4:
            case 0:
                await station.deliver(group.messages, "sent")
            case 1:
                await station.deliver(group.messages, "pending")
                await station.deliver(group.messages, "sending", attempt=2)
            case 2:
                await station.deliver(group.messages, "failed")
            case _:
                await station.deliver(group.messages, "pending")
                await station.turn({n: 1.0})  # supersedes it


async def snapshots(station: Station) -> None:
    """Snapshots that grow over many pages, and those of gateways beside."""
    for n in range(24):
        station.turns.snapshot_next()
        gateways = json.dumps({"gw": "x" * (n * 1_500 % 20_000)}).encode()
        more = {"gateways": gateways}
        station.turns.memory = lambda more=more: {"engine": station.engine.snapshot(), **more}
        await station.turn({n % POINTS: 90.0 if n // POINTS % 2 == 0 else 1.0})


async def checkpoints(station: Station) -> None:
    """The log reaches its limit again and again, and is begun anew."""
    station.db.execute("PRAGMA wal_autocheckpoint=20")
    for n in range(120):
        await station.turn({n % POINTS: 90.0 if n // POINTS % 2 == 0 else 1.0})
        if n % 40 == 39:
            mode = ("PASSIVE", "RESTART", "TRUNCATE")[n // 40]
            station.db.execute(f"PRAGMA wal_checkpoint({mode})")


async def timers(station: Station) -> None:
    """Deadlines set, moved, fired and cancelled."""
    for n in range(60):
        station.now += SECOND_NS
        key = f"repeat|huadong/panel-1/p-{n % 10}:high"
        set_anew = [Timer(key, station.now + n, {"alarm": key[7:], "repeat": n})]
        cancel = [f"repeat|huadong/panel-1/p-{(n + 5) % 10}:high"] if n % 3 == 0 else []
        entry = Entry("timer", {"key": key, "what": "set"})
        await station.commit(
            Group(entries=[entry], timers=set_anew, cancel=cancel, cursors={"upload": n})
        )


async def restarts(station: Station) -> None:
    """Opened, written, closed and opened again: the log is emptied at each end."""
    for n in range(6):
        await station.turn({n: 90.0})
        await station.close()
        again = Station(station.folder)
        station.__dict__.update(again.__dict__)


async def anchors(station: Station) -> None:
    """Red upon red: the head goes to both files after each commit."""
    for n in range(40):
        station.now += SECOND_NS
        await station.commit(Group(entries=[Entry("system", {"n": n, "grade": "red"})]))


async def rotations(station: Station) -> None:
    """The file is closed, archived and gone on from, with messages and timers on their way."""
    for n in range(3):
        for i in range(POINTS):
            group = await station.turn({i: 90.0 if n % 2 == 0 else 1.0})
            if i % 2:
                await station.deliver(group.messages, "sending")
        await station.close()
        rotate(station.folder, b"", Asked("system", "试验"), [station.folder / "far.head"])
        again = Station(station.folder)
        station.__dict__.update(again.__dict__)
        station.acknowledge()


async def migrations(station: Station) -> None:
    """A file of an older schema, taken over by a version that has a newer one."""
    for i in range(POINTS):
        await station.turn({i: 90.0})
    await station.close()
    with newer_schema():
        again = Station(station.folder)
        station.__dict__.update(again.__dict__)
        station.acknowledge()
        for i in range(POINTS):
            await station.turn({i: 1.0})


async def applying(folder: Path, said: Said) -> None:
    """A configuration applied over the last one."""
    for n in range(30):
        path = folder.parent / f"park-{n}.toml"
        path.write_text(park_text(2 + n), encoding="utf-8")
        apply(load(path, {}), folder)
        said(applied=2 + n)


async def spooling(folder: Path, said: Said) -> None:
    """Readings into the history's spool over several segments, some of them drained."""
    lost: list[str] = []
    spool = Spool(
        folder / "spool", NAMES, lambda rows, why: lost.append(why), Bounds(1 << 30, 4_000)
    )
    spool.start()
    for n in range(1, 121):
        await spool.append(history_batch([float(n)], point=[0], time=n))
        said(spooled=n)
        if n % 25 == 0:
            taken = spool.take()
            assert taken is not None
            said(handed=int(taken.rows.time[-1]))
            spool.commit(taken)
    await asyncio.get_running_loop().run_in_executor(None, spool.close)
    assert not lost, lost


JOURNAL: dict[str, Callable[[Station], Awaitable[None]]] = {
    f.__name__: f
    for f in (
        singles, groups, flood, outbox, snapshots, checkpoints, timers, restarts, anchors,
        rotations, migrations,
    )
}  # fmt: skip
FILES: dict[str, Callable[[Path, Said], Awaitable[None]]] = {
    f.__name__: f for f in (applying, spooling)
}


def points_of(name: str) -> int:
    return FLOOD if name == "flood" else POINTS


async def main(name: str, folder: Path) -> None:
    if name in FILES:
        await FILES[name](folder, Said(folder))
        return
    station = Station(folder, points_of(name))
    await JOURNAL[name](station)
    await station.close()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
