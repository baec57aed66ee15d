"""The systemd notification socket: READY, WATCHDOG and STOPPING as datagrams (sd_notify(3))."""

from __future__ import annotations

import os
import socket
import time


class Notifier:
    """Tells systemd; does nothing where no NOTIFY_SOCKET is set.

    `beat` is called by the evaluation loop itself, so that a loop that hangs is seen.
    """

    def __init__(self, address: str | None = None) -> None:
        address = os.environ.get("NOTIFY_SOCKET", "") if address is None else address
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._socket = (
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
            if address
            else None
        )
        watchdog_us = int(os.environ.get("WATCHDOG_USEC", "0"))
        self._every_s = watchdog_us / 1e6 / 4
        self._last = 0.0

    def tell(self, state: str) -> None:
        """Send one state line; a full or vanished socket is systemd's matter, not ours."""
        if self._socket is None:
            return
        try:
            self._socket.sendto(state.encode(), self._address)
        except OSError:
            return  # systemd restarts its socket on re-exec; the next beat tells again.

    def beat(self) -> None:
        """WATCHDOG=1, at most four times a watchdog interval."""
        if self._every_s and time.monotonic() - self._last >= self._every_s:
            self._last = time.monotonic()
            self.tell("WATCHDOG=1")
