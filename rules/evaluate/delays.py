"""On- and off-delays of the rows: they run only while the channel can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappush

from parkwatch.rules.evaluate.compile import FALSE, NEVER, TRUE, UNKNOWN, Table


def change(table: Table, row: int, truth: int, now: int, on_ns: int, off_ns: int) -> bool:
    """Take a row's new truth; True where its `live` changed at once (no delay to wait for).

    UNKNOWN pauses a running delay and keeps what is left of it (nothing was seen, contracts.md,
    Down time); the same truth resumes it, the other one ends it.
    """
    at = table.at
    at.truth[row] = truth
    if truth == UNKNOWN:
        _pause(table, row, now)
        return False
    true = truth == TRUE
    if at.holds[row] == true:
        left = at.left[row]
        at.left[row] = NEVER
        return left != NEVER and _start(table, row, now, left)
    at.holds[row] = true
    at.left[row] = NEVER
    at.due[row] = NEVER
    live = at.live[row]
    if true and not live:
        at.since[row] = now
    if live == true:
        return False  # It came back while the off-delay ran, or went while the on-delay ran.
    return _start(table, row, now, on_ns if true else off_ns)


def expire(table: Table, row: int) -> None:
    """A row's delay ran to its end: what held all the time is now so."""
    table.at.due[row] = NEVER
    table.at.live[row] = table.at.holds[row]


def hurry(table: Table, rows: Iterable[int], by_ns: int) -> bool:
    """Running delays of some rows end so much earlier: their time had passed at the source; whether
    there was one."""
    if by_ns <= 0 or not table.timers:
        return False
    running = [row for row in rows if table.at.due[row] != NEVER]
    for row in running:
        table.at.due[row] -= by_ns
        heappush(table.timers, (table.at.due[row], row))
    return bool(running)


def cut(table: Table, row: int) -> bool:
    """End a row without its off-delay; True where it was live."""
    at = table.at
    was_live = bool(at.live[row])
    at.truth[row] = FALSE
    at.holds[row] = at.live[row] = False
    at.due[row] = at.left[row] = NEVER
    return was_live


def _pause(table: Table, row: int, now: int) -> None:
    due = table.at.due[row]
    if due != NEVER:
        # Nothing may be left: stale comes before a delay that ends at the same moment.
        table.at.left[row] = due - now
        table.at.due[row] = NEVER


def _start(table: Table, row: int, now: int, delay_ns: int) -> bool:
    if delay_ns == 0:
        table.at.live[row] = table.at.holds[row]
        return True
    table.at.due[row] = now + delay_ns
    heappush(table.timers, (now + delay_ns, row))
    return False
