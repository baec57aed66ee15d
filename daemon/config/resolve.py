"""From what was written to what the rooms need: the Site, the drivers' devices, people, chains."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from parkwatch.daemon.config.brokers import brokers_of
from parkwatch.daemon.config.buses import buses_of
from parkwatch.daemon.config.fields import duration_ns
from parkwatch.daemon.config.history import HistoryConfig
from parkwatch.daemon.config.model import After, ChainTable, Config
from parkwatch.daemon.config.overrides import in_force
from parkwatch.daemon.config.resolve_site import make_site
from parkwatch.daemon.config.secrets import SecretFault, resolve_secret, resolve_url
from parkwatch.daemon.config.template import effective
from parkwatch.drivers.config import Broker, Bus
from parkwatch.rules.site import SECOND_NS, Site

REPEAT_NS = {
    "red": 60 * SECOND_NS,
    "orange": 600 * SECOND_NS,
    "yellow": 1800 * SECOND_NS,
}
"""Repeat intervals of the default chains (contracts.md); blue does not repeat."""


@dataclass(frozen=True, slots=True)
class Person:
    """A person; `enterprise` is empty for the park, `password` an argon2id string or empty."""

    id: str
    name: str
    role: str
    phone: str
    enterprise: str
    duties: tuple[str, ...]
    channels: tuple[str, ...]
    password: str = field(repr=False, default="")


@dataclass(frozen=True, slots=True)
class Channel:
    """A way to people; `url` is resolved."""

    id: str
    kind: str
    url: str = field(repr=False)
    per_minute: int = 15


@dataclass(frozen=True, slots=True)
class Chain:
    """The first tier by grade, how often it is repeated in ns (0: never), and the later tiers."""

    first: Mapping[str, tuple[str, ...]]
    repeat_ns: Mapping[str, int]
    later: Mapping[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)

    def tier(self, grade: str, number: int) -> tuple[int, tuple[str, ...]]:
        """The number and persons of a tier, 0 the first; of the last one where it has no more."""
        tiers = (self.first.get(grade, ()), *self.later.get(grade, ()))
        number = min(number, len(tiers) - 1)
        return number, tiers[number]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Everything that a start needs; no secret reference is left."""

    site: Site
    buses: tuple[Bus, ...]
    brokers: tuple[Broker, ...]
    people: Mapping[str, Person]
    channels: Mapping[str, Channel]
    chains: Mapping[str, Chain]
    history: HistoryConfig
    bind: str
    public_url: str
    tz: str
    anchors: tuple[Path, ...]
    journal_key: bytes = field(repr=False)
    journal_old_keys: tuple[bytes, ...] = field(repr=False, default=())
    journal_daily: tuple[Path, ...] = ()
    journal_records_max: int = 2_000_000


class _Secrets:
    """Reads secrets; what cannot be read is left out, so that the rest of a park runs.

    A first start has refused it long before, and `applied.Chosen.broken` names it.
    """

    def __init__(self, base: Path, env: Mapping[str, str]) -> None:
        self._base = base
        self._env = env

    def text(self, reference: str | None) -> str | None:
        """The secret, empty where none is configured, None where it cannot be read."""
        return self._try(reference, resolve_secret) if reference else ""

    def url(self, url: str) -> str | None:
        return self._try(url, resolve_url)

    def _try(
        self, reference: str, read: Callable[[str, Path, Mapping[str, str]], str]
    ) -> str | None:
        try:
            return read(reference, self._base, self._env)
        except SecretFault:
            return None


def resolve(
    config: Config, base: Path, env: Mapping[str, str], data: Path | None = None
) -> Resolved:
    """What a start needs, of a configuration that `load` found no error in.

    `data`: the folder whose site key verifies overrides; one that cannot be verified has no
    effect, the legal bound counts.

    A secret that has become unreadable since costs only what it opens: a broker or a channel is
    left out, a person cannot log in, a gateway's messages are all refused, history is kept in the
    embedded store. Raises SecretFault for the journal's key alone: its chain cannot be continued
    without it.
    """
    secrets = _Secrets(base, env)
    devices = tuple(effective(config))
    site, indices = make_site(config, devices, in_force(config, devices, data))
    key = config.journal.key
    urls = {channel_id: secrets.url(c.url) for channel_id, c in config.channel.items()}
    return Resolved(
        site=site,
        buses=buses_of(config, devices, indices),
        brokers=brokers_of(config, devices, indices, secrets.text, base),
        people={
            person_id: Person(
                person_id, p.name, p.role, p.phone, p.enterprise or "",
                tuple(p.duties), tuple(p.channels), secrets.text(p.password) or "",
            )
            for person_id, p in config.people.items()
        },
        channels={
            channel_id: Channel(channel_id, config.channel[channel_id].kind, url,
                                config.channel[channel_id].per_minute)
            for channel_id, url in urls.items() if url is not None
        },
        chains={chain_id: _chain(chain) for chain_id, chain in config.chain.items()},
        history=_history(config, secrets),
        bind=config.console.bind,
        public_url=config.console.public_url,
        tz=config.park.tz,
        anchors=tuple(base / name for name in config.journal.anchors),
        journal_key=resolve_secret(key, base, env).encode() if key else b"",
        journal_old_keys=tuple(
            text.encode() for text in map(secrets.text, config.journal.old_keys) if text
        ),
        journal_daily=tuple(base / name for name in config.journal.daily),
        journal_records_max=config.journal.records_max,
    )  # fmt: skip


def _history(config: Config, secrets: _Secrets) -> HistoryConfig:
    influx, days = config.history.influx, config.history.retention_days
    token = secrets.text(influx.token) if influx is not None else None
    if config.history.store == "embedded" or influx is None or token is None:
        return HistoryConfig(retention_days=days)
    return HistoryConfig("influx", influx.url, influx.org, influx.bucket, token, days)


def _chain(chain: ChainTable) -> Chain:
    tiers = {
        grade: [tuple(tier.call if isinstance(tier, After) else tier) for tier in written]
        for grade in ("red", "orange", "yellow", "blue")
        if (written := getattr(chain, grade))
    }
    first = {grade: of_grade[0] for grade, of_grade in tiers.items()}
    later = {grade: tuple(of_grade[1:]) for grade, of_grade in tiers.items()}
    repeat = dict(REPEAT_NS)
    repeat.update({str(grade): duration_ns(text) for grade, text in chain.repeat.items()})
    return Chain(first, repeat, later)
