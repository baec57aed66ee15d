"""Who gets in: passwords, sessions, the one-time link; and who is kept out, and how often."""

import asyncio
import hashlib
import json
import stat
import time
from pathlib import Path
from typing import Any

import pytest

from parkwatch.daemon.web.auth import WRONG_ADDRESS_MAX, WRONG_MAX, Limiter
from parkwatch.daemon.web.passwords import Passwords
from parkwatch.daemon.web.refusal import Refusal
from parkwatch.daemon.web.sessions import LIFE_NS, Sessions

PASSWORD = "气防值班-2026"
LOGIN = "/api/v1/login"


def credentials(person: str = "operator", password: str = PASSWORD) -> dict[str, str]:
    return {"person": person, "password": password}


async def test_a_login_gives_token_and_cookie_and_is_journaled(web: Any, daemon: Any) -> None:
    async with web.client() as browser:
        answer = await browser.post(LOGIN, json=credentials("hd-operator"))
        told = answer.json()
        assert answer.status_code == 200
        assert (told["person"], told["roles"], told["enterprise"]) == (
            "hd-operator", ["operator"], "hd",
        )  # fmt: skip
        assert told["expires"].isdigit()
        cookie = answer.headers["set-cookie"].lower()
        assert "pw_session=" in cookie
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert (await browser.get("/api/v1/alarms")).status_code == 200
    program = web.client(told["token"])
    assert (await program.get("/api/v1/alarms")).status_code == 200
    assert daemon.records[-1]["body"]["result"] == "ok"
    assert daemon.records[-1]["body"]["person"] == "hd-operator"


@pytest.mark.parametrize(
    ("person", "password"),
    [("operator", "wrong"), ("nobody", PASSWORD), ("", ""), ("operator", "")],
)
async def test_wrong_is_401_and_does_not_say_what_was_wrong(
    web: Any, daemon: Any, person: str, password: str
) -> None:
    async with web.client() as browser:
        answer = await browser.post(LOGIN, json=credentials(person, password))
    assert answer.status_code == 401
    assert answer.json()["code"] == "API-401-LOGIN"
    assert "set-cookie" not in answer.headers
    assert daemon.records[-1]["body"]["result"] == "wrong"


async def test_somebody_without_a_password_cannot_log_in_with_none(web: Any, daemon: Any) -> None:
    web.mirror.people["viewer"]["password"] = ""
    async with web.client() as browser:
        for password in ("", "viewer", PASSWORD):
            answer = await browser.post(LOGIN, json=credentials("viewer", password))
            assert answer.status_code == 401


async def test_the_sixth_wrong_try_in_a_minute_waits(web: Any) -> None:
    async with web.client() as browser:
        tries = [browser.post(LOGIN, json=credentials(password="wrong")) for _ in range(8)]
        codes = sorted(answer.status_code for answer in await asyncio.gather(*tries))
        assert codes == [401] * WRONG_MAX + [429] * 3
        late = await browser.post(LOGIN, json=credentials())
        assert late.status_code == 429
        assert late.json()["code"] == "API-429"
        assert int(late.headers["retry-after"]) <= 60
        # Somebody else at the same address is not locked out by this person's slips.
        assert (await browser.post(LOGIN, json=credentials("safety"))).status_code == 200


def test_limits_count_by_account_and_by_address_and_end_after_a_minute() -> None:
    now = [0.0]
    limiter = Limiter(lambda: now[0])
    for n in range(WRONG_ADDRESS_MAX):
        limiter.enter(f"person-{n}", "10.0.0.1")
    with pytest.raises(Refusal):
        limiter.enter("another", "10.0.0.1")
    limiter.enter("another", "10.0.0.2")
    now[0] = 60.0
    limiter.enter("another", "10.0.0.1")


def test_right_tries_do_not_count() -> None:
    limiter = Limiter(lambda: 0.0)
    for _ in range(100):
        limiter.enter("operator", "10.0.0.1")
        limiter.forgive("operator", "10.0.0.1")


async def test_logout_ends_the_session_for_good(web: Any) -> None:
    client = await web.as_("operator")
    assert (await client.post("/api/v1/logout")).status_code == 200
    assert (await client.get("/api/v1/alarms")).status_code == 401


async def test_sessions_survive_a_restart_and_are_stored_only_hashed(tmp_path: Path) -> None:
    path, now = tmp_path / "secrets" / "sessions.db", [1]
    first = Sessions(path, lambda: now[0])
    token, _ = await first.begin("operator")
    first.close()
    assert token.encode() not in path.read_bytes()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    second = Sessions(path, lambda: now[0])
    found = second.find(token)
    assert found is not None
    assert found.person == "operator"
    now[0] += LIFE_NS
    assert second.find(token) is None
    second.close()


async def test_somebody_removed_from_the_configuration_is_out_at_once(web: Any) -> None:
    client = await web.as_("operator")
    del web.mirror.people["operator"]
    assert (await client.get("/api/v1/alarms")).status_code == 401


@pytest.mark.parametrize("header", ["Bearer nonsense", "Basic abc", "Bearer", ""])
async def test_a_wrong_header_is_401(web: Any, header: str) -> None:
    async with web.client() as client:
        answer = await client.get("/api/v1/alarms", headers={"Authorization": header})
    assert answer.status_code == 401


async def test_another_site_cannot_command_in_a_persons_name(web: Any, daemon: Any) -> None:
    async with web.client() as browser:
        assert (await browser.post(LOGIN, json=credentials())).status_code == 200
        path = "/api/v1/alarms/hd/panel-1/h2s-0001:gas/ack"
        for origin in ("http://evil.example", "null"):
            answer = await browser.post(path, json={}, headers={"Origin": origin})
            assert (answer.status_code, answer.json()["code"]) == (403, "API-403-ORIGIN")
        own = await browser.post(path, json={}, headers={"Origin": "http://park"})
        assert own.json()["code"] == "API-400"
    assert not daemon.commands


async def test_a_login_that_cannot_be_journaled_does_not_count(web: Any, daemon: Any) -> None:
    await daemon.stop()
    async with web.client() as browser:
        answer = await browser.post(LOGIN, json=credentials())
    assert answer.status_code == 503
    assert "set-cookie" not in answer.headers


# The one-time link ---------------------------------------------------------------------------


def write_first(data: Path, token: str, *, expires: int | None = None) -> Path:
    first = data / "secrets" / "first.json"
    hashed = hashlib.sha256(token.encode()).hexdigest()
    ends = time.time_ns() + 10**12 if expires is None else expires
    first.write_text(json.dumps({"person": "admin", "hash": hashed, "expires": ends}))
    return first


async def test_a_first_link_lets_its_person_in_once_and_sets_the_password(
    web: Any, tmp_path: Path
) -> None:
    write_first(tmp_path, "once")
    async with web.client() as browser:
        for _ in range(3):  # previews and scanners only look
            page = await browser.get("/first/once")
            assert page.status_code == 200
            assert "张伟admin" in page.text
        form = {"password": "新的口令-2026", "again": "新的口令-2026"}
        answer = await browser.post("/first/once", data=form)
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (await browser.get("/api/v1/health")).status_code == 200
        assert (await browser.post("/first/once", data=form)).status_code == 404
    async with web.client() as other:
        entered = await other.post(LOGIN, json=credentials("admin", "新的口令-2026"))
        assert entered.status_code == 200
        old = await other.post(LOGIN, json=credentials("admin", PASSWORD))
        assert old.status_code == 401
    kept = tmp_path / "secrets" / "passwords.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert "新的口令" not in kept.read_text(encoding="utf-8")


async def test_two_posts_at_once_use_a_link_once(web: Any, tmp_path: Path) -> None:
    write_first(tmp_path, "once")
    clients = [web.client() for _ in range(4)]
    answers = await asyncio.gather(*(client.post("/first/once") for client in clients))
    assert sorted(a.status_code for a in answers).count(303) == 1


@pytest.mark.parametrize("case", ["wrong", "expired", "missing", "broken"])
async def test_a_link_that_is_not_valid_is_a_page_in_words(
    web: Any, tmp_path: Path, case: str
) -> None:
    first = write_first(tmp_path, "other" if case == "wrong" else "once")
    if case == "expired":
        write_first(tmp_path, "once", expires=1)
    if case == "missing":
        first.unlink()
    if case == "broken":
        first.write_text("{")
    async with web.client() as browser:
        for answer in (await browser.get("/first/once"), await browser.post("/first/once")):
            assert answer.status_code == 404
            assert "此链接无效" in answer.text
            assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("form", [{"password": "short", "again": "short"}, {"password": "x" * 9}])
async def test_a_password_that_will_not_do_leaves_the_link_usable(
    web: Any, tmp_path: Path, form: dict[str, str]
) -> None:
    write_first(tmp_path, "once")
    async with web.client() as browser:
        assert (await browser.post("/first/once", data=form)).status_code == 422
        assert (await browser.post("/first/once")).status_code == 303


async def test_a_new_configured_password_ends_one_set_by_link(tmp_path: Path) -> None:
    passwords = Passwords(tmp_path / "passwords.json")
    person = {"id": "admin", "password": ""}
    await passwords.set(person, "set-by-link")
    assert await passwords.check(person, "set-by-link")
    changed = {"id": "admin", "password": "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$AAAA"}
    assert not await passwords.check(changed, "set-by-link")
