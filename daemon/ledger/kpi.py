"""The KPI report over the journal: of a period and of an operator's position, as plain JSON.

A position is the part of the park that an operator answers for: the whole park, enterprises, or
zones. Where the journal began later or ended earlier than was asked, the shorter span counts: hours
that nobody watched are no quiet hours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from parkwatch.daemon.journal.archive import newest_of
from parkwatch.daemon.journal.journal import Record
from parkwatch.daemon.journal.selection import TIME_MAX
from parkwatch.daemon.ledger.days import midnights
from parkwatch.daemon.ledger.read import Deadline, first_time, span, standing
from parkwatch.rules.fault import Fault
from parkwatch.rules.gaps import ALL
from parkwatch.rules.kpi.figures import acknowledged, figures
from parkwatch.rules.kpi.tally import PERIOD_NS_MAX, STALE_NS, Period, Tally
from parkwatch.rules.transition import Transition

_KINDS = ("transition", "config")
_NEEDS_TWO = frozenset({"disarmed", "removed", "rescaled", "rewired", "loosened", "altered",
                        "unmanned"})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Position:
    """What an operator answers for; what is empty is all. `zone_of`: zones by point id."""

    enterprises: frozenset[str] = frozenset()
    zones: frozenset[str] = frozenset()
    zone_of: Mapping[str, str] = field(default_factory=dict)

    def holds(self, alarm: str) -> bool:
        """Whether an alarm is this position's. The platform's own are the whole park's only."""
        thing = alarm.rpartition(":")[0]
        if self.enterprises and thing.partition("/")[0] not in self.enterprises:
            return False
        return not self.zones or self.zone_of.get(thing, thing) in self.zones


def kpi(
    data: Path, asked: tuple[int, int], position: Position, zone: ZoneInfo,
    deadline: Deadline | None = None,
) -> dict[str, Any]:  # fmt: skip
    """KPIs of `asked` (since, until in ns) for a position; `zone` is the park's.

    Fault KPI-001 where the journal holds nothing of that period or it is longer than 366 days.
    sqlite3.Error where the journal cannot be read, TimeoutError after the deadline.
    """
    period = _period(data, asked, zone)
    tally = Tally(period)
    # What stood, then a day of everything: floods and calls that reach into the period.
    early = period.since - STALE_NS
    tally.take(_of(position, standing(data, early)))
    tally.take(_counted(span(data, early, period.until, _KINDS, deadline), tally, position))
    tally.end()
    # A gap is on record when it ends: maybe after the period.
    gaps = (gap.body for gap in span(data, period.since, TIME_MAX, ("gap",), deadline))
    whole = ((int(gap["from"]), int(gap["to"])) for gap in gaps if gap.get("points") == ALL)
    return _report(tally, position, _share(whole, period))


def _period(data: Path, asked: tuple[int, int], zone: ZoneInfo) -> Period:
    kept = first_time(data)
    since, until = max(asked[0], kept or asked[1]), asked[1]
    last = newest_of(data, 1)
    if last and last[0].kind == "stop":
        until = min(until, last[0].time)
    if not 0 < until - since <= PERIOD_NS_MAX:
        raise Fault(
            "KPI-001",
            "该时段没有日志,或长于 366 天 no journal of this period, or over 366 days",
            "改 --from 与 --to choose others",
        )
    return Period(since, until, midnights(since, until, zone))


def _of(position: Position, records: Iterable[Record]) -> Iterator[Transition]:
    for record in records:
        if position.holds(str(record.body["alarm"])):
            yield Transition.from_body(record.body)


def _counted(records: Iterable[Record], tally: Tally, position: Position) -> Iterator[Transition]:
    """Its transitions; unsigned changes of the configuration are noted on the way."""
    for record in records:
        if record.kind == "transition":
            yield from _of(position, (record,))
        elif record.time >= tally.period.since:
            for about in _unsigned(record.body):
                if position.holds(about if ":" in about else f"{about}:"):
                    tally.changed_outside(about)


def _unsigned(body: Mapping[str, Any]) -> list[str]:
    """What a change of the configuration loosened without two persons."""
    if len(set(body.get("persons") or ())) > 1:
        return []
    return [
        str(change["about"])
        for change in body.get("changes", ())
        if change.get("kind") in _NEEDS_TWO
    ]


def _share(gaps: Iterable[tuple[int, int]], period: Period) -> float:
    """Per cent of the period in which the daemon watched."""
    missed, reached = 0, period.since
    for since, until in sorted(gaps):
        end = min(until, period.until)
        missed += max(0, end - max(since, reached))
        reached = max(reached, end)
    return 100 * (1 - missed / (period.until - period.since))


def _report(tally: Tally, position: Position, watched: float) -> dict[str, Any]:
    period, calls = tally.period, tally.unacknowledged
    return {
        "from": str(period.since),
        "to": str(period.until),
        "enterprises": sorted(position.enterprises),
        "zones": sorted(position.zones),
        "watched_percent": round(watched, 3),
        "activations": tally.activations.total(),
        "masked": tally.masked,
        "realarms": tally.realarms,
        "peak_10min": int(tally.windows.max()),
        "figures": [
            {
                "key": each.key,
                "value": None if each.value is None else round(each.value, 3),
                "unit": each.unit,
                "target": each.target,
                "verdict": each.verdict,
                "culprits": [{"alarm": alarm, "n": n} for alarm, n in each.culprits],
            }
            for each in figures(tally)
        ],
        "acknowledged": [{**asdict(a), "grade": str(a.grade)} for a in acknowledged(tally)],
        "unacknowledged": {
            "n": len(calls),
            "oldest": {"alarm": calls[0][1], "since": str(calls[0][0])} if calls else None,
        },
        "covered": {name: tally.covered[name] for name in sorted(tally.covered)},
        "floods": [
            {"from": str(f.since), "to": str(f.until), "most": f.most} for f in tally.floods
        ],
    }
