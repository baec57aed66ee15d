"""The daemon's own troubles, on real processes: a disk that takes no more, a stop, a crash."""

import json
import resource
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from station import HIGH, Run, Station, found, station, wait_for
from storming import alarm

from parkwatch.daemon.journal.verify import verify

UNRECORDED = "system/journal:unrecorded"
MARK = "未记录 not recorded"
RED, ALSO_RED = 0, 4
JOURNAL_IO = 70
RUNS: list[Run] = []


@pytest.fixture(scope="module")
def parks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with station(tmp_path_factory.mktemp("park"), 8) as made:
        yield made


@pytest.fixture
def park(parks: Station, tmp_path: Path) -> Iterator[Station]:
    """The same panels and phone with a folder of its own; a daemon that is left is killed."""
    parks.data = tmp_path / "data"
    parks.phone.bodies.clear()
    for point in range(8):
        parks.panels.set(point, 0)
    yield parks
    for run in RUNS:
        run.kill()
    RUNS.clear()


def bodies(park: Station, kind: str) -> list[dict[str, Any]]:
    rows = park.rows("SELECT body FROM record WHERE kind = ? ORDER BY seq", kind)
    return [json.loads(body) for (body,) in rows]


def raised(park: Station, point: int) -> bool:
    return bool(found(park, alarm(point), ["raise"]))


def state(park: Station, name: str) -> dict[str, Any]:
    items = {item["id"]: item for item in park.ask("alarms")["items"]}
    return dict(items.get(name, {}))


def started(park: Station) -> Run:
    run = park.start()
    RUNS.append(run)
    wait_for((park.data / "run" / "live.sock").exists, "it serves")
    return run


def fail(run: Run) -> None:
    """From here on the kernel refuses the daemon every write behind the first bytes of a file."""
    resource.prlimit(run.pid, resource.RLIMIT_FSIZE, (8_192, resource.RLIM_INFINITY))


def side(park: Station) -> str:
    path = park.data / "run" / "unrecorded.jsonl"
    return path.read_text("utf-8") if path.exists() else ""


@pytest.mark.timeout(90)
def test_a_red_alarm_reaches_people_while_nothing_can_be_recorded(park: Station) -> None:
    run = started(park)
    park.panels.set(RED, HIGH)
    wait_for(lambda: raised(park, RED), "the first alarm is on record")
    fail(run)
    park.panels.set(ALSO_RED, HIGH)
    # Over the stream of the consoles it comes with the mark, apart from what has a sequence.
    wait_for(lambda: state(park, alarm(ALSO_RED)).get("unrecorded"), "shown with the mark")
    assert not state(park, alarm(RED)).get("unrecorded")
    assert park.ask("health")["unrecorded"]["why"].startswith("JNL-010")
    assert run.wait() == JOURNAL_IO
    (text,) = [t for t in park.texts() if "P-4" in t]
    assert text.endswith(MARK)
    assert any("日志未记录" in t and t.endswith(MARK) for t in park.texts())
    assert not raised(park, ALSO_RED)
    assert verify(park.data).ok
    assert side(park)

    run = started(park)
    wait_for(lambda: raised(park, ALSO_RED), "the next start raises it on record")
    wait_for(lambda: state(park, UNRECORDED).get("core") == "latched_unack", "until it is reset")
    (gap,) = bodies(park, "gap")
    assert (gap["why"], gap["points"]) == ("journal", "all")
    assert gap["from"] < gap["to"]
    assert {t["alarm"] for t in gap["transitions"]} >= {UNRECORDED, alarm(ALSO_RED)}
    keys = {line["key"].partition("|")[0] for line in gap["announced"]}
    assert {UNRECORDED, alarm(ALSO_RED)} <= keys
    assert side(park) == ""
    assert run.stop() == 0
    assert verify(park.data).ok


@pytest.mark.timeout(90)
def test_a_kill_while_nothing_can_be_recorded_loses_nothing_more(park: Station) -> None:
    run = started(park)
    park.panels.set(RED, HIGH)
    wait_for(lambda: raised(park, RED), "an alarm on record")
    fail(run)
    park.panels.set(ALSO_RED, HIGH)
    wait_for(lambda: alarm(ALSO_RED) in side(park), "what was lost is noted beside")
    run.kill()
    run = started(park)
    wait_for(lambda: raised(park, ALSO_RED), "the next start raises it on record")
    (gap,) = bodies(park, "gap")
    assert gap["why"] == "journal"
    assert alarm(ALSO_RED) in {t["alarm"] for t in gap["transitions"]}
    assert run.stop() == 0
    run = started(park)  # and a start after a clean stop has nothing to say of it any more
    wait_for(lambda: len(bodies(park, "gap")) == 2, "the gap of the stop")
    assert bodies(park, "gap")[1]["why"] == "stop"
    raises = found(park, UNRECORDED, ["raise", "reraise"])
    assert len(raises) == 1
    assert run.stop() == 0


@pytest.mark.timeout(90)
def test_every_time_without_watch_is_a_gap_with_its_reason(park: Station) -> None:
    run = started(park)
    park.panels.set(RED, HIGH)
    wait_for(lambda: raised(park, RED), "an alarm on record")
    assert bodies(park, "gap") == []  # the first start goes on with nothing
    assert run.stop() == 0  # within the 10 s that SIGTERM has, or the deadline of the test's wait
    last = park.rows("SELECT max(time) FROM record")[0][0]
    (stop,) = bodies(park, "stop")
    assert stop["why"] == "SIGTERM"
    run = started(park)
    wait_for(lambda: bodies(park, "gap"), "the gap of the stop")
    run.kill()
    run = started(park)
    wait_for(lambda: len(bodies(park, "gap")) == 2, "the gap of the crash")
    assert run.stop() == 0
    stopped, crashed = bodies(park, "gap")
    assert (stopped["why"], stopped["text"], stopped["from"]) == ("stop", "SIGTERM", last)
    assert (crashed["why"], crashed["points"]) == ("crash", "all")
    assert not stopped["rebooted"]
    starts = [body for body in bodies(park, "start") if "pid" in body]
    assert len({body["boot"] for body in starts}) == 1
