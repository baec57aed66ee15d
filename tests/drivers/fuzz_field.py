"""What comes off a bus: registers, frames, and the answers of whole units."""

from __future__ import annotations

import math
from functools import cache
from random import Random

from mangling import mangled, words

from parkwatch.drivers.config import ModbusUnit, Register
from parkwatch.drivers.guess import readings
from parkwatch.drivers.modbus.failures import Failure
from parkwatch.drivers.modbus.frames import Heard, Read, cut_rtu, cut_tcp, overheard, values
from parkwatch.drivers.place import (
    ORDERS,
    TYPES,
    WORDS,
    Heartbeat,
    Identity,
    Place,
    SelfCheck,
    Status,
)
from parkwatch.drivers.registers import decode, text_of
from parkwatch.drivers.unit import Answer, UnitDesk
from parkwatch.rules.quality import BAD, BAD_COMMS, BAD_FAULT, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS
from parkwatch.simulator.modbus_server import GARBAGE, Unit, refusal
from parkwatch.simulator.rtu_server import framed

OVER, UNDER = UNCERTAIN | Reason.OVER_RANGE, UNCERTAIN | Reason.UNDER_RANGE
INPUTS, SCANS = 200, 20
SAID = (GOOD, BAD_FAULT, BAD_COMMS, OVER, UNDER, BAD | Reason.CALIBRATING)


def judged(value: float, quality: int) -> None:
    """What every consumer relies on: a value that is bad is NaN, and nothing else is no number."""
    assert math.isnan(value) == (quality >= BAD), (value, quality)
    assert not math.isinf(value), value
    assert 0 <= quality < 256, quality


def a_register(rng: Random, point: int, address: int) -> Register:
    kind = rng.choice(TYPES)
    one = WORDS[kind] == 1 and kind in ("u16", "s16")
    return Register(
        point, rng.choice((1, 2)) if kind == "bit" else rng.choice((3, 4)), address, kind,
        rng.choice(ORDERS), scale=rng.choice((1.0, 0.1, 1e-3, 1e-12, -0.5, 1e9)),
        offset=rng.choice((0.0, 0.0, -10.0, 1e6)), signal=rng.choice(("", "", "4-20mA")),
        low=rng.choice((0.0, -500.0)), high=rng.choice((1.0, 50.0, 100.0, 1e6)),
        drifts=rng.random() < 0.3, sentinels=rng.choice(((), (6553.5,))),
        mask=rng.choice((0, 0, 1, 0xF0, 0x8000, 0xFFFF)) if one else 0,
        codes=rng.choice(((), ((65535.0, BAD_FAULT), (65534.0, OVER), (0.0, UNDER)))),
    )  # fmt: skip


def registers(rng: Random) -> int:
    """One random register and many words in it; what they could mean; texts."""
    register = a_register(rng, 0, 0)
    for _ in range(INPUTS):
        found = words(rng, register.words)
        judged(*decode(register, found, rng.choice((1.0, 1.0, 500.0, 1e-6))))
    count = rng.randrange(1, 33)
    text = text_of(Place(3, 0, "ascii", rng.choice(ORDERS), count=count), words(rng, count))
    assert len(text) <= 2 * count
    around = dict(enumerate(words(rng, 6), start=-2))
    for each in readings(around, 0, 3, shown=rng.choice(("", "0", "25.3")), low=0.0, high=100.0):
        assert math.isfinite(each.value)
    return INPUTS + 2


# Frames -------------------------------------------------------------------------------------------


@cache
def _bank() -> Unit:
    unit = Unit.sized(coils=300, discrete=300, holding=200, inputs=200)
    unit.holding[:] = range(200)
    return unit


def a_pdu(rng: Random) -> tuple[Read, bytes]:
    """A request, and a right answer or a refusal."""
    function, count = rng.randrange(1, 5), rng.randrange(1, 126)
    read = Read(rng.randrange(256), function, rng.randrange(70), count)
    if rng.random() < 0.2:
        return read, refusal(function, rng.randrange(256))
    asked = bytes((function,)) + read.address.to_bytes(2) + count.to_bytes(2)
    return read, _bank().answer(asked)


def frames(rng: Random) -> int:
    """Streams of answers that were hurt, cut as the line does it; and what was never asked for."""
    read, pdu = a_pdu(rng)
    other, more = a_pdu(rng)
    tcp = [
        rng.randrange(0x10000).to_bytes(2) + b"\0\0" + (len(p) + 1).to_bytes(2) + bytes((r.unit,))
        + p for r, p in ((read, pdu), (other, more))
    ]  # fmt: skip
    rtu = [framed(r.unit, p) for r, p in ((read, pdu), (other, more))]
    for cut, pieces in ((cut_tcp, tcp), (cut_rtu, rtu)):
        if rng.random() < 0.3:
            pieces.insert(rng.randrange(3), rng.choice((GARBAGE, rng.randbytes(9))))
        buffer = bytearray(mangled(rng, b"".join(pieces)))
        try:
            while (heard := cut(buffer)) is not None:
                taken(read, heard)
        except Failure:
            continue
    said = mangled(rng, b"".join(rtu) + framed(1, b"\x03\0\0\0\x05"))
    assert sum(len(each.pdu) + 3 for each in overheard(said)) <= len(said)
    return 3


def taken(read: Read, heard: Heard) -> None:
    try:
        found = values(read, heard)
    except Failure:
        return
    assert len(found) == read.count
    assert (heard.unit, heard.function) == (read.unit, read.function)
    assert all(0 <= word <= (1 if read.function <= 2 else 0xFFFF) for word in found)


# Units --------------------------------------------------------------------------------------------


def a_unit(rng: Random) -> ModbusUnit:
    """Registers with everything that a device map may say of them."""
    places = [Place(3, 400 + 4 * n, rng.choice(TYPES), rng.choice(ORDERS)) for n in range(6)]
    rules = tuple(
        Status(
            place, bits=((0x80, OVER), (0x01, BAD_FAULT)),
            values=((0, 9, GOOD), (11, 65_535, rng.choice(SAID)), (-9, -1, UNDER)),
        )
        for place in places[:2]
    )  # fmt: skip
    registers = []
    for n in range(rng.randrange(1, 9)):
        made = a_register(rng, n, 8 * n)
        more = {
            "status": rules if rng.random() < 0.4 else (),
            "times": places[2] if rng.random() < 0.3 else None,
            "decimals": places[3] if rng.random() < 0.3 else None,
            "spare": rng.random() < 0.1,
            "frame": (max(0, made.address - 1), made.words + 2) if rng.random() < 0.2 else None,
        }
        registers.append(replaced(made, more))
    points = tuple(r.point for r in registers)
    identities = (
        Identity("unit", places[4], points[:2], expected=(4.0,), essential=True, spare=(0,)),
        Identity("serial", Place(3, 500, "ascii", count=4), points),
        Identity("first", places[5], points, names=((1, "ppm"),), scale=0.1),
    )
    return ModbusUnit(
        "hd/panel-1", 1, tuple(registers),
        heartbeat=Heartbeat(places[0], 3 * SECOND_NS) if rng.random() < 0.5 else None,
        identities=identities[: rng.randrange(4)],
        self_check=SelfCheck(Place(3, 510, "f32"), -123.45) if rng.random() < 0.3 else None,
    )  # fmt: skip


def replaced(made: Register, more: dict[str, object]) -> Register:
    fields = {name: getattr(made, name) for name in Register.__slots__}
    return Register(**{**fields, **more})


def units(rng: Random) -> int:
    """Scan after scan of one unit, with answers missing, refused and random; it is lost and found,
    remembered and restored."""
    desk, now = UnitDesk(a_unit(rng), lambda kind, text: None), 1_000 * SECOND_NS
    desk.opened(now)
    scans = rng.randrange(1, SCANS)
    for _ in range(scans):
        now += rng.choice((SECOND_NS, SECOND_NS, 4_000 * SECOND_NS))
        answers = {}
        for span in desk.spans(now):
            luck = rng.random()
            if luck < 0.1:
                answers[span] = Answer(now, None, rng.choice((BAD_COMMS, BAD_FAULT)))
            elif luck < 0.95:
                bits = span.function <= 2
                found = words(rng, span.count)
                answers[span] = Answer(now, [w & 1 for w in found] if bits else found)
        rows = desk.scanned(answers)
        for value, quality in zip(rows.values, rows.qualities, strict=True):
            judged(value, quality)
        rows.batch()
        if rng.random() < 0.1:
            desk.lost(BAD_COMMS, now)
            desk.opened(now)
            desk.settings.restore(desk.settings.snapshot())
    return scans
