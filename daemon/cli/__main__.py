"""`python -m parkwatch.daemon.cli`: the command without its console script."""

from parkwatch.daemon.cli.main import main

raise SystemExit(main())
