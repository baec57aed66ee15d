"""Secrets and addresses: readable now, by their owner only, and of the form that they must have."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from parkwatch.daemon.config.finding import At, Context, Finding, missing
from parkwatch.daemon.config.secrets import SecretFault, resolve_secret, resolve_url
from parkwatch.daemon.config.words import both

KEY_BYTES_MIN = 16
_SENDABLE = ("wecom", "dingtalk", "feishu", "serverchan", "mail", "apprise")
"""Kinds that one apprise address reaches; the others need a provider's own protocol."""


def findings(context: Context) -> Iterator[Finding]:
    """Every secret that a start would need, and what is wrong with it."""
    config = context.config
    influx = config.history.influx
    named: list[tuple[At, str | None]] = [
        *((("broker", k, "password"), b.password) for k, b in config.broker.items()),
        (("journal", "key"), config.journal.key),
        *((("journal", "old_keys", n), key) for n, key in enumerate(config.journal.old_keys)),
        (("history", "influx", "token"), influx.token if influx is not None else None),
    ]
    for path, reference in named:
        if reference is not None:
            yield from _readable(context, path, reference)
    for name, enterprise in config.enterprise.items():
        if enterprise.key is not None:
            path = ("enterprise", name, "key")
            yield from _formed(context, path, enterprise.key, _is_key, _BAD_KEY)
    for name, person in config.people.items():
        if person.password is not None:
            path = ("people", name, "password")
            yield from _formed(context, path, person.password, _is_argon2, _BAD_PASSWORD)
    yield from _channels(context)


def _channels(context: Context) -> Iterator[Finding]:
    for name, channel in context.config.channel.items():
        at = ("channel", name)
        if channel.kind not in _SENDABLE:
            yield _not_yet((*at, "kind"), f"kind = {channel.kind}", " | ".join(_SENDABLE))
        elif not channel.url:
            yield missing((*at, "url"), "url")
        if channel.secret is not None:
            fix = both("把密钥写进 apprise 地址,地址放 env:/file:", "put it into the apprise url")
            yield _not_yet((*at, "secret"), "secret", fix)
        if channel.delivered == "report":
            fix = both("删除此键", "remove it")
            yield _not_yet((*at, "delivered"), "delivered = report", fix)
        if channel.url:
            try:
                found = resolve_url(channel.url, context.base, context.env)
            except SecretFault as fault:
                yield _unusable((*at, "url"), fault)
            else:
                if "://" not in found:
                    # The address itself may hold a token: it is never repeated here.
                    yield Finding(
                        "CFG-141", (*at, "url"), both("地址无协议头", "no `scheme://` in the url"),
                        both("通知将发不出去", "nothing could be sent"),
                        both("写完整地址", "write the whole address"),
                    )  # fmt: skip


def _not_yet(path: At, what: str, fix: str) -> Finding:
    return Finding(
        "CFG-107",
        path,
        both(f"此版本不支持 {what}", f"this version does not support {what}"),
        both("悄悄忽略会使人误以为有效", "what is silently ignored is believed to work"),
        fix,
    )


def _readable(context: Context, path: At, reference: str) -> Iterator[Finding]:
    try:
        resolve_secret(reference, context.base, context.env)
    except SecretFault as fault:
        yield _unusable(path, fault)


_BAD_KEY = (
    "CFG-142",
    both("密钥须为至少 16 字节的十六进制", "a key is at least 16 bytes in hex"),
    both("网关的签名无法核对", "the gateway's signatures cannot be checked"),
    both("openssl rand -hex 32", "openssl rand -hex 32"),
)
_BAD_PASSWORD = (
    "CFG-143",
    both("不是 argon2id 口令散列", "it holds no argon2id hash"),
    both("明文口令不予接受", "a password in the clear is refused"),
    both("用 parkwatch user passwd 写入", "write it with parkwatch user passwd"),
)


def _formed(
    context: Context,
    path: At,
    reference: str,
    good: Callable[[str], bool],
    said: tuple[str, str, str, str],
) -> Iterator[Finding]:
    try:
        text = resolve_secret(reference, context.base, context.env)
    except SecretFault as fault:
        yield _unusable(path, fault)
        return
    if not good(text):
        code, message, why, fix = said
        yield Finding(code, path, message, why, fix)


def _is_key(text: str) -> bool:
    try:
        return len(bytes.fromhex(text)) >= KEY_BYTES_MIN
    except ValueError:
        return False


def _is_argon2(text: str) -> bool:
    return text.startswith("$argon2id$")


def _unusable(path: At, fault: SecretFault) -> Finding:
    why = both("密钥不可用", "the secret cannot be used")
    return Finding(fault.code, path, fault.what, why, fault.remedy)
