"""The words of messages in Chinese and English: grades, what happened, what to do."""

from __future__ import annotations

from dataclasses import dataclass

from parkwatch.rules import system_alarms
from parkwatch.rules.grade import Grade


@dataclass(frozen=True, slots=True)
class Word:
    """One meaning in the two languages of a park."""

    zh: str
    en: str

    def get(self, lang: str) -> str:
        """`zh` or `en`."""
        return self.en if lang == "en" else self.zh


GRADES = {
    Grade.RED: Word("红警", "RED"),
    Grade.ORANGE: Word("橙警", "ORANGE"),
    Grade.YELLOW: Word("黄警", "YELLOW"),
    Grade.BLUE: Word("蓝警", "BLUE"),
}
SHAPES = {Grade.RED: "◆", Grade.ORANGE: "▲", Grade.YELLOW: "■", Grade.BLUE: "●"}
OVERDUE = Word("逾期", "OVERDUE")
RETURNED, ENDED = Word("恢复", "CLEAR"), Word("解除", "CLOSED")
DRILL = Word("【演练】", "[DRILL]")
NO_VALUE = "--"

EVACUATE = Word("立即撤离", "EVACUATE")
ACT_NOW = Word("立即处置", "ACT NOW")
CHECK = Word("请检查", "check")
WITHIN = {
    Grade.ORANGE: Word("限3分", "within 3 min"),
    Grade.YELLOW: Word("限10分", "within 10 min"),
}
ONLY_A_DRILL = Word("仅演练", "drill only")
VERIFY = Word("须现场核实后复位", "verify on site, then reset")
STILL_UNACKNOWLEDGED = Word("请确认", "acknowledge")
TIMES = Word("第{n}次", "call {n}")
LASTED = Word("历时{n}", "after {n}")
RESET_BY = Word("{who}复位", "reset by {who}")
CLOSED_BY = Word("因配置变更结束 {who}", "ended by a change of configuration, {who}")
WHY = Word("原因:{why}", "cause: {why}")
MARKS = {
    "rise": Word("加重", "worse"),
    "reraise": Word("再次报警", "again"),
    "realarm": Word("仍未消除", "still active"),
    "expire": Word("屏蔽到期", "mask ended"),
    "unshelve": Word("已解除搁置", "unshelved"),
    "return_to_service": Word("已恢复投用", "back in service"),
}

UNDISPOSED = Word("未处置 请填原因和措施", "no disposition: give cause and measure")
PROMISED = Word("{who}承诺:{next} 请回报", "{who} promised: {next}, report back")
PROMISED_BACK = Word("{who}承诺此时回报", "{who} promised to report by now")
UNRECORDED = Word("未记录", "not recorded")
UNVERIFIED = Word("未验证", "unverified")
BLINDNESS = Word("失去监视", "blind")

TOGETHER = Word("{n}只同报", "{n} detectors")
ALONE = Word("单只无旁证", "1 detector, no witness")
BLIND = Word("{gas}失去监视 {left}/{total}只可见", "{gas} blind, {left} of {total} seen")
MORE_ZONES = Word("等{n}区", " and others, {n} zones")
LOST_POINTS = Word("{n}点状态未知", "{n} points unknown")
PLATFORM = Word("平台", "platform")

REASONS = {
    "stale": Word("数据中断", "no data"),
    "comms": Word("通信中断", "comms lost"),
    "over_range": Word("超量程", "over range"),
    "under_range": Word("低于量程", "under range"),
}
FAULT = Word("探测器故障", "detector fault")
BEYOND = Word("读数{value}超满量程{full}", "reads {value} of {full}")
UNPROTECTED = Word("未受保护", "not protected")
LATE = Word("{at}曾达{what}", "reached {what} at {at}")
LEARNED = Word("{at}得知 现场核实", "learned {at}, check on site")
GROUPS = {
    "high": Word("偏高", "high"),
    "low": Word("偏低", "low"),
    "rate": Word("变化过快", "changes fast"),
    "trend": Word("趋势预警", "forecast"),
    "deviation": Word("偏差", "deviates"),
    "exposure": Word("接触超标", "exposure"),
    "discrepancy": Word("状态不符", "discrepancy"),
    "flatline": Word("数值不变", "frozen"),
    "chatter": Word("频繁动作", "chatters"),
    "due": Word("到期", "due"),
    "bypass": Word("多路旁路", "bypasses"),
    "state": Word("动作", "tripped"),
    "late": Word("迟到报警", "late alarm"),
    "link": Word("失联", "link lost"),
    "gap": Word("数据缺口", "data gap"),
    "refused": Word("数据被拒", "data refused"),
    "replay": Word("重放数据", "replayed data"),
    "mac": Word("签名错误", "bad signature"),
    "foreign": Word("非本企业数据", "foreign data"),
    "clock": Word("时钟错误", "clock wrong"),
    "settings": Word("盘上设置不符", "settings differ"),
}
"""By alarm group, of points, devices and gateways; others are shown by their own name."""
DUE = {
    "verification": Word("检定", "verification"),
    "calibration": Word("校准", "calibration"),
    "bump": Word("标气试验", "bump test"),
}
"""What falls due at a detector; its day follows."""
WITHOUT_VALUE = frozenset({"discrepancy", "due", "bypass"})
OF_GAS = frozenset({"gas", "low", "high"})
"""Groups in which a gas point speaks of its gas."""
SYSTEM = {key: Word(row.zh, row.en) for key, row in system_alarms.ALARMS.items()}
"""Of `system/PART.ID:WHAT` by `PART:WHAT`."""
