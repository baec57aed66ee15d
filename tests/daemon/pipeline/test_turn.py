"""What a turn saves: a daemon that is killed again and again still ends its delays."""

from collections.abc import Sequence

import small_park
from small_park import LEVEL, T0, S

from parkwatch.daemon.journal.journal import Entry
from parkwatch.daemon.pipeline.turn import Turns, Work
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.engine import Engine
from parkwatch.rules.transition import Transition


class NoLinks:
    def react(self, event: DriverEvent) -> tuple[Sequence[Entry], Sequence[Transition]]:
        raise AssertionError(event)


class Life:
    """One life of a daemon: a snapshot is all that it leaves behind."""

    def __init__(self, at: float, snapshot: bytes | None) -> None:
        self.now = T0 + round(at * S)
        self.engine = Engine(small_park.site(), self.now)
        if snapshot is not None:
            self.engine.restore(snapshot, [], self.now)
        self.turns = Turns(self.engine, NoLinks(), lambda: self.now)
        self.turns.memory = lambda: {"engine": self.engine.snapshot()}
        self.saved = snapshot

    def read(self, at: float, value: float) -> list[Transition]:
        self.now = T0 + round(at * S)
        work = Work()
        self.turns.take(small_park.batch(at, {LEVEL: value}), work)
        self.turns.advance(work)
        group = self.turns.group(work)
        if group is not None and group.snapshot:
            self.saved = group.snapshot["engine"]
        return work.transitions


def test_lives_shorter_than_a_delay_add_up_to_it() -> None:
    """The level's on-delay is 15 s; each life lasts 5 s and is killed without a word."""
    said: list[Transition] = []
    snapshot: bytes | None = None
    for life in range(8):
        daemon = Life(20 * life, snapshot)
        for second in range(6):
            said += daemon.read(20 * life + second, -80.0)
        snapshot = daemon.saved
    assert ("raise", "hd/panel-1/lt-01:low") in [(t.event, t.alarm) for t in said]


def test_what_was_restored_is_saved_by_the_first_turn() -> None:
    daemon = Life(0, None)
    daemon.read(1, 0.0)
    assert daemon.saved is not None
