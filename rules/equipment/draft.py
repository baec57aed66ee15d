"""What every equipment model is made of: roles, nameplate, the limits it arms, what it refuses.

A model writes into a draft; `Expansion` is what comes out. A refusal says why something does not
arm. Where data of the nameplate is missing the draft arms a yellow alarm that says so: a pressure
that nobody guards must not look like one that is in order.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from parkwatch.rules.expression import Quantity, parse
from parkwatch.rules.gas import PROFILE, misplaced
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import Formula
from parkwatch.rules.site import SECOND_NS, Limit, Point

OURS = "ParkWatch (D)"
"""Clause of a default that is our own reasoning, derived from domain.md and no standard's text."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why something does not arm: stable `code`, `what` is wrong, `fix` in one sentence.

    `point`: index of the point that it is about; `key`: the figure of the plate, or the role.
    """

    code: str
    what: str
    fix: str
    point: int = -1
    key: str = ""


@dataclass(frozen=True, slots=True)
class Expansion:
    """What a model makes of a device: `limits` to arm, and `refusals` that people must settle."""

    limits: tuple[Limit, ...]
    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Role:
    """A part that a point plays. `state`: 0 or 1; `many`: `name-SUFFIX` too, one per unit of it."""

    name: str
    state: bool = False
    many: bool = False
    required: bool = False

    def suffix(self, role: str) -> str | None:
        """What follows the name in `role`, empty where nothing does; None: another role."""
        if role == self.name:
            return ""
        if self.many and role.startswith(f"{self.name}-"):
            return role.removeprefix(f"{self.name}-")
        return None


@dataclass(slots=True)
class Draft:
    """The device that is being expanded; a model reads roles and plate and adds to the lists.

    `plate` holds numbers in the units of the points that they concern.
    """

    device_id: str
    points: dict[str, Point]
    plate: Mapping[str, float]
    profile: str = PROFILE
    limits: list[Limit] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)

    def refuse(
        self, code: str, what: str, fix: str, *, point: Point | None = None, key: str = ""
    ) -> None:
        """Say why something does not arm."""
        index = -1 if point is None else point.index
        self.refusals.append(Refusal(code, f"{self.device_id}: {what}", fix, index, key))

    def number(self, key: str, suffix: str = "") -> float | None:
        """A figure of the plate, `KEY-SUFFIX` before `KEY`; None where it is not declared."""
        return self.plate.get(f"{key}-{suffix}", self.plate.get(key))

    def many(self, name: str) -> Iterator[tuple[str, Point]]:
        """(suffix, point) of a role and its numbered kin, in order of role."""
        role = Role(name, many=True)
        for key in sorted(self.points):
            suffix = role.suffix(key)
            if suffix is not None:
                yield suffix, self.points[key]

    def pair(self, name: str, suffix: str) -> Point | None:
        """The point of a role with a suffix."""
        return self.points.get(f"{name}-{suffix}" if suffix else name)

    def arm(self, point: Point, *limits: Limit) -> None:
        """Arm limits of a point, and refuse those that its range cannot reach or leave.

        They stay in the list: over-range still counts as reached.
        """
        self.limits += limits
        for limit in misplaced(point, limits):
            self.refuse(
                "EQP-106",
                f"{point.tag} {limit.group} {limit.level} 级 {limit.limit:g} 不在量程 "
                f"{point.low:g}-{point.high:g} 内 cannot be reached or left within the range",
                "核对量程、单位与铭牌 check range, unit and nameplate",
                point=point,
            )

    def unprotected(self, code: str, point: Point, what: str, fix: str, *, key: str = "") -> None:
        """Refuse, and arm a standing yellow alarm that says that this point is not protected."""
        self.refuse(code, f"{point.tag} {what}", fix, point=point, key=key)
        self.limits.append(
            Limit(
                point.index, "due", 1, "high", 1.0, Grade.YELLOW, measure=formula("1 >= 1"),
                kind="unprotected", name=what, clause=f"{OURS}: 未保护须可见 never silent",
            )
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Model:
    """An equipment model: its roles, the keys of its plate, and what it arms."""

    roles: tuple[Role, ...]
    plate: frozenset[str]
    build: Callable[[Draft], None]


def formula(text: str, /, **points: Point) -> Formula:
    """An expression over points by name; states are truths, values keep their unit and gas.

    The names say the part and not the point, so that devices of a kind share one program and are
    evaluated at once.
    """
    program = parse(
        text,
        {
            name: Quantity() if point.kind == "state" else Quantity(point.unit, point.gas)
            for name, point in points.items()
        },
    )
    return Formula(program, tuple(points[name].index for name in program.names))


def figure(value: float) -> str:
    """A number as an expression writes it, in parentheses where it is negative."""
    text = f"{value:.9g}"
    return f"({text})" if value < 0 else text


def finite(plate: Mapping[str, float]) -> dict[str, float]:
    """The figures of a plate that are numbers."""
    return {key: value for key, value in plate.items() if math.isfinite(value)}


def seconds(value: float) -> int:
    """Seconds in ns."""
    return round(value * SECOND_NS)
