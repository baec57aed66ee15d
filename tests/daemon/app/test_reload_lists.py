"""A list beside the configuration, applied to a running daemon: its rows come and go with it, and
a broken one leaves what runs in place."""

import os
from pathlib import Path
from typing import Any

import pytest
from applying import H2S, ROW, Folder, make
from serving import Park, WaitAsync, serving, silence

from parkwatch.daemon.config import applied
from parkwatch.daemon.config.load import load

HEAD = "位号,设备,区域,气体,单位,寄存器,检定到期\n"
NEW = "CO-0001,panel-1,tank-a,CO,ppm,40090,2020-01-31\n"
CO = "huadong/panel-1/co-0001"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Folder:
    silence(monkeypatch)
    made = make(tmp_path)
    made.edit('"127.0.0.1:8080"', '"127.0.0.1:0"')
    return made


def rows(folder: Folder, text: str) -> None:
    (folder.path.parent / "detectors.csv").write_text(HEAD + text, "utf-8")


def points(park: Park) -> list[str]:
    return [point.id for point in park.running.resolved.site.points]


def deepest(view: Any) -> bool:
    return view is not None and view.live_level == 2


async def test_rows_are_applied_and_a_broken_list_changes_nothing(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    async with serving(folder, wait_until_async) as park:
        before = await park.until(f"{H2S}:gas", deepest, 30)
        rows(folder, NEW)
        folder.edit("unit_id = 3\n", 'unit_id = 3\npoints_csv = "detectors.csv"\n')
        assert (await park.apply())["added"] == [CO]
        assert folder.sha256() == folder.written()
        running = park.running
        for broken in (NEW.replace("ppm", "pmm"), NEW.replace("panel-1", "panel-7"), '"'):
            rows(folder, broken)
            told = await park.apply()
            assert told["invalid"][0]["file"].endswith("detectors.csv")
            assert park.running is running
        (folder.path.parent / "detectors.csv").unlink()
        assert load(folder.path, os.environ, data=folder.data).errors
        assert CO in points(park)
        after = park.running.engine.alarm(f"{H2S}:gas")
        assert after is not None
        assert after.occurrence == before.occurrence

        def reminded() -> bool:
            due = park.running.engine.alarm(f"{CO}:due")
            return due is not None and "2020-01-31" in due.cause["text"]

        await park.wait(reminded, "its date is told")
        await park.feed(1.0, CO)
        index = points(park).index(CO)
        await park.wait(lambda: park.running.engine.qualities[index] == 0x40 | 11, "it is doubtful")
    kept, _ = applied.read(folder.data)
    assert kept is not None
    assert [source.text for source in kept.sources][1:] == [HEAD + NEW]


async def test_a_new_date_is_news_and_one_date_less_takes_two(
    folder: Folder, wait_until_async: WaitAsync
) -> None:
    folder.edit(ROW, f"{ROW}, verification_due = 2020-01-31")
    async with serving(folder, wait_until_async) as park:
        due = f"{H2S}:due"

        def told() -> bool:
            return park.running.engine.alarm(due) is not None

        await park.wait(told, "it is told")
        folder.edit("2020-01-31", "2099-01-31")
        (change,) = (await park.apply())["changes"]
        assert (change["kind"], change["key"]) == ("neutral", "verification_due")

        def ended() -> bool:
            view = park.running.engine.alarm(due)
            return view is not None and view.live_level == 0

        await park.wait(ended, "it returns, and waits to be acknowledged")
        folder.edit(", verification_due = 2099-01-31", "")
        with pytest.raises(Exception, match="CFG-18"):
            await park.apply()
