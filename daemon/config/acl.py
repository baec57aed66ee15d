"""Who may read and write what at the broker, from the configuration: mosquitto's `acl_file`."""

from __future__ import annotations

from collections.abc import Sequence

from parkwatch.daemon.config.model import Config
from parkwatch.daemon.config.template import effective

_HEAD = """\
# Made by `parkwatch config acl`; what is not named here is refused.
"""


def gateways(config: Config, broker: str) -> Sequence[str]:
    """The users `ENTERPRISE/GATEWAY` of a broker, in the order of the file."""
    devices = [d for d in effective(config) if d.broker == broker and d.gateway is not None]
    return list(dict.fromkeys(f"{d.enterprise}/{d.gateway}" for d in devices))


def acl(config: Config, broker: str) -> str:
    """The daemon reads its gateways' topics and writes nothing; a gateway writes below its own name
    and reads nothing, its own topics included."""
    names = gateways(config, broker)
    daemon = [f"\nuser {config.broker[broker].user}\n"]
    daemon += [f"topic read park/{name}/#\n" for name in names]
    return "".join(
        [_HEAD, *daemon, *(f"\nuser {name}\ntopic write park/{name}/#\n" for name in names)]
    )
