"""The daemon: everything made once, wired one way, started, watched and stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from parkwatch.daemon.app import beside, found, probing, resumed, stage
from parkwatch.daemon.app.change import Plan
from parkwatch.daemon.app.daily import write_days
from parkwatch.daemon.app.desk import Act, Desk, as_json
from parkwatch.daemon.app.door import Door
from parkwatch.daemon.app.evidence import sha256_of
from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.app.restore import arming, as_armed, memory, policy_of, remember, restore
from parkwatch.daemon.app.resumed import Resumed
from parkwatch.daemon.app.sources import asked, remembered
from parkwatch.daemon.app.supervisor import end
from parkwatch.daemon.app.systemd import Notifier
from parkwatch.daemon.app.tick import tick
from parkwatch.daemon.app.unrecorded import ALARM, BLIND_LEAST_S, LEAST_S, Unrecorded
from parkwatch.daemon.app.watching import Watching
from parkwatch.daemon.config.applied import Chosen
from parkwatch.daemon.config.overrides import news
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.site_key import signing_key
from parkwatch.daemon.history.service import History
from parkwatch.daemon.journal.anchor import Anchors
from parkwatch.daemon.journal.journal import Entry, Journal, Record
from parkwatch.daemon.journal.ready import ready, witnesses_of
from parkwatch.daemon.notify.sender import Sender
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.live import record_frame
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import SystemCondition, Work
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer
from parkwatch.daemon.store.reserve import Reserve
from parkwatch.drivers.modbus.runner import BusRunner
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import Site

log = logging.getLogger("parkwatch.app")
SENDER = "notify"
FIELD = ("gateways", "devices")
"""Snapshots of what the drivers remember."""
BEAT_S_MAX = 5.0
WAITING_MAX = 500
SENDER_END_S = 4.0
"""The sender's calls get some seconds to end; SIGTERM has 10 s in all."""


class App:
    """One daemon on one data folder. `start`, then `run` until stopped or failed, then `stop`."""

    def __init__(
        self, chosen: Chosen, data: Path, door: Door, resolved: Resolved | None = None
    ) -> None:
        loaded = chosen.loaded
        assert loaded.config is not None
        self.chosen = chosen
        self.door = door
        self.resolved = resolved or resolve(loaded.config, loaded.path.parent, os.environ, data)
        self._verdict = ready(
            data,
            self.resolved.journal_key,
            witnesses_of(self.resolved, data),
            self.resolved.journal_records_max,
        )
        self._db = open_writer(data / "journal.db")
        journal = self._journal = Journal(self._db, self.resolved.journal_key)
        self._resumed = journal.seq > 0
        self.resolved = resolved or as_armed(self.resolved, arming(self._db))
        self.clock = door.clock(at_least=journal.time + 1)
        self.engine = Engine(self.resolved.site, self.clock.now())
        self._restore()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = data
        self._unanchored: set[str] = set()
        anchors = Anchors(
            [data / "journal.head", *self.resolved.anchors],
            lambda what: self._anchor(what, active=True),
            lambda: self._anchor("锚点恢复 anchors are written again", active=False),
        )
        anchors.start()
        reserve = Reserve(data / "reserve")
        self.committer = Committer(
            self._db, journal, anchors, self._journal_failed, reserve.release
        )
        self._reader = open_reader(data / "journal.db")
        self.sequence = journal.seq
        names = [point.id for point in self.resolved.site.points]
        self.history = History(self.resolved.history, data, names, self._history)
        self.pipeline = self._make_pipeline()
        trial = stage.trial(loaded, self.resolved, data, self.pipeline)
        read = partial(probing.read, lambda: door.sources.of(BusRunner))
        acts: dict[str, Act] = {"stage": trial, "read": read}
        self._desk = Desk(self.resolved, self.pipeline, lambda: self.sequence, self.health, acts)
        self._sender = Sender(
            self._reader, self.committer, self._policy, self.clock.now, self._channel,
            ended=self._ended,
        )  # fmt: skip
        self._live = door.live
        self._unrecorded = Unrecorded(
            data, self._policy, self.clock.now, self._desk.item, self._live.publish
        )
        self._desk.unrecorded = self._unrecorded.alarms
        self._desk.evidence = partial(sha256_of, data)
        self._watching = Watching(data, self.pipeline, self.clock, self.history, reserve)
        self._watching.manned = lambda: self._desk.manned if self._live.consoles else 0
        self._systemd = Notifier()
        self._tasks: list[asyncio.Task[None]] = []
        self._started = time.monotonic()

    def _make_pipeline(self) -> Pipeline:
        now = self.clock.now
        links = LinkAlarms(self.engine, self.resolved.site, now)
        r = self.resolved
        self._policy = policy_of(r)
        pipeline = Pipeline(
            self.engine, self.committer, links, now, spool=self.history, policy=self._policy
        )
        remember(pipeline.turns, self._policy, self._db)
        pipeline.turns.memory = self._memory
        pipeline.turns.bumps.key = signing_key(self._data)
        self._policy.unverified = pipeline.turns.unverified
        pipeline.unrecorded = self._lost
        return pipeline

    # Restart -------------------------------------------------------------------------------

    def _restore(self) -> None:
        restore(self.engine, self._db, self.clock.now())
        rows = self._db.execute("SELECT name, body FROM snapshot WHERE name IN (?, ?)", FIELD)
        self._field: dict[str, Any] = {name: json.loads(body) for name, body in rows}

    def _memory(self) -> dict[str, bytes]:
        field = {name: as_json(body) for name, body in remembered(self.door.sources).items()}
        return {**memory(self.pipeline.turns, self._policy), **field}

    # Life ----------------------------------------------------------------------------------

    async def start(self, reloaded: Sequence[Entry] | None = None) -> None:
        """Journal the start (after a reload the given entries), serve, begin to poll."""
        self.committer.start()
        self.history.start()
        self.committer.subscribe(self._committed)
        entries, before = list(reloaded or ()), Resumed()
        if reloaded is None:
            body = {**self._journal.start_body(), "resumed": self._resumed, "pid": os.getpid()}
            if not self._resumed:
                body["arming"] = found.arming(self.chosen)
            entries = [Entry("start", {**body, "boot": resumed.boot_id()})]
            entries += self.pipeline.turns.started(body)
            if self._resumed:
                before = resumed.resumed(self._data, self._db, self.clock.now())
                self._unrecorded.remember(before.announced)
                entries += resumed.entries(before)
        if not self._resumed:
            config = self.chosen.loaded.config
            fresh = news(config, None, self.resolved.site, Site())
            entries += [Entry("override", override) for override in fresh]
        try:
            group = Group(entries, deliveries=before.deliveries)
            await self.committer.submit(group, self.clock.now())
            beside.remove(self._data)
        except JournalFault as fault:
            self._journal_failed(fault)  # It watches and tells all the same.
        found.config(self.pipeline, self.chosen)
        found.journal(self.pipeline, self._verdict)
        found.unrecorded(self.pipeline, before.unrecorded)
        self.pipeline.beat = self._systemd.beat
        await self.door.serve(self._desk.answer)
        self._spawn("pipeline", self.pipeline.run())
        arming = self.pipeline.turns.arming
        beat = tick(self.engine, self._live, self.clock.now, self.health, arming)
        self._spawn("live.tick", beat)
        self._spawn("selfwatch", self._watching.run())
        self._spawn(SENDER, self._send())
        self._spawn("daily", self._daily())
        wanted = asked(self.resolved, self._field, self.clock.now)
        await self.door.sources.serve(wanted, self.pipeline, self.resolved.site.points)
        self._systemd.tell("READY=1")

    async def _daily(self) -> None:
        def told(what: str) -> None:
            self._anchor(what, active=bool(what), of="daily")

        await write_days(self._data, self.resolved, self.clock.now, told)

    async def run(self, stop: asyncio.Event) -> None:
        """Until asked to stop or for another configuration; raises what ended a task that must not
        end."""
        stopping = asyncio.create_task(stop.wait())
        wished: set[asyncio.Future[Any]] = {stopping, self.door.wish}
        waiting: set[asyncio.Future[Any]] = {
            *wished, self._failure, self.door.web_task, *self._tasks, *self.door.sources.tasks
        }  # fmt: skip
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done - wished:
                future.result()
        finally:
            stopping.cancel()

    async def stop(self, why: str) -> None:
        """Stop the sources, commit what is in flight with a last snapshot, say so, end."""
        self._systemd.tell("STOPPING=1")
        await self.quiesce()
        if self.committer.fault is None:
            total = sum(self.pipeline.counters.readings.values())
            body = {"why": why, "readings": total, "stored": self.history.stored}
            entry = Entry("stop", body)
            try:
                await self.committer.submit(Group(entries=[entry]), self.clock.now())
            except JournalFault as fault:
                log.critical("%s", fault)  # The next start says that it did not end cleanly.
        await self.door.sources.close()
        await self.close()

    async def quiesce(self) -> None:
        """Let the sources wait; commit what is in flight with a last snapshot. Messages under way
        end first, while alarms are still watched."""
        sending = [task for task in self._tasks if task.get_name() == SENDER]
        await end(sending, SENDER_END_S)
        self.door.hold()
        self.door.sources.hold()
        await end(self._tasks)
        while not self._failure.done():
            await self.pipeline.drain()
            if self.pipeline.depth == 0 and not self.door.sources.passing:
                break

    async def change(self, wanted: Plan, sha256: str) -> None:
        """Commit a change of the configuration, once quiet."""
        now = self.clock.now()
        work = wanted.work(self.engine, now, sha256)
        for entry in work.entries:
            self.pipeline.turns.arming.take(entry.kind, entry.body, now)
        group = self.pipeline.turns.group(work)
        assert group is not None, "it holds the record at least"
        await self.committer.submit(group, self.clock.now())

    async def close(self) -> None:
        """Give back files and threads."""
        await self._unrecorded.close()
        await self.history.close()
        await self.committer.close()
        self._reader.close()
        if not self.committer.hung:
            self._db.close()

    def _spawn(self, name: str, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    async def _send(self) -> None:
        try:
            await self._sender.run()
        except JournalFault:
            await self._failure  # From here on messages go out from memory.

    def _journal_failed(self, fault: JournalFault) -> None:
        """Go on for a while without it, and say so."""
        if self._unrecorded.fault is not None:
            return
        log.critical("%s", fault)
        try:
            waiting = outbox.pending(self._reader, self.clock.now(), WAITING_MAX)
        except sqlite3.Error:
            waiting = []  # They are told after the restart.
        self._unrecorded.begin(fault, waiting)
        condition = SystemCondition(ALARM, active=True, grade="red", text=fault.what, latch=True)
        self.pipeline.system(condition)
        self._ending = asyncio.create_task(self._end_unrecorded(fault), name="unrecorded")

    async def _end_unrecorded(self, fault: JournalFault) -> None:
        await self._unrecorded.over(LEAST_S if self.committer.commits else BLIND_LEAST_S)
        if not self._failure.done():
            self._failure.set_exception(fault)

    def _lost(self, work: Work, group: Group) -> None:
        assert self.committer.fault is not None
        self._journal_failed(self.committer.fault)
        self._unrecorded.lost(work, group)

    def _anchor(self, what: str, *, active: bool, of: str = "head") -> None:
        """`of`: the heads or the daily files, each of which fails and mends by itself."""
        log.warning("anchor: %s", what)
        (self._unanchored.add if active else self._unanchored.discard)(of)
        loop = self._failure.get_loop()
        condition = SystemCondition("system/journal:anchor", bool(self._unanchored), "orange", what)
        loop.call_soon_threadsafe(self.pipeline.system, condition)

    def _history(self, alarm: str, *, active: bool, text: str) -> None:
        self.pipeline.system(SystemCondition(alarm, active=active, grade="orange", text=text))

    def _channel(self, channel: str, *, failed: bool, text: str) -> None:
        alarm = f"system/channel.{channel}:failed"
        view = self.engine.alarm(alarm)
        if failed != (view is not None and view.live_level > 0):
            condition = SystemCondition(alarm, active=failed, grade="orange", text=text)
            self.pipeline.system(condition)

    def _ended(self, alarm: str, occurrence: int) -> bool:
        view = self.engine.alarm(alarm)
        return view is None or view.occurrence != occurrence

    # What goes out -------------------------------------------------------------------------

    def _committed(self, committed: Sequence[Record]) -> None:
        frames: list[dict[str, Any]] = []
        for record in committed:
            if record.kind == "transition":
                self.sequence = record.seq
                item = self._desk.item(str(record.body["alarm"]))
                frames.append(
                    {
                        "type": "transition",
                        "sequence": record.seq,
                        "event": record.body["event"],
                        "item": item,
                    }
                )
            frames.append(record_frame(record))
        self._live.publish(frames)
        self._sender.wake()

    def health(self) -> dict[str, Any]:
        """What `status`, `/healthz` and the console's health page show."""
        counters = self.pipeline.counters
        beat_s = time.monotonic() - counters.last_turn if counters.last_turn else 0.0
        site, engine = self.resolved.site, self.engine
        devices = []
        for device in site.devices.values():
            own = [p.index for p in site.points if p.device == device.id]
            link = engine.alarm(f"{device.gateway or device.id}:link")
            newest_at = max((int(engine.receiveds[i]) for i in own), default=0)
            devices.append(
                {
                    "id": device.id,
                    "state": "down" if link is not None and link.live_level else "up",
                    "last_good": str(newest_at),
                    "points": len(own),
                    "text": str(link.cause.get("text", "")) if link is not None else "",
                }
            )
        return {
            "ok": beat_s < BEAT_S_MAX and self.committer.fault is None,
            "engine": str(self.clock.now()),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "loop_lag_ms": round(beat_s * 1000),
            "unrecorded": self._unrecorded.state(),
            "queue": self.pipeline.depth,
            "devices": devices,
            "buses": [runner.health() for runner in self.door.sources.of(BusRunner)],
            "readings": dict(counters.readings),
            "journal": {"seq": self._journal.seq, "commits": self.committer.commits,
                        "commit_worst_ms": round(counters.commit_worst_s * 1000, 1)},
            "history": self.history.state(),
            "outbox": self._outbox_counts(),
            "config": {
                "broken": [f"{p.file}:{p.line} {p.code} {p.message}" for p in self.chosen.broken],
                "differs": self.chosen.differs,
            },
        }  # fmt: skip

    def _outbox_counts(self) -> dict[str, int]:
        try:
            return outbox.counts(self._reader)
        except sqlite3.Error:
            return {}  # Busy for longer than the reader waits: the next second tells.
