"""The sender's shell in the world: what the dispatcher decides is committed first, and then the
provider is called; an answer that comes to a dead process is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.life import Life, Waiting
from sim.provider import MS, Call, Provider

from parkwatch.daemon.notify.dispatch import TRIES_AT_ONCE, Step
from parkwatch.daemon.outbox.messages import Message

if TYPE_CHECKING:
    from sim.world import World

GAP_NS = 50 * MS


class Mail:
    """Between a world's lives and its provider."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._provider = Provider(world.chance)
        self._rng = world.chance.stream("mail")
        self._flying: dict[str, set[str]] = {}

    def lost(self) -> None:
        """The process died: nobody waits for an answer."""
        self._flying.clear()

    def wake(self, life: Life) -> None:
        """There may be something new."""
        self._world.after(GAP_NS, lambda: self.look(life))

    def look(self, life: Life) -> None:
        """What waits in the outbox."""
        if self._world.life is life and not life.looking:
            self.carry(life, self._world.guarded(life.look))

    def carry(self, life: Life, step: Step) -> None:
        """On disk first, then the calls."""
        if step.group is None:
            return
        life.looking = True

        def then() -> None:
            life.looking = False
            for message in step.calls:
                if self._world.life is life:
                    self._call(life, message)

        self._world.submit(Waiting(step.group, life.clock.now(), then=then))

    def _call(self, life: Life, message: Message) -> None:
        world, key = self._world, message.key
        letters = world.judge.letters
        world.log.append((world.mono, f"call {key} {message.text[:4]}"))
        world.judge.say(letters.called(world.db, key, message.text))
        flying = self._flying.setdefault(message.channel, set())
        flying.add(key)
        if len(flying) > TRIES_AT_ONCE:
            world.judge.wrong.append(f"{message.channel}: {len(flying)} tries at once")
        call = self._provider.call(message)
        if call.delivered is not None:
            world.after(call.delivered, lambda: world.judge.say(letters.arrived(key)))
        world.after(call.answered, lambda: self._answered(life, call))
        if world.chance.hits("crash_while_sending", self._rng, 0.03):
            wait = self._rng.randrange(call.answered)
            world.after(wait, lambda: world.fall("while sending", of=life))

    def _answered(self, life: Life, call: Call) -> None:
        world, message = self._world, call.message
        if world.life is not life:
            return
        self._flying[message.channel].discard(message.key)
        if call.result.unsure:
            world.judge.letters.excuses[message.key] += 1
        life.dispatcher.freed(message.channel)
        now = life.clock.now()
        self.carry(life, world.guarded(lambda: life.dispatcher.answered(message, call.result, now)))
