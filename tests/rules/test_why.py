"""Why an alarm is as it is: every cause gives readable words, whatever it holds."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_park import ALONE, LEVEL, TRIP, A, B, World

from parkwatch.rules.alarms.why import Row, line, table
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Transition

POINT = "huadong/panel-1/h2s-0103"
LIMIT: dict[str, Any] = {
    "tag": "H2S-0103", "point": POINT, "value": 24.6, "unit": "ppm", "quality": "good",
    "reason": "none", "limit": 7.0, "side": "high", "clause": "GB/T 50493-2019", "held_s": 3.0,
    "deadband": 0.7, "on_delay_s": 3.0,
}  # fmt: skip
VOTE: dict[str, Any] = {
    "tag": "tank-a", "gas": "CH4", "single": True, "healthy": 1, "unit": "%LEL",
    "voters": [{"tag": "CH4-01", "point": "hd/p/ch4-01", "value": 60.0, "unit": "%LEL"}],
}  # fmt: skip
RATE = {**LIMIT, "kind": "rate", "measured": 3.2, "measured_unit": "ppm/min", "limit": 2.0}
FORMULA = {
    "kind": "expression", "name": "purge", "expression": "A > 3 and B < 4", "measured": 1.0,
    "measure": "expression", "limit": 1.0, "side": "high", "enable": "C = 1",
    "inputs": [
        {"tag": "A", "value": 4.0, "unit": "kPa"},
        {"tag": "B", "value": None, "quality": "bad", "reason": "comms"},
    ],
}  # fmt: skip
SAID = [
    (
        LIMIT,
        f"{POINT}:gas",
        "H2S-0103 读数24.6ppm,达到高限7ppm,已持续3秒(延时3秒),依据 GB/T 50493-2019",
        "H2S-0103 reads 24.6 ppm, at or beyond the high limit 7 ppm, held 3 s (on-delay 3 s), "
        "clause GB/T 50493-2019",
    ),
    ({**LIMIT, "value": 6.8}, "", "未回到高限7ppm的回差以外", "not yet clear of the high limit"),
    ({**LIMIT, "value": 1, "held_s": None}, "", "未回到高限", "not yet clear"),
    (
        {k: v for k, v in LIMIT.items() if k != "held_s"} | {"value": 1},
        "",
        "已回到高限7ppm以内",
        "back within the high limit 7 ppm",
    ),
    (
        {**LIMIT, "value": None, "reason": "over_range"},
        "",
        "读数超量程,达到高限7ppm",
        "reads over range, at or beyond the high limit 7 ppm",
    ),
    (
        {**LIMIT, "value": None, "quality": "bad", "reason": "comms"},
        "",
        "读数未知,高限7ppm,通信中断",
        "reads not known, high limit 7 ppm, comms lost",
    ),
    (
        {**LIMIT, "value": 18.9, "limit": 19.5, "side": "low", "unit": "%vol"},
        "",
        "达到低限19.5%vol",
        "at or beyond the low limit 19.5 %vol",
    ),
    ({**LIMIT, "value": 1, "limit": 1}, "hd/esd/sif-1:state", "H2S-0103 动作", "H2S-0103 tripped"),
    (
        VOTE,
        "hd/tank-a:vote-ch4",
        "tank-a CH4 单只无旁证:CH4-01 60%LEL,完好探测器1只",
        "tank-a CH4 single detector, no second witness: CH4-01 60 %LEL, healthy detectors: 1",
    ),
    ({**VOTE, "voters": VOTE["voters"] * 2}, "", "2只同报", "2 detectors agree"),
    ({**VOTE, "voters": []}, "", "单只无旁证", "no second witness"),
    ({**VOTE, "voters": [], "single": False}, "", "无探测器报警", "no detector in alarm"),
    (RATE, "", "变化率3.2ppm/min,达到高限2ppm/min(读数24.6ppm)", "rate of change 3.2 ppm/min"),
    (
        {**RATE, "measure": "slope over 5 min"},
        "",
        "5 min内斜率3.2ppm/min",
        "slope over 5 min 3.2 ppm/min",
    ),
    (
        {**RATE, "measure": "五分钟斜率\u2003five-minute slope"},
        "",
        "五分钟斜率3.2",
        "five-minute slope 3.2",
    ),
    (
        {**RATE, "kind": "trend", "measure": "time to 14.1 by the trend over 10 min",
         "measured": 7.5, "measured_unit": "min", "limit": 10, "side": "low",
         "inputs": [{"tag": "H2S-0103", "point": POINT, "value": 2.0}]},
        "",
        "按10 min趋势到14.1的时间7.5min,不超过10min(读数24.6ppm),已持续3秒",
        "time to 14.1 by the trend over 10 min 7.5 min, no more than 10 min (reads 24.6 ppm), held",
    ),
    ({**RATE, "kind": "flatline", "measured": 3, "limit": 2, "side": "low", "held_s": None},
     "", "未回到2ppm/min", "not yet clear of 2"),
    ({**RATE, "measured": None}, "", "变化率未知,高限2ppm/min", "rate of change not known"),
    (
        FORMULA,
        "hd/boiler:purge",
        "hd/boiler 条件成立:A > 3 and B < 4,规则 purge,使能条件 C = 1,"
        "输入:A 4kPa、B -- 坏 通信中断",
        "hd/boiler condition holds: A > 3 and B < 4, rule purge, enabled by C = 1, "
        "inputs: A 4 kPa, B -- bad comms lost",
    ),
    ({**FORMULA, "measured": 0.0}, "", "条件不成立", "condition does not hold"),
    ({**FORMULA, "measured": None}, "", "条件未知", "condition not known"),
    ({**FORMULA, "kind": "discrepancy"}, "", "不一致,条件成立", "discrepancy, condition holds"),
    ({**FORMULA, "measured": 5.0, "limit": 4.0}, "", "达到高限4 (A > 3", "limit 4 (A > 3"),
    (
        {"tag": "CH4-1", "unit": "%LEL", "quality": "bad", "reason": "stale", "value": None,
         "held_s": 0.0, "lost": {"value": 22, "trend": "rising"}},
        "a/b/c:fault",
        "CH4-1 数据中断,失联前22%LEL,上升",
        "CH4-1 no data, lost at 22 %LEL, rising",
    ),
    ({"reason": "comms", "lost": {"value": 3, "trend": -0.2}}, "", "失联前3,下降", "3, falling"),
    ({"reason": "comms", "lost": {"value": 3, "trend": 0}}, "", "失联前3,平稳", "at 3, steady"),
    ({"reason": "comms", "lost": 3}, "", "通信中断,失联前3", "comms lost, lost at 3"),
    (
        {"tag": "CH4-1", "value": 500.0, "reason": "fault", "full_scale": 50.0},
        "a/b/c:fault",
        "CH4-1 探测器故障,读数500,量程50:核实前按有气处理",
        "CH4-1 detector fault, reads 500 of 50: treat as gas until checked",
    ),
    ({"full_scale": 50}, "", "超出量程50的1.2倍:核实前按有气处理", "treat as gas until checked"),
    ({"reason": "none", "value": 3, "unit": "ppm"}, "a/b/c:fault", "恢复,读数3ppm", "seen again"),
    ({}, "a/b/c:fault", "a/b/c 通道故障", "a/b/c channel fault"),
    (
        {"points": 7, "suppressed": 3, "text": "refused"},
        "hd/panel-1:link",
        "hd/panel-1 失联,7点状态未知,其中3条故障已并入 (refused)",
        "hd/panel-1 link lost, 7 points unknown, of which 3 faults are suppressed (refused)",
    ),
    ({"text": "401"}, "system/channel.work:failed", "401", "system/channel.work failed 401"),
    ({"reason": "stale", "links": ["hd/p:link"]}, "a/b/c:fault", "由 hd/p:link 代报", "spoken for"),
    (
        {**LIMIT, "first_out": {"tag": "PT-1", "time": 5, "uncertainty_ms": 500,
                                "together": ["PT-2"]}},
        "",
        "首出 PT-1 T5 ±500 ms,同时 PT-2",
        "first out PT-1 T5 ±500 ms, together with PT-2",
    ),
    ({**LIMIT, "doubtful": True}, "", "低读数不可信", "a low reading is not to be believed"),
    ({**LIMIT, "shadow": True}, "", "试运行不通知:H2S-0103", "shadow, nobody is told: H2S-0103"),
    ({}, "", "无更多说明", "no more is known"),
]  # fmt: skip
KINDS = ("limit", "rate", "trend", "deviation", "flatline", "chatter", "exposure", "discrepancy",
         "age", "expression", "unprotected")  # fmt: skip
KEYS = sorted({
    *LIMIT, *VOTE, *RATE, *FORMULA, "lost", "full_scale", "first_out", "links", "points", "shadow",
    "suppressed", "text", "doubtful", "person", "why", "level", "latching", "rule_version",
})  # fmt: skip
SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
    | st.sampled_from(KINDS)
)  # fmt: skip
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(
        st.sampled_from(KEYS) | st.text(max_size=4), inner, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip
ALARMS = ("", "x", "hd/p/s:gas", "hd/p/s:fault", "hd/tank:vote-h2s", "hd/p:link", "hd/z:blind-h2s",
          "system/history:down", "hd/p/s:state")  # fmt: skip


def clock(now: int) -> str:
    return f"T{now}"


def moved(event: str, cause: dict[str, Any]) -> Transition:
    return Transition("hd/p/s:gas", 1, 2, event, "unack_active", "ack_active", Grade.YELLOW,
                      Grade.YELLOW, 9, cause=cause)  # fmt: skip


@pytest.mark.parametrize(("cause", "alarm", "zh", "en"), SAID)
def test_the_line_says_it_in_both_languages(
    cause: dict[str, Any], alarm: str, zh: str, en: str
) -> None:
    assert zh in line(cause, "zh", alarm=alarm, clock=clock)
    assert en in line(cause, "en", alarm=alarm, clock=clock)


def test_who_acknowledged_and_why() -> None:
    cause = {**LIMIT, "person": "zhangwei", "why": "阀门内漏"}
    assert line(moved("ack", cause)).endswith("zhangwei 确认: 阀门内漏")
    assert line(moved("reset", cause), "en").endswith("reset by zhangwei: 阀门内漏")
    assert "zhangwei" not in line(moved("rise", cause))


def test_the_table_holds_every_input_once() -> None:
    cause = {**LIMIT, "first_out": {"tag": "PT-1"}, "rule_version": 3, "odd": {"a": [1]}}
    rows = table({**cause, "latching": True, "name": "leak"}, "en")
    assert rows == [
        Row("sample", "sample", f"H2S-0103 ({POINT}) 24.6 ppm good"),
        Row("limit", "limit", "high limit >= 7 ppm"),
        Row("held_s", "held", "3 s"),
        Row("on_delay_s", "on-delay", "3 s"),
        Row("first_out", "first out", "first out PT-1"),
        Row("deadband", "deadband", "0.7"),
        Row("clause", "clause", "GB/T 50493-2019"),
        Row("name", "rule", "leak"),
        Row("rule_version", "rule version", "3"),
        Row("latching", "latches", "yes"),
        Row("odd", "odd", '{"a": [1]}'),
    ]
    voters = [row.text for row in table(VOTE) if row.key == "voter"]
    assert voters == ["CH4-01 (hd/p/ch4-01) 60%LEL"]
    assert [row.text for row in table(FORMULA, "en") if row.key == "input"] == [
        "A 4 kPa",
        "B -- bad comms lost",
    ]


def test_long_and_dirty_texts_stay_one_short_line() -> None:
    said = line({**LIMIT, "clause": "a\nb\u202e" + "x" * 500})
    assert "\n" not in said
    assert "\u202e" not in said
    assert len(said) < 400


@settings(max_examples=400, deadline=None)
@given(
    st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=5), JSON, max_size=10),
    st.sampled_from(ALARMS),
    st.sampled_from(["raise", "ack", "reset", "return"]),
)
def test_nothing_is_too_odd_for_words(cause: dict[str, Any], alarm: str, event: str) -> None:
    t = Transition(alarm, 1, 1, event, "normal", "normal", Grade.RED, Grade.RED, 1, cause=cause)
    for said in (cause, t):
        for lang in ("zh", "en", "xx"):
            told = line(said, lang, alarm=alarm, clock=clock)
            assert told.strip()
            assert told.isprintable()
        zh, en = table(said, "zh", alarm=alarm), table(said, "en", alarm=alarm)
        assert [row.key for row in zh] == [row.key for row in en]
        assert all(row.label and row.text for row in (*zh, *en))


@given(st.sampled_from(KINDS), st.sets(st.sampled_from(sorted(RATE))))
def test_every_kind_names_itself(kind: str, left_out: set[str]) -> None:
    cause = {**RATE, "kind": kind, "expression": "A > 1"}
    cause = {key: value for key, value in cause.items() if key not in left_out - {"kind"}}
    for lang in ("zh", "en"):
        assert line(cause, lang)
        assert table(cause, lang)


def test_the_engine_s_own_causes_give_words() -> None:
    world = World()
    for second in range(40):
        world.read(second, {A: 60.0, B: 55.0 if second > 10 else 1.0, ALONE: 500.0, TRIP: 1.0,
                            LEVEL: -60.0})  # fmt: skip
    world.wait(120)
    for lang in ("zh", "en"):
        for t in world.said:
            assert json.loads(json.dumps(t.cause, allow_nan=False)) == t.cause
            told = line(t, lang)
            assert told
            assert "{" not in told
        for view in world.engine.alarms():
            assert line(view, lang)
    told = " ".join(line(t) for t in world.said)
    assert "达到高限50%LEL" in told
    assert "单只无旁证" in told or "2只同报" in told
