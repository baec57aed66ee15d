"""Every cell of the set-point profiles against a table written out by hand, and its rounding."""

import math

import pytest

from parkwatch.rules import gas as gases
from parkwatch.rules.fault import Fault
from parkwatch.rules.gas import GASES, effective, limits_for, misplaced, profiles
from parkwatch.rules.gas.profiles import PROFILES, Setting, row_of, set_points, weaker
from parkwatch.rules.grade import Grade
from parkwatch.rules.site import Limit, Point

# gas, al1, al2, unit, evidence of each; GB/T 50493-2019 over GBZ 2.1-2019 (domain.md 1.2).
GBT50493 = [
    ("CH4", 25, 50, "%LEL", "BB"), ("C3H8", 25, 50, "%LEL", "BB"), ("H2", 25, 50, "%LEL", "BB"),
    ("GASOLINE", 25, 50, "%LEL", "BB"), ("C2H4", 25, 50, "%LEL", "BB"),
    ("CO", 20, 40, "mg/m3", "BB"), ("H2S", 10, 20, "mg/m3", "BB"),
    ("NH3", 20, 40, "mg/m3", "BB"), ("CL2", 1, 2, "mg/m3", "BB"), ("SO2", 5, 10, "mg/m3", "BB"),
    ("HCN", 1, 2, "mg/m3", "BB"), ("C6H6", 3, 6, "mg/m3", "CC"),
    ("COCL2", 0.5, 1, "mg/m3", "BB"), ("HF", 2, 4, "mg/m3", "BB"),
    ("CO2", 9000, 18000, "mg/m3", "BB"), ("NO2", 5, 10, "mg/m3", "CC"),
    ("HCL", 7.5, 15, "mg/m3", "CC"), ("ETO", 0.6, 1.2, "mg/m3", "CC"),
    ("O2", 19.5, 18.0, "%vol", "AD"),
]  # fmt: skip
# GBZ/T 223-2009: half and whole MAC, or PC-STEL where there is no MAC.
GBZT223 = [
    ("CO", 15, 30, "BB"), ("H2S", 5, 10, "BB"), ("NH3", 15, 30, "BB"), ("CL2", 0.5, 1, "BB"),
    ("SO2", 5, 10, "BB"), ("HCN", 0.5, 1, "BB"), ("C6H6", 3, 6, "CC"), ("COCL2", 0.25, 0.5, "BB"),
    ("HF", 1, 2, "BB"), ("CO2", 9000, 18000, "BB"), ("NO2", 5, 10, "CC"), ("HCL", 3.75, 7.5, "CC"),
    ("ETO", 1, 2, "CC"),
]  # fmt: skip
COMBUSTIBLES = ("CH4", "C3H8", "H2", "GASOLINE", "C2H4")


def point(gas: str, **more: object) -> Point:
    row = GASES[gas]
    base: dict[str, object] = {
        "id": f"hd/p/{gas.lower()}", "index": 0, "tag": gas, "enterprise": "hd", "device": "hd/p",
        "zone": "hd/z", "unit": row.unit, "gas": gas, "high": row.high,
        "resolution": row.resolution,
    }  # fmt: skip
    return Point(**(base | more))  # type: ignore[arg-type]


def told(setting: Setting) -> tuple[float, str, str]:
    return setting.value, setting.unit, setting.evidence


@pytest.mark.parametrize(("gas", "al1", "al2", "unit", "evidence"), GBT50493)
def test_gbt50493_cells(gas: str, al1: float, al2: float, unit: str, evidence: str) -> None:
    row = PROFILES["gbt50493"][gas]
    assert told(row.al1) == (al1, unit, evidence[0])
    assert told(row.al2) == (al2, unit, evidence[1])
    if gas != "O2":
        assert all("GB/T 50493-2019" in cell.source for cell in row.cells)


@pytest.mark.parametrize(("gas", "al1", "al2", "evidence"), GBZT223)
def test_gbzt223_cells(gas: str, al1: float, al2: float, evidence: str) -> None:
    row = PROFILES["gbzt223"][gas]
    assert told(row.al1) == (al1, "mg/m3", evidence[0])
    assert told(row.al2) == (al2, "mg/m3", evidence[1])
    assert all(c.source.startswith("GBZ/T 223-2009") for c in row.cells)
    base = "MAC" if gas in {"H2S", "CL2", "HCN", "COCL2", "HF", "HCL"} else "PC-STEL"
    assert all(f" {base} {al2:g} mg/m3" in cell.source for cell in row.cells)


def test_gbzt223_leaves_combustible_gas_and_oxygen_to_gbt50493() -> None:
    for gas in (*COMBUSTIBLES, "O2"):
        assert PROFILES["gbzt223"][gas] == PROFILES["gbt50493"][gas]


@pytest.mark.parametrize(
    ("gas", "al1", "al2", "unit", "evidence"), [row for row in GBT50493 if row[3] == "mg/m3"]
)
def test_confined_space_toxic_is_the_oel(
    gas: str, al1: float, al2: float, unit: str, evidence: str
) -> None:
    row = PROFILES["confined_space"][gas]
    assert told(row.al1) == (al1, unit, evidence[0])
    assert told(row.al2) == (al2, unit, evidence[1])
    assert row.al1.source.startswith("GB 30871-2022 6.4")


def test_confined_space_oxygen() -> None:
    row = PROFILES["confined_space"]["O2"]
    assert [told(cell) for cell in row.cells] == [
        (19.5, "%vol", "A"), (18.0, "%vol", "D"), (21.0, "%vol", "A"), (23.5, "%vol", "A")
    ]  # fmt: skip
    assert [cell.source[:17] for cell in row.cells if cell.evidence == "A"] == [
        "GB 30871-2022 6.4"
    ] * 3
    everywhere = PROFILES["gbt50493"]["O2"]
    assert everywhere.high is None
    assert everywhere.high_2 == row.high_2


@pytest.mark.parametrize("gas", COMBUSTIBLES)
@pytest.mark.parametrize(("lel", "al1"), [(4.0, 0.5), (4.4, 0.5), (3.999, 0.2), (1.1, 0.2)])
def test_confined_space_combustible_follows_the_declared_lel(
    gas: str, lel: float, al1: float
) -> None:
    row = row_of("confined_space", GASES[gas], lel=lel)
    assert told(row.al1) == (al1, "%vol", "A")
    assert row.al1.source.startswith("GB 30871-2022 5.3.2")
    assert told(row.al2) == (25.0, "%LEL", "D")
    assert gas not in PROFILES["confined_space"]


def test_every_gas_of_the_table_is_pinned_here() -> None:
    assert set(PROFILES) == {"gbt50493", "gbzt223", "confined_space"}
    assert {row[0] for row in GBT50493} == set(PROFILES["gbt50493"]) == set(GASES) - {"VOC"}
    assert {row[0] for row in GBZT223} | {*COMBUSTIBLES, "O2"} == set(PROFILES["gbzt223"])
    assert set(PROFILES["confined_space"]) == set(GASES) - {"VOC", *COMBUSTIBLES}


def test_a_recalled_cell_is_never_an_active_default() -> None:
    cells = [c for rows in PROFILES.values() for row in rows.values() for c in row.cells]
    cells += [cell for row in profiles.COMBUSTIBLE for cell in row.cells]
    assert {cell.evidence for cell in cells} <= set("ABCD")
    assert [told(cell) for cell in profiles.LINE.cells] == [
        (1.0, "LEL.m", "R"), (2.0, "LEL.m", "R")
    ]  # fmt: skip
    for profile in PROFILES:
        with pytest.raises(Fault, match="无可用缺省限值") as refused:
            set_points(profile, GASES["CH4"], "LEL.m", 0.1)
        assert refused.value.code == "CFG-122"


@pytest.mark.parametrize(
    ("profile", "gas", "unit", "resolution", "lel", "expected"),
    [
        ("gbt50493", "H2S", "ppm", 0.1, 0, (7.0, 14.1)),
        ("gbt50493", "H2S", "mg/m3", 0.1, 0, (10.0, 20.0)),
        ("gbt50493", "CO", "ppm", 0.1, 0, (17.1, 34.3)),
        ("gbt50493", "CO", "ppm", 1, 0, (17.0, 34.0)),
        ("gbt50493", "NH3", "ppm", 0.1, 0, (28.2, 56.5)),
        ("gbt50493", "CL2", "ppm", 0.1, 0, (0.3, 0.6)),
        ("gbt50493", "CL2", "ppm", 0.01, 0, (0.33, 0.67)),
        ("gbt50493", "SO2", "ppm", 0.01, 0, (1.87, 3.75)),
        ("gbt50493", "HCN", "ppm", 0.01, 0, (0.88, 1.77)),
        ("gbt50493", "COCL2", "ppm", 0.01, 0, (0.12, 0.24)),
        ("gbt50493", "HF", "ppm", 0.1, 0, (2.4, 4.8)),
        ("gbt50493", "CO2", "ppm", 10, 0, (4910.0, 9830.0)),
        ("gbt50493", "CH4", "%LEL", 1, 0, (25.0, 50.0)),
        ("gbt50493", "CH4", "%vol", 0.01, 4.4, (1.1, 2.2)),
        ("gbt50493", "CH4", "%vol", 0.01, 5.0, (1.25, 2.5)),
        ("gbt50493", "O2", "%vol", 0.1, 0, (19.5, 18.0)),
        ("gbt50493", "O2", "%vol", 1, 0, (20.0, 18.0)),
        ("gbzt223", "H2S", "ppm", 0.1, 0, (3.5, 7.0)),
        ("gbzt223", "CO", "ppm", 0.1, 0, (12.8, 25.7)),
        ("gbzt223", "CH4", "%LEL", 1, 0, (25.0, 50.0)),
        ("confined_space", "CH4", "%LEL", 1, 4.4, (11.0, 25.0)),
        ("confined_space", "CH4", "%LEL", 1, 5.0, (10.0, 25.0)),
        ("confined_space", "CH4", "%vol", 0.01, 4.4, (0.5, 1.1)),
        ("confined_space", "C3H8", "%LEL", 1, 1.7, (11.0, 25.0)),
        ("confined_space", "C3H8", "%LEL", 1, 2.1, (9.0, 25.0)),
        ("confined_space", "H2", "%LEL", 1, 4.0, (12.0, 25.0)),
        ("confined_space", "H2S", "ppm", 0.1, 0, (7.0, 14.1)),
    ],
)
def test_set_points_on_the_safe_side(
    profile: str, gas: str, unit: str, resolution: float, lel: float,
    expected: tuple[float, float],
) -> None:  # fmt: skip
    assert set_points(profile, GASES[gas], unit, resolution, lel=lel) == expected


def test_a_conversion_counts_with_the_declared_molar_volume() -> None:
    """10 mg/m3 of H2S are 7.058 ppm at 20 degC and 7.179 at 25 degC (24.465 L/mol)."""
    warm = set_points("gbt50493", GASES["H2S"], "ppm", 0.01, molar_volume=24.465)
    assert warm == (7.17, 14.35)
    assert set_points("gbt50493", GASES["H2S"], "ppm", 0.01) == (7.05, 14.11)


@pytest.mark.parametrize(
    ("profile", "gas", "unit", "resolution", "code"),
    [
        ("gb50493", "H2S", "ppm", 0.1, "CFG-127"),
        ("confined_space", "CH4", "%LEL", 1, "CFG-128"),
        ("confined_space", "CH4", "%vol", 0.01, "CFG-128"),
        ("gbt50493", "CH4", "%vol", 0.01, "CFG-128"),
        ("gbt50493", "VOC", "ppm", 0.1, "CFG-122"),
        ("gbzt223", "VOC", "ppm", 0.1, "CFG-122"),
        ("gbt50493", "H2S", "ppb", 1, "CFG-104"),
        ("gbt50493", "GASOLINE", "mg/m3", 1, "CFG-128"),
        ("gbt50493", "COCL2", "ppm", 1, "CFG-123"),
        ("gbt50493", "COCL2", "ppm", 0.2, "CFG-123"),
    ],
)
def test_what_cannot_be_had_is_a_fault(
    profile: str, gas: str, unit: str, resolution: float, code: str
) -> None:
    with pytest.raises(Fault) as refused:
        set_points(profile, GASES[gas], unit, resolution)
    assert refused.value.code == code


@pytest.mark.parametrize(
    ("gas", "level", "value", "unit", "expected"),
    [
        ("CH4", 2, 51.0, "%LEL", True), ("CH4", 2, 50.0, "%LEL", False),
        ("CH4", 1, 25.0, "%LEL", False), ("CH4", 1, 25.1, "%LEL", True),
        ("H2S", 1, 7.1, "ppm", True), ("H2S", 1, 7.0, "ppm", False),
        ("H2S", 1, 10.0, "mg/m3", False), ("H2S", 2, 14.2, "ppm", True),
        ("O2", 1, 19.5, "%vol", False), ("O2", 1, 19.4, "%vol", True),
        ("O2", 2, 17.0, "%vol", False), ("VOC", 1, 500.0, "ppm", False),
    ],
)  # fmt: skip
def test_weaker_than_the_bound(
    gas: str, level: int, value: float, unit: str, expected: bool
) -> None:
    assert gases.weaker(GASES[gas], level, value, unit) is expected
    assert weaker("gbt50493", GASES[gas], level, value, unit) is expected


def test_weaker_is_of_the_channels_own_profile() -> None:
    assert weaker("gbzt223", GASES["H2S"], 1, 3.6, "ppm")
    assert not weaker("gbzt223", GASES["H2S"], 1, 3.5, "ppm")
    assert weaker("confined_space", GASES["CH4"], 1, 12.0, "%LEL", lel=4.4)
    assert not weaker("confined_space", GASES["CH4"], 1, 11.0, "%LEL", lel=4.4)


@pytest.mark.parametrize(
    ("gas", "more", "al1", "al2", "expected"),
    [
        ("CH4", {}, 24.7, 49.9, (24.0, 49.0)),
        ("CH4", {}, None, 20.0, (19.0, 20.0)),
        ("CH4", {}, 24.4, 24.6, (23.0, 24.0)),
        ("CH4", {}, 60.0, 80.0, (60.0, 80.0)),  # an override may stand beside it
        ("CH4", {"resolution": 5.0}, None, None, (25.0, 50.0)),
        ("CL2", {"resolution": 0.1}, None, None, (0.3, 0.6)),
        ("O2", {"resolution": 0.5}, 19.6, None, (20.0, 18.0)),
        ("O2", {}, 18.0, None, (18.1, 18.0)),
        ("O2", {}, None, 19.5, (19.6, 19.5)),
        ("CH4", {"unit": "LEL.m", "resolution": 0.1}, 1.04, 2.0, (1.0, 2.0)),
    ],
)
def test_effective_set_points(
    gas: str, more: dict[str, object], al1: float | None, al2: float | None,
    expected: tuple[float, float],
) -> None:  # fmt: skip
    where = point(gas, **more)
    assert effective(where, al1, al2) == expected
    own = [x for x in limits_for(where, al1=al1, al2=al2) if x.group != "high"]
    assert tuple(limit.limit for limit in own) == expected


def steps(limit: Limit, resolution: float) -> float:
    return round(limit.limit / resolution, 6)


@pytest.mark.parametrize("gas", [g for g in GASES if g != "VOC"])
@pytest.mark.parametrize("profile", sorted(PROFILES))
def test_default_limits_are_ordered_reachable_and_on_a_step(profile: str, gas: str) -> None:
    where = point(gas)
    limits = profiles.limits(profile, where, lel=4.4)
    assert not misplaced(where, limits)
    assert all(limit.clause for limit in limits)
    assert all(limit.deadband >= where.resolution for limit in limits)
    assert all(steps(limit, where.resolution).is_integer() for limit in limits)
    first, second = limits[0], limits[1]
    if gas == "O2":
        assert first.limit > second.limit
    else:
        assert first.limit < second.limit
    assert [limit.latch for limit in limits[:2]] == [False, True]


def test_a_coarse_channel_keeps_a_deadband_of_one_step() -> None:
    assert {x.deadband for x in limits_for(point("CH4", resolution=5.0))} == {5.0}
    oxygen = limits_for(point("O2", resolution=1.0))
    assert [(x.limit, x.deadband) for x in oxygen] == [(20.0, 1.0), (18.0, 1.0), (23.0, 1.0)]
    # Half of a low set point: with 2 %LEL it would end below zero only.
    assert limits_for(point("CH4", resolution=0.5), al1=3, al2=6)[0].deadband == 1.5


@pytest.mark.parametrize(
    ("gas", "more", "wrong"),
    [
        ("H2S", {"high": 10.0}, [2]),
        ("H2S", {"high": 14.1}, []),
        ("H2S", {"high": 5.0}, [1, 2]),
        ("O2", {"high": 21.0}, [2]),
        ("O2", {"high": 23.5}, []),
        ("CH4", {"low": 24.0}, [1]),
    ],
)
def test_what_the_range_cannot_reach_or_leave(
    gas: str, more: dict[str, object], wrong: list[int]
) -> None:
    where = point(gas, **more)
    assert [limit.level for limit in misplaced(where, limits_for(where))] == wrong


def test_confined_space_oxygen_has_two_stages_above_and_one_where_enriched() -> None:
    def highs(*, enriched: bool) -> list[tuple[int, float, Grade]]:
        found = profiles.limits("confined_space", point("O2"), enriched=enriched)
        return sorted((x.level, x.limit, x.grade) for x in found if x.group == "high")

    assert highs(enriched=False) == [(1, 21.0, Grade.YELLOW), (2, 23.5, Grade.ORANGE)]
    assert highs(enriched=True) == [(2, 23.5, Grade.ORANGE)]
    (first,) = (x for x in profiles.limits("confined_space", point("O2")) if x.limit == 21.0)
    assert first.limit - first.deadband == pytest.approx(20.9)  # air ends it


def test_a_written_set_point_says_so_and_names_its_bound() -> None:
    first, second = profiles.limits("gbzt223", point("H2S"), al1=3.0)
    assert (first.limit, second.limit) == (3.0, 7.0)
    assert first.clause.startswith("现场设定 site value; GBZ/T 223-2009")
    assert second.clause.startswith("GBZ/T 223-2009 警报")
    voc = profiles.limits("gbt50493", point("VOC"), al1=50, al2=100)
    assert {x.clause for x in voc} == {"现场设定 site value"}
    assert math.isinf(gases.upper_bound(GASES["VOC"], 1, "ppm"))
