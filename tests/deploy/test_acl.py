"""`parkwatch config acl`, on a real broker: a gateway writes below its own name, whatever it tries;
who is not in the configuration can do nothing at all."""

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from brokerclient import client
from listening import Listener
from mqtting import READINGS, config, payload, source, values

from parkwatch.daemon.cli.main import main

pytestmark = pytest.mark.mosquitto
ROOT = Path(__file__).resolve().parent.parent.parent
EXAMPLE = (ROOT / "deploy/parkwatch.example.toml").read_text("utf-8")
SECOND = """
[[device]]
id = "card-2"
enterprise = "huadong"
template = "mqtt-gateway"
broker = "main"
gateway = "gw-2"
points = [{ tag = "CO-0302", zone = "tank-a", gas = "CO", range = [0, 500], resolution = 1 }]
"""


@pytest.fixture
def park(tmp_path: Path) -> Path:
    """Two gateways of one enterprise, none of the other."""
    path = tmp_path / "park.toml"
    path.write_text(EXAMPLE + SECOND, "utf-8")
    return path


@pytest.fixture
def guarded(mosquitto: Any, park: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """The shipped broker on the made list."""
    assert main(["config", "acl", "-c", str(park)]) == 0
    mosquitto.stop()
    (mosquitto.folder / "acl").write_text(capsys.readouterr().out, "utf-8")
    mosquitto.start()
    return mosquitto


def test_it_names_every_user_that_the_broker_needs(
    park: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["config", "acl", "--users", "-c", str(park)]) == 0
    assert capsys.readouterr().out.split() == ["parkwatch", "huadong/gw-1", "huadong/gw-2"]
    assert main(["config", "acl", "--json", "-c", str(park)]) == 0
    made = json.loads(capsys.readouterr().out)["data"]
    assert made["users"] == ["parkwatch", "huadong/gw-1", "huadong/gw-2"]
    assert "user huadong/gw-2\ntopic write park/huadong/gw-2/#\n" in made["acl"]


def test_a_list_is_not_made_of_what_is_wrong(
    park: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    park.write_text(park.read_text("utf-8").replace('gateway = "gw-2"\n', ""), "utf-8")
    assert main(["config", "acl", "-c", str(park)]) == 3
    found = capsys.readouterr()
    assert found.out == ""
    assert "gateway" in found.err


async def test_gateways_write_below_their_own_names_and_read_nothing(
    guarded: Any, wait_until_async: Callable[..., Awaitable[None]]
) -> None:
    sink = Listener()
    with (
        client(guarded, "huadong/gw-1", client_id="gw", tls=True) as own,
        client(guarded, "huadong/gw-2", client_id="gw", tls=True) as other,
        client(guarded, "binhai", tls=True) as left_out,
    ):
        for topic in ("park/#", "park/huadong/gw-1/#", "park/huadong/gw-2/status"):
            other.subscribe(topic)
        async with source(config(guarded), sink):
            await wait_until_async(lambda: "broker_up" in sink.kinds, "connected")
            for stranger in (other, left_out):
                stranger.publish(READINGS, payload(1, 49.9))
            left_out.publish("park/binhai/gw-1/readings", payload(1, 49.9))
            own.publish(READINGS, payload(2, 2.5))
            await wait_until_async(lambda: values(sink) == [2.5], "the gateway's own only")
        assert own.gone == 0  # nobody took its client id
        assert other.messages == []
