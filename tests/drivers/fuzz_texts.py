"""What people write: lists as CSV and as cells of a workbook, and the files of a configuration."""

from __future__ import annotations

from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from random import Random

from mangling import mangled

from parkwatch.daemon.config.lists import addresses, judging, likeness, read, reading, texts
from parkwatch.daemon.config.lists.sheet import BROKEN, FORMULA, Cell, Line, Sheet
from parkwatch.daemon.config.load import load_sources
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.fault import Fault, Problem

HERE = Path(__file__).parent.parent / "daemon/config"
HEAD = (
    "位号",
    "设备",
    "区域",
    "气体",
    "单位",
    "寄存器",
    "量程下",
    "量程上",
    "一级",
    "二级",
    "检定到期",
)
ROW = ("H2S-0101", "panel-1", "罐区A", "H2S", "ppm", "40017", "0", "50", "5", "7", "2027-03-01")
TOKENS = (
    b",", b'"', b'""', b"\n", b"\r", b"\r\n", b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\x81", b"=A1",
    "ＰＰＭ".encode(), "－".encode(), "\u202e".encode(), b"9" * 400, b"1e999", b"NaN", b"-inf",
    "检定到期".encode(), b"\xa0", b"25%", b"1-2", b"0x10", b"400017", "１２".encode(), b"5~7",
)  # fmt: skip
TOML = (
    b"\n", b"[", b"[[", b"]", b"{", b"}", b'"', b'"""', b"'", b"=", b".", b",", b"\0", b"\xff",
    b"[" * 200, b"{a=" * 200, b"1" * 5_000, b"nan", b"inf", b"1979-05-27T07:32:00", b"true", b"[]",
    b'""', b"0x7fffffffffffffffffff", b'id = "x"\n', b"[[device]]\n", b"[zone.x]\n", b"[[rule]]\n",
    b'template = "honeywell_xrl"\n', b'points_csv = "park.csv"\n', b"\\ud800", b"\\uD800", b"-1",
    "\u202e".encode(), b"1e400", b'id_each = "a-{1..99999999}"\n', b"# x\n",
)  # fmt: skip
VALUES = (
    None, "", " ", 0, 1, -1, 40017, 400017, 17, 0.25, 1e300, float("nan"), float("inf"), 10**30,
    True, datetime.fromisoformat("2027-03-01"), datetime.fromisoformat("1900-01-01T05:00"),
    date(2027, 2, 28), time(1, 2), "#REF!", "25%",
    "ＰＰＭ", "ppm", "mg/m3", "H2S", "H₂S", "硫化氢", "罐区A", "panel-1", "H2S-O101", "H2S-0101",
    "H2S－0101", "2027.3.1", "3月1日", "1-Feb", "x" * 40_000, "\u202eabc", "=1+1", "-0", "1e5",
    "0x1F",
    "٣", "²", "1_000", "五", "是", "\n", "a,b", '"',
)  # fmt: skip


def lists(rng: Random) -> int:
    """A list as CSV bytes and as the cells of a sheet, read, repaired and judged."""
    rows = rng.randrange(4)
    good = "\n".join(",".join(row) for row in (HEAD, *[ROW] * rows))
    data = mangled(rng, good.encode(rng.choice(("utf-8", "gb18030"))), TOKENS)
    try:
        text, _ = texts.decoded(data)
    except Fault as fault:
        printable(fault.what)
        text = data.decode("utf-8", "replace").replace("\0", "")
    found = read.parse(Source("park.csv", text))
    for problem in found.problems:
        told(problem)
    return 2 + sheets(rng)


def sheets(rng: Random) -> int:
    """How many cells."""
    head = [*rng.sample(HEAD, k=rng.randrange(4, len(HEAD) + 1)), *rng.choices(("", "备注"), k=1)]
    good = dict(zip(HEAD, ROW, strict=True))
    lines = [Line(3, [Cell(text) for text in head])]
    for number in range(4, 4 + rng.randrange(5)):
        row = [
            Cell(
                rng.choice(VALUES) if rng.random() < 0.3 else good.get(h),
                percent=rng.random() < 0.05, lacks=rng.choice((FORMULA, BROKEN, *[""] * 30)),
            )
            for h in head
        ]  # fmt: skip
        lines.append(Line(number, row[: rng.choice((len(row), len(row), 2))], rng.random() < 0.05))
    merged = [(4, 0, 5, "A4:A5")] if rng.random() < 0.1 else []
    sheet = Sheet(
        "台账.xlsx", lines, "台账", merged=merged, hidden=["B"] if rng.random() < 0.1 else []
    )
    try:
        found = reading.read(sheet, {}, rng.choice(("", "include", "skip")))
        addresses.settle(found, rng.choice(("", "printed", "zero-based")))
        likeness.find(found, ["H2S-0101"])
        if not found.unusable and rng.random() < 0.2:
            judging.judge(found, None)
    except Fault as fault:
        printable(fault.what)
        return len(head) * len(lines)
    for each in found.found:
        told(found.sheet.problem(each, found.header(each.column)))
    return len(head) * len(lines)


def told(problem: Problem) -> None:
    """What, why and how are shown to people, on one line."""
    for each in (problem.message, problem.why, problem.fix):
        printable(each)
    assert problem.code
    assert problem.file


def printable(text: str) -> None:
    assert text
    assert len(text) < 2_000, text[:300]
    text.encode()


@cache
def _files() -> list[bytes]:
    names = ("rules_park.toml", "thirty_mistakes.toml", "rule_kinds.toml", "rule_mistakes.toml")
    return [(HERE / name).read_bytes() for name in names]


def sources(rng: Random) -> int:
    """A park's file that was hurt: it is read, or says where it is wrong."""
    whole = rng.choice(_files())
    lines = whole.splitlines(keepends=True)
    first = rng.randrange(len(lines))
    # A part of it: what is hurt must be most of what there is to do.
    part = whole if rng.random() < 0.1 else b"".join(lines[first : first + rng.randrange(60)])
    text = mangled(rng, mangled(rng, part, TOML), TOML).decode("utf-8", "replace")
    given = [Source("park.toml", text), Source("park.csv", ",".join(HEAD) + "\n" + ",".join(ROW))]
    found = load_sources(given, HERE, {}, now_ns=0)
    assert found.config is not None or found.problems
    for problem in found.problems:
        assert problem.file, problem
        printable(problem.message)
    return 1
