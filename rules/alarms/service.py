"""Out of service: a detector at maintenance, with permit, owner and end."""

from __future__ import annotations

from parkwatch.rules.alarms.alarm import Alarm
from parkwatch.rules.alarms.answers import no, no_reason
from parkwatch.rules.alarms.book import Book
from parkwatch.rules.alarms.masks import OUT_OF_SERVICE, SHIFT_NS, Mask
from parkwatch.rules.transition import REQUESTED, Command, Outcome


def withdraw(book: Book, alarm: Alarm, command: Command, now: int, *, doubt: bool) -> Outcome:
    """Take an alarm out of service, or renew that, for at most a shift.

    `doubt`: its condition is TRUE or UNKNOWN, then two persons sign. An enterprise alone requests.
    """
    permit, until = command.details.get("permit"), command.details.get("until")
    if not command.reason.strip():
        return no_reason()
    if not isinstance(permit, str) or not permit.strip():
        return no("ALM-427", "须写明作业票 a permit is required", "写明票号 give its number")
    if not isinstance(until, int) or isinstance(until, bool) or not now < until <= now + SHIFT_NS:
        return no(
            "ALM-428",
            "停用最长一班 12 小时,须写明结束时间 at most one shift of 12 h, with its end",
            "写明 until;到期前可续 give until; it can be renewed before it ends",
        )  # fmt: skip
    second = command.second
    if command.enterprise and (second is None or second.enterprise):
        return Outcome(
            ok=True, code=REQUESTED, what="已申请,待园区办理 requested: the park has to do it"
        )
    if doubt and second is None:
        return no(
            "ALM-415",
            "报警或状态未知时停用须两人 active or unknown: two take it out of service",
            "请第二人签署,其中一人为园区人员 a second person signs, one of them of the park",
        )  # fmt: skip
    mask = Mask(
        now,
        until,
        person=command.person,
        second=second.person if second is not None else "",
        reason=command.reason,
        permit=permit,
        owner=str(command.details.get("owner") or command.person),
    )
    because = {"person": command.person, "why": command.reason}
    if second is not None:
        because["second"] = second.person
    done = book.cover(alarm.id, now, OUT_OF_SERVICE, mask, because)
    return Outcome(ok=True, transitions=tuple(done))


def give_back(book: Book, alarm: Alarm, command: Command, now: int) -> Outcome:
    """Return to service before its time: the core state as it is. One person is enough."""
    if OUT_OF_SERVICE not in alarm.masks:
        return no("ALM-429", "该报警未停用 it is not out of service", "无需恢复 nothing to do")
    because = {"person": command.person, "why": command.reason or "by_hand"}
    done = book.uncover(alarm.id, now, OUT_OF_SERVICE, because)
    return Outcome(ok=True, transitions=tuple(done))
