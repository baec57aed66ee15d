"""On- and off-delays of the rows: they run only while the channel can be seen."""

from __future__ import annotations

from parkwatch.rules.compile import NEVER, TRUE, UNKNOWN, Table


def change(table: Table, row: int, truth: int, now: int, on_ns: int) -> bool:
    """Take a row's new truth; True where its `live` changed at once (no delay to wait for).

    UNKNOWN pauses a running delay and keeps what is left of it (nothing was seen, contracts.md,
    Down time); the same truth resumes it, the other one ends it.
    """
    table.truth[row] = truth
    if truth == UNKNOWN:
        _pause(table, row, now)
        return False
    true = truth == TRUE
    if bool(table.holds[row]) == true:
        left = int(table.left[row])
        table.left[row] = NEVER
        return left != NEVER and _start(table, row, now, left)
    table.holds[row] = true
    table.left[row] = NEVER
    table.due[row] = NEVER
    live = bool(table.live[row])
    if true and not live:
        table.since[row] = now
    if live == true:
        return False  # It came back while the off-delay ran, or went while the on-delay ran.
    return _start(table, row, now, on_ns if true else int(table.off_ns[row]))


def expire(table: Table, row: int) -> None:
    """A row's delay ran to its end: what held all the time is now so."""
    table.due[row] = NEVER
    table.live[row] = table.holds[row]


def _pause(table: Table, row: int, now: int) -> None:
    due = int(table.due[row])
    if due != NEVER:
        # Nothing may be left: stale comes before a delay that ends at the same moment.
        table.left[row] = due - now
        table.due[row] = NEVER


def _start(table: Table, row: int, now: int, delay_ns: int) -> bool:
    if delay_ns == 0:
        table.live[row] = table.holds[row]
        return True
    table.due[row] = now + delay_ns
    return False
