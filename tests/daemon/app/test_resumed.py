"""What a start reads of the run before it: how it ended, and what was said without a record."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from journaling import message

from parkwatch.daemon.app import resumed as module
from parkwatch.daemon.app.beside import Beside
from parkwatch.daemon.app.resumed import Resumed, entries, resumed
from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.rotate import Asked, rotate
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.daemon.store.database import open_writer

NOW = 1_700_000_000_000_000_000
RUN = Entry("start", {"pid": 7, "boot": "before"})


class Data:
    """A data folder whose daemon is not running."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "run").mkdir()
        self.db = open_writer(folder / "journal.db")

    def write(self, *what: Entry, at: int = NOW - 100, **more: Any) -> None:
        group = Group(entries=what, **more)
        Writer(self.db, Journal(self.db)).write([(group, at)])

    def beside(self, *lines: dict[str, Any]) -> None:
        made = Beside(self.folder)
        for line in lines:
            made.put(line)
        made.close()

    def start(self) -> Resumed:
        return resumed(self.folder, self.db, NOW)

    def gap(self) -> dict[str, Any]:
        found = self.start().gap
        assert found is not None
        return dict(found.body)


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Data]:
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(module, "boot_id", lambda: "before")
    made = Data(tmp_path)
    yield made
    made.db.close()


def test_a_stop_a_crash_and_a_host_without_power(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    data.write(RUN, Entry("stop", {"why": "SIGTERM"}))
    assert (data.gap()["why"], data.gap()["text"]) == ("stop", "SIGTERM")
    data.write(RUN)
    assert (data.gap()["why"], data.gap()["text"]) == ("crash", "")
    monkeypatch.setattr(module, "boot_id", lambda: "now")
    assert data.gap()["why"] == "unpowered"


def test_the_snapshot_is_the_heartbeat_of_an_hour_without_records(data: Data) -> None:
    data.write(RUN, at=NOW - 10_000)
    data.write(at=NOW - 50, snapshot={"engine": b"{}"})
    assert data.gap()["from"] == NOW - 50


def test_a_stop_is_known_over_a_rotation(data: Data) -> None:
    data.write(RUN, Entry("stop", {"why": "SIGTERM"}))
    data.db.close()
    rotate(data.folder, b"", Asked("test", "size"))
    data.db = open_writer(data.folder / "journal.db")
    assert (data.gap()["why"], data.gap()["from"]) == ("stop", NOW - 100)


def test_what_was_sent_unrecorded_is_not_sent_again_and_is_on_record(data: Data) -> None:
    known = message("a/b/c:gas|1|1|raise|0|0|work|zhangwei")
    data.write(RUN, messages=[known])
    sent = {"what": "announced", "key": known.key, "grade": "red", "at": NOW - 5, "attempt": 1,
            "state": "sent", "result": "HTTP 200", "provider": "webhook"}  # fmt: skip
    failed = {**sent, "key": "a/b/c:gas|1|1|raise|0|0|sms|zhangwei", "state": "failed"}
    lost = {"what": "transition", "alarm": "a/b/c:gas", "event": "raise", "grade": "red",
            "occurrence": 1, "version": 1, "received": NOW - 9, "cause": {"text": "…"}}  # fmt: skip
    data.beside({"what": "begin", "why": "JNL-010 disk I/O error"}, lost, sent, failed)
    before = data.start()
    assert before.unrecorded == "JNL-010 disk I/O error"
    gap = data.gap()
    assert (gap["why"], gap["lost"]) == ("journal", 1)
    assert gap["transitions"][0]["alarm"] == "a/b/c:gas"
    assert [line["state"] for line in gap["announced"]] == ["sent", "failed"]
    data.write(*entries(before), at=NOW, deliveries=before.deliveries)
    assert outbox.pending(data.db, NOW, 9) == []
    states = data.db.execute("SELECT key, state FROM outbox").fetchall()
    assert states == [(known.key, "sent")]


def test_what_was_announced_is_remembered_over_the_start_that_recorded_it(data: Data) -> None:
    line = {"what": "announced", "key": "k", "grade": "red", "at": NOW - 5}
    data.write(RUN, Entry("gap", {"why": "journal", "announced": [line]}), Entry("gap", {}))
    assert list(data.start().announced) == [line]


def test_a_file_that_names_no_key_stops_no_start(data: Data) -> None:
    data.write(RUN)
    data.beside({"what": "announced", "state": "sent"}, {"what": "transition"}, {"n": 1})
    before = data.start()
    assert before.deliveries == []
    assert before.gap is not None


def test_the_real_host_says_its_boot(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert len(module.boot_id()) == 36
    monkeypatch.setattr(module, "BOOT_ID", tmp_path / "gone")
    assert module.boot_id() == ""
