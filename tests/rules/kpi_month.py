"""A month of transitions, made by hand of whole stories; the times jitter by one seed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Transition

S = 1_000_000_000
MIN, HOUR, DAY = 60 * S, 3_600 * S, 86_400 * S
BEGIN = 4_102_416_000 * S
"""2100-01-01 00:00 in Shanghai: far ahead, since a rotation takes the host's clock where that is
later than the journal's."""
DAYS = 30
END = BEGIN + DAYS * DAY
MIDNIGHTS = [BEGIN + n * DAY for n in range(1, DAYS)]


def said(event: str, alarm: str, at: int, grade: str = "yellow", **more: Any) -> Transition:
    """One transition; from and to as the event says, but where they are given."""
    before, after = {
        "raise": ("normal", "unack_active"),
        "reraise": ("rtn_unack", "unack_active"),
        "rise": ("unack_active", "unack_active"),
        "realarm": ("ack_active", "unack_active"),
        "ack": ("unack_active", "ack_active"),
        "return": ("ack_active", "normal"),
    }.get(event, ("unack_active", "unack_active"))
    known: dict[str, Any] = {"occurrence": at, "version": 1, "before": before, "after": after}
    known |= {"grade": Grade(grade), "peak": Grade(grade), "received": at}
    return Transition(alarm=alarm, event=event, **{**known, **more})


def life(alarm: str, at: int, grade: str, ack: int, back: int, **more: Any) -> Iterator[Transition]:
    """Raised, acknowledged after `ack` ns, over after `back` ns."""
    for event, after in (("raise", 0), ("ack", ack), ("return", back)):
        yield said(event, alarm, at + after, grade, occurrence=at, **more)


def _usual(rng: random.Random) -> Iterator[Transition]:
    """720 blue of 24 fans, 30 yellow of 15 pumps, 3 orange and a red of the tanks."""
    for hour in range(24 * DAYS):
        at = BEGIN + hour * HOUR + 5 * MIN + rng.randrange(60 * S)
        yield from life(f"hd/fan/f{hour % 24:02d}:high", at, "blue", 60 * S, 5 * MIN)
    for day in range(DAYS):
        at = BEGIN + day * DAY + 15 * MIN + rng.randrange(60 * S)
        yield from life(f"hd/pump/p{day % 15:02d}:low", at, "yellow", 30 * S, 2 * MIN)
    for n, wait in enumerate((20 * S, 40 * S, 90 * S)):
        at = BEGIN + (4 + n) * DAY + 25 * MIN
        yield from life(f"hd/tank/h2s-{n}:gas", at, "orange", wait, 3 * MIN)
    yield from life(
        "hd/tank-a:vote-h2s", BEGIN + 9 * DAY + 25 * MIN, "red", 12_340_000_000, 4 * MIN
    )


def _bad(rng: random.Random) -> Iterator[Transition]:
    """A flood of 40 within 2 min, one that chatters, three that are fleeting, two that stand."""
    flood = BEGIN + 19 * DAY + 35 * MIN
    for n in range(40):
        yield from life(f"xy/line/x{n:02d}:state", flood + n * 3 * S, "yellow", 5 * MIN, 6 * MIN)
    chatter = BEGIN + 11 * DAY + 35 * MIN
    for n in range(4):
        at = chatter + n * MIN
        before = "normal" if n == 0 else "rtn_unack"
        event = "raise" if n == 0 else "reraise"
        yield said(event, "xy/line/loose:state", at, "yellow", occurrence=chatter, before=before)
        yield said("return", "xy/line/loose:state", at + 20 * S, "yellow", occurrence=chatter,
                   before="unack_active", after="rtn_unack")  # fmt: skip
    yield said("ack", "xy/line/loose:state", chatter + 5 * MIN, "yellow", occurrence=chatter,
               before="rtn_unack", after="normal")  # fmt: skip
    for n in range(3):
        at = BEGIN + (13 + n) * DAY + 35 * MIN + rng.randrange(60 * S)
        yield from life(f"xy/line/short-{n}:state", at, "blue", 2 * S, 9 * S)
    for n in range(2):
        at = BEGIN + 21 * DAY + (10 + n) * HOUR + 35 * MIN
        yield from life(f"xy/line/old-{n}:high", at, "blue", 60 * S, 3 * DAY)


def _not_counted() -> Iterator[Transition]:
    """100 of drills, 50 of shadow rules, 25 under a shelf."""
    for n in range(100):
        yield from life(f"drill.d1/hd/tank/h2s-{n}:gas", BEGIN + DAY + n * S, "red", S, 2 * S,
                        origin="drill:d1")  # fmt: skip
    for n in range(50):
        yield from life(f"hd/tank/co-{n}:gas", BEGIN + 2 * DAY + n * S, "orange", S, 2 * S,
                        origin="shadow")  # fmt: skip
    for n in range(25):
        yield from life(f"hd/pump/q{n:02d}:high", BEGIN + 3 * DAY + n * S, "yellow", S, 20 * S,
                        mask="shelved")  # fmt: skip


def month(seed: int = 5) -> list[Transition]:
    """The whole month in the order of a journal."""
    rng = random.Random(seed)
    told = [*_usual(rng), *_bad(rng), *_not_counted()]
    return sorted(told, key=lambda t: t.received)
