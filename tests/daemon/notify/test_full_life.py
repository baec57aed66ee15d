"""Messages of the full life: who hears of an end, of a mask that ends, of what is overdue."""

from dataclasses import replace
from typing import Any

import pytest
from notifying import GAS, MINUTE_NS, RAISED, happened, make_directory, make_site, seen

from parkwatch.daemon.notify.chain import ChainPolicy, Directory
from parkwatch.daemon.notify.text import UNITS_MAX, Writer, units
from parkwatch.daemon.notify.told import Told
from parkwatch.daemon.outbox.timers import Timer
from parkwatch.rules.disposition import Overdue
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Transition

NOW = RAISED + 5
SITE = make_site()
NAMES = {"zhangwei": "张伟", "liqiang": "李强"}
ZH = Writer(SITE, names=NAMES)
EN = Writer(replace(SITE, name="DemoPark"), names=NAMES, lang="en")


def directory() -> Directory:
    made = make_directory()
    tank = replace(made.chains["tank"], later={"red": (("lead",),), "orange": (("lead",), ())})
    return replace(made, chains={**made.chains, "tank": tank})


@pytest.fixture
def policy() -> ChainPolicy:
    return ChainPolicy(SITE, directory(), "Asia/Shanghai")


def called(policy: ChainPolicy, what: Transition) -> list[tuple[str, str, str]]:
    return [(m.kind, m.person, m.channel) for m in policy.react([what], NOW).messages]


def closed(**more: Any) -> Transition:
    cause = {"why": "closed_by_change", "persons": ["zhangwei", "liqiang"], "reason": "拆除"}
    more = {"after": "normal", "before": "latched_ack", "version": 9, "cause": cause, **more}
    return happened("close", **more)


def test_an_end_by_a_change_is_told_to_everybody_who_was_told_of_the_alarm(
    policy: ChainPolicy,
) -> None:
    policy.react([happened(grade=Grade.RED)], NOW)
    policy.fire(
        Timer(
            "t", NOW, {"alarm": GAS, "repeat": 1, "kind": "raise", "transition": happened().body()}
        ),
        NOW,
        seen("unack_active"),
    )
    policy.overdue(Overdue(GAS, RAISED, 1, Grade.RED, RAISED), NOW)
    # The end itself is yellow: its own chain would call one of them on one channel.
    assert sorted(called(policy, closed(grade=Grade.YELLOW))) == [
        ("closed", "lead", "voice"), ("closed", "liqiang", "sms"),
        ("closed", "zhangwei", "sms"), ("closed", "zhangwei", "work"),
    ]  # fmt: skip
    assert called(policy, closed(before="normal")) == []


def test_who_was_told_outlives_a_restart_the_directory_and_the_outbox(policy: ChainPolicy) -> None:
    first = policy.react([happened()], NOW).messages
    snapshot = policy.told.snapshot(lambda alarm: True)
    later = policy.react([happened("rise", Grade.RED, version=2)], NOW).messages
    made = directory()
    people = {name: p for name, p in made.people.items() if name != "liqiang"}
    after = ChainPolicy(SITE, replace(made, people=people), "Asia/Shanghai")
    after.told.restore(snapshot, [m.body() for m in later])
    assert {m.person for m in first} <= {p for _, p, _ in called(after, closed())}
    assert after.told.persons(GAS, RAISED) == policy.told.persons(GAS, RAISED)


def test_only_the_newest_occurrence_is_remembered_and_what_is_normal_is_forgotten() -> None:
    policy = ChainPolicy(SITE, directory(), "Asia/Shanghai")
    policy.react([happened()], NOW)
    policy.react([happened(occurrence=RAISED + 9, grade=Grade.YELLOW)], NOW)
    assert policy.told.persons(GAS, RAISED) == []
    assert policy.told.persons(GAS, RAISED + 9) == [("zhangwei", "work")]
    made = Told()
    made.restore(policy.told.snapshot(lambda alarm: False), [])
    assert made.persons(GAS, RAISED + 9) == []


@pytest.mark.parametrize(
    ("event", "after", "why", "kind"),
    [
        ("expire", "unack_active", "time", "unshelved"),
        ("expire", "latched_unack", "time", "unshelved"),
        ("expire", "normal", "one_shot", ""),
        ("unshelve", "unack_active", "rise", ""),
        ("unshelve", "unack_active", "vote", ""),
        ("unsuppress", "unack_active", "level", ""),
        ("unsuppress", "unack_active", "plant", "raise"),
        # By hand: who does it sees the alarm; those that nobody has told of it are told.
        ("unshelve", "unack_active", "", "unshelved"),
        ("return_to_service", "unack_active", "", "unshelved"),
        ("return_to_service", "ack_active", "", ""),
    ],
)
def test_what_a_mask_that_ends_announces(
    policy: ChainPolicy, event: str, after: str, why: str, kind: str
) -> None:
    what = happened(event, after=after, version=4, cause={"why": why})
    assert {k for k, _, _ in called(policy, what)} == ({kind} if kind else set())
    assert called(policy, replace(what, mask="suppressed_by_design")) == []
    if event in ("unshelve", "return_to_service"):
        policy.react([happened()], NOW)
        assert called(policy, what) == []


def test_what_was_announced_after_a_mask_repeats_as_what_it_is(policy: ChainPolicy) -> None:
    (timer,) = policy.react([happened("expire", Grade.RED, version=4)], NOW).timers
    again = policy.fire(timer, NOW + MINUTE_NS, seen("unack_active"))
    assert {m.kind for m in again.messages} == {"unshelved"}


def test_overdue_goes_one_tier_up_where_the_chain_has_one(policy: ChainPolicy) -> None:
    (up,) = policy.overdue(Overdue(GAS, RAISED, 3, Grade.ORANGE, RAISED), NOW).messages
    assert up.key == f"{GAS}|{RAISED}|3|overdue|1|0|voice|lead"
    yellow = policy.overdue(Overdue(GAS, RAISED, 3, Grade.YELLOW, RAISED), NOW).messages
    assert [(m.tier, m.person) for m in yellow] == [(0, "zhangwei")]


def test_who_promised_is_reminded_and_without_a_name_the_first_tier(policy: ChainPolicy) -> None:
    promised = Overdue(GAS, RAISED, 3, Grade.YELLOW, RAISED, "liqiang", "查法兰")
    (one,) = policy.overdue(promised, NOW).messages
    assert one.key == f"{GAS}|{RAISED}|3|overdue|0|1|sms|liqiang"
    (other,) = policy.overdue(replace(promised, promised="cli:root"), NOW).messages
    assert (other.person, other.tier) == ("zhangwei", 0)


def test_a_chain_that_calls_nobody_for_a_grade_is_no_error(policy: ChainPolicy) -> None:
    assert policy.overdue(Overdue(GAS, RAISED, 3, Grade.BLUE, RAISED), NOW).messages == []


def overdue(alarm: str = GAS, **more: Any) -> Overdue:
    return Overdue(alarm, RAISED, 1, Grade.ORANGE, RAISED, **more)


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (ZH.compose(closed()),
         "【示例园区】解除 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03"
         " 因配置变更结束 张伟、李强 原因:拆除"),
        (ZH.compose(happened("expire")),
         "【示例园区】橙警 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 限3分 屏蔽到期"),
        (ZH.compose(happened("expire", after="latched_unack")),
         "【示例园区】橙警 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 须现场核实后复位 屏蔽到期"),
        (ZH.compose(happened("reset", cause={"person": "zhangwei", "second": "liqiang"})),
         "【示例园区】解除 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 张伟、李强复位"),
        (ZH.compose(happened(), repeat=1, unrecorded=True),
         "【示例园区】橙警 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 限3分 第2次 未记录"),
        (ZH.overdue(overdue()),
         "【示例园区】逾期 橙警 华东化工罐区A H2S-0103 硫化氢 14:03 未处置 请填原因和措施"),
        (ZH.overdue(overdue(promised="zhangwei", next="查法兰并更换垫片")),
         "【示例园区】逾期 橙警 华东化工罐区A H2S-0103 硫化氢 14:03"
         " 张伟承诺:查法兰并更换垫片 请回报"),
        (ZH.overdue(overdue(promised="zhangwei")),
         "【示例园区】逾期 橙警 华东化工罐区A H2S-0103 硫化氢 14:03 张伟承诺此时回报"),
        (ZH.overdue(overdue("huadong/tank-a:vote-h2s")),
         "【示例园区】逾期 橙警 华东化工罐区A 硫化氢 14:03 未处置 请填原因和措施"),
        (ZH.overdue(overdue("huadong/tank-a:blind-h2s")),
         "【示例园区】逾期 橙警 华东化工罐区A 硫化氢 失去监视 14:03 未处置 请填原因和措施"),
        (ZH.overdue(overdue("huadong/panel-1:link")),
         "【示例园区】逾期 橙警 华东化工 panel-1 失联 14:03 未处置 请填原因和措施"),
        (ZH.overdue(overdue("huadong/panel-1/h2s-0103:fault")),
         "【示例园区】逾期 橙警 华东化工罐区A H2S-0103 探测器故障 14:03 未处置 请填原因和措施"),
        (ZH.overdue(overdue("system/disk:low")),
         "【示例园区】逾期 橙警 平台 磁盘将满 14:03 未处置 请填原因和措施"),
    ],
)  # fmt: skip
def test_the_texts(said: str, text: str) -> None:
    assert said == text
    assert units(said) <= UNITS_MAX


@pytest.mark.parametrize(
    ("said", "end"),
    [
        (EN.compose(closed()), "ended by a change of configuration, 张伟 & 李强 cause: 拆除"),
        (EN.compose(happened("expire")), "14:03 within 3 min mask ended"),
        (EN.compose(happened(), unrecorded=True), "14:03 within 3 min not recorded"),
        (EN.overdue(overdue()), "H2S 14:03 no disposition: give cause and measure"),
        (EN.overdue(overdue(promised="zhangwei", next="look")),
         "H2S 14:03 张伟 promised: look, report back"),
    ],
)  # fmt: skip
def test_the_texts_in_english(said: str, end: str) -> None:
    assert said.endswith(end)
    assert ZH.overdue_title(overdue()) == "▲ 逾期"
