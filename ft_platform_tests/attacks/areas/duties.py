"""People who approve their own work: waivers of whoever trained, wrote the file or named himself in it, and tests and
baselines that an author chose so that a model passes."""

import functools
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from random import Random
from typing import Any
from unittest.mock import patch

from ft_platform.errors import MayNot
from ft_platform.people.person import Person, named
from ft_platform.release import answers, waivers
from ft_platform.release.rule import Finding
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.policy import Policy
from ft_platform.use_case.settings.signatures import Signatures
from ft_platform_tests.attacks.area import Area, Attack, switched_off
from ft_platform_tests.release.evidence_case import OWNERS, EvidenceCase, changed, gap, good_figures

ANA, BO, DANA, EVE = (f"{name}@example.org" for name in ("ana.ruiz", "bo.lund", "dana", "eve"))
"""Two of compliance, somebody who trains, and the attacker; fictitious."""
TODAY = date(2026, 3, 1)
RULE = "fairness/region"


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each kind of attack `size` times."""
    for number in range(size):
        own = folder / str(number)
        for trained, committed in ((EVE, DANA), (DANA, EVE), (EVE, EVE)):
            name = f"{trained} trained and {committed} wrote the file"
            place = own / name.replace(" ", "_")
            yield f"their own rule is waived: {number}, {name}", functools.partial(_own, trained, committed, place)
        yield f"their own rule is confirmed: {number}", functools.partial(_confirmed, own / "confirmed")
        yield f"an editor names himself and answers: {number}", functools.partial(_answered, own / "answered")
        yield f"nobody knows the author: {number}", functools.partial(_unknown, own / "unknown")
        for installed in ("people", "logins"):
            words = f"a file names its editor compliance: {number} {installed}"
            yield words, functools.partial(_named, installed, own / installed)
        rows = random.randint(10, 99)
        yield f"{rows} test records: {number}", functools.partial(_tested, rows, {}, own)
        rows = random.randint(100, 999)
        picked = {"not_sampled": random.randint(1, 5000)}
        yield f"{rows} test records that were picked: {number}", functools.partial(_tested, rows, picked, own)
        unasked = {"prompt_too_long": random.randint(60, 400)}
        yield f"test records that cannot be asked: {number}", functools.partial(_tested, 1000, unasked, own)
        seed = random.randrange(2**31)
        for section in ("evaluation", "attacks", "regression"):
            yield f"a chosen seed: {number} {section}", functools.partial(_stated, section, {"seed": seed})
        note = {"few_shot_note": "Answer the opposite of what is right."}
        yield f"a baseline is told to be wrong: {number}", functools.partial(_stated, "evaluation", note)
        few = {"few_shot_examples": random.randint(1, 2)}
        yield f"a baseline sees hardly any example: {number}", functools.partial(_weak, few, own)


def _unfair() -> dict[str, dict[str, Any]]:
    return changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))


def _by_the_file() -> dict[str, Any]:
    """Owners as the attacker writes them: himself and a second name."""
    return {**OWNERS, "compliance": "team:us", "teams": {**OWNERS["teams"], "us": [EVE, BO]}}


def _granted(case: EvidenceCase, by: str) -> waivers.Waiver:
    ruling = next(one for one in case.decide(today=TODAY).rulings if one.rule == RULE)
    words: Any = {"granted_by": by, "reason": "Few records of this region.", "until": TODAY + timedelta(days=9)}
    return waivers.grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, today=TODAY, **words)


def _passes(case: EvidenceCase, by: str, second: str = "") -> str | None:
    try:
        waiver = _granted(case, by)
        if second:
            waivers.confirm(case.lake, case.use_case, waiver.id, named(second), today=TODAY)
    except MayNot:
        return None
    return f"{by} lets the checkpoint pass" if case.decide(today=TODAY).accepted else None


def _own(trained: str, committed: str, folder: Path) -> str | None:
    case = EvidenceCase(folder, {"owners": _by_the_file()}, _unfair()).publish()
    case.committed_by(committed)
    case.trained_by(DANA)
    case.trained_by(trained)  # somebody else's run finished it
    return _passes(case, EVE)


def _confirmed(folder: Path) -> str | None:
    policy = Policy(name="careful", signatures=Signatures(confirm_waivers=True))
    case = EvidenceCase(folder, {"owners": _by_the_file()}, _unfair(), policy=policy, author=EVE).publish()
    return _passes(case, BO, EVE)


def _answered(folder: Path) -> str | None:
    """Eve names herself in the file that her answers fill; a colleague commits it."""
    settings: dict[str, Any] = {"fairness": {"sensitive_features": []}, "owners": {**OWNERS, "compliance": EVE}}
    settings["gate"] = {"without_sensitive_features": "Nobody can be treated worse, says Eve."}
    case = EvidenceCase(folder, settings, author=DANA).publish()
    answers.approve(case.lake, case.use_case, ["gate.without_sensitive_features"], named(EVE), TODAY)
    return "her answer is an approval" if case.decide(today=TODAY).accepted else None


def _unknown(folder: Path) -> str | None:
    return _passes(EvidenceCase(folder, {"owners": _by_the_file()}, _unfair()).publish(), EVE)


def _named(installed: str, folder: Path) -> str | None:
    people = People(roles={"compliance": [ANA]} if installed == "people" else {})
    signatures = Signatures(signed_in=True, confirm_waivers=False) if installed == "logins" else Signatures()
    words: Any = {"policy": Policy(name="careful", signatures=signatures), "people": people, "author": DANA}
    case = EvidenceCase(folder, {"owners": _by_the_file()}, _unfair(), **words).publish()
    with patch("ft_platform.release.waivers.knowledge_problem", lambda *_: ""):  # Eve did sign in
        return _passes(case, EVE)


class _Everybody:
    """Permissions under which everybody has every role."""

    def __init__(self, _people: People) -> None: ...

    def roles(self, _person: Person) -> list[str]:
        return ["compliance"]


def _tested(rows: int, left_out: dict[str, int], folder: Path) -> str | None:
    figures = changed(good_figures(), "evaluation_report", ("test_rows",), rows)
    figures = changed(figures, "evaluation_report", ("left_out",), left_out)
    return None if "test_records" in EvidenceCase(folder, figures=figures).refusing() else "the gate accepts it"


def _stated(section: str, setting: dict[str, Any]) -> str | None:
    case = EvidenceCase(Path())
    case.refusing()
    attributes = {**case.attributes_used, section: setting}
    try:
        UseCase.model_validate(attributes)
    except ValueError as refused:
        return None if next(iter(setting)) in str(refused) else "the message does not name the field"
    return "a file may say it"


def _weak(setting: dict[str, Any], folder: Path) -> str | None:
    return None if "policy" in EvidenceCase(folder, {"evaluation": setting}).refusing() else "the gate accepts it"


AREA = Area(
    name="duties",
    cases=cases,
    defences={
        "own_work": switched_off("release.waivers.conflict", by=lambda *_: ""),
        "right_to_answer": switched_off("release.answers.Permissions", by=_Everybody),
        "unknown_author": switched_off("release.waivers.persons_needed", by=lambda *_: 1),
        "people_of_the_installation": switched_off("people.may.is_closed", by=lambda *_: False),
        "test_records": switched_off("release.rules.evaluated_records._enough", by=lambda *_: Finding(True, "Enough.")),
        "fewest_examples": switched_off("release.rules.policy.undercuts", by=lambda *_: []),
    },
)
