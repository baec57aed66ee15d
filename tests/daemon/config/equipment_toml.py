"""A device of each equipment model as a technician writes it, and its limits as text."""

import re
from pathlib import Path

from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.measures import Age, Formula
from parkwatch.rules.site import SECOND_NS, Limit, Site

HERE = Path(__file__).parent
PARK = (HERE / "rules_park.toml").read_text("utf-8").replace("[enterprise.binhai]", "", 1)
PARK = PARK[: PARK.index("[[device]]")].replace(
    '[zone.yard]\nenterprise = "binhai"\nname = "堆场"\n', ""
)
PARK = PARK.replace('name = "滨海仓储"\n', "").replace(
    'name = "华东化工"', 'name = "华东化工"\nkey = "env:KEY"'
)
ENV = {"WORK_URL": "json://127.0.0.1:9/", "KEY": "00" * 16}
HEAD = '[[device]]\nid = "x-1"\nenterprise = "huadong"\ntemplate = "{}"\n'
MODBUS = HEAD + 'host = "192.0.2.1"\n'
MQTT = '[broker.main]\nhost = "127.0.0.1"\n' + HEAD + 'broker = "main"\ngateway = "gw-1"\n'
STATE = 'zone = "tank-a", kind = "state"'
KPA = 'zone = "tank-a", kind = "pressure", unit = "kPa", range = [0, 2500], resolution = 1'
LEVEL = 'zone = "tank-a", kind = "level", unit = "mm", type = "s16", range = [-200, 200]'
CH4 = 'zone = "tank-a", gas = "CH4", sensor = "ir", type = "u16"'


def points(*rows: str) -> str:
    return "points = [\n" + "".join(f"  {{ {row} }},\n" for row in rows) + "]\n"


VESSEL = (
    MODBUS.format("pressure-vessel")
    + "plate = { p_work = 1000, p_sv_set = 1350, p_design = 1600 }\n"
    + points(f'tag = "PT", role = "pressure", {KPA}, reg = 30001')
)
BOILER = (
    MODBUS.format("steam-boiler")
    + "[device.plate]\np_work = 1000\np_sv_set = 1350\np_design = 1600\np_feed_low = 1100\n"
    "level_extreme_low = -75\nlevel_low = -50\nlevel_high = 50\nlevel_extra_high = 75\n"
    + "".join(
        f'[[device.points]]\ntag = "{tag}"\nrole = "{role}"\n{nature.replace(", ", chr(10), 3)}\n'
        for tag, role, nature in (
            ("LT", "drum-level", f"{LEVEL}, resolution = 1, reg = 30001"),
            ("PT", "drum-pressure", f"{KPA}, reg = 30002"),
            ("FF", "flame-fail", f"{STATE}, reg = 10001"),
            ("FV", "fuel-valve-closed", f"{STATE}, reg = 10002"),
            ("LSLL", "low-water-trip", f"{STATE}, reg = 10003"),
            ("FW", "feed-water-pressure", f"{KPA}, reg = 30003"),
        )
    ).replace(", ", "\n").replace("[-200\n200]", "[-200, 200]").replace("[0\n2500]", "[0, 2500]")
)  # fmt: skip
ESD = (
    MODBUS.format("esd-readonly")
    + "plate = { bypass_max_h = 8, bypass_max_h-by-2 = 2, travel_s-xv1 = 30 }\n"
    + points(
        f'tag = "TRIP-1", role = "trip", {STATE}, reg = 10001',
        f'tag = "BY-1", role = "bypass", {STATE}, reg = 10002',
        f'tag = "BY-2", role = "bypass", {STATE}, reg = 10003',
        f'tag = "XV1-C", role = "valve-command-xv1", {STATE}, reg = 10004',
        f'tag = "XV1-F", role = "valve-feedback", of = "xv1-c", {STATE}, reg = 10005',
        f'tag = "SH", role = "solver-health", {STATE}, reg = 10006',
        f'tag = "PT-A", role = "voted-pt1-a", {KPA}, reg = 30001',
        f'tag = "PT-B", role = "voted-pt1-b", {KPA}, reg = 30002',
    )
)
DETECTOR = (
    MODBUS.format("modbus-tcp-panel")
    + "plate = { panel_latches = 1 }\n"
    + points(
        f'tag = "CH4-1", {CH4}, al1 = 20, reg = 40001',
        f'tag = "CH4-1-AL1", role = "panel-al1", of = "ch4-1", {STATE}, reg = 10001',
        f'tag = "CH4-1-AL2", role = "panel-al2", of = "ch4-1", {STATE}, reg = 10002',
        f'tag = "LINE", {CH4}, unit = "LEL.m", range = [0, 5], al1 = 1, al2 = 2, reg = 40002',
    )
)
PERMIT = (
    MQTT.format("confined-space")
    + points(
        'tag = "O2", zone = "tank-a", gas = "O2", expect_every = "30m"',
        'tag = "LEL", zone = "tank-a", gas = "CH4", sensor = "ir", lel = 4.4',
        'tag = "H2S", zone = "tank-a", gas = "H2S"',
        f'tag = "WORK", role = "work", {STATE}',
        f'tag = "OPEN", role = "permit", {STATE}',
    )
)  # fmt: skip


def loaded(device: str, park: str = PARK) -> Loaded:
    """The device in a file of its own, so that its lines are its."""
    return load_sources([Source("park.toml", park), Source("x.toml", device)], HERE, ENV, now_ns=0)


def site_of(device: str, park: str = PARK) -> Site:
    found = loaded(device, park)
    assert found.errors == ()
    assert found.config is not None
    return resolve(found.config, HERE, ENV).site


def told(device: str) -> list[tuple[int, str, str]]:
    """(line, code, level) of everything found."""
    return [(p.line, p.code, p.level) for p in loaded(device).problems]


def line(device: str, mark: str) -> int:
    (number,) = [n for n, row in enumerate(device.splitlines(), 1) if mark in row]
    return number


def changed(device: str, old: str, new: str) -> str:
    assert device.count(old) == 1, (old, device.count(old))
    return device.replace(old, new)


def table(site: Site) -> list[str]:
    """`alarm level side limit/deadband on/off grade [measure] [if enable]` of every limit."""
    ids = {point.index: point.id.removeprefix("huadong/x-1/") for point in site.points}

    def named(measure: object) -> str:
        if isinstance(measure, Formula):
            pairs = zip(measure.program.names, measure.points, strict=True)
            text = measure.program.text
            for name, point in pairs:
                text = re.sub(rf"\b{name}\b", ids[point], text)
            return text
        return f"age {ids[measure.point]}" if isinstance(measure, Age) else ""

    def row(limit: Limit) -> str:
        alarm = limit.alarm or f"{ids[limit.point]}:{limit.group}"
        parts = [
            alarm, f"{limit.level}", limit.side, f"{limit.limit:g}/{limit.deadband:g}",
            f"{limit.on_delay_ns / SECOND_NS:g}/{limit.off_delay_ns / SECOND_NS:g}s",
            str(limit.grade), *(["latch"] if limit.latch else []),
            *(["votes"] if limit.votes else []),
            *([f"[{named(limit.measure)}]"] if limit.measure else []),
            *([f"if [{named(limit.enable)}]"] if limit.enable else []),
        ]  # fmt: skip
        return " ".join(parts)

    return [row(limit) for limit in site.limits]


TABLES = {
    VESSEL: """
pt:high 1 high 1242/50 15/15s yellow
pt:high 2 high 1350/135 2/15s orange
pt:high 3 high 1600/50 0/15s red latch
""",
    BOILER: """
lt:high 1 high 50/20 60/60s yellow
lt:high 2 high 75/20 2/60s orange
lt:low 1 low -50/20 60/60s yellow
lt:low 2 low -75/0 0/0s orange latch
lt:low 3 low -75/0 10/0s red latch if [not fv]
pt:high 1 high 1242/50 15/15s yellow
pt:high 2 high 1350/135 2/15s orange
pt:high 3 high 1600/50 0/15s red latch
ff:state 1 high 1/0 0/10s orange latch
lsll:state 1 high 1/0 0/0s orange latch
lsll:state 2 high 1/0 10/0s red latch if [not fv]
fw:low 1 low 1100/50 15/15s yellow
""",
    ESD: """
trip-1:state 1 high 1/0 0/10s red latch
by-1:state 1 high 1/0 0/10s yellow
by-1:state 2 high 1/0 28800/10s orange
by-2:state 1 high 1/0 0/10s yellow
by-2:state 2 high 1/0 7200/10s orange
huadong/tank-a:bypass-x-1 1 high 1/0 0/10s orange [count(by-1, by-2) > 1]
xv1-f:discrepancy 1 high 1/0 30/10s orange [xv1-c and not xv1-f or not xv1-c and xv1-f]
xv1-f:discrepancy 2 high 1/0 30/10s red [xv1-c and not xv1-f or not xv1-c and xv1-f] if [trip-1]
sh:state 1 high 1/0 0/10s orange
pt-a:deviation 1 high 125/31.25 30/30s yellow [abs(pt-a - pt-b)]
""",
    DETECTOR: """
ch4-1:gas 1 high 20/2 3/10s yellow
ch4-1:gas 2 high 50/2 1/30s orange latch votes
ch4-1:gas 1 high 1/0 0/10s yellow [ch4-1-al1 >= 1]
ch4-1:gas 2 high 1/0 0/30s orange latch votes [ch4-1-al2 >= 1]
ch4-1:discrepancy 1 high 1/0 10/10s orange [ch4-1-al1 < 1 and ch4-1 >= 20 or ch4-1-al2 < 1 and \
ch4-1 >= 50]
line:gas 1 high 1/0.1 3/10s yellow
line:gas 2 high 2/0.1 1/30s orange latch votes
""",
    PERMIT: """
h2s:gas 1 high 7/0.7 3/10s yellow
h2s:gas 2 high 14.1/0.7 1/30s orange latch
h2s:due 1 high 30/0 10/0s yellow [age h2s] if [open and not work]
h2s:due 2 high 60/0 10/0s yellow [age h2s] if [open and not work]
h2s:due 3 high 120/0 10/0s orange [age h2s] if [open and work]
lel:gas 1 high 11/2 3/10s yellow
lel:gas 2 high 25/2 1/30s orange latch
lel:due 1 high 30/0 10/0s yellow [age lel] if [open and not work]
lel:due 2 high 60/0 10/0s yellow [age lel] if [open and not work]
lel:due 3 high 120/0 10/0s orange [age lel] if [open and work]
o2:low 1 low 19.5/0.2 3/10s yellow
o2:low 2 low 18/0.2 1/30s orange latch
o2:high 2 high 23.5/0.2 1/30s orange latch
o2:high 1 high 21/0.1 3/10s yellow
o2:due 1 high 30/0 10/0s yellow [age o2] if [open and not work]
o2:due 2 high 60/0 10/0s yellow [age o2] if [open and not work]
o2:due 3 high 120/0 10/0s orange [age o2] if [open and work]
""",
}  # fmt: skip
