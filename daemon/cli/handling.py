"""What a person does to an alarm: acknowledge, silence, reset, shelve, take out of service."""

from __future__ import annotations

import argparse
import getpass
import uuid
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.alarms import LOCAL, ask
from parkwatch.daemon.cli.moments import time_ns


def run(options: argparse.Namespace) -> int:
    """Of the version that was seen, else of the present one. The owner of the data folder is a
    shift lead; a second person types the password."""
    occurrence, version = options.occurrence, options.version
    if occurrence is None or version is None:
        seen = ask(options, "alarm", alarm=options.id)
        occurrence = seen["occurrence"] if occurrence is None else occurrence
        version = seen["version"] if version is None else version
    data = ask(
        options, "command", action=options.action, alarm=options.id, occurrence=str(occurrence),
        version=version, command=options.command_id or str(uuid.uuid4()),
        person=f"cli:{getpass.getuser()}", role="shift-lead", source="cli", reason=options.reason,
        console="cli", seconds=options.seconds if options.action == "silence" else None,
        details=_details(options), second=_second(options),
    )  # fmt: skip
    if options.json:
        output.document(ok=True, data=data)
    else:
        print(f"{options.id}  {output.STATES[data['item']['state']]}")
    return 0


def _details(options: argparse.Namespace) -> dict[str, Any]:
    match options.action:
        case "ack":
            by = time_ns(options.by, LOCAL, 0)
            return {"next": options.next} | ({"by": by} if by else {})
        case "shelve":
            seconds = None if options.minutes is None else options.minutes * 60
            return {"kind": options.kind, "seconds": seconds}
        case "out-of-service":
            until = time_ns(options.until, LOCAL, 0)
            return {"permit": options.permit, "owner": options.owner, "until": until}
        case "reset" if options.instrument:
            at = time_ns(options.at, LOCAL, 0)
            names = ("gas", "value", "instrument")
            return {"reading": {name: getattr(options, name) for name in names} | {"at": at}}
    return {}


def _second(options: argparse.Namespace) -> dict[str, str] | None:
    """The second person of a two-person action, by the password."""
    if not getattr(options, "second", None):
        return None
    from parkwatch.daemon.cli.persons import signed  # noqa: PLC0415 - others need no passwords

    return signed(options.data, [options.second])[0]
