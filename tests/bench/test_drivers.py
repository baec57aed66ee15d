"""The bench of the drivers: small runs against the simulator, and a wrong value is no result."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from bench import drivers, drivers_blocks, drivers_many
from bench.__main__ import GROUPS
from bench.buses import Received
from bench.harness import Report, read_targets
from parkwatch.drivers.source import DriverEvent
from parkwatch.rules.batch import Batch
from parkwatch.rules.quality import BAD_COMMS, GOOD


def batch(values: list[float], qualities: list[int]) -> Batch:
    n = len(values)
    return Batch(
        np.arange(n, dtype=np.int32), np.array(values), np.array(qualities, dtype=np.uint8),
        np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64),
    )  # fmt: skip


def test_what_is_not_its_registers_value_is_counted() -> None:
    sink = Received()
    sink.batches.append(batch([0.0, 1.0, 2.0], [GOOD] * 3))
    assert sink.wrong() == 0
    sink.batches.append(batch([0.0, 2.0, 1.0], [GOOD] * 3))
    sink.batches.append(batch([0.0, 1.0, 2.0], [GOOD, BAD_COMMS, GOOD]))
    sink.batches.append(batch([np.nan], [BAD_COMMS]))
    sink.event(DriverEvent("bench/panel", "link_up", "", 0))
    sink.event(DriverEvent("bench/panel", "link_down", "", 0))
    assert sink.wrong() == 2 + 1 + 1 + 1


def test_every_part_can_be_measured_and_belongs_to_the_group() -> None:
    assert {"drivers_blocks", "drivers_many"} <= set(drivers.PARTS)
    assert all(callable(importlib.import_module(f"bench.{n}").measure) for n in drivers.PARTS)
    assert "drivers" in GROUPS


def test_small_runs_are_checked_and_give_every_result_that_has_a_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    report = Report(read_targets())
    drivers_blocks.measure(report, quick=True)
    whole = f"{drivers_many.PANELS} connections"
    monkeypatch.setattr(drivers_many, "PANELS", 4)
    monkeypatch.setattr(drivers_many, "EDGE_S", 0.1)
    drivers_many.measure(report, quick=True)
    assert report.errors == []
    assert all(result.value > 0 and result.reference > 0 for result in report.results)
    names = {result.name.replace("4 connections", whole) for result in report.results}
    aimed = {name for group, name in read_targets() if group == drivers_blocks.GROUP}
    ours = {name for name in aimed if name.startswith((whole, "registers a second"))}
    assert len(ours) == 3
    assert ours <= names
