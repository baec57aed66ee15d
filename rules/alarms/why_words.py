"""The words of `why`, Chinese and English, and how a cause is read without trusting any of it."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

Word = tuple[str, str]
GAP = "\u2003"
"""Between Chinese and English where one text holds both (daemon.config.words)."""
TEXT_MAX, SHOWN_MAX = 200, 5

SIDES: Mapping[str, Word] = {"high": ("高限", "high limit"), "low": ("低限", "low limit")}
QUALITIES: Mapping[str, Word] = {
    "good": ("良", "good"),
    "uncertain": ("存疑", "uncertain"),
    "bad": ("坏", "bad"),
}
REASONS: Mapping[str, Word] = {
    "fault": ("探测器故障", "detector fault"),
    "stale": ("数据中断", "no data"),
    "comms": ("通信中断", "comms lost"),
    "out_of_service": ("检修", "out of service"),
    "calibrating": ("标定中", "calibrating"),
    "warming_up": ("预热中", "warming up"),
    "over_range": ("超量程", "over range"),
    "under_range": ("低于量程", "under range"),
    "substituted": ("替代值", "substituted"),
    "clock": ("时钟存疑", "its clock is in doubt"),
    "doubtful": ("读数存疑", "reading in doubt"),
    "unverified": ("未验证", "unverified"),
}
TRENDS: Mapping[str, Word] = {
    "rising": ("上升", "rising"),
    "falling": ("下降", "falling"),
    "steady": ("平稳", "steady"),
}
KINDS: Mapping[str, Word] = {
    "limit": ("限值", "limit"),
    "rate": ("变化率", "rate of change"),
    "trend": ("趋势", "trend"),
    "deviation": ("偏离", "deviation"),
    "flatline": ("死值", "flatline"),
    "chatter": ("抖动", "chatter"),
    "exposure": ("接触量", "exposure"),
    "discrepancy": ("不一致", "discrepancy"),
    "age": ("时限", "age"),
    "expression": ("算式", "expression"),
    "unprotected": ("保护退出", "unprotected"),
}
MEASURES: Mapping[str, Word] = {
    "limit": ("读数", "reads"),
    "rate": ("变化率", "rate of change"),
    "trend": ("按趋势到限时间", "time until the limit"),
    "deviation": ("偏离", "deviation"),
    "flatline": ("波动", "spread"),
    "chatter": ("变化次数", "changes"),
    "exposure": ("时间加权平均", "time-weighted average"),
    "discrepancy": ("不一致", "mismatch"),
    "age": ("距上次有效读数", "since the last valid reading"),
    "expression": ("算式结果", "result"),
    "unprotected": ("保护退出", "unprotected"),
}
"""What a kind's number is called where the cause does not say so itself."""
PHRASES: tuple[tuple[str, str], ...] = (
    (r"expression", "算式结果"),
    (r"slope over (.+)", r"\1内斜率"),
    (r"time to (\S+) by the trend (?:of|over) (.+)", r"按\2趋势到\1的时间"),
    (r"spread over (.+)", r"\1内波动"),
    (r"changes in (.+)", r"\1内变化次数"),
    (r"average over (.+)", r"\1平均"),
    (r"age of the newest reading", "距最新有效读数"),
    (r"distance from the zone over (.+)", r"\1内与同区的偏离"),
)
"""The engine's own words for what it compares, and the same in Chinese."""
GROUPS: Mapping[str, Word] = {
    "gas": ("气体", "gas"),
    "high": ("偏高", "high"),
    "low": ("偏低", "low"),
    "state": ("动作", "tripped"),
    "fault": ("通道故障", "channel fault"),
    "due": ("到期", "due"),
    "late": ("迟到报警", "late alarm"),
    "link": ("失联", "link lost"),
    "gap": ("数据缺口", "data gap"),
    "refused": ("数据被拒", "data refused"),
    "replay": ("重放数据", "replayed data"),
    "mac": ("签名错误", "bad signature"),
    "foreign": ("非本企业数据", "foreign data"),
    "clock": ("时钟错误", "clock wrong"),
    "settings": ("盘上设置不符", "settings differ"),
    "down": ("停止", "down"),
    "failed": ("失败", "failed"),
    "unrecorded": ("未记录", "not recorded"),
    "damaged": ("损坏", "damaged"),
    "rollback": ("被回退", "rolled back"),
    "anchor": ("锚点失败", "anchor failed"),
    "broken": ("有错", "broken"),
    "differs": ("未应用", "differs"),
    "jump": ("跳变", "jumped"),
    "skew": ("偏差", "off"),
    "lag": ("滞后", "lags"),
    "full": ("已满", "full"),
    "silent": ("无声", "silent"),
    "mains": ("市电中断", "mains lost"),
    "unmanned": ("无人", "unmanned"),
}
HAPPENED: Mapping[str, Word] = {"ack": ("确认", "acknowledged"), "reset": ("复位", "reset")}
SENTENCES: Mapping[str, Word] = {
    "learned": ("{reached}达到,{learned}才得知", "reached at {reached}, learned at {learned}"),
    "shadow": ("试运行不通知:", "shadow, nobody is told: "),
    "reached": (",达到{side}{limit}", ", at or beyond the {side} {limit}"),
    "holding": (",未回到{side}{limit}的回差以外", ", not yet clear of the {side} {limit}"),
    "back": (",已回到{side}{limit}以内", ", back within the {side} {limit}"),
    "unknown_side": (",{side}{limit}", ", {side} {limit}"),
    "reached_least": (",不超过{limit}", ", no more than {limit}"),
    "holding_least": (",未回到{limit}的回差以外", ", not yet clear of {limit}"),
    "back_least": (",已超过{limit}", ", more than {limit} again"),
    "unknown_side_least": (",限{limit}", ", limit {limit}"),
    "not_known": ("未知", "not known"),
    "present": ("(读数{value})", " (reads {value})"),
    "holds": ("条件成立:{expression}", "condition holds: {expression}"),
    "holds_not": ("条件不成立:{expression}", "condition does not hold: {expression}"),
    "unknown": ("条件未知:{expression}", "condition not known: {expression}"),
    "alone": ("单只无旁证", "single detector, no second witness"),
    "together": ("{n}只同报", "{n} detectors agree"),
    "no_voter": ("无探测器报警", "no detector in alarm"),
    "witnesses": (",完好探测器{n}只", ", healthy detectors: {n}"),
    "fault": ("通道故障", "channel fault"),
    "seen_again": ("恢复,读数{value}", "seen again, reads {value}"),
    "link": ("失联", "link lost"),
    "points": (",{n}点状态未知", ", {n} points unknown"),
    "suppressed": (",其中{n}条故障已并入", ", of which {n} faults are suppressed"),
    "nothing": ("无更多说明", "no more is known"),
    "beyond": (
        "读数{value},量程{full}:核实前按有气处理",
        "reads {value} of {full}: treat as gas until checked",
    ),
    "beyond_unknown": (
        "读数超出量程{full}的1.2倍:核实前按有气处理",
        "reads more than 1.2 times {full}: treat as gas until checked",
    ),
    "lost": ("失联前{value}", "lost at {value}"),
    "doubtful": ("低读数不可信", "a low reading is not to be believed"),
    "held": ("已持续{n}秒", "held {n} s"),
    "delay": ("(延时{n}秒)", " (on-delay {n} s)"),
    "rule": ("规则 {text}", "rule {text}"),
    "enable": ("使能条件 {text}", "enabled by {text}"),
    "inputs": ("输入:{inputs}", "inputs: {inputs}"),
    "first_out": ("首出 {tag}", "first out {tag}"),
    "with": (",同时 {tags}", ", together with {tags}"),
    "clause": ("依据 {text}", "clause {text}"),
    "spoken_for": ("由 {text} 代报", "spoken for by {text}"),
    "deed": ("{person} {verb}", "{verb} by {person}"),
    "more": ("等,另{n}个", " and {n} more"),
    "yes": ("是", "yes"),
    "no": ("否", "no"),
}
LABELS: Mapping[str, Word] = {
    "sample": ("样本", "sample"),
    "measured": ("比较量", "compared"),
    "input": ("输入", "input"),
    "limit": ("限值", "limit"),
    "deadband": ("回差", "deadband"),
    "clause": ("依据", "clause"),
    "held_s": ("已持续", "held"),
    "on_delay_s": ("延时", "on-delay"),
    "voter": ("表决者", "voter"),
    "single": ("单只", "single"),
    "healthy": ("完好探测器", "healthy detectors"),
    "gas": ("气体", "gas"),
    "kind": ("类别", "kind"),
    "name": ("规则", "rule"),
    "rule_version": ("规则版本", "rule version"),
    "expression": ("算式", "expression"),
    "enable": ("使能条件", "enabled by"),
    "first_out": ("首出", "first out"),
    "full_scale": ("超量程", "beyond full scale"),
    "lost": ("失联前", "before it was lost"),
    "doubtful": ("存疑", "in doubt"),
    "shadow": ("试运行", "shadow"),
    "points": ("点数", "points"),
    "suppressed": ("已并入故障", "suppressed faults"),
    "links": ("代报", "spoken for by"),
    "reached": ("迟到", "learned late"),
    "text": ("说明", "text"),
    "level": ("级别", "level"),
    "latching": ("锁定", "latches"),
    "person": ("操作人", "person"),
    "why": ("原因", "reason given"),
}
"""Of the table's rows, in their order; keys that are not here follow under their own name."""


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping as such, everything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def listed(value: Any) -> list[Any]:
    """A list as such, everything else as an empty one."""
    return list(value) if isinstance(value, list | tuple) else []


def number(value: Any) -> float | None:
    """A number as such, None for everything else: NaN, truths and texts are no numbers."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return None if math.isnan(found) else found


def digits(value: float | None) -> str:
    """Six digits are more than any channel resolves; no number is never shown as one."""
    if value is None:
        return "--"
    return f"{value:.6g}" if math.isfinite(value) else ("∞" if value > 0 else "-∞")


def clean(value: Any) -> str:
    """Anything as one short line."""
    if value is None:
        return ""
    if not isinstance(value, str):
        value = json.dumps(value, ensure_ascii=False, default=str)
    text = " ".join("".join(c if c.isprintable() else " " for c in value).split())
    return text if len(text) <= TEXT_MAX else f"{text[:TEXT_MAX]}…"


def spoken(value: Any, *, en: bool) -> str:
    """A text in the language that is asked for, where it has both; anything else as it is."""
    told = mapping(value)
    if set(told) == {"zh", "en"}:
        return clean(told["en" if en else "zh"])
    if isinstance(value, str) and GAP in value:
        return clean(value.partition(GAP)[2 if en else 0])
    return clean(value)


def kind_of(cause: Mapping[str, Any], group: str) -> str:
    """What sort of cause it is: told, else what its keys and its alarm's group speak for."""
    said = clean(cause.get("kind"))
    if "voters" in cause or group.startswith("vote-"):
        return "vote"
    if "fault" in (group, said):
        return "fault"
    if said in KINDS:
        return said
    for key, kind in (("limit", "limit"), ("expression", "expression"), ("points", "link")):
        if key in cause:
            return kind
    if group == "link":
        return "link"
    lost = clean(cause.get("reason")) not in ("", "none") or {"full_scale", "lost"} & set(cause)
    return "fault" if lost and "text" not in cause else "other"


def measured(phrase: str, *, en: bool) -> str:
    """What is compared, as the engine calls it, in the language that is asked for."""
    if not en:
        for pattern, zh in PHRASES:
            found = re.fullmatch(pattern, phrase)
            if found:
                return found.expand(zh)
    return phrase


def word(words: Mapping[str, Word], key: str, *, en: bool) -> str:
    """The word of a key; a key that is not known stands for itself."""
    found = words.get(key)
    return found[en] if found else key
