"""The ASGI application: every route with its policy, refusals in words, headers that keep the
page alone with itself."""

from __future__ import annotations

import html
import logging
from collections.abc import Awaitable, Callable
from importlib import resources
from pathlib import Path
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from parkwatch.daemon.web.api import API, Api, Door, address, read_body, read_json
from parkwatch.daemon.web.auth import COOKIE, Auth
from parkwatch.daemon.web.live import CONNECTIONS_MAX, Hub
from parkwatch.daemon.web.policy import LEAVE, SEE, Viewer, may
from parkwatch.daemon.web.refusal import (
    Json,
    Refusal,
    bad_request,
    forbidden,
    no_route,
    not_live,
    refuse,
)
from parkwatch.daemon.web.sessions import Session
from parkwatch.rules.fault import Fault

log = logging.getLogger("parkwatch.web")
STATIC = Path(str(resources.files("parkwatch.daemon.web"))) / "static"
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Endpoint = Callable[[Request], Awaitable[Response]]


class Headers:
    """Adds the headers to every answer; what names no caching is asked for anew each time."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                cached = scope["path"].startswith("/static/")
                headers["Cache-Control"] = "no-cache" if cached else "no-store"
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class Entrance:
    """Routes that let people in and out, and the page itself."""

    def __init__(self, api: Api, auth: Auth, hub: Hub) -> None:
        self._api = api
        self._auth = auth
        self._hub = hub

    def doors(self) -> list[Door]:
        """Everything that needs a session."""
        leave = Door("POST", f"{API}/logout", LEAVE, self.logout, needs_live=False)
        return [leave, *self._api.doors()]

    def routes(self) -> list[BaseRoute]:
        """All routes in order; what is not among them is API-404-ROUTE."""
        guarded = [Route(d.path, self._guard(d), methods=[d.method]) for d in self.doors()]
        return [
            Route("/healthz", self._api.healthz, methods=["GET"]),
            Route(f"{API}/login", self.login, methods=["POST"]),
            *guarded,
            Route("/first/{token}", self.first_page, methods=["GET"]),
            Route("/first/{token}", self.first, methods=["POST"]),
            WebSocketRoute("/live", self.live),
            Route("/", self.page, methods=["GET"]),
            Mount("/static", StaticFiles(directory=STATIC)),
            Route("/{rest:path}", self.nowhere, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ]

    def _guard(self, door: Door) -> Endpoint:
        """Default deny: session, then table, then origin, then liveness, then the handler."""

        async def endpoint(request: Request) -> Response:
            viewer = self._auth.viewer(request)
            if not may(viewer, door.action):
                raise forbidden()
            if viewer.by_cookie and door.method != "GET":
                self._auth.check_origin(request)
            self._api.check_live(door)
            return await door.handler(request, viewer)

        return endpoint

    async def login(self, request: Request) -> Response:
        """`{"person","password"}` to a session, as a token and as a cookie."""
        self._auth.check_origin(request)
        body = await read_json(request)
        person, password = body.get("person"), body.get("password")
        if not isinstance(person, str) or not isinstance(password, str):
            raise bad_request("缺少 person 或 password", "两者都须为文本 give both as text")
        token, session = await self._auth.login(person, password[:1024], address(request))
        viewer = self._auth.known(session.hash)
        assert viewer is not None, "a session that just began is known"
        answer = Json(
            {
                "person": person,
                "roles": [viewer.role],
                "enterprise": viewer.enterprise,
                "token": token,
                "expires": str(session.expires),
            }
        )
        _set_cookie(answer, request, token, session)
        return answer

    async def logout(self, request: Request, viewer: Viewer) -> Response:
        """End the session and its consoles."""
        self._hub.drop(viewer.session)
        await self._auth.logout(viewer, address(request))
        answer = Json({})
        answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
        return answer

    async def first_page(self, request: Request) -> Response:
        """The page of a first link; looking at it uses nothing up."""
        person = self._auth.first_person(request.path_params["token"], address(request))
        text = (STATIC / "first.html").read_text(encoding="utf-8")
        return HTMLResponse(text.replace("{{name}}", html.escape(person["name"])))

    async def first(self, request: Request) -> Response:
        """Use a first link: its person is logged in and sees the console."""
        self._auth.check_origin(request)
        form = parse_qs((await read_body(request)).decode("utf-8", "replace"))
        password, again = (form.get(key, [""])[0] for key in ("password", "again"))
        if password != again:
            raise Refusal(
                422,
                "API-422-PASSWORD",
                "两次输入的密码不同 the two passwords differ",
                "返回重新输入 go back and type them again",
            )
        token = request.path_params["token"]
        token, session = await self._auth.first_login(token, password, address(request))
        answer = RedirectResponse("/", status_code=303)
        _set_cookie(answer, request, token, session)
        return answer

    async def live(self, socket: WebSocket) -> None:
        """The console's stream; refused before it opens where nobody is known behind it."""
        try:
            viewer = self._auth.viewer(socket)
            if not may(viewer, SEE):
                raise forbidden()
            self._auth.check_origin(socket, required=viewer.by_cookie)
            if len(self._hub.connections) >= CONNECTIONS_MAX or not socket.app.state.mirror_ready():
                raise not_live()
        except Refusal as refusal:
            await socket.send_denial_response(refuse(refusal))
            return
        await self._hub.serve(socket, viewer)

    async def page(self, request: Request) -> Response:  # noqa: ARG002
        """The console."""
        return FileResponse(STATIC / "index.html")

    async def nowhere(self, request: Request) -> Response:  # noqa: ARG002
        """Every other address."""
        raise no_route()


def build(api: Api, auth: Auth, hub: Hub, ready: Callable[[], bool]) -> Starlette:
    """The application; `ready` says whether the mirror was ever filled."""
    app = Starlette(routes=Entrance(api, auth, hub).routes())
    app.add_middleware(Headers)
    app.add_exception_handler(Fault, _fault)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _bug)
    app.state.mirror_ready = ready
    return app


def _fault(request: Request, error: Exception) -> Response:
    assert isinstance(error, Fault)
    if request.url.path.startswith("/first/"):
        text = (STATIC / "refused.html").read_text(encoding="utf-8")
        for key, value in (("what", error.what), ("remedy", error.remedy), ("code", error.code)):
            text = text.replace(f"{{{{{key}}}}}", html.escape(value))
        return HTMLResponse(text, status_code=refuse(error).status_code)
    return refuse(error)


def _http(request: Request, error: Exception) -> Response:  # noqa: ARG001
    assert isinstance(error, HTTPException)
    return refuse(no_route())


def _bug(request: Request, error: Exception) -> Response:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    body = {
        "code": "API-500",
        "what": "内部错误 an error inside the web part",
        "remedy": "报警不受影响;请把日志交给工程师 alarms go on; give the log to the engineer",
    }
    return Json(body, status_code=500)


def _set_cookie(answer: Response, request: Request, token: str, session: Session) -> None:
    answer.set_cookie(
        COOKIE,
        token,
        max_age=(session.expires - session.created) // 1_000_000_000,
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
