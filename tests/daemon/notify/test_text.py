"""What people read at 03:00: grade, place, what, how much, when, what to do; one short message."""

from dataclasses import replace
from typing import Any

import pytest
from notifying import GAS, MINUTE_NS, RAISED, happened, make_site

from parkwatch.daemon.notify import words
from parkwatch.daemon.notify.text import UNITS_MAX, Writer, units
from parkwatch.rules.grade import Grade
from parkwatch.rules.transition import Transition

SITE = make_site()
ZH = Writer(SITE, names={"zhangwei": "张伟"})
EN = Writer(replace(SITE, name="DemoPark"), lang="en")
LINK = "dk.example/a/7KQ9X2M4TV"
VOTE = "huadong/tank-a:vote-h2s"
PANEL = "huadong/panel-1"


def voters(*values: float | None, single: bool = False, gas: str = "H2S") -> dict[str, Any]:
    ids = [f"{PANEL}/h2s-0103", f"{PANEL}/h2s-0104"] if gas == "H2S" else [f"{PANEL}/o2-0001"] * 2
    rows = [{"tag": "x", "point": p, "value": v} for p, v in zip(ids, values, strict=False)]
    unit = "ppm" if gas == "H2S" else "%vol"
    return {"gas": gas, "single": single, "voters": rows, "unit": unit}


RED = happened(grade=Grade.RED, alarm=VOTE, cause=voters(24.6, 12.0))
ORANGE = happened()
YELLOW = happened(grade=Grade.YELLOW, alarm=f"{PANEL}/ch4-0021:gas", cause={"value": 26.0})
BLUE = happened(grade=Grade.BLUE, alarm=f"{PANEL}/h2s-0103:fault", cause={"reason": "fault"})
DUE = happened(
    grade=Grade.BLUE,
    alarm=f"{PANEL}/h2s-0103:due",
    cause={
        "due": [
            {"what": "bump", "at": 9, "day": ""},
            {"what": "verification", "at": 5, "day": "2027-03-01"},
        ]
    },
)
BACK = happened("return", received=RAISED + 18 * MINUTE_NS, cause={"value": 3.1})
RESET = happened("reset", cause={"person": "zhangwei", "why": "阀门内漏"})


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (RED, "【示例园区】红警 华东化工罐区A 硫化氢24.6ppm 2只同报 14:03 立即撤离"),
        (ORANGE, "【示例园区】橙警 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 限3分"),
        (YELLOW, "【示例园区】黄警 华东化工罐区A CH4-0021 甲烷26%LEL 14:03 限10分"),
        (BLUE, "【示例园区】蓝警 华东化工罐区A H2S-0103 探测器故障 14:03 请检查"),
        (DUE, "【示例园区】蓝警 华东化工罐区A H2S-0103 检定03-01到期 14:03 请检查"),
        (BACK, "【示例园区】恢复 华东化工罐区A H2S-0103 3.1ppm 14:21 历时18分 须现场核实后复位"),
        (RESET, "【示例园区】解除 华东化工罐区A H2S-0103 硫化氢14.3ppm 14:03 张伟复位"
         " 原因:阀门内漏"),
    ],
)  # fmt: skip
def test_the_texts_of_the_specification(what: Transition, text: str) -> None:
    assert ZH.compose(what) == text
    assert units(ZH.compose(what, link=LINK)) <= UNITS_MAX
    assert ZH.compose(what, link=LINK).endswith(LINK)


@pytest.mark.parametrize(
    ("what", "middle"),
    [
        (happened(grade=Grade.RED, alarm=VOTE, cause=voters(24.6, single=True)),
         "硫化氢24.6ppm 单只无旁证 14:03 立即撤离"),
        (happened(grade=Grade.RED, alarm=VOTE, cause=voters(None)), "硫化氢--ppm 1只同报"),
        (happened(grade=Grade.RED, alarm="huadong/tank-a:vote-o2",
                  cause=voters(19.0, 16.5, gas="O2")), "氧气16.5%vol 2只同报"),
        (happened(cause={"value": None}), "硫化氢--ppm"),
        (happened(alarm=f"{PANEL}/o2-0001:low", cause={"value": 17.46}), "氧气17.5%vol"),
        (happened(grade=Grade.BLUE, alarm=f"{PANEL}/h2s-0103:fault", cause={"reason": "stale"}),
         "H2S-0103 数据中断"),
        (happened(alarm="huadong/boiler-1/level:low", cause={"value": -120}),
         "华东化工1#锅炉房 LT-101 偏低-120mm 14:03 限3分"),
        (happened(grade=Grade.RED, alarm="huadong/esd-1/psh:state", cause={"value": 1}),
         "PSHH-201 动作 14:03 立即处置"),
        (happened(alarm=f"{PANEL}:link", cause={"points": 31}),
         "华东化工 panel-1 失联 31点状态未知 14:03 请检查"),
        (happened(alarm=f"{PANEL}:link",
                  cause={"points": 31, "zones": ["huadong/tank-a", "huadong/boiler"]}),
         "panel-1 失联 31点状态未知 罐区A、1#锅炉房 14:03 请检查"),
        (happened(alarm=f"{PANEL}:link", cause={"points": 9, "zones": ["huadong/boiler"] * 7}),
         "1#锅炉房等7区 14:03"),
        (
            happened(alarm="huadong/tank-a:blind-h2s", cause={"healthy": 0, "heads": 2}),
            "华东化工罐区A 硫化氢失去监视 0/2只可见 14:03",
        ),
        (happened(alarm="huadong/gw-1:replay"), "华东化工 gw-1 重放数据"),
        (happened(alarm="system/broker.main:down"), "平台 main 消息代理失联 14:03 请检查"),
        (happened(grade=Grade.RED, alarm="system/journal:unrecorded"),
         "平台 日志未记录 14:03 立即处置"),
        (happened(alarm="system/new:thing"), "平台 new thing"),
        (happened("rise"), "限3分 加重"),
        (happened("realarm"), "限3分 仍未消除"),
        (happened("return", after="rtn_unack"), "历时0秒 请确认"),
        (happened("return", after="normal", received=RAISED + 120 * MINUTE_NS), "16:03 历时2小时"),
    ],
)  # fmt: skip
def test_what_else_is_said(what: Transition, middle: str) -> None:
    assert middle in ZH.compose(what)
    assert units(ZH.compose(what)) <= UNITS_MAX


@pytest.mark.parametrize(
    ("what", "text"),
    [
        (RED, "[DemoPark] RED 华东化工 罐区A H2S 24.6ppm 2 detectors 14:03 EVACUATE"),
        (BLUE, "[DemoPark] BLUE 华东化工 罐区A H2S-0103 detector fault 14:03 check"),
        (BACK, "[DemoPark] CLEAR 罐区A 3.1ppm 14:21 after 18 min verify on site, then reset"),
        (happened(alarm="system/history:down"),
         "[DemoPark] ORANGE platform history store down 14:03 check"),
    ],
)  # fmt: skip
def test_english_says_the_same(what: Transition, text: str) -> None:
    assert EN.compose(what) == text


def test_the_tag_goes_first_then_the_enterprise_then_the_zones_end() -> None:
    def with_zone(name: str) -> str:
        zone = replace(SITE.zones["huadong/tank-a"], name=name)
        site = replace(SITE, zones={**SITE.zones, "huadong/tank-a": zone})
        return Writer(site).compose(ORANGE, link=LINK)

    assert "华东化工罐区A H2S-0103 硫" in with_zone("罐区A")
    assert " 华东化工丙烯罐区A 硫化氢14.3ppm 14:03 限3分 dk" in with_zone("丙烯罐区A")
    assert " 丙烯腈装置中间产品罐区东侧 硫" in with_zone("丙烯腈装置中间产品罐区东侧")
    long = with_zone("丙烯腈装置中间产品储存罐区东侧装卸站台二号位")
    assert " 丙烯腈装置中间产 硫化氢14.3ppm 14:03 限3分 " in long
    assert units(long) <= UNITS_MAX


def test_what_cannot_be_shortened_is_never_cut() -> None:
    site = replace(SITE, name="国家级石油化工新材料循环经济产业示范园区管理委员会应急指挥中心")
    text = Writer(site).compose(ORANGE, repeat=11, link=LINK)
    assert units(text) > UNITS_MAX
    assert "硫化氢14.3ppm 14:03 限3分 第12次 " + LINK in text


def test_a_repeat_counts_the_calls() -> None:
    assert ZH.compose(ORANGE, repeat=1).endswith("限3分 第2次")
    assert "call 3" in EN.compose(ORANGE, repeat=2)


def test_a_drill_says_so_first_and_calls_for_nothing() -> None:
    text = ZH.compose(replace(RED, origin="drill:2025-11"))
    assert text.startswith("【演练】【示例园区】红警")
    assert text.endswith("仅演练")
    assert "撤离" not in text


def test_a_title_has_shape_and_word() -> None:
    titles = [ZH.title(happened(grade=grade)) for grade in Grade]
    assert titles == ["◆ 红警", "▲ 橙警", "■ 黄警", "● 蓝警"]
    assert ZH.title(happened("return")) == "▲ 恢复"


def test_every_word_exists_in_both_languages_and_no_text_has_an_emoji() -> None:
    found = [w for w in vars(words).values() if isinstance(w, words.Word)]
    for table in vars(words).values():
        if isinstance(table, dict):
            found += [w for w in table.values() if isinstance(w, words.Word)]
    assert len(found) > 40
    for word in found:
        assert word.zh
        assert word.en.isascii()
        assert all(ord(c) < 0x10000 for c in word.zh)


def test_units_are_utf16() -> None:
    assert units("罐A𠮷") == 4
    assert ORANGE.alarm == GAS


def test_level_2_that_is_learned_late_says_when_it_was_and_when_anybody_could_know() -> None:
    cause = {"value": 61.0, "unit": "%LEL", "reached": RAISED - 8 * MINUTE_NS, "learned": RAISED}
    late = happened(alarm=f"{PANEL}/ch4-0021:late", cause=cause)
    assert ZH.compose(late, link=LINK) == (
        f"【示例园区】橙警 华东化工罐区A 13:55曾达甲烷61%LEL 14:03得知 现场核实 {LINK}"
    )
    said = EN.compose(late)
    assert "reached methane 61%LEL at 13:55" in said
    assert said.endswith("learned 14:03, check on site")
