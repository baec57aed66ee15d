"""A disposition through the daemon: one transaction, the same after a restart, with evidence."""

import hashlib
from pathlib import Path
from typing import Any

import pytest
import small_park
from small_park import ALONE, LEVEL, O2, T0, TRIP, A, B, S

from parkwatch.daemon.app.evidence import BYTES_MAX, sha256_of
from parkwatch.daemon.app.restore import memory, remember, restore
from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.journal.journal import Journal, records
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.pipeline.turn import Asked, Turns, Work
from parkwatch.daemon.pipeline.writer import Writer
from parkwatch.daemon.store.database import open_writer
from parkwatch.rules.disposition import Disposition
from parkwatch.rules.engine import Engine
from parkwatch.rules.fault import Fault
from parkwatch.rules.transition import Command

GAS = "hd/panel-1/ch4-03:gas"
HOUR = 3600 * S
TEXTS = {"cause": "误报:蒸汽", "measure": "移位", "evidence": "照片"}


CALM = {A: 0.0, B: 0.0, ALONE: 30.0, O2: 20.9, LEVEL: 0.0, TRIP: 0.0}
READINGS = [small_park.batch(at, CALM) for at in range(1, 60, 2)]


def asked(number: int, occurrence: int, **details: Any) -> Asked:
    command = Command(f"c{number}", "dispose", GAS, occurrence, 1, "wang", "operator",
                      details={**TEXTS, **details})  # fmt: skip
    answer: Any = None
    return Asked(command, {}, answer)


class Daemon:
    """Turns on a real journal, without a loop; `restart` is a new process on the same disk."""

    def __init__(self, folder: Path) -> None:
        self.db = open_writer(folder / "journal.db")
        self.now = T0
        self.restart()

    def restart(self) -> None:
        self.journal = Journal(self.db)
        self.writer = Writer(self.db, self.journal)
        engine = Engine(small_park.site(), self.now)
        restore(engine, self.db, self.now)
        people = {n: Person(n, n, "operator", "", "", (), ("work",)) for n in ("wang", "lead")}
        tiers = dict.fromkeys(("yellow", "orange", "red"), ("wang",))
        chain = Chain(tiers, {}, dict.fromkeys(tiers, (("lead",),)))
        channels = {"work": Channel("work", "webhook", "http://127.0.0.1:9")}
        directory = Directory(people, channels, {"default": chain})
        policy = ChainPolicy(engine.site, directory, "Asia/Shanghai")
        links: Any = None
        self.turns = Turns(engine, links, lambda: self.now, policy)
        remember(self.turns, policy, self.db)
        self.turns.memory = lambda: memory(self.turns, policy)

    def turn(self, *items: Any) -> list[dict[str, Any]]:
        """One turn; the answers of its commands."""
        work = Work()
        for item in items:
            self.turns.take(item, work)
        self.turns.advance(work)
        group = self.turns.group(work)
        if group is not None:
            self.writer.write([(group, self.now)])
        return [answer for _, answer in work.answers]

    def raised(self) -> int:
        """The occurrence of a yellow alarm."""
        self.now = T0 + 60 * S
        self.turn(*READINGS)
        return self.found().occurrence

    def found(self) -> Disposition:
        """Of the one alarm that this is about; what is stale after hours has its own."""
        (found,) = [d for d in self.turns.dispositions.unfinished() if d.alarm == GAS]
        return found

    def dispose(self, number: int, occurrence: int, **details: Any) -> dict[str, Any]:
        (told,) = self.turn(asked(number, occurrence, **details))
        return told

    def kinds(self, kind: str) -> list[dict[str, Any]]:
        return [dict(record.body) for record in records(self.db, kinds=[kind])]


@pytest.fixture
def daemon(tmp_path: Path) -> Any:
    made = Daemon(tmp_path)
    yield made
    made.db.close()


def overdue(daemon: Daemon) -> list[str]:
    rows = daemon.db.execute(
        "SELECT person FROM outbox WHERE kind = 'overdue' AND alarm = ?", (GAS,)
    ).fetchall()
    return [person for (person,) in rows]


@pytest.mark.parametrize("snapshot", [False, True])
def test_overdue_while_the_daemon_was_down_is_told_at_once_and_once(
    daemon: Daemon, *, snapshot: bool
) -> None:
    daemon.raised()
    if snapshot:
        daemon.turns.snapshot_next()
        daemon.turn()
    before = daemon.found()
    daemon.now += 9 * HOUR
    daemon.restart()
    assert daemon.found() == before
    assert daemon.turns.dispositions.next_due() == before.due < daemon.now
    daemon.turn()
    assert overdue(daemon) == ["lead"]
    for _ in range(2):
        daemon.restart()
        daemon.turn()
    assert overdue(daemon) == ["lead"]
    assert [b["event"] for b in daemon.kinds("disposition") if b["alarm"] == GAS] == [
        "open",
        "overdue",
    ]


def test_a_command_that_is_repeated_after_a_crash_changes_nothing(daemon: Daemon) -> None:
    occurrence = daemon.raised()
    assert daemon.dispose(1, occurrence) == {"ok": True}
    daemon.restart()
    assert daemon.dispose(1, occurrence, measure="另写") == {"ok": True}
    found = daemon.found()
    assert (found.state, found.measure, found.revision) == ("handled", "移位", 2)
    refused = daemon.dispose(2, occurrence)
    assert refused["error"]["status"] == 409
    assert len(daemon.kinds("command")) == 2


def test_an_alarm_is_disposed_of_in_the_turn_that_raises_it(daemon: Daemon, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Daemon(tmp_path / "other")
    occurrence = other.raised()  # Computed from the readings alone: the same in every process.
    other.db.close()
    daemon.now = T0 + 60 * S
    assert daemon.turn(*READINGS, asked(1, occurrence)) == [{"ok": True}]
    before = daemon.found()
    daemon.restart()
    assert daemon.found() == before
    assert before.state == "handled"


def test_records_stand_in_the_order_in_which_things_happened(daemon: Daemon) -> None:
    daemon.raised()
    kinds = [r.kind for r in records(daemon.db) if r.kind != "command"]
    at = kinds.index("transition")
    assert kinds[at : at + 3] == ["transition", "disposition", "message"]


def test_an_evidence_file_is_named_with_its_hash_and_no_other_file_is(tmp_path: Path) -> None:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "照片 1.jpg").write_bytes(b"photo")
    (tmp_path / "secret").write_bytes(b"x")
    assert sha256_of(tmp_path, "evidence/照片 1.jpg") == hashlib.sha256(b"photo").hexdigest()
    assert sha256_of(tmp_path, "现场照片在班组") == ""
    (folder / "link").symlink_to(tmp_path / "secret")
    with (folder / "big").open("wb") as big:
        big.truncate(BYTES_MAX + 1)
    wrong = ("evidence/no", "evidence/../secret", "evidence/link", "evidence/", "evidence/big",
             "evidence/a\x00b")  # fmt: skip
    for name in wrong:
        with pytest.raises(Fault) as refused:
            sha256_of(tmp_path, name)
        assert refused.value.code == "API-422"
