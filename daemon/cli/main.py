"""The command `parkwatch`: parse, call one function, print; nothing heavy is imported for help.

argparse and not typer: its import costs 27 ms against 70, and options before or after the command
are one parent parser.
"""

from __future__ import annotations

import argparse
import difflib
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from parkwatch.daemon.cli import technician, typed
from parkwatch.rules.fault import Fault

EXIT_REFUSED, EXIT_INTERRUPTED = 5, 130
_EXAMPLES = (
    "例 examples:\n  parkwatch check park.toml\n  parkwatch run -c park.toml --data ./data\n"
)
_CODES = {"SYS-101": 4, "SYS-102": 4, "SYS-103": 7, "SYS-104": 4, "SYS-106": 4, "SYS-107": 2,
          "SYS-108": 4, "CLI-002": 2, "API-422": 2, "HIS-001": 6, "HIS-002": 4, "JNL-003": 6,
          "JNL-002": 6, "JNL-005": 6,
          "JNL-006": 6, "CFG-100": 3, "CFG-201": 3, "CFG-202": 3, "CFG-216": 3, "CFG-223": 2,
          "JNL-007": 4, "JNL-008": 6, "JNL-001": 70, "JNL-010": 70}  # fmt: skip


class Parser(argparse.ArgumentParser):
    """Names the nearest commands where a word is unknown; a wrong line is Fault CLI-002."""

    def error(self, message: str) -> NoReturn:
        found = re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message)
        if found:
            known = re.findall(r"[\w-]+", found[2])
            near = difflib.get_close_matches(found[1], known, 3, 0.3) or known[:3]
            message = f"未知命令 unknown word '{found[1]}': {', '.join(near)}?"
        raise Fault("CLI-002", message, f"{self.prog} --help")


def parser() -> Parser:
    """All commands; the common options stand before or after them."""
    made = Parser(
        prog="parkwatch", description=f"{_EXAMPLES}\n监督层,不替代现场报警盘。",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    common = _common()
    _common(made)
    verbs = made.add_subparsers(dest="verb", required=True, metavar="COMMAND", parser_class=Parser)

    def add(where: Any, name: str, call: str, what: str) -> Parser:
        sub: Parser = where.add_parser(
            name, parents=[common], help=what, description=f"{_EXAMPLES}\n{what}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        sub.set_defaults(call=call)
        return sub

    def group(name: str, what: str) -> Any:
        sub = verbs.add_parser(name, parents=[common], help=what, description=_EXAMPLES,
                               formatter_class=argparse.RawDescriptionHelpFormatter)  # fmt: skip
        return sub.add_subparsers(dest="what", required=True, metavar="WHAT", parser_class=Parser)

    _demo(add(verbs, "demo", "demo.run", "模拟园区 a living park: no broker, no database"))
    sub = add(verbs, "init", "init.run", "写一份带注释的配置 write a configuration")
    sub.add_argument("name", nargs="?", help="新目录 the new folder")
    sub.add_argument("--template", default="gas-panel", metavar="NAME",
                     help="模板,list 列出 list names them",
                     choices=["list", "gas-panel", "mqtt-gateway", "boiler", "vessel",
                              "esd"])  # fmt: skip
    sub = add(verbs, "check", "files.check", "检查配置 check a configuration")
    sub.add_argument("path", nargs="?", type=Path)
    sub.add_argument("--strict", action="store_true", help="警告也算失败 warnings fail too")
    technician.probe_options(
        add(verbs, "probe", "probe.run", "读设备寄存器 what a device's registers say now")
    )
    technician.import_options(
        add(verbs, "import", "lists.run", "导入探测器台账 a detector list from Excel or CSV")
    )
    sub = add(verbs, "run", "files.run", "守护进程 the daemon")
    sub.add_argument("--strict", action="store_true", help="配置有错则不启动 refuse a broken file")
    add(verbs, "status", "status.run", "一屏状态 one screen of status")
    add(verbs, "version", "files.version", "版本 the version")
    templates = group("templates", "设备点表 device maps")
    add(templates, "list", "maps.list_all", "所有模板 all of them")
    add(templates, "show", "maps.show", "一份点表 one, register by register").add_argument("id")
    sub = add(group("user", "人员 people"), "passwd", "users.passwd", "设口令 set a password")
    sub.add_argument("id", help="人员 id person id")
    sub.add_argument("--file", type=Path, help="写到 where to write it")
    _asked(add, group)
    _journal(add, group)
    _reports(add, group)
    sub = add(group("history", "历史 history"), "query", "files.history_query", "读数 readings")
    sub.add_argument("id", help="点位 id point id")
    sub.add_argument("--from", dest="since", type=typed.int64, default=0, help="纳秒 UTC ns")
    sub.add_argument("--to", dest="until", type=typed.int64, default=2**62, help="纳秒 UTC ns")
    sub.add_argument("-n", type=typed.rows, default=100, help="条数 how many")
    _config(add, group)
    return made


def _demo(sub: Parser) -> None:
    """Options of `demo`."""
    sub.add_argument("--scenario", choices=["leak"], default="leak", help="剧本 scenario")
    sub.add_argument("--seed", type=int, default=1, help="随机种子 seed")
    sub.add_argument(
        "--duration", type=typed.seconds, default=0.0, help="如 60s;缺省到 Ctrl-C such as 60s"
    )
    sub.add_argument("--points", type=int, default=0, help="至少这么多点 at least so many")
    sub.add_argument("--port", type=int, default=8080, help="控制台端口 the console's port")
    sub.add_argument("--no-browser", action="store_true", help="不打开浏览器 open no browser")


def _journal(add: Callable[..., Parser], group: Callable[[str, str], Any]) -> None:
    """Commands about the journal."""
    journal = group("journal", "日志 journal")
    verify = add(journal, "verify", "journals.run_verify", "校验链与归档 verify the chain")
    verify.add_argument("--file", type=Path, help="校验导出或日签 an export or daily file")
    show = add(journal, "show", "journals.run_show", "最新记录 newest records")
    show.add_argument("-n", type=typed.rows, default=20, help="条数 how many")
    show.add_argument("--follow", action="store_true", help="持续显示,Ctrl-C 结束 go on")
    export = add(journal, "export", "journals.run_export", "导出 write records to a file")
    export.add_argument("path", type=Path, metavar="FILE.jsonl|.csv|.xlsx")
    for sub in (show, export):
        sub.add_argument("--kind", action="append", help="只看此类 only this kind")
        for name, what in (("--since", "起 from: 2026-11-01[T08:00] | ns"),
                           ("--until", "止 before"), ("--point", "点位 id a point"),
                           ("--enterprise", "企业 an enterprise"),
                           ("--person", "人员 a person")):  # fmt: skip
            sub.add_argument(name, default="", help=what)
    add(journal, "anchor", "journals.run_anchor", "链头,供他处保存 the head, to keep elsewhere")
    rotate = add(journal, "rotate", "journals.run_rotate", "轮换 (先停机) begin a new file")
    rotate.add_argument("--new-key-file", type=Path, help="此后的密钥 the key from now on")
    resume = add(journal, "resume", "journals.run_resume", "日志丢失后续写 go on after a loss")
    for sub in (rotate, resume):
        sub.add_argument("--reason", required=sub is resume, default="", help="原因 why")
    for sub in (verify, rotate, resume):
        sub.add_argument("--key-file", type=Path, action="append", help="HMAC 密钥 the chain's key")


def _reports(add: Callable[..., Parser], group: Callable[[str, str], Any]) -> None:
    """Commands that sum the journal up."""
    report = group("report", "报告 reports")
    sub = add(report, "kpi", "reports.run_kpi", "报警绩效 KPIs of ISA-18.2")
    for name, dest, what in (("--from", "since", "起,缺省 30 天前 from"),
                             ("--to", "until", "止 before")):  # fmt: skip
        sub.add_argument(name, dest=dest, default="", metavar="T",
                         help=f"{what}: 2026-11-01[T08:00] | ns")  # fmt: skip
    for name, what in (("--zone", "区域 id a zone"), ("--enterprise", "企业 id an enterprise")):
        sub.add_argument(name, action="append", default=[], help=f"{what};可重复 repeatable")
    sub = add(report, "compliance", "reports.run_compliance", "合规清单 the inspector's list")
    sub.add_argument("--day", required=True, metavar="YYYY-MM-DD", help="哪一天 which day")
    sub.add_argument("--out", type=Path, metavar="FILE", help="写入签名文件 write the signed file")


def _config(add: Callable[..., Parser], group: Callable[[str, str], Any]) -> None:
    """Commands about the configuration itself."""
    config = group("config", "配置 configuration")
    add(config, "schema", "files.schema", "JSON Schema")
    sub = add(config, "acl", "brokers.acl", "代理的访问表 the broker's access list")
    sub.add_argument("--broker", default="", metavar="ID", help="哪个代理 which one")
    sub.add_argument("--users", action="store_true", help="只列用户名 only the users it needs")
    add(config, "diff", "apply.diff", "与运行中的比较 what a file would change, and needs")
    sub = add(config, "apply", "apply.run", "应用配置 make it the one that runs")
    sub.add_argument("--reason", default="", help="原因 why")
    sub.add_argument("--person", help="负责人 who answers for it")
    sub.add_argument("--second", help="第二人 second")
    sub.add_argument("--close", action="store_true", help="关闭有关报警 end alarms in its way")
    sub = add(
        config, "show", "shown.run", "运行中的配置 the one that runs, or where values come from"
    )
    sub.add_argument("point", nargs="?", default="", help="点位 id 或位号 a point's id or tag")
    sub = add(config, "override", "overrides.run", "双人签署越限 sign an override, two persons")
    sub.add_argument("about", metavar="POINT_OR_ZONE", help="点位或区域 id full id")
    for name, what in (("--until", "到期日 its end, 2026-12-31"), ("--reason", "原因 why"),
                       ("--person", "签署人 who"), ("--second", "第二人 second")):  # fmt: skip
        sub.add_argument(name, required=True, help=what)


def _asked(add: Callable[..., Parser], group: Callable[[str, str], Any]) -> None:
    """Commands that ask the running daemon, then those of rules."""
    technician.points(add, group("points", "点位 points"))
    alarms = group("alarms", "报警 alarms")
    sub = add(alarms, "list", "alarms.list_alarms", "未恢复正常的报警 alarms that are not normal")
    sub.add_argument("--undisposed", action="store_const", const="disposing.unfinished",
                     dest="call", help="待处置的 those to dispose of")  # fmt: skip
    sub.set_defaults(call="alarms.list_alarms")
    sub = add(alarms, "dispose", "disposing.run", "处置 say cause and measure, or verify")
    _action(sub, "dispose")
    for name, what in (("cause", "原因,误报写 false-alarm: the cause"), ("measure", "措施 measure"),
                       ("evidence", "依据或 evidence/ 下文件 text or file")):  # fmt: skip
        sub.add_argument(f"--{name}", default="", help=what)
    sub.add_argument("--verify", action="store_true", help="核实他人的处置 verify another's")
    sub.add_argument("--revision", type=typed.int64, help="所见的处置版本 the revision you saw")
    for action, what in (("ack", "确认 acknowledge"), ("silence", "消音 silence"),
                         ("reset", "复位 reset"), ("shelve", "搁置 hide it for a while"),
                         ("unshelve", "取消搁置 show it again"),
                         ("out-of-service", "停用 (作业票) take out of service"),
                         ("return-to-service", "恢复投用 give back")):  # fmt: skip
        _action(add(alarms, action, "handling.run", what), action)
    add(alarms, "why", "alarms.why", "为何报警 why").add_argument("id")
    _rules(add, group)


def _rules(add: Callable[..., Parser], group: Callable[[str, str], Any]) -> None:
    """Commands that try rules before they guard anything."""
    rules = group("rules", "规则 rules")
    sub = add(rules, "test", "rules.test", "规则测试 run a file of rule tests")
    sub.add_argument("file", type=Path, metavar="FILE", help="测试文件 the tests (TOML)")
    sub.add_argument("--junit", type=Path, metavar="XML", help="写 JUnit write a report")
    sub.add_argument("--coverage-min", type=typed.percent, default=0, metavar="N",
                     help="覆盖低于 N %% 则失败 fail below")  # fmt: skip
    sub.add_argument("--run", default="", metavar="RE", help="只跑名称匹配的 only names like RE")
    sub = add(rules, "replay", "replays.run", "历史回放,新旧对比 old and new rules on history")
    sub.add_argument("--new", type=Path, required=True, metavar="PARK", help="新配置 the new one")
    for name, dest, what in (("--from", "since", "起 from"), ("--to", "until", "止 before")):
        sub.add_argument(name, dest=dest, default="", metavar="T",
                         help=f"{what}: 2026-11-01[T08:00] | ns")  # fmt: skip


def _common(onto: Parser | None = None) -> Parser:
    """The common options: with defaults on the main parser, without them as a parent."""
    made = onto or Parser(add_help=False)
    late = argparse.SUPPRESS
    made.add_argument("-c", "--config", type=Path, default=None if onto else late,
                      help="配置文件 configuration file")  # fmt: skip
    made.add_argument("--data", type=Path, default=Path("parkwatch-data") if onto else late,
                      help="数据目录 data folder")  # fmt: skip
    made.add_argument("--json", action="store_true", default=False if onto else late,
                      help="输出一份 JSON one JSON document")  # fmt: skip
    return made


def _action(sub: Parser, action: str) -> None:
    sub.set_defaults(action=action, seconds=None)
    sub.add_argument("id", help="报警 id alarm id")
    sub.add_argument("--occurrence", type=typed.int64, help="所见的那一次 the one you saw")
    sub.add_argument("--version", type=typed.int64, help="所见的版本 the version you saw")
    sub.add_argument("--reason", default="", help="原因 why")
    sub.add_argument("--command", dest="command_id", help="命令 UUID the command's id")
    match action:
        case "silence":
            sub.add_argument("--seconds", type=int, default=60, help="秒 seconds")
        case "ack":
            sub.add_argument("--next", default="", help="下一步 what comes next")
            sub.add_argument("--by", default="", help="何时 by when: 2026-11-01T08:00 | ns")
        case "shelve":
            sub.add_argument("--kind", choices=("one-shot", "timed"), default="one-shot",
                             help="一次性或定时 until it is normal, or timed")  # fmt: skip
            sub.add_argument("--minutes", type=typed.finite, help="分钟 how long")
        case "out-of-service":
            sub.add_argument("--permit", required=True, help="作业票 the permit's number")
            sub.add_argument("--until", required=True, help="结束 its end: 2026-11-01T08:00 | ns")
            sub.add_argument("--owner", default="", help="负责人 who answers for it")
        case "reset":
            sub.add_argument("--gas", default="", help="便携仪所测气体 gas of a portable reading")
            sub.add_argument("--value", type=typed.finite, help="读数 what it read")
            sub.add_argument("--instrument", default="", help="仪器与编号 which instrument")
            sub.add_argument("--at", default="", help="时间 when: 2026-11-01T08:00 | ns")
    if action in ("reset", "out-of-service"):
        sub.add_argument("--second", help="第二人,输入口令 second person, types the password")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code."""
    try:
        options = parser().parse_args(argv)
    except SystemExit as ended:
        return int(ended.code or 0)
    except Fault as fault:
        return _refused(fault, as_json="--json" in (sys.argv if argv is None else argv))
    module, _, name = options.call.partition(".")
    try:
        from importlib import import_module  # noqa: PLC0415 - not needed for `--help`

        function = getattr(import_module(f"parkwatch.daemon.cli.{module}"), name)
        return int(function(options))
    except Fault as fault:
        return _refused(fault, as_json=options.json)
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stdout = None  # Whoever read us has seen enough.
        return 0


def _refused(fault: Fault, *, as_json: bool) -> int:
    from parkwatch.daemon.cli import output  # noqa: PLC0415 - not needed for `--help`

    if as_json:
        errors = [output.fault_json(fault.code, fault.what, fault.remedy)]
        output.document(ok=False, errors=errors)
    else:
        output.fault(fault.code, fault.what, fault.remedy)
    return _CODES.get(fault.code, EXIT_REFUSED)
