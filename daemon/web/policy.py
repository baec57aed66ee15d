"""The one policy table: role x action, within an enterprise. What is not written here is refused.

An action's name is what a route asks for; the daemon's engine judges grades once more (a reset of
red is the shift lead's), so that a hole here opens nothing by itself.
"""

from __future__ import annotations

from dataclasses import dataclass

SEE = "see"
HEALTH = "health"
METRICS = "metrics"
JOURNAL = "journal"
KPI = "kpi"
ACK = "ack"
SILENCE = "silence"
RESET = "reset"
SHELVE = "shelve"
UNSHELVE = "unshelve"
OUT_OF_SERVICE = "out-of-service"
RETURN_TO_SERVICE = "return-to-service"
DISPOSE = "dispose"
LEAVE = "leave"
ACTIONS = (
    SEE, HEALTH, METRICS, JOURNAL, KPI, ACK, SILENCE, RESET, SHELVE, UNSHELVE, OUT_OF_SERVICE,
    RETURN_TO_SERVICE, DISPOSE, LEAVE,
)  # fmt: skip

_LOOK = frozenset({SEE, HEALTH, LEAVE})
_READ = _LOOK | {JOURNAL, KPI}
_SERVE = frozenset({OUT_OF_SERVICE, RETURN_TO_SERVICE})
_HANDLE = _READ | _SERVE | {ACK, SILENCE, UNSHELVE, DISPOSE}
POLICY: dict[str, frozenset[str]] = {
    "operator": _HANDLE | {RESET, SHELVE},
    "shift-lead": _HANDLE | {RESET, SHELVE},
    "technician": _HANDLE,
    "engineer": _HANDLE | {METRICS},
    "admin": _READ | {ACK, SILENCE, UNSHELVE, DISPOSE, METRICS},
    "on-call": _READ | {DISPOSE},
    "safety": _READ | {DISPOSE},
    "drill-leader": _READ,
    "approver": _READ,
    "auditor": _READ | {METRICS},
    "enterprise": _READ | _SERVE | {DISPOSE},
    "viewer": _LOOK,
}
BOUND_ROLES = frozenset({"enterprise"})
"""Roles that exist only inside an enterprise: without one they see nothing."""
PARK_ONLY = frozenset({METRICS})
"""Actions whose answer cannot be cut down to one enterprise."""


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who asks. `enterprise` empty: a person of the park, who sees all; `session` is the stored
    hash of the session, `by_cookie` whether a browser sent it by itself."""

    person: str
    name: str
    role: str
    enterprise: str
    session: str = ""
    by_cookie: bool = False


def may(viewer: Viewer, action: str) -> bool:
    """Whether the table has this entry."""
    if action in PARK_ONLY and viewer.enterprise:
        return False
    return action in POLICY.get(viewer.role, frozenset())


def sees(viewer: Viewer, enterprise: str) -> bool:
    """Whether rows of an enterprise are this viewer's; `system` and empty are the park's."""
    if viewer.enterprise:
        return viewer.enterprise == enterprise
    return viewer.role not in BOUND_ROLES


def enterprise_of(thing: str) -> str:
    """The enterprise in the id of a point, zone, device or alarm."""
    return thing.partition("/")[0]
