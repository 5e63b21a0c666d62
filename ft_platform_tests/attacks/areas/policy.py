"""Use-case files that ask for less than the installation does, licences that are none, waivers of people who are no
owners, sources that lose their records."""

import functools
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, timedelta
from math import ceil
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from ft_platform.errors import ConfigError, DataError
from ft_platform.governance.licences import require_accepted_licences
from ft_platform.onboarding.rehearsal.file_problems import look_closer
from ft_platform.release import waivers
from ft_platform.release.rule import Ruling
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.licences import canonical_licence
from ft_platform.use_case.settings.policy import ACCEPTED_LICENCES, AT_LEAST, AT_MOST
from ft_platform_tests.attacks.area import Area, Attack, switched_off
from ft_platform_tests.cleaning.test_clean import clean
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.governance.tables import case_with, result_of
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, difference, gap, good_figures
from ft_platform_tests.tables import raw, use_case

ANA, MARIA, TOM = "ana.ruiz@example.org", "maria.lind@example.org", "tom.okafor@example.org"
"""Compliance, accountable, domain expert of `EvidenceCase`; fictitious."""
TODAY = date(2026, 3, 1)
LARGEST = {
    "regression.margins": 100.0,
    "privacy.max_residual_percent": 100.0,
    "privacy.max_not_k_anonymous_percent": 100.0,
}
LARGEST |= {"validation.max_quarantined_percent": 99.9}
LARGEST |= {
    f"source.limits.{name}": most
    for name, most in {"files": 1e7, "rows": 1e10, "field_characters": 1e9, "unpacked_gib": 1e5}.items()
}
LARGEST |= {
    f"source.limits.{name}": most
    for name, most in {"unpacked_ratio": 1e5, "nesting_depth": 500, "silent_seconds": 86_400}.items()
}
SMALLEST = {
    "attacks.confidence": 0.501,
    "evaluation.confidence": 0.501,
    "regression.confidence": 0.501,
    "fairness.min_group_rows": 2,
    "privacy.k": 2,
}
COUNTS = {"evaluation.bootstrap_samples": 100, "evaluation.few_shot_examples": 1}
SMALLEST |= {**COUNTS, "privacy.min_recall": 0.5, "source.feedback.fresh_test.min_records": 10}
"""Bounds of the schema where they are not 1 and 0."""
WORDS = ("banana", "public domain", "free", "CC BY", "open data", "see contract", "any", "n/a", "licence", "own")


def cases(random: Random, folder: Path, size: int) -> Iterator[tuple[str, Attack]]:
    """Each kind of attack `size` times."""
    for number in range(size):
        attributes, field = _undercutting(random)
        name = f"{number} {field}"
        yield (
            f"a file below the floor is checked: {name}",
            functools.partial(_checked, attributes, folder / f"checked{number}"),
        )
        yield f"a file below the floor is decided about: {name}", functools.partial(_decided, attributes, folder)
        yield f"a licence: {number}", functools.partial(_licensed, _licence(random))
        beats = random.choice([None, [], ["champion"], ["base_few_shot", "champion"]])
        yield (
            f"a model like the majority class: {number} {beats}",
            functools.partial(_majority, beats, random.uniform(-0.2, 0.0), folder),
        )
        yield (
            f"a reason in the file: {number}",
            functools.partial(_reasoned, " ".join(random.choices(WORDS, k=8)), folder),
        )
        yield (
            f"a waiver is granted: {number}",
            functools.partial(
                _granted, random.choice(["fairness/region", "beats/champion", "judge"]), _name(random), folder
            ),
        )
        yield f"a waiver was stored: {number}", functools.partial(_stored, _stored_words(random), folder)
        yield (
            f"records are lost in cleaning: {number}",
            functools.partial(_cleaned, random.randrange(1, 5), random.choice(["short", "same"])),
        )
        yield (
            f"records are lost in permission: {number}",
            functools.partial(_permitted, random.randrange(1, 5), random.choice(["no", "", "withdrawn"])),
        )


def _undercutting(random: Random) -> tuple[dict[str, Any], str]:
    """Attributes of a file with one setting below the default policy, and the name of its field."""
    attributes: dict[str, Any] = {**minimal_attributes("x.csv")}
    limits = random.choice([AT_MOST, AT_LEAST])
    choice = random.choice(["beats", "may_lose_to", "metric", "suites", *limits])
    if choice == "beats":
        attributes["gate"] = {"beats": random.choice([[], ["tfidf_logreg"], ["majority"]]), "floors": {"accuracy": 0.0}}
    elif choice == "may_lose_to":
        lost = random.choice(["majority", "base_few_shot", "champion"])
        attributes["gate"] = {"may_lose_to": {lost: "It was faster to leave it out."}}
    elif choice == "metric":
        attributes["gate"] = {
            "metric": random.choice(["refusal_rate", "json_validity", "length_error", "macro_precision"])
        }
    elif choice == "suites":
        attributes["regression"] = {"suites": random.choice([["instructions"], ["multiple_choice", "instructions"]])}
    else:
        section, *between, name = choice.split(".")
        limit = float(limits[choice] or 0.0)
        value: Any = (
            random.uniform(limit, LARGEST.get(choice, 1.0))
            if limits is AT_MOST
            else random.uniform(SMALLEST.get(choice, 0.0), limit)
        )
        value = 2 if name == "k" else min(int(value), 9) if name == "min_group_rows" else value
        value = min(int(value), int(limit) - 1) if choice in COUNTS else value
        value = {"general_text": value} if name == "margins" else value
        if between:
            value = {name: ceil(value) if limits is AT_MOST else int(value)}
            for part in reversed(between[1:]):
                value = {part: value}
            name = between[0]
        attributes[section] = {**attributes.get(section, {}), name: value}
        return attributes, name
    return attributes, choice


def _checked(attributes: dict[str, Any], folder: Path) -> str | None:
    file = write_use_case(folder, "complaints", attributes)
    try:
        load_use_case(file, closer=look_closer)
    except ConfigError as refused:
        return (
            None
            if all("policy default 1" in problem and "defs.yaml:" in problem for problem in refused.problems)
            else "the problem names no policy or line"
        )
    return "the check finds nothing"


def _decided(attributes: dict[str, Any], folder: Path) -> str | None:
    own = {name: attributes[name] for name in set(attributes) - {"owners", "record", "fairness"}}
    fairness = {"sensitive_features": ["region", "age"], **attributes["fairness"], "swaps": []} | {
        "sensitive_features": ["region", "age"]
    }
    refusing = EvidenceCase(folder, {**own, "fairness": fairness}).refusing()
    return None if "policy" in refusing else "the gate accepts it"


def _licence(random: Random) -> dict[str, Any]:
    kind = random.choice(["text", "misspelt", "own name", "not accepted", "denied elsewhere", "own records"])
    known = random.choice(ACCEPTED_LICENCES[2:])
    if kind == "text":
        return {"licence": random.choice(WORDS)}
    if kind == "misspelt":
        return {"licence": known[:-1] + "~"}
    if kind == "own name":
        return {"licence": f"LicenseRef-{random.randrange(10**6)}"}
    if kind == "not accepted":
        return {"licence": random.choice(["GPL-3.0-only", "SSPL-1.0", "BUSL-1.1", f"{known} OR Zlib"])}
    if kind == "denied elsewhere":
        return {"licence": random.choice(["CC-BY-NC-4.0", "CC-BY-ND-4.0", "cc-by-nc-sa-4.0"]), "denied_licences": []}
    return {"licence": random.choice(["proprietary", " Proprietary "])}


def _licensed(stated: Mapping[str, Any]) -> str | None:
    case = case_with({"consent": None}, without_consent_column="licence", **stated)
    try:
        require_accepted_licences(case)
    except ConfigError:
        return None
    return f"the licence permits all records ({canonical_licence(stated['licence'])})"


def _majority(beats: list[str] | None, gained: float, folder: Path) -> str | None:
    gate = {} if beats is None else {"gate": {"beats": beats, "floors": {"macro_f1": 0.0}}}
    figures = changed(
        good_figures(), "evaluation_report", ("differences", "majority", "macro_f1"), difference(gained, 0.1)
    )
    return (
        None
        if "beats/majority" in EvidenceCase(folder, gate, figures).refusing()
        else "it need not beat the majority class"
    )


def _reasoned(reason: str, folder: Path) -> str | None:
    attributes = {"fairness": {"sensitive_features": []}, "gate": {"without_sensitive_features": reason}}
    refusing = EvidenceCase(folder, attributes).refusing()
    return (
        None
        if any(rule.startswith("approval/gate.without_sensitive_features@") for rule in refusing)
        else "a sentence in the file is enough"
    )


def _name(random: Random) -> str:
    """Somebody who is no owner, or an owner whose address is not quite right."""
    kinds: list[Callable[[str], str]] = [
        lambda one: one.split("@")[0].replace(".", " ").title(),
        lambda one: one.replace("a", "\u0430", 1),  # Cyrillic
        lambda one: f"{one}.evil.example",
        lambda one: f"x{one}",
        lambda one: f"{one}, nobody@example.org",
        lambda one: "team:complaints",
        lambda one: "",
        lambda one: "*",
        lambda one: f"{random.randrange(10**6)}@example.org",
    ]
    return random.choice(kinds)(random.choice([ANA, MARIA, TOM]))


@functools.cache
def _refused_case(folder: Path) -> EvidenceCase:
    """A lake with a checkpoint that breaks `fairness/region`."""
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    return EvidenceCase(folder / "lake", figures=figures, author="dana@example.org").publish()


def _granted(rule: str, by: str, folder: Path) -> str | None:
    case = _refused_case(folder)
    ruling = Ruling(rule, False, 0.3, 0.2, 0.4, "less", "It is more.", True)
    words: dict[str, Any] = {
        "granted_by": by,
        "reason": "Seen and approved by nobody.",
        "until": TODAY + timedelta(days=3),
        "today": TODAY,
    }
    try:
        waivers.grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words)
    except ConfigError:
        return None
    return f"{by!r} may waive {rule}"


def _stored_words(random: Random) -> dict[str, str]:
    """A waiver as somebody may have written it into the lake."""
    if random.random() < 0.2:
        return {
            "granted_by": ANA,
            "role": "compliance",
            "until": "2026-12-31",
            "granted_at": f"2026-{random.randrange(4, 12):02d}-01T00:00:00+00:00",
        }
    if random.random() < 0.3:
        return {"granted_by": ANA, "role": "compliance", "until": f"{random.randrange(2027, 2999)}-12-31"}
    by = random.choice([_name(random), MARIA, TOM])
    return {
        "granted_by": by,
        "role": random.choice(["compliance", "accountable"]),
        "until": (TODAY + timedelta(days=random.randrange(1, 300))).isoformat(),
    }


def _stored(words: Mapping[str, str], folder: Path) -> str | None:
    case = _refused_case(folder)
    checkpoint = case.versions["adapter_checkpoint"]
    text = json.dumps(words, sort_keys=True)
    said = {"rule": "fairness/region", "checkpoint": checkpoint.artifact_id, "reason": "Approved by nobody at all."}
    said |= {
        "id": f"waiver-{crc32(text.encode()):x}",
        "granted_at": "2026-03-01T00:00:00+00:00",
        "recorded_by": "nobody",
        **words,
    }
    with case.lake.scratch("complaints", waivers.STORED_AS) as scratch:
        scratch.mkdir(parents=True)
        (scratch / waivers.FILE).write_text(json.dumps(said))
        case.lake.publish(
            "complaints",
            waivers.STORED_AS,
            said["id"],
            scratch,
            parents=[checkpoint],
            settings_hash="0" * 16,
            input_hash=text,
        )
    stored = waivers.without_effect(case.lake, case.use_case, checkpoint, TODAY)
    return None if said["id"] in stored and not case.decide(today=TODAY).accepted else "it lets the checkpoint pass"


def _cleaned(kept: int, fault: str) -> str | None:
    letters = [f"letter number {n} of a customer about a fee, {n * 7} words long" for n in range(kept)]
    case = use_case(cleaning={"near_duplicates": "keep"})
    try:
        clean(
            case,
            raw(
                case,
                [*letters, *(["no"] * 60 if fault == "short" else [letters[0]] * 60)],
                label=["card"] * (kept + 60),
            ),
        )
    except DataError as refused:
        return None if "cleaning.max_removed_share" in str(refused) else "the message names no remedy"
    return f"{kept} of {kept + 60} records are left, and nobody is told"


def _permitted(kept: int, consent: str) -> str | None:
    case = case_with()
    table = raw(case, [f"letter number {n}" for n in range(kept + 60)], consent=["yes"] * kept + [consent] * 60)
    try:
        result_of(case, table)
    except DataError as refused:
        return None if "governance.max_removed_share" in str(refused) else "the message names no remedy"
    return f"{kept} of {kept + 60} records are left, and nobody is told"


AREA = Area(
    name="policy",
    cases=cases,
    defences={
        "policy_check": switched_off(
            "release.policy.undercuts", "onboarding.rehearsal.file_problems.undercuts", by=lambda *_: []
        ),
        "policy_rule": switched_off("release.rules.policy.undercuts", by=lambda *_: []),
        "policy_beats": switched_off(
            "release.rules.beats.beaten_systems", by=lambda case: case.settings.gate.beats or []
        ),
        "policy_approvals": switched_off("release.rules.approval.unapproved", by=lambda *_: {}),
        "accepted_licences": switched_off("governance.licences.licence_problems", by=lambda *_: []),
        "waiver_persons": switched_off("release.waivers.who_may_waive", by=lambda _case, _rule, person: person.name),
        "removed_share": switched_off(
            "cleaning.clean.require_kept", "governance.permission.require_kept", by=lambda *_: None
        ),
    },
)
