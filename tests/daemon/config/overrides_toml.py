"""A park with overrides in it, and the signatures that they must have."""

from datetime import UTC, datetime
from pathlib import Path

from parkwatch.daemon.config import site_key
from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.moments import until_ns
from parkwatch.daemon.config.overrides import written
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.daemon.config.template import effective
from parkwatch.rules.site import Limit, Site

HERE = Path(__file__).parent
ENV = {"WORK_URL": "json://127.0.0.1:9/"}
NOW = until_ns(datetime(2026, 11, 25, 12, tzinfo=UTC), "")
KEY = bytes(range(32))
UNSIGNED = "UNSIGNED"
OVERRIDE = (
    '{ until = 2026-12-31, reason = "检修", persons = ["zhangwei", "wangfang"], '
    f'signature = "{UNSIGNED}" }}'
)
PEOPLE = """
[people.wangfang]
name = "王芳"
role = "safety"
enterprise = "huadong"
channels = ["work"]
[people.liqiang]
name = "李强"
role = "shift-lead"
channels = ["work"]
[people.other]
name = "外人"
role = "safety"
enterprise = "binhai"
channels = ["work"]
"""
PARK = (HERE / "rules_park.toml").read_text("utf-8") + PEOPLE
CH4 = '{ tag = "CH4-1", zone = "tank-a", gas = "CH4", '
POINT = f"{CH4}al1 = 30, override = {OVERRIDE}, "


def park(point: str = POINT, zone: str = "") -> str:
    assert PARK.count(CH4) == 1
    return PARK.replace(CH4, point).replace('name = "罐区A"', f'name = "罐区A"\n{zone}')


def folder_with_key(folder: Path, key: bytes = KEY) -> Path:
    path = site_key.path_in(folder)
    path.parent.mkdir(parents=True)
    path.touch(0o600)
    path.write_text(key.hex())
    return folder


def loaded(text: str, data: Path | None, now: int = NOW) -> Loaded:
    return load_sources([Source("park.toml", text)], HERE, ENV, data=data, now_ns=now)


def signed(text: str, key: bytes = KEY) -> str:
    """The text with the signatures that it must have, one after the other."""
    config = loaded(text, None).config
    assert config is not None
    for override in written(config, list(effective(config))):
        if override.table.signature == UNSIGNED:
            text = text.replace(UNSIGNED, override.signed_by(key), 1)
    return text


def codes(text: str, data: Path | None, now: int = NOW) -> list[tuple[str, str]]:
    return [(p.code, p.level) for p in loaded(text, data, now).problems]


def site_of(text: str, data: Path | None) -> Site:
    config = loaded(text, data).config
    assert config is not None
    return resolve(config, HERE, ENV, data).site


def gas_limits(site: Site, tag: str = "CH4-1") -> list[Limit]:
    (index,) = [point.index for point in site.points if point.tag == tag]
    return [x for x in site.limits if x.point == index and x.group in ("gas", "low")]
