"""What hides an alarm survives a kill -9, and needs who the rules ask for."""

import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from argon2 import PasswordHasher
from park import Folder

GAS = "huadong/panel-1/ch4-0021:gas"
PASSWORD = "second-secret"


class Signed(Folder):
    """A park whose devices do not answer; `second` has a password."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        secret = folder / "conf/second"
        secret.write_text(PasswordHasher().hash(PASSWORD))
        secret.chmod(0o600)
        person = '\n[people.second]\nname = "李强"\nrole = "shift-lead"\nphone = "13800000002"\n'
        more = 'channels = []\npassword = "file:second"\n'
        text = self.config.read_text(encoding="utf-8")
        self.config.write_text(text + person + more, encoding="utf-8")

    def signed(self, *words: str) -> subprocess.CompletedProcess[str]:
        """A command for which the second person types the password."""
        return subprocess.run(
            [sys.executable, "-m", "parkwatch.daemon.cli", "--data", str(self.data), *words],
            input=f"{PASSWORD}\n", capture_output=True, text=True, check=False,
        )  # fmt: skip


@pytest.fixture
def park(tmp_path: Path) -> Iterator[Signed]:
    made = Signed(tmp_path)
    yield made
    if made.daemon is not None:
        made.daemon.kill()


@pytest.mark.timeout(120)
def test_a_shelf_and_a_permit_outlive_a_kill(park: Signed) -> None:
    daemon = park.start()
    code, _ = daemon.cli("alarms", "shelve", GAS, "--kind", "timed", "--minutes", "600")
    assert code == 5  # No reason, and longer than 8 h.
    words = ("--kind", "timed", "--minutes", "60", "--reason", "探头清洗")
    assert daemon.cli("alarms", "shelve", GAS, *words)[0] == 0
    end = datetime.now(ZoneInfo("Asia/Shanghai")) + timedelta(hours=4)
    permit = ("--permit", "JX-1125", "--until", end.isoformat("T", "minutes"), "--reason", "检修")
    assert daemon.cli("alarms", "out-of-service", GAS, *permit)[0] == 5  # Not seen: two persons.
    done = park.signed("alarms", "out-of-service", GAS, *permit, "--second", "second")
    assert done.returncode == 0, done.stdout + done.stderr
    before = daemon.alarms()[GAS]
    assert (before["state"], before["core"]) == ("out_of_service", "normal")
    assert before["masks"]["out_of_service"]["second"] == "second"
    daemon.kill()
    daemon = park.start()
    after = daemon.alarms()[GAS]
    assert (after["masks"], after["version"]) == (before["masks"], before["version"])
    assert daemon.cli("alarms", "return-to-service", GAS)[0] == 0
    assert daemon.alarms()[GAS]["state"] == "shelved"
    assert int(after["masks"]["shelved"]["until"]) > time.time_ns()
    assert daemon.cli("alarms", "unshelve", GAS)[0] == 0
    assert GAS not in daemon.alarms()
    said = daemon.cli("journal", "show", "--kind", "transition", "-n", "50")[1]["data"]
    events = [row["body"]["event"] for row in said if row["body"]["alarm"] == GAS]
    assert events == ["shelve", "out_of_service", "return_to_service", "unshelve"]
