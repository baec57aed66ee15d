"""The daemon: everything made once, wired one way, started, watched and stopped."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from parkwatch.daemon.app.clock import Clock
from parkwatch.daemon.app.desk import Desk, as_json
from parkwatch.daemon.app.links import LinkAlarms
from parkwatch.daemon.app.supervisor import keep
from parkwatch.daemon.app.systemd import Notifier
from parkwatch.daemon.app.webchild import WebChild
from parkwatch.daemon.config.applied import Chosen
from parkwatch.daemon.config.overrides import news
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.history.service import History
from parkwatch.daemon.journal.anchor import Anchors
from parkwatch.daemon.journal.journal import Entry, Journal, Record, newest, records
from parkwatch.daemon.journal.verify import Verdict, verify
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.notify.sender import Sender
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.timers import all_timers
from parkwatch.daemon.pipeline.commit import Committer
from parkwatch.daemon.pipeline.items import shown
from parkwatch.daemon.pipeline.live import HEALTH_EVERY, VALUES_S, LiveServer, record_frame
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.daemon.pipeline.turn import SystemCondition
from parkwatch.daemon.pipeline.writer import Group
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer
from parkwatch.drivers import modbus
from parkwatch.drivers.mqtt import MqttSource
from parkwatch.rules.engine import Engine
from parkwatch.rules.evaluate.state import readable
from parkwatch.rules.quality import reason_name, status_name
from parkwatch.rules.site import Site
from parkwatch.rules.transition import Transition

log = logging.getLogger("parkwatch.app")
COMMANDS_KEPT = 1_000
VERIFIED_AT_START = 20_000
"""So many of the newest records are recomputed before they are believed (`journal verify`: all)."""
BEAT_S_MAX = 5.0


class App:
    """One daemon on one data folder. `start`, then `run` until stopped or failed, then `stop`."""

    def __init__(self, chosen: Chosen, data: Path) -> None:
        loaded = chosen.loaded
        assert loaded.config is not None
        self._chosen = chosen
        self._data = data
        self._resolved = resolve(loaded.config, loaded.path.parent, os.environ, data)
        site = self._resolved.site
        self._verdict = _verified(data, self._resolved.anchors, self._resolved.journal_key)
        self._db = open_writer(data / "journal.db")
        journal = Journal(self._db, self._resolved.journal_key)
        self._journal = journal
        self._resumed = journal.seq > 0
        self.clock = Clock(at_least=journal.time + 1)
        self.engine = Engine(site, self.clock.now())
        self._restore()
        self._failure: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        anchors = Anchors(
            [data / "journal.head", *self._resolved.anchors],
            lambda what: self._anchor(what, active=True),
            lambda: self._anchor("锚点恢复 anchors are written again", active=False),
        )
        anchors.start()
        self.committer = Committer(self._db, journal, anchors, self._journal_failed)
        self._reader = open_reader(data / "journal.db")
        self.sequence = journal.seq
        names = [point.id for point in site.points]
        self.history = History(self._resolved.history, data, names, self._history)
        self.pipeline = self._make_pipeline()
        self._mqtt = [MqttSource(b, self.pipeline, self.clock.now) for b in self._resolved.brokers]
        for source in self._mqtt:
            source.restore(self._gateways.get(source.name, {}))
        self._desk = Desk(self._resolved, self.pipeline, lambda: self.sequence, self.health)
        self._sender = Sender(
            self._reader, self.committer, self._policy, self.clock.now, self._channel
        )
        self._live = LiveServer(data / "run" / "live.sock", self._desk.answer)
        self._systemd = Notifier()
        self._web = WebChild(data)
        self._tasks: list[asyncio.Task[None]] = []
        self._started = time.monotonic()

    def _make_pipeline(self) -> Pipeline:
        now = self.clock.now
        links = LinkAlarms(self.engine, self._resolved.site, now)
        r = self._resolved
        self._policy = ChainPolicy(r.site, Directory(r.people, r.channels, r.chains), r.tz)
        pipeline = Pipeline(
            self.engine, self.committer, links, now, spool=self.history, policy=self._policy
        )
        pipeline.turns.timers = {timer.key: timer for timer in all_timers(self._db)}
        pipeline.turns.memory = self._memory
        pipeline.turns.desk.remember(newest(self._db, COMMANDS_KEPT, ["command"]))
        return pipeline

    # Restart -------------------------------------------------------------------------------

    def _restore(self) -> None:
        """Alarm state is what the journal says: the newest snapshot and the fold of the tail."""
        row = self._db.execute("SELECT seq, body FROM snapshot WHERE name = 'engine'").fetchone()
        # A snapshot of another version only shortened the fold: then the whole journal is folded.
        since, snapshot = row if row is not None and readable(row[1]) else (0, None)
        tail = [
            Transition.from_body(record.body)
            for record in records(self._db, since=since, kinds=["transition"])
        ]
        self.engine.restore(snapshot, tail, self.clock.now())
        row = self._db.execute("SELECT body FROM snapshot WHERE name = 'gateways'").fetchone()
        self._gateways: dict[str, Any] = json.loads(row[0]) if row is not None else {}

    def _memory(self) -> dict[str, bytes]:
        gateways = {source.name: source.snapshot() for source in self._mqtt}
        return {"engine": self.engine.snapshot(), "gateways": as_json(gateways)}

    # Life ----------------------------------------------------------------------------------

    async def start(self) -> None:
        """Journal the start, open the door, begin to poll."""
        self.committer.start()
        self.history.start()
        self.committer.subscribe(self._committed)
        body = {**self._journal.start_body(), "resumed": self._resumed, "pid": os.getpid()}
        entries = [Entry("start", body)]
        if not self._resumed:
            config = self._chosen.loaded.config
            fresh = news(config, None, self._resolved.site, Site())
            entries += [Entry("override", override) for override in fresh]
        await self.committer.submit(Group(entries=entries), self.clock.now())
        self._tell_of_config()
        self._tell_of_journal()
        self.pipeline.beat = self._systemd.beat
        await self._live.start()
        self._spawn("pipeline", self.pipeline.run())
        self._spawn("live.tick", self._tick())
        self._spawn("notify", self._sender.run())
        self._spawn("web", self._web.run())
        for device in self._resolved.modbus:
            work = self._poller(device)
            self._spawn(f"modbus.{device.id}", keep(device.id, work))
        for source in self._mqtt:
            self._spawn(f"mqtt.{source.name}", keep(source.name, source.run))
        self._systemd.tell("READY=1")

    def _poller(self, device: Any) -> Any:
        async def work() -> None:
            await modbus.run(device, self.pipeline, self.clock.now)

        return work

    def _tell_of_config(self) -> None:
        broken = self._chosen.broken
        text = "; ".join(f"{p.file}:{p.line} {p.message}" for p in broken[:5])
        for name, active, grade, what in (
            ("broken", bool(broken), "orange", text),
            ("differs", self._chosen.differs, "yellow", "配置文件与已应用的不同 the file differs"),
        ):
            alarm = f"system/config:{name}"
            known = self.engine.alarm(alarm)
            if known is not None and active and known.cause.get("text") != what:
                # Other lines than those that people were told of: told anew.
                self.pipeline.system(SystemCondition(alarm, active=False, grade=grade, text=what))
            if active or known is not None:
                self.pipeline.system(SystemCondition(alarm, active, grade, what))

    def _tell_of_journal(self) -> None:
        """What the start found wrong with the journal stays an alarm until somebody resets it."""
        verdict = self._verdict
        cut = verdict is not None and verdict.cut
        for name, active in (
            ("rollback", cut),
            ("damaged", verdict is not None and not verdict.ok and not cut),
        ):
            alarm = f"system/journal:{name}"
            if active or self.engine.alarm(alarm) is not None:
                what = verdict.what if verdict is not None else ""
                log.log(logging.CRITICAL if active else logging.INFO, "%s: %s", alarm, what)
                self.pipeline.system(SystemCondition(alarm, active, "red", what, latch=True))

    async def run(self, stop: asyncio.Event) -> None:
        """Until asked to stop; raises what ended a task that must not end."""
        stopping = asyncio.create_task(stop.wait())
        waiting: set[asyncio.Future[Any]] = {stopping, self._failure, *self._tasks}
        try:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
            for future in done - {stopping}:
                future.result()
        finally:
            stopping.cancel()

    async def stop(self, why: str) -> None:
        """Stop the sources, commit what is in flight with a last snapshot, say so, end."""
        self._systemd.tell("STOPPING=1")
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if not self._failure.done():
            await self.pipeline.drain()
            total = sum(self.pipeline.counters.readings.values())
            body = {"why": why, "readings": total, "stored": self.history.stored}
            entry = Entry("stop", body)
            await self.committer.submit(Group(entries=[entry]), self.clock.now())
        await self._live.close()
        await self.history.close()
        await self.committer.close()
        self._reader.close()
        self._db.close()

    def _spawn(self, name: str, work: Any) -> None:
        self._tasks.append(asyncio.create_task(work, name=name))

    def _journal_failed(self, fault: JournalFault) -> None:
        log.critical("%s", fault)
        if not self._failure.done():
            self._failure.set_exception(fault)

    def _anchor(self, what: str, *, active: bool) -> None:
        log.warning("anchor: %s", what)
        loop = self._failure.get_loop()
        condition = SystemCondition("system/journal:anchor", active, "orange", what)
        loop.call_soon_threadsafe(self.pipeline.system, condition)

    def _history(self, alarm: str, *, active: bool, text: str) -> None:
        self.pipeline.system(SystemCondition(alarm, active=active, grade="orange", text=text))

    def _channel(self, channel: str, *, failed: bool, text: str) -> None:
        alarm = f"system/channel.{channel}:failed"
        view = self.engine.alarm(alarm)
        if failed != (view is not None and view.live_level > 0):
            condition = SystemCondition(alarm, active=failed, grade="orange", text=text)
            self.pipeline.system(condition)

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

    async def _tick(self) -> None:
        """Sampled values each 250 ms, health each second."""
        engine = self.engine
        sent = engine.receiveds.copy()
        qualities = engine.qualities.copy()
        beat = 0
        while True:
            await asyncio.sleep(VALUES_S)
            beat += 1
            changed = ((engine.receiveds != sent) | (engine.qualities != qualities)).nonzero()[0]
            sent, qualities = engine.receiveds.copy(), engine.qualities.copy()
            if self._live.consoles == 0:
                continue
            frames: list[dict[str, Any]] = []
            if len(changed):
                points = [
                    [
                        i, shown(engine, i), status_name(int(engine.qualities[i])),
                        str(int(engine.times[i])), str(int(engine.receiveds[i])),
                        reason_name(int(engine.qualities[i])),
                    ]
                    for i in changed.tolist()
                ]  # fmt: skip
                now = str(self.clock.now())
                frames.append({"type": "values", "time": now, "points": points})
            if beat % HEALTH_EVERY == 0:
                frames.append({"type": "health", **self.health()})
            self._live.publish(frames)

    def health(self) -> dict[str, Any]:
        """What `status`, `/healthz` and the console's health page show."""
        counters = self.pipeline.counters
        beat_s = time.monotonic() - counters.last_turn if counters.last_turn else 0.0
        site, engine = self._resolved.site, self.engine
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
            "ok": beat_s < BEAT_S_MAX and not self._failure.done(),
            "engine": str(self.clock.now()),
            "uptime_s": round(time.monotonic() - self._started, 1),
            "loop_lag_ms": round(beat_s * 1000),
            "queue": self.pipeline.depth,
            "devices": devices,
            "readings": dict(counters.readings),
            "journal": {"seq": self._journal.seq, "commits": self.committer.commits,
                        "commit_worst_ms": round(counters.commit_worst_s * 1000, 1)},
            "history": self.history.state(),
            "outbox": self._outbox_counts(),
            "config": {
                "broken": [f"{p.file}:{p.line} {p.code} {p.message}" for p in self._chosen.broken],
                "differs": self._chosen.differs,
            },
        }  # fmt: skip

    def _outbox_counts(self) -> dict[str, int]:
        try:
            return outbox.counts(self._reader)
        except sqlite3.Error:
            return {}  # Busy for longer than the reader waits: the next second tells.


def _verified(data: Path, anchors: Sequence[Path], key: bytes) -> Verdict | None:
    """The journal held against its anchors before it is continued; None at the first start."""
    if not (data / "journal.db").exists():
        return None
    return verify(data, anchors, key, newest=VERIFIED_AT_START)
