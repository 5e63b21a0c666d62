"""Clients of others that ask the server, and what each program here says about its answers."""

import os
from pathlib import Path

FOLDER = Path(os.environ.get("FT_TEST_CLIENTS", "/nonexistent"))
"""Where `scripts/install_clients.sh` installed them."""
PROGRAMS = Path(__file__).parent
