"""Who is told compared: the tiers of every zone's chain, as persons and their channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from parkwatch.daemon.config.changes.kinds import Change
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.model import After, ChainTable, Config, ZoneTable

GRADES = ("red", "orange", "yellow", "blue")
Tier = tuple[int, frozenset[str]]
"""After how many ns, and whom: `PERSON/CHANNEL`."""


def changes(old: Config, new: Config) -> Iterator[Change]:
    """What differs in whom an alarm of a zone reaches, and when; each difference told once."""
    seen: set[tuple[str, str, str]] = set()
    told: list[Change] = []
    for name, zone in old.zone.items():
        other = new.zone.get(name)
        if other is None:
            continue
        key = (zone.chain, other.chain, zone.enterprise)
        if key in seen:
            continue
        seen.add(key)
        same = zone.chain == other.chain
        about = f"chain.{zone.chain}" if same else f"{zone.enterprise}/{name}"
        found = [each for each in _chain(about, (old, zone), (new, other)) if each not in told]
        told += found
        yield from found


def _chain(
    about: str, before: tuple[Config, ZoneTable], after: tuple[Config, ZoneTable]
) -> Iterator[Change]:
    one, other = (config.chain[zone.chain] for config, zone in (before, after))
    for grade in GRADES:
        was, now = _tiers(*before, one, grade), _tiers(*after, other, grade)
        if was != now:
            yield Change(_kind(was, now), about, grade, _told(was), _told(now))
    for grade in GRADES:
        before_ns, after_ns = _repeat(one, grade), _repeat(other, grade)
        if before_ns != after_ns:
            slower = after_ns is None or (before_ns is not None and after_ns > before_ns)
            kind = "unmanned" if slower else "tightened"
            yield Change(kind, about, f"repeat.{grade}", before_ns, after_ns)


def _kind(was: Sequence[Tier], now: Sequence[Tier]) -> str:
    """Every tier calls at least the same, no later."""
    kept = len(now) >= len(was) and all(
        after_now <= after_was and called_was <= called_now
        for (after_was, called_was), (after_now, called_now) in zip(was, now, strict=False)
    )
    return "tightened" if kept else "unmanned"


def _tiers(config: Config, zone: ZoneTable, chain: ChainTable, grade: str) -> list[Tier]:
    found: list[Tier] = []
    for tier in getattr(chain, grade):
        after = duration_ns(tier.after) if isinstance(tier, After) else 0
        called = tier.call if isinstance(tier, After) else tier
        found.append((after, frozenset(_reached(config, zone.enterprise, called))))
    return found


def _reached(config: Config, enterprise: str, called: Sequence[str]) -> Iterator[str]:
    """Every way to everybody whom a tier names, of the park and of the owner."""
    for name, person in config.people.items():
        known = {name, f"role:{person.role}", *(f"duty:{duty}" for duty in person.duties)}
        if person.enterprise in (None, enterprise) and not known.isdisjoint(called):
            yield from (f"{name}/{channel}" for channel in person.channels)


def _told(tiers: Sequence[Tier]) -> list[Mapping[str, Any]]:
    return [{"after": after, "call": sorted(called)} for after, called in tiers]


def _repeat(chain: ChainTable, grade: str) -> int | None:
    """What is written; None is the default, which is compared with no written one."""
    text = {str(key): value for key, value in chain.repeat.items()}.get(grade)
    return None if text is None else duration_ns(text)
