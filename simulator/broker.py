"""The demo's MQTT broker: amqtt (MQTT 3.1.1) in this process, one user for gateway and daemon.

For the demo and tests only; a real site runs mosquitto or EMQX with the shipped rules.
"""

from __future__ import annotations

import hmac
import logging
from dataclasses import dataclass

from amqtt.broker import Broker, BrokerContext
from amqtt.contexts import BrokerConfig, ListenerConfig
from amqtt.plugins.base import BaseAuthPlugin
from amqtt.session import Session

HOST = "127.0.0.1"


class OneUser(BaseAuthPlugin):  # type: ignore[misc]  # amqtt has no types
    """Lets in who knows the one name and password; nobody where the password is empty."""

    @dataclass
    class Config:
        user: str = ""
        password: str = ""

    def __init__(self, context: BrokerContext) -> None:
        super().__init__(context)
        self._expected = (self.config.user.encode(), self.config.password.encode())

    async def authenticate(self, *, session: Session) -> bool:
        """Compare in constant time; sessions are named, so that amqtt keeps them for QoS 1."""
        user, password = (session.username or "").encode(), (session.password or "").encode()
        known = hmac.compare_digest(user, self._expected[0])
        return hmac.compare_digest(password, self._expected[1]) and known and bool(password)


class DemoBroker:
    """An embedded broker on 127.0.0.1."""

    def __init__(self, user: str, password: str) -> None:
        self._user = user
        self._password = password
        self._broker: Broker | None = None

    async def start(self, port: int) -> int:
        """Listen (port 0: the system chooses) and return the port."""
        # amqtt tells of every packet at info level: too much for a demo's terminal.
        for name in ("amqtt", "transitions"):
            logging.getLogger(name).setLevel(logging.ERROR)
        who = {"user": self._user, "password": self._password}
        self._broker = Broker(
            BrokerConfig(
                listeners={"default": ListenerConfig(bind=f"{HOST}:{port}")},
                plugins={"parkwatch.simulator.broker.OneUser": who},
            )
        )
        await self._broker.start()
        # amqtt names no public way to the port that the system chose.
        listener = self._broker._servers["default"].instance  # noqa: SLF001
        return int(listener.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End every session and stop listening."""
        if self._broker is not None:
            await self._broker.shutdown()
