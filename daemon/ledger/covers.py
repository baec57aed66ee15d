"""What was not guarded as usual, from when to when: the fold of the compliance list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from parkwatch.daemon.journal.journal import Record
from parkwatch.rules.alarms.lifecycle import ACTIVE
from parkwatch.rules.kpi.counting import real
from parkwatch.rules.transition import Transition

LINK = "link"
_KIND_OF = {"shelved": "shelved", "out_of_service": "out_of_service", "plant": "suppressed",
            LINK: "suppressed"}  # fmt: skip
_BYPASSES = frozenset({"bypass", "bypass-overdue"})
_BEGINS = frozenset({"raise", "reraise", "rise"})
_WEAKER = frozenset({"disarmed", "removed", "loosened", "rescaled", "rewired", "altered",
                     "unmanned"})  # fmt: skip
_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the list. `since` and `until` in ns; `until` 0: it still runs; `planned`: when it
    will end by itself, 0 where it will not; `seq` of the record that says so."""

    kind: str
    about: str
    since: int
    until: int = 0
    person: str = ""
    second: str = ""
    reason: str = ""
    planned: int = 0
    detail: str = ""
    seq: int = 0


class Covers:
    """Follows records in order; `ended` gives what has ended, `open` what has not."""

    def __init__(self) -> None:
        self._open: dict[_Key, Row] = {}

    def take(self, record: Record) -> Iterator[Row]:
        """What a record ends; what it begins is in `open`."""
        match record.kind:
            case "transition":
                t = Transition.from_body(record.body)
                if real(t):
                    yield from self._masks(record.seq, t)
                    yield from self._marks(record.seq, t)
            case "override":
                yield from self._override(record)
            case "config":
                yield from self._changes(record)
            case "disposition":
                yield from self._disposition(record)

    def open(self) -> Iterator[Row]:
        """What still runs."""
        yield from self._open.values()

    def _masks(self, seq: int, t: Transition) -> Iterator[Row]:
        masks: Mapping[str, Any] = t.cause.get("masks") or ({LINK: {}} if t.mask else {})
        now = {
            (_KIND_OF[why], t.alarm, why, str(m.get("since", ""))): m for why, m in masks.items()
        }
        for key in [k for k in self._open if k[1] == t.alarm and len(k) == 4 and k not in now]:
            yield self._end(key, t.received)
        for key, mask in now.items():
            if key in self._open:
                continue
            why = key[2]
            until = int(mask.get("until", 0))
            self._open[key] = Row(
                key[0], t.alarm, int(mask.get("since", t.received)),
                person=mask.get("person", "") or "system", second=mask.get("second", ""),
                reason=mask.get("reason", "") or why, planned=until, seq=seq,
                detail=" ".join(filter(None, (mask.get("permit", ""), mask.get("owner", "")))),
            )  # fmt: skip

    def _marks(self, seq: int, t: Transition) -> Iterator[Row]:
        """Alarms that say themselves that something is bypassed, or due."""
        due = t.alarm.endswith(":due")
        if not due and t.cause.get("name") not in _BYPASSES:
            return
        key = ("overdue" if due else "bypassed", t.alarm)
        # A reminder comes before its date: nothing is overdue then.
        dates = t.cause.get("due", ())
        ahead = bool(dates) and all(int(each["at"]) > t.received for each in dates)
        if t.after in ACTIVE and not ahead and (dates or not due or t.event in _BEGINS):
            name = str(t.cause.get("name") or t.cause.get("text") or "due")
            self._open.setdefault(key, Row(*key, t.received, person="system", reason=name, seq=seq))
        elif key in self._open and (ahead or t.after not in ACTIVE):
            yield self._end(key, t.received)

    def _override(self, record: Record) -> Iterator[Row]:
        body = record.body
        key = ("override", str(body["about"]))
        if key in self._open:
            yield self._end(key, record.time)
        persons = [*body.get("persons", ()), "", ""]
        self._open[key] = Row(
            *key, record.time, person=persons[0], second=persons[1],
            reason=str(body.get("reason", "")), planned=int(body.get("until", 0)), seq=record.seq,
            detail=f"{body.get('old')} -> {body.get('new')}",
        )  # fmt: skip

    def _changes(self, record: Record) -> Iterator[Row]:
        persons = [*record.body.get("persons", ()), "", ""]
        for change in record.body.get("changes", ()):
            about, what = str(change["about"]), str(change.get("key", ""))
            key = ("changed", about, what)
            if key in self._open:
                yield self._end(key, record.time)
            if change["kind"] in _WEAKER:
                self._open[key] = Row(
                    str(change["kind"]), about, record.time, person=persons[0],
                    second=persons[1], reason=str(record.body.get("why", "")), seq=record.seq,
                    detail=f"{what} {change.get('old')} -> {change.get('new')}".strip(),
                )  # fmt: skip

    def _disposition(self, record: Record) -> Iterator[Row]:
        body = record.body
        key = ("overdue", str(body["alarm"]), str(body.get("occurrence")))
        if body["event"] == "overdue":
            self._open[key] = Row(
                "overdue", key[1], int(body["due"]), person="system", reason="disposition",
                seq=record.seq, detail=key[2],
            )  # fmt: skip
        elif body["event"] in ("handled", "verified") and key in self._open:
            yield self._end(key, record.time)

    def _end(self, key: _Key, at: int) -> Row:
        row = self._open.pop(key)
        names = {name: getattr(row, name) for name in Row.__slots__}
        return Row(**{**names, "until": at})
