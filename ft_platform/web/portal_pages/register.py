"""The register of models and datasets: purpose, what permits the use, licence, retention, class of risk, and what the
EU AI Act asks of that class, with the evidence in the lake or the gap.

Source: Regulation (EU) 2024/1689, Articles 9 to 15, 50 and 72. Covered: whether evidence of that kind is there about
what is released (where nothing is, about the newest model), its checks passed, and a decision among it accepts today.
Not covered: whether it is enough, which a person has to judge, and duties of an organization as a whole, such as its
quality management (Article 17)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from ft_platform.lake.store import Lake
from ft_platform.release.standing import ACCEPTED
from ft_platform.release.standing import STAGE as DECISION
from ft_platform.release.standing_now import standing_now
from ft_platform.reporting.published import page_of
from ft_platform.reporting.use_case_state import about_release, state_of
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY


class Duty(NamedTuple):
    """What an article asks, and which reports say something about it.

    Attributes:
        reports: stages; each has to be there.
        by_person: what a person has to do, where no report can show it; empty otherwise.
    """

    article: str
    what: str
    reports: tuple[str, ...] = ()
    by_person: str = ""


HIGH = (
    Duty("9", "Risks are known and managed", ("release_decision", "privacy_report", "regression_report")),
    Duty("10", "Data is governed, and examined for bias", ("data_report", "fairness_report")),
    Duty("11", "There is technical documentation", ("model_card",)),
    Duty("12", "Events in operation are recorded", ("monitoring_report",)),
    Duty("13", "Those who use it know what it can do", ("model_card",)),
    Duty("14", "People oversee it", ("human_review",)),
    Duty("15", "It is accurate, robust and secure", ("evaluation_report", "seed_variation", "privacy_report")),
    Duty("72", "It is watched after it was placed on the market", ("monitoring_report",)),
)
LIMITED = (Duty("50", "People know that they deal with an AI system", by_person="Tell them where it answers"),)
DUTIES: dict[str, tuple[Duty, ...]] = {"high": (*HIGH, *LIMITED), "limited": LIMITED, "minimal": ()}
"""Class of risk -> what the Act asks. `minimal`: nothing."""


@dataclass(frozen=True)
class Evidence:
    """What there is for a duty.

    Attributes:
        shown: `(title, address from the index, whether its checks passed)` of reports that are there.
        gap: what is missing, or nothing.
    """

    duty: Duty
    shown: list[tuple[str, str, bool]]
    gap: str


@dataclass(frozen=True)
class Registered:
    """One use case in the register.

    Attributes:
        basis: what permits the use of its records.
        records, permitted_until: of the newest `permitted_records`.
        state: what it is now, in a sentence.
        gaps: how many duties lack evidence; where nobody has judged the risk, that is one.
    """

    use_case: str
    purpose: str
    intended_use: str
    basis: str
    licence: str
    retention: str
    base_model: str
    risk_class: str | None
    records: int | None
    permitted_until: str | None
    release: str | None
    state: str
    owner: str
    evidence: list[Evidence]

    @property
    def gaps(self) -> int:
        return sum(bool(one.gap) for one in self.evidence) + (self.risk_class is None)


def register_of(lake: Lake, use_cases: Mapping[str, NamedUseCase]) -> list[Registered]:
    """Every use case, by name."""
    return [_registered(lake, use_case) for _, use_case in sorted(use_cases.items())]


def _registered(lake: Lake, use_case: NamedUseCase) -> Registered:
    name, settings = use_case.name, use_case.settings
    governance, capture = settings.governance, settings.monitoring.capture
    records = lake.latest(name, "permitted_records")
    counts = lake.manifest(records).counts if records else {}
    state = state_of(lake, name, use_case)
    checkpoint = state.release.checkpoint if state.release else None
    kept = f"texts of requests: {capture.retention_days} days" if capture.share else "texts of requests: none kept"
    return Registered(
        use_case=name,
        purpose=governance.purpose,
        intended_use=settings.release.intended_use,
        basis=counts.get("basis") or "not known before the first run",
        licence=governance.licence_in_words,
        retention=kept,
        base_model="none" if settings.trained_base == WORDS_ONLY else settings.base_model.uri,
        risk_class=settings.release.risk_class,
        records=records.rows if records else None,
        permitted_until=counts.get("permitted_until"),
        release=state.release.id if state.release else None,
        state=state.words,
        owner=settings.owners.of("compliance"),
        evidence=[
            _evidence(lake, use_case, checkpoint, duty) for duty in DUTIES.get(settings.release.risk_class or "", ())
        ],
    )


def _evidence(lake: Lake, use_case: NamedUseCase, checkpoint: str | None, duty: Duty) -> Evidence:
    name, shown, missing, refused = use_case.name, [], [], []
    for stage in duty.reports:
        artifact = about_release(lake, name, checkpoint, stage)
        if artifact is None:
            missing.append(stage)
            continue
        passed = all(verdict.passed for verdict in lake.verdicts(artifact).values())
        if stage == DECISION:
            standing = standing_now(lake, use_case, datetime.now(UTC).date(), artifact.artifact_id)
            if standing is None or standing.state != ACCEPTED:
                refused.append(standing.words if standing else "no release decision")
        shown.append((stage.replace("_", " "), f"{name}/{page_of(lake, artifact) or ''}", passed))
    failed = [title for title, _, passed in shown if not passed]
    gaps = [f"no {', no '.join(missing).replace('_', ' ')}"] if missing else []
    gaps += [f"checks failed: {', '.join(failed)}"] if failed else []
    return Evidence(duty, shown, "; ".join([*gaps, *refused]) or duty.by_person)
