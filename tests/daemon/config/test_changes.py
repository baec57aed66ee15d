"""What a change of the configuration is called, alarm by alarm: nothing that says less is safe."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from parkwatch.daemon.config.changes import Side, compare, ended, need_two
from parkwatch.daemon.config.changes.kinds import KINDS
from parkwatch.daemon.config.changes.limits import Limits
from parkwatch.daemon.config.changes.limits import changes as limit_changes
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.grade import Grade
from parkwatch.rules.measures import neighbours
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS, Limit, Point, Site, Zone
from tests.daemon.config.overrides_toml import (
    ENV,
    HERE,
    PARK,
    folder_with_key,
    loaded,
    park,
    signed,
)

H2S, LEVEL, PRESSURE = "huadong/panel-1/h2s-1", "huadong/boiler-1/lt-1", "huadong/boiler-1/pt-1"
VOTE, BLIND = "huadong/tank-a:vote-h2s", "huadong/tank-a:blind-h2s"
RULE = f"""
[[rule]]
point = "{PRESSURE}"
group = "high"
limit = 800
deadband = 20
on_delay = "2s"
off_delay = "10s"
latch = true
grade = "orange"
first_out = "steam"
"""
ROW = '{ tag = "H2S-1", zone = "tank-a", gas = "H2S", reg = 40001, type = "s16", scale = 0.1 }'
Told = list[tuple[str, str, str, Any, Any]]


def side(text: str) -> Side:
    config = load_sources([Source("park.toml", text)], HERE, ENV).config
    assert config is not None
    return Side(config, resolve(config, HERE, ENV).site)


def told(old: str, new: str) -> Told:
    found = compare(side(old), side(new))
    return [(c.kind, c.about, c.key, c.old, c.new) for c in found]


def rule(old: str, new: str) -> Told:
    """Of one rule with one thing in it changed."""
    assert RULE.count(old) == 1
    return told(PARK + RULE, PARK + RULE.replace(old, new))


def point(old: str, new: str) -> Told:
    return told(PARK, PARK.replace(ROW, ROW.replace(old, new)))


HIGH = f"{PRESSURE}:high"


@pytest.mark.parametrize(
    ("old", "new", "kind", "key"),
    [
        ("limit = 800", "limit = 810", "loosened", "limit"),
        ("limit = 800", "limit = 790", "tightened", "limit"),
        ("deadband = 20", "deadband = 10", "loosened", "deadband"),
        ("deadband = 20", "deadband = 30", "loosened", "deadband"),
        ('on_delay = "2s"', 'on_delay = "3s"', "loosened", "on_delay_ns"),
        ('on_delay = "2s"', 'on_delay = "1s"', "tightened", "on_delay_ns"),
        ('off_delay = "10s"', 'off_delay = "9s"', "loosened", "off_delay_ns"),
        ('off_delay = "10s"', 'off_delay = "11s"', "tightened", "off_delay_ns"),
        ("latch = true", "latch = false", "loosened", "latch"),
        ('"orange"', '"yellow"', "loosened", "grade"),
        ('first_out = "steam"', "", "altered", "first_out"),
        ("latch = true", 'latch = true\nclause = "规程"', "neutral", "clause"),
        (
            "latch = true",
            'latch = true\nenable = "run"\nnames = { run = "huadong/boiler-1/run" }',
            "loosened",
            "enable",
        ),
    ],
)
def test_a_limit_that_says_less_is_loosened(old: str, new: str, kind: str, key: str) -> None:
    (one,) = rule(old, new)
    assert one[:3] == (kind, HIGH, f"1.limit.{key}")


def test_a_low_limit_is_loosened_downwards() -> None:
    text = RULE.replace("high", "low").replace("limit = 800", "limit = 100")
    for value, kind in ((90, "loosened"), (110, "tightened")):
        found = told(PARK + text, PARK + text.replace("limit = 100", f"limit = {value}"))
        assert found == [(kind, f"{PRESSURE}:low", "1.limit.limit", 100.0, float(value))]


def test_a_tightened_limit_may_bring_its_deadband_along() -> None:
    """From the gas table: the deadband of a toxic gas is a share of its first set point."""
    found = point('gas = "H2S"', 'gas = "H2S", al1 = 5')
    assert {kind for kind, *_ in found} == {"tightened", "neutral"}
    assert ("neutral", f"{H2S}:gas", "2.limit.deadband") in [each[:3] for each in found]


@pytest.mark.parametrize(
    ("old", "new", "kind", "key"),
    [
        ("scale = 0.1", "scale = 0.2", "rescaled", "scale"),
        ("reg = 40001", "reg = 40011", "rescaled", "reg"),
        ('type = "s16"', 'type = "u16"', "rescaled", "type"),
        ("scale = 0.1", "scale = 0.1, range = [0, 90]", "rescaled", "high"),
        ('gas = "H2S"', 'gas = "H2S", resolution = 0.5', "rescaled", "resolution"),
        ('gas = "H2S"', 'gas = "H2S", head = "h"', "altered", "head"),
        ('tag = "H2S-1"', 'tag = "H2S-01", id = "h2s-1"', "neutral", "tag"),
    ],
)
def test_a_point_that_measures_another_thing(old: str, new: str, kind: str, key: str) -> None:
    assert (kind, H2S, key) in [each[:3] for each in point(old, new)]


def test_a_point_that_goes_takes_its_vote_and_blindness_along() -> None:
    changes = compare(side(PARK), side(PARK.replace(f"  {ROW},\n", "")))
    (gone,) = [c for c in changes if c.kind == "removed"]
    assert gone.about == H2S
    asked = [f"{H2S}:gas", f"{H2S}:fault", VOTE, BLIND, f"{PRESSURE}:high", "system/disk:low"]
    assert list(ended(changes, asked)) == [f"{H2S}:gas", f"{H2S}:fault", VOTE, BLIND]
    assert need_two(changes)


def test_a_point_that_comes_is_safe_and_ends_nothing() -> None:
    more = f"  {ROW},\n" + f"  {ROW},\n".replace("H2S-1", "H2S-9").replace("40001", "40090")
    changes = compare(side(PARK), side(PARK.replace(f"  {ROW},\n", more)))
    assert {c.kind for c in changes} <= {"added", "regrouped"}
    assert not need_two(changes)
    assert not ended(changes, [VOTE, BLIND, f"{H2S}:gas"])


def test_what_no_order_of_points_moves() -> None:
    """Indices move, names do not."""
    lines = PARK.splitlines()
    at = next(n for n, line in enumerate(lines) if ROW in line)
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    assert told(PARK, "\n".join(lines)) == []


def test_a_neighbour_more_holds_still_only_the_alarms_of_neighbours() -> None:
    points = [Point(f"hd/p/{n}", n, f"H{n}", "hd", "hd/p", "hd/z", "ppm", "H2S") for n in range(4)]
    zones = {"hd/z": Zone("hd/z", "hd", "z")}
    three, four = (
        Limits(Site(points[:n], zones, {}, neighbours.limits(points[:n]))) for n in (3, 4)
    )
    more = list(limit_changes(three, four))
    assert {(c.kind, c.about) for c in more} == {
        ("regrouped", f"hd/p/{n}:deviation") for n in range(3)
    }
    assert not need_two(more)
    assert list(ended(more, ["hd/p/0:gas", "hd/p/0:deviation"])) == ["hd/p/0:deviation"]
    fewer = list(limit_changes(four, three))
    assert {c.kind for c in fewer} == {"altered"}


def test_a_rule_over_other_points_is_another_and_hangs_on_them() -> None:
    rule = (
        '[[rule]]\nkind = "expression"\nzone = "huadong/tank-a"\nname = "leak"\n'
        f'expression = "a >= 7 ppm"\nnames = {{ a = "{H2S}" }}\ngrade = "yellow"\n'
    )
    other = rule.replace(H2S, "huadong/panel-1/h2s-2")
    assert [each[:2] for each in told(PARK + rule, PARK + other)] == [
        ("altered", "huadong/tank-a:leak")
    ]
    scaled = compare(side(PARK + rule), side((PARK + rule).replace("reg = 40001", "reg = 40091")))
    assert list(ended(scaled, ["huadong/tank-a:leak"])) == ["huadong/tank-a:leak"]


def test_disarming_is_told_and_arming_is_safe() -> None:
    shadow = PARK + RULE + "shadow = true\n"
    assert told(PARK + RULE, shadow)[0][:2] == ("disarmed", HIGH)
    assert told(shadow, PARK + RULE)[0][:2] == ("tightened", HIGH)
    unarmed = PARK.replace('name = "规则园区"', 'name = "规则园区"\narm = "manual"')
    assert ("disarmed", H2S, "armed", "provisional", "unarmed") in told(PARK, unarmed)
    assert not need_two(compare(side(unarmed), side(PARK)))


def test_a_device_that_is_read_elsewhere_keeps_its_link_alarm() -> None:
    changes = compare(side(PARK), side(PARK.replace("192.0.2.10", "192.0.2.11")))
    asked = ["huadong/panel-1:link", f"{H2S}:fault", f"{H2S}:gas"]
    assert list(ended(changes, asked)) == [f"{H2S}:gas"]
    assert need_two(changes)


def test_a_device_that_goes_takes_its_link_alarm_along() -> None:
    start = PARK.index('[[device]]\nid = "panel-1"')
    end = PARK.index("[[device]]", start + 1)
    changes = compare(side(PARK), side(PARK[:start] + PARK[end:]))
    assert "huadong/panel-1:link" in ended(changes, ["huadong/panel-1:link"])


def test_who_is_told_less_is_two_persons_business_and_ends_no_alarm() -> None:
    second = PARK  # liqiang is there, and nobody calls him
    both = second.replace('red = [["zhangwei"]]', 'red = [["zhangwei", "liqiang"]]')
    (less,) = [each for each in compare(side(both), side(second)) if each.kind != "neutral"]
    assert (less.kind, less.about, less.key) == ("unmanned", "chain.default", "red")
    assert not less.touches("chain.default:red")
    assert [each[0] for each in told(second, both)] == ["tightened"]
    late = both.replace(
        '[["zhangwei", "liqiang"]]', '[["zhangwei"], { after = "3m", call = ["liqiang"] }]'
    )
    later = late.replace("3m", "5m")
    assert told(late, later)[0][0] == "unmanned"
    assert told(later, late)[0][0] == "tightened"
    mute = second.replace('channels = ["work"]', "channels = []", 1)
    assert "unmanned" in [each[0] for each in told(second, mute)]


def test_a_red_that_one_person_resets_is_loosened() -> None:
    two = PARK.replace('name = "规则园区"', 'name = "规则园区"\nred_reset = "two"')
    assert told(two, PARK) == [("loosened", "park", "red_reset", "two", "one")]
    assert told(PARK, two) == [("tightened", "park", "red_reset", "one", "two")]


PLANT = f"""
[[suppression]]
name = "停炉"
when = "not run"
names = {{ run = "huadong/boiler-1/run" }}
alarms = ["{PRESSURE}:fault"]
reason = "停炉"
"""


def test_a_suppression_more_is_loosened_and_hides_no_alarm_that_is_there() -> None:
    changes = compare(side(PARK), side(PARK + PLANT))
    assert need_two(changes)
    assert list(ended(changes, [f"{PRESSURE}:fault", f"{H2S}:fault"])) == [f"{PRESSURE}:fault"]
    assert [each[0] for each in told(PARK + PLANT, PARK)] == ["tightened"]
    other = PLANT.replace('"not run"', '"run"')
    assert told(PARK + PLANT, PARK + other)[0][0] == "altered"
    wider = PLANT.replace(f'["{PRESSURE}:fault"]', '["huadong/boiler-1/*:fault"]')
    assert told(PARK + PLANT, PARK + wider)[0][0] == "loosened"
    assert told(PARK + wider, PARK + PLANT)[0][0] == "tightened"


def test_an_override_is_loosened_by_its_end(tmp_path: Path) -> None:
    data = folder_with_key(tmp_path)
    beyond = side_of(signed(park()), data)
    longer = side_of(signed(park().replace("2026-12-31", "2027-01-31")), data)
    assert {c.kind for c in compare(side(PARK), beyond) if need_two([c])} == {"loosened"}
    assert [c.key for c in compare(beyond, longer)] == ["1.limit.until"]
    assert not need_two(compare(longer, side(PARK)))


def side_of(text: str, data: Path) -> Side:
    config = loaded(text, data).config
    assert config is not None
    return Side(config, resolve(config, HERE, ENV, data).site)


def test_no_secret_is_told() -> None:
    old = PARK + '[broker.b]\nhost = "h"\n'
    new = PARK.replace("env:WORK_URL", "json://secret.example/abc")
    assert "secret" not in str(told(old, new))


def test_every_kind_says_what_it_is() -> None:
    for name, kind in KINDS.items():
        assert kind.word
        assert not (kind.ends and not kind.two) or name == "regrouped"


# Safe means safe: held against the engine ---------------------------------------------------------

SECONDS = st.integers(0, 4).map(lambda n: n * SECOND_NS)
Alter = Callable[[Limit], Limit]


@st.composite
def limits(draw: st.DrawFn) -> Limit:
    side = draw(st.sampled_from(["high", "low"]))
    return Limit(
        0, side, 1, side, float(draw(st.integers(20, 80))),
        draw(st.sampled_from([Grade.BLUE, Grade.YELLOW])), float(draw(st.integers(0, 10))),
        draw(SECONDS), draw(SECONDS), latch=draw(st.booleans()),
    )  # fmt: skip


@st.composite
def altered(draw: st.DrawFn) -> tuple[Limit, Limit]:
    one = draw(limits())
    step = st.integers(-5, 5).map(float)
    other = replace(
        one,
        limit=one.limit + draw(step),
        deadband=max(0.0, one.deadband + draw(step)),
        on_delay_ns=draw(SECONDS),
        off_delay_ns=draw(SECONDS),
        latch=draw(st.booleans()),
    )
    return one, other


def a_site(limit: Limit) -> Site:
    point = Point("hd/p/a", 0, "A", "hd", "hd/p", "hd/z", "kPa", stale_ns=3600 * SECOND_NS)
    return Site([point], {"hd/z": Zone("hd/z", "hd", "z")}, {}, [limit])


def feed(engine: Engine, values: list[int]) -> list[int]:
    """The live level after each second's value."""
    found = []
    for second, value in enumerate(values, 1):
        at = np.array([second * SECOND_NS])
        engine.feed(
            Batch(
                np.array([0], np.int32),
                np.array([float(value)]),
                np.array([GOOD], np.uint8),
                at,
                at,
            )
        )
        found.append(max((view.live_level for view in engine.alarms()), default=0))
    return found


@settings(max_examples=300)
@given(altered(), st.lists(st.integers(0, 100), min_size=1, max_size=30))
def test_a_safe_change_never_makes_untrue_what_was_true(
    pair: tuple[Limit, Limit], values: list[int]
) -> None:
    """The same values through both: wherever the old one was TRUE, so is the new one."""
    old, new = map(a_site, pair)
    assume(not need_two(limit_changes(Limits(old), Limits(new))))
    before, after = feed(Engine(old, 0), values), feed(Engine(new, 0), values)
    assert all(now >= was for was, now in zip(before, after, strict=True)), (before, after)
