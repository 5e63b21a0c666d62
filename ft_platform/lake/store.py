"""The lake: Delta tables, checkpoints and reports under one root, in a restricted and a shared zone.

Layout below the root (a folder or an object-store URI):
`<zone>/<use_case>/tables/<name>/` Delta table · `<zone>/<use_case>/manifests/<name>/<version>.json` ·
`<zone>/<use_case>/verdicts/<name>/<id>/<check>.json` · `<zone>/<use_case>/<name>/<artifact_id>/` checkpoints and
reports · `shared/<use_case>/seals/` the signed chain that says which manifests and verdicts count.
"""

from ft_platform.lake.artifacts import Artifacts
from ft_platform.lake.tables import Tables


class Lake(Tables, Artifacts):
    """Reads and writes versions. Every write is atomic; nothing is overwritten in place.

    Args:
        root: local folder or object-store URI such as `s3://bucket/prefix`.
        storage_options: credentials and endpoint for an object store, in deltalake's names (`AWS_ENDPOINT_URL`, ...).
        signing: keys that sign what is written and verify what is read; `open_lake(environment)` gives those of the
            installation.
    """
