"""The page in a real browser: what an operator sees, hears and does, and what a lost link looks
like."""

import asyncio
import json
import re
import shutil
import signal
import urllib.request
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from flooding import flood
from playwright.async_api import Browser, Page, async_playwright, expect

pytestmark = pytest.mark.browser
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
PASSWORD = "气防值班-2026"
ALARM = "hd/panel-1/h2s-0001:gas"
VOTE = "hd/tank-a:vote-h2s"
ROW = 'tr[data-alarm="{}"]'


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    program = shutil.which("chromium")
    if program is None:
        pytest.skip("chromium is not installed")
    async with async_playwright() as playwright:
        made = await playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield made
        await made.close()


class Console:
    """A page, with everything that went wrong or outside in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.url = url
        self.faults: list[str] = []
        page.on("pageerror", lambda error: self.faults.append(str(error)))
        page.on("request", lambda request: self.outside(request.url))

    def outside(self, url: str) -> None:
        if not url.startswith((self.url, self.url.replace("http", "ws"))):
            self.faults.append(f"outside: {url}")

    def row(self, alarm: str) -> Any:
        return self.page.locator(ROW.format(alarm))

    async def press(self, alarm: str, act: str) -> None:
        await self.row(alarm).locator(f'button[data-act="{act}"]').click()

    async def login(self, person: str = "shift-lead") -> None:
        await self.page.goto(self.url)
        await self.page.fill("[name=person]", person)
        await self.page.fill("[name=password]", PASSWORD)
        await self.page.click("#login button")
        await expect(self.page.locator("body")).to_have_attribute("data-live", "ok")


@pytest.fixture
async def console(child: Any, browser: Browser) -> AsyncIterator[Console]:
    url = await child.start()
    context = await browser.new_context(viewport={"width": 1600, "height": 1000})
    made = Console(await context.new_page(), url)
    yield made
    assert not made.faults


async def test_a_red_alarm_is_seen_heard_acknowledged_and_reset(
    console: Console, daemon: Any
) -> None:
    await console.login()
    body = console.page.locator("body")
    await expect(body).to_have_attribute("data-audio", "running")
    daemon.raise_alarm(ALARM, "orange", level=2)
    daemon.move(ALARM, "ack_active")
    item = daemon.raise_alarm(VOTE, "red")
    item["cause"]["voters"] = [{"point": ALARM.rpartition(":")[0], "tag": "H2S-0001"}]
    daemon.change(item)
    row = console.row(VOTE)
    await expect(row).to_have_attribute("data-state", "unack_active")
    assert await row.evaluate("row => !!row.closest('#band')")
    await expect(row).to_contain_text("◆ 红 I")
    await expect(row).to_contain_text("未确认")
    await expect(row).to_contain_text("24.6 / ≥14.1 ppm")  # its worst voter's
    await expect(body).to_have_attribute("data-sound", "red")
    await console.press(VOTE, "ack")
    await expect(row).to_have_attribute("data-state", "ack_active")
    await expect(body).to_have_attribute("data-sound", "none")
    # An int64 beyond 2^53 that ends in 001: rounded, it would be another occurrence.
    assert item["occurrence"].endswith("001")
    assert daemon.commands[-1]["occurrence"] == item["occurrence"]
    daemon.move(VOTE, "latched_ack")
    await expect(row).to_contain_text("已恢复·待复位")
    await console.press(VOTE, "reset")
    await expect(row.locator('button[data-act="reset"]')).to_have_text("再按复位")
    assert daemon.commands[-1]["action"] == "ack"
    await console.press(VOTE, "reset")
    await expect(row).to_have_count(0)


async def test_a_rise_after_the_look_is_refused_and_shown(console: Console, daemon: Any) -> None:
    await console.login()
    daemon.raise_alarm(ALARM)
    await expect(console.row(ALARM)).to_contain_text("8.2 / ≥7 ppm")
    daemon.alarms[ALARM] = {**daemon.alarms[ALARM], "version": 2, "grade": "orange"}
    await console.press(ALARM, "ack")
    toast = console.page.locator("#toasts")
    await expect(toast).to_contain_text("报警已变化,现为橙级")
    await expect(toast).to_contain_text("ALM-409")
    await expect(console.row(ALARM)).to_have_class(re.compile("reopened"))
    await expect(console.page.locator("#detail")).to_be_visible()


async def test_a_value_that_is_bad_is_never_drawn(console: Console, daemon: Any) -> None:
    await console.login()
    daemon.raise_alarm(ALARM)
    await expect(console.row(ALARM)).to_contain_text("8.2")
    daemon.set_value("hd/panel-1/h2s-0001", None, "bad")
    cell = console.row(ALARM).locator(".c-value")
    await expect(cell).to_have_text("-- / ≥7 ppm")
    await expect(console.row(ALARM).locator(".c-quality")).to_have_text("坏")


async def test_keys_act_on_the_chosen_row_and_silence_is_heard(
    console: Console, daemon: Any
) -> None:
    await console.login()
    daemon.raise_alarm(ALARM, "orange", level=2)
    body = console.page.locator("body")
    await expect(body).to_have_attribute("data-sound", "orange")
    await console.page.keyboard.press("m")
    await expect(body).to_have_attribute("data-sound", "none")
    assert (daemon.commands[-1]["action"], daemon.commands[-1]["seconds"]) == ("silence", 120)
    daemon.raise_alarm("hd/panel-1/h2s-0002:gas", "yellow")
    await expect(body).to_have_attribute("data-sound", "orange")
    await console.page.keyboard.press("a")  # nothing chosen yet: chooses the first
    await expect(console.row(ALARM)).to_have_class(re.compile("selected"))
    assert daemon.commands[-1]["action"] == "silence"
    await console.page.keyboard.press("a")
    await expect(console.row(ALARM)).to_have_attribute("data-state", "ack_active")
    # Typing is typing.
    sent = len(daemon.commands)
    await console.page.fill("#search", "mar")
    assert len(daemon.commands) == sent


async def test_thousands_of_alarms_are_windowed_and_none_is_lost(
    console: Console, daemon: Any
) -> None:
    for n in range(3_000):
        daemon.raise_alarm(f"hd/panel-1/x-{n:04d}:state", "blue", occurrence=n + 1)
    await console.login()
    listed = console.page.locator("#listcount")
    await expect(listed).to_contain_text("3000")
    assert await console.page.locator("#list tr.row").count() < 80
    await console.page.evaluate("listbox.scrollTop = listbox.scrollHeight")
    await expect(console.row("hd/panel-1/x-0000:state")).to_be_visible()
    daemon.raise_alarm(VOTE, "red")
    await expect(console.row(VOTE)).to_be_visible()


async def test_a_flood_of_thousands_is_a_few_rows_that_open_and_none_is_lost(
    console: Any, daemon: Any, tmp_path: Path
) -> None:
    page = console.page
    mark = page.locator("#flood")
    flood(tmp_path, daemon, 5_000)
    await console.login()
    daemon.raise_alarm(ALARM, "orange", level=2)
    daemon.raise_alarm(VOTE, "red")
    await expect(mark).to_contain_text("报警集中")
    await expect(mark).to_contain_text("10分内 5000 条")
    await expect(mark).to_contain_text("◆红 1 ▲橙 1")
    await expect(mark).to_contain_text("■黄 2500 ●蓝 2500")
    row = page.locator('tr[data-alarm="fold:hd/tank-a|state"]')
    await expect(row).to_have_attribute("data-n", "5000")
    # Orange stays single and on top, red in its band; with the row that is every alarm there is.
    shown = page.locator("#list tr.row")
    await expect(shown).to_have_count(2)
    await expect(shown.first).to_have_attribute("data-grade", "orange")
    await expect(page.locator("#listcount")).to_contain_text("5002")
    await row.click()
    await expect(row).to_have_attribute("aria-expanded", "true")
    await expect(console.row("hd/p/x-0000:state")).to_have_count(0)  # far below, windowed
    assert await shown.count() < 80
    await page.evaluate("listbox.scrollTop = listbox.scrollHeight")
    await expect(console.row("hd/p/x-0001:state")).to_be_visible()
    await page.evaluate("listbox.scrollTop = 0")
    await row.click()
    await expect(shown).to_have_count(2)
    # One key or button undoes it.
    await mark.locator("button").click()
    await expect(row).to_have_count(0)
    await expect(mark).not_to_contain_text("已合并")
    await expect(shown.nth(5)).to_have_attribute("data-grade", re.compile("yellow|blue"))


async def test_a_lost_stream_is_a_curtain_with_a_buzz_and_nothing_is_sent(
    console: Console, daemon: Any, child: Any
) -> None:
    await console.page.add_init_script(FASTER)
    await console.login()
    daemon.raise_alarm(ALARM)
    await expect(console.row(ALARM)).to_be_visible()
    daemon.pulse = False
    body = console.page.locator("body")
    await expect(body).to_have_attribute("data-live", "late")
    await console.press(ALARM, "ack")
    await expect(console.page.locator("#toasts")).to_contain_text("未确认成功,请电话通知")
    assert not daemon.commands
    # Frozen, not closed: the socket stays open and says nothing more.
    child.process.send_signal(signal.SIGSTOP)
    await expect(body).to_have_attribute("data-live", "lost")
    curtain = console.page.locator("#curtain")
    await expect(curtain).to_contain_text("画面失联,以现场报警盘为准")
    await expect(body).to_have_attribute("data-sound", "lost")
    daemon.pulse = True
    child.process.send_signal(signal.SIGCONT)
    await expect(body).to_have_attribute("data-live", "ok")
    await expect(curtain).to_be_hidden()
    assert not daemon.commands


async def test_a_page_without_a_click_says_that_there_is_no_sound(
    console: Console, daemon: Any, wait_until_async: Callable[..., Any]
) -> None:
    await console.login()
    # A page of its own, with the session but without the click.
    console.page = await console.page.context.new_page()
    # Asked past Playwright, whose every question counts as a gesture of the user.
    protocol = await console.page.context.new_cdp_session(console.page)
    await console.page.goto(console.url)

    async def told(expression: str) -> Any:
        answer = await protocol.send("Runtime.evaluate", {"expression": expression})
        return answer["result"].get("value")

    async def is_silent() -> bool:
        return await told("document.body.dataset.audio") == "suspended" and "本席无声音" in (
            await told("strip.hidden ? '' : strip.textContent")
        )

    await wait_until_async(is_silent, "the page says that it has no sound")
    daemon.raise_alarm(VOTE, "red")
    body = console.page.locator("body")
    await console.page.click("#unmute")
    await expect(body).to_have_attribute("data-audio", "running")
    await expect(body).to_have_attribute("data-sound", "red")
    await expect(console.page.locator("#strip")).to_be_hidden()


async def test_language_and_theme_change_without_a_reload(console: Console, daemon: Any) -> None:
    await console.login()
    daemon.raise_alarm(ALARM)
    await console.page.click("#language")
    await expect(console.row(ALARM)).to_contain_text("Unacknowledged")
    await expect(console.page.locator("footer")).to_contain_text("supervisory layer")
    await console.page.click("#theme")
    assert await console.page.evaluate("document.documentElement.dataset.theme") == "dark"
    left = await console.page.locator("body").inner_text()
    assert not re.findall(r"\b(?:top|list|column|state|act|kind|why)\.\w+", left)


async def test_a_row_opens_why_and_its_trend(console: Console, daemon: Any) -> None:
    await console.login()
    daemon.raise_alarm(ALARM, "orange", level=2)
    await console.row(ALARM).locator(".c-tag").click()
    detail = console.page.locator("#detail")
    await expect(detail).to_contain_text("24.6ppm,达到高限14.1ppm")
    await expect(detail).to_contain_text("GB/T 50493-2019")
    await expect(detail.locator(".u-wrap")).to_be_visible()
    daemon.set_value("hd/panel-1/h2s-0001", 25.5)
    await expect(detail.locator(".value")).to_contain_text("25.5 ppm")
    await expect(detail.locator(".chart")).not_to_have_attribute("data-points", "0")
    await console.page.keyboard.press("Escape")
    await expect(detail).to_be_hidden()


async def test_a_wrong_password_is_told_and_the_journal_is_shown(
    console: Console, daemon: Any
) -> None:
    await console.page.goto(console.url)
    await console.page.fill("[name=person]", "operator")
    await console.page.fill("[name=password]", "wrong")
    await console.page.click("#login button")
    await expect(console.page.locator("#loginfault")).to_have_text("账号或密码不正确")
    await console.login()
    await expect(console.page.locator("#records")).to_contain_text("operator 登录")
    await console.page.click("#logout")
    await expect(console.page.locator("#login")).to_be_visible()
    answer = await asyncio.to_thread(urllib.request.urlopen, f"{console.url}/healthz")
    assert json.load(answer) == {"ok": True}


# The page's clock, four times as fast: three seconds of silence last less than one.
FASTER = """
const now = performance.now.bind(performance);
performance.now = () => now() * 4;
"""


async def test_an_alarm_is_shelved_with_a_reason_and_shown_again(
    console: Console, daemon: Any
) -> None:
    """What is hidden says who hid it and why, makes no sound, and stays on the list."""
    await console.login()
    daemon.raise_alarm(ALARM)
    row = console.row(ALARM)
    await row.locator("td").nth(5).click()
    panel = console.page.locator("#detail")
    await panel.locator('button[data-act="shelve"]').click()
    form = panel.locator('form[data-form="shelve"]')
    await form.locator("[name=reason]").fill("探头清洗")
    await form.locator("[name=minutes]").fill("30")
    await form.locator("button").click()
    await expect(row).to_have_attribute("data-state", "shelved")
    asked = daemon.commands[-1]
    assert (asked["action"], asked["reason"]) == ("shelve", "探头清洗")
    assert asked["details"] == {"kind": "timed", "seconds": 1800}
    await expect(panel).to_contain_text("探头清洗")
    await expect(console.page.locator("body")).to_have_attribute("data-sound", "none")
    await panel.locator('button[data-act="unshelve"]').click()
    await expect(row).to_have_attribute("data-state", "unack_active")


async def test_what_is_to_be_disposed_of_is_listed_and_written_while_the_alarm_goes_on(
    console: Console, daemon: Any, wait_until_async: Callable[..., Any]
) -> None:
    texts = {"cause": "阀门内漏", "measure": "更换垫片", "evidence": "照片 12"}
    found = {"state": "open", "due": "1", "person": "", "second": "", "overdue": True,
             "revision": 1, **dict.fromkeys(texts, "")}  # fmt: skip
    item = daemon.raise_alarm(ALARM, "red")
    daemon.change({**item, "version": 2, "disposition": found})
    await console.login()
    page = console.page
    await expect(page.locator("#undisposed summary")).to_contain_text("待处置 1 · 逾期 1")
    await page.locator("#undisposed summary").click()
    await page.locator("#undisposed button").click()
    form = page.locator('form[data-form="dispose"]')
    for name, text in texts.items():
        await form.locator(f"[name={name}]").fill(text)
    daemon.move(ALARM, "ack_active")
    await expect(page.locator("#detail .value")).to_contain_text("已确认")
    await expect(form.locator("[name=measure]")).to_have_value(texts["measure"])
    await form.locator("button").click()
    await wait_until_async(lambda: daemon.commands, "a command")
    asked = daemon.commands[-1]
    assert (asked["action"], asked["alarm"], asked["version"]) == ("dispose", ALARM, 3)
    assert asked["details"] == {**texts, "revision": 1}


async def test_what_is_not_in_service_is_never_normal_and_beyond_its_limit_always_seen(
    console: Console, daemon: Any
) -> None:
    first = daemon.described[0]["id"]
    daemon.described[0] |= {"armed": "unarmed"}
    daemon.described[1] |= {"armed": "unarmed"}
    daemon.seq += 1  # The configuration is another one: everything is asked anew.
    daemon.emit({"type": "record", "seq": daemon.seq, "time": "1", "kind": "config", "body": {}})
    await console.login()
    strip = console.page.locator("#unarmed")
    await expect(strip).to_contain_text("未投用 2 点")
    await expect(strip.locator(".beyond")).to_have_count(0)
    daemon.over[first] = {"group": "gas", "level": 2, "limit": 14.1, "side": "high",
                          "grade": "orange"}  # fmt: skip
    daemon.set_value(first, 24.6)
    row = strip.locator(f'[data-point="{first}"]')
    await expect(row).to_contain_text("未投用·超限")
    await expect(row).to_contain_text("H2S-0001 24.6 / ≥14.1 ppm")
    await expect(strip).to_contain_text("其中 1 点超限")
    box = await row.bounding_box()
    assert box is not None
    assert box["height"] > 0
    alarm = "hd/panel-1/h2s-0003:gas"
    daemon.raise_alarm(alarm)
    await expect(console.row(alarm).locator(".c-quality")).to_have_text("良")
    daemon.set_value(alarm.removesuffix(":gas"), 8.2, "uncertain")
    await expect(console.row(alarm).locator(".c-quality")).to_have_text("未验证")
    daemon.over.clear()
    daemon.set_value(first, 1.0)
    await expect(strip.locator(".beyond")).to_have_count(0)
