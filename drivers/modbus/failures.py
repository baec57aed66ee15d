"""Everything that can go wrong with a request, as data: quality, meaning, what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT


@dataclass(frozen=True, slots=True)
class Kind:
    """One way to fail. `quality`: what the points of the read get. `there`: the unit answered all
    the same, so its link is up. `again`: asking once more may help."""

    key: str
    quality: int
    zh: str
    en: str
    do_zh: str
    do_en: str
    there: bool = False
    again: bool = False


_ROWS = (
    Kind("no-connection", BAD_COMMS, "无法连接", "no connection",
         "检查电源、网线、IP、端口;串口是否存在、是否被占用",
         "check power, cable, IP and port; whether the serial port exists and is free"),
    Kind("reset", BAD_COMMS, "连接被断开", "connection cut by the other side",
         "查设备的最大连接数,是否有别的程序占用",
         "look at how many connections it allows, and who else uses it", again=True),
    Kind("silence", BAD_COMMS, "无应答", "no answer in time",
         "核对站号、波特率、校验、A/B 线与终端电阻;或加大 timeout",
         "check unit id, baud rate, parity, A/B and termination; or raise timeout", again=True),
    Kind("half-open", BAD_COMMS, "连接已失效", "the connection is dead, told by nobody",
         "设备或网络曾断电;已重连", "device or network lost power; it is opened again", again=True),
    Kind("short", BAD_COMMS, "帧不完整", "a frame breaks off",
         "检查线路干扰、转换器的分包间隔", "check for noise, and the converter's packet interval",
         again=True),
    Kind("oversized", BAD_COMMS, "帧过长", "a frame is too long",
         "两台设备同时应答,或并非 Modbus", "two devices answer together, or it is no Modbus",
         again=True),
    Kind("crc", BAD_COMMS, "校验错误 (CRC)", "checksum wrong (CRC)",
         "检查屏蔽、接地、A/B、波特率、重复站号",
         "check screen, earth, A/B, baud rate, and for one unit id twice", again=True),
    Kind("garbage", BAD_COMMS, "不是 Modbus", "no Modbus at all",
         "核对端口与协议 (tcp 或 rtu-tcp)", "check the port, and tcp against rtu-tcp", again=True),
    Kind("wrong-unit", BAD_COMMS, "别的站号应答", "another unit answers",
         "核对 unit_id 与网关的站号映射",
         "check unit_id and the gateway's map of units", again=True),
    Kind("wrong-function", BAD_COMMS, "应答功能码不符", "an answer to another function",
         "设备或网关有误;查固件",
         "device or gateway is at fault; look at its firmware", again=True),
    Kind("wrong-length", BAD_COMMS, "应答长度不符", "an answer of another length",
         "迟到的应答,或设备限制了读取长度", "a late answer, or the device limits the length",
         again=True),
    Kind("transaction", BAD_COMMS, "事务号不符", "transaction id does not match",
         "网关错乱,已断开重连;查网关固件", "the gateway is out of step; look at its firmware",
         again=True),
    Kind("duplicate", BAD_FAULT, "同一站号有两台应答", "two devices answer to one unit id",
         "逐台断开,改正重复的站号",
         "take them off one by one; give one another unit id", there=True),
    Kind("held", BAD_COMMS, "等待迟到的应答", "held back: a late answer would fit it",
         "稍后自动再读;常见则加大 timeout",
         "read again by itself; where it is common raise timeout"),
    Kind("foreign", BAD_COMMS, "总线上有第二个主站", "a second master is on the bus",
         "停用另一主站,或只经一个网关读取", "stop the other master, or read through one gateway"),
    Kind("deadline", BAD_COMMS, "未轮到", "its turn did not come in time",
         "总线繁忙;稍后再试", "the bus is busy; try again"),
    Kind("blocked", BAD_FAULT, "此寄存器会动作设备,不读", "reading this register would act",
         "设备图 blocked 所列,永不读取", "the device map lists it as blocked: it is never read"),
    Kind("exception-1", BAD_FAULT, "异常 1 功能码不支持", "exception 1: function not supported",
         "核对表区:3xxxx 与 4xxxx、0xxxx 与 1xxxx",
         "check the table: 3xxxx or 4xxxx, 0xxxx or 1xxxx",
         there=True),
    Kind("exception-2", BAD_FAULT, "异常 2 地址不存在", "exception 2: no such address",
         "核对寄存器号;常为 0/1 起始之差 (±1)",
         "check the register; often counted from 0 against from 1 (+-1)", there=True),
    Kind("exception-3", BAD_FAULT, "异常 3 数量不允许", "exception 3: count not allowed",
         "一次读得太多,或须成对读取", "too much in one read, or registers go in pairs", there=True),
    Kind("exception-4", BAD_FAULT, "异常 4 设备故障", "exception 4: device failure",
         "查设备自身的故障指示", "look at the device's own fault lamp", there=True),
    Kind("exception-5", BAD_COMMS, "异常 5 处理中", "exception 5: acknowledged, takes long",
         "设备忙,放慢 scan", "the device is busy; scan more slowly", there=True, again=True),
    Kind("exception-6", BAD_COMMS, "异常 6 设备忙", "exception 6: device busy",
         "放慢 scan;查有无别的主站",
         "scan more slowly; look for another master", there=True, again=True),
    Kind("exception-7", BAD_FAULT, "异常 7 拒绝", "exception 7: refused",
         "设备不允许此读取;查其说明", "the device does not allow it; see its manual", there=True),
    Kind("exception-8", BAD_FAULT, "异常 8 存储校验错", "exception 8: memory parity error",
         "设备存储损坏,送修", "its memory is damaged; have it mended", there=True),
    Kind("exception-9", BAD_FAULT, "异常 9 未定义", "exception 9: not in the specification",
         "查厂家说明", "see the maker's manual", there=True),
    Kind("exception-10", BAD_COMMS, "异常 10 网关无路径", "exception 10: gateway has no path",
         "核对网关的串口与站号配置", "check the gateway's serial side and its units", again=True),
    Kind("exception-11", BAD_COMMS, "异常 11 目标无应答", "exception 11: target silent",
         "网关后的设备无应答:查电源、接线、站号",
         "the device behind the gateway is silent: power, wiring, unit id", again=True),
    Kind("exception-other", BAD_FAULT, "未知异常码", "an exception that nobody has defined",
         "查厂家说明", "see the maker's manual", there=True),
)  # fmt: skip
KINDS: Mapping[str, Kind] = MappingProxyType({kind.key: kind for kind in _ROWS})
"""By key: what counters, events, `probe` and the manual call them."""


class Failure(Exception):  # noqa: N818 - says what happened on the line
    """A request that brought nothing that can be trusted."""

    def __init__(self, key: str, detail: str = "") -> None:
        self.kind = KINDS[key]
        text = f"{self.kind.zh} {self.kind.en}"
        super().__init__(f"{text}: {detail}" if detail else text)


def refused(code: int) -> Failure:
    """The failure of an exception answer with this code."""
    key = f"exception-{code}"
    return Failure(key) if key in KINDS else Failure("exception-other", str(code))
