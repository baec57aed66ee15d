"""Registers as the makers' documents describe them, written by hand: the other side of the maps.

Nothing here imports a decoder or a map: addresses, scales and bits are the documents' own numbers.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from datetime import UTC, datetime

from parkwatch.simulator.modbus_server import Unit

_STRUCT = {"u16": "H", "s16": "h", "u32": "I", "s32": "i", "u64": "Q", "s64": "q", "f32": "f",
           "f64": "d"}  # fmt: skip
_BCD = {"bcd2": 4, "bcd4": 4, "bcd8": 8}


def words(kind: str, order: str, value: float) -> list[int]:
    """The words of a number. The order names the bytes of the first two words, most significant
    first being `abcd`; longer numbers go on likewise."""
    if kind == "bit":
        return [int(value)]
    if kind in _STRUCT:
        big = struct.pack(">" + _STRUCT[kind], value if kind[0] == "f" else int(value))
    elif kind == "byte.byte":
        big = bytes(divmod(round(value * 100), 100))
    elif kind == "bcd-clock":
        big = bytes.fromhex(datetime.fromtimestamp(value, UTC).strftime("%y%m%d%H%M%S"))
    else:
        big = bytes.fromhex(f"{int(value):0{_BCD[kind]}d}")
    pairs = [big[i : i + 2] for i in range(0, len(big), 2)]
    if order in ("cdab", "dcba"):
        pairs.reverse()
    if order in ("badc", "dcba"):
        pairs = [pair[::-1] for pair in pairs]
    return [pair[0] << 8 | pair[1] for pair in pairs]


def sized() -> Unit:
    """A unit with all the registers that any of these devices has."""
    return Unit.sized(coils=400, discrete=400, holding=16_000, inputs=4_000)


def text(unit: Unit, address: int, what: str, count: int) -> None:
    """ASCII in holding registers, two characters a word."""
    data = what.encode().ljust(2 * count, b"\0")
    unit.holding[address : address + count] = [
        data[i] << 8 | data[i + 1] for i in range(0, 2 * count, 2)
    ]


# One function a device: the truth of channel n in, the bank changed. All in the state "normal".


def honeywell_xrl(unit: Unit, n: int, value: float, order: str) -> None:
    """T1: printed 40101 is wire 100."""
    unit.holding[100] = unit.holding[101] = 0x2601
    unit.holding[102:104] = words("f32", order, value)
    unit.holding[106] = 1
    unit.holding[110] = 6  # ppm
    text(unit, 145, "H2S", 7)


def honeywell_xcd(unit: Unit, n: int, value: float, order: str) -> None:
    """T2: the same at 400xx, and ppm is 4."""
    unit.holding[0] = 0x2501
    unit.holding[2:4] = words("f32", order, value)
    unit.holding[6] = 1
    unit.holding[10] = 4


def honeywell_tppro(unit: Unit, n: int, value: float, order: str) -> None:
    """T3: 16 bits at 30001 + n - 1 in tenths of the unit, animation at 30065."""
    unit.inputs[n - 1] = words("s16", order, round(value * 10))[0]
    unit.inputs[64 + n - 1] = 0


def draeger_regard3900(unit: Unit, n: int, value: float, order: str) -> None:
    """T4: level, range, resolution, decimals, status; the range is 50."""
    at = 1 + 15 * (n - 1)
    level = words("u16", order, round(value * 1000 / 50))[0]
    unit.inputs[at : at + 5] = (level, 50, 1, 1, 0)
    text(unit, 6 + 15 * (n - 1), "H2S", 4)
    text(unit, 10 + 15 * (n - 1), "ppm", 4)


def crowcon_vortex(unit: Unit, n: int, value: float, order: str) -> None:
    """T5: wire 2999 + 10 (n - 1), here in tenths of the unit; a gas channel in ppm."""
    unit.holding[2999 + 10 * (n - 1)] = words("s16", order, round(value * 10))[0]
    for address, raw in ((110, 6), (121, 2), (122, 16)):
        unit.holding[address + 20 * (n - 1)] = raw


def igd_toc635(unit: Unit, n: int, value: float, order: str) -> None:
    """T6: raw 0 is -10 %LEL."""
    unit.inputs[n - 1] = words("u16", order, round((value + 10) * 10))[0]


def msa_ultima(unit: Unit, n: int, value: float, order: str) -> None:
    """T7: base + 207, + 209, + 211; the first register is number 1."""
    at = 206 + 2 * (n - 1)
    unit.holding[at : at + 2] = words("f32", order, value)


def honeywell_midas(unit: Unit, n: int, value: float, order: str) -> None:
    """T8: state 1 is monitoring."""
    unit.holding[0] = 1
    unit.holding[2:4] = words("f32", order, value)


def cn_generic_gas(unit: Unit, n: int, value: float, order: str) -> None:
    """T12."""
    unit.holding[0] = words("u16", order, round(value * 10))[0]


def cn_sf6_o2(unit: Unit, n: int, value: float, order: str) -> None:
    """T13, read as two registers: SF6 in ppm beside oxygen as byte.byte."""
    unit.holding[0] = 12
    unit.holding[1] = words("byte.byte", order, value)[0]


def generic_sis_gateway(unit: Unit, n: int, value: float, order: str) -> None:
    """T15: voted value n."""
    at = 10 + 2 * (n - 1)
    unit.inputs[at : at + 2] = words("f32", order, value)


def honeywell_hc900(unit: Unit, n: int, value: float, order: str) -> None:
    """T9: process value of loop n."""
    at = 0x40 + 0x100 * (n - 1)
    unit.holding[at : at + 2] = words("f32", order, value)


def rosemount_5300(unit: Unit, n: int, value: float, order: str) -> None:
    """T10: registers are numbered as they are transmitted."""
    at = 1302 + 10 * (n - 1)
    unit.inputs[at : at + 2] = words("f32", order, value)


def rosemount_3095(unit: Unit, n: int, value: float, order: str) -> None:
    """T10: 401 is the 401st register."""
    unit.holding[400:402] = words("f32", order, value)


def rotork_valve(unit: Unit, n: int, value: float, order: str) -> None:
    """T11: register 3, 0-1000."""
    unit.inputs[3] = words("u16", order, round(value * 10))[0]


def generic_boiler_cn(unit: Unit, n: int, value: float, order: str) -> None:
    """T14: the drum level in mm."""
    unit.holding[1] = words("s16", order, round(value))[0]


def new_cosmos_ps7(unit: Unit, n: int, value: float, order: str) -> None:
    """T16: the flow at 40001."""
    unit.holding[0] = words("u16", order, round(value))[0]
    text(unit, 8, "CO2", 2)


def pemtech_pt2008(unit: Unit, n: int, value: float, order: str) -> None:
    """T16: sensor n at 400027 + 4 n."""
    unit.holding[26 + 4 * n] = words("u16", order, round(value * 10))[0]


Bank = Callable[[Unit, int, float, str], None]
BANKS: dict[str, Bank] = {
    bank.__name__: bank
    for bank in (
        honeywell_xrl, honeywell_xcd, honeywell_tppro, draeger_regard3900, crowcon_vortex,
        igd_toc635, msa_ultima, honeywell_midas, honeywell_hc900, rosemount_5300, rosemount_3095,
        rotork_valve, cn_generic_gas, cn_sf6_o2, generic_boiler_cn, generic_sis_gateway,
        new_cosmos_ps7, pemtech_pt2008,
    )
}  # fmt: skip
