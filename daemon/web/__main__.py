"""`python -m parkwatch.daemon.web DATA PID`: the daemon's child that serves the console."""

from __future__ import annotations

import sys

from parkwatch.daemon.web.server import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
