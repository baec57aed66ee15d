"""kill -9 while a folder changes under an alarm: a new configuration, a new file, a new schema."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from threading import Thread

from station import HIGH, Run, Station, found, wait_for
from storm import Result, Storm
from storming import alarm, newer_schema

from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config import applied
from parkwatch.daemon.journal.verify import verify

RELOAD = (
    ("applied.fsync", 1), ("applied.synced", 1), ("applied.synced", 2), ("config.before", 1),
    ("config.after", 1), ("replace.park.json.before", 1), ("replace.park.json.after", 1),
    ("applied.synced", 3),
)  # fmt: skip
ROTATE = (
    ("snapshot.before", 1), ("snapshot.after", 1), ("hardlink_to.journal.db.before", 1),
    ("hardlink_to.journal.db.after", 1), ("switch.fsync", 1), ("switch.synced", 1),
    ("switch.fsync", 2), ("replace.journal.db.before", 1), ("replace.journal.db.after", 1),
    ("switch.synced", 3),
)  # fmt: skip
MIGRATE = (
    ("schema.before", 1), ("schema.after", 1), ("switch.fsync", 1), ("switch.synced", 1),
    ("replace.journal.db.before", 1), ("replace.journal.db.after", 1), ("switch.synced", 2),
)  # fmt: skip
"""Points, and for which time each is reached."""


def _died(run: Run, result: Result, point: tuple[str, int]) -> bool:
    try:
        code = run.wait()
    except AssertionError:
        run.kill()
        code = 0
    result.kills += 1
    if code != -signal.SIGKILL:
        result.wrong.append(f"{point}: not reached, {code}")
    return code == -signal.SIGKILL


def _begun(station: Station) -> None:
    run = station.start()
    station.panels.scanned(1, run.alive)
    run.stop()


def reloads(station: Station, times: int) -> Result:
    """`config apply` on a running daemon: the old one or the new one, as the journal says."""
    storm = Storm(station, 1)
    _begun(station)
    text = station.config.read_text(encoding="utf-8")
    for n, (point, nth) in enumerate(RELOAD * times):
        station.config.write_text(text.replace("示例园区", f"示例园区{n}"), encoding="utf-8")
        run = station.start(point, nth)
        wait_for(station.answers, "the daemon answers")
        words = ["config", "apply", "-c", str(station.config), "--data", str(station.data)]
        said = StringIO()
        with redirect_stdout(said), redirect_stderr(said):
            asking = Thread(target=main, args=[words])
            asking.start()
            died = _died(run, storm.result, (point, nth))
            asking.join()
        if not died:
            storm.result.wrong.append(said.getvalue())
        whole = station.start()  # What was cut off is completed by a start that comes so far.
        station.panels.scanned(1, whole.alive)
        whole.kill()
        kept, problems = applied.read(station.data)
        told = station.rows("SELECT body ->> 'new' FROM record WHERE kind = 'config'")
        if kept is None or problems or (told and told[-1][0] != kept.sha256):
            storm.result.wrong.append(f"{point} {nth}: the applied one is not the journal's")
        storm.cycle()
    storm.settle()
    return storm.result


def rotations(station: Station, times: int) -> Result:
    """`journal rotate`: one file or two, never a record less."""
    storm = Storm(station, 1)
    _begun(station)
    for point, nth in ROTATE * times:
        storm.cycle()
        words = ["journal", "rotate", "--data", str(station.data)]
        _died(station.launched(words, point, nth), storm.result, (point, nth))
    storm.settle()
    return storm.result


def migrations(station: Station, times: int) -> Result:
    """A version with a newer schema: the old file or the new one."""
    result = Result()
    name = alarm(0, station.panels.panels)
    for point, nth in MIGRATE * times:
        station.data = station.folder / f"schema-{result.kills}"
        station.panels.set(0, HIGH)
        run = station.start()
        wait_for(lambda: found(station, name, ["raise"]), "the alarm")
        station.panels.scanned(1, run.alive)
        run.stop()
        words = ["run", "--data", str(station.data)]
        _died(station.launched(words, point, nth, newer=True), result, (point, nth))
        run = station.launched(words, newer=True)
        station.panels.scanned(2, run.alive)
        result.activations += 1
        result.raised += len(found(station, name, ["raise", "reraise"]))
        with newer_schema():
            if run.stop() or not verify(station.data).ok:
                result.wrong.append(f"{point} {nth}: {verify(station.data).what}")
        own = [t["alarm"] for t in station.transitions() if t["alarm"].startswith("system/")]
        result.wrong += [f"{point} {nth}: {each}" for each in own]
    if result.raised != result.activations:
        result.wrong.append(f"{result.raised} raises of {result.activations}")
    return result


CHANGES: Sequence[tuple[str, Callable[[Station, int], Result]]] = (
    ("reloads", reloads), ("rotations", rotations), ("migrations", migrations),
)  # fmt: skip
