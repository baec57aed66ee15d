"""`parkwatch demo`: the timeline of contracts.md, seen from outside."""

import json
import subprocess
import sys

import pytest


@pytest.mark.timeout(240)
def test_the_demo_keeps_its_timeline() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "parkwatch.daemon.cli", "demo", "--duration", "150s",
         "--no-browser", "--json", "--port", "0"],
        capture_output=True, text=True, check=False, timeout=220,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    data = json.loads(done.stdout)["data"]
    latency = data["latency_s"]
    assert 3 <= latency["yellow"] <= 9  # the leak starts at 15 s: 18 to 24 s
    assert 9 <= latency["orange"] <= 17
    assert latency["red"] <= 27
    assert latency["red"] < latency["ack"] < latency["reset"] <= 125
    assert data["alarms"]["red"] == 1
    assert data["messages"]["sent"] > 0
    assert data["messages"]["failed"] == 0
    assert data["journal"]["ok"]
    assert data["stored"] > 1_000
