"""The example configuration passes the daemon's own check, strictly."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLE = Path(__file__).resolve().parents[2] / "deploy/parkwatch.example.toml"


def test_the_example_passes_the_check() -> None:
    secrets = {"WECOM_BOT": "https://127.0.0.1:1/bot?key=x", "MQTT_PASSWORD": "x"}
    checked = subprocess.run(
        [Path(sys.executable).with_name("parkwatch"), "check", "-c", EXAMPLE],
        env=os.environ | secrets,
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
