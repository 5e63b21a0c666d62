"""The best evidence that the records of a use case allow: every answer is right, every attack only guesses, and what
nobody measured is missing.
What the gate's rules refuse even then cannot be released after any training."""

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import CorruptVersion
from ft_platform.evaluation.fairness_verdict import GAP_METRIC, verdict_about
from ft_platform.evaluation.groups import AND, group_values
from ft_platform.lake.manifest import Verdict, now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.release.evidence import CHECKPOINT, Evidence, Item
from ft_platform.release.schema import About, Compared, EvaluationEvidence, FairnessEvidence, PrivacyEvidence, Typed
from ft_platform.stages import STAGES
from ft_platform.training.privacy_attacks.extraction import Copied, extraction
from ft_platform.training.privacy_attacks.membership import SideLosses, membership
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.attacks import Attacks

SURE = {"value": 1.0, "low": 1.0, "high": 1.0}
NO_GAP = {"value": 0.0, "low": 0.0, "high": 0.0}

MOST_COUNTED = 200


@dataclass(frozen=True)
class Counted:
    """Records as they are divided, or are expected to be.

    Attributes:
        groups: sensitive feature, or two of them (`region and age`) -> group -> test records.
        about: where the numbers come from, in words.
    """

    records: int
    train: int
    test: int
    validation: int
    groups: Mapping[str, Mapping[str, int]]
    about: str


_COUNTED: dict[tuple[str, str, int, str], Counted] = {}
"""What was counted before, for pages that ask again: a million rows take a second."""


def counted_in(lake: Lake, use_case: NamedUseCase) -> Counted | None:
    """The records of the newest `splits`; None: there are none, they were made with other settings, or they are
    damaged, and the next run makes them again."""
    newest = current(lake, use_case, "splits")
    if newest is None:
        return None
    try:
        lake.verify_table(newest)
    except CorruptVersion:
        return None
    features = [f"feature_{name}" for name in use_case.settings.fairness.sensitive_features]
    if not set(features) <= set(lake.columns(newest)):
        return None
    about = (newest.uri, newest.content_hash, lake.rows_left(newest), use_case.settings.fairness.model_dump_json())
    if about not in _COUNTED:
        if len(_COUNTED) >= MOST_COUNTED:
            _COUNTED.clear()
        table = lake.read_table(newest, [*features, "split"])
        _COUNTED[about] = counted(use_case, table, f"counted in {newest.id}")
    return _COUNTED[about]


def current(lake: Lake, use_case: NamedUseCase, stage: str) -> TableVersion | None:
    """The newest version of a table, unless it was made with other settings of its stage."""
    newest = lake.latest(use_case.name, stage)
    of_now = newest and lake.manifest(newest).settings_hash == STAGES[stage].settings_hash(use_case)
    return newest if of_now else None


def counted(use_case: NamedUseCase, splits: pa.Table, about: str, factor: float = 1.0) -> Counted:
    """What a table of divided records says.

    Args:
        factor: of how many records each row is an example. Above 1, groups are expected to be divided as all are.
    """
    test = splits.filter(pc.equal(splits["split"], "test"))
    expected = round(test.num_rows * factor)
    names, fairness = use_case.settings.fairness.sensitive_features, use_case.settings.fairness
    groups = {}
    for features in [*([name] for name in names), *combinations(names, 2)]:
        values = group_values(fairness, splits if factor > 1 else test, list(features))
        groups[AND.join(features)] = _divided([str(value) for value in values], expected)
    train, validation = (
        round(splits.filter(pc.equal(splits["split"], side)).num_rows * factor) for side in ("train", "validation")
    )
    return Counted(round(splits.num_rows * factor), train, expected, validation, groups, about)


def _divided(values: Sequence[str], rows: int) -> dict[str, int]:
    """Group -> its part of so many rows, in whole numbers with the same sum (largest remainders); none of size 0."""
    shares = {group: rows * values.count(group) / len(values) for group in dict.fromkeys(values)}
    whole = {group: int(share) for group, share in shares.items()}
    for group in sorted(shares, key=lambda one: whole[one] - shares[one])[: rows - sum(whole.values())]:
        whole[group] += 1
    return {group: count for group, count in whole.items() if count}


def best_evidence(use_case: NamedUseCase, records: Counted | None, verdicts: Mapping[str, Verdict]) -> Evidence:
    """Evidence about a checkpoint that answers every test record rightly.

    Args:
        records: None: nobody has counted them.
        verdicts: check -> verdict on the anonymized records, as far as there are any.
    """
    from ft_platform.privacy.k_anonymity import quasi_identifiers, unmeasured
    from ft_platform.privacy.reasons import columns_beside_text

    name = use_case.name
    known = dict(verdicts)
    has_reason = use_case.settings.privacy.without_quasi_identifiers and "is_k_anonymous" not in known
    if not quasi_identifiers(use_case) and (has_reason or columns_beside_text(use_case.settings)):
        found = unmeasured(use_case, records.records if records else 0)
        known["is_k_anonymous"] = Verdict(
            check="is_k_anonymous",
            passed=found["passed"],
            settings_hash="",
            content_hash="",
            checked_at=now(),
            numbers=found,
        )
    rows = records.records if records else 0
    tables = {stage: TableVersion(name, stage, "shared", 0, "", rows, "") for stage in ("anonymized_records", "splits")}
    reports: dict[str, Typed] = {}
    if records and records.test:
        reports["evaluation_report"] = _evaluation(use_case, records)
        reports["fairness_report"] = _fairness(use_case, records)
        reports["privacy_report"] = _privacy(use_case, records)
    items = {
        stage: Item(stage, ArtifactVersion(name, stage, stage, "", ""), figures, ())
        for stage, figures in reports.items()
    }
    checkpoint = ArtifactVersion(name, CHECKPOINT, "the next checkpoint", "", "")
    return Evidence(checkpoint, (), tables, {"anonymized_records": known, "splits": {}}, items, ())


def _evaluation(use_case: NamedUseCase, records: Counted) -> EvaluationEvidence:
    asked = min(records.test, use_case.settings.evaluation.max_test_rows or records.test)
    return EvaluationEvidence(
        info=About(),
        systems={},
        differences={},
        main_metric="",
        tests={},
        slices=[],
        test_rows=asked,
        left_out={"not_sampled": records.test - asked},
        renderer_hash="",
        metric_versions={},
        calibration={},
        per_1000_requests={},
    )


def _fairness(use_case: NamedUseCase, records: Counted) -> FairnessEvidence:
    compared = {name: _compared(use_case, name, groups) for name, groups in records.groups.items()}
    figures = {
        "test_rows": records.test,
        "gap_metric": GAP_METRIC[use_case.settings.task.kind],
        "min_group_rows": use_case.settings.fairness.min_group_rows,
        "features": {name: found for name, found in compared.items() if AND not in name},
        "intersections": {name: found for name, found in compared.items() if AND in name},
        "swaps": {},
    }
    return FairnessEvidence.model_validate(figures)


def _compared(use_case: NamedUseCase, name: str, groups: Mapping[str, int]) -> Compared:
    """Groups without a difference; those with the most records say how sure that is."""
    metric, least = GAP_METRIC[use_case.settings.task.kind], use_case.settings.fairness.min_group_rows
    large = sorted((group for group, rows in groups.items() if rows >= least), key=lambda group: -groups[group])
    found: dict[str, Any] = {
        "groups": {
            group: {"rows": rows, **({metric: SURE} if group in large else {})} for group, rows in groups.items()
        },
        "differences": {metric: {**NO_GAP, "best": large[0], "worst": large[1]}} if len(large) > 1 else {},
        "demographic_parity": None,
        "equalized_odds": None,
    }
    status = verdict_about(name, found, metric, use_case.settings).status
    return Compared.model_validate({**found, "status": status})


def _privacy(use_case: NamedUseCase, records: Counted) -> PrivacyEvidence:
    """Attacks that only guess: no score says anything about who was trained on. Nothing is continued word for word."""
    attacks, promised = use_case.settings.attacks, use_case.settings.training.differential_privacy
    members, test = min(records.train, attacks.rows), min(records.test, attacks.rows)
    others = test + min(records.validation, attacks.rows)
    guessed = _guessed(members, others, attacks.model_dump_json())
    texts = [Copied(min(rows, attacks.extraction_rows), 0, 0) for rows in (members, test, members)]
    figures = {
        "records": records.records,
        "members": members,
        "others": others,
        "membership": guessed["attacks"],
        "slices": [],
        "membership_status": guessed["status"],
        "extraction_rate": extraction(texts[0], texts[1], texts[2], "answers", attacks.confidence),
        "personal_data": {"originals": 0},
        "personal_data_status": "measured",
        "differential_privacy": {"epsilon": promised.target_epsilon or 0.0, "delta": 1e-9, "unit": "record"}
        if promised.on
        else None,
    }
    return PrivacyEvidence.model_validate(figures)


@functools.lru_cache(maxsize=100)
def _guessed(members: int, others: int, attacks: str) -> dict[str, Any]:
    """What `membership` says of losses that are alike on both sides.

    Args:
        attacks: the section, as JSON.
    """
    sides = [[np.array([loss]) for loss in np.linspace(1.0, 2.0, rows)] for rows in (members, others)]
    train, test = (SideLosses([np.zeros(1)] * len(losses), losses) for losses in sides)
    return membership(train, test, Attacks.model_validate_json(attacks), {}, of_labels=False)
