"""Devices that share a line: grouped as they are wired, refused where they could not be told apart,
warned where the line is too slow for its promise."""

from __future__ import annotations

from pathlib import Path

import pytest

from parkwatch.daemon.config.load import Loaded, load
from parkwatch.daemon.config.resolve import Resolved, resolve

HERE = Path(__file__).parent
PARK = (HERE / "rules_park.toml").read_text("utf-8")
ENV = {"WORK_URL": "json://127.0.0.1:9/", "KEY": "00" * 16}
RTU = 'transport = "rtu"\nserial = "/dev/ttyS0"'
TCP = 'host = "192.0.2.50"'


def loaded(folder: Path, *devices: str, points: int = 1) -> Loaded:
    """The park with these devices; each text holds the lines of one, `unit_id` where it matters."""
    text = PARK
    for n, device in enumerate(devices):
        rows = "".join(
            f'  {{ tag = "LT-{n}-{r}", zone = "tank-a", kind = "level", unit = "mm",'
            f" range = [0, 100], reg = {40001 + r} }},\n"
            for r in range(points)
        )
        text += (
            f'\n[[device]]\nid = "line-{n}"\nenterprise = "huadong"\n'
            f'template = "modbus-tcp-panel"\n{device}\npoints = [\n{rows}]\n'
        )
    path = folder / "park.toml"
    path.write_text(text, encoding="utf-8")
    return load(path, ENV)


def told(found: Loaded) -> list[tuple[str, str]]:
    """Code and the words of the line that it stands at, of what is told of these devices."""
    lines = found.path.read_text("utf-8").splitlines()
    begin = next(n for n, line in enumerate(lines) if line == 'id = "line-0"')
    return [(p.code, lines[p.line - 1]) for p in found.problems if p.line >= begin]


def resolved(found: Loaded) -> Resolved:
    assert found.errors == ()
    assert found.config is not None
    return resolve(found.config, HERE, ENV)


@pytest.mark.parametrize(
    ("devices", "code", "line"),
    [
        ((f"{RTU}\nunit_id = 1", f"{RTU}\nunit_id = 1"), "CFG-147", "unit_id = 1"),
        ((f"{TCP}\nunit_id = 7", f"{TCP}\nunit_id = 7"), "CFG-147", "unit_id = 7"),
        ((f"{RTU}\nunit_id = 1", f"{RTU}\nunit_id = 2\nbaud = 19200"), "CFG-148", "baud = 19200"),
        ((f"{RTU}\nunit_id = 1", f'{RTU}\nunit_id = 2\nparity = "E"'), "CFG-148", 'parity = "E"'),
        ((f"{TCP}\nunit_id = 1", f'{TCP}\nunit_id = 2\ntransport = "rtu-tcp"'), "CFG-148",
         'transport = "rtu-tcp"'),
        ((f"{RTU}\nunit_id = 0",), "CFG-149", "unit_id = 0"),
        ((f"{RTU}\nunit_id = 248",), "CFG-149", "unit_id = 248"),
        ((f"{RTU}\nmax_connections = 2",), "CFG-126", "max_connections = 2"),
        (('transport = "rtu"',), "CFG-105", "[[device]]"),
        (('transport = "rtu-tcp"',), "CFG-105", "[[device]]"),
        ((f"{RTU}\n{TCP}",), "CFG-125", TCP),
        ((f'{TCP}\nserial = "/dev/ttyS0"',), "CFG-125", 'serial = "/dev/ttyS0"'),
        ((f"{TCP}\nbaud = 9600",), "CFG-125", "baud = 9600"),
        ((f"{RTU}\nbaud = 12345",), "CFG-106", "baud = 12345"),
    ],
)  # fmt: skip
def test_a_line_that_cannot_work_is_refused_where_it_is_written(
    devices: tuple[str, ...], code: str, line: str, tmp_path: Path
) -> None:
    assert told(loaded(tmp_path, *devices)) == [(code, line)]


def test_devices_are_grouped_as_they_are_wired(tmp_path: Path) -> None:
    found = loaded(
        tmp_path,
        f'{RTU}\nunit_id = 1\nbaud = 19200\nparity = "E"\ntimeout = "300ms"\nscan = "2s"',
        f'{RTU}\nunit_id = 2\nbaud = 19200\nparity = "E"\ntimeout = "500ms"\npause = "20ms"',
        f"{TCP}\nunit_id = 1",
        f"{TCP}\nunit_id = 2",
        f"{TCP}\nunit_id = 3\nport = 503\nmax_connections = 4",
        f"{TCP}\nunit_id = 4\nport = 503\nmax_connections = 2",
        f'{TCP}\nunit_id = 1\nport = 504\ntransport = "rtu-tcp"',
    )
    buses = {bus.id: bus for bus in resolved(found).buses if "192.0.2.50" in bus.id or bus.serial}
    serial = buses["rtu:/dev/ttyS0"]
    assert (serial.baud, serial.parity, serial.timeout_s, serial.pause_s) == (19200, "E", 0.5, 0.02)
    assert [(unit.unit_id, unit.scan_ns / 1e9) for unit in serial.units] == [(1, 2.0), (2, 1.0)]
    assert {name: (len(bus.units), bus.connections) for name, bus in buses.items()} == {
        "rtu:/dev/ttyS0": (2, 1),
        "tcp:192.0.2.50:502": (2, 1),
        "tcp:192.0.2.50:503": (2, 2),
        "rtu-tcp:192.0.2.50:504": (1, 1),
    }


def test_a_round_over_three_seconds_is_warned_of(tmp_path: Path) -> None:
    """31 units of 20 registers at 9600 baud, 50 ms each: 3.5 s; 25 of them are in time."""
    for units, warned in ((31, True), (25, False)):
        found = loaded(tmp_path, *(f"{RTU}\nunit_id = {n}" for n in range(1, units + 1)), points=20)
        assert found.errors == ()
        rounds = [problem for problem in found.problems if problem.code == "LINT-016"]
        assert bool(rounds) == warned
        assert all("3.5 s" in problem.message for problem in rounds)
