"""The whole path on the parts that a park runs: mosquitto, InfluxDB 2, a browser, a phone."""

import asyncio
import json
import shutil
import signal
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from park import Daemon
from playwright.async_api import Page, async_playwright, expect

pytestmark = [pytest.mark.mosquitto, pytest.mark.influx, pytest.mark.browser]
VOTE = "huadong/tank-a:vote-ch4"
PERSON = "zhangwei"
STOP_S = 15.0


class Part:
    """A part of the simulator as a process; `ready` is its first line."""

    def __init__(self, *words: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "parkwatch.simulator", *words],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        self.ready: dict[str, Any] = json.loads(self._process.stdout.readline())

    def end(self) -> dict[str, Any]:
        """Its counters."""
        self._process.send_signal(signal.SIGTERM)
        out, _ = self._process.communicate(timeout=STOP_S)
        return dict(json.loads(out.splitlines()[-1]))


def configured(folder: Path, plant: Part, phone: Part, mosquitto: Any, influxd: Any) -> Path:
    """The demo's configuration, but on this broker and with InfluxDB for the history."""
    folder.mkdir(mode=0o700)
    for name, secret in (("mqtt.password", mosquitto.users["parkwatch"]), ("token", influxd.token)):
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret)
    command = [
        sys.executable, "-m", "parkwatch.simulator", "config", "--folder", str(folder),
        "--modbus-port", str(plant.ready["port"]), "--mqtt-port", str(mosquitto.port),
        "--phone-url", f"json://127.0.0.1:{phone.ready['port']}/", "--bind", "127.0.0.1:0",
    ]  # fmt: skip
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    history = (
        f'\n[history]\nstore = "influx"\n[history.influx]\nurl = "{influxd.url}"\n'
        f'org = "{influxd.org}"\nbucket = "{influxd.bucket}"\ntoken = "file:token"\n'
    )
    with (folder / "park.toml").open("a", encoding="utf-8") as out:
        out.write(history)
    return folder / "park.toml"


async def log_in(page: Page, url: str, password: str) -> None:
    await page.goto(url)
    await page.fill("[name=person]", PERSON)
    await page.fill("[name=password]", password)
    await page.click("#login button")
    await expect(page.locator("body")).to_have_attribute("data-live", "ok")


async def see_hear_take_and_reset(page: Page) -> None:
    """What the operator of a shift does with the demo's leak."""
    body = page.locator("body")
    row = page.locator(f'tr[data-alarm="{VOTE}"]')
    await expect(body).to_have_attribute("data-audio", "running")
    await expect(row).to_have_attribute("data-grade", "red", timeout=60_000)
    await expect(row).to_contain_text("◆ 红 I")
    await expect(row).to_contain_text("%LEL")
    await expect(body).to_have_attribute("data-sound", "red")
    await row.locator('button[data-act="ack"]').click()
    await expect(row).to_have_attribute("data-state", "ack_active")
    await expect(row).to_have_attribute("data-state", "latched_ack", timeout=120_000)
    await row.locator('button[data-act="reset"]').click()
    await row.locator('button[data-act="reset"]').click()
    await expect(row).to_have_count(0)


@pytest.mark.timeout(280)
async def test_a_leak_from_the_wire_to_a_person_and_into_influxdb(
    tmp_path: Path, mosquitto: Any, influxd: Any, wait_until_async: Any
) -> None:
    secret = tmp_path / "gateway.password"
    secret.write_text(mosquitto.users["huadong/gw-1"])
    plant = Part(
        "plant", "--mqtt-port", str(mosquitto.port), "--mqtt-user", "huadong/gw-1",
        "--mqtt-password-file", str(secret),
    )  # fmt: skip
    phone = Part("phone")
    config = configured(tmp_path / "conf", plant, phone, mosquitto, influxd)
    daemon = Daemon(config, tmp_path / "data")
    listen = tmp_path / "data/run/listen.json"
    await wait_until_async(listen.exists, "the console listens", 20)
    url = f"http://{json.loads(listen.read_text())['http']}"
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-gpu"]
        )
        page = await browser.new_page(viewport={"width": 1600, "height": 900})
        await log_in(page, url, (tmp_path / f"conf/{PERSON}.password").read_text())
        await see_hear_take_and_reset(page)
        await browser.close()

    assert phone.end()["received"] > 0
    assert (await asyncio.to_thread(daemon.stop)) == 0
    for point in ("huadong/panel-1/ch4-0101", mqtt_point(config)):
        code, told = daemon.cli("history", "query", point, "-n", "1000")
        assert code == 0, told
        assert len(told["data"]) > 20, point
        assert any(row["value"] is not None for row in told["data"])
    assert daemon.cli("journal", "verify")[0] == 0
    counters = plant.end()
    assert (counters["writes"], counters["violations"], counters["lost"]) == (0, 0, 0)


def mqtt_point(config: Path) -> str:
    """A point that came through the broker."""
    parsed = tomllib.loads(config.read_text(encoding="utf-8"))
    device = next(d for d in parsed["device"] if d.get("gateway"))
    point = device["points"][0]
    return f"huadong/{device['id']}/{point.get('id', point['tag'].lower())}"
