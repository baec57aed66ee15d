"""A new configuration on a running daemon: within the process and under its lock.

The old one runs until the new one is valid and nothing stands in its way. Then the sources stop,
what is in flight is committed with a snapshot, the change is one transaction, and a new App goes on
from the journal. Where that cannot start, the old configuration is the applied one again.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import sqlite3
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from parkwatch.daemon.app import arm
from parkwatch.daemon.app.app import App
from parkwatch.daemon.app.change import Plan, Request, Running, plan
from parkwatch.daemon.app.door import Door
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.applied import Chosen
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.resolve import Resolved
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.journal import Entry
from parkwatch.rules.arming import ARMED, UNARMED, by_state
from parkwatch.rules.engine import Engine
from parkwatch.rules.evaluate.kernel import EVALUATED
from parkwatch.rules.fault import Fault, Problem
from parkwatch.rules.gaps import ALL
from parkwatch.rules.site import SECOND_NS, Site

log = logging.getLogger("parkwatch.reload")
_SLIPS = (AssertionError, LookupError, TypeError, ValueError, ArithmeticError)
"""What an engine raises that a valid configuration should never make it raise."""
_CANNOT = (Fault, OSError, sqlite3.Error)
"""What keeps an App from starting that no check has seen."""


class Invalid(Exception):  # noqa: N818 - a configuration that is refused, with all reasons
    """What was asked for has errors."""

    def __init__(self, problems: tuple[Problem, ...]) -> None:
        super().__init__(f"{len(problems)} problems")
        self.problems = problems


async def reload(app: App, data: Path) -> App:
    """Grant or refuse what the door was asked for; the App that runs from here on, started."""
    wish = app.door.take()
    try:
        wanted = await _wanted(app, wish.request, data)
        wanted.ending(_open(app))
    except arm.Lacking as lacking:
        wish.answer.set_result(lacking.told())
        return app
    except Invalid as invalid:
        wish.answer.set_result({"invalid": [_problem(each) for each in invalid.problems]})
        return app
    except Fault as fault:
        wish.answer.set_exception(fault)
        return app
    await app.quiesce()
    quiet = app.clock.now()
    try:
        closed = wanted.ending(_open(app))
    except Fault as fault:  # An alarm came meanwhile that the change would end.
        await app.close()
        old = App(app.chosen, data, app.door, app.resolved)
        await old.start(_gap(old, quiet))
        wish.answer.set_exception(fault)
        return old
    sha256 = await asyncio.to_thread(applied.prepare, wanted.request.loaded, data)
    await app.change(wanted, sha256)
    await asyncio.to_thread(applied.promote, data)
    await app.close()
    try:
        chosen = Chosen(wanted.request.loaded) if wanted.what == "apply" else app.chosen
        new = await _started(chosen, wanted.resolved, data, app.door, quiet)
    except _CANNOT as error:
        old = await _back(app, data, sha256, error)
        wish.answer.set_exception(_reverted(error))
        return old
    paused_ms = (app.clock.now() - quiet) / 1e6
    log.info("configuration applied; nothing was evaluated for %.0f ms", paused_ms)
    if _served_otherwise(app.resolved, new.resolved):
        app.door.web.restart()
    wish.answer.set_result({**wanted.told(closed), "paused_ms": round(paused_ms, 1)})
    return new


async def _started(chosen: Chosen, resolved: Resolved, data: Path, door: Door, quiet: int) -> App:
    new = App(chosen, data, door, resolved)
    try:
        await new.start(_gap(new, quiet))
    except _CANNOT:
        await new.quiesce()
        await new.close()
        raise
    return new


async def _back(app: App, data: Path, sha256: str, error: BaseException) -> App:
    """The old configuration is the applied one again; `sha256` is of the one that cannot start."""
    log.error("the new configuration cannot start: %s", error)
    before = await asyncio.to_thread(applied.prepare, app.chosen.loaded, data)
    old = App(app.chosen, data, app.door, app.resolved)
    turns, points = old.pipeline.turns, old.resolved.site.points
    arming = by_state(
        p for p in points if (turns.arming.of(p).state == UNARMED) != (p.armed == UNARMED)
    )
    body = {"who": "system", "what": "revert", "why": str(error), "old": sha256, "new": before,
            "arming": arming}  # fmt: skip
    turns.arming.take("config", body, old.clock.now())
    await old.start([Entry("config", body)])
    await asyncio.to_thread(applied.promote, data)
    return old


def _open(app: App) -> list[str]:
    return [view.alarm for view in app.engine.alarms()]


async def _wanted(app: App, asked: Mapping[str, Any], data: Path) -> Plan:
    """The plan of a valid configuration, or of another arming of the one that runs; all but the
    engine's snapshot beside the loop."""
    loaded = app.chosen.loaded
    sha256, arming = applied.digest(loaded.sources), app.pipeline.turns.arming
    running = Running(loaded, app.resolved, sha256, arming)
    try:
        persons, close = tuple(map(str, asked["persons"])), asked.get("close") is True
        request = Request(loaded, persons, str(asked["user"]), str(asked["reason"]), close)
        if asked["op"] == "arm":
            state = UNARMED if asked["disarm"] is True else ARMED
            points, good = tuple(map(str, asked["points"])), _good(app)
            wish = arm.Asked(request, points, state, good, app.clock.now())
            check = partial(arm.plan, wish, running, data)
        else:
            sources = [Source(str(f["name"]), str(f["text"])) for f in asked["sources"]]
            origin = Path(str(asked["origin"]))
            check = partial(_checked, sources, origin, request, running, data)
    except (KeyError, TypeError) as error:
        what = f"请求不完整 the request is not whole: {error}"
        raise Fault("API-422", what, "升级两端 same version") from error
    wanted = await asyncio.to_thread(check)
    _can_bind(wanted.resolved.bind, app.resolved.bind)
    snapshot, now = app.engine.snapshot(), app.clock.now()
    await asyncio.to_thread(_rehearse, wanted.resolved.site, snapshot, now)
    return wanted


def _checked(
    sources: list[Source], origin: Path, request: Request, running: Running, data: Path
) -> Plan:
    loaded = load_sources(sources, origin, os.environ, data=data)
    if loaded.config is None or loaded.errors:
        raise Invalid(loaded.problems)
    return plan(replace(request, loaded=loaded), running, data)


def _good(app: App) -> Mapping[str, int]:
    """When each point that reads well now was received."""
    engine = app.engine
    good = EVALUATED[engine.qualities] & (engine.receiveds > 0)
    points = engine.site.points
    return {points[i].id: int(engine.receiveds[i]) for i in good.nonzero()[0].tolist()}


def _rehearse(site: Site, snapshot: bytes, now: int) -> None:
    """An engine of the new site takes over the state once, before the old one stops."""
    try:
        Engine(site, now).restore(snapshot, [], now)
    except _SLIPS as error:
        raise _reverted(error) from error


def _can_bind(bind: str, old: str) -> None:
    """The console's new address is free. Fault CFG-187."""
    host, _, port = bind.rpartition(":")
    if bind == old or port == "0":
        return
    host = host.strip("[]")
    try:
        with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, int(port)))
    except OSError as error:
        raise Fault(
            "CFG-187",
            both(f"控制台地址 {bind} 不可用: {error}", f"the console cannot listen on {bind}"),
            both("换一个 console.bind", "choose another console.bind"),
        ) from error


def _served_otherwise(old: Resolved, new: Resolved) -> bool:
    """Whether the web child has to start again: it binds, and opens the history, once."""
    return (old.bind, old.history) != (new.bind, new.history)


def _gap(app: App, quiet: int) -> list[Entry]:
    """A gap is on record where a reading may have been missed: a pause of a scan or more."""
    points, now = app.resolved.site.points, app.clock.now()
    scan = min((point.scan_ns for point in points), default=SECOND_NS)
    if now - quiet < scan:
        return []
    body = {"who": "system", "what": "gap", "why": "config", "from": quiet, "to": now,
            "points": ALL}  # fmt: skip
    return [Entry("gap", body)]


def _reverted(error: BaseException) -> Fault:
    return Fault(
        "CFG-186",
        both(
            f"新配置无法启动,仍按原配置运行: {error}",
            f"the new configuration cannot start, the old one runs on: {error}",
        ),
        both("查看守护进程日志后重试", "see the daemon's log, then apply again"),
    )


def _problem(problem: Problem) -> dict[str, Any]:
    names = ("code", "file", "line", "path", "message", "why", "fix", "level")
    return {name: getattr(problem, name) for name in names}
