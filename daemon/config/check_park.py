"""The points and models of a file that may be wrong elsewhere, as the rules would see them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import count

from parkwatch.daemon.config.equipment import Unit, units
from parkwatch.daemon.config.finding import At, Context
from parkwatch.daemon.config.model import PointTable
from parkwatch.daemon.config.names import plain
from parkwatch.daemon.config.resolve_points import gas_limits, row_of, units_of
from parkwatch.daemon.config.resolve_rules import Ground
from parkwatch.daemon.config.resolve_site import of_gas, plain_gas, points_of
from parkwatch.daemon.config.rule_tables import TrendRule
from parkwatch.rules.equipment.draft import Expansion
from parkwatch.rules.fault import Fault
from parkwatch.rules.site import Limit, Point


@dataclass(frozen=True, slots=True)
class Made:
    """What a unit of a device gives: `number` of the device in the file."""

    number: int
    unit: Unit
    expansion: Expansion


class Park:
    """What the checks of equipment and rules stand on.

    `sound`: ids of points of which nothing is wrong that a rule hangs on. A rule of another would
    only repeat what is reported of the point. `places`: where each point is written, by index.
    """

    def __init__(self, context: Context) -> None:
        self.context = context
        self.points: dict[str, Point] = {}
        self.places: dict[int, At] = {}
        self.sound: set[str] = set()
        self.made: list[Made] = []
        self._gas: dict[int, list[Limit]] = {}
        foretold = {rule.point for rule in context.config.rule if isinstance(rule, TrendRule)}
        indices = count()
        for number, device in enumerate(context.devices):
            own = points_of(context.config, device, indices)
            for index, (point, table) in enumerate(zip(own, device.points, strict=True)):
                self.points[point.id] = point
                self.places[point.index] = ("device", number, "points", index)
                if context.whole("device", number, "points", index) and _sound(table):
                    self.sound.add(point.id)
            made = list(units(context.config, device))
            found: list[Limit] = []
            if context.whole("device", number):
                full = f"{device.enterprise}/{device.id}"
                expansions = [unit.expanded(full, own, frozenset()) for unit in made]
                found = [limit for each in expansions for limit in each.limits]
                self.made += map(Made, [number] * len(made), made, expansions)
            for position in plain_gas(device, made):
                point = own[position]
                if point.id in foretold and point.id in self.sound:
                    try:
                        found += gas_limits(point, device.points[position])
                    except Fault:  # No set points: that is reported of the point.
                        self.sound.discard(point.id)
            self._gas |= of_gas(own, found)

    @cached_property
    def ground(self) -> Ground:
        """The points and the set points of gases, as rules name them."""
        return Ground(self.points, self._gas)

    @cached_property
    def known(self) -> Context:
        """The context with the full ids of points and zones, for what rules name."""
        zones = self.context.config.zone.items()
        names: Mapping[str, frozenset[str]] = {
            "point": frozenset(self.points),
            "zone": frozenset(f"{zone.enterprise}/{name}" for name, zone in zones),
        }
        return replace(self.context, names=names)

    def has(self, point: str) -> bool:
        return point in self.points

    def lacks_zone(self, zone: str) -> bool:
        """Whether it is surely not declared: one whose own table is wrong might be it."""
        name = zone.partition("/")[2]
        broken = self.context.declares("zone", name) and not self.context.whole("zone", name)
        return not broken and not self.known.declares("zone", zone)

    def alarm_of(self, limit: Limit) -> str:
        """The id of the alarm that a limit is of."""
        if limit.alarm:
            return limit.alarm
        return f"{self._ids[limit.point]}:{limit.group}"

    @cached_property
    def _ids(self) -> Mapping[int, str]:
        return {point.index: point.id for point in self.points.values()}


def _sound(point: PointTable) -> bool:
    row = row_of(point)
    if point.gas is not None and (row is None or point.kind is not None):
        return False
    if row is not None and point.unit is not None and plain(point.unit) not in units_of(row):
        return False
    return point.range is None or point.range[0] < point.range[1]
