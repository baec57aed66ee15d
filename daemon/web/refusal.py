"""Refusals as the API answers them: `{code, what, remedy}` with a status, never a bare error."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from starlette.responses import Response

from parkwatch.daemon.pipeline.link import LinkFault
from parkwatch.rules.fault import Fault


class Refusal(Fault):
    """A request that is refused: `status` is the HTTP status, `headers` go with the answer."""

    def __init__(
        self,
        status: int,
        code: str,
        what: str,
        remedy: str,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(code, what, remedy)
        self.status = status
        self.headers = headers


class Json(Response):
    """JSON as it is: Chinese unescaped, never NaN, never cached."""

    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return encode(content).encode()


def encode(content: Any) -> str:
    """Compact JSON for an answer or a frame."""
    return json.dumps(content, ensure_ascii=False, separators=(",", ":"), allow_nan=False)


def refuse(fault: Fault) -> Json:
    """The answer for a fault; the daemon's own refusals keep their status and present item."""
    body: dict[str, Any] = {"code": fault.code, "what": fault.what, "remedy": fault.remedy}
    if isinstance(fault, LinkFault):
        if fault.item is not None:
            body["item"] = fault.item
        return Json(body, status_code=fault.status)
    if isinstance(fault, Refusal):
        return Json(body, status_code=fault.status, headers=fault.headers)
    return Json(body, status_code=503)


def bad_request(what: str, remedy: str) -> Refusal:
    """400: the request cannot be read."""
    return Refusal(400, "API-400", what, remedy)


def no_session() -> Refusal:
    """401: nobody is known behind this request."""
    return Refusal(
        401,
        "API-401",
        "未登录或登录已过期 no session, or it has expired",
        "请登录后再试 log in and try again",
        headers={"WWW-Authenticate": "Bearer"},
    )


def forbidden() -> Refusal:
    """403: the policy table has no such entry for this role."""
    return Refusal(
        403,
        "API-403",
        "您的角色无此权限 your role may not do this",
        "请有权限者操作 ask somebody who may",
    )


def foreign_origin() -> Refusal:
    """403: another site asked in this person's name."""
    return Refusal(
        403,
        "API-403-ORIGIN",
        "请求来自其他网站 the request comes from another site",
        "请从本系统页面操作,或核对 console.public_url use our page, or check console.public_url",
    )


def not_found() -> Refusal:
    """404: unknown, or another enterprise's: the two answers must not differ."""
    return Refusal(
        404, "API-404", "没有此对象 no such thing", "请核对编号 check the id against the list"
    )


def no_route() -> Refusal:
    """404 of an address that does not exist."""
    return Refusal(
        404,
        "API-404-ROUTE",
        "没有此接口 no such route",
        "请核对地址与方法 check address and method",
    )


def not_live() -> Refusal:
    """503: what the mirror holds is too old to be shown as the present."""
    return Refusal(
        503,
        "API-503",
        "与守护进程的数据流中断 the stream from the daemon is interrupted",
        "以现场报警盘为准,稍后重试 rely on the panels in the field; retry shortly",
    )
