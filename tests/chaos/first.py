"""kill -9 while a park is started for the first time: the next start knows nothing of it."""

from __future__ import annotations

import signal

from station import HIGH, LOW, Station, found, wait_for
from storm import Result
from storming import alarm

from parkwatch.daemon.journal.verify import verify

POINTS = (
    "applied.fsync", "applied.synced", "schema.before", "schema.after", "start.before",
    "start.after", "anchor.fsync", "anchor.synced",
)  # fmt: skip
SECONDS = frozenset({"applied.fsync", "applied.synced"})
"""Reached twice: for the file, and for its folder."""


def first_starts(station: Station, times: int) -> Result:
    """Each point so many times, on a new folder each time."""
    result = Result()
    panels = station.panels
    for point in POINTS * times:
        station.data = station.folder / f"first-{result.kills}"
        nth = 1 + (point in SECONDS and result.kills % 2)
        panels.set(0, HIGH)  # red: the first anchor is written at once
        code = station.start(point, nth).wait()
        result.kills += 1
        if code != -signal.SIGKILL:
            result.wrong.append(f"{point} {nth}: not reached, {code}")
        run = station.start()
        panels.scanned(1, run.alive)
        wait_for(lambda: found(station, alarm(0, panels.panels), ["raise"]), "the first alarm")
        result.activations += 1
        result.raised += len(found(station, alarm(0, panels.panels), ["raise", "reraise"]))
        own = [t["alarm"] for t in station.transitions() if t["alarm"].startswith("system/")]
        result.wrong += [f"{point} {nth}: {name}" for name in own]
        if run.stop() or not verify(station.data).ok:
            result.wrong.append(f"{point} {nth}: {verify(station.data).what}")
        panels.set(0, LOW)
    if result.raised != result.activations:
        result.wrong.append(f"{result.raised} raises of {result.activations}")
    return result
