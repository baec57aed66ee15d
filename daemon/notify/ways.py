"""One try over one channel: what is called, and what its answer means.

An answer is believed only where it was read: WeCom, DingTalk, Feishu and ServerChan say errors with
status 200, and apprise looks at the status only, so that these are `accepted, not proven` until
adapters of ours read the body. No redirect is followed, nothing is tried twice here.
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO, Any

import apprise

from parkwatch.daemon.config.resolve import Channel
from parkwatch.daemon.outbox.messages import Message

TIMEOUT_S = 8.0
RETRIED = frozenset({408, 425, 429})
_UNPROVEN_KINDS = frozenset({"wecom", "dingtalk", "feishu", "serverchan"})
_UNPROVEN_SCHEMES = frozenset({"wecombot", "dingtalk", "feishu", "lark", "schan"})
_TYPES = {"red": "failure", "orange": "warning", "yellow": "warning", "blue": "info"}


@dataclass(frozen=True, slots=True)
class Result:
    """`ok`: accepted by the service; `final`: trying again cannot help; `unsure`: it may have gone
    out, nobody knows."""

    ok: bool
    text: str
    final: bool = False
    unsure: bool = False


def send(channel: Channel, message: Message, to: str) -> Result:
    """One try, blocking for at most some TIMEOUT_S; raises nothing that a network does."""
    if channel.kind == "webhook":
        return _webhook(channel.url, message, to)
    return _apprise(channel, message)


def warm_up() -> None:
    """Load apprise's plugins (half a second) before the first alarm needs them."""
    apprise.Apprise.instantiate("json://127.0.0.1")


def _apprise(channel: Channel, message: Message) -> Result:
    service = apprise.Apprise.instantiate(channel.url, suppress_exceptions=True)
    if service is None:
        return Result(ok=False, text="地址无效 not an apprise URL", final=True)
    service.request_rate_per_sec = 0  # Pacing is ours, red first.
    service.redirects = False
    ended = message.kind in ("return", "reset")
    sent = service.notify(
        title=message.title,
        body=message.text,
        notify_type="success" if ended else _TYPES.get(message.grade, "info"),
    )
    if not sent:
        return Result(ok=False, text="服务拒绝或无应答 refused or no answer")
    scheme = channel.url.partition("://")[0].lower()
    if channel.kind in _UNPROVEN_KINDS or scheme in _UNPROVEN_SCHEMES:
        return Result(ok=True, text="已受理,应答未核实 accepted, not proven: its body is not read")
    return Result(ok=True, text="已受理 accepted")


def _webhook(url: str, message: Message, to: str) -> Result:
    if not url.startswith(("http://", "https://")):
        return Result(ok=False, text="地址无效 not an http URL", final=True)
    body = {
        "key": message.key,
        "to": to,
        "text": message.text,
        "grade": message.grade,
        "link": "",
        "repeat": message.repeat,
        "drill": message.drill,
    }
    request = urllib.request.Request(  # noqa: S310 - http and https only, see above
        url,
        data=json.dumps(body, ensure_ascii=False).encode(),
        headers={"Content-Type": "application/json; charset=utf-8"},
    )
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            return Result(ok=True, text=f"HTTP {answer.status}")
    except urllib.error.HTTPError as error:
        error.close()
        final = 400 <= error.code < 500 and error.code not in RETRIED
        return Result(ok=False, text=f"HTTP {error.code}", final=final)
    except (OSError, HTTPException, ValueError) as error:
        # A refused connection comes as URLError; whatever else broke may have broken afterwards.
        unsure = not isinstance(error, urllib.error.URLError)
        return Result(ok=False, text=f"无应答 no answer: {error}", unsure=unsure)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A login page answers everything with 200: a redirect is no success."""

    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: HTTPMessage,
        newurl: str,
    ) -> Any:
        """None: the redirect itself is the answer."""


_OPENER = urllib.request.build_opener(_NoRedirect)
