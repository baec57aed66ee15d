"""What the engine says and what people tell it: transitions, commands and their outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from parkwatch.rules.grade import Grade


@dataclass(frozen=True, slots=True)
class Transition:
    """One change of one alarm; the body of a journal record of kind `transition`.

    `event` is `raise reraise rise fall return ack realarm reset shelve unshelve suppress unsuppress
    out_of_service return_to_service close expire`; `before` and `after` are core states; `peak` is
    the highest grade of the occurrence; `mask` is empty or one of the three masks, as it is
    afterwards; `cause` explains (value, unit, limit, side, clause, quality, tag,
    levels, voters, person, ...) and is plain JSON; `received` is engine time in ns.
    """

    alarm: str
    occurrence: int
    version: int
    event: str
    before: str
    after: str
    grade: Grade
    peak: Grade
    received: int
    mask: str = ""
    cause: Mapping[str, Any] = field(default_factory=dict)
    origin: str = "live"

    def body(self) -> dict[str, Any]:
        """The journal body (contracts.md, Journal): `before` and `after` are `from` and `to`."""
        return {
            "alarm": self.alarm,
            "occurrence": self.occurrence,
            "version": self.version,
            "event": self.event,
            "from": self.before,
            "to": self.after,
            "grade": str(self.grade),
            "peak": str(self.peak),
            "mask": self.mask,
            "cause": dict(self.cause),
            "received": self.received,
            "origin": self.origin,
        }

    @classmethod
    def from_body(cls, body: Mapping[str, Any]) -> Transition:
        """The reverse of `body`, for the fold over the journal."""
        return cls(
            alarm=body["alarm"],
            occurrence=body["occurrence"],
            version=body["version"],
            event=body["event"],
            before=body["from"],
            after=body["to"],
            grade=Grade(body["grade"]),
            peak=Grade(body["peak"]),
            received=body["received"],
            mask=body["mask"],
            cause=body["cause"],
            origin=body["origin"],
        )


@dataclass(frozen=True, slots=True)
class Signer:
    """A person who has been authenticated; `enterprise` empty: one of the park."""

    person: str
    role: str
    enterprise: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """What a person asks. `id` is a UUID made by whoever commands; repeating it changes nothing.

    `action` is `ack`, `silence`, `reset`, `shelve`, `unshelve`, `out-of-service` or
    `return-to-service`; `occurrence` and `version` are what the person saw (0 and 0: an alarm that
    was never raised); `source` says from where (`console:ID`, `cli`, `api`). `role` is for the
    limits by grade; `second` the other person of a two-person action.

    `details` by action: ack `next`, `by` (ns); reset `reading` {gas, value, instrument, at (ns)};
    shelve `kind` (`one-shot`, `timed`), `seconds`; out-of-service `permit`, `until` (ns), `owner`.
    """

    id: str
    action: str
    alarm: str
    occurrence: int
    version: int
    person: str
    role: str
    source: str = ""
    reason: str = ""
    enterprise: str = ""
    second: Signer | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


REQUESTED = "ALM-202"


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer to a command: `ok`, or the refusal's code, what and remedy; and what changed.

    Where it is `ok` with the code REQUESTED it changed nothing: someone else has to do it.
    """

    ok: bool
    code: str = ""
    what: str = ""
    remedy: str = ""
    transitions: tuple[Transition, ...] = ()


@dataclass(frozen=True, slots=True)
class AlarmView:
    """One alarm that is not normal, as the console shows it (without the live value).

    `state` is the shown state (mask before core), `live_level` 0 when the condition has returned.
    """

    alarm: str
    occurrence: int
    version: int
    state: str
    core: str
    grade: Grade
    peak: Grade
    mask: str
    raised: int
    changed: int
    live_level: int
    cause: Mapping[str, Any]
    point: int = -1
    zone: str = ""
    enterprise: str = ""
    origin: str = "live"
    masks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
