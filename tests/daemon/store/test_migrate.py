"""Migration is copy, verify, switch: the old file or the new one, and always the same records."""

import shutil
from itertools import count
from pathlib import Path

import pytest
from journaling import fill
from killing import every_kill

from parkwatch.daemon.journal.journal import Entry, Journal
from parkwatch.daemon.journal.verify import verify
from parkwatch.daemon.store import database, migrate, switch
from parkwatch.daemon.store.database import JournalFault, open_reader, open_writer, transaction

SECOND = "ALTER TABLE outbox ADD COLUMN tried TEXT NOT NULL DEFAULT '';"
CHANGING = """
DROP TRIGGER record_is_never_changed;
UPDATE record SET body = x'7b7d' WHERE seq = 3;
"""


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """A program whose schema is one further."""
    monkeypatch.setattr(database, "_MIGRATIONS", (*database._MIGRATIONS, SECOND))
    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)


def version(path: Path) -> tuple[int, int, bool]:
    """Schema, records, and whether the outbox has the new column."""
    db = open_reader(path)
    columns = [row[1] for row in db.execute("PRAGMA table_info(outbox)")]
    number = db.execute("PRAGMA user_version").fetchone()[0]
    records = db.execute("SELECT count(*) FROM record").fetchone()[0]
    db.close()
    return number, records, "tried" in columns


@pytest.mark.usefixtures("planted")
def test_an_older_file_becomes_a_newer_one_with_the_same_records(tmp_path: Path) -> None:
    shutil.copy(old_file(tmp_path), tmp_path / "journal.db")
    db = open_writer(tmp_path / "journal.db")
    with transaction(db):
        assert Journal(db).append([Entry("system", {})], 1)[0].seq == 6
    db.close()
    assert version(tmp_path / "journal.db") == (2, 6, True)
    assert verify(tmp_path).ok
    fresh = open_writer(tmp_path / "fresh.db")
    fresh.close()
    assert version(tmp_path / "fresh.db") == (2, 0, True)


def old_file(folder: Path) -> Path:
    """A journal of schema 1, whatever the program's is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "_MIGRATIONS", database._MIGRATIONS[:1])
        patch.setattr(database, "SCHEMA_VERSION", 1)
        (folder / "old").mkdir()
        return fill(folder / "old", 4)


@pytest.mark.usefixtures("planted")
def test_a_kill_at_any_line_leaves_the_old_file_or_the_new_one(tmp_path: Path) -> None:
    original = old_file(tmp_path).parent
    numbers = count()

    def fresh() -> Path:
        return Path(shutil.copytree(original, tmp_path / f"{next(numbers)}"))

    found = []
    for folder in every_kill((migrate, switch), fresh, lambda at: open_writer(at / "journal.db")):
        found.append(version(folder / "journal.db"))
        open_writer(folder / "journal.db").close()  # The next start completes it.
        assert version(folder / "journal.db") == (2, 5, True)
        assert not (folder / migrate.SIDE).exists()
        shutil.rmtree(folder)
    switched = found.index((2, 5, True))
    assert found == [(1, 5, False)] * switched + [(2, 5, True)] * (len(found) - switched)
    assert switched > 10


def test_a_script_that_changes_a_record_is_not_let_through(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = old_file(tmp_path)
    monkeypatch.setattr(database, "_MIGRATIONS", (*database._MIGRATIONS, CHANGING))
    monkeypatch.setattr(database, "SCHEMA_VERSION", 2)
    with pytest.raises(JournalFault) as refused:
        open_writer(path)
    assert refused.value.code == "JNL-008"
    assert "record 3" in refused.value.what
    assert version(path)[:2] == (1, 5)
    assert not (path.parent / migrate.SIDE).exists()


@pytest.mark.usefixtures("planted")
def test_a_file_that_somebody_reads_is_not_replaced(tmp_path: Path) -> None:
    path = old_file(tmp_path)
    reader = open_reader(path)
    with pytest.raises(JournalFault) as refused:
        open_writer(path)
    assert "locked" in refused.value.what
    reader.close()
    open_writer(path).close()
    assert version(path) == (2, 5, True)
