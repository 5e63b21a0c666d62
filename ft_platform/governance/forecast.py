"""How many records may be used no longer soon, and how many of them the champion learned from.

Worked out where permission is judged (the check `no_withdrawn_records`, each day and after each change), and kept as
counts by day beside the version, so that pages and reminders read no record.

Covered: the last day that records and ledger state. Not covered: withdrawals, which nobody can foresee, and requests to
a served model, which `monitoring.capture` deletes by itself."""

from collections import Counter
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from ft_platform.errors import CorruptVersion
from ft_platform.governance.feedback_releases import as_index, released_now
from ft_platform.governance.judge import depends_on_the_day
from ft_platform.governance.ledger import Ledger, pin_ledger
from ft_platform.governance.permission import judge_of
from ft_platform.governance.reasons import PERMITTED
from ft_platform.lake.forecast import DAYS_AHEAD, FORECAST, Forecast, forecast_of
from ft_platform.lake.provenance import TRAINING_RECORDS, training_records
from ft_platform.lake.releases import Release, standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.key_hashes import KeyHashes, KeyIndex, joined, key_hashes
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase

CHECKPOINT = "adapter_checkpoint"


def foresee(lake: Lake, use_case: NamedUseCase, version: TableVersion, today: date) -> Forecast:
    """Works out the forecast of a version of `permitted_records` and keeps it, if it says something new.

    Raises:
        SourceError: the ledger cannot be read.
    """
    champion = next(iter(standing_releases(lake, use_case.name)), None)
    trained = _trained_on(lake, champion) if champion else []
    ends, learned = Counter[int](), Counter[int]()
    if depends_on_the_day(use_case):
        ids, days = _ending(lake, use_case, version, today)
        ends.update(days.tolist())
        learned.update(_learned(lake, trained or [], ids, days))
    release = champion.id if champion else None
    found = Forecast(today, version.rows, _dated(ends), release, _dated(learned) if trained is not None else None)
    try:
        before = forecast_of(lake, version)
    except CorruptVersion:  # made again
        before = None
    if before is None or {**before.to_dict(), "on_day": ""} != {**found.to_dict(), "on_day": ""}:
        settings = check_settings_hash(use_case, version.name, FORECAST)
        lake.add_verdict(version, FORECAST, True, settings, found.to_dict())
    return found


def _ending(lake: Lake, use_case: NamedUseCase, version: TableVersion, today: date) -> tuple[KeyHashes, np.ndarray]:
    """Records that may be used today and end within `DAYS_AHEAD`: hashes of their ids, and the last day of each."""
    consent_from = lake.manifest(version).counts.get("consent_from", "column")
    released = as_index(released_now(lake, use_case.name))
    judge = judge_of(use_case, today, consent_from, _ledger(lake, use_case, today), released)
    there, horizon = set(lake.columns(version)), (today + timedelta(days=DAYS_AHEAD)).toordinal()
    ids, days = [], [np.empty(0, np.int32)]
    for batch in lake.read(version, [name for name in judge.columns if name in there]):
        judged = judge.judge(batch)
        ending = (judged.codes == PERMITTED) & (judged.last_days <= horizon)
        if ending.any():
            ids.append(key_hashes(batch.column("record_id").filter(pa.array(ending))))
            days.append(judged.last_days[ending])
    return joined(ids), np.concatenate(days)


def _ledger(lake: Lake, use_case: NamedUseCase, today: date) -> Ledger | None:
    pinned = pin_ledger(use_case, lake.storage_options)
    if pinned is None:
        return None
    with lake.scratch(use_case.name, FORECAST, zone="restricted") as folder:
        folder.mkdir(mode=0o700)
        return pinned.read(use_case, folder, today)


def _learned(lake: Lake, trained: list[ArtifactVersion], ids: KeyHashes, days: np.ndarray) -> list[int]:
    """The last day of each of these records that one of the checkpoints was trained on."""
    index, seen = KeyIndex(ids), np.zeros(len(ids), bool)
    for checkpoint in trained:
        for batch in training_records(lake, checkpoint):
            places = index.find(key_hashes(batch.column("record_id")))
            seen[places[places >= 0]] = True
    return days[index.order][seen].tolist()


def _trained_on(lake: Lake, release: Release) -> list[ArtifactVersion] | None:
    """The checkpoint of a release and those that it was continued from; None: one is gone, or keeps no list of its
    records."""
    queue = [lake.artifact(release.version.use_case, CHECKPOINT, release.checkpoint, verify=False)]
    found: list[ArtifactVersion] = []
    for one in queue:
        if one is None or TRAINING_RECORDS not in (manifest := lake.manifest(one)).files:
            return None
        found.append(one)
        before = [parent.id for parent in manifest.parents if parent.name == CHECKPOINT]
        queue += [lake.artifact(one.use_case, CHECKPOINT, name, verify=False) for name in before]
    return found


def _dated(counts: Counter[int]) -> dict[date, int]:
    return {date.fromordinal(day): counts[day] for day in sorted(counts)}
