"""A person's command on its way to the daemon: read strictly, scoped, and carried once."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import Any

from parkwatch.daemon.pipeline.link import LinkFault
from parkwatch.daemon.web import fields
from parkwatch.daemon.web.auth import Auth
from parkwatch.daemon.web.details import details
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.policy import (
    ACK,
    DISPOSE,
    OUT_OF_SERVICE,
    RESET,
    RETURN_TO_SERVICE,
    SHELVE,
    SILENCE,
    UNSHELVE,
    Viewer,
    enterprise_of,
    may,
    sees,
)
from parkwatch.daemon.web.refusal import bad_request, forbidden, no_route, not_found
from parkwatch.daemon.web.views import stringed

COMMANDS = (
    ACK, SILENCE, RESET, SHELVE, UNSHELVE, OUT_OF_SERVICE, RETURN_TO_SERVICE, DISPOSE,
)  # fmt: skip
REASON_MAX = 500
CONSOLE_MAX = 64


async def command(
    auth: Auth, viewer: Viewer, action: str, alarm: str, body: Mapping[str, Any], source: str
) -> dict[str, Any]:
    """The alarm's item after the command; `requested` where someone else has to do it.

    Refusal 400 (a field), 403 (the table), 404 (another enterprise's); LinkFault with the
    daemon's own status, its code and, where the version was stale, the present item.
    """
    if action not in COMMANDS:
        raise no_route()
    if not may(viewer, action):
        raise forbidden()
    if not sees(viewer, enterprise_of(alarm)):
        raise not_found()
    mirror, asked = auth.mirror, _fields(body)
    asked["details"] = details(action, body)
    asked["second"] = await _second(auth, body, source)
    try:
        answer = await mirror.call(
            "command",
            action=action,
            alarm=alarm,
            person=viewer.person,
            role=viewer.role,
            enterprise=viewer.enterprise,
            source=source,
            **asked,
        )
    except LinkFault as fault:
        if fault.code == "ALM-404" and mirror.alarm(alarm) is None:
            raise not_found() from fault
        if fault.item is not None:
            fault.item = whole(mirror, fault.item)
        raise
    item = whole(mirror, answer["item"])
    return {**item, "requested": True} if answer.get("requested") else item


async def _second(auth: Auth, body: Mapping[str, Any], source: str) -> dict[str, Any] | None:
    """The second person of a two-person action, who typed the password now."""
    given = body.get("second")
    if given is None:
        return None
    person, pin = (
        (given.get("person"), given.get("pin")) if isinstance(given, Mapping) else (None, None)
    )
    if not isinstance(person, str) or not isinstance(pin, str):
        raise bad_request("second 须有 person 与 pin second needs person and pin", "补全 give both")
    return await auth.second(person, pin, source)


def whole(mirror: Mirror, item: Mapping[str, Any]) -> dict[str, Any]:
    """The item, completed from the mirror where the daemon names only the normal state."""
    known = mirror.alarms.get(item["id"]) or mirror.closed.get(item["id"]) or {}
    complete = {**known, **item} if "grade" not in item else item
    return dict(stringed(mirror.with_value(complete)))


def _fields(body: Mapping[str, Any]) -> dict[str, Any]:
    as_given = "原样发回列表中的 occurrence send it back as the list gave it"
    return {
        "occurrence": fields.int64(body.get("occurrence"), "occurrence", as_given),
        "version": _version(body.get("version")),
        "command": _command_id(body.get("command")),
        "reason": fields.text(body, "reason", REASON_MAX),
        "console": fields.text(body, "console", CONSOLE_MAX) or None,
        "seconds": fields.number(body, "seconds"),
    }


def _version(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= fields.INT64_MAX:
        raise bad_request(
            "version 须为整数 version must be a whole number",
            "原样发回列表中的 version send it back as the list gave it",
        )
    return value


def _command_id(value: Any) -> str:
    try:
        return str(uuid.UUID(value))
    except (AttributeError, TypeError, ValueError):
        raise bad_request(
            "command 须为 UUID command must be a UUID",
            "每个命令生成一个新的 UUID make a new UUID for each command",
        ) from None
