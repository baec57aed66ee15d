"""What a configuration says of brokers, and of payloads that are not ours: it reaches the driver
as written, or it is refused at its line."""

import json
import subprocess
from pathlib import Path

import pytest

from parkwatch.daemon.config.load import Loaded, load_sources
from parkwatch.daemon.config.resolve import resolve
from parkwatch.daemon.config.sources import Source
from parkwatch.drivers.config import Broker
from parkwatch.drivers.mqtt import mapped

PARK = (Path(__file__).parent / "rules_park.toml").read_text("utf-8")
ENV = {"WORK_URL": "json://127.0.0.1:9/", "KEY": "00" * 16}
BROKER = '[broker.main]\nhost = "127.0.0.1"\n'
GATEWAY = '[[device]]\nid = "card-9"\nenterprise = "huadong"\ntemplate = "mqtt-gateway"\n'
GATEWAY += 'broker = "main"\ngateway = "gw-9"\n'
ROW = '{{ tag = "{tag}", zone = "tank-a", gas = "H2S", {more} }}'


def loaded(folder: Path, broker: str = "", *points: str, park: str = PARK) -> Loaded:
    """The park with one more broker (its keys begin in line 3) and a gateway of these points."""
    rows = ",\n".join(ROW.format(tag=f"X-{n}", more=more) for n, more in enumerate(points, 1))
    text = f"{BROKER}{broker}\n{GATEWAY}points = [\n{rows}\n]\n"
    return load_sources(
        [Source("park.toml", park), Source("mqtt.toml", text)], folder / "park.toml", ENV
    )


def resolved(folder: Path, broker: str = "", *points: str) -> Broker:
    found = loaded(folder, broker, *points)
    assert found.errors == ()
    assert found.config is not None
    (made,) = resolve(found.config, folder, ENV).brokers
    return made


def errors(found: Loaded) -> list[tuple[str, int]]:
    return [(problem.code, problem.line) for problem in found.errors]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a certificate and its key, and the key of another."""
    folder = tmp_path_factory.mktemp("pem")
    for name in ("our", "other"):
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-nodes", "-subj", "/CN=x"]
        command += ["-pkeyopt", "ec_paramgen_curve:prime256v1", "-keyout", f"{name}.key"]
        subprocess.run(
            [*command, "-out", f"{name}.crt"], cwd=folder, check=True, capture_output=True
        )
    (folder / "text.crt").write_text("no certificate\n")
    return folder


def test_every_key_of_a_broker_reaches_the_driver(pem: Path) -> None:
    made = resolved(
        pem,
        'tls = true\nca = "our.crt"\ncert = "our.crt"\nkey = "our.key"\nversion = "3.1.1"\n'
        'client = "paho"\nshare = "park"\nconnections = "one"\n',
        'id = "a"',
    )
    assert (made.tls, made.ca_file, made.cert_file, made.key_file) == (
        True, str(pem / "our.crt"), str(pem / "our.crt"), str(pem / "our.key")
    )  # fmt: skip
    assert (made.version, made.client, made.share) == ("3.1.1", "paho", "park")
    assert not made.per_enterprise
    plain = resolved(pem, "", 'id = "a"')
    assert (plain.version, plain.client, plain.share, plain.per_enterprise) == (
        "auto", "fast", "", True
    )  # fmt: skip


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ('ca = "our.crt"', [("CFG-230", 3)]),
        ('tls = true\nca = "nowhere.crt"', [("CFG-231", 4)]),
        ('tls = true\nca = "text.crt"', [("CFG-231", 4)]),
        ('tls = true\ncert = "our.crt"\nkey = "other.key"', [("CFG-231", 4)]),
        ('tls = true\ncert = "our.crt"', [("CFG-105", 4)]),
        ('tls = true\nkey = "our.key"', [("CFG-105", 4)]),
        ('version = "4"', [("CFG-106", 3)]),
        ('share = "a/b"', [("CFG-106", 3)]),
        ('versoin = "5"', [("CFG-103", 3)]),
    ],
)
def test_what_cannot_connect_is_named_at_its_line(
    pem: Path, keys: str, found: list[tuple[str, int]]
) -> None:
    assert errors(loaded(pem, keys + "\n", 'id = "a"')) == found


def test_a_foreign_payload_is_read_by_the_paths_of_the_configuration(tmp_path: Path) -> None:
    (gateway,) = resolved(
        tmp_path,
        "",
        'topic = "up/telemetry", path = "gas.0.v", time_path = "ts", scale = 0.1',
        'topic = "up/telemetry", path = "gas.1.v", scale = 2, offset = -1',
        'topic = "co"',
        'id = "ours"',
    ).gateways
    first, second, third, ours = gateway.points.values()
    body = json.dumps({"ts": 1_764_050_580_123, "gas": [{"v": 246}, {"v": 3}]}).encode()
    read = [m for m in gateway.mapping if m.topic == "up/telemetry"]
    assert [m.point for m in read] == [first, second]
    found = mapped.decode(read, body, 7)
    assert found.values.tolist() == pytest.approx([24.6, 5.0])
    assert found.times.tolist() == [1_764_050_580_123_000_000, 7]
    (whole,) = [m for m in gateway.mapping if m.topic == "co"]
    assert whole.point == third
    assert mapped.decode([whole], b"12.5", 7).values.tolist() == [12.5]
    assert ours not in [m.point for m in gateway.mapping]


@pytest.mark.parametrize(
    ("point", "code"),
    [
        ('path = "a"', "CFG-105"),
        ('time_path = "a"', "CFG-105"),
        ('topic = "up/+/x", path = "a"', "CFG-232"),
        ('topic = "up/#", path = "a"', "CFG-232"),
        ('topic = "/up", path = "a"', "CFG-232"),
        ('topic = "readings", path = "a"', "CFG-232"),
        ('topic = "r/panel/x", path = "a"', "CFG-232"),
        ('topic = "up", path = "x.1"', "CFG-118"),
    ],
)
def test_a_path_that_cannot_be_read_is_named_at_its_line(
    tmp_path: Path, point: str, code: str
) -> None:
    found = loaded(tmp_path, "", 'topic = "up", path = "x.1"', point)
    assert errors(found) == [(code, 12)]


def test_what_a_key_would_refuse_is_a_warning(tmp_path: Path) -> None:
    keyed = PARK.replace('name = "华东化工"', 'name = "华东化工"\nkey = "env:KEY"')
    found = loaded(tmp_path, "", 'topic = "up", path = "v"', park=keyed)
    assert [p.code for p in found.problems if p.file == "mqtt.toml"] == ["LINT-060"]
