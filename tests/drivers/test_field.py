"""The door to the field: reads only, an interop check against pymodbus' own server."""

from __future__ import annotations

from parkwatch.drivers.field import FieldReader


def test_the_facade_offers_reads_only() -> None:
    assert {name for name in vars(FieldReader) if not name.startswith("_")} == {
        "open",
        "read",
        "close",
    }


async def test_it_holds_four_reads() -> None:
    reader = FieldReader("127.0.0.1", 1, 1, 0.1)
    assert {function: read.__name__ for function, read in reader._reads.items()} == {
        1: "read_coils",
        2: "read_discrete_inputs",
        3: "read_holding_registers",
        4: "read_input_registers",
    }
    assert not any("write" in name for name in dir(reader))
