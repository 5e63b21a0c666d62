"""Attacks on the gate: generated figures that must not lead to a release, and whether all that speak of them agree."""

import copy
import html
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from ft_platform.evaluation import fairness_verdict
from ft_platform.evaluation.fairness_summary import summary, summary_lines
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.fairness_report import sentences
from ft_platform.training.privacy_attacks import verdict as privacy
from ft_platform.training.privacy_attacks.extraction import Copied, extraction
from ft_platform.training.privacy_attacks.membership import ATTACKS
from ft_platform.training.privacy_attacks.shares import difference_of_shares
from ft_platform.use_case.named import NamedUseCase
from ft_platform_tests.attacks.area import Area, Attack
from ft_platform_tests.release.evidence_case import TEST_ROWS, EvidenceCase, figure, gap, good_figures, grouped

FEATURES = ("region", "age")
PAIR = "region and age"
SLICE = {"kind": "label", "name": "card", "members": 40, "found": 30, "others": 15, "mistaken": 0}


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Figures drawn from the seed, each kind with what is wrong with it in its name; and good ones, which must be let
    through."""
    for number in range(size):
        for kind, figures in (*_memorized(random), *_unfair(random)):
            yield f"{kind} {number}", _refused(folder, figures)
        yield f"every surface, {number}", _surfaces(folder, random)
        yield f"good figures {number}", _accepted(folder, _good(random))


def _memorized(random: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of attacks that prove nothing, or the opposite."""
    name = random.choice(ATTACKS)
    value = random.uniform(0.0, 0.05)
    may = _rate(value, random.uniform(0.051, 0.3))
    yield "share whose interval reaches above the limit", _attacked(name, at_1_percent=may)
    low = random.uniform(0.051, 0.9)
    yield "share above the limit", _attacked(name, at_1_percent={"value": low, "low": low, "high": 1.0})
    half = random.uniform(0.001, 0.1)
    yield "area above the limit", _attacked(name, auc=figure(random.uniform(0.66, 0.89) + half, half))
    yield "area as far below chance", _attacked(name, auc=figure(random.uniform(0.11, 0.34) - half, half))
    small = {"records": random.randint(100, 1200), "others": random.randint(20, 190)}
    wide = figure(random.uniform(0.45, 0.64), random.uniform(0.21, 0.3))
    yield "area of a small use case that reaches above the limit", _attacked(name, small, at_1_percent=may, auc=wide)
    yield (
        "few others of many",
        _attacked(name, {"records": random.randint(1800, 9000), "others": random.randint(20, 190)}, at_1_percent=may),
    )
    sure = {"low": random.uniform(0.051, 0.9), "chance": random.uniform(0.0, 0.024)}
    yield "label known by heart", _changed("privacy_report", slices=[{**SLICE, **sure}])
    yield (
        "attack left out",
        _changed(
            "privacy_report",
            membership={one: good_figures()["privacy_report"]["membership"][one] for one in ATTACKS if one != name},
        ),
    )
    rows = random.randint(20, 72)
    yield "nothing copied of too few texts", _changed("privacy_report", extraction_rate=_copied(rows, 0, 0))
    rows, few = random.randint(80, 200), random.randint(0, 20)
    copies = few + next(
        more
        for more in range(rows)
        if difference_of_shares((few + more) / rows, rows, few / rows, rows, 0.95)["high"] > 0.05
    )
    yield (
        "copies whose interval reaches above the limit",
        _changed("privacy_report", extraction_rate=_copied(rows, copies, few)),
    )
    yield "an original of the vault", _changed("privacy_report", personal_data={"originals": random.randint(1, 9)})


def _unfair(random: Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Figures of groups that prove nothing, or the opposite. `passed` and `within_max_gap` of the report are left as
    they were: nobody may believe them."""
    for place, name in (("features", random.choice(FEATURES)), ("intersections", PAIR)):
        value = random.uniform(0.0, 0.19)
        wide = {**gap(value), "high": random.uniform(0.201, 0.9)}
        yield (
            f"gap of {place} whose interval reaches above the limit",
            _compared(place, name, differences={"accuracy": wide}),
        )
        yield (
            f"gap of {place} above the limit",
            _compared(place, name, differences={"accuracy": gap(random.uniform(0.21, 0.9))}),
        )
        rows = random.randint(1, 19)
        small = grouped(north=TEST_ROWS // 2, south=TEST_ROWS // 2 - rows, island=rows)
        yield f"small group of {place}", _compared(place, name, groups=small)
        yield (
            f"small groups of {place} only",
            _compared(place, name, groups=grouped(north=TEST_ROWS - rows, south=rows)),
        )
        claimed = {**small, "island": {"rows": rows, "enough_evidence": True, "accuracy": figure(0.9)}}
        yield f"point estimate of a small group of {place}", _compared(place, name, groups=claimed)
        yield (
            f"records of {place} that are in no group",
            _compared(place, name, groups=grouped(north=TEST_ROWS // 2, south=TEST_ROWS // 2 - rows)),
        )
        apart = grouped(north=TEST_ROWS // 2, south=TEST_ROWS // 2)
        apart["south"]["accuracy"] = figure(random.uniform(0.0, 0.65))
        yield f"gap of {place} smaller than its groups are apart", _compared(place, name, groups=apart)


def _good(random: Random) -> dict[str, Any]:
    high = random.uniform(0.02, 0.049)
    made = _attacked(random.choice(ATTACKS), at_1_percent=_rate(random.uniform(0.0, high), high))
    return {
        **made,
        "fairness_report": _compared(
            "features", random.choice(FEATURES), differences={"accuracy": gap(random.uniform(0.0, 0.17))}
        )["fairness_report"],
    }


def _attacked(name: str, counts: dict[str, int] | None = None, **figures: dict[str, float]) -> dict[str, Any]:
    made = _changed("privacy_report", **counts or {})
    made["privacy_report"]["membership"][name] |= figures
    return made


def _rate(value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": 0.0, "high": high}


def _copied(rows: int, train: int, test: int) -> dict[str, Any]:
    return extraction(Copied(rows, train, train), Copied(rows, test, test), Copied(rows, 0, 0), "user texts", 0.95)


def _changed(stage: str, **values: Any) -> dict[str, Any]:
    made = good_figures()
    return {**made, stage: {**made[stage], **values}}


def _compared(place: str, name: str, **values: Any) -> dict[str, Any]:
    made = copy.deepcopy(good_figures())
    made["fairness_report"][place][name] |= values
    return made


def _refused(folder: Path, figures: dict[str, Any]) -> Attack:
    return lambda: None if EvidenceCase(folder, figures=figures).refusing() else "was accepted"


def _accepted(folder: Path, figures: dict[str, Any]) -> Attack:
    def attack() -> str | None:
        refusing = EvidenceCase(folder, figures=figures).refusing()
        return f"was refused by {', '.join(refusing)}" if refusing else None

    return attack


def _surfaces(folder: Path, random: Random) -> Attack:
    """One of the unfair figures: report, card, command and gate must say the same about it."""
    kind, figures = random.choice(list(_unfair(random)))

    def attack() -> str | None:
        made = EvidenceCase(folder, figures=figures)
        refusing = made.refusing()
        return _disagreement(kind, figures["fairness_report"], refusing, made.use_case)

    return attack


def _disagreement(kind: str, found: dict[str, Any], refusing: dict[str, str], use_case: NamedUseCase) -> str | None:
    told = {
        **found,
        "gaps": {name: one["differences"]["accuracy"] for name, one in found["features"].items()},
        "mitigation": None,
    }
    shown = summary(ArtifactVersion("complaints", "fairness_report", "fair", "", "memory"), told, use_case)
    lines = "\n".join(summary_lines(shown))
    pages = sentences(found, use_case)
    gate = {name: f"fairness/{name}" in refusing for name in FEATURES} | {PAIR: "fairness/pairs" in refusing}
    if any(
        "is not valid evidence" in why for why in refusing.values()
    ):  # groups that do not add up: the gate reads none of it
        return None
    for name, refused in gate.items():
        if pages[name]["good"] is refused or (f"✗ {pages[name]['text']}" in lines) is not refused:
            return f"{kind}: a page or a command says otherwise about {name}"
        if refused and pages[name]["text"] not in html.unescape(" ".join(refusing.values())):
            return f"{kind}: another sentence about {name}"
    if shown["within_max_gap"] is any(gate.values()):
        return f"{kind}: within_max_gap says otherwise"
    return None


def _only_what_is_shown_counts() -> AbstractContextManager[Any]:
    """Memorization as others judge it: nothing is wrong as long as the interval reaches the harmless side."""
    return mock.patch.object(privacy._Membership, "_unproven", return_value=())


def _every_use_case_is_small() -> AbstractContextManager[Any]:
    return mock.patch.object(privacy._Membership, "_small", return_value=True)


def _small_groups_are_ignored() -> AbstractContextManager[Any]:
    """Groups as they were judged before: two large ones are enough, whatever the others are."""
    judged = fairness_verdict._status

    return mock.patch.object(fairness_verdict, "_status", lambda gap, limit, missing: judged(gap, limit, {}))


def _the_value_of_a_gap_is_enough() -> AbstractContextManager[Any]:
    judged = fairness_verdict._status

    def status(found: Any, limit: float, missing: Any) -> Any:
        return judged(found and {**found, "high": found["value"]}, limit, missing)

    return mock.patch.object(fairness_verdict, "_status", status)


def _pages_judge_by_themselves() -> AbstractContextManager[Any]:
    """Pages and commands as they were before: each looks at the value alone."""

    def verdicts(found: dict[str, Any], settings: Any) -> dict[str, Any]:
        made = fairness_verdict.fairness_verdicts(found, settings)
        return {
            name: fairness_verdict.FairnessVerdict(name, "within_max_gap", one.text, one.gap, {})
            for name, one in made.items()
        }

    stack = ExitStack()
    for module in ("ft_platform.reporting.fairness_report", "ft_platform.evaluation.fairness_summary"):
        stack.enter_context(mock.patch(f"{module}.fairness_verdicts", verdicts))
    return stack


def _groups_need_not_add_up() -> AbstractContextManager[Any]:
    """The report's own gap is believed, whatever the figures of its groups are."""

    def believed(compared: dict[str, Any], gap_metric: str, large: Any, settings: Any) -> Any:
        return compared["differences"].get(gap_metric) if len(large) > 1 else None

    return mock.patch.object(fairness_verdict, "_gap", believed)


AREA = Area(
    name="gate",
    cases=cases,
    defences={
        "upper_end_of_memorization": _only_what_is_shown_counts,
        "size_of_a_small_use_case": _every_use_case_is_small,
        "small_groups": _small_groups_are_ignored,
        "upper_end_of_a_gap": _the_value_of_a_gap_is_enough,
        "one_verdict": _pages_judge_by_themselves,
        "groups_against_their_gap": _groups_need_not_add_up,
    },
)
