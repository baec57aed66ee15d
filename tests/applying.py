"""A park on disk whose daemon has run: applied configuration, journal, and alarms that are open."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from argon2 import PasswordHasher

from parkwatch.daemon.app.stopped import open_alarms, running
from parkwatch.daemon.cli.main import main
from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import load
from parkwatch.daemon.journal.journal import Entry, Journal, Record, records
from parkwatch.daemon.store.database import open_reader, open_writer, transaction
from parkwatch.rules.batch import Batch
from parkwatch.rules.engine import Engine
from parkwatch.rules.quality import GOOD
from parkwatch.rules.site import SECOND_NS

PASSWORDS = {"zhangwei": "zhang-secret", "liqiang": "li-secret-1"}
H2S = "huadong/panel-1/h2s-0103"
ROW = '  { tag = "H2S-0103"'
TWO = ("--person", "zhangwei", "--second", "liqiang")
WHY = ("--reason", "改造")


@dataclass(slots=True)
class Folder:
    """`path` is the file that people edit, `data` what the daemon has."""

    path: Path
    data: Path

    def edit(self, old: str, new: str) -> None:
        text = self.path.read_text("utf-8")
        assert text.count(old) == 1
        self.path.write_text(text.replace(old, new), "utf-8")

    def remove(self, start: str) -> None:
        """Take away the line that starts so."""
        lines = self.path.read_text("utf-8").splitlines(keepends=True)
        kept = [line for line in lines if not line.startswith(start)]
        assert len(kept) == len(lines) - 1
        self.path.write_text("".join(kept), "utf-8")

    def words(self, verb: str, *more: str) -> list[str]:
        return ["config", verb, "-c", str(self.path), "--data", str(self.data), *more]

    def records(self, *kinds: str) -> list[Record]:
        db = open_reader(self.data / "journal.db")
        try:
            return list(records(db, kinds=kinds))
        finally:
            db.close()

    def sha256(self) -> str:
        """Of what is applied."""
        kept, damage = applied.read(self.data)
        assert kept is not None
        assert not damage
        return kept.sha256

    def written(self) -> str:
        """Of what people edit."""
        return applied.digest(load(self.path, {}, data=self.data).sources)

    def open(self) -> list[str]:
        return sorted(open_alarms(self.data, running(self.data)))


def make(folder: Path) -> Folder:
    """The park of `init` with two people who have passwords, and the daemon's folder with it."""
    assert main(["init", str(folder / "park")]) == 0
    path = folder / "park" / "park.toml"
    hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
    text = path.read_text("utf-8")
    for person, password in PASSWORDS.items():
        secret = path.parent / "secrets" / person
        secret.touch(0o600)
        secret.write_text(hasher.hash(password))
        head = f"[people.{person}]\n"
        assert text.count(head) == 1
        text = text.replace(head, f'{head}password = "file:secrets/{person}"\n')
    path.write_text(text, "utf-8")
    return Folder(path, folder / "data")


def ran(folder: Folder, level: float | None = None) -> None:
    """As if a daemon had run on it; `level`: the hydrogen sulphide it saw for some seconds."""
    (folder.data / "run").mkdir(parents=True)
    applied.apply(load(folder.path, {}), folder.data)
    found = running(folder.data).resolved
    engine = Engine(found.site, 0)
    transitions = []
    if level is not None:
        index = next(point.index for point in found.site.points if point.id == H2S)
        for second in range(1, 8):
            at = np.array([second * SECOND_NS])
            point, quality = np.array([index], np.int32), np.array([GOOD], np.uint8)
            batch = Batch(point, np.array([level]), quality, at, at)
            transitions += engine.feed(batch)
    db = open_writer(folder.data / "journal.db")
    journal = Journal(db)
    with transaction(db):
        entries = [Entry("start", {}), *(Entry("transition", t.body()) for t in transitions)]
        journal.append(entries, 60 * SECOND_NS)
    db.close()


def typed(monkeypatch: pytest.MonkeyPatch, *persons: str) -> None:
    """Their passwords, one a line."""
    lines = "".join(f"{PASSWORDS[person]}\n" for person in persons)
    monkeypatch.setattr("sys.stdin", io.StringIO(lines))


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """The one document that was printed."""
    return dict(json.loads(capsys.readouterr().out))
