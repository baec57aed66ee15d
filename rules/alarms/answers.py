"""Refusals of commands: a stable code, what, and what to do."""

from __future__ import annotations

from parkwatch.rules.transition import Outcome


def no(code: str, what: str, remedy: str) -> Outcome:
    return Outcome(ok=False, code=code, what=what, remedy=remedy)


def no_role() -> Outcome:
    return no("ALM-403", "您的角色无此权限 your role may not", "请有权限者操作 ask who may")


def no_reason() -> Outcome:
    return no("ALM-418", "须写明理由 a reason is required", "写明理由 say why")
