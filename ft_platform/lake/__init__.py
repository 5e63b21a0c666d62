"""Versioned tables, checkpoints and reports, each with a manifest that says what it was made from and whether it may be
used."""

import os

# deltalake holds a worker of its runtime while it waits for batches, and needs another to read them. By default it has
# one for each processor, so with one processor it would wait for ever.
os.environ.setdefault("TOKIO_WORKER_THREADS", str(max(os.cpu_count() or 1, 4)))
