"""The demo's phone: takes what the daemon sends to people and shows it as a phone would.

It understands the POST of apprise `json://` (title, message) and that of the kinds webhook and
sms (text, grade, to). Nothing on its page comes from elsewhere.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

MESSAGES_MAX = 200
BODY_BYTES_MAX = 65536
TEXT_CHARS_MAX = 4096
BACKLOG = 64
CLOSE_S_MAX = 1
NS_PER_MS = 1_000_000

PAGE = """<!doctype html>
<html lang="zh-CN">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>值班手机</title>
<style>
body { margin: 0; background: #d9dde3; font: 16px/1.5 system-ui, "Noto Sans CJK SC", sans-serif }
main { max-width: 24rem; min-height: 40rem; margin: 1.5rem auto; padding: 1rem;
  border: .6rem solid #20242b; border-radius: 2rem; background: #f4f6f8 }
h1 { margin: 0 0 .5rem; font-size: 1rem; text-align: center; color: #444b55 }
ol { list-style: none; margin: 0; padding: 0 }
li { margin: .6rem 0; padding: .6rem .8rem; border-radius: .8rem; background: #fff;
  border-left: .4rem solid #8a94a3; overflow-wrap: anywhere; white-space: pre-wrap }
li.red { border-color: #c62828 } li.orange { border-color: #e07000 }
li.yellow { border-color: #c9a400 } li.blue { border-color: #1f6fc4 }
li b { display: block } time { display: block; font-size: .8rem; color: #667 }
#none { text-align: center; color: #667 }
</style>
<main>
<h1>值班手机（演示）</h1>
<p id="none">暂无消息</p>
<ol id="list" aria-live="polite"></ol>
</main>
<script>
const list = document.getElementById("list"), none = document.getElementById("none");
let shown = 0;
function add(message) {
  const item = document.createElement("li");
  if (["red", "orange", "yellow", "blue"].includes(message.grade)) item.className = message.grade;
  const time = document.createElement("time"), title = document.createElement("b");
  const at = new Date(Number(message.time) / 1e6);
  time.textContent = at.toLocaleTimeString("zh-CN", {timeZone: "Asia/Shanghai"});
  title.textContent = message.title;
  item.append(time, title, message.text);
  list.prepend(item);
  while (list.children.length > 200) list.lastChild.remove();
}
async function look() {
  try {
    const answer = await fetch("/messages?after=" + shown);
    for (const message of (await answer.json()).items) { add(message); shown = message.n; }
    none.hidden = list.children.length > 0;
  } catch (fault) {
    none.hidden = false;
    none.textContent = "手机与演示断开";
  }
}
look();
setInterval(look, 1000);
</script>
</html>
"""


@dataclass(frozen=True, slots=True)
class PhoneMessage:
    """One message as it arrived; `n` counts from 1, `time` is ns UTC as a decimal string."""

    n: int
    time: str
    to: str
    title: str
    text: str
    grade: str


class Phone:
    """Keeps the last 200 messages and serves them; `received` counts all of them."""

    def __init__(self, now: Callable[[], int]) -> None:
        self.received = 0
        self._now = now
        self._messages: deque[PhoneMessage] = deque(maxlen=MESSAGES_MAX)
        self.app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/messages", self._list, methods=["GET"]),
                Route("/{to:path}", self._take, methods=["POST"]),
            ]
        )

    async def _page(self, _request: Request) -> Response:
        policy = "default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; "
        policy += "script-src 'unsafe-inline'"
        return HTMLResponse(PAGE, headers={"Content-Security-Policy": policy})

    async def _list(self, request: Request) -> Response:
        after = request.query_params.get("after", "0")
        if not after.isascii() or not after.isdigit() or len(after) > 18:
            return JSONResponse({"error": "after is a number"}, 422)
        items = [asdict(m) for m in self._messages if m.n > int(after)]
        return JSONResponse({"received": self.received, "items": items})

    async def _take(self, request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > BODY_BYTES_MAX:
                return JSONResponse({"error": "too long"}, 413)
        try:
            sent = json.loads(body)
        except ValueError:
            return JSONResponse({"error": "no JSON"}, 400)
        if not isinstance(sent, dict):
            return JSONResponse({"error": "no object"}, 400)
        return JSONResponse({"n": self._keep(sent, request.path_params["to"])})

    def _keep(self, sent: dict[str, Any], path: str) -> int:
        text = _text(sent.get("message", sent.get("text", "")))
        title = _text(sent.get("title", ""))
        self.received += 1
        self._messages.append(
            PhoneMessage(
                n=self.received,
                time=str(self._now()),
                to=_text(sent.get("to", path)),
                title=title,
                text=text,
                grade=_text(sent.get("grade", "")) or grade_of(title + text),
            )
        )
        return self.received


def _text(value: object) -> str:
    return (value if isinstance(value, str) else str(value))[:TEXT_CHARS_MAX]


def grade_of(text: str) -> str:
    """The grade that a message names first (ux.md section 4), or empty."""
    names = {"红警": "red", "橙警": "orange", "黄警": "yellow", "蓝警": "blue"}
    names |= {"RED": "red", "ORANGE": "orange", "YELLOW": "yellow", "BLUE": "blue"}
    found = [(text.find(name), grade) for name, grade in names.items() if name in text]
    return min(found)[1] if found else ""


class _Server(uvicorn.Server):
    """uvicorn, but signals stay the command line's."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class PhoneServer:
    """Serves a phone on 127.0.0.1; the port is open once the object exists (0: chosen)."""

    def __init__(self, phone: Phone, port: int) -> None:
        self._socket = socket.create_server(("127.0.0.1", port), backlog=BACKLOG)
        self.port = int(self._socket.getsockname()[1])
        self._server = _Server(
            uvicorn.Config(
                phone.app,
                log_level="error",
                access_log=False,
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=CLOSE_S_MAX,
            )
        )

    async def run(self) -> None:
        """Serve until `stop()`."""
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Let `run()` come to its end."""
        self._server.should_exit = True
