"""Who was told of an alarm's occurrence: they hear how it ends, whoever they are by then."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from parkwatch.daemon.outbox.messages import Message

CHANNEL = -2
"""Where a message key names its channel (contracts.md, Message key)."""


class Told:
    """By alarm, the newest occurrence that anybody was told of, and (person, channel) of each.

    Built from the journal's `message` records, so that it is right before the outbox is committed
    and after the outbox was emptied.
    """

    def __init__(self) -> None:
        self._of: dict[str, tuple[int, dict[tuple[str, str], None]]] = {}

    def note(self, messages: Iterable[Message]) -> None:
        """Messages that are on their way."""
        for m in messages:
            self._add(m.alarm, m.occurrence, m.person, m.channel)

    def persons(self, alarm: str, occurrence: int) -> Sequence[tuple[str, str]]:
        """Everybody who got a message of this occurrence, with the channel; empty where nobody."""
        newest, persons = self._of.get(alarm, (0, {}))
        return list(persons) if newest == occurrence else []

    def snapshot(self, keep: Callable[[str], bool]) -> bytes:
        """What is known of the alarms to keep; the others are forgotten."""
        self._of = {alarm: known for alarm, known in self._of.items() if keep(alarm)}
        rows = [[a, occurrence, list(to)] for a, (occurrence, to) in self._of.items()]
        return json.dumps(rows, ensure_ascii=False, separators=(",", ":")).encode()

    def restore(self, snapshot: bytes | None, bodies: Iterable[Mapping[str, Any]]) -> None:
        """A snapshot, then the bodies of the `message` records after it."""
        for alarm, occurrence, to in json.loads(snapshot) if snapshot is not None else ():
            self._of[alarm] = (
                occurrence,
                dict.fromkeys((person, channel) for person, channel in to),
            )
        for body in bodies:
            channel = str(body["key"]).split("|")[CHANNEL]
            self._add(body["alarm"], body["occurrence"], body["person"], channel)

    def _add(self, alarm: str, occurrence: int, person: str, channel: str) -> None:
        newest, persons = self._of.get(alarm, (0, {}))
        if occurrence > newest:
            persons = {}
            self._of[alarm] = (occurrence, persons)
        if occurrence >= newest and alarm:
            persons[person, channel] = None
