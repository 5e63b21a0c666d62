"""The verdict about the recall of the recognizers on a version of the anonymized records."""

from collections.abc import Mapping
from typing import Any

from ft_platform.lake.manifest import Verdict
from ft_platform.lake.parents import tables_behind
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.privacy.annotated import annotated_texts, generated
from ft_platform.privacy.own_sample import own_sample
from ft_platform.privacy.recall_floor import recall_of_sample, recall_on
from ft_platform.records.rows import Rows
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase

CHECK = "recall_above_floor"


def measure_recall(lake: Lake, use_case: NamedUseCase, anonymized: TableVersion) -> Verdict:
    """Measures the recognizers and stores the verdict: on the file of `privacy.gold`; else on the records that people
    marked one by one, where that is clear or speaks against the floor; else on generated texts. Its numbers are those
    of `recall_on`, with `persons` in the records.

    Raises:
        DataError: as `annotated_texts`.
        CorruptVersion: a statement about a record was altered.
    """
    behind = tables_behind(lake, anonymized)
    cleaned, files = lake.rows(behind["cleaned_records"]), lake.manifest(behind["raw_records"]).info.get("files", {})
    numbers = _numbers(lake, use_case, anonymized, cleaned, files)
    passed = numbers.pop("passed")
    settings = check_settings_hash(use_case, anonymized.name, CHECK)
    return lake.add_verdict(anonymized, CHECK, passed, settings, {**numbers, "persons": persons_in(cleaned)})


def _numbers(
    lake: Lake, use_case: NamedUseCase, anonymized: TableVersion, cleaned: Rows, files: Mapping[str, str]
) -> dict[str, Any]:
    privacy = use_case.settings.privacy
    sample = own_sample(lake, use_case, anonymized) if privacy.gold is None else None
    if sample is not None and sample.says_something(privacy.min_recall):
        texts = generated(use_case, files.values(), "people mark records")
        return recall_of_sample(use_case, sample, recall_on(use_case, texts))
    return recall_on(use_case, annotated_texts(use_case, lake, cleaned, lake.rows(anonymized), files.values()))


def persons_in(cleaned: Rows) -> int:
    """Different persons; a record that names none is one of its own."""
    named, without = set(), 0
    for batch in cleaned.batches(["subject_id"]):
        subjects = batch.column("subject_id").to_pylist()
        named.update(one for one in subjects if one)
        without += sum(not one for one in subjects)
    return len(named) + without
