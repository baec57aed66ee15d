"""The outbox: nobody's last word is dropped, red goes first, a crash leaves no guessing."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from journaling import message

from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox import timers
from parkwatch.daemon.outbox.messages import Delivery
from parkwatch.daemon.outbox.timers import Timer, all_timers
from parkwatch.daemon.store.database import open_writer


@pytest.fixture
def db(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    made = open_writer(tmp_path / "journal.db")
    yield made
    made.close()


def waiting(db: sqlite3.Connection, now: int = 10) -> list[str]:
    return [m.key for m in outbox.pending(db, now, 99)]


def moved(db: sqlite3.Connection, key: str, state: str, due: int = 0) -> None:
    outbox.apply(db, [Delivery(key, 1, state, "结果", "apprise", 6, due)])


def test_a_message_comes_back_as_it_went_in(db: sqlite3.Connection) -> None:
    one = replace(message("k"), drill=True, due=3)
    outbox.add(db, [one])
    assert outbox.pending(db, 3, 9) == [one]
    assert outbox.pending(db, 2, 9) == []


def test_red_goes_first_then_the_oldest(db: sqlite3.Connection) -> None:
    rows = [("b", "blue", 1), ("y", "yellow", 2), ("r2", "red", 4), ("o", "orange", 2)]
    outbox.add(db, [message(*row) for row in rows])
    outbox.add(db, [message("r1", "red", 3), message("test", "", 0)])
    assert waiting(db) == ["r1", "r2", "o", "y", "b", "test"]
    assert [m.key for m in outbox.pending(db, 10, 2)] == ["r1", "r2"]


def test_a_key_is_one_message_for_ever(db: sqlite3.Connection) -> None:
    outbox.add(db, [message("k")])
    moved(db, "k", "sent")
    outbox.add(db, [message("k")])
    assert waiting(db) == []
    assert outbox.counts(db) == {
        "pending": 0, "sending": 0, "sent": 1, "failed": 0, "superseded": 0, "expired": 0
    }  # fmt: skip


def test_after_a_crash_only_what_was_being_sent_is_in_doubt(db: sqlite3.Connection) -> None:
    outbox.add(db, [message("a"), message("b"), message("c", "blue"), message("d")])
    for key, state in (("a", "sent"), ("c", "sending"), ("d", "sending")):
        moved(db, key, state)
    assert [m.key for m in outbox.ambiguous(db)] == ["d", "c"]
    assert [m.attempt for m in outbox.ambiguous(db)] == [1, 1]


def test_what_failed_for_now_waits_until_it_is_due(db: sqlite3.Connection) -> None:
    outbox.add(db, [message("k")])
    moved(db, "k", "pending", due=50)
    assert waiting(db, 49) == []
    assert waiting(db, 50) == ["k"]


def test_a_state_that_is_none_is_refused(db: sqlite3.Connection) -> None:
    with pytest.raises(ValueError, match="no outbox state"):
        moved(db, "k", "delivered?")


def test_a_newer_word_supersedes_what_still_waits_for_the_same_person(
    db: sqlite3.Connection,
) -> None:
    old, new = message("old"), message("new", version=2, created=2)
    others = [
        replace(old, key="person", person="liping"),
        replace(old, key="channel", channel="sms"),
        replace(old, key="alarm", alarm="a/b/d:gas"),
        replace(old, key="newer", version=3),
        replace(old, key="flying"),
    ]
    outbox.add(db, [old, *others])
    moved(db, "flying", "sending")
    outbox.add(db, [new])
    outbox.supersede(db, [new])
    assert sorted(waiting(db)) == ["alarm", "channel", "new", "newer", "person"]
    assert [m.key for m in outbox.ambiguous(db)] == ["flying"]


def test_a_flood_is_not_searched_through_for_every_message(db: sqlite3.Connection) -> None:
    said: list[str] = []
    db.set_trace_callback(said.append)
    outbox.supersede(db, [message("k")])
    db.set_trace_callback(None)
    plan = db.execute(f"EXPLAIN QUERY PLAN {said[-1]}").fetchall()
    assert "outbox_recipient (alarm=? AND person=?)" in plan[0][3]  # Else 500 alarms take 1 s.


def test_red_never_gives_way_to_a_lower_grade(db: sqlite3.Connection) -> None:
    outbox.add(db, [message("red"), message("returned", "blue", 2, version=2)])
    outbox.supersede(db, [message("returned", "blue", 2, version=2)])
    assert waiting(db) == ["red", "returned"]


def test_repeats_do_not_pile_up_while_a_channel_is_down(db: sqlite3.Connection) -> None:
    for repeat in range(4):
        again = replace(message(f"r{repeat}", created=repeat), repeat=repeat)
        outbox.add(db, [again])
        outbox.supersede(db, [again])
    assert waiting(db) == ["r3"]


def test_messages_without_an_alarm_supersede_nothing(db: sqlite3.Connection) -> None:
    first = replace(message("digest-1"), alarm="", occurrence=0, version=0)
    second = replace(first, key="digest-2", repeat=1)
    outbox.add(db, [first, second])
    outbox.supersede(db, [second])
    assert sorted(waiting(db)) == ["digest-1", "digest-2"]


def test_a_superseded_message_does_not_come_back_but_sent_is_sent(db: sqlite3.Connection) -> None:
    outbox.add(db, [message("old"), message("new", version=2)])
    outbox.supersede(db, [message("new", version=2)])
    moved(db, "old", "sending")  # The sender had read the row before.
    assert outbox.ambiguous(db) == []
    moved(db, "old", "pending")
    assert waiting(db) == ["new"]
    moved(db, "old", "sent")
    assert outbox.counts(db)["sent"] == 1


def test_a_broken_text_from_a_phone_can_be_stored(db: sqlite3.Connection) -> None:
    outbox.add(db, [replace(message("k\ud800"), text="气味\udc00大", target="1\ud83d38")])
    found = outbox.pending(db, 9, 9)[0]
    assert (found.key, found.text, found.target) == ("k�", "气味�大", "1�38")
    moved(db, "k\ud800", "sent")
    assert waiting(db) == []


def test_timers_outlive_the_connection(tmp_path: Path) -> None:
    db = open_writer(tmp_path / "journal.db")
    late, soon = Timer("late", 9, {"alarm": "罐区\ud800"}), Timer("soon", 5, {"tier": 1})
    timers.put(db, [late, Timer("soon", 7, {}), soon, Timer("gone", 1, {})])
    timers.drop(db, ["gone", "never there"])
    db.close()
    db = open_writer(tmp_path / "journal.db")
    assert [t.key for t in all_timers(db)] == ["soon", "late"]
    assert all_timers(db)[0] == soon
    db.close()
