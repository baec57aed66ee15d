"""Group `drivers`: what reading the field costs.

A part is a module `drivers_NAME.py` in this folder with `measure(report, *, quick)`.
"""

from __future__ import annotations

import argparse
import importlib
from pathlib import Path

from bench.harness import Report

PARTS = tuple(sorted(path.stem for path in Path(__file__).parent.glob("drivers_*.py")))


def run(report: Report, options: argparse.Namespace) -> None:
    """Everything of the group, part by part."""
    for name in PARTS:
        with report.part(name):
            importlib.import_module(f"bench.{name}").measure(report, quick=options.quick)
