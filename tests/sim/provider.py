"""The people's end of the wire: a provider that accepts, refuses, says nothing after having
delivered, says 200 with an error, or is slow; all that it was given is in its log."""

from __future__ import annotations

from dataclasses import dataclass

from sim.chance import Chance, S

from parkwatch.daemon.notify.ways import Result
from parkwatch.daemon.outbox.messages import Message

TRY_NS = 15 * S
"""After that the sender gives up waiting."""
MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Call:
    """One try: when (after the call) it is delivered, None where it is not; when it is answered and
    how; `unsure`: delivered or not, the answer does not say."""

    message: Message
    delivered: int | None
    answered: int
    result: Result


class Provider:
    """Decides each call as it comes."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rng = chance.stream("provider")

    def call(self, message: Message) -> Call:
        """What will become of it."""
        rng, hits = self._rng, self._chance.hits
        takes = rng.randrange(20, 400) * MS
        if hits("slow_provider", rng, 0.1):
            takes = rng.randrange(2, 14) * S
        if hits("times_out", rng, 0.08):
            came = rng.random() < 0.7
            silence = Result(ok=False, text="no answer", unsure=True)
            return Call(message, takes if came else None, TRY_NS, silence)
        if hits("refuses", rng, 0.15):
            return Call(message, None, takes, Result(ok=False, text="503"))
        if hits("error_in_body", rng, 0.1):
            final = rng.random() < 0.3
            return Call(message, None, takes, Result(ok=False, text="200: 45009", final=final))
        return Call(message, takes // 2, takes, Result(ok=True, text="ok"))
