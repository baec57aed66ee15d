"""A stage of a point tried as a drill: the rule that trips, the alarm, who would be called and with
which words. It runs in an engine of its own and calls nobody."""

from __future__ import annotations

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from parkwatch.daemon.app.change import Running
from parkwatch.daemon.app.restore import policy_of
from parkwatch.daemon.config.load import Loaded
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.notify.chain import ChainPolicy
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.pipeline import Pipeline
from parkwatch.rules.alarms import why
from parkwatch.rules.arming import PROVISIONAL, armed
from parkwatch.rules.batch import DRILL, Batch
from parkwatch.rules.drills import Drills
from parkwatch.rules.fault import Fault
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS, Limit, Site
from parkwatch.rules.transition import Transition

STEPS_MAX = 3_600
"""Readings that a stage is fed at most: an on-delay of an hour at a scan of a second."""
_ORIGIN = f"{DRILL}stage"


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked; `send_to`: the person who gets the text, empty: nobody."""

    point: str
    level: int
    person: str
    send_to: str

    @classmethod
    def of(cls, request: Mapping[str, Any]) -> Asked:
        """From a request of `live.sock`. Fault API-422 where it is not whole."""
        try:
            point, level = str(request["point"]), int(request["level"])
            return cls(point, level, str(request["person"]), str(request.get("send_to") or ""))
        except (KeyError, TypeError, ValueError) as error:
            what = f"请求不完整 the request is not whole: {error}"
            raise Fault("API-422", what, "升级两端 same version") from error


@dataclass(frozen=True, slots=True)
class Tried:
    """What a stage did: its limit, what the engine said, and the messages, all of a drill."""

    limit: Limit
    transitions: Sequence[Transition]
    messages: Sequence[Message]
    site: Site

    @property
    def ok(self) -> bool:
        """Whether the level was reached and somebody would be called."""
        reached = any(int(t.cause.get("level", 0)) >= self.limit.level for t in self.transitions)
        return reached and bool(self.messages)


Trial = Callable[[Mapping[str, Any]], Awaitable[dict[str, Any]]]


def trial(loaded: Loaded, resolved: Resolved, data: Path, pipeline: Pipeline) -> Trial:
    """Tries stages of the configuration that runs."""
    running = Running(loaded, resolved, "", pipeline.turns.arming)
    return partial(carried, running, data, pipeline)


async def carried(
    running: Running, data: Path, pipeline: Pipeline, request: Mapping[str, Any]
) -> dict[str, Any]:
    """Try it beside the loop, journal it as a drill, send it to one person where that is asked;
    what it did. Faults as `tried` and `to_one`."""
    asked, now = Asked.of(request), pipeline.now()
    found = await asyncio.to_thread(tried, running, data, asked.point, asked.level, now)
    messages: Sequence[Message] = ()
    if asked.send_to:
        messages = [to_one(found, policy_of(running.resolved), asked.send_to, now)]
    limit, point = found.limit, found.site.points[found.limit.point]
    body = {
        "who": asked.person, "what": "stage", "point": point.id, "group": limit.group,
        "level": limit.level, "ok": found.ok, "sent_to": asked.send_to,
        "proves": found.ok and not point.gas,
    }  # fmt: skip
    pipeline.turns.arming.take("drill", body, now)
    await pipeline.record(Entry("drill", body), messages)
    return told(found, running.resolved, now)


def tried(running: Running, data: Path, point: str, level: int, now: int) -> Tried:
    """Feed the point with the limit of that level until its delay is over.

    Fault API-404 for a point that is not there, ARM-410 where it has no such level.
    """
    config = running.loaded.config
    assert config is not None, "it runs"
    resolved = resolve(config, running.loaded.path.parent, os.environ, data)
    states = {each.id: running.arming.of(each).state for each in resolved.site.points}
    site = armed(resolved.site, {**states, point: PROVISIONAL})
    limit = _limit(site, point, level)
    said = _played(site, limit, now)
    policy = policy_of(replace(resolved, site=site))
    plan = policy.react(said, now)
    return Tried(limit, said, plan.messages, site)


def _limit(site: Site, point: str, level: int) -> Limit:
    index = next((each.index for each in site.points if each.id == point), None)
    if index is None:
        what = both(f"没有此点位 {point}", f"no such point: {point}")
        raise Fault("API-404", what, "parkwatch points list")
    own = [
        limit for limit in site.limits
        if limit.point == index and limit.level == level and limit.measure is None
        and not limit.shadow
    ]  # fmt: skip
    if not own:
        raise Fault(
            "ARM-410",
            both(f"{point} 没有第 {level} 级限值", f"{point} has no limit of level {level}"),
            "parkwatch config show",
        )
    return own[0]


def _played(site: Site, limit: Limit, now: int) -> list[Transition]:
    """What a drill's engine says, under the ids of the real alarms."""
    drills, point = Drills(site), site.points[limit.point]
    steps = min(limit.on_delay_ns // point.scan_ns + 2, STEPS_MAX)
    said = []
    for step in range(steps):
        at = np.array([now + step * point.scan_ns])
        said += drills.feed(
            Batch(
                np.array([point.index], np.int32), np.array([limit.limit]),
                np.array([GOOD], np.uint8), at, at, origin=_ORIGIN,
            )
        )  # fmt: skip
    return [replace(t, alarm=t.alarm.partition("/")[2]) for t in said]


def told(found: Tried, resolved: Resolved, now: int) -> dict[str, Any]:
    """The path as people read it; times in seconds from the first reading."""
    limit, point = found.limit, found.site.points[found.limit.point]
    return {
        "point": point.id, "tag": point.tag, "ok": found.ok,
        "limit": {
            "group": limit.group, "level": limit.level, "side": limit.side, "limit": limit.limit,
            "unit": point.unit, "grade": str(limit.grade), "clause": limit.clause,
            "on_delay_s": limit.on_delay_ns / SECOND_NS,
        },
        "alarms": [
            {
                "alarm": t.alarm, "event": t.event, "grade": str(t.grade),
                "after_s": (t.received - now) / SECOND_NS,
                "why": {lang: why.line(t, lang) for lang in ("zh", "en")},
            }
            for t in found.transitions
        ],
        "messages": [
            {
                "person": m.person, "name": resolved.people[m.person].name, "channel": m.channel,
                "grade": m.grade, "title": m.title, "text": m.text,
            }
            for m in found.messages
        ],
    }  # fmt: skip


def to_one(found: Tried, policy: ChainPolicy, person: str, now: int) -> Message:
    """The gravest text of it for one person, over the first channel that this person has.

    Fault ARM-411 where the person is not there or has no channel, ARM-412 where nothing is said.
    """
    way = policy.way_to(person)
    if way is None:
        what = both(f"{person} 没有通知渠道", f"{person} has no channel")
        raise Fault("ARM-411", what, both("核对 people", "see people"))
    if not found.messages:
        what = both("此级没有可发的消息", "this stage says nothing that could be sent")
        raise Fault("ARM-412", what, both("补全通知链", "complete the chain"))
    gravest = max(found.messages, key=lambda message: Grade(message.grade).urgency)
    key = f"test|{uuid.uuid4()}|{person}|{way}|{person}"
    return replace(gravest, key=key, channel=way, person=person, target=person, due=now)
