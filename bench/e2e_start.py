"""How long a person waits: `parkwatch --help`, and `parkwatch demo` to a page that lives."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import urlsplit

from websockets.sync.client import connect

from bench.harness import Check, Measured, Report
from bench.process import ROOT, timed_s, wait_for
from bench.stats import median

GROUP = "e2e"
NOTHING = [sys.executable, "-c", "pass"]
LINK = re.compile(r"http://127\.0\.0\.1:\d+/first/\S+")
LIVING_S = 60.0


def help_text(report: Report, runs: int) -> None:
    """`parkwatch --help` beside the interpreter that does nothing, in turns."""
    program = str(Path(sys.executable).with_name("parkwatch"))
    ours, bare, again, wrong = [], [], [], 0
    for _ in range(runs):
        bare.append(timed_s(NOTHING)[0] * 1000)
        took, done = timed_s([program, "--help"])
        ours.append(took * 1000)
        wrong += done.returncode != 0 or "journal" not in done.stdout
        again.append(timed_s(NOTHING)[0] * 1000)
    checks = [Check("runs without the list of commands", 0, wrong)]
    noise = median(again) / median(bare)
    report.add(
        GROUP,
        Measured("parkwatch --help", median(ours), "ms", median(bare), checks,
                 f"median of {runs}", noise=noise),
    )  # fmt: skip


def demo(report: Report) -> None:
    """From the command to a logged-in page with a value of the plant on its WebSocket."""
    bare = timed_s(NOTHING)[0]
    with tempfile.TemporaryDirectory(prefix="parkwatch-bench-demo-") as name:
        log = Path(name) / "demo.log"
        with log.open("wb") as out:
            started = time.perf_counter()
            process = subprocess.Popen(
                # Should we die, it shall end as by Ctrl-C: only so it takes its parts along.
                ["setpriv", "--pdeathsig", "INT",
                 str(Path(sys.executable).with_name("parkwatch")), "demo", "--no-browser",
                 "--port", "0"],
                stdout=out, stderr=out, cwd=ROOT,
            )  # fmt: skip
        try:
            link = wait_for(lambda: LINK.search(log.read_text("utf-8")), LIVING_S, "demo's link")
            page, value = _living(link[0])
            took = time.perf_counter() - started
        finally:
            alive = process.poll() is None
            if alive:
                process.send_signal(signal.SIGINT)
            _ended(process)
    checks = [
        Check("the page of the console", 200, page),
        Check("a value on its stream", expected=True, found=value),
        Check("the demo ran until it was ended", expected=True, found=alive),
    ]
    report.add(GROUP, Measured("demo to a living page", took, "s", bare, checks))


def _living(link: str) -> tuple[int, bool]:
    """Use the first link as a browser does; the page's status, and whether a value came."""
    where = urlsplit(link)
    connection = http.client.HTTPConnection(str(where.hostname), where.port, timeout=30)
    with contextlib.closing(connection):
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        connection.request("POST", where.path, "password=&again=", form)
        answer = connection.getresponse()
        answer.read()
        cookie = str(answer.headers["set-cookie"]).partition(";")[0]
        connection.request("GET", "/", headers={"Cookie": cookie})
        page = connection.getresponse()
        page.read()
    with connect(
        f"ws://{where.netloc}/live",
        additional_headers={"Cookie": cookie, "Origin": f"http://{where.netloc}"},
    ) as socket:
        socket.send(json.dumps({"type": "subscribe", "since": None}))
        end = time.monotonic() + LIVING_S
        while time.monotonic() < end:
            frame = json.loads(socket.recv(timeout=LIVING_S))
            if frame["type"] == "values" and any(row[1] is not None for row in frame["points"]):
                return page.status, True
    return page.status, False


def _ended(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C was sent: it ends its own parts."""
    try:
        process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
