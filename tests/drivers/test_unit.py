"""One unit's answers: frames that are good, and a device behind them that is not."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence

import pytest
from device_banks import words

from parkwatch.drivers.config import ModbusUnit, Register, Span
from parkwatch.drivers.doubt import HOLD_NS, IDENTITY_NS
from parkwatch.drivers.place import Heartbeat, Identity, Place, SelfCheck, Status, weightiest
from parkwatch.drivers.unit import Answer, UnitDesk
from parkwatch.rules.quality import BAD, BAD_COMMS, BAD_FAULT, BAD_STALE, GOOD, UNCERTAIN, Reason
from parkwatch.rules.site import SECOND_NS as S

DOUBTFUL = UNCERTAIN | Reason.DOUBTFUL
OVER = UNCERTAIN | Reason.OVER_RANGE
INHIBITED = BAD | Reason.OUT_OF_SERVICE
STATUS = Status(Place(3, 50), values=((1, 1, GOOD), (3, 3, INHIBITED)))


class Field:
    """A unit whose registers a test sets; time goes on by a second a scan."""

    def __init__(self, *registers: Register, **guards: object) -> None:
        self.said: list[tuple[str, str]] = []
        unit = ModbusUnit("hd/panel-1", 3, registers, **guards)  # type: ignore[arg-type]
        self.desk = UnitDesk(unit, lambda kind, text: self.said.append((kind, text)))
        self.bank: dict[int, int] = {}
        self.silent: dict[int, int] = {}
        self.now = 1000 * S
        self.desk.opened(self.now)

    def scan(self, bank: Mapping[int, int] | None = None) -> dict[int, tuple[float, int]]:
        self.now += S
        self.bank.update(bank or {})
        answers = {span: self._answer(span) for span in self.desk.spans(self.now)}
        rows = self.desk.scanned(answers)
        assert all(
            math.isnan(v) == (q >= BAD) for v, q in zip(rows.values, rows.qualities, strict=True)
        )
        return dict(zip(rows.points, zip(rows.values, rows.qualities, strict=True), strict=True))

    def qualities(self, bank: Mapping[int, int] | None = None) -> list[int]:
        return [quality for _, quality in self.scan(bank).values()]

    def back(self) -> None:
        """The unit was lost, and answers again."""
        self.desk.lost(BAD_COMMS, self.now)
        self.desk.opened(self.now)

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.said]

    def _answer(self, span: Span) -> Answer:
        places = range(span.address, span.address + span.count)
        if why := next((self.silent[p] for p in places if p in self.silent), 0):
            return Answer(self.now, None, why)
        return Answer(self.now, [self.bank.get(p, 0) for p in places])


def gas(point: int, address: int | None = None, **more: object) -> Register:
    return Register(point, 3, point if address is None else address, scale=0.1, high=50, **more)  # type: ignore[arg-type]


def test_a_value_is_no_better_than_its_status() -> None:
    """Inhibited, the detector shows its last reading for ever: nobody may take it for now."""
    field = Field(gas(0, status=(STATUS,)))
    assert field.scan({0: 123, 50: 1}) == {0: (12.3, GOOD)}
    assert field.qualities({50: 3}) == [INHIBITED]
    assert field.qualities({50: 7}) == [BAD_FAULT]  # No document says what 7 is.
    assert field.scan({50: 1}) == {0: (12.3, GOOD)}


def test_a_status_that_nobody_has_read_is_never_good() -> None:
    field = Field(gas(0, status=(STATUS,)))
    field.silent[50] = BAD_FAULT
    assert field.qualities({0: 5}) == [BAD_COMMS]


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_status_that_is_no_number_is_a_fault(number: float) -> None:
    """One such register must not end the polling of the whole bus."""
    status = Status(Place(3, 50, "f32"), values=((1, 1, GOOD),))
    field = Field(gas(0, status=(status,)))
    high, low = words("f32", "abcd", number)
    assert field.qualities({0: 5, 50: high, 51: low}) == [BAD_FAULT]


@pytest.mark.parametrize(
    ("said", "whole"),
    [
        ((), GOOD),
        ((GOOD, DOUBTFUL), DOUBTFUL),
        ((OVER, BAD_FAULT), OVER),  # The gas that blinds a sensor is above its range.
        ((INHIBITED, BAD_FAULT), BAD_FAULT),  # Nobody planned the fault.
        ((INHIBITED, OVER), INHIBITED),  # The bottle's gas.
        ((BAD_COMMS, OVER, INHIBITED), BAD_COMMS),
        ((UNCERTAIN | Reason.UNDER_RANGE, DOUBTFUL), UNCERTAIN | Reason.UNDER_RANGE),
    ],
)
def test_of_several_qualities_the_weightiest_counts(said: Sequence[int], whole: int) -> None:
    assert weightiest(said) == whole


def test_over_range_without_a_number_is_full_scale_at_least() -> None:
    rule = Status(Place(3, 50), bits=((0x80, OVER),))
    field = Field(Register(0, 3, 0, "f32", high=100, status=(rule,)))
    nan = words("f32", "abcd", math.nan)
    assert field.scan({0: nan[0], 1: nan[1], 50: 0x80}) == {0: (100, OVER)}


def test_a_value_over_a_range_that_is_a_register() -> None:
    """Level x range / 1000: without the range there is no value."""
    field = Field(Register(0, 3, 0, scale=0.001, high=500, times=Place(3, 1), decimals=Place(3, 2)))
    assert field.scan({0: 246, 1: 500, 2: 0}) == {0: (123, GOOD)}
    assert field.scan({2: 1}) == {0: (12.3, GOOD)}
    assert field.qualities({2: 99}) == [BAD_FAULT]
    assert field.qualities({1: 0, 2: 1}) == [BAD_FAULT]  # A range of nothing makes any gas 0.
    field.silent[1] = BAD_FAULT
    assert field.qualities({2: 0}) == [BAD_COMMS]


def test_a_heart_that_stands_makes_good_frames_stale() -> None:
    """A gateway answers from its cache, and the slave behind it is dead."""
    field = Field(gas(0), heartbeat=Heartbeat(Place(3, 60), 5 * S))
    for beat in range(3):
        assert field.qualities({0: 50, 60: beat}) == [GOOD]
    seen = [field.qualities()[0] for _ in range(6)]
    assert seen == [GOOD] * 4 + [BAD_STALE] * 2
    assert field.qualities({60: 9}) == [GOOD]


def test_a_device_that_comes_back_may_find_its_heart() -> None:
    """It was away: what its heart did before says nothing of now."""
    field = Field(gas(0), heartbeat=Heartbeat(Place(3, 60), 3 * S))
    field.scan({0: 5, 60: 1})
    field.now += 60 * S
    field.back()
    assert field.qualities() == [GOOD]


def test_a_heartbeat_that_is_refused_is_none() -> None:
    field = Field(gas(0), heartbeat=Heartbeat(Place(3, 60), 3 * S))
    field.silent[60] = BAD_FAULT
    assert [field.qualities({0: 5})[0] for _ in range(4)] == [GOOD] * 3 + [BAD_STALE]


def test_a_toggling_bit_is_a_heartbeat() -> None:
    field = Field(gas(0), heartbeat=Heartbeat(Place(3, 60, mask=0x0800), 3 * S))
    for beat in range(8):
        assert field.qualities({60: 0x0800 * (beat % 2) | 0xF0 + beat}) == [GOOD]
    assert [field.qualities({60: 0x0800 + beat})[0] for beat in range(4)][-1] == BAD_STALE


def unit_setting(**more: object) -> Identity:
    return Identity("unit", Place(3, 70), (0,), names=((4, "ppm"), (5, "%LEL")), **more)  # type: ignore[arg-type]


def test_a_unit_changed_at_the_panel_is_told_within_the_hour() -> None:
    field = Field(gas(0), gas(1), identities=(unit_setting(expected=(4.0,)),))
    assert field.qualities({70: 4}) == [GOOD, GOOD]
    assert field.qualities({70: 5}) == [GOOD, GOOD]  # Not looked at.
    field.now += IDENTITY_NS
    assert field.qualities() == [DOUBTFUL, GOOD]
    assert field.said[-1] == (
        "settings", "盘上设置不符 the device's settings differ: unit %LEL ≠ ppm",
    )  # fmt: skip
    field.now += IDENTITY_NS
    assert field.qualities({70: 4}) == [GOOD, GOOD]
    assert field.kinds() == ["settings_over", "settings", "settings_over"]


def test_another_device_behind_the_same_address_is_seen_at_once() -> None:
    """Nobody said what the firmware is: it is held against what was first seen."""
    serial = Identity("serial", Place(3, 80, "ascii", count=2), (0,))
    field = Field(gas(0), identities=(serial,))
    assert field.qualities({80: 0x4131, 81: 0x3233}) == [GOOD]
    field.back()
    assert field.qualities({81: 0x3234}) == [DOUBTFUL]
    assert '"A124" ≠ "A123"' in field.said[-1][1]


def test_another_device_is_seen_although_we_were_down_when_it_came() -> None:
    serial = Identity("serial", Place(3, 80, "ascii", count=2), (0,))
    before, after = (Field(gas(0), identities=(serial,)) for _ in range(2))
    before.scan({80: 0x4131, 81: 0x3233})
    after.desk.settings.restore(json.loads(json.dumps(before.desk.settings.snapshot())))
    assert after.qualities({80: 0x4131, 81: 0x3234}) == [DOUBTFUL]
    assert '"A124" ≠ "A123"' in after.said[-1][1]
    unknown = Field(gas(0), identities=(serial,))
    unknown.desk.settings.restore({"another": 1.0})
    assert unknown.qualities({80: 0x4131, 81: 0x3234}) == [GOOD]


def test_a_map_of_another_device_gives_no_value() -> None:
    field = Field(gas(0), identities=(unit_setting(expected=(38.0,), essential=True),))
    assert field.qualities({0: 5, 70: 37}) == [BAD_FAULT]


def test_settings_that_are_refused_take_no_value_along() -> None:
    field = Field(gas(0), identities=(unit_setting(expected=(4.0,)),))
    field.silent[70] = BAD_FAULT
    assert field.qualities({0: 5}) == [GOOD]
    assert field.kinds() == ["settings_unread"]
    assert all(span.group for span in field.desk.spans(0) if span.address == 70)


def test_settings_that_got_lost_are_asked_for_again_soon() -> None:
    field = Field(gas(0), identities=(unit_setting(expected=(4.0,)),))
    field.silent[70] = BAD_COMMS
    field.scan()
    del field.silent[70]
    field.now += 60 * S
    assert field.qualities({70: 5}) == [DOUBTFUL]


def test_a_spare_channel_is_no_healthy_detector() -> None:
    """It reads 0, its status is fine, and nothing is connected."""
    kind = Identity("kind", Place(3, 70), (1,), expected=(0.0, 6.0), spare=(0,))
    field = Field(gas(0), gas(1), gas(2, spare=True), identities=(kind,))
    assert field.qualities({70: 0}) == [GOOD, INHIBITED, INHIBITED]


def test_a_wrong_word_order_is_found_by_the_self_check() -> None:
    check = SelfCheck(Place(3, 90, "f32", "cdab"), -123.45)
    field = Field(gas(0), self_check=check)
    high, low = words("f32", "abcd", -123.45)
    assert field.qualities({0: 5, 90: high, 91: low}) == [BAD_FAULT]
    assert 'order = "abcd"?' in field.said[-1][1]
    assert field.qualities({90: low, 91: high}) == [GOOD]
    assert field.kinds() == ["settings", "settings_over"]


def test_a_buffer_of_zeros_after_a_reboot_is_not_clean_air() -> None:
    field = Field(gas(0), gas(1))
    assert field.qualities({0: 12, 1: 3}) == [GOOD, GOOD]
    field.back()
    assert field.qualities({0: 0, 1: 0}) == [BAD_COMMS, BAD_COMMS]
    assert field.qualities({0: 1}) == [GOOD, GOOD]  # It measures.
    field.back()
    seen = [field.qualities({0: 0})[0] for _ in range(HOLD_NS // S + 1)]
    assert seen == [BAD_COMMS] * (HOLD_NS // S - 1) + [GOOD] * 2


def test_zeros_that_were_zeros_before_are_believed() -> None:
    field = Field(gas(0), gas(1))
    assert field.qualities() == [GOOD, GOOD]
    field.back()
    assert field.qualities() == [GOOD, GOOD]


def test_channels_that_leap_together_are_doubtful_and_still_alarm() -> None:
    field = Field(*(gas(n) for n in range(5)))
    field.scan(dict.fromkeys(range(5), 10))
    found = field.scan(dict.fromkeys(range(4), 400))
    assert found == {**dict.fromkeys(range(4), (40, DOUBTFUL)), 4: (1, DOUBTFUL)}
    assert field.kinds() == ["leap"]
    seen = [field.qualities()[0] for _ in range(HOLD_NS // S)]
    assert seen == [DOUBTFUL] * (HOLD_NS // S - 1) + [GOOD]
    assert field.kinds() == ["leap"]


@pytest.mark.parametrize(("leaping", "channels"), [(3, 3), (1, 5), (7, 9)])
def test_a_leak_that_a_few_see_is_not_doubted(leaping: int, channels: int) -> None:
    field = Field(*(gas(n) for n in range(channels)))
    field.scan(dict.fromkeys(range(channels), 10))
    assert set(field.qualities(dict.fromkeys(range(leaping), 400))) == {GOOD}


def test_what_changed_while_the_unit_was_away_did_not_leap() -> None:
    field = Field(*(gas(n) for n in range(5)))
    field.scan(dict.fromkeys(range(5), 10))
    field.back()
    assert set(field.qualities(dict.fromkeys(range(5), 400))) == {GOOD}


def test_one_float_may_jump_over_its_whole_range() -> None:
    """A tear cannot do that to it: it is what the detector says."""
    field = Field(Register(0, 3, 0, "f32", high=100))
    for value in (1.0, 150.0):
        high, low = words("f32", "abcd", value)
        assert field.scan({0: high, 1: low}) == {0: (value, GOOD)}


@pytest.mark.parametrize(
    "kind", [{"type": "bit"}, {"mask": 1, "high": 50}, {"type": "u16"}], ids=str
)
def test_states_may_all_change_at_once(kind: dict[str, object]) -> None:
    """A trip does that."""
    field = Field(*(Register(n, 2, n, **{"high": 1, **kind}) for n in range(8)))  # type: ignore[arg-type]
    field.scan()
    assert set(field.qualities(dict.fromkeys(range(8), 1))) == {GOOD}


def test_a_torn_integer_is_doubtful_until_it_is_read_again() -> None:
    field = Field(Register(0, 3, 0, "u32", scale=0.001, high=100))
    assert field.scan({0: 0, 1: 0xFFFF}) == {0: (65.535, GOOD)}
    assert field.scan({0: 3, 1: 0xFFFF}) == {0: (262.143, DOUBTFUL)}
    assert field.scan({0: 1, 1: 0}) == {0: (65.536, DOUBTFUL)}
    assert field.scan({1: 1}) == {0: (65.537, GOOD)}


def test_what_the_unit_lost_is_told_of_every_point() -> None:
    field = Field(gas(0), gas(1))
    rows = field.desk.lost(BAD_COMMS, 7)
    assert (rows.points, rows.qualities, rows.received) == ([0, 1], [BAD_COMMS] * 2, [7, 7])


def test_the_raw_words_of_a_point_are_kept_for_the_technician() -> None:
    field = Field(gas(0), gas(1, 5))
    assert field.desk.raw(1) is None
    field.scan({5: 77})
    answer = field.desk.raw(1)
    assert answer is not None
    assert (list(answer.words or ()), answer.at) == ([77], field.now)
    assert field.desk.raw(9) is None


def test_a_register_that_reads_otherwise_alone_asks_for_its_frame() -> None:
    """Oxygen is byte.byte when two registers are read, and in tenths when four are."""
    register = Register(0, 3, 1, "byte.byte", frame=(0, 2), high=30)
    field = Field(register)
    assert list(field.desk.spans(0)) == [Span(3, 0, 2, exact=True)]
    assert field.scan({0: 12, 1: 0x1409}) == {0: (20.09, GOOD)}
