"""Who is told, when, over what: pure decisions on a clock argument.

The first tier of the zone's chain at once, repeated until somebody acknowledged. Repeats are timers
(rows that survive a restart). What is masked announces nothing; an acknowledgement under a mask
still ends the repeats.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.notify.text import Writer
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.turn import Plan
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView, Transition

ANNOUNCED = {
    "raise": "raise",
    "reraise": "raise",
    "unsuppress": "raise",
    "rise": "rise",
    "realarm": "realarm",
}
"""Event to message kind: these call people, and call again until somebody took it."""
ENDED = {"return": "return", "reset": "reset"}
WITH_WHY = frozenset({"raise", "rise", "realarm"})
SHORT = frozenset({"sms", "aliyun", "tencent", "modem", "webhook"})
"""Kinds of channels that carry one short message; the others have room for the reason."""
UNACKNOWLEDGED = frozenset({"unack_active", "rtn_unack", "latched_unack"})


@dataclass(frozen=True, slots=True)
class Directory:
    """Persons, channels and chains by id."""

    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    chains: Mapping[str, Chain]


class ChainPolicy:
    """The policy of a configuration."""

    def __init__(self, site: Site, directory: Directory, tz: str) -> None:
        self._site = site
        self._directory = directory
        self._zone_of = {point.id: point.zone for point in site.points}
        names = {person.id: person.name for person in directory.people.values()}
        self._writer = Writer(site, tz, names)

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
            messages += self._messages(t, kind, 0, now)
            interval = self._repeat_ns(t)
            if t.after in UNACKNOWLEDGED and interval:
                body = {"alarm": t.alarm, "repeat": 1, "transition": t.body()}
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
        return Plan(list(self._messages(t, self._kind(t), repeat, now)), [next_timer])

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
        if t.event == "unsuppress" and t.after != "unack_active":
            return ""
        if t.event == "raise" and t.alarm.endswith(":late"):
            return "late"
        return ANNOUNCED.get(t.event) or ENDED.get(t.event, "")

    def _messages(self, t: Transition, kind: str, repeat: int, now: int) -> Iterator[Message]:
        text, title = self._writer.compose(t, repeat=repeat), self._writer.title(t)
        reason = self._writer.why(t) if kind in WITH_WHY else ""
        for person in self._called(t):
            ways = self._ways(person)
            # Red goes out on all of a person's channels together, the others on one after another.
            for channel in ways if t.grade == "red" else ways[:1]:
                parts = (t.alarm, t.occurrence, t.version, kind, 0, repeat, channel, person.id)
                yield Message(
                    key="|".join(map(str, parts)),
                    alarm=t.alarm,
                    occurrence=t.occurrence,
                    version=t.version,
                    kind=kind,
                    tier=0,
                    repeat=repeat,
                    channel=channel,
                    person=person.id,
                    target=person.id,
                    title=title,
                    text=f"{text}\n{reason}" if reason and self._roomy(channel) else text,
                    grade=str(t.grade),
                    drill=t.origin.startswith("drill"),
                    created=now,
                    due=now,
                )

    def _roomy(self, channel: str) -> bool:
        """Whether a channel carries more than one short message."""
        return self._directory.channels[channel].kind not in SHORT

    def _called(self, t: Transition) -> list[Person]:
        """Persons of the first tier, each once; of the park or of the owner only."""
        owner = t.alarm.partition("/")[0]
        tier = self._chain(t.alarm).first.get(str(t.grade), ())
        found = {person.id: person for who in tier for person in self._named(who)}
        ours = [person for person in found.values() if person.enterprise in ("", owner)]
        if owner == "system" and not ours:
            return list(found.values())  # No park staff: better a tenant than nobody.
        return ours

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
