"""Overrides: a signature over everything they say, an end, two persons, and what they change."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.moments import until_ns
from parkwatch.daemon.config.overrides import AHEAD_NS, canonical, written
from parkwatch.daemon.config.template import effective
from parkwatch.rules.fault import Fault
from parkwatch.rules.site import SECOND_NS
from tests.daemon.config.overrides_toml import (
    CH4,
    OVERRIDE,
    PARK,
    PEOPLE,
    POINT,
    UNSIGNED,
    codes,
    folder_with_key,
    gas_limits,
    loaded,
    park,
    signed,
    site_of,
)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return folder_with_key(tmp_path / "data")


# The signature ------------------------------------------------------------------------------


def test_a_set_point_beyond_the_bound_needs_an_override(data: Path) -> None:
    assert codes(park(f"{CH4}al1 = 30, "), data) == [("CFG-120", "error")]
    assert "config override" in loaded(park(f"{CH4}al1 = 30, "), data).problems[0].fix
    assert codes(signed(park()), data) == []


def test_the_override_lies_in_the_limit_with_its_end_and_its_bound(data: Path) -> None:
    first, second = gas_limits(site_of(signed(park()), data))
    end = until_ns(date(2026, 12, 31), "Asia/Shanghai")
    assert (first.limit, first.bound, first.until) == (30, 25, end)
    assert (second.limit, second.until) == (50, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("al1 = 30", "al1 = 31"),
        ("al1 = 30", "al1 = 30, al2 = 49"),
        ("2026-12-31", "2027-01-01"),
        ("2026-12-31", "2026-12-31T23:59:59"),
        ("检修", "检修中"),
        ('["zhangwei", "wangfang"]', '["wangfang", "zhangwei"]'),
        ('["zhangwei", "wangfang"]', '["zhangwei", "liqiang"]'),
        ('tag = "CH4-1"', 'tag = "CH4-1", id = "ch4-9"'),
        ('signature = "', 'signature = "0'),
        ('signature = "', 'signature = "" # "'),
    ],
)
def test_every_change_needs_a_new_signature(old: str, new: str, data: Path) -> None:
    text = signed(park())
    if "#" in new:
        start = text.index('signature = "')
        end = text.index('" }', start)
        text = f'{text[:start]}signature = "{text[end:]}'
    else:
        assert text.count(old) == 1
        text = text.replace(old, new)
    found = loaded(text, data)
    assert [p.code for p in found.problems] == ["CFG-190"]
    (problem,) = found.errors
    assert problem.line == next(n for n, row in enumerate(text.splitlines(), 1) if "al1 = 3" in row)
    assert "parkwatch config override" in problem.fix
    # It would not be in force either, wherever a start ran it nevertheless.
    assert gas_limits(site_of(text, data))[0].limit == 25


def test_another_parks_signature_is_none(data: Path, tmp_path: Path) -> None:
    assert codes(signed(park(), bytes(32)), data) == [("CFG-190", "error")]


def test_without_a_signature(data: Path) -> None:
    text = park().replace(f', signature = "{UNSIGNED}"', "")
    assert codes(text, data) == [("CFG-190", "error")]


def test_the_signed_bytes_are_canonical() -> None:
    config = loaded(park(), None).config
    assert config is not None
    (override,) = written(config, list(effective(config)))
    assert (override.about, override.al1, override.al2) == ("huadong/panel-1/ch4-1", 30.0, None)
    body = {"about": "罐区", "al2": None, "al1": 30.0}
    assert canonical(body) == '{"about":"罐区","al1":30.0,"al2":null}'.encode()


# The key -------------------------------------------------------------------------------------


def break_nothing(path: Path) -> None:
    path.unlink()


def break_mode(path: Path) -> None:
    path.chmod(0o644)


def break_text(path: Path) -> None:
    path.write_text("schlüssel")


def break_length(path: Path) -> None:
    path.write_text("00" * 31)


@pytest.mark.parametrize("broken", [break_nothing, break_mode, break_text, break_length])
def test_without_a_key_nothing_is_believed(broken: Callable[[Path], None], data: Path) -> None:
    text = signed(park())
    broken(site_key.path_in(data))
    assert codes(text, data) == [("CFG-191", "error")]
    assert gas_limits(site_of(text, data))[0].limit == 25


def test_no_data_folder_is_no_key() -> None:
    text = signed(park())
    assert codes(text, None) == [("CFG-191", "error")]
    assert gas_limits(site_of(text, None))[0].limit == 25


def test_the_key_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    key = site_key.ensure(tmp_path)
    assert len(key) == 32
    assert site_key.ensure(tmp_path) == key == site_key.read(tmp_path)
    (only,) = (tmp_path / "secrets").iterdir()
    assert only.stat().st_mode & 0o777 == 0o600
    only.chmod(0o640)
    with pytest.raises(Fault, match="CFG-191"):
        site_key.ensure(tmp_path)


# Persons and ends ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("persons", "found"),
    [
        ('["zhangwei", "liqiang"]', []),
        ('["zhangwei", "wangfang", "liqiang"]', []),
        ("[]", ["CFG-192"]),
        ('["zhangwei"]', ["CFG-192"]),
        ('["zhangwei", "zhangwei"]', ["CFG-192", "CFG-192"]),
        ('["zhangwei", "zhangwie"]', ["CFG-192"]),
        ('["wangfang", "other"]', ["CFG-192"]),
        ('["zhangwei", "other"]', ["CFG-192"]),
        ('["wangfang"]', ["CFG-192"]),
    ],
)
def test_who_signs(persons: str, found: list[str], data: Path) -> None:
    text = signed(park().replace('["zhangwei", "wangfang"]', persons))
    assert [code for code, _ in codes(text, data)] == found
    assert (gas_limits(site_of(text, data))[0].limit == 30) is (not found)


def test_two_of_the_enterprise_are_not_enough(data: Path) -> None:
    more = PEOPLE.replace("wangfang", "chenjie").partition("[people.liqiang]")[0]
    text = signed(park().replace('["zhangwei", "wangfang"]', '["chenjie", "wangfang"]') + more)
    assert codes(text, data) == [("CFG-192", "error")]


@pytest.mark.parametrize(
    ("moment", "found"),
    [
        ("2026-11-24", [("LINT-040", "warning")]),
        ("2026-11-25", []),  # Its whole day counts, and it is 20:00 in the park.
        ("2026-11-25T19:59:59", [("LINT-040", "warning")]),
        ("2026-11-25T20:00:01", []),
        ("2026-11-25T13:00:00Z", []),
        ("2026-11-25T13:00:00", [("LINT-040", "warning")]),
        ("2027-11-25", []),
        ("2027-11-26", [("CFG-193", "error")]),
        ("9999-12-31", [("CFG-193", "error")]),
    ],
)
def test_when_it_ends(moment: str, found: list[tuple[str, str]], data: Path) -> None:
    assert codes(signed(park().replace("2026-12-31", moment)), data) == found


@pytest.mark.parametrize("moment", ['"2026-12-31"', "12:00:00", "1", "true"])
def test_what_is_no_date_is_refused(moment: str, data: Path) -> None:
    found = loaded(park().replace("2026-12-31", moment), data).problems
    assert [p.code for p in found] == ["CFG-106"]
    assert "2026-12-31" in found[0].message


@pytest.mark.parametrize(
    "override", ["3", "[]", '"x"', '{ until = 2026-12-31, persons = ["zhangwei", "liqiang"] }'],
)  # fmt: skip
def test_an_override_that_is_none_is_one_mistake(override: str, data: Path) -> None:
    (found,) = codes(park().replace(OVERRIDE, override), data)
    assert found in (("CFG-106", "error"), ("CFG-105", "error"))


@pytest.mark.parametrize("reason", ['""', '" "', '"a\\nb"', '"\\u202e"', f'"{"x" * 201}"'])
def test_a_reason_is_one_visible_line(reason: str, data: Path) -> None:
    assert codes(park().replace('"检修"', reason), data) == [("CFG-106", "error")]


def test_a_date_means_the_parks_day() -> None:
    assert until_ns(date(2026, 1, 1), "Asia/Shanghai") == until_ns(
        datetime(2026, 1, 1, 16, tzinfo=UTC), ""
    )
    assert until_ns(datetime(2026, 1, 1, 8), "Asia/Shanghai") == until_ns(  # noqa: DTZ001
        datetime(2026, 1, 1, tzinfo=UTC), ""
    )
    assert AHEAD_NS == 366 * 86_400 * SECOND_NS


# Where it stands -----------------------------------------------------------------------------


@pytest.mark.parametrize("al1", ["al1 = 25, ", "al1 = 20, ", "", "al2 = 50, "])
def test_one_that_is_not_needed_is_a_warning(al1: str, data: Path) -> None:
    assert codes(signed(park(POINT.replace("al1 = 30, ", al1))), data) == [("LINT-041", "warning")]


def test_on_a_point_without_gas_it_has_no_place(data: Path) -> None:
    run = '{ tag = "RUN", zone = "tank-a", kind = "state", '
    text = PARK.replace(run, f"{run}override = {OVERRIDE}, ")
    assert text != PARK
    assert codes(text, data) == [("CFG-125", "error")]


@pytest.mark.parametrize(
    ("point", "code"),
    [
        (POINT.replace("al1 = 30", "al1 = 120, al2 = 130"), "CFG-122"),  # Beyond the range.
        (POINT.replace("al1 = 30", "al1 = 60"), "CFG-121"),  # Level 2 is 50.
        (POINT.replace("al1 = 30", "al1 = -1, al2 = 60"), "CFG-120"),
    ],
)
def test_an_override_bends_no_other_rule(point: str, code: str, data: Path) -> None:
    assert codes(signed(park(point)), data) == [(code, "error")]


def test_both_levels_and_their_bounds(data: Path) -> None:
    text = signed(park(POINT.replace("al1 = 30", "al1 = 60, al2 = 80")))
    assert codes(text, data) == []
    assert [(x.limit, x.bound) for x in gas_limits(site_of(text, data))] == [(60, 25), (80, 50)]


def test_oxygens_first_stage(data: Path) -> None:
    o2 = '{ tag = "O2-1", zone = "tank-a", gas = "O2", '
    text = PARK.replace(o2, f"{o2}al1 = 19, ")
    assert codes(text, data) == [("CFG-120", "error")]
    text = signed(PARK.replace(o2, f"{o2}al1 = 19, override = {OVERRIDE}, "))
    assert codes(text, data) == []
    found = gas_limits(site_of(text, data), "O2-1")
    assert [(x.limit, x.bound, x.until > 0) for x in found] == [(19, 19.5, True), (18, 0, False)]


def test_the_bound_is_the_one_of_the_profile(data: Path) -> None:
    h2s = '{ tag = "H2S-1", zone = "tank-a", gas = "H2S", '
    text = signed(PARK.replace(h2s, f'{h2s}profile = "gbzt223", al1 = 5, override = {OVERRIDE}, '))
    assert codes(text, data) == []
    first, _ = gas_limits(site_of(text, data), "H2S-1")
    assert (first.limit, first.bound) == (5, 3.5)


def test_a_zone_may_be_alone(data: Path) -> None:
    text = signed(park(CH4, f"alone = {OVERRIDE}"))
    assert codes(text, data) == []
    end = until_ns(date(2026, 12, 31), "Asia/Shanghai")
    assert site_of(text, data).zones["huadong/tank-a"].alone_until == end
    changed = text.replace("检修", "检")
    found = loaded(changed, data)
    assert [(p.code, p.path) for p in found.problems] == [
        ("CFG-190", "zone.tank-a.alone.signature")
    ]
    assert site_of(changed, data).zones["huadong/tank-a"].alone_until == 0


def test_a_points_signature_is_not_a_zones(data: Path) -> None:
    text = signed(park())
    start = text.index("override = {")
    override = text[start : text.index("}", start) + 1]
    stolen = park(CH4, override.replace("override", "alone"))
    assert codes(stolen, data) == [("CFG-190", "error")]
