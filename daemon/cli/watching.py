"""`probe --watch POINT`: a bump test as it runs, second by second, and its record at the end."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Mapping
from typing import Any

from parkwatch.daemon.cli import output, points
from parkwatch.daemon.cli.alarms import ask
from parkwatch.rules.fault import Fault

EXIT_OK, EXIT_FINDINGS = 0, 1
EVERY_S = 1.0
WATCH_S_MAX = 1900.0
"""A window ends by itself after 30 minutes; whoever watches is not longer there."""


def run(options: argparse.Namespace) -> int:
    """Begin a bump test where a bottle is named (or join the one that runs) and follow it to its
    verdict; exit 1 where it was not passed. Fault ARM-420 where no test runs."""
    options.id = _point(options)
    before = {r["point"]: r["ended"] for r in ask(options, "bumps")["ended"]}
    if options.bottle is not None:
        options.stop, options.reason, options.command_id, quiet = False, "", None, options.json
        options.json = False
        points.bump(options)
        options.json = quiet
    record = None
    for record in _followed(options, before.get(options.id)):
        if record is not None:
            break
    if record is None:
        raise Fault(
            "ARM-420", f"{options.id} 没有进行中的标气试验 no bump test runs",
            "parkwatch probe --watch POINT --gas G --bottle V --person P",
        )  # fmt: skip
    if options.json:
        output.document(ok=record["verdict"] == "pass", data=record)
    else:
        output.table(("", ""), list(points.verdict(record)))
    return EXIT_OK if record["verdict"] == "pass" else EXIT_FINDINGS


def _point(options: argparse.Namespace) -> str:
    """The full id of the point that is named by id or tag."""
    items = ask(options, "points")["items"]
    named = [i["id"] for i in items if options.watch in (i["id"], i["tag"])]
    if len(named) != 1:
        what = f"没有此点位,或不止一个 no such point, or several: {options.watch}"
        raise Fault("API-404", what, "parkwatch points list")
    return str(named[0])


def _followed(options: argparse.Namespace, before: str | None) -> Iterator[dict[str, Any] | None]:
    """A line a second while the test runs (None each), then its record; nothing where none does."""
    end = time.monotonic() + WATCH_S_MAX
    while time.monotonic() < end:
        told = ask(options, "bumps")
        running = next((w for w in told["items"] if w["point"] == options.id), None)
        if running is None:
            ended = [r for r in told["ended"] if r["point"] == options.id]
            yield from (r for r in ended if r["ended"] != before)
            return
        if not options.json:
            print(_line(running), flush=True)
        yield None
        time.sleep(EVERY_S)


def _line(window: Mapping[str, Any]) -> str:
    """What the test has seen by now."""
    unit = window["unit"]

    def shown(value: float | None, word: str, unit: str) -> str:
        return f"{word} {'--' if value is None else f'{value:g} {unit}'}"

    left = max(0, int(window["until"]) - time.time_ns()) // 1_000_000_000
    parts = [
        window["tag"], shown(window["value"], "现值 now", unit),
        shown(window["peak"], "峰值 peak", unit), shown(window["rise_s"], "起升 rise", "s"),
        shown(window["t90_s"], "t90", "s"),
        *(f"{name} +{after:g} s" for name, after in window["crossed_s"].items()),
    ]  # fmt: skip
    if window["moved"]:
        parts.append("其他动了 others moved: " + " ".join(window["moved"]))
    return "  ".join([*parts, f"剩 left {left // 60}:{left % 60:02d}"])
