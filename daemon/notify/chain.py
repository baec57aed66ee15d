"""Who is told, when, over what: pure decisions on a clock argument.

The first tier of the zone's chain at once, repeated until somebody acknowledged. Repeats are timers
(rows that survive a restart). What is masked announces nothing; an acknowledgement under a mask
still ends the repeats.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.notify.text import Writer
from parkwatch.daemon.notify.told import Told
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.turn import Plan
from parkwatch.rules.alarms.lifecycle import UNACKNOWLEDGED
from parkwatch.rules.disposition import Overdue
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView, Transition

ANNOUNCED = {
    "raise": "raise",
    "reraise": "raise",
    "rise": "rise",
    "realarm": "realarm",
}
"""Event to message kind: these call people, and call again until somebody took it."""
ENDED = {"return": "return", "reset": "reset"}
UNCOVERED = {
    "unsuppress": "raise",
    "expire": "unshelved",
    "unshelve": "unshelved",
    "return_to_service": "unshelved",
}
"""What ends a mask. Who takes one away by hand sees the alarm: it is told only where nobody was."""
FOLLOWED = frozenset({"rise", "level", "vote"})
"""Why a mask ended, where a message of its own follows."""
PROMISED = 1
"""`repeat` in the key of an `overdue` message of a promise; 0 of a disposition."""
WITH_WHY = frozenset({"raise", "rise", "realarm"})
SHORT = frozenset({"sms", "aliyun", "tencent", "modem", "webhook"})
"""Kinds of channels that carry one short message; the others have room for the reason."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Persons, channels and chains by id."""

    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    chains: Mapping[str, Chain]


@dataclass(frozen=True, slots=True)
class _About:
    """What a message is about."""

    alarm: str
    occurrence: int
    version: int
    kind: str
    grade: str
    drill: bool = False

    def message(
        self, text: str, title: str, way: tuple[str, str], tier: int, repeat: int, now: int
    ) -> Message:
        """To one (person, channel)."""
        person, channel = way
        parts = (
            self.alarm,
            self.occurrence,
            self.version,
            self.kind,
            tier,
            repeat,
            channel,
            person,
        )
        return Message(
            key="|".join(map(str, parts)),
            alarm=self.alarm,
            occurrence=self.occurrence,
            version=self.version,
            kind=self.kind,
            tier=tier,
            repeat=repeat,
            channel=channel,
            person=person,
            target=person,
            title=title,
            text=text,
            grade=str(self.grade),
            drill=self.drill,
            created=now,
            due=now,
        )


def _nobody_says(_: str) -> bool:
    return False


class ChainPolicy:
    """The policy of a configuration."""

    def __init__(self, site: Site, directory: Directory, tz: str) -> None:
        self._site = site
        self._directory = directory
        self._zone_of = {point.id: point.zone for point in site.points}
        names = {person.id: person.name for person in directory.people.values()}
        self._writer = Writer(site, tz, names)
        self.told = Told()
        self.unverified: Callable[[str], bool] = _nobody_says
        """Whether no bump test has proved a point, by its id: its messages say so."""

    @property
    def channels(self) -> Mapping[str, Channel]:
        """Channels by id."""
        return self._directory.channels

    def react(self, transitions: Sequence[Transition], now: int) -> Plan:
        """Messages of what was raised, has risen or ended; the repeat timer set or dropped."""
        messages: list[Message] = []
        timers: dict[str, Timer] = {}
        cancel: list[str] = []
        for t in transitions:
            key = f"repeat|{t.alarm}"
            if t.after not in UNACKNOWLEDGED:
                timers.pop(key, None)
                cancel.append(key)
            kind = self._kind(t)
            if not kind:
                continue
            to = self._known_to(t) if kind == "closed" else self._ways_of(self._called(t), t.grade)
            made = self._messages(t, kind, 0, to, now)
            self.told.note(made)
            messages += made
            interval = self._repeat_ns(t)
            if t.after in UNACKNOWLEDGED and interval:
                body = {"alarm": t.alarm, "repeat": 1, "kind": kind, "transition": t.body()}
                timers[key] = Timer(key, now + interval, body)
        return Plan(messages, list(timers.values()), cancel)

    def fire(self, timer: Timer, now: int, view: AlarmView | None) -> Plan:
        """Tell them again while nobody has taken it; under a mask only the timer goes on."""
        t = Transition.from_body(timer.body["transition"])
        if view is None or view.core not in UNACKNOWLEDGED or view.occurrence != t.occurrence:
            return Plan()
        repeat = int(timer.body["repeat"])
        next_timer = Timer(timer.key, now + self._repeat_ns(t), timer.body)
        if view.mask:
            return Plan(timers=[next_timer])
        next_timer = replace(next_timer, body={**timer.body, "repeat": repeat + 1})
        to = self._ways_of(self._called(t), t.grade)
        messages = self._messages(t, str(timer.body.get("kind", "raise")), repeat, to, now)
        self.told.note(messages)
        return Plan(messages, [next_timer])

    def reaches(self, alarm: str, grade: str) -> list[tuple[str, str]]:
        """(person, channel) that an alarm of this grade is told to at once."""
        persons = self._persons(alarm, self._chain(alarm).first.get(grade, ()))
        return self._ways_of(persons, grade)

    def way_to(self, person: str) -> str | None:
        """The first channel of a person, None where there is none."""
        known = self._directory.people.get(person)
        return next(iter(self._ways(known)), None) if known is not None else None

    def overdue(self, event: Overdue, now: int) -> Plan:
        """The next tier learns of a missing disposition; who promised is reminded of it."""
        promised = self._directory.people.get(event.promised)
        number, tier = self._chain(event.alarm).tier(str(event.grade), 0 if event.promised else 1)
        persons = [promised] if promised is not None else self._persons(event.alarm, tier)
        about = _About(event.alarm, event.occurrence, event.version, "overdue", event.grade)
        text, title = self._writer.overdue(event), self._writer.overdue_title(event)
        repeat = PROMISED if event.promised else 0
        to = self._ways_of(persons, event.grade)
        messages = [about.message(text, title, way, number, repeat, now) for way in to]
        self.told.note(messages)
        return Plan(messages)

    def instead(self, message: Message, now: int) -> Message | None:
        """The same message over the person's next channel, None where there is none."""
        person = self._directory.people.get(message.person)
        ways = self._ways(person) if person is not None else []
        if message.channel not in ways[:-1]:
            return None
        channel = ways[ways.index(message.channel) + 1]
        key = message.key.split("|")
        key[-2] = channel
        return replace(
            message, key="|".join(key), channel=channel, due=now, state="pending", attempt=0
        )

    def address(self, message: Message) -> str:
        """What a webhook's `to` says: the person's phone, else its id."""
        person = self._directory.people.get(message.person)
        return person.phone or person.id if person is not None else message.target

    def _kind(self, t: Transition) -> str:
        """The message kind of a transition, empty where nobody is told."""
        if t.mask:
            return ""
        if t.event == "raise" and t.alarm.endswith(":late"):
            return "late"
        if t.event == "close":
            return "" if t.before == "normal" else "closed"
        if t.event in UNCOVERED:
            return UNCOVERED[t.event] if self._news(t) else ""
        return ANNOUNCED.get(t.event) or ENDED.get(t.event, "")

    def _news(self, t: Transition) -> bool:
        """Whether what comes out from under a mask has to be told by itself."""
        if t.cause.get("why") in FOLLOWED:
            return False
        if t.event == "expire":
            return t.after in UNACKNOWLEDGED
        by_hand = t.event != "unsuppress" and self.told.persons(t.alarm, t.occurrence)
        return t.after == "unack_active" and not by_hand

    def _messages(
        self, t: Transition, kind: str, repeat: int, to: Iterable[tuple[str, str]], now: int
    ) -> list[Message]:
        """To each (person, channel) of `to`."""
        text, title = self._writer.compose(t, repeat=repeat), self._writer.title(t)
        reason = self._writer.why(t) if kind in WITH_WHY else ""
        if reason and self.unverified(t.alarm.rpartition(":")[0]):
            reason = f"{reason} {self._writer.unverified}"
        drill = t.origin.startswith("drill")
        about = _About(t.alarm, t.occurrence, t.version, kind, t.grade, drill)
        full = f"{text}\n{reason}" if reason else text
        return [
            about.message(full if self._roomy(way[1]) else text, title, way, 0, repeat, now)
            for way in to
        ]

    def _roomy(self, channel: str) -> bool:
        """Whether a channel carries more than one short message."""
        return self._directory.channels[channel].kind not in SHORT

    def _called(self, t: Transition) -> list[Person]:
        """Persons of the first tier, each once."""
        return self._persons(t.alarm, self._chain(t.alarm).first.get(str(t.grade), ()))

    def _persons(self, alarm: str, tier: Iterable[str]) -> list[Person]:
        """Each once; of the park or of the owner only."""
        owner = alarm.partition("/")[0]
        found = {person.id: person for who in tier for person in self._named(who)}
        ours = [person for person in found.values() if person.enterprise in ("", owner)]
        if owner == "system" and not ours:
            return list(found.values())  # No park staff: better a tenant than nobody.
        return ours

    def _known_to(self, t: Transition) -> list[tuple[str, str]]:
        """Everybody who was told of the occurrence, over what told them; of nobody, the chain."""
        known = self.told.persons(t.alarm, t.occurrence)
        channels = self._directory.channels
        return [(p, c) for p, c in known if c in channels] or self._ways_of(
            self._called(t), t.grade
        )

    def _ways_of(self, persons: Iterable[Person], grade: str) -> list[tuple[str, str]]:
        """Red goes out on all of a person's channels together, the others on one after another."""
        found = []
        for person in persons:
            ways = self._ways(person)
            found += [(person.id, way) for way in (ways if grade == "red" else ways[:1])]
        return found

    def _named(self, who: str) -> Iterable[Person]:
        kind, _, name = who.rpartition(":")
        people = self._directory.people
        if kind == "duty":
            return [person for person in people.values() if name in person.duties]
        if kind == "role":
            return [person for person in people.values() if person.role == name]
        return [people[who]] if who in people else []

    def _ways(self, person: Person) -> list[str]:
        return [channel for channel in person.channels if channel in self._directory.channels]

    def _repeat_ns(self, t: Transition) -> int:
        return self._chain(t.alarm).repeat_ns.get(str(t.grade), 0)

    def _chain(self, alarm: str) -> Chain:
        """The chain of the alarm's zone; links and our own alarms take the default one."""
        owner = alarm.rpartition(":")[0]
        zone = self._site.zones.get(self._zone_of.get(owner, owner))
        chains = self._directory.chains
        chain = chains.get(zone.chain if zone is not None else "default")
        return chain or next(iter(chains.values()), Chain({}, {}))
