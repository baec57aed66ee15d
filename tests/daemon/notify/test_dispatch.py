"""What the sender decides, crash by crash on a clock of our own: said once, or said to be again."""

import tempfile
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from notifying import make_directory, make_site

from parkwatch.daemon.journal.journal import Entry, Journal, records
from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.notify.dispatch import HISTORY_NS, OVER, REPEAT, Dispatcher, Step
from parkwatch.daemon.notify.ways import Result
from parkwatch.daemon.outbox import messages as outbox
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.pipeline.writer import Group, Writer
from parkwatch.daemon.store.database import open_writer
from parkwatch.rules.site import SECOND_NS as S

NOW = 1_764_050_590 * S
OK = Result(ok=True, text="HTTP 200")
FAILED = Result(ok=False, text="HTTP 500")
TERMINAL = {"sent", "failed", "superseded", "expired"}


def about(n: int, version: int = 1, grade: str = "orange", **more: Any) -> Message:
    """Message `version` of alarm n to zhangwei, over `work` unless told otherwise."""
    fields: dict[str, Any] = {
        "alarm": f"hd/p/{n}:gas", "occurrence": 1, "version": version, "kind": "raise", "tier": 0,
        "repeat": 0, "channel": "work", "person": "zhangwei", "target": "zhangwei", "title": "",
        "text": f"报警{n} v{version}", "grade": grade, "drill": False, "created": NOW, "due": NOW,
        **more,
    }  # fmt: skip
    parts = ("alarm", "occurrence", "version", "kind", "tier", "repeat", "channel", "target")
    return Message(key="|".join(str(fields[name]) for name in parts), **fields)


class Desk:
    """An outbox on a real file, a dispatcher that may die, and what a provider got."""

    def __init__(self, per_minute: int = 600) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.db = open_writer(Path(self.folder.name) / "journal.db")
        self.db.execute("PRAGMA synchronous=OFF")  # The process dies here, the disk does not.
        self.writer = Writer(self.db, Journal(self.db))
        made = make_directory()
        slow = {c.id: replace(c, per_minute=per_minute) for c in made.channels.values()}
        directory = Directory(made.people, slow, made.chains)
        self.policy = ChainPolicy(make_site(), directory, "Asia/Shanghai")
        self.now = NOW
        self.over: set[str] = set()
        self.got: list[Message] = []
        self.start()

    def start(self) -> None:
        """A new process on the same disk."""
        self.core = Dispatcher(
            self.policy, self.now, lambda alarm, _: alarm in self.over,
            lambda key: outbox.known(self.db, key),
        )  # fmt: skip

    def close(self) -> None:
        self.db.close()
        self.folder.cleanup()

    def commit(self, group: Group | None) -> None:
        if group is not None:
            self.writer.write([(group, self.now)])

    def say(self, *messages: Message) -> None:
        """What a turn of the pipeline does."""
        entries = [Entry("message", message.body()) for message in messages]
        self.commit(Group(entries, messages=messages))

    def look(self) -> Step:
        """One look of the sender, committed; its calls are still to be made."""
        before = self.core.looks_back(self.now)
        if before is not None:
            step = self.core.forget(outbox.history(self.db, before, 500), self.now)
            if step.group is not None:
                self.commit(step.group)
                return step
        step = self.core.look(outbox.pending(self.db, self.now, 500), self.now)
        self.commit(step.group)
        return step

    def call(self, message: Message, result: Result) -> None:
        self.got.append(message)
        self.answer(message, result)

    def answer(self, message: Message, result: Result) -> None:
        self.commit(self.core.answered(message, result, self.now).group)
        self.core.freed(message.channel)

    def calm(self) -> None:
        """Looks and answers until nothing is left to do now."""
        for _ in range(1_000):
            step = self.look()
            for message in step.calls:
                self.call(message, OK)
            if step.group is None:
                return
        raise AssertionError("it never came to rest")

    def states(self) -> dict[str, str]:
        return dict(self.db.execute("SELECT key, state FROM outbox").fetchall())


@pytest.fixture
def desk() -> Any:
    made = Desk()
    yield made
    made.close()


def test_a_thousand_pending_of_fifty_alarms_are_fifty_a_person_after_an_outage(desk: Desk) -> None:
    grades = ("red", "orange", "yellow", "blue")
    waiting = [
        about(n, version, grades[version % 4], person=person, target=person)
        for person in ("zhangwei", "liqiang")
        for n in range(50)
        for version in range(1, 21)
    ]
    outbox.add(desk.db, waiting)
    desk.now += HISTORY_NS
    desk.start()
    desk.calm()
    got = Counter(message.person for message in desk.got)
    assert got == {"zhangwei": 50, "liqiang": 50}
    assert {message.version for message in desk.got} == {20}
    assert Counter(desk.states().values()) == {"sent": 100, "superseded": 1_900}


def test_what_took_over_from_a_red_goes_out_first(desk: Desk) -> None:
    outbox.add(desk.db, [about(n, grade="orange", created=NOW - 1) for n in range(20)])
    outbox.add(desk.db, [about(99, 1, "red"), about(99, 2, "blue", kind="return")])
    desk.now += HISTORY_NS
    assert desk.look().calls == []  # History first.
    assert desk.look().calls[0].key == about(99, 2, "blue", kind="return").key


def test_a_newer_word_of_another_alarm_person_or_channel_is_no_newer_word(desk: Desk) -> None:
    other = about(1, 2, channel="sms")
    outbox.add(desk.db, [about(1), about(2, 2), about(1, 2, person="liqiang", target="l"), other])
    desk.now += HISTORY_NS
    desk.calm()
    assert set(desk.states().values()) == {"sent"}


def test_a_moment_apart_both_words_are_told(desk: Desk) -> None:
    outbox.add(desk.db, [about(1, 1, "red"), about(1, 2, "yellow")])
    desk.calm()
    assert [message.version for message in desk.got] == [1, 2]


def test_a_call_to_what_has_ended_meanwhile_says_so(desk: Desk) -> None:
    desk.say(about(1), about(2), about(3, kind="return"))
    desk.over = {about(1).alarm, about(3).alarm}
    desk.calm()
    texts = {message.alarm: message.text for message in desk.got}
    assert texts[about(1).alarm] == f"{OVER}报警1 v1"
    assert texts[about(2).alarm] == "报警2 v1"
    assert texts[about(3).alarm] == "报警3 v1"


def test_a_try_in_doubt_is_marked_for_ever_and_a_plain_failure_is_not(desk: Desk) -> None:
    desk.say(about(1), about(2), about(3))
    unsure = Result(ok=False, text="no answer", unsure=True)
    first, second, crashed = desk.look().calls
    desk.call(first, FAILED)
    desk.call(second, unsure)
    desk.got.append(crashed)
    desk.start()
    again = desk.core.restart(outbox.ambiguous(desk.db), desk.now)
    desk.commit(again.group)
    assert [m.text for m in again.calls] == [f"{REPEAT}{crashed.text}"]
    desk.call(again.calls[0], FAILED)
    desk.now += 60 * S
    texts = {m.alarm: m.text for m in desk.look().calls if m.channel == "work"}
    assert texts[first.alarm] == first.text
    assert texts[second.alarm] == f"{REPEAT}{second.text}"
    assert texts[crashed.alarm] == f"{REPEAT}{crashed.text}"  # Once, not twice.


def test_after_hours_what_was_in_doubt_helps_nobody(desk: Desk) -> None:
    desk.say(about(1, grade="red"))
    desk.look()
    desk.now += 3 * 3600 * S
    desk.start()
    step = desk.core.restart(outbox.ambiguous(desk.db), desk.now)
    desk.commit(step.group)
    assert (step.calls, list(desk.states().values())) == ([], ["expired"])


def test_a_crash_in_the_first_try_does_not_cost_the_next_channel(desk: Desk) -> None:
    desk.say(about(1))
    desk.look()
    desk.start()
    step = desk.core.restart(outbox.ambiguous(desk.db), desk.now)
    desk.commit(step.group)
    desk.call(step.calls[0], FAILED)
    assert about(1, channel="sms").key in desk.states()
    desk.start()  # And the journal names that message once, however often it fails.
    desk.now += 60 * S
    for message in desk.look().calls:
        desk.call(message, FAILED)
    named = [r.body["key"] for r in records(desk.db, kinds=["message"])]
    assert len(named) == len(set(named)) == 2


def test_a_channel_that_is_gone_hands_over(desk: Desk) -> None:
    lanes = desk.core._lanes
    desk.say(about(1))
    del lanes["work"]
    desk.calm()
    assert desk.states() == {about(1).key: "failed", about(1, channel="sms").key: "sent"}


class Crashes(RuleBasedStateMachine):
    """Outbox and dispatcher with a crash at every step: before and after each commit and call."""

    @initialize()
    def begin(self) -> None:
        self.desk = Desk()
        self.flying: list[Message] = []
        self.crashes: Counter[str] = Counter()
        self.doubts: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()

    def teardown(self) -> None:
        if not hasattr(self, "desk"):
            return
        try:
            self.heal()
        finally:
            self.desk.close()

    @rule(n=st.integers(0, 2), grade=st.sampled_from(["red", "orange", "yellow", "blue"]),
          kind=st.sampled_from(["raise", "rise", "return"]))  # fmt: skip
    def say(self, n: int, grade: str, kind: str) -> None:
        self.versions[n] += 1
        now = self.desk.now
        self.desk.say(about(n, self.versions[n], grade, kind=kind, created=now, due=now))

    @rule(seconds=st.sampled_from([1, 5, 21, 60, 121, 700]))
    def wait(self, seconds: int) -> None:
        self.desk.now += seconds * S

    @rule()
    def look(self) -> None:
        self.flying += self.desk.look().calls

    @rule()
    def look_and_crash_before_the_commit(self) -> None:
        desk = self.desk
        desk.core.look(outbox.pending(desk.db, desk.now, 500), desk.now)
        self.crash()

    @precondition(lambda self: self.flying)
    @rule(result=st.sampled_from(["ok", "failed", "unsure"]), data=st.data())
    def answer(self, result: str, data: Any) -> None:
        message = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        if result == "unsure":
            self.doubts[message.key] += 1
        told = {"ok": OK, "failed": FAILED, "unsure": replace(FAILED, unsure=True)}[result]
        if result == "failed":
            self.desk.answer(message, told)  # Refused: nobody got it.
        else:
            self.desk.call(message, told)

    @precondition(lambda self: self.flying)
    @rule()
    def called_and_crash_before_the_answer_is_written(self) -> None:
        self.desk.got.append(self.flying[0])
        self.crash()

    @rule()
    def crash(self) -> None:
        self.crashes.update(message.key for message in self.flying)
        self.flying = []
        self.desk.start()
        step = self.desk.core.restart(outbox.ambiguous(self.desk.db), self.desk.now)
        self.desk.commit(step.group)
        self.flying = list(step.calls)

    @invariant()
    def nothing_is_said_twice_without_saying_so(self) -> None:
        got = Counter(message.key for message in self.desk.got)
        for key, times in got.items():
            assert times <= 1 + self.crashes[key] + self.doubts[key]
        seen: set[str] = set()
        for message in self.desk.got:
            if message.key in seen:
                assert REPEAT in message.text
            seen.add(message.key)

    @invariant()
    def what_is_called_is_on_disk_as_sending(self) -> None:
        states = self.desk.states()
        assert all(states[message.key] == "sending" for message in self.flying)
        sending = [key for key, state in states.items() if state == "sending"]
        assert len(sending) == len(self.flying)

    def heal(self) -> None:
        """Everything works again: each last word arrives, or was too old to help."""
        for message in self.flying:
            self.desk.call(message, OK)
        for _ in range(50):
            self.desk.calm()
            self.desk.now += 100 * S
        states = self.desk.states()
        assert set(states.values()) <= TERMINAL
        for n, version in self.versions.items():
            last = [key for key in states if key.startswith(f"hd/p/{n}:gas|1|{version}|")]
            assert {states[key] for key in last} & {"sent", "expired"}
        named = [r.body["key"] for r in records(self.desk.db, kinds=["message"])]
        assert len(named) == len(set(named)) == len(states)


def test_a_crash_anywhere_loses_nothing_and_repeats_only_what_is_in_doubt() -> None:
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Crashes, settings=settings(max_examples=60, stateful_step_count=30, deadline=None)
    )
