"""Who is asking: log-in, first link, session, role; every log-in is journaled before it counts."""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from parkwatch.daemon.web.first import FirstLink
from parkwatch.daemon.web.mirror import Mirror
from parkwatch.daemon.web.passwords import Passwords
from parkwatch.daemon.web.policy import Viewer
from parkwatch.daemon.web.refusal import Refusal, foreign_origin, no_session
from parkwatch.daemon.web.sessions import Session, Sessions, digest

COOKIE = "pw_session"
WINDOW_S = 60.0
WRONG_MAX = 5
WRONG_ADDRESS_MAX = 20
WATCHED_MAX = 10_000
TEXT_MAX = 64


class Limiter:
    """At most so many wrong tries a minute; right ones do not count.

    Five for an account from one address, and twenty for an address or an account as such: a
    control room behind one address must not be locked out by one person's five slips.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._tries: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def enter(self, person: str, address: str) -> None:
        """Count a try before it is judged, so that parallel ones count; Refusal 429."""
        now = self._clock()
        for key, most in _keys(person, address):
            tries = self._tries.get(key, deque())
            while tries and tries[0] <= now - WINDOW_S:
                tries.popleft()
            if len(tries) >= most:
                raise _too_many(tries[0] + WINDOW_S - now)
        for key, _ in _keys(person, address):
            self._tries.setdefault(key, deque()).append(now)
            self._tries.move_to_end(key)
        while len(self._tries) > WATCHED_MAX:
            self._tries.popitem(last=False)

    def forgive(self, person: str, address: str) -> None:
        """Take the newest try back: it was right."""
        for key, _ in _keys(person, address):
            tries = self._tries.get(key)
            if tries:
                tries.pop()


class Auth:
    """Sessions and passwords over the mirrored list of people."""

    def __init__(
        self, mirror: Mirror, sessions: Sessions, passwords: Passwords, secrets: Path
    ) -> None:
        self.mirror = mirror
        self.sessions = sessions
        self._passwords = passwords
        self._first = FirstLink(secrets)
        self._limiter = Limiter()

    def viewer(self, connection: HTTPConnection) -> Viewer:
        """Who is behind a request; Refusal 401. Role and enterprise are the present ones."""
        header = connection.headers.get("authorization", "")
        by_cookie = not header
        token = connection.cookies.get(COOKIE, "") if by_cookie else _bearer(header)
        session = self.sessions.find(token) if token else None
        viewer = None if session is None else self.known(session.hash, by_cookie=by_cookie)
        if viewer is None:
            raise no_session()
        return viewer

    def known(self, session: str, *, by_cookie: bool = False) -> Viewer | None:
        """The viewer of an open session, None where it ended or the person left."""
        found = self.sessions.get(session)
        person = None if found is None else self.mirror.people.get(found.person)
        if found is None or person is None:
            return None
        return Viewer(
            person["id"],
            person["name"],
            person["role"],
            person.get("enterprise") or "",
            found.hash,
            by_cookie,
        )

    def check_origin(self, connection: HTTPConnection, *, required: bool = False) -> None:
        """Refusal 403 where another site's page asks; `required`: a browser that says nothing
        of its origin is refused too."""
        origin = connection.headers.get("origin")
        if origin is None:
            if required:
                raise foreign_origin()
            return
        public = (self.mirror.site.get("console") or {}).get("public_url") or ""
        ours = {connection.headers.get("host", ""), urlsplit(public).netloc} - {""}
        if urlsplit(origin).netloc not in ours:
            raise foreign_origin()

    async def login(self, person: str, password: str, address: str) -> tuple[str, Session]:
        """Token and session; Refusal 401 wrong, 429 too often; LinkFault where unrecorded."""
        await self._judge(person, password, address, "ok")
        return await self.sessions.begin(person)

    async def _judge(self, person: str, password: str, address: str, as_: str) -> None:
        """Whether this is the person; journaled either way before it counts."""
        self._limiter.enter(person, address)
        known = self.mirror.people.get(person)
        if not await self._passwords.check(known, password):
            await self._record(person, address, "wrong")
            raise Refusal(
                401,
                "API-401-LOGIN",
                "账号或密码不正确 wrong account or password",
                "请重新输入;忘记密码请联系管理员 try again, or ask the administrator",
            )
        self._limiter.forgive(person, address)
        await self._record(person, address, as_)

    async def second(self, person: str, password: str, address: str) -> dict[str, Any]:
        """Who signs beside the one who asks; Refusal 401 wrong, 429 too often."""
        await self._judge(person, password, address, "second")
        known = self.mirror.people[person]
        return {key: known.get(key) or "" for key in ("id", "role", "enterprise")}

    async def logout(self, viewer: Viewer, address: str) -> None:
        """End the viewer's session."""
        await self.sessions.end(viewer.session)
        await self._record(viewer.person, address, "logout")

    def first_person(self, token: str, address: str) -> Mapping[str, Any]:
        """Whom a first link lets in; nothing is used up. Refusal 404 where it is not valid."""
        self._limiter.enter("", address)
        link = self._first.read()
        good = link is not None and hmac.compare_digest(digest(token), str(link["hash"]))
        person = self.mirror.people.get(str(link["person"])) if link is not None else None
        if not good or link is None or person is None or int(link["expires"]) <= time.time_ns():
            raise Refusal(
                404,
                "API-404-FIRST",
                "此链接无效、已使用或已过期 this link is not valid, used or expired",
                "请重新生成首次登录链接 ask for a new first log-in link",
            )
        self._limiter.forgive("", address)
        return person

    async def first_login(self, token: str, password: str, address: str) -> tuple[str, Session]:
        """Use a first link up: log its person in and, where a password is given, keep that."""
        person = self.first_person(token, address)
        if password:
            await self._passwords.set(person, password)
            await self.sessions.end_all(person["id"])
        try:
            # Two posts at once: whoever removes the file has used the link.
            await asyncio.to_thread(self._first.use)
        except FileNotFoundError:
            raise no_session() from None
        await self._record(person["id"], address, "first link")
        return await self.sessions.begin(person["id"])

    async def _record(self, person: str, address: str, result: str) -> None:
        body = {"person": person[:TEXT_MAX], "from": address[:TEXT_MAX], "result": result}
        await self.mirror.call("record", kind="login", body=body)


def _keys(person: str, address: str) -> list[tuple[tuple[str, str], int]]:
    return [
        ((person[:TEXT_MAX], address), WRONG_MAX),
        (("", address), WRONG_ADDRESS_MAX),
        ((person[:TEXT_MAX], ""), WRONG_ADDRESS_MAX),
    ]


def _bearer(header: str) -> str:
    scheme, _, token = header.partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _too_many(wait_s: float) -> Refusal:
    seconds = max(1, round(wait_s))
    return Refusal(
        429,
        "API-429",
        "登录尝试过多 too many log-ins",
        f"请 {seconds} 秒后再试 try again in {seconds} s",
        headers={"Retry-After": str(seconds)},
    )
