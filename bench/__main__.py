"""`python -m bench --only GROUP --json FILE`: a table, JSON lines, and one verdict."""

from __future__ import annotations

import argparse
import importlib
import os
import platform
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.harness import HEAD, Report, read_targets

GROUPS = ("e2e", "rules", "journal", "drivers")
"""A group is the module of its name in this folder with `run(report, options)`."""
ASKED = ("peers",)
"""Groups that run only when asked for: programs of other projects are built for them."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the groups; the exit code: 0 all hold, 1 one does not, 2 usage, 3 one has no verdict."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=(*GROUPS, *ASKED), help="one group")
    parser.add_argument("--json", type=Path, help="write the results as JSON lines")
    parser.add_argument("--quick", action="store_true", help="a minute; tails get no verdict")
    parser.add_argument("--minutes", type=float, help="how long the park of the memory runs (10)")
    options = parser.parse_args(argv)
    report = Report(read_targets())
    load = " ".join(f"{x:.1f}" for x in os.getloadavg())
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores, load {load}")
    print(HEAD, flush=True)
    began = time.monotonic()
    for group in [options.only] if options.only else GROUPS:
        importlib.import_module(f"bench.{group}").run(report, options)
    if options.json:
        report.write(options.json)
    text, code = report.summary()
    print(f"bench: {text} ({time.monotonic() - began:.0f} s)")
    return code


if __name__ == "__main__":
    sys.exit(main())
