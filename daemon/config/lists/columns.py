"""The columns of a detector list: what each is called in Chinese and English, and what it says."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

UNUSED = "-"
"""What `--map` calls a column that says nothing to the configuration."""
MARK = "#"
"""Begins the header of such a column in a written list: known to be of no use, no slip."""


@dataclass(frozen=True, slots=True)
class Column:
    """`key`: what it says of a point, mostly a key of the point table; `header`: what a written
    list calls it; `kind` of its cells: text, number, whole, address, span, date or flag; `carried`:
    kept for people, the configuration does not read it; `also`: other headers, blanks between
    them."""

    key: str
    header: str
    kind: str
    also: str = ""
    carried: bool = False


COLUMNS = (
    Column("tag", "位号", "text", "仪表位号 设备位号 探测器位号 位号名称 标签 tag_no tagname"),
    Column("device", "设备", "text", "设备编号 控制器 报警盘 报警主机 主机 panel controller"),
    Column("zone", "区域", "text", "区域名称 安装区域 装置 area"),
    Column("gas", "气体", "text", "检测气体 被测气体 气体名称 气体种类 气体类型 介质 substance"),
    Column("kind", "类别", "text", "信号类别 测点类别"),
    Column("unit", "单位", "text", "计量单位 工程单位 units eu"),
    Column("reg", "寄存器", "address", "寄存器地址 寄存器号 地址 modbus地址 register address addr"),
    Column("channel", "通道", "whole", "通道号 回路 回路号 ch loop"),
    Column("value", "取值", "text", "读取项"),
    Column("type", "数据类型", "text", "datatype 数据格式"),
    Column("order", "字序", "text", "字节序 word_order byte_order"),
    Column("scale", "倍率", "number", "系数 比例 比例系数 factor"),
    Column("decimals", "小数位", "whole", "小数位数 decimal_places"),
    Column("low", "量程下", "number", "量程下限 量程低 range_low lrv"),
    Column("high", "量程上", "number", "量程上限 量程高 range_high urv"),
    Column("range", "量程", "span", "测量范围 检测范围 量程范围 span"),
    Column("resolution", "分辨率", "number", "最小分度"),
    Column("al1", "一级", "number", "一级报警 一级报警值 低报 低报值 低报警 a1"),
    Column("al2", "二级", "number", "二级报警 二级报警值 高报 高报值 高报警 a2"),
    Column("sensor", "传感器", "text", "传感器类型 检测原理 原理 principle"),
    Column("signal", "信号", "text", "信号类型 输出信号"),
    Column("lel", "爆炸下限", "number", "标定爆炸下限"),
    Column("id", "点号", "text", "点编号 point_id"),
    Column("head", "探头", "text", "探头编号"),
    Column("spare", "备用", "flag", "备用通道 是否备用"),
    Column("expect_every", "发送间隔", "text", "上报间隔 interval"),
    Column("verification_due", "检定到期", "date", "检定到期日 检定有效期 检定有效期至 下次检定"),
    Column("calibration_due", "校准到期", "date", "校准到期日 校准有效期 校准有效期至 下次校准"),
    Column("bump_due", "下次标气试验", "date", "标气试验到期 标气到期"),
    Column("plate", "铭牌位号", "text", "铭牌 现场位号 nameplate", carried=True),
    Column("maker", "厂家", "text", "生产厂家 制造商 厂商 manufacturer", carried=True),
    Column("model", "型号", "text", "规格型号 产品型号 探测器型号 探头型号", carried=True),
    Column("serial_no", "出厂编号", "text", "序列号 serial_number sn", carried=True),
    Column("installed", "安装日期", "date", "投用日期 install_date", carried=True),
    Column("x", "X", "number", "x坐标 坐标x", carried=True),
    Column("y", "Y", "number", "y坐标 坐标y", carried=True),
)  # fmt: skip
BY_KEY: Mapping[str, Column] = {column.key: column for column in COLUMNS}


def _plain(header: str) -> str:
    return "".join(unicodedata.normalize("NFKC", header).lower().split()).replace("_", "")


_KNOWN = {
    _plain(name): column
    for column in COLUMNS
    for name in (column.key, column.header, *column.also.split())
}


def find(header: str) -> Column | None:
    """The column that a header names, None where none is called so.

    >>> find("检定有效期至").key, find(" Range High ").key, find("备注")
    ('verification_due', 'high', None)
    """
    return _KNOWN.get(_plain(header))


def near(header: str) -> str:
    """The known header that is most like an unknown one, or empty."""
    found = difflib.get_close_matches(_plain(header), _KNOWN, 1, 0.75)
    return _KNOWN[found[0]].header if found else ""


@dataclass(frozen=True, slots=True)
class Head:
    """What the cells of one column of a list are: `header` as the list has it; `column` None where
    it is none of ours; `unused`: somebody said so."""

    header: str
    column: Column | None
    unused: bool = False

    @property
    def written(self) -> str:
        """Its header in a written list."""
        if self.column is not None:
            return self.column.header
        return f"{MARK}{self.header.removeprefix(MARK)}" if self.unused else self.header


def heads(headers: Sequence[str], mapping: Mapping[str, str]) -> list[Head]:
    """What each header is, by the site's own `mapping` (header to key, `-`: unused) first."""
    own = {_plain(name): key for name, key in mapping.items()}
    found = []
    for header in headers:
        said = own.get(_plain(header))
        if said == UNUSED or (said is None and header.startswith(MARK)):
            found.append(Head(header, None, unused=True))
        else:
            found.append(Head(header, BY_KEY[said] if said is not None else find(header)))
    return found
