"""What a point says of itself: sensor, head, sentinels, silence; its set points in steps."""

from pathlib import Path

import pytest

from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.rules.quality import BAD_FAULT, READING, Reading
from parkwatch.rules.site import SECOND_NS, Limit, Point

HERE = Path(__file__).parent
PARK = (HERE / "rules_park.toml").read_text("utf-8")
ENV = {"WORK_URL": "json://127.0.0.1:9/", "KEY": "00" * 16}
PANEL = '[[device]]\nid = "panel-9"\nenterprise = "huadong"\ntemplate = "modbus-tcp-panel"\n'
PANEL += 'host = "192.0.2.50"\n'
GATEWAY = '[broker.main]\nhost = "127.0.0.1"\n[[device]]\nid = "card-9"\nenterprise = "huadong"\n'
GATEWAY += 'template = "mqtt-gateway"\nbroker = "main"\ngateway = "gw-9"\n'
BOILER = PANEL.replace("modbus-tcp-panel", "steam-boiler")
ESD = PANEL.replace("modbus-tcp-panel", "esd-readonly")
H2S = 'gas = "H2S", reg = 40001, type = "s16"'
CH4 = 'gas = "CH4", reg = 40001, type = "u16"'


def loaded(point: str, device: str = PANEL) -> Loaded:
    """The park with one more device of one point; the point is in line 1 of its file."""
    row = f'points = [{{ tag = "X-1", zone = "tank-a", {point} }}]\n'
    park = PARK.replace('name = "华东化工"', 'name = "华东化工"\nkey = "env:KEY"')
    return load_sources([Source("park.toml", park), Source("point.toml", device + row)], HERE, ENV)


def resolved(point: str, device: str = PANEL) -> tuple[Point, list[Limit]]:
    found = loaded(point, device)
    assert found.config is not None
    assert found.errors == ()
    site = resolve(found.config, HERE, ENV).site
    last = site.points[-1]
    return last, [limit for limit in site.limits if limit.point == last.index]


def codes(point: str, device: str = PANEL) -> list[str]:
    return [problem.code for problem in loaded(point, device).problems]


@pytest.mark.parametrize(
    ("point", "folds"),
    [
        (f'{CH4}, sensor = "catalytic"', True),
        (f'{CH4}, sensor = "ir"', False),
        (CH4, True),  # Nobody said: the safe side, and a warning.
        (f'{H2S}, sensor = "catalytic"', True),
        (H2S, False),
        ('kind = "pressure", reg = 40001', False),
    ],
)
def test_a_catalytic_sensor_folds(point: str, folds: bool) -> None:
    assert resolved(point)[0].folds is folds


@pytest.mark.parametrize(
    ("point", "device", "found"),
    [
        ('gas = "H2S", reg = 40001', PANEL, ["LINT-032"]),
        ('gas = "CH4", reg = 40001', PANEL, ["LINT-032", "LINT-033"]),
        ('gas = "H2S", reg = 40001, signal = "4-20mA"', PANEL, []),
        ('kind = "pressure", reg = 40001', PANEL, []),
        ('gas = "H2S"', GATEWAY, []),
        ('gas = "CH4"', GATEWAY, ["LINT-033"]),
        ('gas = "CH4", sensor = "ir"', GATEWAY, []),
        ('gas = "H2S", expect_every = "90s"', GATEWAY, ["LINT-035"]),
        ('kind = "state", reg = 10001', ESD + 'scan = "2m"\n', ["LINT-035"]),
        ('kind = "state", reg = 10001', BOILER + 'scan = "2m"\n', []),
        (f'{H2S}, expect_every = "5s"', PANEL, ["CFG-125"]),
        ('kind = "level", reg = 40001, sensor = "ir"', PANEL, ["CFG-125"]),
        (f'{H2S}, sensor = "laser"', PANEL, ["CFG-106"]),
        (f'{H2S}, head = "Kopf 1"', PANEL, ["CFG-106"]),
        (f'{H2S}, sentinel = {{ "6553.5" = "broken" }}', PANEL, ["CFG-106"]),
        (f'{H2S}, sentinel = {{ "x" = "fault" }}', PANEL, ["CFG-106"]),
        (f'{H2S}, sentinel = {{ "nan" = "fault" }}', PANEL, ["CFG-106"]),
        (f'{H2S}, sentinel = {{ "50" = "fault" }}', PANEL, ["CFG-139"]),
        (f'{H2S}, sentinel = {{ "0" = "fault", "-1" = "fault" }}', PANEL, ["CFG-139"]),
        (f'{H2S}, sentinel = {{ "99" = "fault", "99.0" = "over-range" }}', PANEL, ["CFG-139"]),
    ],
)
def test_what_is_found(point: str, device: str, found: list[str]) -> None:
    assert codes(point, device) == found


def test_a_mistake_in_a_sentinel_has_its_own_line() -> None:
    device = f'{PANEL}[[device.points]]\ntag = "X-1"\nzone = "tank-a"\n{H2S.replace(", ", chr(10))}'
    device += '\n[device.points.sentinel]\n"-1" = "fault"\n"7" = "fault"\n'
    (problem,) = load_sources([Source("a", PARK), Source("b", device)], HERE, ENV).problems
    assert (problem.code, problem.line) == (
        "CFG-139",
        device.splitlines().index('"7" = "fault"') + 1,
    )


def test_each_sentinel_means_what_it_says() -> None:
    meanings = {
        "-1": ("fault", Reading.UNKNOWN),
        "-2": ("warming-up", Reading.UNKNOWN),
        "-3": ("calibrating", Reading.UNKNOWN),
        "-4": ("under-range", Reading.LOW),
        "6553.5": ("over-range", Reading.HIGH),
    }
    table = ", ".join(f'"{value}" = "{name}"' for value, (name, _) in meanings.items())
    sentinels = resolved(f"{H2S}, sentinel = {{ {table} }}")[0].sentinels
    assert {value: READING[quality] for value, quality in sentinels} == {
        float(value): reading for value, (_, reading) in meanings.items()
    }
    assert dict(sentinels)[-1.0] == BAD_FAULT


def test_a_head_is_of_its_enterprise() -> None:
    assert resolved(f'{H2S}, head = "head-7"')[0].head == "huadong/head-7"
    assert resolved(H2S)[0].head == ""


@pytest.mark.parametrize(
    ("point", "device", "stale_s", "scan_s"),
    [
        (H2S, PANEL, 10, 1),
        (H2S, PANEL + 'scan = "5s"\n', 15, 5),
        (H2S, PANEL + 'scan = "30s"\n', 60, 30),
        ('kind = "state", reg = 10001', ESD + 'scan = "30s"\n', 60, 30),
        ('kind = "state", reg = 10001', BOILER + 'scan = "30s"\n', 90, 30),
        (H2S, BOILER + 'scan = "30s"\n', 60, 30),  # A gas detector wherever it is wired.
        ('gas = "H2S", expect_every = "2s"', GATEWAY, 10, 1),
        ('gas = "H2S", expect_every = "12s"', GATEWAY, 36, 1),
        ('gas = "H2S", expect_every = "10m"', GATEWAY, 60, 1),
    ],
)
def test_silence_is_bound(point: str, device: str, stale_s: int, scan_s: int) -> None:
    found = resolved(point, device)[0]
    assert (found.stale_ns, found.scan_ns) == (stale_s * SECOND_NS, scan_s * SECOND_NS)


@pytest.mark.parametrize(
    ("point", "limits"),
    [
        ('gas = "CL2", resolution = 0.1', [(0.3, 0.1), (0.6, 0.1)]),
        ('gas = "CL2", al1 = 0.33, al2 = 0.59, resolution = 0.1', [(0.3, 0.1), (0.5, 0.1)]),
        ('gas = "CH4", al1 = 19.9, al2 = 40, resolution = 5', [(15.0, 5.0), (40.0, 5.0)]),
        ('gas = "CH4", al1 = 10', [(10.0, 2.0), (50.0, 2.0)]),
        ('gas = "O2", al1 = 19.6, al2 = 18.1, resolution = 0.5',
         [(20.0, 0.5), (18.5, 0.5), (23.5, 0.5)]),
    ],
)  # fmt: skip
def test_set_points_are_rounded_to_the_safe_side_in_steps(
    point: str, limits: list[tuple[float, float]]
) -> None:
    own = resolved(f'{point}, reg = 40001, type = "u16"')[1]
    assert [(limit.limit, limit.deadband) for limit in own] == limits


@pytest.mark.parametrize(
    ("point", "code"),
    [
        ('gas = "VOC"', "CFG-134"),
        ('gas = "VOC", al1 = 20', "CFG-134"),
        ('gas = "CL2", resolution = 1', "CFG-134"),
        ('gas = "CL2", al1 = 0.2, al2 = 0.25, resolution = 0.1', "CFG-121"),
        ('gas = "CL2", al1 = 0.09, al2 = 0.3, resolution = 0.1', "CFG-122"),
        ('gas = "O2", resolution = 5', "CFG-121"),
    ],
)
def test_a_set_point_that_no_step_can_show_is_refused(point: str, code: str) -> None:
    assert codes(f'{point}, reg = 40001, type = "u16"') == [code]


def test_a_template_speaks_of_its_gas_points_only() -> None:
    template = '[template.own]\nextends = "modbus-tcp-panel"\n[template.own.defaults]\n'
    template += (
        'gas = "CH4"\ntype = "s16"\nsensor = "ir"\nal1 = 20\nsentinel = { "-9" = "fault" }\n'
    )
    device = PANEL.replace("modbus-tcp-panel", "own")
    for point in ("reg = 40001", 'kind = "level", reg = 40001, sentinel = {}'):
        assert codes(point, template + device) == []
    found, limits = resolved("reg = 40001", template + device)
    assert (found.gas, found.folds, found.sentinels) == ("CH4", False, ((-9.0, BAD_FAULT),))
    assert limits[0].limit == 20.0
