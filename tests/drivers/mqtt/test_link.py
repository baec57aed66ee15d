"""MQTT on a real broker, whichever client carries it: nothing is acknowledged early, nothing
unacknowledged is lost, nothing is believed that is old."""

import math
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from brokerproxy import before
from listening import Listener, engine_now
from mqtting import GATEWAY, LINKS, READINGS, config, payload, publisher, source, status, values

from parkwatch.drivers.mqtt import fastlink, paholink
from parkwatch.drivers.mqtt.source import OVER_NS
from parkwatch.rules.batch import BURST, LATE
from parkwatch.rules.quality import BAD_COMMS, BAD_FAULT

pytestmark = pytest.mark.mosquitto
WaitAsync = Callable[..., Awaitable[None]]
Way = dict[str, str]


@pytest.fixture(params=LINKS.values(), ids=LINKS.keys())
def way(request: pytest.FixtureRequest) -> Way:
    """A client and a version of MQTT."""
    return dict(request.param)


async def up(sink: Listener, wait_until_async: WaitAsync, times: int = 1) -> None:
    await wait_until_async(lambda: sink.kinds.count("broker_up") == times, "connected", 20)


async def test_what_was_not_acknowledged_comes_again_in_its_order(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    deaf = Listener(acknowledging=False)
    with publisher(mosquitto) as gateway:
        async with source(config(mosquitto, **way), deaf):
            await up(deaf, wait_until_async)
            for seq in range(5):
                gateway.publish(READINGS, payload(seq), qos=1)
            await wait_until_async(lambda: len(values(deaf)) == 5, "the first are delivered")
            for batch in deaf.batches:
                batch.ack()
            for seq in range(5, 15):
                gateway.publish(READINGS, payload(seq), qos=1)
            await wait_until_async(lambda: len(values(deaf)) == 15, "all delivered")
        keen = Listener()
        async with source(config(mosquitto, **way), keen):
            await wait_until_async(lambda: len(values(keen)) >= 10, "the others come again")
            gateway.publish(READINGS, payload(99), qos=1)
            await wait_until_async(lambda: 99.0 in values(keen), "and go on")
    assert values(keen) == [*range(5, 15), 99]  # the acknowledged ones do not come again
    assert keen.batches[0].origin == BURST


async def test_a_batch_that_is_safe_first_does_not_acknowledge_the_one_before_it(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener(acknowledging=False)
    with publisher(mosquitto) as gateway:
        async with source(config(mosquitto, **way), sink):
            await up(sink, wait_until_async)
            for seq in range(3):
                gateway.publish(READINGS, payload(seq), qos=1)
                await wait_until_async(lambda n=seq: len(sink.batches) == n + 1, "one by one")
            sink.batches[1].ack()
            sink.batches[2].ack()
        again = Listener()
        async with source(config(mosquitto, **way), again):
            await wait_until_async(lambda: len(values(again)) == 3, "all three come again")


async def test_a_cut_connection_loses_nothing_and_doubles_nothing(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener()
    async with before(mosquitto.host, mosquitto.port) as proxy:
        made = config(mosquitto, port=proxy.port, **way)
        async with source(made, sink):
            await up(sink, wait_until_async)
            with publisher(mosquitto) as gateway:
                for seq in range(300):
                    gateway.publish(READINGS, payload(seq), qos=1)
                    if seq in (100, 200):
                        await wait_until_async(lambda: len(values(sink)) > 20, "some came")
                        proxy.cut()
                await wait_until_async(lambda: len(set(values(sink))) == 300, "all came", 20)
    assert values(sink) == list(range(300))
    assert "link_down" in sink.kinds


async def test_a_broker_that_falls_silent_is_left_and_found_again(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (fastlink, paholink):
        monkeypatch.setattr(module, "KEEPALIVE_S", 1)
    sink = Listener()
    async with (
        before(mosquitto.host, mosquitto.port) as proxy,
        source(config(mosquitto, port=proxy.port, **way), sink),
    ):
        await up(sink, wait_until_async)
        proxy.silent = True
        await wait_until_async(lambda: "broker_down" in sink.kinds, "half open is noticed")
        proxy.silent = False
        await up(sink, wait_until_async, 2)
        with publisher(mosquitto) as gateway:
            gateway.publish(READINGS, payload(1), qos=1)
            await wait_until_async(lambda: values(sink) == [1.0], "it goes on")


@pytest.mark.parametrize(
    "rubbish", [b"GET / HTTP/1.1\r\n\r\n", b"\x30\xff\xff\xff\xff\xff", b"\x36\0"]
)
async def test_rubbish_from_the_broker_ends_the_connection_only(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way, rubbish: bytes
) -> None:
    sink = Listener()
    async with (
        before(mosquitto.host, mosquitto.port) as proxy,
        source(config(mosquitto, port=proxy.port, **way), sink),
    ):
        await up(sink, wait_until_async)
        proxy.slip_in(rubbish)
        # What makes no packet yet is one with the bytes that follow.
        with publisher(mosquitto) as gateway:
            gateway.publish(READINGS, payload(1), qos=1)
            await wait_until_async(lambda: "broker_down" in sink.kinds, "it is left", 20)
            await wait_until_async(lambda: values(sink) == [1.0], "nothing is lost", 20)


async def test_bad_payloads_are_named_and_the_rest_goes_on(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener()
    async with source(config(mosquitto, **way), sink) as made:
        await up(sink, wait_until_async)
        with publisher(mosquitto) as gateway:
            bomb = b'{"v":' + b"[" * 200_000 + b"]" * 200_000 + b"}"
            for bad in (b"hello", bomb, payload(1, val=[1, 2]), b"\xff\xfe{}"):
                gateway.publish(READINGS, bad, qos=1)
            gateway.publish("park/huadong/gw-1/secret", b"1", qos=1)
            gateway.publish(READINGS, payload(2, id=["p/b"]), qos=1)
            gateway.publish("park/huadong/gw-1/r/p/b", b"1", qos=1)
            gateway.publish("park/huadong/gw-1/r/p/a", b'"7"', qos=1)
            gateway.publish(READINGS, payload(3, 3.5), qos=1)
            gateway.publish("park/huadong/gw-1/r/p/a", b"4.5", qos=1)
            await wait_until_async(lambda: 4.5 in values(sink), "the good ones")
        assert [(v, q) for _, v, q in sink.rows() if not math.isnan(v)] == [(3.5, 0), (4.5, 0)]
        assert [q for _, _, q in sink.rows()] == [BAD_FAULT, 0, 0]  # text is no number
        assert (made.refused, made.foreign) == (5, 2)
        assert {"refused", "foreign", "link_up"} <= set(sink.kinds)


async def test_retained_is_history_and_a_last_will_is_a_lost_link(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    topic = "park/huadong/gw-1/status"
    with publisher(mosquitto) as first:
        first.publish(topic, status("online"), qos=1, retain=True)
        first.publish(READINGS, payload(1), qos=1, retain=True).wait_for_publish(5)
    sink = Listener()
    async with source(config(mosquitto, **way), sink):
        await up(sink, wait_until_async)
        await wait_until_async(lambda: len(sink.batches) == 1, "what was retained")
        assert sink.batches[0].origin == LATE
        assert "link_up" not in sink.kinds  # an old birth proves nothing
        with publisher(mosquitto, topic=topic, payload=status("offline"), qos=1) as gateway:
            # Published with the retain flag, but it arrives live: it is news.
            gateway.publish(topic, status("online"), qos=1, retain=True)
            await wait_until_async(lambda: "link_up" in sink.kinds, "a birth that arrives live")
            gateway.publish(READINGS, payload(2), qos=1, retain=True)
            await wait_until_async(lambda: len(sink.batches) == 2, "a live value")
            assert sink.batches[1].origin != LATE
            gateway.socket().close()
            await wait_until_async(lambda: "link_down" in sink.kinds, "its last will")
            await wait_until_async(lambda: sink.batches[-1].quality[0] == BAD_COMMS, "bad quality")


async def test_a_broker_that_goes_away_and_comes_back(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener()
    async with source(config(mosquitto, **way), sink):
        await up(sink, wait_until_async)
        mosquitto.stop()
        await wait_until_async(lambda: "broker_down" in sink.kinds, "seen gone")
        mosquitto.start()
        await up(sink, wait_until_async, 2)
        assert "link_down" in sink.kinds


async def test_a_full_pipeline_stops_the_broker_and_loses_nothing(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener()
    async with (
        before(mosquitto.host, mosquitto.port) as proxy,
        source(config(mosquitto, port=proxy.port, **way), sink) as made,
    ):
        await up(sink, wait_until_async)
        sink.door.clear()
        with publisher(mosquitto) as gateway:
            sent = [gateway.publish(READINGS, payload(seq), qos=1) for seq in range(3_000)]
            await wait_until_async(sent[-1].is_published, "the broker has them all", 20)
            await wait_until_async(lambda: made.waiting > 0, "the way here fills")
            assert made.waiting <= 1_000
            assert sink.batches == []
        sink.door.set()
        await wait_until_async(lambda: len(values(sink)) == 3_000, "all came", 30)
    assert values(sink) == list(range(3_000))


async def test_what_a_stranger_sent_is_over_when_it_has_not_come_again(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink, later = Listener(), [0]
    async with source(config(mosquitto, **way), sink, lambda: engine_now() + later[0]):
        await up(sink, wait_until_async)
        with publisher(mosquitto) as gateway:
            gateway.publish(READINGS, b"hello", qos=1)
            await wait_until_async(lambda: "refused" in sink.kinds, "told")
        assert "refused_over" not in sink.kinds
        later[0] = OVER_NS + 1_000_000_000
        await wait_until_async(lambda: "refused_over" in sink.kinds, "over")


async def test_who_is_not_let_in_is_told_why(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    sink = Listener()
    async with source(config(mosquitto, password="wrong", **way), sink):
        await wait_until_async(lambda: "broker_down" in sink.kinds, "told")
    why = sink.told("broker_down")[0].text.lower()
    assert "not authorized" in why or "not authorised" in why or "bad user name" in why


async def test_two_of_a_group_share_the_readings_and_both_hear_the_last_will(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    with publisher(mosquitto) as gateway:
        one, two = Listener(), Listener()
        first = config(mosquitto, share="park", client_id="one", **way)
        second = config(mosquitto, share="park", client_id="two", **way)
        async with source(first, one), source(second, two):
            await up(one, wait_until_async)
            await up(two, wait_until_async)
            for n in range(200):
                gateway.publish("park/huadong/gw-1/r/p/a", b"%d" % n, qos=1)
            await wait_until_async(lambda: len(values(one) + values(two)) >= 200, "all came")
            gateway.publish("park/huadong/gw-1/status", status("offline"), qos=1)
            for each in (one, two):
                await wait_until_async(lambda e=each: "link_down" in e.kinds, "the last will")
    assert sorted(values(one) + values(two)) == list(range(200))
    assert values(one)
    assert values(two)


async def test_enterprises_have_connections_of_their_own_and_the_broker_is_down_while_any_is(
    mosquitto: Any, wait_until_async: WaitAsync, way: Way
) -> None:
    other = type(GATEWAY)("binhai/gw-1", "binhai", "gw-1", {"p/a": 1})
    sink = Listener()
    async with before(mosquitto.host, mosquitto.port) as proxy:
        made = config(mosquitto, port=proxy.port, gateways=(GATEWAY, other), **way)
        async with source(made, sink):
            await up(sink, wait_until_async)
            assert b"daemon.huadong" in proxy.heard
            assert b"daemon.binhai" in proxy.heard
            proxy.cut()
            await wait_until_async(lambda: len(sink.told("broker_down")) == 2, "both are told")
            await up(sink, wait_until_async, 2)
    async with before(mosquitto.host, mosquitto.port) as proxy:
        made = config(mosquitto, port=proxy.port, gateways=(GATEWAY, other), per_enterprise=False)
        sink = Listener()
        async with source(made, sink):
            await up(sink, wait_until_async)
            assert len(proxy.versions) == 1
            assert b"daemon." not in proxy.heard
