"""The alarms of our own parts: one table of what each is called, how grave it is, what to do.

They are ordinary alarms (`system/PART[.ID]:WHAT`) with the whole life of any other: raised and
returned by what they watch, acknowledged by people, told over the default chain.
"""

from __future__ import annotations

from dataclasses import dataclass

from parkwatch.rules.grade import Grade


@dataclass(frozen=True, slots=True)
class SystemAlarm:
    """One row: `key` is `PART:WHAT`; the texts of message and remedy in both languages."""

    key: str
    grade: Grade
    zh: str
    en: str
    do_zh: str
    do_en: str
    by_id: bool = False

    @property
    def id(self) -> str:
        """The alarm's id; ID stands for the broker or channel that it is about."""
        part, _, what = self.key.partition(":")
        return f"system/{part}{'.ID' if self.by_id else ''}:{what}"


_ROWS = (
    SystemAlarm(
        "broker:down", Grade.ORANGE, "消息代理失联", "broker lost",
        "检查消息代理与网络;其后的点位此间未受监视",
        "check the broker and the network; points behind it are not watched meanwhile", by_id=True,
    ),
    SystemAlarm(
        "channel:failed", Grade.ORANGE, "通知渠道失败", "message channel failed",
        "查看最后结果;红橙警改由下一渠道发送,必要时电话通知",
        "see its last result; messages take the next channel, call by telephone where needed",
        by_id=True,
    ),
    SystemAlarm(
        "clock:jump", Grade.ORANGE, "时钟跳变", "clock jumped",
        "查明谁改了主机时钟;报警的延时不受影响",
        "find out who set the host's clock; no delay of an alarm is touched",
    ),
    SystemAlarm(
        "clock:skew", Grade.ORANGE, "时钟偏差", "clock off",
        "检查授时;待空闲时重启守护进程以重新对时",
        "check time synchronisation; start the daemon again at a quiet moment",
    ),
    SystemAlarm(
        "config:broken", Grade.ORANGE, "配置有错,沿用旧配置", "configuration broken, last one runs",
        "改正所列的行,用 parkwatch check 验证后 config apply",
        "mend the lines named, parkwatch check, then config apply",
    ),
    SystemAlarm(
        "config:differs", Grade.YELLOW, "配置未应用", "configuration not applied",
        "parkwatch config diff 查看,config apply 应用",
        "see parkwatch config diff, then config apply",
    ),
    SystemAlarm(
        "console:unmanned", Grade.ORANGE, "控制台无人", "console unmanned",
        "派人到岗并登录控制台;通知照常发送",
        "send somebody to the console and log in; messages go out as always",
    ),
    SystemAlarm(
        "disk:low", Grade.ORANGE, "磁盘将满", "disk nearly full",
        "腾出空间或扩容;低于 5% 历史先停,日志继续",
        "free some space; below 5 % history stops first, the journal goes on",
    ),
    SystemAlarm(
        "history:down", Grade.ORANGE, "历史库停止", "history store down",
        "检查历史库;读数在缓冲区等待,报警不受影响",
        "check the store; readings wait in the spool, alarms go on",
    ),
    SystemAlarm(
        "history:gap", Grade.ORANGE, "历史读数缺失", "history gap",
        "按原因处理(磁盘或历史库);缺失的条数已记入日志",
        "deal with the reason (disk or store); how many are missing is on record",
    ),
    SystemAlarm(
        "journal:anchor", Grade.ORANGE, "日志锚点失败", "journal anchor failed",
        "检查锚点所在磁盘或网络盘", "check the disk or share that holds the anchor",
    ),
    SystemAlarm(
        "journal:damaged", Grade.RED, "日志损坏", "journal damaged",
        "封存数据目录,parkwatch journal verify 指出首条坏记录,从备份核对",
        "keep the folder as it is, run parkwatch journal verify, compare with a backup",
    ),
    SystemAlarm(
        "journal:rollback", Grade.RED, "日志被回退", "journal rolled back",
        "封存数据目录并追查;锚点之后的记录已丢失",
        "keep the folder as it is and find out why; records behind the anchor are gone",
    ),
    SystemAlarm(
        "journal:unrecorded", Grade.RED, "日志未记录", "journal not written",
        "检查磁盘;人工记下此间的报警,重启后核对 gap 记录再复位",
        "check the disk; note alarms by hand, then compare the gap record and reset",
    ),
    SystemAlarm(
        "loop:lag", Grade.ORANGE, "评估滞后", "evaluation lags",
        "检查主机负载;滞后期间以现场报警盘为准",
        "check the host's load; rely on the local panels meanwhile",
    ),
    SystemAlarm(
        "queue:full", Grade.ORANGE, "队列已满", "queue full",
        "检查磁盘与负载;数据源已被放慢,报警不丢弃",
        "check disk and load; sources are slowed down, no alarm is dropped",
    ),
)  # fmt: skip
ALARMS = {row.key: row for row in _ROWS}
"""By `PART:WHAT`."""


def of(alarm: str) -> SystemAlarm:
    """The row of an alarm id of ours; KeyError for what is none.

    >>> of("system/channel.work:failed").grade
    <Grade.ORANGE: 'orange'>
    """
    part, _, what = alarm.removeprefix("system/").rpartition(":")
    return ALARMS[f"{part.partition('.')[0]}:{what}"]
