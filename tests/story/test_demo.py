"""`parkwatch demo`: the timeline of contracts.md, seen from outside."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from park import wait_for


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


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_however_it_is_ended_no_part_is_left(how: signal.Signals) -> None:
    demo = subprocess.Popen(
        [sys.executable, "-m", "parkwatch.daemon.cli", "demo", "--no-browser", "--port", "0"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert demo.stderr is not None
    while "phone view" not in demo.stderr.readline():
        assert demo.poll() is None
    parts = children(demo.pid)
    assert len(parts) >= 3
    demo.send_signal(how)
    demo.stderr.close()
    assert demo.wait(30) == 130
    wait_for(lambda: not [pid for pid in parts if Path(f"/proc/{pid}").exists()], 5, "all ended")


def children(pid: int) -> list[int]:
    """Its processes, of every depth."""
    direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [p for child in map(int, direct) for p in (child, *children(child))]
