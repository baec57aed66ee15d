"""From what the instruments show to the banks of the Modbus units: columns in, registers out."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from parkwatch.simulator.layout import Layout, Signal
from parkwatch.simulator.modbus_server import Unit

Table = NDArray[np.uint8] | NDArray[np.uint16]
TABLE_SPACE_WORDS = 32
"""Words that a table has beyond its last signal: a real device reads as zero there."""


def place(reg: int) -> tuple[int, int]:
    """A printed register as (function, 0-based address): 40017 is (3, 16), 10001 is (2, 0)."""
    function = {0: 1, 1: 2, 3: 4, 4: 3}[reg // 10_000]
    return function, reg % 10_000 - 1


class Registers:
    """The units of a layout, and how to copy (n,) shown values into them."""

    def __init__(self, layout: Layout) -> None:
        modbus = [d for d in layout.devices if d.unit_id]
        self.units = {d.unit_id: _unit(layout.of(d.id)) for d in modbus}
        self._writers = [_Writer(self.units[d.unit_id], layout, d.id) for d in modbus]

    def write(self, shown: NDArray[np.float64]) -> None:
        """Copy what is shown into every unit; a reader sees a unit before or after, not torn."""
        for writer in self._writers:
            writer.write(shown)


def _unit(signals: Sequence[Signal]) -> Unit:
    ends = {1: 0, 2: 0, 3: 0, 4: 0}
    for signal in signals:
        function, address = place(signal.reg)
        words = 2 if signal.type == "f32" else 1
        ends[function] = max(ends[function], address + words + TABLE_SPACE_WORDS)
    return Unit.sized(ends[1], ends[2], ends[3], ends[4])


class _Writer:
    """Scatters the signals of one unit; index arrays are made once."""

    def __init__(self, unit: Unit, layout: Layout, device: str) -> None:
        self._unit = unit
        self._scatter: list[tuple[Table, list[int], list[int]]] = []
        self._scale = np.array([s.scale for s in layout.signals])
        mine = [(i, s, *place(s.reg)) for i, s in enumerate(layout.signals) if s.device == device]
        tables: dict[int, Table] = {
            1: unit.coils,
            2: unit.discrete,
            3: unit.holding,
            4: unit.inputs,
        }
        for function, table in tables.items():
            words = [(i, at) for i, s, f, at in mine if f == function and s.type != "f32"]
            if words:
                self._scatter.append((table, [at for _, at in words], [i for i, _ in words]))
        self._floats = [(tables[f], at, i) for i, s, f, at in mine if s.type == "f32"]

    def write(self, shown: NDArray[np.float64]) -> None:
        raw = np.rint(shown / self._scale).astype(np.int64) & 0xFFFF
        for table, addresses, columns in self._scatter:
            table[addresses] = raw[columns]
        # The few floats of a unit one by one: two words each, most significant first.
        for table, address, column in self._floats:
            table[address : address + 2] = struct.unpack(">HH", struct.pack(">f", shown[column]))
