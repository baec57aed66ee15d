"""The park of the deterministic world: 200 points in 8 devices, and the people who are told."""

from __future__ import annotations

from dataclasses import replace

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.notify.chain import Directory
from parkwatch.rules.gas import limits_for
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone

S = SECOND_NS
DEVICES, EACH = 8, 25
POINTS = DEVICES * EACH
GASES, PLAIN = 8, 5
"""Of each device so many points are gas detectors, then so many have one high limit."""
WORK, SMS = "work", "sms"
_PLAIN = (
    # grade, on-delay s, off-delay s, latches
    (Grade.YELLOW, 0, 0, False),
    (Grade.YELLOW, 15, 10, False),
    (Grade.ORANGE, 3, 30, True),
    (Grade.RED, 0, 5, True),
    (Grade.YELLOW, 60, 0, False),
)
REPEAT_S = {"red": 60, "orange": 600, "yellow": 1800}
FIRST = {"red": ("lead", "chief"), "orange": ("lead",), "yellow": ("hand",), "blue": ()}
WAYS = {"hand": (WORK,), "lead": (WORK, SMS), "chief": (SMS, WORK)}


def gas_points() -> list[int]:
    """Indices of the gas detectors."""
    return [d * EACH + i for d in range(DEVICES) for i in range(GASES)]


def plain_points() -> list[int]:
    """Indices of the points with one high limit, which the oracle reckons by itself."""
    return [d * EACH + GASES + i for d in range(DEVICES) for i in range(PLAIN)]


def _owner(device: int) -> str:
    return "hd" if device < DEVICES // 2 else "bh"


def _point(index: int) -> Point:
    device, signal = divmod(index, EACH)
    owner = _owner(device)
    base = f"{owner}/panel-{device}"
    zone = f"{owner}/zone-{device}"
    tag = f"P{device}-{signal:02d}"
    common = {"tag": tag, "enterprise": owner, "device": base, "zone": zone}
    if signal < GASES:
        gas = ("CH4", "CH4", "CH4", "H2")[signal % 4]
        return Point(f"{base}/g{signal}", index, unit="%LEL", gas=gas, resolution=1.0, **common)
    return Point(f"{base}/p{signal}", index, unit="kPa", kind="pressure", **common)


def site() -> Site:
    points = [_point(index) for index in range(POINTS)]
    gas = [limit for index in gas_points() for limit in limits_for(points[index])]
    limits = [replace(limit, essential=limit.level == 2) for limit in gas]
    for number, index in enumerate(plain_points()):
        grade, on_s, off_s, latch = _PLAIN[number % len(_PLAIN)]
        limits.append(
            Limit(
                index,
                "high",
                1,
                "high",
                80.0,
                grade,
                5.0,
                on_s * S,
                off_s * S,
                latch=latch,
                essential=grade is Grade.RED,
            )
        )
    zones = {p.zone: Zone(p.zone, p.enterprise, p.zone.partition("/")[2]) for p in points}
    devices = {p.device: Device(p.device, p.enterprise) for p in points}
    return Site(
        points=points, zones=zones, devices=devices, limits=limits,
        enterprises={"hd": "华东", "bh": "滨海"}, name="示例园区",
    )  # fmt: skip


def directory(per_minute: int) -> Directory:
    """Who is told; the channels are the world's own provider."""
    roles = {"hand": "operator", "lead": "shift-lead", "chief": "safety"}
    return Directory(
        people={
            name: Person(name, name, role, "138", "", (), WAYS[name])
            for name, role in roles.items()
        },
        channels={
            name: Channel(name, "webhook", f"http://{name}.invalid", per_minute)
            for name in (WORK, SMS)
        },
        chains={
            "default": Chain(FIRST, {grade: seconds * S for grade, seconds in REPEAT_S.items()})
        },
    )


def latches(alarm: str, level: int) -> bool:
    """Whether an alarm latches once that level was reached."""
    owner, _, group = alarm.rpartition(":")
    if group == "gas":
        return level >= 2
    signal = owner.rpartition("/p")[2]
    if group == "high" and signal.isdigit():
        number = plain_points().index(int(owner[-len(signal) - 3]) * EACH + int(signal))
        return _PLAIN[number % len(_PLAIN)][3]
    return group.startswith("vote-")
