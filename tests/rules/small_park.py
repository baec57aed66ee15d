"""A small park for the rules' tests: two methane detectors, one alone, oxygen, a level, a trip."""

from collections.abc import Sequence

import numpy as np

from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.gas import limits_for
from parkwatch.rules.grade import Grade
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS, Device, Limit, Point, Site, Zone
from parkwatch.rules.transition import Command, Transition

S = SECOND_NS
T0 = 1_000 * S
A, B, ALONE, O2, LEVEL, TRIP = range(6)


def _point(index: int, tag: str, zone: str, **more: object) -> Point:
    return Point(
        id=f"hd/panel-1/{tag.lower()}", index=index, tag=tag, enterprise="hd",
        device="hd/panel-1", zone=f"hd/{zone}", **more,  # type: ignore[arg-type]
    )  # fmt: skip


def site() -> Site:
    lel = {"unit": "%LEL", "gas": "CH4", "resolution": 1.0}
    points = [
        _point(A, "CH4-01", "tank", **lel),
        _point(B, "CH4-02", "tank", **lel),
        _point(ALONE, "CH4-03", "shed", **lel),
        _point(O2, "O2-01", "shed", unit="%vol", gas="O2", high=30.0, resolution=0.1),
        _point(LEVEL, "LT-01", "boiler", unit="mm", kind="level", low=-150.0, high=150.0),
        _point(TRIP, "SIF-1", "boiler", unit="", kind="state", high=1.0),
    ]
    limits = [limit for p in points if p.gas for limit in limits_for(p)]
    limits += [
        Limit(LEVEL, "low", 1, "low", -50.0, Grade.YELLOW, 5.0, 15 * S, 10 * S),
        Limit(TRIP, "state", 1, "high", 1.0, Grade.RED, latch=True),
    ]
    return Site(
        points=points,
        zones={f"hd/{z}": Zone(f"hd/{z}", "hd", z) for z in ("tank", "shed", "boiler")},
        devices={"hd/panel-1": Device("hd/panel-1", "hd")},
        limits=limits,
    )


def batch(
    at: float, readings: dict[int, float], quality: int = GOOD, origin: str = "live"
) -> Batch:
    """Readings of points at `at` seconds after T0."""
    n = len(readings)
    stamps = np.full(n, T0 + round(at * S), dtype=np.int64)
    return Batch(
        np.array(list(readings), dtype=np.int32), np.array(list(readings.values()), dtype=float),
        np.full(n, quality, dtype=np.uint8), stamps, stamps, origin,
    )  # fmt: skip


class World:
    """An engine and everything that it said."""

    def __init__(self, engine: Engine | None = None) -> None:
        self.engine = engine or Engine(site(), T0)
        self.said: list[Transition] = []

    def read(self, at: float, readings: dict[int, float], quality: int = GOOD) -> list[Transition]:
        return self.keep(self.engine.feed(batch(at, readings, quality)))

    def wait(self, at: float) -> list[Transition]:
        return self.keep(self.engine.advance(T0 + round(at * S)))

    def act(self, action: str, alarm: str, at: float, role: str = "shift-lead") -> str:
        """The refusal's code, or `ok`; on what is there now."""
        view = self.engine.alarm(alarm)
        occurrence, version = (view.occurrence, view.version) if view else (0, 0)
        command = Command(f"{action}{at}", action, alarm, occurrence, version, "zhang", role)
        outcome = self.engine.command(command, T0 + round(at * S))
        self.keep(outcome.transitions)
        return "ok" if outcome.ok else outcome.code

    def keep(self, transitions: Sequence[Transition]) -> list[Transition]:
        self.said += transitions
        return list(transitions)


def told(transitions: Sequence[Transition]) -> list[tuple[str, str, str]]:
    """(alarm without the enterprise and device, event, grade) of transitions."""
    return [(t.alarm.removeprefix("hd/panel-1/"), t.event, str(t.grade)) for t in transitions]
