"""Every device map, from what the maker's document says is in the registers to a value.

The banks are written by hand; our server, pymodbus' client and the driver's desk stand between.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest
from device_banks import BANKS, sized
from listening import Listener
from mapped import loaded, panel, polled, unit_of

from parkwatch.drivers.devicemap import names
from parkwatch.drivers.place import ORDERS
from parkwatch.rules.quality import BAD, BAD_COMMS, BAD_FAULT, BAD_STALE, GOOD, UNCERTAIN, Reason

Waiting = Callable[..., Awaitable[None]]
H2S = 'gas = "H2S", range = [0, 50], resolution = 0.1'
CH4 = 'gas = "CH4", range = [0, 100], sensor = "ir"'
LEVEL = 'kind = "level", range = [-500, 500]'
POINTS = {
    "honeywell_xrl": (H2S, 1), "honeywell_xcd": (H2S, 1),
    "honeywell_tppro": (f'{H2S}, channel = 64, step = "unit"', 64),
    "draeger_regard3900": (f"{H2S}, channel = 16", 16),
    "crowcon_vortex": (f'{H2S}, channel = 12, step = "unit"', 12),
    "igd_toc635": (f"{CH4}, channel = 999", 999),
    "msa_ultima": (f"{H2S}, channel = 3", 3),
    "honeywell_midas": (H2S, 1), "cn_generic_gas": (H2S, 1),
    "honeywell_hc900": (f'{LEVEL}, value = "pv", channel = 24', 24),
    "rosemount_5300": (f'{LEVEL}, value = "pv", channel = 5', 5),
    "rosemount_3095": (f'{LEVEL}, value = "dp"', 1),
    "rotork_valve": ('kind = "other", value = "position", range = [0, 100]', 1),
    "cn_sf6_o2": ('gas = "O2", value = "o2"', 1),
    "generic_boiler_cn": (f'{LEVEL}, value = "level"', 1),
    "generic_sis_gateway": (f'{LEVEL}, value = "voted", channel = 100', 100),
    "new_cosmos_ps7": ('kind = "flow", value = "flow"', 1),
    "pemtech_pt2008": (f"{H2S}, channel = 8, scale = 0.1", 8),
}  # fmt: skip
"""A point of each map, and its channel: the last one, where a wrong stride is furthest off."""


def test_every_map_has_a_bank_and_a_point() -> None:
    assert set(POINTS) == set(BANKS) == set(names())


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("name", names())
async def test_what_the_device_holds_is_what_we_read(name: str, order: str) -> None:
    point, channel = POINTS[name]
    bank = sized()
    truths = (20.0, 21.0) if name == "cn_sf6_o2" else (0.0, 7.0, 42.0)
    async with panel(unit_of(loaded(name, f'{point}, order = "{order}"')), bank) as device:
        for truth in truths:
            BANKS[name](bank, channel, truth, order)
            # Fast enough for every heartbeat to be missed but once.
            assert await device.scan(after_s=0.1) == [(pytest.approx(truth, rel=1e-6), GOOD)], truth
    assert [kind for kind, _ in device.said] in ([], ["settings_over"])


@pytest.mark.parametrize("name", names())
async def test_the_driver_polls_every_map(name: str, wait_until_async: Waiting) -> None:
    """Its own planner and scheduler: status and settings in other frames than the values."""
    point, channel = POINTS[name]
    bank, listener = sized(), Listener()
    truth = 21.0 if name == "cn_sf6_o2" else 7.0
    BANKS[name](bank, channel, truth, "abcd")
    unit = unit_of(loaded(name, f'{point}, order = "abcd"'))
    expected = {0: (pytest.approx(truth, rel=1e-6), GOOD)}
    async with polled(unit, bank, listener):
        await wait_until_async(lambda: len(listener.batches) >= 2, "two scans")
    assert listener.newest() == expected
    assert set(listener.kinds) <= {"link_up", "settings_over"}


async def test_settings_that_a_device_refuses_take_no_value_along(
    wait_until_async: Waiting,
) -> None:
    """Another firmware has no gas name at 40146: the values beside it are read as before."""
    bank, listener = sized(), Listener()
    BANKS["honeywell_xrl"](bank, 1, 7.0, "abcd")
    bank.holding = bank.holding[:140]
    async with polled(unit_of(loaded("honeywell_xrl", H2S)), bank, listener):
        await wait_until_async(lambda: len(listener.batches) >= 2, "two scans")
    assert listener.newest() == {0: (7.0, GOOD)}
    assert "settings_unread" in listener.kinds
    assert "settings" not in listener.kinds


@pytest.mark.parametrize(("name", "code"), [("honeywell_xrl", 1), ("honeywell_xcd", 5)])
async def test_one_maker_has_two_enumerations(name: str, code: int) -> None:
    """5 is %LEL on one detector and %vol on its sister."""
    bank = sized()
    BANKS[name](bank, 1, 12.0, "abcd")
    at = 110 if name == "honeywell_xrl" else 10
    async with panel(unit_of(loaded(name, CH4)), bank) as device:
        for raw, quality in ((code, GOOD), (6 - code, UNCERTAIN | Reason.DOUBTFUL)):
            bank.holding[at] = raw
            assert await device.qualities(after_s=3601) == [quality]
            bank.holding[107] += 1


@pytest.mark.parametrize(
    ("name", "number", "quality"),
    [
        ("honeywell_xrl", 1203, BAD_FAULT), ("honeywell_xcd", 1103, BAD_FAULT),
        ("honeywell_xrl", 1103, BAD_FAULT),  # No document explains it.
        ("honeywell_xrl", 12, UNCERTAIN | Reason.DOUBTFUL), ("honeywell_xcd", 0, GOOD),
    ],
)  # fmt: skip
async def test_fault_numbers_have_another_base_each(name: str, number: int, quality: int) -> None:
    bank = sized()
    BANKS[name](bank, 1, 12.0, "abcd")
    bank.holding[104 if name == "honeywell_xrl" else 4] = number
    async with panel(unit_of(loaded(name, H2S)), bank) as device:
        assert await device.qualities() == [quality]


@pytest.mark.parametrize("bit", [5, 6])
async def test_either_fault_bit_of_two_editions_is_a_fault(bit: int) -> None:
    bank = sized()
    BANKS["honeywell_xrl"](bank, 1, 12.0, "abcd")
    bank.holding[105] = 1 << bit
    async with panel(unit_of(loaded("honeywell_xrl", H2S)), bank) as device:
        assert await device.qualities() == [BAD_FAULT]


STATES = {
    "honeywell_xrl": ("holding", 106, {2: Reason.WARMING_UP, 3: Reason.OUT_OF_SERVICE,
                                       12: Reason.CALIBRATING, 0: Reason.FAULT}),
    "honeywell_tppro": ("inputs", 127, {7: Reason.FAULT, 8: Reason.OUT_OF_SERVICE,
                                        11: Reason.COMMS, 9: Reason.FAULT}),
    "draeger_regard3900": ("inputs", 230, {0x08: Reason.FAULT, 0x10: Reason.FAULT,
                                           0x20: Reason.OUT_OF_SERVICE, 0x2020:
                                           Reason.OUT_OF_SERVICE}),
    "crowcon_vortex": ("holding", 3110, {0x08: Reason.OUT_OF_SERVICE, 0x40: Reason.FAULT,
                                         0x200: Reason.OUT_OF_SERVICE}),
    "igd_toc635": ("inputs", 3998, {0x10: Reason.OUT_OF_SERVICE, 0x20: Reason.FAULT,
                                    0x100: Reason.COMMS}),
    "honeywell_midas": ("holding", 0, {0: Reason.WARMING_UP, 3: Reason.OUT_OF_SERVICE,
                                       5: Reason.OUT_OF_SERVICE, 6: Reason.CALIBRATING,
                                       0x21: Reason.FAULT, 9: Reason.FAULT}),
    "msa_ultima": ("holding", 200, {0x08: Reason.CALIBRATING, 0x10: Reason.WARMING_UP}),
    "cn_generic_gas": ("holding", 1, {2: Reason.FAULT, 9: Reason.FAULT}),
    "new_cosmos_ps7": ("holding", 16, {1: Reason.CALIBRATING}),
    "rosemount_5300": ("inputs", 1340, {0x01: Reason.FAULT, 0x8000: Reason.FAULT}),
    "generic_boiler_cn": ("holding", 16, {0x100: Reason.FAULT}),
}  # fmt: skip
"""Where the status of the point above stands on the wire, and what it makes of the value."""


@pytest.mark.parametrize("name", STATES)
async def test_a_status_takes_the_value_away(name: str) -> None:
    """On inhibit the value is frozen at its last reading: with its status it is none."""
    point, channel = POINTS[name]
    table, at, said = STATES[name]
    bank = sized()
    BANKS[name](bank, channel, 12.0, "abcd")
    words = getattr(bank, table)
    normal = int(words[at])
    async with panel(unit_of(loaded(name, f'{point}, order = "abcd"')), bank) as device:
        for raw, reason in said.items():
            words[at] = raw
            assert await device.qualities(after_s=0.1) == [BAD | reason], raw
        words[at] = normal
        assert await device.qualities(after_s=0.1) == [GOOD]


@pytest.mark.parametrize(
    ("name", "at", "bit"), [("igd_toc635", 3998, 0x80), ("draeger_regard3900", 230, 0x80)]
)
async def test_over_range_is_still_an_alarm(name: str, at: int, bit: int) -> None:
    point, channel = POINTS[name]
    bank = sized()
    BANKS[name](bank, channel, 12.0, "abcd")
    bank.inputs[at] = bit
    async with panel(unit_of(loaded(name, point)), bank) as device:
        assert await device.scan() == [(12.0, UNCERTAIN | Reason.OVER_RANGE)]


async def test_a_status_speaks_of_its_own_value_only() -> None:
    """The second variable of a transmitter is invalid: its level is not."""
    point, channel = POINTS["rosemount_5300"]
    bank = sized()
    BANKS["rosemount_5300"](bank, channel, 12.0, "abcd")
    bank.inputs[1340] = 0x02
    both = f'{point}, order = "abcd"\n{LEVEL}, value = "sv", channel = 5'
    async with panel(unit_of(loaded("rosemount_5300", both)), bank) as device:
        assert await device.qualities() == [GOOD, BAD_FAULT]


async def test_the_bus_behind_a_gateway_may_be_dead() -> None:
    bank = sized()
    BANKS["draeger_regard3900"](bank, 16, 12.0, "abcd")
    bank.inputs[241] = 1
    point = POINTS["draeger_regard3900"][0]
    async with panel(unit_of(loaded("draeger_regard3900", point)), bank) as device:
        assert await device.qualities() == [BAD_COMMS]


@pytest.mark.parametrize(
    ("name", "table", "at", "beat"),
    [
        ("honeywell_xrl", "holding", 107, 1), ("generic_sis_gateway", "inputs", 0, 1),
        ("honeywell_midas", "holding", 0, 0x800),
    ],
)  # fmt: skip
async def test_a_gateway_that_answers_from_its_cache_is_found_out(
    name: str, table: str, at: int, beat: int
) -> None:
    point, channel = POINTS[name]
    bank = sized()
    BANKS[name](bank, channel, 12.0, "abcd")
    words = getattr(bank, table)
    async with panel(unit_of(loaded(name, point)), bank) as device:
        for _ in range(30):
            words[at] ^= beat
            assert await device.qualities() == [GOOD]
        seen = [(await device.qualities())[0] for _ in range(20)]
    assert seen[0] == GOOD
    assert seen[-1] == BAD_STALE
    assert set(seen) == {GOOD, BAD_STALE}


async def test_another_detector_on_the_same_address_gives_no_value() -> None:
    """An XCD answers where an XRL was: the registers mean something else."""
    bank = sized()
    BANKS["honeywell_xrl"](bank, 1, 12.0, "abcd")
    bank.holding[100] = 0x2501
    async with panel(unit_of(loaded("honeywell_xrl", H2S)), bank) as device:
        assert await device.qualities() == [BAD_FAULT]


async def test_range_and_decimals_changed_at_the_panel_are_told() -> None:
    bank = sized()
    point, channel = POINTS["draeger_regard3900"]
    BANKS["draeger_regard3900"](bank, channel, 12.0, "abcd")
    async with panel(unit_of(loaded("draeger_regard3900", point)), bank) as device:
        assert await device.scan() == [(12.0, GOOD)]
        bank.inputs[227] = 100  # The range; the level is of it, so the value follows.
        assert await device.scan(after_s=3600) == [(24.0, UNCERTAIN | Reason.DOUBTFUL)]
        bank.inputs[227], bank.inputs[229] = 50, 2
        assert await device.qualities(after_s=3600) == [UNCERTAIN | Reason.DOUBTFUL]
    assert [kind for kind, _ in device.said] == ["settings_over", "settings", "settings"]
    assert "range 100 ≠ 50" in device.said[1][1]


async def test_a_spare_channel_of_a_panel_is_not_in_service() -> None:
    bank = sized()
    BANKS["crowcon_vortex"](bank, 12, 0.0, "abcd")
    bank.holding[110 + 20 * 11] = 0
    async with panel(
        unit_of(loaded("crowcon_vortex", POINTS["crowcon_vortex"][0])), bank
    ) as device:
        assert await device.qualities() == [BAD | Reason.OUT_OF_SERVICE]


async def test_a_step_of_full_scale_is_not_a_step_of_the_unit() -> None:
    """0.1 % of 50 ppm is 0.05 ppm: half of what the other edition of the manual says."""
    bank = sized()
    BANKS["honeywell_tppro"](bank, 64, 12.0, "abcd")
    point = f'{H2S}, channel = 64, step = "fsd"'
    async with panel(unit_of(loaded("honeywell_tppro", point)), bank) as device:
        assert await device.scan() == [(6.0, GOOD)]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("igd_toc635", Reason.FAULT), ("honeywell_xrl", Reason.FAULT),
        ("honeywell_xcd", Reason.FAULT), ("draeger_regard3900", Reason.FAULT),
        ("honeywell_midas", Reason.WARMING_UP), ("crowcon_vortex", Reason.OUT_OF_SERVICE),
    ],
)  # fmt: skip
async def test_a_buffer_of_zeros_is_never_clean_air(name: str, reason: Reason) -> None:
    """Where something of the map cannot be zero, one look is enough."""
    async with panel(unit_of(loaded(name, POINTS[name][0])), sized()) as device:
        assert await device.qualities() == [BAD | reason]


@pytest.mark.parametrize(
    ("name", "table", "at", "code"),
    [
        ("igd_toc635", "inputs", 998, 0xFFFF), ("honeywell_tppro", "inputs", 63, 0x8000),
        ("cn_generic_gas", "holding", 0, 0xFFFF), ("cn_generic_gas", "holding", 0, 0x8000),
    ],
)  # fmt: skip
async def test_a_code_in_the_place_of_a_value_is_a_fault(
    name: str, table: str, at: int, code: int
) -> None:
    point, channel = POINTS[name]
    bank = sized()
    BANKS[name](bank, channel, 12.0, "abcd")
    getattr(bank, table)[at] = code
    async with panel(unit_of(loaded(name, point)), bank) as device:
        assert await device.qualities() == [BAD_FAULT]


async def test_a_printed_number_of_six_digits_and_a_shifted_map() -> None:
    """The same layout is printed at 400xx and at 401xx: a site moves the whole map."""
    bank = sized()
    BANKS["honeywell_xrl"](bank, 1, 12.5, "abcd")
    bank.holding[:100] = bank.holding[100:200]
    bank.holding[100:200] = 0
    shifted = loaded("honeywell_xrl", H2S, "shift = -100")
    async with panel(unit_of(shifted), bank) as device:
        assert await device.scan() == [(12.5, GOOD)]
