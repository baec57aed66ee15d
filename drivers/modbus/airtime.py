"""How long a serial segment needs for a round: computed from the plan, before anything is wired."""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.drivers.config import Bus, ModbusUnit
from parkwatch.drivers.modbus.frames import RTU_ASK_BYTES, RTU_BYTES_MIN
from parkwatch.drivers.plan import Block, Bounds, plan
from parkwatch.drivers.unit import UnitDesk

GAP_CHARS = 3.5
GAP_S_LEAST = 0.00175
"""Above 19,200 baud the specification fixes the gap."""
FAST_BAUD = 19_200


def char_s(bus: Bus) -> float:
    """One character on the line: start, data, parity and stop bits."""
    return (1 + bus.data_bits + (bus.parity != "N") + bus.stop_bits) / bus.baud


def gap_s(bus: Bus) -> float:
    """The silence that ends a frame (t3.5); 0 where there is no serial line of ours."""
    if bus.transport != "rtu":
        return 0.0
    return GAP_S_LEAST if bus.baud > FAST_BAUD else GAP_CHARS * char_s(bus)


def read_s(bus: Bus, block: Block) -> float:
    """One request and its answer on the line with the gap behind each, without turnaround.

    >>> round(read_s(Bus("rtu:x", "rtu", ()), Block(3, 0, 20)) * 1000, 1)
    62.5
    """
    chars = RTU_ASK_BYTES + RTU_BYTES_MIN + block.reply_bytes
    return chars * char_s(bus) + 2 * gap_s(bus)


def blocks_of(unit: ModbusUnit, *, rtu: bool) -> Sequence[Block]:
    """What a plain scan of a unit reads; settings, read hourly, are left out."""
    spans = UnitDesk(unit, lambda _kind, _text: None).spans(0)
    return plan([span for span in spans if not span.group], bounds(unit), distinct=rtu)


def bounds(unit: ModbusUnit) -> Bounds:
    """What a unit bears of one read."""
    return Bounds(unit.block_words_max, unit.gap_words_max, unit.never)


def round_s(bus: Bus) -> float:
    """One scan of every unit, each block once, nobody silent; 0 where no serial line is known."""
    if bus.transport != "rtu":
        return 0.0
    return sum(
        read_s(bus, block) + unit.turnaround_s + max(0.0, bus.pause_s - gap_s(bus))
        for unit in bus.units
        for block in blocks_of(unit, rtu=True)
    )
