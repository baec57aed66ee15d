"""`rules test`: written series against the park's rules, and what they leave untested.

Rules need no secrets: a park whose secrets are elsewhere can be rehearsed (CI has none).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from parkwatch.daemon.cli import output
from parkwatch.daemon.cli.rehearsals import TestFile
from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.resolve import Resolved, resolve
from parkwatch.rules.fault import Fault, Problem
from parkwatch.rules.rehearsal import Coverage, Miss, Rehearsal, Rule, Seen, rehearse

EXIT_FAILED, EXIT_CONFIG = 1, 3
SECRETS = "CFG-14"
"""What begins so is about secrets and ways to people: it changes no rule."""
UNTOUCHED_MAX = 50


@dataclass(frozen=True, slots=True)
class Ran:
    """One test that ran, and how long it took."""

    test: Rehearsal
    misses: Sequence[Miss]
    seconds: float


def test(options: argparse.Namespace) -> int:
    """0 all is as expected, 1 something is not or too little is covered, 3 a file is invalid."""
    wanted = _pattern(options.run)
    file = TestFile(options.file)
    loaded = load(options.config or file.config, os.environ, data=options.data)
    park, problems = resolved(loaded, options.data)
    tests = file.tests(park.site) if park is not None else []
    problems = (*file.problems, *problems)
    if problems or park is None:
        return invalid(problems, as_json=options.json)
    tests = [each for each in tests if wanted.search(each.name)]
    if not tests:
        raise Fault(
            "CLI-002", f"没有名称匹配的测试 no test matches {options.run}",
            "核对 check --run",
        )  # fmt: skip
    coverage = Coverage(park.site)
    ran = [_run(park, each, coverage) for each in tests]
    if options.junit is not None:
        _write(options.junit, junit(str(options.file), ran))
    enough = coverage.percent >= options.coverage_min
    failed = [each for each in ran if each.misses]
    code = EXIT_FAILED if failed or not enough else 0
    if options.json:
        _document(options, ran, coverage, enough=enough)
        return code
    for each in ran:
        _show(str(options.file), each)
    _show_coverage(coverage)
    print(f"{len(ran) - len(failed)} 通过 ok, {len(failed)} 失败 failed")
    if not enough:
        output.fault(*_too_little(coverage, options.coverage_min))
    return code


def resolved(loaded: Loaded, data: Path) -> tuple[Resolved | None, tuple[Problem, ...]]:
    """What a configuration says, without the secrets that rules do not need; else its errors."""
    errors = tuple(p for p in loaded.errors if not p.code.startswith(SECRETS))
    if errors or loaded.config is None:
        return None, errors
    journal = loaded.config.journal.model_copy(update={"key": None})
    config = loaded.config.model_copy(update={"journal": journal})
    return resolve(config, loaded.path.parent, os.environ, data), ()


def invalid(problems: Sequence[Problem], *, as_json: bool) -> int:
    """Say everything that is wrong with files; the exit code."""
    if as_json:
        output.document(ok=False, errors=[output.problem_json(p) for p in problems])
    else:
        output.problems(problems)
    return EXIT_CONFIG


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise Fault(
            "CLI-002", f"--run 不是正则表达式 is no regular expression: {error}", "--run leak"
        ) from error


def _run(park: Resolved, each: Rehearsal, coverage: Coverage) -> Ran:
    began = time.perf_counter()
    misses = rehearse(park.site, each, coverage)
    return Ran(each, misses, time.perf_counter() - began)


# What people read --------------------------------------------------------------------------------


def _show(file: str, ran: Ran) -> None:
    print(f"{'✗' if ran.misses else '✓'} {ran.test.name}  {file}:{ran.test.line}")
    for miss in ran.misses:
        for line in _told(file, miss):
            print(f"  {line}")


def _told(file: str, miss: Miss) -> Iterator[str]:
    """Where, what was expected and got, and the series around that time."""
    yield f"{_at(miss.at_ns)}  {file}:{miss.line}  {miss.said}".rstrip()
    for expected, got in miss.wrong:
        yield f"  期望 expected  {_seen(expected)}"
        yield f"  得到 got       {_seen(got)}"
        if got is not None:
            yield from (f"                 {why}" for why in got.why)
    yield from (f"  {row}" for row in _around(miss))


def _around(miss: Miss) -> Iterator[str]:
    """The series as a table with one head; the moment stands between arrows."""
    if not miss.series:
        return
    samples = next(iter(miss.series.values()))
    times = [at for at, _ in samples]
    heads = [
        f">{_at(at)}<" if at <= miss.at_ns < after else _at(at)
        for at, after in zip(times, [*times[1:], 2**63], strict=True)
    ]
    rows = [("", heads), *((p, [text for _, text in s]) for p, s in miss.series.items())]
    wide = [max(map(len, column)) for column in zip(*(cells for _, cells in rows), strict=True)]
    width = max(len(name) for name, _ in rows)
    for name, cells in rows:
        yield f"{name:<{width}}" + "".join(
            f"  {cell:>{w}}" for cell, w in zip(cells, wide, strict=True)
        )


def _seen(seen: Seen | None) -> str:
    if seen is None:
        return "-- 无 none"
    peak = f"peak {seen.peak}" if seen.peak not in ("", seen.grade) else ""
    words = (seen.id, seen.grade, seen.state, peak, "shadow" if seen.shadow else "")
    return " ".join(word for word in words if word)


def _at(at_ns: int) -> str:
    return f"{at_ns / 1e9:g}s"


def _named(rule: Rule) -> str:
    return f"{rule.alarm} 级 level {rule.level}{' shadow' if rule.shadow else ''}"


def _show_coverage(coverage: Coverage) -> None:
    covered = [rule for rule, done in coverage.returned.items() if done]
    print(f"覆盖 coverage {len(covered)}/{len(coverage.returned)} ({coverage.percent:.0f} %)")
    for rule in covered:
        print(f"  ✓ {_named(rule)}")
    missing = [rule for rule, done in coverage.returned.items() if not done]
    for rule in missing[:UNTOUCHED_MAX]:
        what = "未恢复 never returned" if coverage.raised[rule] else "未触发 never raised"
        print(f"  - {_named(rule)}  {what}")
    if len(missing) > UNTOUCHED_MAX:
        print(f"  … 另有 and {len(missing) - UNTOUCHED_MAX} more")


def _too_little(coverage: Coverage, least: int) -> tuple[str, str, str]:
    return (
        "RUL-202",
        f"覆盖 {coverage.percent:.0f} % 低于 is below {least} %",
        "为未覆盖的规则补测试 add tests for the rules that are not covered",
    )


# What programs read ------------------------------------------------------------------------------


def _document(
    options: argparse.Namespace, ran: Sequence[Ran], coverage: Coverage, *, enough: bool
) -> None:
    errors = [
        {**output.fault_json("RUL-201", f"测试失败 test failed: {each.test.name}", ""),
         "file": str(options.file), "line": each.misses[0].line}
        for each in ran if each.misses
    ]  # fmt: skip
    if not enough:
        errors.append(output.fault_json(*_too_little(coverage, options.coverage_min)))
    rules = [
        {"alarm": rule.alarm, "level": rule.level, "shadow": rule.shadow,
         "raised": raised, "returned": coverage.returned[rule]}
        for rule, raised in coverage.raised.items()
    ]  # fmt: skip
    data = {
        "tests": [_ran_json(each) for each in ran],
        "coverage": {"percent": round(coverage.percent, 1), "least": options.coverage_min,
                     "rules": rules},
    }  # fmt: skip
    output.document(ok=not errors, data=data, errors=errors)


def _ran_json(ran: Ran) -> dict[str, Any]:
    return {
        "name": ran.test.name,
        "line": ran.test.line,
        "ok": not ran.misses,
        "seconds": round(ran.seconds, 6),
        "failures": [
            {
                "at": _at(miss.at_ns),
                "line": miss.line,
                "said": miss.said,
                "wrong": [{"expected": _seen_json(a), "got": _seen_json(b)} for a, b in miss.wrong],
                "series": {
                    point: [{"at": _at(at), "sample": text} for at, text in samples]
                    for point, samples in miss.series.items()
                },
            }
            for miss in ran.misses
        ],
    }


def _seen_json(seen: Seen | None) -> dict[str, Any] | None:
    if seen is None:
        return None
    zh, en = seen.why
    return {"id": seen.id, "grade": seen.grade, "state": seen.state, "peak": seen.peak,
            "shadow": seen.shadow, "why": {"zh": zh, "en": en}}  # fmt: skip


def junit(file: str, ran: Sequence[Ran]) -> str:
    """The results as JUnit XML: one suite, a test each, what was wrong as its failure's text."""
    from xml.etree import ElementTree as ET  # noqa: PLC0415 - only where it is asked for

    failures = sum(bool(each.misses) for each in ran)
    whole = {"tests": str(len(ran)), "failures": str(failures), "errors": "0", "skipped": "0",
             "time": f"{sum(each.seconds for each in ran):.6f}"}  # fmt: skip
    suites = ET.Element("testsuites", whole)
    suite = ET.SubElement(suites, "testsuite", {"name": _xml(file), **whole})
    for each in ran:
        case = ET.SubElement(
            suite, "testcase",
            {"classname": _xml(Path(file).stem), "name": _xml(each.test.name),
             "file": _xml(file), "line": str(each.test.line), "time": f"{each.seconds:.6f}"},
        )  # fmt: skip
        if each.misses:
            text = "\n".join(line for miss in each.misses for line in _told(file, miss))
            first = each.misses[0]
            what = f"{_at(first.at_ns)}: {first.said or '与期望不符 not as expected'}"
            failure = ET.SubElement(case, "failure", {"message": _xml(what), "type": "RUL-201"})
            failure.text = _xml(text)
    ET.indent(suites)
    head = '<?xml version="1.0" encoding="utf-8"?>\n'
    return f"{head}{ET.tostring(suites, encoding='unicode')}\n"


def _xml(text: str) -> str:
    """What XML 1.0 can hold: other characters become U+FFFD."""
    return re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Fault(
            "SYS-108", f"无法写入 cannot be written: {path}", error.strerror or sys.platform
        ) from error
