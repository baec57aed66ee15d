"""The `[[rule]]` tables: one strict model for every kind of condition."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Discriminator, Field, Tag

from parkwatch.daemon.config.fields import (
    STRICT,
    Alias,
    Delay,
    GradeName,
    Id,
    Older,
    Window,
)

Side = Literal["high", "low"]


class RuleBase(BaseModel):
    """What a rule of any kind may say.

    `deadband` is in the unit of `limit`; `names` are what `enable` and `expression` call points.
    A `shadow` rule raises nothing, it only says what it would have raised.
    """

    model_config = STRICT
    name: Id | None = None
    level: Annotated[int, Field(ge=1, le=4)] = 1
    grade: GradeName
    deadband: Annotated[float, Field(ge=0)] = 0.0
    on_delay: Delay = "0s"
    off_delay: Delay = "10s"
    latch: bool = False
    clause: str = ""
    enable: str | None = None
    names: dict[Alias, str] = {}
    shadow: bool = False
    first_out: Id | None = None


class LimitRule(RuleBase):
    """The value itself: reached or exceeded."""

    kind: Literal["limit"] = "limit"
    point: str
    group: Literal["high", "low", "state"]
    side: Side | None = None
    limit: float


class RateRule(RuleBase):
    """Rising (`high`) or falling (`low`, a negative limit) by so much per minute."""

    kind: Literal["rate"]
    point: str
    group: Literal["rate"] = "rate"
    window: Window = "5m"
    side: Side = "high"
    limit: float


class TrendRule(RuleBase):
    """The value `reaches` a limit `within` so long if it goes on as in the window."""

    kind: Literal["trend"]
    point: str
    group: Literal["trend"] = "trend"
    window: Window = "10m"
    within: Window
    reaches: float | None = None
    side: Side | None = None


class DeviationRule(RuleBase):
    """So far from another point of the same unit, or from a set point."""

    kind: Literal["deviation"]
    point: str
    group: Literal["deviation"] = "deviation"
    other: str | None = None
    set_point: float | None = None
    limit: Annotated[float, Field(gt=0)]


class FlatlineRule(RuleBase):
    """The value moved by no more than this in the window; within `zero` it may rest."""

    kind: Literal["flatline"]
    point: str
    group: Literal["flatline"] = "flatline"
    window: Window = "1h"
    limit: Annotated[float, Field(ge=0)] | None = None
    zero: Annotated[float, Field(ge=0)] | None = None


class ChatterRule(RuleBase):
    """A state changed so often in the window."""

    kind: Literal["chatter"]
    point: str
    group: Literal["chatter"] = "chatter"
    window: Window = "5m"
    limit: Annotated[int, Field(ge=2, le=100_000)]


class ExposureRule(RuleBase):
    """Time-weighted average of a gas: over 15 min (STEL) or 8 h (TWA), GBZ 2.1-2019."""

    kind: Literal["exposure"]
    point: str
    group: Literal["exposure"] = "exposure"
    average: Literal["stel", "twa"]
    limit: Annotated[float, Field(gt=0)] | None = None


class DiscrepancyRule(RuleBase):
    """A valve is not where it was told to be after its travel time, which is the on-delay."""

    kind: Literal["discrepancy"]
    point: str | None = None
    group: Literal["discrepancy"] = "discrepancy"
    command: str
    feedback: str
    grade: GradeName = "orange"
    on_delay: Delay = "10s"


class AgeRule(RuleBase):
    """The newest known reading is older than this."""

    kind: Literal["age"]
    point: str
    group: Literal["due"] = "due"
    older: Older


class ExpressionRule(RuleBase):
    """A truth over several points; of a point, or of a zone and then with a name."""

    kind: Literal["expression"]
    point: str | None = None
    zone: str | None = None
    group: Literal["state"] = "state"
    expression: str


KINDS: dict[str, type[RuleBase]] = {
    "limit": LimitRule,
    "rate": RateRule,
    "trend": TrendRule,
    "deviation": DeviationRule,
    "flatline": FlatlineRule,
    "chatter": ChatterRule,
    "exposure": ExposureRule,
    "discrepancy": DiscrepancyRule,
    "age": AgeRule,
    "expression": ExpressionRule,
}
"""Kind to model; pydantic's paths call the model `<kind>`."""


def _kind(rule: Any) -> str:
    kind = rule.get("kind", "limit") if isinstance(rule, dict) else getattr(rule, "kind", "limit")
    return f"<{kind}>" if isinstance(kind, str) else "<limit>"


RuleTable = Annotated[
    Annotated[LimitRule, Tag("<limit>")]
    | Annotated[RateRule, Tag("<rate>")]
    | Annotated[TrendRule, Tag("<trend>")]
    | Annotated[DeviationRule, Tag("<deviation>")]
    | Annotated[FlatlineRule, Tag("<flatline>")]
    | Annotated[ChatterRule, Tag("<chatter>")]
    | Annotated[ExposureRule, Tag("<exposure>")]
    | Annotated[DiscrepancyRule, Tag("<discrepancy>")]
    | Annotated[AgeRule, Tag("<age>")]
    | Annotated[ExpressionRule, Tag("<expression>")],
    Discriminator(_kind),
]


def owner_of(rule: RuleTable) -> str | None:
    """The id of the point whose alarm it is; None for a rule of a zone, or of nothing."""
    if isinstance(rule, DiscrepancyRule):
        return rule.point or rule.feedback
    return rule.point


def group_of(rule: RuleTable) -> str:
    """What stands after the colon of its alarm."""
    if isinstance(rule, ExpressionRule) and rule.point is None:
        return rule.name or ""
    return rule.group


def references(rule: RuleTable) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every point id that it names, with the key that names it."""
    for key in ("point", "other", "command", "feedback"):
        named = getattr(rule, key, None)
        if named is not None:
            yield (key,), named
    for alias, named in rule.names.items():
        yield ("names", alias), named


def kinds_with(key: str) -> list[str]:
    """The kinds whose tables have this key."""
    return [kind for kind, table in KINDS.items() if key in table.model_fields]


def kind_of_group(group: str) -> list[str]:
    """The kinds whose alarms are of this group."""
    return [
        kind for kind, table in KINDS.items()
        if group in getattr(table.model_fields["group"].annotation, "__args__", ())
    ]  # fmt: skip
