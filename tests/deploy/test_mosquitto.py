"""The shipped broker files: nobody anonymous, nobody in another tenant's topics, nothing lost."""

from collections.abc import Callable
from typing import Any

import pytest
from brokerclient import client

pytestmark = pytest.mark.mosquitto

Wait = Callable[..., None]


def test_without_a_name_or_with_a_wrong_password_nobody_comes_in(mosquitto: Any) -> None:
    with client(mosquitto, None, client_id="nobody") as nobody:
        assert nobody.refused
    with client(mosquitto, "stranger") as stranger:
        assert stranger.refused


def test_a_tenant_writes_below_its_own_name_only(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        for topic in ("park/binhai/gw-1/readings", "park/readings", "other/huadong", "$SYS/x"):
            tenant.publish(topic, b"foreign")
        tenant.publish("park/huadong/gw-1/readings", b"own")
        wait_until(lambda: daemon.messages, "the tenant's own message arrives")
        assert daemon.messages == [("park/huadong/gw-1/readings", b"own")]


def test_a_gateway_writes_below_its_own_gateway_only(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong/gw-1") as gateway:
        daemon.subscribe("park/#")
        gateway.publish("park/huadong/gw-2/readings", b"foreign")
        gateway.publish("park/huadong/gw-1/readings", b"own")
        wait_until(lambda: daemon.messages, "the gateway's own message arrives")
        assert daemon.messages == [("park/huadong/gw-1/readings", b"own")]


@pytest.mark.parametrize("topic", ["park/binhai/#", "#", "park/+/gw-1/readings", "$SYS/#"])
def test_a_tenant_reads_nothing(mosquitto: Any, wait_until: Wait, topic: str) -> None:
    with (
        client(mosquitto, "parkwatch") as daemon,
        client(mosquitto, "huadong") as spy,
        client(mosquitto, "binhai") as other,
    ):
        daemon.subscribe("park/#")
        spy.subscribe(topic)
        other.publish("park/binhai/gw-1/readings", b"secret")
        wait_until(lambda: daemon.messages, "the message went through the broker")
        # Acknowledged after the other one was handed out: what the spy should get, it has by now.
        spy.publish("park/huadong/gw-1/readings", b"mine")
        assert spy.messages == []


def test_the_daemon_writes_nothing(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        daemon.publish("park/huadong/gw-1/readings", b"never")
        tenant.publish("park/huadong/gw-1/readings", b"last")
        wait_until(lambda: daemon.messages, "the tenant's message arrives")
        assert [payload for _, payload in daemon.messages] == [b"last"]


def test_no_tenant_can_take_over_another_ones_session(mosquitto: Any, wait_until: Wait) -> None:
    with (
        client(mosquitto, "huadong", client_id="gateway-1", tls=True) as victim,
        client(mosquitto, "binhai", client_id="gateway-1", tls=True) as thief,
        client(mosquitto, "parkwatch") as daemon,
    ):
        daemon.subscribe("park/#")
        assert not thief.refused
        assert victim.gone == 0
        victim.publish("park/huadong/gw-1/readings", b"still here")
        wait_until(lambda: daemon.messages, "the victim still publishes")
        assert victim.gone == 0


def test_what_is_too_big_is_not_handed_on(mosquitto: Any, wait_until: Wait) -> None:
    with client(mosquitto, "parkwatch") as daemon, client(mosquitto, "huadong") as tenant:
        daemon.subscribe("park/#")
        tenant.publish("park/huadong/gw-1/readings", bytes(1_048_577))
        tenant.publish("park/huadong/gw-1/readings", bytes(1_048_576))
        wait_until(lambda: daemon.messages, "the message of the greatest size arrives")
        assert [len(payload) for _, payload in daemon.messages] == [1_048_576]


def test_gateways_come_in_over_tls(mosquitto: Any, wait_until: Wait) -> None:
    with (
        client(mosquitto, "parkwatch") as daemon,
        client(mosquitto, "huadong/gw-1", tls=True) as gateway,
    ):
        daemon.subscribe("park/#")
        gateway.publish("park/huadong/gw-1/readings", b"over TLS")
        wait_until(lambda: daemon.messages, "the message arrives")


def test_what_comes_while_the_daemon_is_away_is_kept_over_a_restart(
    mosquitto: Any, wait_until: Wait
) -> None:
    count = 3000  # three times what an unconfigured broker keeps
    with client(mosquitto, "parkwatch", client_id="pw", clean_session=False) as daemon:
        daemon.subscribe("park/#")
    with client(mosquitto, "huadong") as tenant:
        sent = [
            tenant.client.publish("park/huadong/gw-1/readings", b"%d" % n, qos=1)
            for n in range(count)
        ]
        for one in sent:
            one.wait_for_publish(20)
    mosquitto.stop()
    mosquitto.start()
    with client(mosquitto, "parkwatch", client_id="pw", clean_session=False) as daemon:
        wait_until(lambda: len(daemon.messages) >= count, "all kept messages arrive", 20)
        assert [payload for _, payload in daemon.messages] == [b"%d" % n for n in range(count)]
