"""Suppression by plant state: every mistake at its line, and nothing essential without two."""

from pathlib import Path

import pytest

from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.overrides import written
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.template import effective
from parkwatch.daemon.config.words import spoken
from parkwatch.rules.site import Site
from tests.daemon.config.overrides_toml import (
    ENV,
    HERE,
    KEY,
    NOW,
    OVERRIDE,
    PARK,
    UNSIGNED,
    folder_with_key,
)

LOW = """
[[rule]]
point = "huadong/boiler-1/pt-1"
group = "low"
limit = 100
grade = "yellow"
"""
STOPPED = """
[[suppression]]
name = "停炉"
when = "not run"
names = { run = "huadong/boiler-1/run" }
alarms = ["huadong/boiler-1/pt-1:low", "huadong/boiler-1/*:fault"]
reason = "停炉时压力为零"
"""
GAS = STOPPED.replace('"huadong/boiler-1/*:fault"', '"huadong/panel-1/h2s-1:gas"')
SIGNED = GAS.replace("reason =", f"override = {OVERRIDE}\nreason =")


def loaded(table: str, data: Path | None = None, now: int = NOW) -> Loaded:
    sources = [Source("park.toml", PARK + LOW), Source("plant.toml", table)]
    return load_sources(sources, HERE, ENV, data=data, now_ns=now)


def site(table: str, data: Path | None = None) -> Site:
    config = loaded(table, data).config
    assert config is not None
    return resolve(config, HERE, ENV, data).site


def signed(table: str) -> str:
    config = loaded(table).config
    assert config is not None
    (override,) = written(config, list(effective(config)))
    return table.replace(UNSIGNED, override.signed_by(KEY))


def test_what_a_table_suppresses() -> None:
    assert loaded(STOPPED).problems == ()
    (found,) = site(STOPPED).suppressions
    faults = {p.id + ":fault" for p in site("").points if p.device == "huadong/boiler-1"}
    assert set(found.alarms) == faults | {"huadong/boiler-1/pt-1:low"}
    assert (found.name, found.until, found.reason) == ("停炉", 0, "停炉时压力为零")
    names = [site("").points[index].id for index in found.when.points]
    assert names == ["huadong/boiler-1/run"]


@pytest.mark.parametrize(
    ("old", "new", "line", "code"),
    [
        ('when = "not run"', 'when = "not rnu"', 4, "CFG-128"),
        ('when = "not run"', 'when = "run + 1"', 4, "CFG-128"),
        ('when = "not run"', 'when = "1 > 2"', 4, "CFG-128"),
        ("boiler-1/run", "boiler-1/rnu", 5, "CFG-117"),
        ("huadong/boiler-1/run", "binhai/panel-2/run-9", 5, "CFG-137"),
        ("pt-1:low", "pt-1:lwo", 6, "CFG-146"),
        ("boiler-1/*:fault", "boiler-9/*:fault", 6, "CFG-146"),
        ("huadong/boiler-1/*:fault", "binhai/panel-2/run-9:fault", 6, "CFG-137"),
        ("huadong/boiler-1/*:fault", "huadong/panel-1/h2s-1:gas", 6, "CFG-136"),
        ("huadong/boiler-1/*:fault", "huadong/panel-1/*:gas", 6, "CFG-136"),
        ("huadong/boiler-1/*:fault", "huadong/panel-1/o2-1:high", 6, "CFG-136"),
        ('reason = "停炉时压力为零"', 'reason = ""', 7, "CFG-106"),
        ('reason = "停炉时压力为零"', 'reason = "r"\nuntil = 3', 8, "CFG-103"),
        ("alarms = [", "alarms = []\nx = [", 7, "CFG-103"),
    ],
)
def test_every_mistake_is_named_at_its_line(old: str, new: str, line: int, code: str) -> None:
    assert STOPPED.count(old) == 1
    problems = loaded(STOPPED.replace(old, new)).problems
    found = [(p.line, p.code) for p in problems]
    assert (line, code) in found
    assert all("plant.toml" in p.file for p in problems)
    for problem in problems:
        for told in (problem.message, problem.why, problem.fix):
            assert spoken(told, "zh")
            assert spoken(told, "en")


def test_two_of_a_name_are_refused() -> None:
    assert [(p.line, p.code) for p in loaded(STOPPED + STOPPED).problems] == [(10, "CFG-145")]


def test_what_is_essential_takes_two_signatures_and_an_end(tmp_path: Path) -> None:
    data = folder_with_key(tmp_path)
    assert [p.code for p in loaded(SIGNED, data).problems] == ["CFG-190"]
    assert site(SIGNED, data).suppressions == []
    good = signed(SIGNED)
    assert loaded(good, data).problems == ()
    (found,) = site(good, data).suppressions
    assert "huadong/panel-1/h2s-1:gas" in found.alarms
    assert found.until > NOW
    for old, new in (
        ('"not run"', '"run"'),
        ("h2s-1:gas", "h2s-2:gas"),
        ("2026-12-31", "2026-12-30"),
    ):
        assert [p.code for p in loaded(good.replace(old, new), data).problems] == ["CFG-190"]
        assert site(good.replace(old, new), data).suppressions == []
    later = found.until + 1
    assert [p.code for p in loaded(good, data, later).problems] == ["LINT-040"]
    idle = signed(STOPPED.replace("reason =", f"override = {OVERRIDE}\nreason ="))
    assert [p.code for p in loaded(idle, data).problems] == ["LINT-041"]


def test_levels_that_may_never_be_masked_are_marked() -> None:
    found = site(
        '[[rule]]\npoint = "huadong/esd-1/trip"\ngroup = "state"\nlimit = 1\ngrade = "red"\n'
    )
    ids = [point.id for point in found.points]
    marked = {
        (ids[x.point].rpartition("/")[2], x.group, x.level) for x in found.limits if x.essential
    }
    assert {
        ("h2s-1", "gas", 2),
        ("o2-1", "low", 2),
        ("o2-1", "high", 2),
        ("trip", "state", 1),
    } <= marked
    assert not {("h2s-1", "gas", 1), ("o2-1", "low", 1), ("pt-1", "low", 1)} & marked


def test_two_persons_reset_red_where_the_park_says_so() -> None:
    assert not site("").red_reset_two
    config = load_sources(
        [Source("p", PARK.replace('name = "规则园区"', 'name = "规则园区"\nred_reset = "two"'))],
        HERE,
        ENV,
    ).config
    assert config is not None
    assert resolve(config, HERE, ENV).site.red_reset_two
