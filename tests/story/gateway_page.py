"""What `docs/how-to/mqtt-gateway.md` shows of a gateway's configuration; `make record`
writes it anew.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from recording import Terminal, written

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "mqtt-gateway.md"


def record(folder: Path) -> dict[str, str]:
    """The text of each block of the page."""
    outside, terminal = Terminal(folder, {}), Terminal(folder / "gw", {})
    return {
        "init": outside.run("parkwatch init gw --template mqtt-gateway"),
        "acl": terminal.run("parkwatch config acl"),
        "users": terminal.run("parkwatch config acl --users"),
        "check": terminal.run("parkwatch check"),
    }


def main() -> None:
    """Record the page anew."""
    with tempfile.TemporaryDirectory() as folder:
        blocks = record(Path(folder))
    PAGE.write_text(written(PAGE.read_text("utf-8"), blocks), "utf-8")


if __name__ == "__main__":
    main()
