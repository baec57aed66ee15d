"""Slips in equipment: each named once, with its line; what is missing is a warning and an alarm."""

import pytest

from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.words import spoken
from parkwatch.rules.engine import Engine
from parkwatch.rules.site import SECOND_NS
from tests.daemon.config.equipment_toml import (
    BOILER,
    DETECTOR,
    ENV,
    ESD,
    HERE,
    PARK,
    PERMIT,
    TABLES,
    VESSEL,
    changed,
    line,
    loaded,
    table,
)

RULE = '[[rule]]\npoint = "huadong/x-1/pt"\ngroup = "high"\nlevel = {}\nlimit = {}\ngrade = "red"\n'


@pytest.mark.parametrize(
    ("device", "old", "new", "mark", "code"),
    [
        # The plate: text, negative, NaN, unknown, of nobody, in the wrong place.
        (VESSEL, "p_work = 1000", 'p_work = "1000"', "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "p_work = nan", "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "p_work = inf", "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "p_work = 1e300", "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "p_work = true", "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "P-Work = 1000", "plate", "CFG-106"),
        (VESSEL, "plate = {", "plate = 3 # {", "plate", "CFG-106"),
        (VESSEL, "p_work = 1000", "p_work = 1000, p_wrok = 1", "plate", "EQP-103"),
        (BOILER, "p_feed_low = 1100", "p_feed_low = -1100", "p_feed_low", "EQP-104"),
        (BOILER, "p_feed_low = 1100", "p_feed_low = 0", "p_feed_low", "EQP-104"),
        (DETECTOR, "panel_latches = 1", "panel_latches = 2", "plate", "EQP-104"),
        (DETECTOR, "panel_latches = 1", "al1 = 30", "plate", "EQP-103"),
        (ESD, "travel_s-xv1", "travel_s-xv7", "plate", "EQP-103"),
        # What a model refuses to arm.
        (VESSEL, "p_work = 1000", "p_work = 1330", "plate", "EQP-402"),
        (VESSEL, "p_design = 1600", "p_design = 1300", "plate", "EQP-403"),
        (VESSEL, "resolution = 1", "resolution = 200", "plate", "EQP-404"),
        (VESSEL, "range = [0, 2500]", "range = [0, 1500]", "PT", "EQP-106"),
        (VESSEL, 'role = "pressure", ', "", "[[device]]", "EQP-105"),
        (BOILER, "level_low = -50", "level_low = -80", "[device.plate]", "EQP-302"),
        # Roles.
        (VESSEL, 'role = "pressure"', 'role = "presure"', "PT", "EQP-101"),
        (VESSEL, 'role = "pressure"', 'role = "trip"', "PT", "EQP-101"),
        (VESSEL, 'kind = "pressure", unit = "kPa"', 'kind = "state"', "PT", "EQP-102"),
        (BOILER, 'role = "flame-fail"', 'role = "low-water-trip"', '"low-water-trip"', "EQP-107"),
        (BOILER, 'role = "flame-fail"', 'role = "drum-level"', '"drum-level"', "EQP-102"),
        (ESD, 'role = "voted-pt1-a"', 'role = "voted"', "PT-A", "EQP-101"),
        (ESD, 'role = "trip"', 'role = "trip", of = "by-7"', "TRIP-1", "EQP-108"),
        (ESD, 'role = "trip", ', 'of = "by-1", ', "TRIP-1", "EQP-108"),
        (ESD, 'role = "valve-feedback", of = "xv1-c"', 'role = "solver-health"', "XV1-C",
         "EQP-502"),
        (DETECTOR, 'role = "panel-al1", of = "ch4-1"', 'role = "panel-al1"', "AL1", "EQP-108"),
        (DETECTOR, 'role = "panel-al1", of = "ch4-1"', 'role = "panel-al1", of = "ch4-7"', "AL1",
         "EQP-108"),
        (DETECTOR, 'role = "panel-al1", of = "ch4-1"', 'role = "panel-al1", of = "ch4-1-al2"',
         "AL1", "EQP-108"),
        (DETECTOR, 'role = "panel-al1", of', 'role = "panel-al2", of', "AL2", "EQP-107"),
        (DETECTOR, 'role = "panel-al1"', 'role = "panel-high"', "AL1", "EQP-204"),
        (DETECTOR, 'tag = "CH4-1", ', 'tag = "CH4-1", role = "panel-al1", ', '"CH4-1",', "EQP-102"),
        # Profiles and permits.
        (PERMIT, "lel = 4.4", "al2 = 20", '"LEL"', "EQP-205"),
        (PERMIT, "lel = 4.4", "lel = 0", '"LEL"', "CFG-106"),
        (PERMIT, 'role = "work", ', "", "[[device]]", "EQP-105"),
        (DETECTOR, "plate = {", 'profile = "gbt50943"\nplate = {', "profile", "CFG-106"),
        (DETECTOR, "plate = {", 'model = "detectr"\nplate = {', "model", "CFG-106"),
        (DETECTOR, "al1 = 1, al2 = 2", "al1 = 1", '"LINE"', "CFG-134"),
        (DETECTOR, "range = [0, 5], ", "", '"LINE"', "CFG-105"),
    ],
)  # fmt: skip
def test_each_mistake_is_named_at_its_line(
    device: str, old: str, new: str, mark: str, code: str
) -> None:
    wrong = changed(device, old, new)
    found = loaded(wrong).problems
    assert code in [p.code for p in found if p.level == "error"], found
    mine = next(p for p in found if p.code == code)
    lines = [n for n, row in enumerate(wrong.splitlines(), 1) if mark in row]
    assert mine.line in lines, (mine, wrong.splitlines()[mine.line - 1])
    assert len([p for p in found if p.level == "error"]) == 1, found
    assert mine.why
    assert mine.fix


@pytest.mark.parametrize(
    ("device", "old", "new", "near"),
    [
        (VESSEL, 'role = "pressure"', 'role = "presure"', "pressure"),
        (VESSEL, "p_work = 1000", "p_work = 1000, p_wrok = 1", "p_work"),
        (DETECTOR, 'role = "panel-al1", of = "ch4-1"', 'role = "panel-al1", of = "ch4_1"', "ch4-1"),
        (DETECTOR, "plate = {", 'profile = "gbt50943"\nplate = {', "gbt50493"),
    ],
)
def test_a_misspelt_word_is_answered_with_the_right_one(
    device: str, old: str, new: str, near: str
) -> None:
    (problem,) = loaded(changed(device, old, new)).problems
    assert near in spoken(problem.fix, "en")


@pytest.mark.parametrize(
    ("device", "old", "new", "code", "alarms"),
    [
        (VESSEL, "p_design = 1600", "", "EQP-401", ["pt:due"]),
        (VESSEL, "plate = {", "# {", "EQP-401", ["pt:due"]),
        (BOILER, "level_low = -50\n", "", "EQP-301", ["lt:due"]),
        (BOILER, 'role = "flame-fail"\n', "", "EQP-105", []),
    ],
)
def test_what_is_missing_is_a_warning_and_stands_in_the_list_of_alarms(
    device: str, old: str, new: str, code: str, alarms: list[str]
) -> None:
    found = loaded(changed(device, old, new).replace(",  }", " }"))
    assert [(p.code, p.level) for p in found.problems] == [(code, "warning")]
    assert found.config is not None
    site = resolve(found.config, HERE, ENV).site
    said = [row.split()[0] for row in table(site) if "[1 >= 1]" in row]
    assert said == alarms


def test_a_level_that_a_model_gives_is_not_given_twice() -> None:
    rule = RULE.format(2, 1400)
    (problem,) = loaded(VESSEL + rule).problems
    assert (problem.code, problem.line) == ("CFG-124", line(VESSEL + rule, "level = 2"))
    assert "vessel" in problem.message
    assert loaded(f"{VESSEL}{rule}shadow = true\n").problems == ()
    assert loaded(VESSEL + RULE.format(4, 1700)).problems == ()
    (problem,) = loaded(VESSEL + RULE.format(4, 1500)).problems
    assert problem.code == "CFG-123"


def test_a_zone_rule_may_not_be_called_like_a_models() -> None:
    rule = '[[rule]]\nkind = "expression"\nzone = "huadong/tank-a"\nname = "bypass-x-1"\n'
    rule += 'grade = "blue"\nexpression = "a"\nnames = { a = "huadong/x-1/by-1" }\n'
    assert [p.code for p in loaded(ESD + rule).problems] == ["CFG-124"]


def test_one_mistake_hides_no_other() -> None:
    wrong = changed(VESSEL, "p_work = 1000", "p_work = 1330, p_x = 1")
    boiler = BOILER.replace('"x-1"', '"x-2"\nunit_id = 2')
    wrong += boiler.replace("level_low = -50", "level_low = -80")
    assert sorted(p.code for p in loaded(wrong).errors) == ["EQP-103", "EQP-302", "EQP-402"]


# Whatever stands there ----------------------------------------------------------------------

ODD = [
    '""', '"x"', '"-"', '"panel-al1"', '"gas"', '"gas-"', '"test"', '"voted-"', '"trip-xv1"', "0",
    "-1", "1e308", "nan", "true", "[]", "{}", "{ p_work = 1 }", '{ "a-b" = 1 }', '["x"]',
    "2026-12-31", '"ch4-1"', '"confined"', '"esd"', '"detector"', '"gbzt223"', '"confined_space"',
    '{ until = 0001-01-01, reason = "x", persons = ["zhangwei", "zhangwei"] }',
    '{ until = 9999-12-31T23:59:59.999999-23:59, reason = "x" }',
]  # fmt: skip


@pytest.mark.parametrize("value", ODD)
@pytest.mark.parametrize("device", list(TABLES), ids=range(len(TABLES)))
def test_nothing_makes_the_check_or_a_start_fall_over(device: str, value: str) -> None:
    texts = [
        device.replace('tag = "', f'{key} = {value}, tag = "', 1)
        for key in ("role", "of", "profile", "override", "lel", "al1", "al2", "gas", "kind", "unit")
    ]
    head = 'enterprise = "huadong"\n'
    texts += [
        device.replace(head, f"{head}{key} = {value}\n", 1) for key in ("model", "plate", "profile")
    ]
    parks = [PARK.replace('name = "罐区A"', f'name = "罐区A"\n{key} = {value}')
             for key in ("alone", "profile")]  # fmt: skip
    pairs = [*((text, PARK) for text in texts), *((device, park) for park in parks)]
    for text, park in pairs:
        found = loaded(text, park)
        if found.config is not None and not found.errors:
            Engine(resolve(found.config, HERE, ENV).site, SECOND_NS)
