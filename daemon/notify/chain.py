"""Who is told, when, over what: pure decisions on a clock argument.

The first tier of the zone's chain at once, repeated until somebody acknowledged; the timers are
rows that survive a restart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from parkwatch.daemon.config.resolve import Chain, Channel, Person
from parkwatch.daemon.notify.text import compose, title
from parkwatch.daemon.outbox.messages import Message
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.pipeline import Plan
from parkwatch.rules.site import Site
from parkwatch.rules.transition import AlarmView, Transition

ANNOUNCED = {"raise": "raise", "reraise": "raise", "rise": "rise", "realarm": "realarm"}
ENDED = {"return": "return", "reset": "reset"}
TAKEN = ("ack", "reset", "return")


class ChainPolicy:
    """The policy of a configuration."""

    def __init__(
        self,
        site: Site,
        people: Mapping[str, Person],
        channels: Mapping[str, Channel],
        chains: Mapping[str, Chain],
        tz: str,
    ) -> None:
        self._site = site
        self._people = people
        self._channels = channels
        self._chains = chains
        self._tz = tz
        self._points = {point.id: point for point in site.points}

    def react(self, transitions: Sequence[Transition], now: int) -> Plan:
        """Messages of what was raised, has risen or ended; its repeat timer set or dropped."""
        messages: list[Message] = []
        timers: dict[str, Timer] = {}
        cancel: list[str] = []
        for t in transitions:
            if t.mask:
                continue
            key = f"repeat|{t.alarm}"
            if t.event in ANNOUNCED:
                messages += self._messages(t, ANNOUNCED[t.event], 0, now)
                interval = self._chain(t.alarm).repeat_ns.get(str(t.grade), 0)
                if interval:
                    body = {"alarm": t.alarm, "repeat": 1, "transition": t.body()}
                    timers[key] = Timer(key, now + interval, body)
            elif t.event in ENDED:
                messages += self._messages(t, ENDED[t.event], 0, now)
            if t.event in TAKEN:
                timers.pop(key, None)
                cancel.append(key)
        return Plan(messages, list(timers.values()), cancel)

    def fire(self, timer: Timer, now: int, view: AlarmView | None) -> Plan:
        """Tell them again while nobody has taken it."""
        t = Transition.from_body(timer.body["transition"])
        if view is None or view.core != "unack_active" or view.occurrence != t.occurrence:
            return Plan()
        repeat = int(timer.body["repeat"])
        interval = self._chain(t.alarm).repeat_ns.get(str(t.grade), 0)
        body = {**timer.body, "repeat": repeat + 1}
        return Plan(
            list(self._messages(t, ANNOUNCED.get(t.event, "raise"), repeat, now)),
            [Timer(timer.key, now + interval, body)],
        )

    def _messages(self, t: Transition, kind: str, repeat: int, now: int) -> Iterator[Message]:
        text = compose(self._site, t, self._tz, repeat=repeat)
        for person in self._called(t):
            for channel in person.channels[:1]:
                if channel not in self._channels:
                    continue
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
                    title=title(t),
                    text=text,
                    grade=str(t.grade),
                    drill=t.origin.startswith("drill"),
                    created=now,
                    due=now,
                )

    def _called(self, t: Transition) -> list[Person]:
        """Persons of the first tier, each once; of the park or of the owner only."""
        owner = self._owner(t.alarm)
        found: dict[str, Person] = {}
        for who in self._chain(t.alarm).first.get(str(t.grade), ()):
            for person in self._named(who):
                if person.enterprise in ("", owner) or owner == "system":
                    found[person.id] = person
        return list(found.values())

    def _named(self, who: str) -> Iterable[Person]:
        kind, _, name = who.rpartition(":")
        if kind == "duty":
            return [p for p in self._people.values() if name in p.duties]
        if kind == "role":
            return [p for p in self._people.values() if p.role == name]
        return [self._people[who]]

    def _owner(self, alarm: str) -> str:
        return alarm.partition("/")[0]

    def _chain(self, alarm: str) -> Chain:
        """The chain of the alarm's zone; links and our own alarms take the default one."""
        owner = alarm.rpartition(":")[0]
        point = self._points.get(owner)
        zone = self._site.zones.get(point.zone if point else owner)
        name = zone.chain if zone is not None else "default"
        return self._chains.get(name) or next(iter(self._chains.values()), Chain({}, {}))
