"""The park as the rules see it: zones, devices, points and the limits that guard them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula, Measure

SECOND_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Zone:
    """`id` is `ENTERPRISE/ZONE`. `risk` is for display and changes no grade.

    `alone_until`: up to then (engine time, ns) a signed override lets a single level 2 without a
    second witness stay orange.
    """

    id: str
    enterprise: str
    name: str
    chain: str = "default"
    risk: str = "blue"
    lift_yellow: bool = False
    alone_until: int = 0


@dataclass(frozen=True, slots=True)
class Device:
    """A field device or gateway; `id` is `ENTERPRISE/DEVICE`.

    `gateway` is the full id of the MQTT gateway that carries it, empty for a Modbus device.
    `blind_grade` floor of the `:link` alarm: orange for boilers and ESD gateways, else blue.
    """

    id: str
    enterprise: str
    kind: str = "gas"
    gateway: str = ""
    blind_grade: Grade = Grade.BLUE


@dataclass(frozen=True, slots=True)
class DueDay:
    """A date on the card of a detector: `what` is `verification`, `calibration` or `bump`; `day` as
    people write it. `reminders`: when its reminders come (engine time, ns): 30, 7 and 0 days
    before, and when it is over."""

    what: str
    day: str
    reminders: tuple[int, int, int, int]

    @property
    def over(self) -> int:
        """From when on it is overdue: its whole day counts."""
        return self.reminders[3]


@dataclass(frozen=True, slots=True)
class Point:
    """One signal. `id` is `ENTERPRISE/DEVICE/SIGNAL`; `index` is dense for the life of a process.

    `gas` is a key of the gas table or empty; `kind` says what else it is (`level`, `pressure`,
    `state`, ...). `low` and `high` are the ends of the range in `unit`. `stale_ns`: no reading
    for so long makes the point stale. `armed`: `armed`, `provisional` or `unarmed`. `head`: the
    physical detector (points of one head are one voter), empty: the point itself. `folds`: a
    catalytic sensor, whose low value means nothing after over-range. `sentinels`: values that are
    no measurement, each with the quality byte that it stands for. `scan_ns`: how far apart two
    readings are, the uncertainty of a first-out. `on_change`: published on change only; a fresh
    heartbeat that names the device keeps it from stale. `dues`: the dates on its card.
    """

    id: str
    index: int
    tag: str
    enterprise: str
    device: str
    zone: str
    unit: str
    gas: str = ""
    kind: str = ""
    low: float = 0.0
    high: float = 100.0
    resolution: float = 0.0
    stale_ns: int = 10 * SECOND_NS
    armed: str = "provisional"
    head: str = ""
    folds: bool = False
    sentinels: tuple[tuple[float, int], ...] = ()
    scan_ns: int = SECOND_NS
    on_change: bool = False
    dues: tuple[DueDay, ...] = ()

    @property
    def span(self) -> float:
        return self.high - self.low


@dataclass(frozen=True, slots=True)
class Limit:
    """One level of one alarm group of one point.

    `side` is `high` (value >= limit) or `low` (value <= limit); `deadband` >= 0, in the point's
    unit, acts on return only. `latch`: the alarm latches once this level was reached.
    `clause` names the source of the set point. `votes`: this level counts for the zone's vote.

    `point` owns the alarm; `measure` is compared, by default the point's own value; `kind` names
    it for people (`limit`, `rate`, `trend`, `deviation`, ...). `alarm`: the alarm's id where it is
    not `POINT:GROUP` (zone rules: `ZONE:RULE`, then `point` is -1). `enable`: FALSE makes the
    condition FALSE, UNKNOWN leaves it as if enabled. `yields`: it ends when a limit alarm of its
    point starts. `shadow`: it only says what it would have raised. `first_out`: the group whose
    first trip is kept. `until` (engine time, ns): a signed override lets the limit lie beyond the
    legal `bound`; from then on the bound counts. `essential`: red, gas level 2, ESD trip, extreme
    low level, flame failure: never shelved, suppressed only under a signed, expiring override.
    """

    point: int
    group: str
    level: int
    side: str
    limit: float
    grade: Grade
    deadband: float = 0.0
    on_delay_ns: int = 0
    off_delay_ns: int = 0
    latch: bool = False
    votes: bool = False
    clause: str = ""
    measure: Measure | None = None
    kind: str = "limit"
    alarm: str = ""
    enable: Formula | None = None
    yields: bool = False
    shadow: bool = False
    first_out: str = ""
    name: str = ""
    until: int = 0
    bound: float = 0.0
    essential: bool = False


@dataclass(frozen=True, slots=True)
class Suppression:
    """While `when` is TRUE the `alarms` (ids) are suppressed by design; UNKNOWN suppresses nothing.

    `until` (engine time, ns): what is essential is suppressed under a signed override up to then;
    0: no end.
    """

    name: str
    when: Formula
    alarms: tuple[str, ...]
    until: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Site:
    """Everything the engine is compiled from. `points[i].index == i`.

    `red_reset_two`: a red alarm is reset by two persons.
    """

    points: Sequence[Point] = ()
    zones: Mapping[str, Zone] = field(default_factory=dict)
    devices: Mapping[str, Device] = field(default_factory=dict)
    limits: Sequence[Limit] = ()
    enterprises: Mapping[str, str] = field(default_factory=dict)
    name: str = ""
    suppressions: Sequence[Suppression] = ()
    red_reset_two: bool = False

    def __post_init__(self) -> None:
        assert all(point.index == i for i, point in enumerate(self.points))
