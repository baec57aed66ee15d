"""`python -m parkwatch.simulator`."""

import sys

from parkwatch.simulator.cli import main

sys.exit(main())
