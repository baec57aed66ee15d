"""`probe --watch POINT`: a bump test as it runs, a line for whatever changes, and its record at the
end."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from typing import Any

from parkwatch.daemon.cli import output, points
from parkwatch.daemon.cli.alarms import ask
from parkwatch.rules.fault import Fault

EXIT_OK, EXIT_FINDINGS = 0, 1
EVERY_S, QUIET_S = 1.0, 10.0
"""How often it looks, and how long it says nothing where nothing changes."""
WATCH_S_MAX = 1900.0
"""A window ends by itself after 30 minutes; whoever watches is not longer there."""


def run(options: argparse.Namespace) -> int:
    """Begin a bump test where a bottle is named (or join the one that runs) and follow it to its
    verdict; Ctrl-C ends the test that was begun here. Exit 1 where it was not passed. Fault ARM-420
    where no test runs."""
    (options.id,) = points.named(options, options.watch)
    before = {r["point"]: r["ended"] for r in ask(options, "bumps")["ended"]}
    begins = options.bottle is not None
    if begins:
        options.stop, options.reason, options.command_id, quiet = False, "", None, options.json
        options.json = False
        points.bump(options)
        options.json = quiet
        if not quiet:
            print("通气,撤气回零后 Ctrl-C 结束 gas on, gas off, back at zero: Ctrl-C", flush=True)
    try:
        record = _followed(options, before.get(options.id))
    except KeyboardInterrupt:
        if not begins:
            raise  # The test is another's: who only looks does not end it.
        record = points.stopped(options)
    if record is None:
        raise Fault(
            "ARM-420", f"{options.id} 没有进行中的标气试验 no bump test runs",
            "parkwatch probe --watch POINT --gas G --bottle V --person P",
        )  # fmt: skip
    if options.json:
        output.document(ok=record["verdict"] == "pass", data=record)
    else:
        head, *rows = points.verdict(record)
        output.table(head, rows)
    return EXIT_OK if record["verdict"] == "pass" else EXIT_FINDINGS


def _followed(options: argparse.Namespace, before: str | None) -> dict[str, Any] | None:
    """Lines while the test runs, then its record; None where no test runs."""
    end, said, shown = time.monotonic() + WATCH_S_MAX, -QUIET_S, ""
    while (now := time.monotonic()) < end:
        told = ask(options, "bumps")
        running = next((w for w in told["items"] if w["point"] == options.id), None)
        if running is None:
            ended = [r for r in told["ended"] if r["point"] == options.id]
            return next((r for r in ended if r["ended"] != before), None)
        line = _line(running)
        if not options.json and (line != shown or now - said >= QUIET_S):
            print(f"{line}  {_left(running)}", flush=True)
            said, shown = now, line
        time.sleep(EVERY_S)
    return None


def _line(window: Mapping[str, Any]) -> str:
    """What the test has seen by now."""
    unit = window["unit"]
    parts = [
        window["tag"], _shown("现值 now", window["value"], unit),
        _shown("峰值 peak", window["peak"], unit), _shown("起升 rise", window["rise_s"], "s"),
        _shown("t90", window["t90_s"], "s"), *points.crossings(window),
    ]  # fmt: skip
    if window["moved"]:
        parts.append("其他动了 others moved: " + " ".join(window["moved"]))
    return "  ".join(parts)


def _shown(word: str, value: float | None, unit: str) -> str:
    shown = "--" if value is None else points.seconds(value) if unit == "s" else f"{value:g} {unit}"
    return f"{word} {shown}"


def _left(window: Mapping[str, Any]) -> str:
    left = max(0, int(window["until"]) - time.time_ns()) // 1_000_000_000
    return f"剩 left {left // 60}:{left % 60:02d}"
