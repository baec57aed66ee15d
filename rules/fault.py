"""Faults: what a site can cause and a person can mend. A programmer's slip is an assert instead."""

from __future__ import annotations

from dataclasses import dataclass


class Fault(Exception):  # noqa: N818 - a fault is what the operator calls it
    """Something outside the program went wrong.

    `code` is stable and language-free (`CFG-104`, `DRV-201`, `JNL-001`, `API-404`, ...): tests,
    dashboards and the manual quote it. `what` says what happened, `remedy` is one sentence for
    the person on duty.
    """

    def __init__(self, code: str, what: str, remedy: str) -> None:
        super().__init__(what)
        self.code = code
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.code} {self.what} → {self.remedy}"


@dataclass(frozen=True, slots=True)
class Problem:
    """One finding in the configuration, in the three-line error shape of the command line.

    `level` is `error` or `warning`; `line` is 1-based, 0 where the file as a whole is meant.
    """

    code: str
    file: str
    line: int
    path: str
    message: str
    why: str
    fix: str
    level: str = "error"
