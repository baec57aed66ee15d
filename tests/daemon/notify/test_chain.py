"""Who is called and when, on a clock of our own: nobody forgotten, nobody else's tenant."""

import json
from dataclasses import replace
from typing import Any

import pytest
from notifying import GAS, MINUTE_NS, RAISED, happened, make_directory, make_site, seen

from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.daemon.pipeline.turn import Plan
from parkwatch.rules.grade import Grade

NOW = RAISED + 5


@pytest.fixture
def policy() -> ChainPolicy:
    return ChainPolicy(make_site(), make_directory(), "Asia/Shanghai")


def called(plan: Plan) -> list[tuple[str, str]]:
    return [(m.person, m.channel) for m in plan.messages]


def red(event: str = "raise", **more: Any) -> Any:
    return happened(event, Grade.RED, **more)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        # Red: every channel of every person together; li of the owner, wang of another not.
        (red(), [("zhangwei", "work"), ("zhangwei", "sms"), ("liqiang", "sms"), ("lead", "voice")]),
        # Others: the first channel; a channel that is not configured any more is passed over.
        (happened(), [("zhangwei", "work"), ("liqiang", "sms")]),
        (happened(grade=Grade.YELLOW), [("zhangwei", "work")]),
        (happened(grade=Grade.BLUE), []),  # the tank's chain calls nobody for blue
        # A link takes the default chain; wang of another enterprise is not told.
        (happened(alarm="huadong/panel-1:link"), [("lead", "voice")]),
        (happened(grade=Grade.BLUE, alarm="huadong/panel-1:link"), []),
        (happened(alarm="huadong/boiler-1/level:low"), [("lead", "voice")]),
        (happened(alarm="system/history:down"), [("lead", "voice")]),
        # Only a tenant is there to hear of the platform: better than nobody.
        (happened(grade=Grade.BLUE, alarm="system/history:down"), [("wangfang", "work")]),
    ],
)  # fmt: skip
def test_the_first_tier(policy: ChainPolicy, what: Any, expected: list[Any]) -> None:
    assert called(policy.react([what], NOW)) == expected


@pytest.mark.parametrize(
    ("event", "kind"),
    [("raise", "raise"), ("reraise", "raise"), ("rise", "rise"), ("realarm", "realarm"),
     ("return", "return"), ("reset", "reset"), ("unsuppress", "raise"),
     ("ack", ""), ("fall", ""), ("suppress", "")],
)  # fmt: skip
def test_what_is_announced_as_what(policy: ChainPolicy, event: str, kind: str) -> None:
    plan = policy.react([happened(event)], NOW)
    assert {m.kind for m in plan.messages} == ({kind} if kind else set())


def test_late_is_a_kind_of_its_own(policy: ChainPolicy) -> None:
    late = happened(alarm="huadong/panel-1/h2s-0103:late")
    assert policy.react([late], NOW).messages[0].kind == "late"


def test_keys_are_the_contracts_and_one_for_ever(policy: ChainPolicy) -> None:
    (first, _) = policy.react([happened(version=3)], NOW).messages
    assert first.key == f"{GAS}|{RAISED}|3|raise|0|0|work|zhangwei"
    assert (first.created, first.due, first.state, first.attempt) == (NOW, NOW, "pending", 0)
    (again, _) = policy.react([happened(version=3)], NOW + 1).messages
    assert again.key == first.key


def later(plan: Plan) -> Timer:
    """The one timer of a plan, as it comes back from disk."""
    (timer,) = plan.timers
    return Timer(timer.key, timer.due, json.loads(json.dumps(timer.body)))


def test_it_repeats_until_somebody_took_it(policy: ChainPolicy) -> None:
    timer = later(policy.react([red()], NOW))
    for repeat in range(1, 5):
        assert timer.due == NOW + repeat * MINUTE_NS
        plan = policy.fire(timer, timer.due, seen("unack_active"))
        assert [m.repeat for m in plan.messages] == [repeat] * 4
        assert f"第{repeat + 1}次" in plan.messages[0].text
        timer = later(plan)
    assert policy.fire(timer, timer.due, seen("ack_active")) == Plan()
    assert policy.fire(timer, timer.due, None) == Plan()
    assert policy.fire(timer, timer.due, seen("unack_active", occurrence=RAISED + 1)) == Plan()


def test_gas_that_left_before_anybody_came_still_calls(policy: ChainPolicy) -> None:
    plan = policy.react([red(), red("return", version=2)], NOW)
    assert [m.kind for m in plan.messages] == ["raise"] * 4 + ["return"] * 4
    again = policy.fire(later(plan), NOW + MINUTE_NS, seen("latched_unack"))
    assert "须现场核实后复位 第2次" in again.messages[0].text


def test_a_rise_calls_by_the_new_grade_and_starts_anew(policy: ChainPolicy) -> None:
    first = later(policy.react([happened()], NOW))
    assert first.due == NOW + 10 * MINUTE_NS
    second = later(policy.react([red("rise", version=2)], NOW + MINUTE_NS))
    assert (second.key, second.due) == (first.key, NOW + 2 * MINUTE_NS)
    assert second.body["repeat"] == 1


@pytest.mark.parametrize("end", ["ack", "reset"])
def test_taken_ends_the_repeats(policy: ChainPolicy, end: str) -> None:
    plan = policy.react([red(end, version=2)], NOW)
    assert list(plan.cancel) == [f"repeat|{GAS}"]
    assert plan.timers == []
    both = policy.react([red(), red("ack", version=2)], NOW)  # in one group
    assert both.timers == []


def test_under_a_mask_nobody_is_told_but_the_acknowledgement_counts(policy: ChainPolicy) -> None:
    mask = "suppressed_by_design"
    assert policy.react([red(mask=mask)], NOW) == Plan([], [], [])
    taken = policy.react([red("ack", mask=mask)], NOW)
    assert (called(taken), list(taken.cancel)) == ([], [f"repeat|{GAS}"])
    timer = later(policy.react([red()], NOW))
    masked = policy.fire(timer, timer.due, seen("unack_active", mask=mask))
    assert called(masked) == []
    assert later(masked).due == timer.due + MINUTE_NS
    assert later(masked).body["repeat"] == 1
    assert called(policy.react([happened("unsuppress", after="rtn_unack")], NOW)) == []


def test_a_chain_without_repeat_sets_no_timer(policy: ChainPolicy) -> None:
    assert policy.react([happened(grade=Grade.YELLOW)], NOW).timers == []


def test_the_next_channel_of_a_person(policy: ChainPolicy) -> None:
    (work, sms) = policy.react([happened()], NOW).messages
    instead = policy.instead(replace(work, attempt=2, state="sending"), NOW + 9)
    assert instead is not None
    assert instead.key == f"{GAS}|{RAISED}|1|raise|0|0|sms|zhangwei"
    assert (instead.channel, instead.due, instead.attempt) == ("sms", NOW + 9, 0)
    assert (instead.state, instead.created) == ("pending", NOW)
    assert policy.instead(instead, NOW) is None
    assert policy.instead(sms, NOW) is None
    assert policy.instead(replace(work, person="nobody"), NOW) is None


def test_a_webhook_names_the_phone_else_the_id(policy: ChainPolicy) -> None:
    (work, sms) = policy.react([happened()], NOW).messages
    assert [policy.address(m) for m in (work, sms)] == ["13800000001", "liqiang"]


def test_a_drill_is_marked(policy: ChainPolicy) -> None:
    plan = policy.react([happened(origin="drill:1")], NOW)
    assert all(m.drill and m.text.startswith("【演练】") for m in plan.messages)


def test_a_park_without_chains_calls_nobody_and_lives() -> None:
    policy = ChainPolicy(make_site(), Directory({}, {}, {}), "Asia/Shanghai")
    assert called(policy.react([red()], NOW)) == []
