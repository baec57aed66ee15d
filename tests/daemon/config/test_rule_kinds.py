"""What a `[[rule]]` of each kind becomes; what the check passes can always be resolved."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.expression import Quantity, parse
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import (
    Age,
    Changes,
    Exposure,
    Formula,
    Slope,
    Spread,
    TimeTo,
)
from parkwatch.rules.site import SECOND_NS, Limit, Site

HERE = Path(__file__).parent
PARK = (HERE / "rules_park.toml").read_text("utf-8")
RULES = [
    f"[[rule]]{rest}"
    for rest in (HERE / "rule_kinds.toml").read_text("utf-8").split("[[rule]]")[1:]
]
ENV = {"WORK_URL": "json://127.0.0.1:9/"}
MINUTE_NS = 60 * SECOND_NS


def loaded(rules: str) -> Loaded:
    return load_sources([Source("park.toml", PARK), Source("rules.toml", rules)], HERE, ENV)


def site(rules: str) -> Site:
    found = loaded(rules)
    assert found.config is not None
    assert found.problems == ()
    return resolve(found.config, HERE, ENV).site


BASE = site("")
INDEX = {point.id.partition("/")[2]: point.index for point in BASE.points}
H2S, CH4, CO = (INDEX[f"panel-1/{name}-1"] for name in ("h2s", "ch4", "co"))
CO_MG, O2, LEVEL = INDEX["panel-1/co-2"], INDEX["panel-1/o2-1"], INDEX["boiler-1/lt-1"]
PRESSURE, RUN = INDEX["boiler-1/pt-1"], INDEX["boiler-1/run"]
CMD, ZSC = INDEX["esd-1/cmd"], INDEX["esd-1/zsc"]
PPM_H2S, STATE = Quantity("ppm", "H2S"), Quantity()


def formula(text: str, quantities: Mapping[str, Quantity], *points: int) -> Formula:
    return Formula(parse(text, quantities), points)


def limit(
    point: int, group: str, *, side: str = "high", grade: str = "yellow", **keys: Any
) -> Limit:
    """A limit as a rule that says nothing else gives it."""
    keys = {"level": 1, "off_delay_ns": 10 * SECOND_NS, "kind": group, **keys}
    return Limit(point=point, group=group, side=side, grade=Grade(grade), **keys)


CONDITIONS = [
    limit(PRESSURE, "high", limit=900.0, deadband=0.5, kind="limit"),
    limit(
        LEVEL, "low", side="low", grade="orange", level=2, limit=-75.0, deadband=10.0,
        on_delay_ns=2 * SECOND_NS, off_delay_ns=MINUTE_NS, latch=True, clause="规程",
        first_out="huadong/boiler", name="extreme-low", kind="limit", essential=True,
    ),
    limit(RUN, "state", grade="blue", limit=1.0, kind="limit"),
    limit(H2S, "rate", limit=2.0, measure=Slope(H2S, 5 * MINUTE_NS)),
    limit(
        LEVEL, "rate", side="low", grade="orange", limit=-20.5, deadband=3.0, shadow=True,
        measure=Slope(LEVEL, 2 * MINUTE_NS),
    ),
    limit(
        H2S, "trend", side="low", limit=15.0, yields=True,
        measure=TimeTo(H2S, 10 * MINUTE_NS, 14.1, "high"),
    ),
    limit(
        O2, "trend", side="low", grade="blue", limit=1.5, yields=True,
        measure=TimeTo(O2, 10 * MINUTE_NS, 18.0, "low"),
    ),
    limit(
        LEVEL, "trend", side="low", limit=2.0, yields=True,
        measure=TimeTo(LEVEL, 5 * MINUTE_NS, -75.0, "low"),
    ),
    limit(
        H2S, "deviation", limit=5.0, deadband=0.1, on_delay_ns=30 * SECOND_NS, yields=True,
        measure=formula("abs(a - b)", {"a": PPM_H2S, "b": PPM_H2S}, H2S, H2S + 1),
    ),
    limit(
        LEVEL, "deviation", grade="blue", limit=40.0, deadband=1.0, yields=True,
        measure=formula("abs(a - (-12.5))", {"a": Quantity("mm")}, LEVEL),
    ),
    limit(
        CH4, "flatline", side="low", grade="blue", limit=1.0,
        measure=Spread(CH4, 60 * MINUTE_NS, 2.0),
    ),
    limit(
        PRESSURE, "flatline", side="low", grade="blue", limit=0.5,
        measure=Spread(PRESSURE, 360 * MINUTE_NS),
    ),
    limit(
        H2S, "flatline", side="low", grade="blue", limit=0.0, measure=Spread(H2S, 60 * MINUTE_NS)
    ),
    limit(RUN, "chatter", grade="blue", limit=5.0, measure=Changes(RUN, 5 * MINUTE_NS)),
    limit(  # 30 mg/m3 are 25.76 ppm.
        CO, "exposure", grade="orange", level=2, limit=25.7, deadband=0.1, essential=True,
        measure=Exposure(CO, 15 * MINUTE_NS),
    ),
    limit(CO_MG, "exposure", limit=20.0, deadband=1.0, measure=Exposure(CO_MG, 480 * MINUTE_NS)),
    limit(H2S, "exposure", limit=7.0, deadband=0.1, measure=Exposure(H2S, 15 * MINUTE_NS)),
    limit(
        ZSC, "discrepancy", grade="orange", limit=1.0, on_delay_ns=10 * SECOND_NS,
        measure=formula("command != feedback", {"command": STATE, "feedback": STATE}, CMD, ZSC),
    ),
    limit(
        CMD, "discrepancy", grade="red", limit=1.0, on_delay_ns=25 * SECOND_NS, essential=True,
        measure=formula("command != feedback", {"command": STATE, "feedback": STATE}, CMD, ZSC),
    ),
    limit(H2S, "due", grade="blue", limit=30.0, measure=Age(H2S), kind="age"),
    limit(
        LEVEL, "state", limit=1.0, kind="expression",
        measure=formula(
            "run and 水位 < -20 mm", {"run": STATE, "水位": Quantity("mm")}, RUN, LEVEL
        ),
    ),
    limit(
        -1, "leak", grade="red", level=2, limit=1.0, latch=True, alarm="huadong/tank-a:leak",
        name="leak", first_out="huadong/tank", kind="expression", essential=True,
        measure=formula(
            "count(a >= 7 ppm, b >= 7 ppm) >= 2", {"a": PPM_H2S, "b": PPM_H2S}, H2S, H2S + 1
        ),
    ),
    limit(
        INDEX["esd-1/trip"], "state", grade="red", limit=1.0, kind="expression", essential=True,
        measure=formula("t != 0", {"t": STATE}, INDEX["esd-1/trip"]),
    ),
    limit(
        LEVEL, "low", side="low", limit=-50.0, deadband=1.0, kind="limit",
        enable=formula(
            "run and p > 100 kPa", {"run": STATE, "p": Quantity("kPa")}, RUN, PRESSURE
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "condition"), list(zip(RULES, CONDITIONS, strict=True)))
def test_a_rule_becomes_exactly_this_condition(written: str, condition: Limit) -> None:
    found = site(written)
    assert found.limits[len(BASE.limits) :] == [condition]
    assert found.limits[: len(BASE.limits)] == BASE.limits


def test_all_of_them_live_in_one_park() -> None:
    assert site("".join(RULES)).limits[len(BASE.limits) :] == CONDITIONS


def test_the_same_words_of_two_enterprises_are_two_groups() -> None:
    state = 'group = "state"\nlimit = 1\ngrade = "blue"\nfirst_out = "unit"\n'
    first, second = site(
        f'[[rule]]\npoint = "huadong/boiler-1/run"\n{state}'
        f'[[rule]]\npoint = "binhai/panel-2/run-9"\n{state}'
    ).limits[-2:]
    assert (first.first_out, second.first_out) == ("huadong/unit", "binhai/unit")


def test_equal_formulas_of_two_rules_are_one_measure() -> None:
    rule = (
        '[[rule]]\nkind = "expression"\npoint = "huadong/boiler-1/lt-1"\nexpression = "a > 5"\n'
        'names = { a = "huadong/boiler-1/lt-1" }\ngrade = "yellow"\n'
    )
    first, second = site(f"{rule}{rule}level = 2\n").limits[-2:]
    assert first.measure == second.measure
    assert hash(first.measure) == hash(second.measure)
    assert replace(second, level=1) == first


VALUES = st.sampled_from(
    ["0", "1", "-3", "14.5", "1e300", "nan", "true", '""', '"5m"', '"1h"', '"high"', '"low"',
     '"state"', '"rate"', '"yellow"', '"red"', '"stel"', '"a > 5"', '"a"', '"a +"', '"((("',
     '"huadong/panel-1/h2s-1"', '"huadong/panel-1/o2-1"', '"huadong/boiler-1/run"',
     '"huadong/boiler-1/lt-1"', '"huadong/esd-1/zsc"', '"binhai/panel-2/run-9"', '"huadong/tank-a"',
     '"/"', '"x"', "[]", "{}", '{ a = "huadong/panel-1/h2s-1" }', '{ a = "huadong/boiler-1/run" }',
     "{ a = 3 }", '{ "" = "" }']
)  # fmt: skip
KEYS = st.sampled_from(
    ["point", "zone", "name", "level", "limit", "deadband", "grade", "on_delay", "off_delay",
     "latch", "clause", "enable", "names", "shadow", "first_out", "group", "side", "window",
     "within", "reaches", "other", "set_point", "zero", "average", "command", "feedback", "older",
     "expression", "what"]
)  # fmt: skip
GOOD = st.sampled_from(RULES)


@st.composite
def tables(draw: st.DrawFn) -> str:
    """A good rule of which some keys are gone, changed or added."""
    keys = dict(line.split(" = ", 1) for line in draw(GOOD).splitlines()[1:])
    for key in draw(st.lists(st.sampled_from(sorted(keys)), max_size=2)):
        keys.pop(key, None)
    keys |= draw(st.dictionaries(KEYS, VALUES, max_size=3))
    return "[[rule]]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items())


@settings(max_examples=300, deadline=None)
@given(st.lists(tables(), min_size=1, max_size=3))
def test_no_rule_fells_the_check_and_what_it_passes_can_be_resolved(rules: list[str]) -> None:
    found = loaded("".join(rules))
    if not found.errors:
        assert found.config is not None
        resolved = resolve(found.config, HERE, ENV).site
        assert len(resolved.limits) == len(BASE.limits) + len(rules)
    for problem in found.errors:
        assert problem.line > 0
