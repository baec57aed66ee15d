"""A configuration that is to be applied: who answers for it, which alarms stand in its way, and the
one transaction that makes it the truth."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from parkwatch.daemon.config.changes import Side, compare, ended, enterprises, need_two
from parkwatch.daemon.config.changes.kinds import Change
from parkwatch.daemon.config.load import Loaded
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.overrides import news
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.secrets import SecretFault
from parkwatch.daemon.config.words import both
from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.turn import Work
from parkwatch.rules.arming import Arming, by_state, guarded
from parkwatch.rules.engine import Engine
from parkwatch.rules.fault import Fault

CLOSED = "closed_by_change"
BOTH = "--person A --second B --reason R"


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. `persons` are authenticated by the interface; `user` is who asked where none
    is named; `close`: alarms that stand in the way are ended."""

    loaded: Loaded
    persons: tuple[str, ...] = ()
    user: str = ""
    reason: str = ""
    close: bool = False


@dataclass(frozen=True, slots=True)
class Running:
    """What is changed: the configuration that runs, the hash it was applied with, what is armed."""

    loaded: Loaded
    resolved: Resolved
    sha256: str
    arming: Arming = field(default_factory=Arming)


@dataclass(frozen=True, slots=True)
class Plan:
    """A request that may be granted, against what it changes; `signed`: its new overrides. All that
    takes time is done before anything stops. `what`: `apply`, or `arm` and `disarm` of the same
    configuration; `arming`: ids of points by what they are from now on; `refused`: points of which
    that cannot be."""

    request: Request
    running: Running
    resolved: Resolved
    changes: tuple[Change, ...]
    signed: Sequence[Mapping[str, Any]] = ()
    what: str = "apply"
    arming: Mapping[str, Sequence[str]] = field(default_factory=dict)
    refused: Sequence[Mapping[str, str]] = ()

    def ending(self, alarms: Iterable[str]) -> list[str]:
        """Of alarms that are not normal those that it would end. Fault CFG-181 names them all
        where nobody closes them, CFG-182 and CFG-183 where not two persons do."""
        found = sorted(ended(self.changes, alarms))
        if found and not self.request.close:
            named = ", ".join(found)
            raise Fault(
                "CFG-181",
                both(
                    f"{len(found)} 条报警未恢复正常,其对象不得删改: {named}",
                    f"{len(found)} alarms are not normal; what they watch may not change: {named}",
                ),
                both(
                    f"先处置并复位,或双人关闭: --close {BOTH}",
                    f"deal with them and reset them first, or two close them: --close {BOTH}",
                ),
            )
        if found:
            two(self.request, self.changes, self.running)
        return found

    def work(self, engine: Engine, now: int, sha256: str) -> Work:
        """The records and transitions that make it the truth; `sha256`: of what was prepared."""
        asked = self.request
        found = self.ending(view.alarm for view in engine.alarms())
        persons = list(asked.persons) or [asked.user]
        cause = {"why": CLOSED, "persons": persons, "reason": asked.reason}
        body: dict[str, Any] = {
            "who": persons[0], "persons": persons, "what": self.what, "why": asked.reason,
            "old": self.running.sha256, "new": sha256, "closed": found,
            "changes": [change.body() for change in self.changes],
        }  # fmt: skip
        if self.arming:
            body["arming"] = {state: list(points) for state, points in self.arming.items()}
        return Work(
            entries=[Entry("config", body), *(Entry("override", each) for each in self.signed)],
            transitions=[t for alarm in found for t in engine.close(alarm, now, cause)],
        )

    def told(self, closed: Sequence[str]) -> dict[str, Any]:
        """What the command prints: points that came, went, or are another, and every change."""
        if self.what != "apply":
            arming = {state: list(points) for state, points in self.arming.items()}
            return {"arming": arming, "refused": list(self.refused), "closed": list(closed)}
        points = {p.id for r in (self.running.resolved, self.resolved) for p in r.site.points}
        of: dict[str, set[str]] = {"added": set(), "removed": set(), "changed": set()}
        for change in self.changes:
            owner = change.about if change.about in points else change.about.rpartition(":")[0]
            if owner in points and change.kind != "neutral":
                whole = change.about == owner and not change.key
                of[change.kind if whole and change.kind in of else "changed"].add(owner)
        of["changed"] -= of["added"] | of["removed"]
        return {
            **{name: sorted(ids) for name, ids in of.items()},
            "closed": list(closed),
            "changes": [change.body() for change in self.changes],
        }


def plan(request: Request, running: Running, data: Path) -> Plan:
    """A valid configuration against the running one.

    Fault CFG-182 where two persons are needed, CFG-183 where a reason is, CFG-184 where the
    journal's key is another or cannot be read.
    """
    resolved = _resolved(request.loaded, running, data)
    if resolved.journal_key != running.resolved.journal_key:
        raise Fault(
            "CFG-184",
            both(
                "日志密钥不能随配置更换", "the journal's key does not change with a configuration"
            ),
            both("保留 journal.key", "leave journal.key as it is"),
        )
    changes = _compared(request.loaded, running, resolved)
    if need_two(changes):
        two(request, changes, running)
    old, new = _config(running.loaded), _config(request.loaded)
    signed = news(new, old, resolved.site, running.resolved.site)
    known = {point.id for point in running.resolved.site.points}
    arming = by_state(point for point in resolved.site.points if point.id not in known)
    return Plan(request, running, resolved, changes, signed, arming=arming)


def compared(loaded: Loaded, running: Running, data: Path) -> tuple[Change, ...]:
    """What a valid configuration would change. Fault CFG-184 where the journal's key cannot be
    read."""
    return _compared(loaded, running, _resolved(loaded, running, data))


def _compared(loaded: Loaded, running: Running, resolved: Resolved) -> tuple[Change, ...]:
    before = Side(_config(running.loaded), running.resolved.site)
    return compare(before, Side(_config(loaded), resolved.site))


def _resolved(loaded: Loaded, running: Running, data: Path) -> Resolved:
    """Points that run stay armed as they are, new ones are armed as the configuration says."""
    try:
        found = resolve(_config(loaded), loaded.path.parent, os.environ, data)
    except SecretFault as fault:
        raise Fault("CFG-184", fault.what, fault.remedy) from fault
    known = {point.id for point in running.resolved.site.points}
    fresh = {point.id for point in found.site.points} - known
    return replace(found, site=guarded(found.site, running.arming, fresh))


def two(request: Request, changes: Sequence[Change], running: Running) -> None:
    """Two different persons of the running configuration, one of the park; an enterprise's person
    answers for what is its own. Fault CFG-182, and CFG-183 where no reason is given."""
    config = _config(running.loaded)
    persons, people = request.persons, config.people
    owners = enterprises(changes, config)
    of = {name: people[name].enterprise for name in persons if name in people}
    fit = [name for name in persons if name in of and (of[name] is None or owners <= {of[name]})]
    of_park = any(of[name] is None for name in fit)
    if len(set(fit)) < 2 or len(fit) < len(persons) or not of_park:
        weighty = [c for c in changes if need_two([c])]
        named = ", ".join(dict.fromkeys(f"{c.about} {c.kind}" for c in weighty[:5])) or "--close"
        raise Fault(
            "CFG-182",
            both(
                f"须两人负责,至少一人属于园区,另一人属于园区或该企业: {named}",
                f"two answer for it, one of the park, the other its or the owner's: {named}",
            ),
            BOTH,
        )
    if not request.reason.strip():
        raise Fault(
            "CFG-183",
            both("须写明原因", "a reason is required"),
            both("加上 --reason", "add --reason"),
        )


def _config(loaded: Loaded) -> Config:
    assert loaded.config is not None, "errors are told before"
    return loaded.config
