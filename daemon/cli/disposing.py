"""`alarms dispose`: cause, measure and evidence of an occurrence; `alarms list --undisposed`."""

from __future__ import annotations

import argparse
import getpass
import uuid
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.alarms import ask, when
from parkwatch.daemon.pipeline.link import LinkFault

STATES = {"open": "未处置", "handled": "已处置", "verified": "已核实"}


def run(options: argparse.Namespace) -> int:
    """Handle an occurrence, or verify what another person wrote; of the state seen, else of the
    present one."""
    seen = _seen(options)
    revision = seen["disposition"]["revision"] if options.revision is None else options.revision
    texts = {name: getattr(options, name) for name in ("cause", "measure", "evidence")}
    data = ask(
        options, "command", action="dispose", alarm=options.id, occurrence=seen["occurrence"],
        version=seen["version"] if options.version is None else options.version,
        command=options.command_id or str(uuid.uuid4()), person=f"cli:{getpass.getuser()}",
        role="shift-lead", source="cli", reason=options.reason,
        details={**texts, "verify": options.verify, "revision": revision},
    )  # fmt: skip
    if options.json:
        output.document(ok=True, data=data)
        return 0
    found = data["item"].get("disposition")
    state = "verified" if found is None else found["state"]  # What is done is shown no more.
    print(f"{options.id}  {STATES[state]}")
    return 0


def unfinished(options: argparse.Namespace) -> int:
    """Occurrences without a disposition or not verified yet, the earliest deadline first."""
    items = ask(options, "dispositions")["items"]
    if options.json:
        output.document(ok=True, data={"items": items})
        return 0
    rows = [
        (
            output.SHAPES[item["grade"]], STATES[item["disposition"]["state"]],
            ("! " if item["disposition"]["overdue"] else "") + when(item["disposition"]["due"]),
            when(item["raised"]), item["tag"], item["id"], item["occurrence"],
        )
        for item in items
    ]  # fmt: skip
    output.table(("等级", "处置", "期限", "报警", "位号", "报警 id", "occurrence"), rows)
    return 0


def _seen(options: argparse.Namespace) -> dict[str, Any]:
    """The occurrence that the command names, else the newest one of the alarm that is not done."""
    wanted = "" if options.occurrence is None else str(options.occurrence)
    items = [item for item in ask(options, "dispositions")["items"] if item["id"] == options.id]
    found = [item for item in items if wanted in ("", item["occurrence"])]
    if found:
        return dict(max(found, key=lambda item: int(item["occurrence"])))
    what = f"无待处置的报警 nothing to dispose of: {options.id} {wanted}"
    raise LinkFault("ALM-404", what, "parkwatch alarms list --undisposed", status=404)
