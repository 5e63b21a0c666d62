"""Runs `cleaned_records`, `anonymized_records` and `splits` once for every point at which they touch the disk, and
stops each run at its point.

As `stop_points`, whose points these are. Prints one line of JSON for each point.
"""

import errno
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from ft_platform.cleaning.clean import clean
from ft_platform.cleaning.validation.quarantine import quarantine
from ft_platform.errors import DiskFull
from ft_platform.lake.opening import open_lake
from ft_platform.lake.stage_table import write_stage
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.privacy import places
from ft_platform.privacy.anonymize import anonymize
from ft_platform.records.schemas import anonymized_schema, cleaned_schema, raw_schema, splits_schema
from ft_platform.splitting.membership import carried_on
from ft_platform.splitting.split import split
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.assets.stop_points import full, in_child, killed, stop_at
from ft_platform_tests.privacy.anonymizing import key_in
from ft_platform_tests.tables import table, use_case

ROWS = 60
STAGES = ("cleaned_records", "anonymized_records", "splits")
RESTRICTED = ("cleaned_records", "cleaned_records_removed", "quarantined_records")
WRITTEN = (*RESTRICTED, "anonymized_records", "anonymized_records_removed", "splits", "splits_removed")


def case() -> NamedUseCase:
    privacy = {"ner": "none", "columns": {"region": "pseudonym"}}
    splits = {"paraphrases": "ngrams", "rare_labels": "drop", "min_rows_per_label": 5}
    return use_case(cleaning={"boilerplate": ["signatures"]}, privacy=privacy, splits=splits)


def permit(home: Path, rows: int) -> None:
    """A version of `permitted_records`: texts to repair, to remove, to anonymize, twice and nearly twice; the more
    rows, the more of each."""
    texts = [
        f"<p>case {n}</p>  w{n * 7} w{n * 11} of Mr Quartermain, mail q{n}@example.org w{n * 13} w{n * 17}"
        for n in range(rows)
    ]
    texts[3::10] = ["short"] * len(texts[3::10])
    texts[4::10] = texts[5::10]
    schema = raw_schema(case())
    label = [("a", "b", "c")[n % 3] if n else "rare" for n in range(rows)]
    made = table(schema, texts, label=label, subject_id=[f"s{n // 2}" for n in range(rows)])
    lake_of(home).write_table(
        "tests", "permitted_records", made.to_batches(max_chunksize=16), schema, zone="restricted"
    )


def lake_of(home: Path) -> Lake:
    return open_lake(Environment(home=home))


def run(home: Path) -> None:
    """The three stages on the newest `permitted_records`, as their assets call them."""
    lake, settings, keys = lake_of(home), case(), key_in(home, "tests")

    def write(name: str, parent: TableVersion, make: Callable[..., Any], schema: pa.Schema) -> TableVersion:
        return write_stage(lake, settings, name, [parent], make, schema).version

    permitted = lake.latest("tests", "permitted_records")
    assert permitted
    cleaned = write(
        "cleaned_records",
        permitted,
        lambda work: quarantine(settings, clean(settings, lake.rows(permitted), work), work),
        cleaned_schema(settings),
    )
    anonymized = write(
        "anonymized_records",
        cleaned,
        lambda work: anonymize(settings, lake.rows(cleaned), work, keys, findings=home / "findings"),
        anonymized_schema(settings),
    )

    def divide(work: Any) -> Any:
        previous = carried_on(lake, settings)
        return split(settings, lake.rows(anonymized), work, previous=lake.rows(previous) if previous else None)

    write("splits", anonymized, divide, splits_schema(settings))


def first(home: Path) -> None:
    permit(home, ROWS)
    run(home)


def more_rows(home: Path) -> None:
    permit(home, ROWS + 30)


def state(home: Path) -> dict[str, Any]:
    """What can be read in the lake now, compared with its hash, and what is left of intermediate files."""
    lake = lake_of(home)
    found: dict[str, Any] = {}
    for name in WRITTEN:
        zone = "restricted" if name in RESTRICTED else "shared"
        versions = [lake._handle(manifest, zone) for manifest in lake.manifests("tests", name, zone)]
        for version in versions:
            lake.verify_table(version)
        found[name] = [versions[0].content_hash, versions[0].rows]
    found["left_behind"] = sorted(str(path.relative_to(home)) for path in home.rglob(".scratch/*"))
    return found


def run_and_stop(home: Path, point: int, stop: Callable[[], None]) -> dict[str, Any]:
    passed = stop_at(point, stop)
    try:
        run(home)
    except DiskFull as error:
        return {"error": str(error)}
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        return {"error": str(error)}
    return {"completed": passed()}


def two_writers(home: Path) -> dict[str, Any]:
    """Two processes run the stages at the same time."""
    children = []
    for _ in range(2):
        child = os.fork()
        if not child:
            try:
                run(home)
            except BaseException as error:
                print(json.dumps({"failed": f"{type(error).__name__}: {error}"}), file=sys.stderr, flush=True)
                os._exit(1)
            os._exit(0)
        children.append(child)
    return {"codes": [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]}


def main(folder: Path, how: str, step: int) -> None:
    """Every run is in the same folder."""
    import sklearn.decomposition
    import sklearn.feature_extraction.text  # noqa: F401  # imported here, so that no child does

    stop = {"kill": killed, "full": full}.get(how, killed)
    home, start = folder / "run", folder / "start"
    places.words_of_places()  # read once for all children
    home.mkdir()

    def tell(**what: Any) -> None:
        print(json.dumps(what), flush=True)

    for work in (first, more_rows):
        assert in_child(work, home) == {}, in_child(work, home)
    shutil.copytree(home, start)
    if how == "two":
        tell(point=0, **in_child(two_writers, home), after=in_child(state, home), before=in_child(state, start))
        shutil.rmtree(home)
        shutil.copytree(start, home)
    last = in_child(run_and_stop, home, 0, stop)["completed"]
    tell(points=last, before=in_child(state, start), after=in_child(state, home))
    for point in range(1, last + 1, step) if how != "two" else ():
        shutil.rmtree(home)
        shutil.copytree(start, home)
        stopped, left = in_child(run_and_stop, home, point, stop), in_child(state, home)
        for path in home.rglob(".scratch/*"):
            os.utime(path, (0, 0))  # younger ones are left alone: their owner may be about to lock them
        again = in_child(run_and_stop, home, 0, stop)
        tell(point=point, stopped=stopped, left=left, again=again, after=in_child(state, home))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
