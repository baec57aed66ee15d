"""Points armed and disarmed while the daemon runs: what each of them still lacks, and the plan of
the reload that makes it so. To arm is the safe direction; to disarm takes two persons and a reason,
and what they disarmed, or a park that arms by hand, is armed again with the park's approval."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from parkwatch.daemon.app.change import Plan, Request, Running, two
from parkwatch.daemon.app.restore import policy_of
from parkwatch.daemon.config.changes import Side, compare
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.daemon.config.words import both
from parkwatch.rules.arming import ARMED, PROVISIONAL, UNARMED, armed, by_state
from parkwatch.rules.fault import Problem
from parkwatch.rules.site import SECOND_NS, Point, Site

GOOD_NS = 24 * 3600 * SECOND_NS
"""A point is armed on a good reading that is at most so old."""


@dataclass(frozen=True, slots=True)
class Lack:
    """What keeps a point from being armed or disarmed."""

    point: str
    code: str
    what: str
    remedy: str


class Lacking(Exception):  # noqa: N818 - a request that is refused, with all reasons
    """Nothing of what was asked for may be done."""

    def __init__(self, lacks: Sequence[Lack]) -> None:
        super().__init__(f"{len(lacks)} lacks")
        self.lacks = lacks

    def told(self) -> dict[str, object]:
        """As the answer of the daemon."""
        return {"arming": {}, "refused": [asdict(each) for each in self.lacks]}


@dataclass(frozen=True, slots=True)
class Asked:
    """`state` is what the points are to be, `armed` or `unarmed`; `good`: engine time (ns) of the
    newest good reading of points that have one."""

    request: Request
    points: tuple[str, ...]
    state: str
    good: Mapping[str, int]
    now: int


def plan(asked: Asked, running: Running, data: Path) -> Plan:
    """What may be done of it. Lacking where that is nothing, or where one of the points cannot be
    disarmed; Fault CFG-182 or CFG-183 where not two persons disarm, with a reason."""
    config = running.loaded.config
    assert config is not None, "it runs"
    base = resolve(config, running.loaded.path.parent, os.environ, data)
    known = {point.id: point for point in base.site.points}
    found = [known[name] for name in asked.points if name in known]
    lacks = [_unknown(name) for name in asked.points if name not in known]
    if asked.state == UNARMED:
        lacks += [_idle(p) for p in found if running.arming.of(p).state == UNARMED]
        if lacks or not found:
            raise Lacking(lacks)
        states = dict.fromkeys((point.id for point in found), UNARMED)
    else:
        lacks += _lacks(asked, running, base, found, data)
        short = {lack.point for lack in lacks}
        states = {
            point.id: ARMED if running.arming.of(point).proven else PROVISIONAL
            for point in found if point.id not in short
        }  # fmt: skip
        if not states:
            raise Lacking(lacks)
    made = _armed_so(asked, running, base, states)
    return replace(made, refused=tuple(asdict(lack) for lack in lacks))


def _armed_so(asked: Asked, running: Running, base: Resolved, states: Mapping[str, str]) -> Plan:
    """The reload that makes it so."""
    before = {point.id: running.arming.of(point).state for point in base.site.points}
    site = armed(base.site, {**before, **states})
    config = running.loaded.config
    assert config is not None, "it runs"
    every = compare(Side(config, running.resolved.site), Side(config, site))
    changes = tuple(each for each in every if each.key == "armed")
    if asked.state == UNARMED:
        two(asked.request, changes, running)
    arming = by_state(point for point in site.points if point.id in states)
    resolved = replace(base, site=site)
    what = "disarm" if asked.state == UNARMED else "arm"
    return Plan(asked.request, running, resolved, changes, what=what, arming=arming)


def _lacks(
    asked: Asked, running: Running, base: Resolved, points: Iterable[Point], data: Path
) -> Iterator[Lack]:
    """What each point lacks: everything at once, so that one visit mends it."""
    loaded, config = running.loaded, running.loaded.config
    assert config is not None, "it runs"
    errors = load_sources(loaded.sources, loaded.path, os.environ, data=data).errors
    policy = policy_of(base)
    for point in points:
        if running.arming.of(point).state != UNARMED:
            yield Lack(
                point.id, "ARM-401",
                both(f"{point.tag} 已投用", f"{point.tag} is armed already"),
                both("验证须标气测试", "a bump test proves it: parkwatch points bump"),
            )  # fmt: skip
            continue
        for error in _of_device(errors, config, point):
            yield Lack(
                point.id, "ARM-402",
                both(f"检查未通过 {error.code}: {error.message}", f"check fails: {error.code}"),
                both("先改正配置", "correct it: parkwatch check"),
            )  # fmt: skip
        seen = asked.good.get(point.id)
        if seen is None or asked.now - seen > GOOD_NS:
            yield Lack(
                point.id, "ARM-403",
                both(f"{point.tag} 24 小时内没有有效读数", "no good reading within 24 h"),
                both("查接线与地址", "check the wiring and the address: parkwatch probe"),
            )  # fmt: skip
        silent = sorted(
            grade for grade in _grades(base.site, point)
            if not policy.reaches(f"{point.id}:gas", grade)
        )  # fmt: skip
        if silent:
            yield Lack(
                point.id, "ARM-404",
                both(f"{'、'.join(silent)} 无人可通知", f"nobody is told of {', '.join(silent)}"),
                both("补全通知链", "complete the chain of its zone"),
            )  # fmt: skip
        if not _approved(asked.request.persons, running, point):
            yield Lack(
                point.id, "ARM-405",
                both("须园区一方批准", "the park has to approve it"),
                both("--person A --second B,其一为园区人员", "one of them of the park"),
            )  # fmt: skip


def _of_device(errors: Iterable[Problem], config: Config, point: Point) -> Iterator[Problem]:
    """Errors of the point's device, and those that no device has."""
    for error in errors:
        table, _, rest = error.path.partition(".")
        number = rest.partition(".")[0]
        if table != "device" or not number.isdigit():
            yield error
            continue
        device = config.device[int(number)]
        if point.device == f"{device.enterprise}/{device.id}":
            yield error


def _grades(site: Site, point: Point) -> frozenset[str]:
    return frozenset(str(each.grade) for each in site.limits if each.point == point.index)


def _approved(persons: Sequence[str], running: Running, point: Point) -> bool:
    """Two different persons, one of the park, the other its or the owner's; where nobody disarmed
    the point and the park arms by itself nobody has to."""
    config = running.loaded.config
    assert config is not None, "it runs"
    if config.park.arm == "auto" and not running.arming.of(point).by_hand:
        return True
    of = {name: config.people[name].enterprise for name in persons if name in config.people}
    fit = [name for name, enterprise in of.items() if enterprise in (None, point.enterprise)]
    return len(fit) >= 2 and any(of[name] is None for name in fit)


def _unknown(name: str) -> Lack:
    what = both(f"没有此点位 {name}", f"no such point: {name}")
    return Lack(name, "API-404", what, "parkwatch points list")


def _idle(point: Point) -> Lack:
    what = both(f"{point.tag} 本未投用", f"{point.tag} is not armed")
    return Lack(point.id, "ARM-406", what, "parkwatch points list --unarmed")
