"""People at their consoles: they see what is committed, answer late, twice, or to what is gone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sim.chance import Chance, S
from sim.grammar import Life

from parkwatch.rules.transition import Command, Signer

ROLES = {"hand": "operator", "lead": "shift-lead"}
KEPT_MAX = 200


class People:
    """`act` gives the next command, `answered` tells what came of one."""

    def __init__(self, chance: Chance) -> None:
        self._chance = chance
        self._rng = chance.stream("people")
        self._number = 0
        self._seen: dict[str, tuple[int, int]] = {}
        """What somebody still has on an old screen."""
        self._answers: dict[str, tuple[Command, dict[str, Any]]] = {}
        self.waiting: dict[str, Command] = {}
        """Commands without an answer: they will be given again, with the same id."""

    def pause(self) -> int:
        """How long until somebody does something, ns."""
        seconds = 40.0 if "slow_people" in self._chance.on else 10.0
        return int(self._rng.expovariate(1 / seconds) * S)

    def act(self, lives: dict[str, Life], now: int) -> Command | None:
        """The next command of one of them, None where there is nothing to do."""
        rng, chance = self._rng, self._chance
        if self.waiting and rng.random() < 0.8:
            return next(iter(self.waiting.values()))
        if self._answers and chance.hits("repeated_commands", rng, 0.15):
            return rng.choice(list(self._answers.values()))[0]
        unsettled = [alarm for alarm, life in lives.items() if life.open]
        if not unsettled or (rng.random() < 0.05 and "shelves" in chance.on):
            unsettled = list(lives)
        if not unsettled:
            return None
        alarm = rng.choice(unsettled)
        life = lives[alarm]
        saw = (life.occurrence, life.version)
        old = self._seen.get(alarm)
        if chance.hits("stale_versions", rng, 0.25) and old is not None:
            saw = old
        if rng.random() < 0.5 or alarm not in self._seen:
            self._seen[alarm] = (life.occurrence, life.version)
        action, details, second = self._choose(life, now)
        return self._command(alarm, action, saw, details, second)

    def _choose(self, life: Life, now: int) -> tuple[str, dict[str, Any], bool]:
        rng, on, dice = self._rng, self._chance.on, self._rng.random()
        details: dict[str, Any]
        action, details, second = "ack", {}, False
        if life.masks and dice < 0.15:
            action = "unshelve" if "shelved" in life.masks else "return-to-service"
        elif dice < 0.12 and "shelves" in on:
            action = "shelve"
            timed = {"kind": "timed", "seconds": rng.choice((5, 30, 120, 900))}
            details = {"kind": "one-shot"} if rng.random() < 0.3 else timed
        elif 0.12 <= dice < 0.18 and "out_of_service" in on:
            action, second = "out-of-service", rng.random() < 0.7
            details = {"permit": "ZY-1", "until": now + rng.choice((20, 120, 1200)) * S}
        elif 0.18 <= dice < 0.22 and "silences" in on:
            action = "silence"
        elif 0.22 <= dice < 0.3 and "disposes" in on:
            action = "dispose"
            details = {"cause": "阀门泄漏", "measure": "已紧固", "evidence": "照片"}
        elif life.core in ("latched_ack", "ack_active"):
            action = "reset"
        elif rng.random() < 0.2:
            details = {"next": "去现场", "by": now + rng.choice((60, 300, 1200)) * S}
        return action, details, second

    def _command(
        self, alarm: str, action: str, saw: tuple[int, int], details: dict[str, Any], second: bool
    ) -> Command:
        self._number += 1
        person = self._rng.choice(list(ROLES))
        if action != "ack":
            person = "lead"
        command = Command(
            f"c-{self._number}", action, alarm, *saw, person, ROLES[person], "console:1",
            "现场已查", details=details, second=Signer("chief", "safety") if second else None,
        )  # fmt: skip
        self.waiting[command.id] = command
        return command

    def settle(self, lives: dict[str, Life]) -> list[Command]:
        """At the end: everything is taken, shown again and reset by whoever may."""
        out = []
        self.waiting.clear()
        for alarm, life in lives.items():
            saw = (life.occurrence, life.version)
            if life.core in ("unack_active", "rtn_unack", "latched_unack"):
                out.append(self._command(alarm, "ack", saw, {}, second=False))
            elif "shelved" in life.masks:
                out.append(self._command(alarm, "unshelve", saw, {}, second=False))
            elif "out_of_service" in life.masks:
                out.append(self._command(alarm, "return-to-service", saw, {}, second=False))
            elif life.core == "latched_ack":
                out.append(self._command(alarm, "reset", saw, {}, second=False))
        return [replace(command, person="lead", role="shift-lead") for command in out]

    def answered(self, command: Command, answer: dict[str, Any]) -> str:
        """An answer that came; what is wrong with it, or empty."""
        self.waiting.pop(command.id, None)
        first = self._answers.setdefault(command.id, (command, answer))[1]
        while len(self._answers) > KEPT_MAX:
            del self._answers[next(iter(self._answers))]
        return "" if first == answer else f"command {command.id}: {first} became {answer}"
