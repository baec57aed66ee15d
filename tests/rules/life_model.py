"""The life of an alarm as the texts word it (contracts.md: Identity, Alarm semantics; domain.md 4).

Written from the texts and not from the code, for a park without delays and deadbands: there a
reading says at once at which level its alarm is.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from every_kind import formula
from small_park import T0, S

from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Device, Limit, Point, Site, Suppression, Zone
from parkwatch.rules.transition import Transition

HOUR = 3600 * S
TEMP, GAS_1, GAS_2, TRIP, LOW, AREA, STOP = range(7)
NAMES = ("tt", "ch4-1", "ch4-2", "sif", "lt", "area", "stop")
SIGNED_UNTIL = T0 + 2 * HOUR
DEVICE = "hd/p"
HIGH, GAS_A, GAS_B, ESD, BLUE = (
    f"{DEVICE}/{tail}" for tail in ("tt:high", "ch4-1:gas", "ch4-2:gas", "sif:state", "lt:low")
)
VOTE, DISK = "hd/tank:vote-ch4", "system/disk:low"
POINT_OF = {HIGH: TEMP, GAS_A: GAS_1, GAS_B: GAS_2, ESD: TRIP, BLUE: LOW}
ALARMS = (*POINT_OF, VOTE, DISK)
GRADES = {
    HIGH: (Grade.YELLOW, Grade.ORANGE), GAS_A: (Grade.YELLOW, Grade.ORANGE),
    GAS_B: (Grade.YELLOW, Grade.ORANGE), ESD: (Grade.RED,), BLUE: (Grade.BLUE,),
    VOTE: (Grade.RED,),
}  # fmt: skip
LATCHES = {GAS_A: 2, GAS_B: 2, ESD: 1, VOTE: 1}
"""From which level on an alarm latches."""
ESSENTIAL = {GAS_A: 2, GAS_B: 2, ESD: 1, VOTE: 1}
READS = {TEMP: (0.0, 10.0, 20.0), GAS_1: (0.0, 25.0, 50.0), GAS_2: (0.0, 25.0, 50.0),
         TRIP: (0.0, 1.0), LOW: (20.0, 10.0), AREA: (0.0, 1.0), STOP: (0.0, 1.0)}  # fmt: skip
"""What a point reads at each level."""
SUPPRESSED = {"area": (HIGH, GAS_A), "stop": (HIGH, ESD)}
SIGNED = frozenset({"stop"})
PLANT_OF = {AREA: "area", STOP: "stop"}

SHELF = {Grade.BLUE: 8 * HOUR, Grade.YELLOW: 8 * HOUR, Grade.ORANGE: HOUR}
REALARM = {Grade.RED: HOUR // 4, Grade.ORANGE: HOUR // 2, Grade.YELLOW: HOUR}
ANNOUNCING = ("raise", "reraise", "rise", "realarm")
SHOWN_FIRST = ("out_of_service", "suppressed_by_design", "shelved")
UNACK = {"unack_active": "ack_active", "rtn_unack": "normal", "latched_unack": "latched_ack"}


def site() -> Site:
    def point(index: int, zone: str = "hd/tank", **more: Any) -> Point:
        return Point(
            id=f"{DEVICE}/{NAMES[index]}", index=index, tag=NAMES[index].upper(), enterprise="hd",
            device=DEVICE, zone=zone, stale_ns=10**18, **{"unit": "", **more},
        )  # fmt: skip

    lel: dict[str, Any] = {"unit": "%LEL", "gas": "CH4"}
    points = [
        point(TEMP, kind="temperature"), point(GAS_1, **lel), point(GAS_2, **lel),
        point(TRIP, kind="state"), point(LOW, kind="level"), point(AREA, kind="state"),
        point(STOP, kind="state"),
    ]  # fmt: skip
    limits = [
        Limit(TEMP, "high", 1, "high", 10.0, Grade.YELLOW),
        Limit(TEMP, "high", 2, "high", 20.0, Grade.ORANGE),
        Limit(TRIP, "state", 1, "high", 1.0, Grade.RED, latch=True, essential=True),
        Limit(LOW, "low", 1, "low", 10.0, Grade.BLUE),
    ]
    for gas in (GAS_1, GAS_2):
        limits.append(Limit(gas, "gas", 1, "high", 25.0, Grade.YELLOW))
        limits.append(
            Limit(gas, "gas", 2, "high", 50.0, Grade.ORANGE, latch=True, votes=True, essential=True)
        )
    suppressions = [
        Suppression("area", formula("a == 1", a=AREA), SUPPRESSED["area"]),
        Suppression("stop", formula("s == 1", s=STOP), SUPPRESSED["stop"], until=SIGNED_UNTIL),
    ]
    return Site(
        points=points, limits=limits, suppressions=suppressions,
        zones={"hd/tank": Zone("hd/tank", "hd", "tank")}, devices={DEVICE: Device(DEVICE, "hd")},
    )  # fmt: skip


@dataclass
class Cover:
    """A mask: who, until when (None: no end), and of a shelf what it was granted for."""

    person: str = ""
    until: int | None = None
    second: str = ""
    one_shot: bool = False
    level: int = 0
    grade: Grade = Grade.BLUE
    by: str = ""


@dataclass
class Life:
    """One alarm; `told`: its newest announcement was seen by people."""

    core: str = "normal"
    occurrence: int = 0
    version: int = 0
    announced: int = 0
    level: int = 0
    reached: int = 0
    grade: Grade = Grade.BLUE
    peak: Grade = Grade.BLUE
    latching: bool = False
    told: bool = True
    realarm: int | None = None
    masks: dict[str, Cover] = field(default_factory=dict)

    @property
    def mask(self) -> str:
        return next((name for name in SHOWN_FIRST if name in self.masks), "")

    @property
    def active(self) -> bool:
        return self.core.endswith("active")


Said = tuple[str, int, int, str, str, str, str, str, str, int]
"""Alarm, occurrence, version, event, from, to, grade, peak, mask, received."""


def said(t: Transition) -> Said:
    return (t.alarm, t.occurrence, t.version, t.event, t.before, t.after, str(t.grade),
            str(t.peak), t.mask, t.received)  # fmt: skip


class Model:
    """The whole park. `rows` is the level that a point reads, or held when it was lost."""

    def __init__(self) -> None:
        self.now = T0
        self.lives = {alarm: Life() for alarm in ALARMS}
        self.rows = dict.fromkeys(POINT_OF, 0)
        self.since = dict.fromkeys(POINT_OF, T0)
        self.seen = dict.fromkeys(range(len(NAMES)), False)
        self.witness = {GAS_A: True, GAS_B: True}
        self.on: set[str] = set()
        self.out: list[Said] = []

    # What is said ----------------------------------------------------------------------------

    def emit(self, alarm: str, event: str, to: str, grade: Grade | None = None) -> None:
        life = self.lives[alarm]
        if event == "raise":
            life.version, life.peak, life.reached, life.latching = 0, grade or Grade.BLUE, 0, False
        life.version += 1
        if grade is not None:
            life.grade = grade
            life.peak = max(life.peak, grade, key=lambda g: g.urgency)
        self.out.append(
            (alarm, life.occurrence, life.version, event, life.core, to, str(life.grade),
             str(life.peak), life.mask, self.now)
        )  # fmt: skip
        life.core = to
        life.reached = max(life.reached, life.level)
        if event in ANNOUNCING:
            life.announced, life.told = life.version, not life.mask
        elif not life.mask:
            life.told = True
        if to != "ack_active":
            life.realarm = None
        if to == "normal":
            life.reached, life.latching, life.told = 0, False, True
            if not life.masks:
                life.grade = life.peak = Grade.BLUE

    # Conditions ------------------------------------------------------------------------------

    def read(self, point: int, level: int | None) -> None:
        """A reading of a point at a level; None: it is calibrating, so nobody knows."""
        alarm = next((a for a, p in POINT_OF.items() if p == point), None)
        self.seen[point] = level is not None
        if alarm is None:
            self._plant(PLANT_OF[point], on=level == 1)
            self.advance(self.now + 1)  # A moment is judged when it is over.
            return
        sways = False
        if alarm in self.witness and self.witness[alarm] != (level is not None):
            self.witness[alarm] = level is not None
            sways = True
        if level is not None and level != self.rows[alarm]:
            if not self.rows[alarm]:
                self.since[alarm] = self.now
            self.rows[alarm] = level
            grade = GRADES[alarm][level - 1] if level else None
            self._condition(alarm, level, grade, self.since[alarm])
            sways = True
        if sways and alarm in self.witness:
            self.vote()

    def outside(self, grade: Grade | None) -> None:
        """A part of our own fails with a grade, or works again."""
        life = self.lives[DISK]
        worse = grade is not None and grade.urgency > life.grade.urgency
        if bool(grade) != bool(life.level) or (life.level and worse):
            self._condition(DISK, int(grade is not None), grade, self.now)

    def _condition(self, alarm: str, level: int, grade: Grade | None, began: int) -> None:
        life = self.lives[alarm]
        before = life.level
        if level == 0:
            if before:
                self._returned(alarm)
            return
        assert grade is not None
        rises = level > before or (level == before and grade.urgency > life.grade.urgency)
        if rises:
            self._break_through(alarm, level, grade, again=before > 0)
        life.level = level
        if life.core == "normal":
            life.occurrence = max(began, life.occurrence + 1)
            self.emit(alarm, "raise", "unack_active", grade)
        elif before == 0:
            self.emit(alarm, "reraise", "unack_active", grade)
        elif rises:
            self.emit(alarm, "rise", "unack_active", grade)
        elif level < before:
            self.emit(alarm, "fall", life.core, grade)
        life.latching = life.latching or level >= LATCHES.get(alarm, 9)

    def _returned(self, alarm: str) -> None:
        life = self.lives[alarm]
        life.level = 0
        acknowledged = life.core == "ack_active"
        if life.latching:
            self.emit(
                alarm, "return", "latched_ack" if acknowledged else "latched_unack", life.peak
            )
            return
        self.emit(alarm, "return", "normal" if acknowledged else "rtn_unack")
        self.end_one_shot(alarm)

    def end_one_shot(self, alarm: str) -> None:
        life = self.lives[alarm]
        shelf = life.masks.get("shelved")
        if shelf is not None and shelf.one_shot and life.core == "normal":
            self.lift(alarm, "shelved", "expire", unseen=False)

    def _break_through(self, alarm: str, level: int, grade: Grade, *, again: bool) -> None:
        """Any rise, any raise beyond what the shelf was granted for or may be ends a shelf; what
        is essential is not suppressed without a signature. Out of service hides all."""
        life = self.lives[alarm]
        never = grade is Grade.RED or level >= ESSENTIAL.get(alarm, 9)
        shelf = life.masks.get("shelved")
        if shelf is not None:
            beyond = level > shelf.level or grade.urgency > shelf.grade.urgency
            if again or beyond or never:
                self.lift(alarm, "shelved", "unshelve", unseen=True)
        plant = life.masks.get("suppressed_by_design")
        if plant is not None and never and plant.by not in SIGNED:
            self.lift(alarm, "suppressed_by_design", "unsuppress", unseen=True)

    def vote(self) -> None:
        """Two at level 2, or one and fewer than two healthy ones; it ends when none is left."""
        voters = [gas for gas in (GAS_A, GAS_B) if self.rows[gas] == 2]
        witnesses = sum(
            self.witness[gas] and "out_of_service" not in self.lives[gas].masks
            for gas in (GAS_A, GAS_B)
        )
        life = self.lives[VOTE]
        raises = len(voters) == 2 or (len(voters) == 1 and witnesses < 2)
        if not life.level and not raises:
            return
        if bool(voters) == bool(life.level):
            return
        self._condition(VOTE, int(bool(voters)), Grade.RED, self.now)
        if voters:
            for gas in (GAS_A, GAS_B):
                if "shelved" in self.lives[gas].masks:
                    self.lift(gas, "shelved", "unshelve", unseen=True)

    def holds(self, alarm: str) -> bool:
        """Whether the condition is TRUE as far as it is seen."""
        if alarm in self.rows:
            return self.rows[alarm] > 0 and self.seen[POINT_OF[alarm]]
        return self.lives[alarm].level > 0

    def vote_holds(self) -> bool:
        return any(self.rows[gas] == 2 for gas in (GAS_A, GAS_B))

    # Masks -----------------------------------------------------------------------------------

    def lift(self, alarm: str, name: str, event: str, *, unseen: bool) -> None:
        """`unseen`: what is active or latched returns as if nobody had acknowledged it."""
        life = self.lives[alarm]
        del life.masks[name]
        to = life.core
        if unseen:
            to = {"ack_active": "unack_active", "latched_ack": "latched_unack"}.get(to, to)
        never_told = name == "suppressed_by_design" and not life.masks and not life.told
        if never_told and to == "rtn_unack":
            to = "normal"
        self.emit(alarm, event, to)
        if name == "out_of_service" and alarm in self.witness:
            self.vote()

    def cover(self, alarm: str, name: str, event: str, cover: Cover) -> None:
        life = self.lives[alarm]
        life.masks[name] = cover
        self.emit(alarm, event, life.core)
        if name == "out_of_service" and alarm in self.witness:
            self.vote()

    def _plant(self, name: str, *, on: bool) -> None:
        on = on and not (name in SIGNED and self.now >= SIGNED_UNTIL)
        if on == (name in self.on):
            return
        (self.on.add if on else self.on.discard)(name)
        for alarm in SUPPRESSED[name]:
            self._suppress(alarm)

    def _suppress(self, alarm: str) -> None:
        """Under the suppressions that are on now; one that is signed counts before the others."""
        life = self.lives[alarm]
        holding = [name for name in ("stop", "area") if name in self.on and self._may(name, alarm)]
        held = life.masks.get("suppressed_by_design")
        if not holding:
            if held is not None:
                self.lift(alarm, "suppressed_by_design", "unsuppress", unseen=False)
        elif held is None or held.by != holding[0]:
            until = SIGNED_UNTIL if holding[0] in SIGNED else None
            cover = Cover(by=holding[0], until=until)
            self.cover(alarm, "suppressed_by_design", "suppress", cover)

    def _may(self, name: str, alarm: str) -> bool:
        life = self.lives[alarm]
        if alarm not in SUPPRESSED[name]:
            return False
        return name in SIGNED or life.reached < ESSENTIAL.get(alarm, 9)

    # Time ------------------------------------------------------------------------------------

    def deadlines(self) -> list[int]:
        lives = self.lives.values()
        masks = [m.until for life in lives for m in life.masks.values() if m.until is not None]
        return sorted([*masks, *(life.realarm for life in lives if life.realarm is not None)])

    def advance(self, to: int) -> None:
        """Everything that ends by itself, in time order; masks before what sounds again."""
        while (due := next(iter(self.deadlines()), None)) is not None and due <= to:
            self.now = max(due, self.now)
            if due >= SIGNED_UNTIL and "stop" in self.on:
                self.on.discard("stop")
                for alarm in SUPPRESSED["stop"]:
                    if "area" in self.on and self._may("area", alarm):
                        self._suppress(alarm)
            for alarm, life in self.lives.items():
                ended = [n for n, m in life.masks.items() if m.until is not None and m.until <= due]
                for name in ended:
                    self.lift(alarm, name, "expire", unseen=True)
                if life.realarm is not None and life.realarm <= due:
                    self.emit(alarm, "realarm", "unack_active")
        self.now = max(self.now, to)

    # Restart ---------------------------------------------------------------------------------

    def restart(self, tail: Iterable[Transition], witness: dict[str, bool], *, whole: bool) -> None:
        """Every channel is unknown until it is read; what was closed since the snapshot is read
        anew. `witness`: what the snapshot knew of lost detectors; others count until stale."""
        self.seen = dict.fromkeys(self.seen, False)
        self.witness = witness
        last = {t.alarm: t.event for t in tail if t.event in LEVEL_EVENTS}
        for alarm in self.rows:
            if last.get(alarm) == "close":
                self.rows[alarm] = 0
        if whole:
            for alarm in self.rows:
                self.rows[alarm] = self.lives[alarm].level
        held = {life.masks["suppressed_by_design"].by for life in self.lives.values()
                if "suppressed_by_design" in life.masks}  # fmt: skip
        self.on &= held


LEVEL_EVENTS = ("raise", "reraise", "rise", "fall", "return", "close")
