"""ft look: records in the restricted zone, for somebody who may see them, for a stated purpose and a while."""

import argparse
import hashlib
import heapq
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from ft_platform.commands import count, opened
from ft_platform.commands.looking import Viewing, add_look_arguments, require_terminal

if TYPE_CHECKING:
    import pyarrow as pa

    from ft_platform.lake.store import Lake

HELP = (
    "Look at records in the restricted zone, on a terminal: for a stated purpose, until the look ends, with each page"
    " noted in the audit log."
)
EXAMPLES = [
    "ft look complaint_routing cleaned_records --by dora.hart@example.org --purpose label_check --reason 'Ticket 4711'",
    "ft look complaint_routing raw_records --by dora.hart@example.org --id 0a1b2c3d",
    "ft look complaint_routing traffic/texts --by dora.hart@example.org --rows 20 --minutes 15",
    "ft look complaint_routing cleaned_records --by dora.hart@example.org --look 128   # one that was confirmed",
]
TRAFFIC = "traffic/"

Read = Callable[[], "Iterable[pa.RecordBatch]"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("use_case", help="name of the use case (ft list)")
    parser.add_argument(
        "asset", help="a table of the restricted zone: raw_records, cleaned_records_removed, traffic/texts, ..."
    )
    add_look_arguments(parser)
    parser.add_argument("--rows", type=count, default=10, metavar="N", help="records to show (default 10)")
    parser.add_argument("--seed", type=int, default=0, help="the same seed shows the same records (default 0)")
    parser.add_argument("--id", action="append", default=[], metavar="ID", help="show this record; repeatable")


def run(arguments: argparse.Namespace) -> int:
    from ft_platform.cleaning.differences import refused_without_access
    from ft_platform.errors import DataError

    environment, use_case, lake = opened(arguments.use_case)
    require_terminal(environment)
    ids = list(dict.fromkeys(arguments.id))
    with refused_without_access(lake, use_case.name):
        version, read = _table(lake, use_case.name, arguments.asset)
    rows = len(ids) or arguments.rows
    viewing = Viewing(arguments, environment, lake, use_case.name, arguments.asset, version, rows)
    with refused_without_access(lake, use_case.name):
        wanted = ids or _drawn(read, min(rows, viewing.left), arguments.seed)
        found = _rows(read, wanted)
    if missing := [one for one in wanted if one not in found]:
        raise DataError(f"{version} of {use_case.name} has no record {', '.join(missing)}")
    for page in viewing.pages(wanted, str):
        for record_id in page:
            for row in found[record_id]:
                print("\n".join(lines_of(row)), end="\n\n")
    return 0


def _table(lake: "Lake", use_case: str, asset: str) -> tuple[str, Read]:
    """The newest version of a table, and what reads it.

    Raises:
        ConfigError: the restricted zone has no such table.
        DataError: it has no version yet.
    """
    from ft_platform.errors import ConfigError, DataError
    from ft_platform.monitoring.traffic.tables import ALL, SHARED, TrafficTables
    from ft_platform.stages import STAGES

    traffic = [f"{TRAFFIC}{kind}" for kind in ALL if kind not in SHARED]
    stages = [name for name, stage in STAGES.items() if stage.zone == "restricted"]
    if asset in traffic:
        return asset, lambda: TrafficTables(lake, use_case).read(asset.removeprefix(TRAFFIC)).to_batches()
    if asset.removesuffix("_removed") not in stages:
        names = [*stages, *(f"{name}_removed" for name in stages), *traffic]
        raise ConfigError([f"the restricted zone has no table {asset!r}"], f"Name one of {', '.join(names)}")
    version = lake.latest(use_case, asset, zone="restricted")
    if version is None:
        raise DataError(f"{use_case} has no {asset} yet", f"Run it first: ft run {use_case}")
    return version.id, lambda: lake.read(version)


def _ids(batch: "pa.RecordBatch") -> list[str]:
    return batch.column("request_id" if "request_id" in batch.schema.names else "record_id").to_pylist()


def _drawn(read: Read, rows: int, seed: int) -> list[str]:
    """Ids of some records, the same ones for the same seed, whatever the order of the rows."""
    ids = {one for batch in read() for one in _ids(batch)}
    return heapq.nsmallest(rows, ids, key=lambda one: hashlib.blake2b(f"{seed}:{one}".encode()).digest())


def _rows(read: Read, wanted: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Id -> its rows; a quarantined record has one for each expectation that it does not meet."""
    found: dict[str, list[dict[str, Any]]] = {}
    for batch in read():
        for place, one in enumerate(_ids(batch)):
            if one in wanted:
                found.setdefault(one, []).append(batch.slice(place, 1).to_pylist()[0])
    return found


def lines_of(row: dict[str, Any]) -> list[str]:
    """A record for a terminal: empty columns are left out, and no text in it can steer the terminal."""
    from ft_platform.cleaning.differences import visible

    lines = []
    for name, value in row.items():
        if name == "messages":
            lines += [f"{turn['role']}: {turn['content'] or ''}" for turn in value or []]
        elif value not in (None, "", []):
            lines.append(f"{name}: {value}")
    return [visible(line) for line in lines]
