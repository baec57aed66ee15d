"""What an action says beside alarm and version: read strictly, action by action."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from parkwatch.daemon.web import fields
from parkwatch.daemon.web.policy import ACK, DISPOSE, OUT_OF_SERVICE, RESET, SHELVE
from parkwatch.daemon.web.refusal import bad_request

TEXT_MAX = 200


def details(action: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """The details of an action as the rules know them; Refusal 400 names a field that is not one.

    Times are decimal strings of ns UTC, as everywhere in HTTP.
    """
    read = _OF.get(action)
    return {} if read is None else {k: v for k, v in read(body).items() if v is not None}


def _ack(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"next": _text(body, "next"), "by": _time(body, "by")}


def _reset(body: Mapping[str, Any]) -> dict[str, Any]:
    reading = body.get("reading")
    if reading is None:
        return {}
    if not isinstance(reading, Mapping):
        raise bad_request(
            "reading 须为对象 reading must be an object", "gas, value, instrument, at"
        )
    return {
        "reading": {
            "gas": _text(reading, "gas"),
            "value": fields.number(reading, "value"),
            "instrument": _text(reading, "instrument"),
            "at": _time(reading, "at"),
        }
    }


def _shelve(body: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": _text(body, "kind"), "seconds": fields.number(body, "seconds")}


def _out_of_service(body: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _text(body, name) for name in ("permit", "owner")} | {
        "until": _time(body, "until")
    }


def _dispose(body: Mapping[str, Any]) -> dict[str, Any]:
    verify, revision = body.get("verify"), body.get("revision")
    if verify not in (None, True, False):
        raise bad_request(
            "verify 须为 true 或 false verify must be true or false", "改正 correct it"
        )
    if revision is not None and (isinstance(revision, bool) or not isinstance(revision, int)):
        raise bad_request(
            "revision 须为整数 revision must be a whole number",
            "原样发回所见的 revision send it back as it was given",
        )
    said = {name: _text(body, name) for name in ("cause", "measure", "evidence")}
    return {**said, "verify": verify or None, "revision": revision}


_OF: dict[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    ACK: _ack,
    DISPOSE: _dispose,
    RESET: _reset,
    SHELVE: _shelve,
    OUT_OF_SERVICE: _out_of_service,
}


def _text(body: Mapping[str, Any], key: str) -> str | None:
    return fields.text(body, key, TEXT_MAX) or None


def _time(body: Mapping[str, Any], key: str) -> int | None:
    value = body.get(key)
    if value is None:
        return None
    return int(fields.int64(value, key, "纳秒 UTC,如 ns UTC, such as 1732345678000000000"))
