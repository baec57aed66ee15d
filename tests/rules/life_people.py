"""What people may do to an alarm, as the texts word it, and what it does to the model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from life_model import (
    DISK,
    ESSENTIAL,
    GAS_A,
    GAS_B,
    GRADES,
    HOUR,
    POINT_OF,
    REALARM,
    SHELF,
    UNACK,
    VOTE,
    Cover,
    Life,
    Model,
)
from small_park import S

from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Command

SHIFT = 12 * HOUR
READING_AGE, READING_AHEAD = 15 * 60 * S, 60 * S
IN_ALARM = {"hd/p/tt:high": 10.0, GAS_A: 25.0, GAS_B: 25.0, "hd/p/sif:state": 1.0, VOTE: 50.0}
"""From where on a portable reading is in alarm itself."""
GAS_OF = {GAS_A: "CH4", GAS_B: "CH4", VOTE: "CH4"}
HEARS = {"operator", "shift-lead", "engineer", "technician", "admin"}
ROLES = {
    "ack": HEARS, "silence": HEARS, "unshelve": HEARS,
    "reset": {"operator", "shift-lead"}, "shelve": {"operator", "shift-lead"},
    "out-of-service": {"operator", "shift-lead", "engineer", "technician", "enterprise"},
    "return-to-service": {"operator", "shift-lead", "engineer", "technician", "enterprise"},
}  # fmt: skip
OF_NORMAL = {"shelve", "unshelve", "out-of-service", "return-to-service"}


def unknown(model: Model, alarm: str) -> bool:
    """Whether nobody sees the condition."""
    if alarm == VOTE:
        return not (model.seen[POINT_OF[GAS_A]] and model.seen[POINT_OF[GAS_B]])
    return alarm != DISK and not model.seen[POINT_OF[alarm]]


def ask(model: Model, command: Command) -> bool:
    """Whether it is done or requested; the model is then as it is afterwards."""
    life = model.lives[command.alarm]
    known = life.core != "normal" or life.masks or command.action in OF_NORMAL
    if command.alarm == DISK and not life.occurrence and not life.masks:
        known = False  # Nothing declares it before it was raised.
    if not known or command.occurrence != life.occurrence:
        return False
    if command.role not in ROLES.get(command.action, set()):
        return False
    if command.second is not None and command.second.person == command.person:
        return False
    if command.action != "ack" and command.version != life.version:
        return False
    return ACTIONS[command.action](model, life, command)


def _ack(model: Model, life: Life, command: Command) -> bool:
    by = command.details.get("by")
    if not life.announced <= command.version <= life.version or life.core not in UNACK:
        return False
    if by is not None and by <= model.now:
        return False
    model.emit(command.alarm, "ack", UNACK[life.core])
    if life.core == "ack_active":
        waits = [w for w in (REALARM.get(life.grade),) if w is not None]
        dues = [model.now + w for w in waits] + ([by] if by is not None else [])
        life.realarm = min(dues, default=None)
    model.end_one_shot(command.alarm)
    return True


def _silence(model: Model, life: Life, command: Command) -> bool:
    return life.core != "normal"


def _reset(model: Model, life: Life, command: Command) -> bool:
    if life.core != "latched_ack":
        return False
    roles = {command.role, command.second.role if command.second else ""}
    if life.peak is Grade.RED and "shift-lead" not in roles:
        return False
    if unknown(model, command.alarm):
        reading = command.details.get("reading")
        if command.second is None or not _evidence(model, command.alarm, reading or {}):
            return False
    model.emit(command.alarm, "reset", "normal")
    model.end_one_shot(command.alarm)
    return True


def _evidence(model: Model, alarm: str, reading: Mapping[str, Any]) -> bool:
    at = reading.get("at")
    return (
        set(reading) == {"gas", "value", "instrument", "at"}
        and reading["gas"] == GAS_OF.get(alarm, "")
        and at is not None
        and model.now - READING_AGE <= at <= model.now + READING_AHEAD
        and reading["value"] < IN_ALARM[alarm]
    )


def _shelve(model: Model, life: Life, command: Command) -> bool:
    level = max(life.reached, 1)
    own = (Grade.BLUE,) if command.alarm == DISK else GRADES[command.alarm][:level]
    if life.core != "normal":
        own = (*own, life.peak)
    grade = max(own, key=lambda g: g.urgency)
    if "shelved" in life.masks or level >= ESSENTIAL.get(command.alarm, 9) or grade not in SHELF:
        return False
    if grade is Grade.ORANGE and command.role != "shift-lead":
        return False
    kind, seconds = command.details.get("kind"), command.details.get("seconds")
    if not command.reason or kind not in ("one-shot", "timed"):
        return False
    if seconds is None and kind == "one-shot":
        seconds = SHELF[grade] // S
    if seconds is None or not 0 < seconds * S <= SHELF[grade]:
        return False
    until = model.now + round(seconds * S)
    cover = Cover(command.person, until, "", kind == "one-shot", level, grade)
    model.cover(command.alarm, "shelved", "shelve", cover)
    return True


def _unshelve(model: Model, life: Life, command: Command) -> bool:
    if "shelved" not in life.masks:
        return False
    model.lift(command.alarm, "shelved", "unshelve", unseen=False)
    return True


def _withdraw(model: Model, life: Life, command: Command) -> bool:
    until, second = command.details.get("until"), command.second
    if not command.reason or not command.details.get("permit"):
        return False
    if until is None or not model.now < until <= model.now + SHIFT:
        return False
    if command.enterprise and (second is None or second.enterprise):
        return True  # It is only a request.
    doubt = life.active or model.holds(command.alarm) or unknown(model, command.alarm)
    if doubt and second is None:
        return False
    cover = Cover(command.person, until, second.person if second else "")
    model.cover(command.alarm, "out_of_service", "out_of_service", cover)
    return True


def _give_back(model: Model, life: Life, command: Command) -> bool:
    if "out_of_service" not in life.masks:
        return False
    model.lift(command.alarm, "out_of_service", "return_to_service", unseen=False)
    return True


ACTIONS = {
    "ack": _ack, "silence": _silence, "reset": _reset, "shelve": _shelve, "unshelve": _unshelve,
    "out-of-service": _withdraw, "return-to-service": _give_back,
}  # fmt: skip


def masked(engine: Engine) -> list[tuple[str, str]]:
    """Alarm and reason of every mask that people see."""
    return [(view.alarm, reason) for view in engine.alarms() for reason in view.masks]
