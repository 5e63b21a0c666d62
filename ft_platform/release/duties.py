"""What a release of a use case needs, before anything is trained: what is there, what is missing, who can give it, and
how long it takes.

The gate is asked itself: its rules judge the best reports that these settings, records and persons allow. What they
refuse even then, no training can mend.

Covered: the policy, approvals, numbers of records, groups, recall, k-anonymity, people's reviews, signatures. Not
covered: how good the model will be, what it remembers and forgets.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ft_platform.evaluation.champion import champion
from ft_platform.evaluation.fairness_verdict import MOST_NAMED, named
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.deciders import deciders
from ft_platform.people.may import Acted, conflict, persons_needed
from ft_platform.people.person import Person
from ft_platform.people.superiors import may_confirm
from ft_platform.release.best_evidence import Counted, best_evidence, counted_in, current
from ft_platform.release.evidence import CHECKPOINT, Evidence
from ft_platform.release.rule import Ruling, apply, rules_of
from ft_platform.release.rules.recall import CHECK as RECALL
from ft_platform.release.rules.recall import STAGE as ANONYMIZED
from ft_platform.release.rules.recall import why_own_records
from ft_platform.release.separation import acted, may_sign, signers_needed
from ft_platform.release.waiver_persons import role_of
from ft_platform.release.waivers import in_force, waivers, without_effect
from ft_platform.stages import check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.roles import ROLES

State = Literal["there", "missing", "later", "unknown"]
THERE, MISSING, LATER, UNKNOWN = "there", "missing", "later", "unknown"
"""`later`: can be given only for a trained model, and somebody may. `unknown`: nobody has counted or measured yet."""
SIGNATURES = "signatures"
"""In place of a rule: without them an accepted model is not released."""
K_ANONYMITY = "data/is_k_anonymous/anonymized_records"
STEPS: dict[str, tuple[str, str]] = {
    "policy": ("minutes", "Change the file; its lines: ft check {name}"),
    "approval": (
        "a minute, once a model is trained",
        "Say who approves: ft waiver grant {name} --rule {rule}",
    ),
    K_ANONYMITY: ("minutes", "Say in privacy.quasi_identifiers which columns together identify a person"),
    "recall": (
        "about ten minutes, more with long texts: a data engineer",
        "ft run {name} --until data_report, then mark some records in the portal (page recall?of={name}); where nobody"
        " signs in, in a file: ft privacy sample {name}",
    ),
    "test_records": ("as long as it takes to collect records", "Collect records, or change how they are divided"),
    "fairness": (
        "minutes, or as long as it takes to collect records",
        "Name groups in fairness.sensitive_features; pool small ones in fairness.pooled_groups, or give the reason in"
        " fairness.small_groups",
    ),
    "memorization": (
        "as long as it takes to collect records",
        "Collect records; or somebody waives it for a trained model: ft waiver grant {name} --rule memorization",
    ),
    "exposure": ("as long as a second training", "Once a model is trained: ft run {name} --select canary_audit"),
    "seeds": ("as long as several trainings", "Once a model is trained: ft run {name} --select seed_variation"),
    "human_review": (
        "some hours of experts",
        "Once a model is trained, experts judge its answers: ft review start {name}",
    ),
    "judge": ("minutes to hours", "Once a model is trained: ft run {name} --select judge_report"),
}
"""Kind of a rule that is asked before the training -> how long it takes to give what it needs, and what to do."""
OF_REPORTS = {"exposure": "canary_audit", "seeds": "seed_variation", "human_review": "human_review"} | {
    "judge": "judge_report"
}
"""Kind of a rule -> the report on demand that it needs."""
COUNTS = ("test_records", "fairness", "memorization")
"""Kinds whose rules need the number of records."""
EVEN = {"fairness": "Even if every answer were right: ", "memorization": "Even if every attack only guessed: "}
"""Kind of a rule -> what the best evidence supposes."""
OWNERS = {"test_records": "data_engineering", "policy": "accountable"}
"""Kind of a rule that nobody can waive -> whose it is to mend, if not that of compliance."""


@dataclass(frozen=True)
class Duty:
    """One thing that a release needs.

    Attributes:
        rule: of the gate that refuses without it; `SIGNATURES`; empty: no rule refuses.
        needed: in words.
        state: a constant of this file.
        why: what is there, or what is missing.
        role: whose it is.
        who: who can give it, in words; empty where nothing is missing.
        takes: how long it takes; empty where nothing is missing.
        next_step: in a sentence, or a command; empty where it is there.
    """

    rule: str
    needed: str
    state: State
    why: str
    role: str
    who: str = ""
    takes: str = ""
    next_step: str = ""

    @property
    def refuses(self) -> bool:
        """Whether a release is refused for it, as far as anybody knows today."""
        return bool(self.rule) and self.state in (MISSING, LATER)

    def to_dict(self) -> dict[str, str]:
        return asdict(self)


def duties(lake: Lake, use_case: NamedUseCase, records: Counted | None = None) -> list[Duty]:
    """All that a release of a use case will need, in the order of the gate's rules.

    Args:
        records: as they are divided. Default: those of the newest `splits`, if they were made with these settings.
    """
    records = records or counted_in(lake, use_case)
    newest = next(iter(lake.artifacts(use_case.name, CHECKPOINT)), None)
    before, did = champion(lake, use_case.name), acted(lake, use_case, newest)
    rules = rules_of(use_case, before.id if before else None)
    asked = [rule for rule in rules if rule.name == K_ANONYMITY or rule.name.split("/")[0] in STEPS]
    evidence = best_evidence(use_case, records, _verdicts(lake, use_case))
    answered = _answered(lake, use_case, newest)
    found = [_duty(use_case, ruling, records, evidence, did, answered) for ruling in apply(asked, evidence)]
    return [*found, *_signatures(use_case, did), *_texts(use_case)]


def _verdicts(lake: Lake, use_case: NamedUseCase) -> Mapping[str, Any]:
    """The verdicts on the newest anonymized records that the file still asks for."""
    newest = current(lake, use_case, ANONYMIZED)
    found = lake.verdicts(newest, intact_only=True) if newest else {}
    return {
        check: verdict
        for check, verdict in found.items()
        if verdict.settings_hash == check_settings_hash(use_case, ANONYMIZED, check)
    }


def _answered(lake: Lake, use_case: NamedUseCase, newest: ArtifactVersion | None) -> Mapping[str, tuple[State, str]]:
    """Rule -> that a person approved it with an answer, or with a waiver for the newest checkpoint; and whether
    that is enough."""
    of = (lake, use_case, newest, datetime.now(UTC).date())
    force, lacking = in_force(*of), without_effect(*of)
    found: dict[str, tuple[State, str]] = {
        rule: (THERE, f"{one.granted_by} approved it on {one.granted_on}.") for rule, one in force.items()
    }
    for one, revoked in waivers(lake, use_case):
        if not revoked and one.id in lacking and one.rule not in found:
            words = f"{one.granted_by} approved it on {one.granted_on}, which does not count yet: {lacking[one.id]}."
            found[one.rule] = (LATER, words)
    return found


def _duty(
    use_case: NamedUseCase,
    ruling: Ruling,
    records: Counted | None,
    evidence: Evidence,
    did: Acted,
    answered: Mapping[str, tuple[State, str]],
) -> Duty:
    """What the gate says of the best that can be, as something that is there or missing."""
    kind = ruling.rule.split("/")[0]
    role = OWNERS.get(kind) or role_of(ruling.rule)
    state, why = _state(use_case, ruling, records, evidence)
    if kind == "approval" and ruling.rule in answered and answered[ruling.rule][0] == THERE:
        state, why = answered[ruling.rule]
    if state == THERE:
        return Duty(ruling.rule, ruling.needed, state, why, role)
    who = _titled(role, _deciders(use_case, role, did))
    if kind == "approval":
        state, who, problem = _approval(use_case, role, did)
        why = answered.get(ruling.rule, (state, why))[1]
        why = f"{why} {problem}".strip()
    if state == UNKNOWN:
        return Duty(
            ruling.rule, ruling.needed, state, why, role, next_step=f"ft run {use_case.name} --until data_report"
        )
    takes, step = STEPS[ruling.rule if ruling.rule == K_ANONYMITY else kind]
    step = step.format(name=use_case.name, rule=ruling.rule)
    return Duty(ruling.rule, ruling.needed, state, why, role, who, takes, step)


def _state(use_case: NamedUseCase, ruling: Ruling, records: Counted | None, evidence: Evidence) -> tuple[State, str]:
    kind = ruling.rule.split("/")[0]
    if kind in OF_REPORTS:
        return LATER, f"{OF_REPORTS[kind].replace('_', ' ').capitalize()} is made once a model is trained."
    check = {"recall": RECALL, "data": "is_k_anonymous"}.get(kind)
    if check and check not in evidence.verdicts[ANONYMIZED]:
        settings = use_case.settings
        if check == RECALL and settings.privacy.gold is None and not settings.source.uri.startswith("sample://"):
            return _recall_to_come(use_case, records)
        return UNKNOWN, "Not measured yet."
    needs_counts = kind in COUNTS and ruling.rule != "fairness"
    if needs_counts and records is None:
        return UNKNOWN, "Records are not counted yet."
    if needs_counts and records and not records.test:
        return MISSING, f"No record is in the test split ({records.about})."
    if ruling.passed:
        why = f"{ruling.needed[0].upper()}{ruling.needed[1:]}." if kind == "policy" else ruling.why
        return THERE, _counts(ruling.rule, records) if needs_counts and records else why
    about = f" ({records.about})" if needs_counts and records else ""
    if ruling.missing:
        return MISSING, f"Groups have too few test records: {_few(ruling.missing)}{about}."
    even = EVEN.get(kind, "") if needs_counts else ""
    return MISSING, f"{even}{ruling.why}{about}"


def _recall_to_come(use_case: NamedUseCase, records: Counted | None) -> tuple[State, str]:
    """What the rule will ask for, before anything is measured: no more persons are in the records than records."""
    persons = records.records if records else None
    if use_case.settings.record.subject and (persons is None or persons >= use_case.policy.own_recall_from):
        persons = 0  # they may be few: nobody has counted them
    if why := why_own_records(use_case, persons):
        return MISSING, f"Recall has to be measured on your own records, because {why}."
    return UNKNOWN, "Not measured yet; generated texts may be enough."


def _few(missing: Mapping[str, Mapping[str, int]]) -> str:
    """Which groups need how many test records more."""
    lacking = [f"{named(group)} needs {count:,} more" for groups in missing.values() for group, count in groups.items()]
    others = len(lacking) - MOST_NAMED
    return ", ".join(lacking[:MOST_NAMED]) + (f", and {others:,} other groups need some" if others > 0 else "")


def _counts(rule: str, records: Counted) -> str:
    kind, _, feature = rule.partition("/")
    if kind == "memorization":
        others = records.test + records.validation
        return f"{records.train:,} training and {others:,} other records ({records.about})."
    if kind == "test_records":
        return f"{records.test:,} test records ({records.about})."
    groups = {
        name: sizes
        for name, sizes in records.groups.items()
        if name == feature or (feature == "pairs" and " and " in name)
    }
    smallest = min(rows for sizes in groups.values() for rows in sizes.values())
    return f"The smallest of {sum(map(len, groups.values())):,} groups has {smallest:,} test records ({records.about})."


def _deciders(use_case: NamedUseCase, role: str, did: Acted) -> list[str]:
    """Who may confirm something in a role and did not do what it is about."""
    return [name for name in may_confirm(role, use_case) if not conflict(Person(name), "waive", did)]


def _titled(role: str, persons: Iterable[str]) -> str:
    names = ", ".join(persons)
    return f"{ROLES[role].title}{f' ({names})' if names else ''}"


def _approval(use_case: NamedUseCase, role: str, did: Acted) -> tuple[State, str, str]:
    """Whether somebody may approve, who, and why nobody may; two persons where one is not enough."""
    persons = _deciders(use_case, role, did)
    first = [name for name in deciders(role, use_case, use_case.people) if name in persons]
    if not first:
        where = f"owners.{role} of the file, or in people.roles.{role}"
        return MISSING, ROLES[role].title, f"Nobody may approve it: name persons in {where}."
    if not (use_case.policy.signatures.confirm_waivers or persons_needed("waive", did) > 1):
        return LATER, _titled(role, first), ""
    if len(persons) < 2 and not persons[0].startswith("group:"):
        problem = f"A second person of {role}, or a superior, has to confirm it, and nobody else is named."
        return MISSING, _titled(role, first), problem
    return LATER, f"{_titled(role, first)}, and a second person confirms it: {', '.join(persons)}", ""


def _signatures(use_case: NamedUseCase, did: Acted) -> Iterator[Duty]:
    """Roles that have to sign an accepted decision."""
    signers = {role: may_sign(role, use_case, use_case.people, did) for role in use_case.signing_roles}
    for role, persons in signers.items():
        why = "signs the accepted decision" if persons else "has to sign, and nobody who may is named"
        why, who = f"The {ROLES[role].title} {why}.", _titled(role, persons)
        step = f"Once a model is accepted: ft sign {use_case.name} --as {role}"
        step = step if persons else f"Name persons of owners.{role} in the file, or in people.roles.{role}"
        needed = f"signature of the {ROLES[role].title}"
        yield Duty(SIGNATURES, needed, LATER if persons else MISSING, why, role, who, "minutes", step)
    everybody, least = {name for persons in signers.values() for name in persons}, signers_needed(use_case, did)
    several = any(name.startswith("group:") for name in everybody)
    if signers and len(everybody) < least and not several:
        needed = f"signatures of {least} persons"
        why = f"{least} different persons have to sign, and {len(everybody)} may."
        step = "Name more persons in owners.teams of the file, or in people.roles"
        yield Duty(SIGNATURES, needed, MISSING, why, "accountable", ROLES["accountable"].title, "minutes", step)


def _texts(use_case: NamedUseCase) -> Iterator[Duty]:
    """What no rule asks for, and people read or rely on."""
    from ft_platform.use_case.scaffold import is_placeholder

    settings = use_case.settings
    placed = {"description": settings.description, "release.intended_use": settings.release.intended_use} | {
        "owners.accountable": settings.owners.accountable
    }
    if open_ := [path for path, text in placed.items() if is_placeholder(text)]:
        why = f"{', '.join(open_)} still say what `ft new` wrote."
        who = ROLES["accountable"].title
        yield Duty("", "texts of the model card", MISSING, why, "accountable", who, "minutes", "Write them in the file")
    if not settings.record.subject:
        why = "record.subject is not set: each record counts as one person, and nobody's records can be found by name."
        step = "Set record.subject if a column says whose a record is"
        who = ROLES["data_engineering"].title
        yield Duty("", "persons", UNKNOWN, why, "data_engineering", who, "a minute", step)


def in_one_line(found: Iterable[Duty], name: str) -> str:
    """What is missing, as `ft run` says it at its start; empty: nothing is known to be."""
    rules = dict.fromkeys(one.rule.split("@")[0] for one in found if one.refuses)
    return f"A release will also need: {', '.join(rules)}; see ft check {name}" if rules else ""
