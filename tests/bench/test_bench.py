"""The bench's own rules: what becomes a result, when it holds, and one small real run."""

from __future__ import annotations

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import pytest

from bench import e2e_mqtt, harness
from bench.__main__ import main
from bench.broker import SBIN
from bench.harness import BenchError, Check, Measured, Report, Target, judge
from bench.stats import Tails, paired, percentile

GOOD = Check("rows", 3, 3)
KEYS = ["group", "name", "value", "unit", "reference", "ratio", "target", "noise", "holds"]


def measured(value: float = 30.0, **more: Any) -> Measured:
    return Measured(**{"name": "m", "value": value, "unit": "ms", "reference": 20.0,
                       "checks": [GOOD], **more})  # fmt: skip


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"checks": []}, "no check"),
        ({"checks": [GOOD, Check("rows", 3, 2)]}, "expected 3, found 2"),
        ({"reference": None}, "no reference"),
        ({"reference": 0.0}, "no reference"),
        ({"reference": float("nan")}, "no reference"),
        ({"value": float("inf")}, "no value"),
    ],
)
def test_what_is_unchecked_or_unreferenced_is_no_result(more: dict[str, Any], why: str) -> None:
    with pytest.raises(BenchError, match=why):
        judge("g", measured(**more), None)
    report = Report({})
    report.add("g", measured(**more))
    assert not report.results
    assert report.summary()[1] == harness.EXIT_FAILS


@pytest.mark.parametrize(
    ("target", "holds"),
    [
        (Target("value", "<=", 30), True),
        (Target("value", "<=", 29.9), False),
        (Target("ratio", "<=", 1.5), True),
        (Target("ratio", ">=", 1.6), False),
        (Target("difference", "<=", 10), True),
        (Target("difference", "<=", 9), False),
        (None, None),
    ],
)
def test_the_harness_alone_says_whether_it_holds(target: Target | None, holds: bool | None) -> None:
    assert judge("g", measured(), target).holds is holds


@pytest.mark.parametrize("noise", [1.51, 0.5])
def test_a_reference_that_is_not_steady_gives_no_verdict(noise: float) -> None:
    result = judge("g", measured(noise=noise), Target("ratio", "<=", 100))
    assert result.holds is None
    assert result.verdict.startswith("no verdict")
    report = Report({("g", "m"): Target("ratio", "<=", 100)})
    report.add("g", measured(noise=noise))
    assert report.summary()[1] == harness.EXIT_NO_VERDICT


def tails(b: float, after: list[float], n: int = 400) -> Tails:
    made = Tails(99)
    for a2 in after:
        made.add([10.0] * n, [b] * n, [a2] * n)
    return made


@pytest.mark.parametrize(
    ("t", "target", "holds"),
    [
        (tails(12, [10.0] * 10), Target("ratio", "<=", 1.2), True),
        (tails(12, [10.0] * 10), Target("ratio", "<=", 1.1), False),
        # The reference itself reaches 1.4 times itself in two rounds of ten.
        (tails(13, [10.0] * 8 + [14.0] * 2), Target("ratio", "<=", 1.1), True),
        (tails(15, [10.0] * 8 + [14.0] * 2), Target("ratio", "<=", 1.1), False),
        (tails(59, [10.0] * 10), Target("difference", "<=", 50), True),
        (tails(61, [10.0] * 10), Target("difference", "<=", 50), False),
        (tails(12, [16.0] * 10), Target("ratio", "<=", 9), None),
        (tails(12, [10.0] * 9), Target("ratio", "<=", 9), None),
        (tails(12, [10.0] * 10, n=300), Target("ratio", "<=", 9), None),
    ],
)
def test_tails_are_compared_as_a_b_a(t: Tails, target: Target, holds: bool | None) -> None:
    handed = measured(t.value, reference=t.reference, tails=t)
    assert judge("g", handed, target).holds is holds


def test_changes_pair_in_order_and_lost_ones_are_counted() -> None:
    sent = [(0, "a", True), (2_000_000, "a", False), (1_000_000, "b", True)]
    seen = [(5_000_000, "a", True), (3_000_000, "b", True), (9_000_000, "a", False)]
    ms, wrong = paired(sent, seen)
    assert (sorted(ms), wrong) == ([2.0, 5.0, 7.0], 0)
    assert paired(sent, seen[:2])[1] == 1
    assert paired(sent, [*seen, (9, "c", True)])[1] == 1
    assert paired(sent, [(5, "a", False), *seen[1:2], (9, "a", True)])[1] == 2
    assert percentile([1.0, 2.0, 3.0, 4.0], 99) == 4.0


def test_targets_name_their_issue_and_its_line(tmp_path: Path) -> None:
    rows = tomllib.loads(harness.TARGETS.read_text("utf-8"))["target"]
    assert len(harness.read_targets()) == len(rows) > 0
    path = tmp_path / "targets.toml"
    for gone in ("issue", "line"):
        row = {**rows[0], gone: ""}
        told = "\n".join(f"{k} = {json.dumps(v)}" for k, v in row.items())
        path.write_text(f"[[target]]\n{told}\n", "utf-8")
        with pytest.raises(BenchError, match="names no issue"):
            harness.read_targets(path)


def test_the_naive_reference_is_what_contracts_allow() -> None:
    text = (harness.TARGETS.parent / "reference" / "naive.py").read_text("utf-8")
    assert text.count("\n") <= 30
    assert all(word in text for word in ("loop_forever", "json.loads", "publish", "qos=1"))
    assert text.count(">=") == 1


def test_an_unknown_group_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--only", "nothing"])
    assert ended.value.code == 2
    assert "e2e" in capsys.readouterr().err


@pytest.mark.mosquitto
def test_a_small_run_end_to_end_is_checked_and_has_its_shape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.which("mosquitto", path=SBIN) is None:
        pytest.skip("mosquitto is not installed (deploy/apt-test.txt)")
    report = Report(harness.read_targets())
    with e2e_mqtt.rig() as rig:
        pace = e2e_mqtt.Pace(50, 1, 5, rounds=1, seconds=1, bare_s=0.5, rate_least=0)
        e2e_mqtt.latency(report, rig, pace)
    assert report.errors == []
    report.write(tmp_path / "results.jsonl")
    lines = (tmp_path / "results.jsonl").read_text("utf-8").splitlines()
    results = [json.loads(line) for line in lines]
    assert [list(result) for result in results] == [KEYS] * 7
    names = {result["name"] for result in results}
    assert "MQTT to committed alarm, 50 readings/s, p99" in names
    assert "MQTT to alarm frame, 50 readings/s, p50" in names
    # Something was measured in both, and no rate but 1,000 has a target.
    assert all(r["value"] > 0 and r["reference"] > 0 for r in results)
    assert all(r["target"] is None and r["holds"] is None for r in results)
    assert len(capsys.readouterr().out.splitlines()) == 7
