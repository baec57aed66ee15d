"""What may still be said on a line without transaction ids, and by whom nobody asked.

RTU answers carry unit, function and length only. A request that was given up leaves its answer
behind: until that cannot come any more, nothing is asked that it would fit but not belong to.
"""

from __future__ import annotations

from collections import deque

from parkwatch.drivers.modbus.frames import Heard, Read

LATE_S = 10.0
"""For so long an answer may be late; the slowest converters measured took 0.4 s."""
WAITING_MAX, ASKED_MAX = 256, 1_024
PROOF_S, PROOF_ANSWERS = 60.0, 3
YIELD_S, YIELD_S_MAX = 5.0, 30.0
UNITS_MAX = 32


class Late:
    """Requests that were given up and whose answers may still come; and what was asked at all."""

    def __init__(self) -> None:
        self._waiting: deque[tuple[Read, float]] = deque(maxlen=WAITING_MAX)
        self._asked: dict[Read, float] = {}

    def asked(self, read: Read, now: float) -> None:
        """Sent at `now` (loop seconds)."""
        self._asked.pop(read, None)
        self._asked[read] = now
        if len(self._asked) > ASKED_MAX:
            del self._asked[next(iter(self._asked))]

    def repeats(self, heard: Heard, now: float) -> bool:
        """Whether a frame could be an answer to anything that was asked lately."""
        return any(heard.answers(r) and at > now - LATE_S for r, at in self._asked.items())

    def add(self, read: Read, now: float) -> None:
        """Given up at `now` (loop seconds)."""
        self._waiting.append((read, now + LATE_S))

    def bars(self, read: Read, now: float) -> bool:
        """Whether an answer still to come would pass for one to this request."""
        self._forget(now)
        return any(each.like(read) for each, _ in self._waiting)

    def takes(self, heard: Heard, asked: Read | None, now: float) -> bool:
        """Whether a frame is such an answer and none to what is asked now; it then came."""
        self._forget(now)
        if asked is not None and heard.answers(asked) and not heard.excepts:
            return False
        fits = [each for each in self._waiting if heard.answers(each[0])]
        if asked is not None and heard.answers(asked) and all(r == asked for r, _ in fits):
            return False
        if fits:
            self._waiting.remove(fits[0])
        return bool(fits)

    def _forget(self, now: float) -> None:
        while self._waiting and self._waiting[0][1] < now:
            self._waiting.popleft()


class SecondMaster:
    """Notices another master on the bus, and for how long it is given way.

    A request that is not ours is proof; answers that nobody asked for are, if they come again.
    """

    def __init__(self) -> None:
        self.units: set[int] = set()
        """The unit ids heard in its traffic."""
        self.until = 0.0
        """Loop seconds before which nothing is asked."""
        self._answers: deque[float] = deque(maxlen=PROOF_ANSWERS)
        self._heard_at = 0.0
        self._pause_s = 0.0

    @property
    def there(self) -> bool:
        """Whether one is known of."""
        return self._pause_s > 0

    def hear(self, heard: Heard, now: float) -> None:
        """A frame that belongs to no request of ours."""
        if not heard.asks:
            self._answers.append(now)
            again = len(self._answers) == PROOF_ANSWERS and self._answers[0] > now - PROOF_S
            if not self.there and not again:
                return
        if len(self.units) < UNITS_MAX:
            self.units.add(heard.unit)
        self._heard_at = now
        if now >= self.until:
            self._pause_s = min(2 * self._pause_s, YIELD_S_MAX) if self.there else YIELD_S
        self.until = now + self._pause_s

    def gone(self, now: float) -> bool:
        """Whether it was there and has been silent for long; it is then forgotten."""
        if not self.there or now < max(self._heard_at + PROOF_S, self.until):
            return False
        self.units.clear()
        self._answers.clear()
        self._pause_s = 0.0
        return True
