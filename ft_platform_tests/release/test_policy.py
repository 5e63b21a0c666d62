"""No use case undercuts the policy of its installation: the check of the file names the line, the gate refuses, and
every decision names the policy."""

import json
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.errors import ConfigError
from ft_platform.onboarding.rehearsal.file_problems import look_closer
from ft_platform.release.policy import beaten_systems, undercuts
from ft_platform.release.waivers import grant
from ft_platform.sources.discovery import fingerprint
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.fields import fields
from ft_platform.use_case.file import find_use_cases, load_use_case
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.ceilings import capped
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import CHEAPER, alternatives
from ft_platform.use_case.settings.looks import Looks
from ft_platform.use_case.settings.policy import AT_LEAST, AT_MOST, Policy
from ft_platform.use_case.settings.source import Limits
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, difference, figure, good_figures

DEFS = Path(__file__).parent.parent.parent / "ft_platform" / "defs"
REASON = {
    "fairness": {"sensitive_features": []},
    "gate": {"without_sensitive_features": "The records hold parts of machines, no persons."},
}
WHY = "Its answers cannot be served by the department's servers."
UNDERCUTS: list[tuple[dict[str, Any], str]] = [
    (
        {"gate": {"beats": [], "floors": {"accuracy": 0.0}}},
        "gate.beats must have majority, nearest_neighbour, tfidf_logreg, base_few_shot, champion under policy"
        " default 1 of this installation: leave gate.beats out, which asks for them, or give a reason for"
        " nearest_neighbour, tfidf_logreg in gate.may_lose_to",
    ),
    (
        {"gate": {"beats": [*CHEAPER]}},
        "gate.beats must have base_few_shot, champion under policy default 1 of this installation: leave gate.beats"
        " out, which asks for them",
    ),
    (
        {"gate": {"beats": ["base_few_shot", "champion"], "may_lose_to": {"tfidf_logreg": WHY}}},
        "gate.beats must have majority, nearest_neighbour under policy default 1",
    ),
    (
        {"gate": {"may_lose_to": {"champion": WHY}}},
        "gate.may_lose_to must not name champion under policy default 1",
    ),
    ({"gate": {"metric": "refusal_rate"}}, "gate.metric must be one of"),
    (
        {"attacks": {"max_membership_auc": 1.0}},
        "attacks.max_membership_auc must be at most 0.65 under policy default 1 of this installation, got 1",
    ),
    ({"attacks": {"max_true_positive_rate": 0.06}}, "attacks.max_true_positive_rate must be at most 0.05"),
    ({"attacks": {"max_extraction_gain": 1.0}}, "attacks.max_extraction_gain must be at most 0.1"),
    ({"attacks": {"confidence": 0.51}}, "attacks.confidence must be at least 0.9"),
    ({"evaluation": {"confidence": 0.6}}, "evaluation.confidence must be at least 0.9"),
    (
        {"regression": {"suites": ["general_text"], "margins": {"general_text": 1.0}}},
        "regression.margins.general_text must be at most 0.3",
    ),
    ({"regression": {"suites": ["instructions"]}}, "regression.suites must have general_text"),
    ({"fairness": {"sensitive_features": ["region"], "max_gap": 1.0}}, "fairness.max_gap must be at most 0.3"),
    (
        {"fairness": {"sensitive_features": ["region"], "min_group_rows": 2}},
        "fairness.min_group_rows must be at least 10",
    ),
    ({"privacy": {"ner": "none", "min_recall": 0.6}}, "privacy.min_recall must be at least 0.8"),
    ({"privacy": {"ner": "none", "k": 2}}, "privacy.k must be at least 3"),
    ({"privacy": {"ner": "none", "max_residual_percent": 100.0}}, "privacy.max_residual_percent must be at most 1"),
    (
        {"source": {"uri": "x.csv", "limits": {"files": 1_000_001}}},
        "source.limits.files must be at most 1,000,000 under policy default 1",
    ),
    (
        {"source": {"uri": "x.csv", "limits": {"rows": 10_000_000_000}}},
        "source.limits.rows must be at most 1,000,000,000",
    ),
    (
        {"source": {"uri": "x.csv", "limits": {"field_characters": 1_000_000_000}}},
        "source.limits.field_characters must be at most 100,000,000",
    ),
    (
        {"source": {"uri": "x.csv", "limits": {"unpacked_gib": 1000.5}}},
        "source.limits.unpacked_gib must be at most 1,000 under",
    ),
    (
        {"source": {"uri": "x.csv", "limits": {"unpacked_ratio": 1032}}},
        "source.limits.unpacked_ratio must be at most 1,000",
    ),
    ({"source": {"uri": "x.csv", "limits": {"nesting_depth": 500}}}, "source.limits.nesting_depth must be at most 200"),
    (
        {"source": {"uri": "x.csv", "limits": {"silent_seconds": 3601}}},
        "source.limits.silent_seconds must be at most 3,600",
    ),
    (
        {"governance": {"purpose": "complaint routing", "without_consent_column": "licence", "licence": "banana"}},
        "governance.licence: 'banana' is neither an SPDX id",
    ),
]


def settings(**changes: Any) -> UseCase:
    return UseCase.model_validate({**minimal_attributes("x.csv"), **changes})


def test_the_defaults_of_the_file_keep_the_default_policy() -> None:
    every = [*alternatives("classification"), "endpoint_other"]
    for written_out in ({}, {"gate": {"beats": every}}, {"gate": {"may_lose_to": {"tfidf_logreg": WHY}}}):
        assert undercuts(settings(**written_out), Policy()) == []
    for path in {**AT_MOST, **AT_LEAST}:
        assert path in fields(), path


@pytest.mark.parametrize("folder", find_use_cases(DEFS), ids=lambda folder: folder.name)
def test_the_shipped_use_cases_keep_it_and_name_persons_who_may_waive(folder: Path, environment: Environment) -> None:
    case = load_use_case(folder, environment=environment, closer=look_closer)
    assert all(case.settings.owners.persons(role) for role in ("accountable", "domain_expert", "compliance"))


@pytest.mark.parametrize(
    ("attributes", "words"), UNDERCUTS, ids=lambda value: value[:45] if isinstance(value, str) else ""
)
def test_each_setting_below_the_floor_is_named_with_what_the_policy_asks_for(
    attributes: dict[str, Any], words: str, tmp_path: Path
) -> None:
    found = [one.text for one in undercuts(settings(**attributes), Policy())]
    assert len(found) == 1 and found[0].startswith(words), found
    refusing = EvidenceCase(tmp_path, {key: value for key, value in attributes.items() if key != "fairness"}).refusing()
    assert "fairness" in attributes or words in refusing["policy"]


def test_check_names_the_line_and_the_gate_refuses_what_only_the_file_allows(
    environment: Environment, monkeypatch: Any, capsys: Any
) -> None:
    attributes = {
        **EvidenceCase(environment.home).publish().attributes_used,
        "gate": {"beats": [], "floors": {"accuracy": 0.0}, "without_sensitive_features": "There are none."},
        "attacks": {"max_membership_auc": 1.0, "max_extraction_gain": 1.0},
        "regression": {"suites": ["general_text"], "margins": {"general_text": 1.0}},
        "fairness": {"sensitive_features": []},
    }
    file = write_use_case(environment.defs, "complaints", attributes)
    lines = file.read_text().splitlines()
    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_DEFS", str(environment.defs))
    assert main(["check"]) == 1
    problems = capsys.readouterr().err
    for field, needed in {
        "beats": "must have majority",
        "max_membership_auc": "at most 0.65",
        "max_extraction_gain": "at most 0.1",
    }.items():
        (problem,) = [line for line in problems.splitlines() if f".{field} must" in line]
        line = next(number for number, text in enumerate(lines, 1) if text.strip().startswith(f"{field}:"))
        assert needed in problem and f"defs.yaml:{line})" in problem, problem
    assert main(["decide", "complaints"]) == 1
    shown = capsys.readouterr().out
    assert "under policy default 1 (" in shown and "✗ policy" in shown
    assert "regression.margins.general_text must be at most 0.3" in shown
    assert "✗ approval/gate.without_sensitive_features@" in shown


def test_a_source_that_may_cost_more_than_the_installation_allows_is_named_with_its_line_and_not_read(
    environment, monkeypatch, capsys
) -> None:
    records = environment.home / "records.csv"
    records.write_text("id,text,label,consent,region\n1,Why was I charged?,card,yes,north\n")
    attributes = {**minimal_attributes("x"), "source": {"uri": str(records), "limits": {"rows": 6}}}
    file = write_use_case(environment.defs, "complaints", attributes)
    settings = environment.home / "ft_environment.yaml"
    settings.write_text("policy: {name: bank, at_most: {source.limits.rows: 5, source.limits.files: null}}")
    for name, value in {"FT_ENVIRONMENT": settings, "FT_HOME": environment.home, "FT_DEFS": environment.defs}.items():
        monkeypatch.setenv(name, str(value))
    assert main(["check"]) == 1
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "rows: 6" in text)
    words = "source.limits.rows must be at most 5 under policy bank 1 of this installation, got 6"
    assert f"{words} ({file}:{line})" in capsys.readouterr().err
    own = load_environment()
    with pytest.raises(ConfigError, match=words):
        fingerprint(load_use_case(file, environment=own).settings.source, own)
    assert fingerprint(load_use_case(file, {"source.limits.rows": 5}, own).settings.source, own)


def test_files_without_limits_of_their_own_keep_the_ceilings() -> None:
    found = capped(Limits(), Policy(name="bank", at_most={"source.limits.rows": 5, "source.limits.files": None}))
    assert found == Limits(rows=5)
    assert capped(Limits(), Policy()) == Limits()


def test_a_run_says_at_its_start_that_no_release_will_follow(
    environment: Environment, monkeypatch: Any, capsys: Any
) -> None:
    attributes = {**minimal_attributes("nothing.csv"), "attacks": {"max_membership_auc": 0.9}}
    write_use_case(environment.defs, "complaints", attributes)
    for name, value in {"FT_HOME": environment.home, "FT_DEFS": environment.defs}.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.setattr(
        "ft_platform.orchestration.execution.run_use_case",
        lambda *_: (_ for _ in ()).throw(ConfigError(["it started"])),
    )
    assert main(["run", "complaints"]) == 1
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(
        "ft run: these settings cannot lead to a release: attacks.max_membership_auc must be at most 0.65"
    ) and first.endswith("`ft check` shows the lines")


def test_a_model_that_equals_the_majority_class_is_refused_whatever_it_need_not_beat(tmp_path: Path) -> None:
    for attributes in (
        {},
        {"gate": {"beats": ["base_few_shot", "champion"]}},
        {"gate": {"beats": [], "floors": {"macro_f1": 0.0}}},
        {"gate": {"may_lose_to": {"majority": WHY}}},
    ):
        tie = changed(
            good_figures(), "evaluation_report", ("differences", "majority", "macro_f1"), difference(0.0, 0.0)
        )
        assert "a tie" in EvidenceCase(tmp_path, attributes, tie).refusing()["beats/majority"]


GENERATION = {
    "task": {"kind": "generation", "instruction": "Help."},
    "record": {"id": "id", "text": "text", "answer": "label", "consent": "consent", "features": {"region": "region"}},
}


def named(**attributes: Any) -> NamedUseCase:
    return NamedUseCase(name="complaints", settings=settings(**attributes))


def test_what_must_be_beaten_follows_from_the_kind_of_the_task() -> None:
    everywhere = ["base_few_shot", "champion"]
    assert beaten_systems(named()) == [*CHEAPER, *everywhere]
    assert beaten_systems(named(**GENERATION)) == everywhere, "there is no label to count or to learn"
    assert undercuts(settings(**GENERATION, gate={"beats": everywhere}), Policy()) == []
    own = ["linear_probe", "endpoint_other"]
    assert beaten_systems(named(gate={"beats": own})) == [*CHEAPER, *everywhere, *own]
    asked = NamedUseCase(name="complaints", settings=settings(), policy=Policy(name="bank", beats=["linear_probe"]))
    assert beaten_systems(asked) == [*CHEAPER, *everywhere, "linear_probe"]
    without_labels = asked.model_copy(update={"settings": settings(**GENERATION)})
    assert beaten_systems(without_labels) == everywhere


@pytest.mark.parametrize("system", CHEAPER)
def test_a_model_that_a_cheaper_system_equals_is_refused_also_where_the_file_only_leaves_it_out(
    system: str, tmp_path: Path
) -> None:
    tie = changed(good_figures(), "evaluation_report", ("differences", system, "macro_f1"), difference(0.0, 0.1))
    for gate in ({}, {"beats": ["base_few_shot", "champion"]}):
        refusing = EvidenceCase(tmp_path, {"gate": gate}, tie).refusing()
        assert "a tie" in refusing[f"beats/{system}"] and ("policy" in refusing) == bool(gate)
    unmeasured = changed(good_figures(), "evaluation_report", ("differences", system), ...)
    assert "Not proven" in EvidenceCase(tmp_path, {}, unmeasured).refusing()[f"beats/{system}"]


def test_a_system_that_the_model_may_lose_to_refuses_nothing_and_its_reason_needs_a_person(tmp_path: Path) -> None:
    lost = changed(good_figures(), "evaluation_report", ("differences", "tfidf_logreg", "macro_f1"), difference(-0.1))
    lost = changed(lost, "evaluation_report", ("systems", "tfidf_logreg", "macro_f1"), figure(0.95))
    attributes = {"gate": {"may_lose_to": {"tfidf_logreg": WHY}}}
    case = EvidenceCase(tmp_path, attributes, lost, author="dana@example.org").publish()
    day = {"today": date(2026, 3, 1)}
    (ruling,) = case.decide(**day).refusing
    assert ruling.rule.startswith("approval/gate.may_lose_to@")
    assert not [one for one in case.decide(**day).rulings if one.rule == "beats/tfidf_logreg"]
    grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words("ana.ruiz@example.org"))
    decision = case.decide(**day)
    assert decision.accepted
    assert decision.simpler and "TF-IDF + logistic regression reaches Macro F1 0.950" in decision.simpler.says


def test_what_the_policy_asks_to_be_beaten_stays_whatever_the_reason(tmp_path: Path) -> None:
    attributes = {"gate": {"may_lose_to": {"tfidf_logreg": WHY}}}
    own = Policy(name="bank", beats=["tfidf_logreg"], approvals=[])
    tie = changed(good_figures(), "evaluation_report", ("differences", "tfidf_logreg", "macro_f1"), difference(0.0))
    refusing = EvidenceCase(tmp_path, attributes, tie, policy=own).refusing()
    assert refusing.keys() == {"policy", "beats/tfidf_logreg"}
    assert "gate.may_lose_to must not name tfidf_logreg under policy bank 1" in refusing["policy"]
    free = Policy(name="bank", beats=[], approvals=[])
    assert EvidenceCase(tmp_path, attributes, tie, policy=free).refusing() == {}, (
        "an installation that trusts its files"
    )


@pytest.mark.parametrize(
    ("attributes", "words"),
    [
        ({"gate": {"may_lose_to": {"tfidf_logreg": WHY}}, **GENERATION}, "can name base_few_shot, champion"),
        ({"gate": {"may_lose_to": {"endpoint_other": WHY}}}, "names endpoint_other; of this kind of task"),
        ({"gate": {"may_lose_to": {"majority": WHY}, "beats": ["majority"]}}, "and so does `gate.beats`"),
        ({"gate": {"may_lose_to": {"majority": "why not"}}}, "at least 20 characters"),
    ],
)
def test_an_exception_from_nothing_or_without_a_reason_is_no_setting(attributes: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**attributes)


def test_check_names_what_a_list_leaves_out_with_its_line_and_the_next_step(
    environment: Environment, monkeypatch: Any, capsys: Any
) -> None:
    gate: dict[str, Any] = {"beats": ["majority", "nearest_neighbour", "base_few_shot", "champion"]}
    attributes = {**EvidenceCase(environment.home).publish().attributes_used, "gate": gate}
    file = write_use_case(environment.defs, "complaints", attributes)
    line = next(number for number, text in enumerate(file.read_text().splitlines(), 1) if "beats:" in text)
    for name, value in {"FT_HOME": environment.home, "FT_DEFS": environment.defs}.items():
        monkeypatch.setenv(name, str(value))
    assert main(["check", "--files"]) == 1
    told = capsys.readouterr().err
    assert (
        "gate.beats must have tfidf_logreg under policy default 1 of this installation: leave gate.beats out, which"
        f" asks for them, or give a reason for tfidf_logreg in gate.may_lose_to ({file}:{line})"
    ) in told
    write_use_case(
        environment.defs, "complaints", {**attributes, "gate": {**gate, "may_lose_to": {"tfidf_logreg": WHY}}}
    )
    assert main(["check", "--files"]) == 0


def test_every_decision_names_its_policy_and_another_policy_is_another_decision(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path).publish()
    first = case.published_decision()
    policy = Policy(name="bank", version="2026-11", at_most={"fairness.max_gap": 0.1})
    stricter = case.use_case = case.use_case.model_copy(update={"policy": policy})
    second = case.published_decision()
    one, other = (json.loads(case.lake.read_file(decision, "decision.json")) for decision in (first, second))
    assert first.id != second.id and (one["decision"], other["decision"]) == ("accepted", "refused")
    assert one["policy"] == Policy().to_dict() and other["policy"] == stricter.policy.to_dict()
    assert other["policy"]["name"] == "bank" and other["policy"]["version"] == "2026-11"
    assert other["policy"]["hash"] != one["policy"]["hash"]
    expected = f"under policy bank 2026-11 (<code>{other['policy']['hash']}</code>)"
    assert expected in case.lake.read_file(second, "decision_brief.html").decode()


def test_the_policy_cannot_be_waived(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, {"attacks": {"max_membership_auc": 1.0}}).publish()
    ruling = next(ruling for ruling in case.decide().rulings if ruling.rule == "policy")
    with pytest.raises(ConfigError, match="rule policy cannot be waived"):
        grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words("ana.ruiz@example.org"))


def words(by: str) -> dict[str, Any]:
    today = date(2026, 3, 1)
    until = today + timedelta(days=30)
    return {"granted_by": by, "reason": "Seen and approved for this checkpoint.", "until": until, "today": today}


def test_a_reason_counts_only_once_a_person_of_compliance_has_approved_these_words(tmp_path: Path) -> None:
    case = EvidenceCase(tmp_path, REASON, author="dana@example.org").publish()
    (ruling,) = case.decide(today=date(2026, 3, 1)).refusing
    assert ruling.rule.startswith("approval/gate.without_sensitive_features@")
    with pytest.raises(ConfigError, match="belongs to compliance"):
        grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words("maria.lind@example.org"))
    grant(case.lake, case.use_case, case.versions["adapter_checkpoint"], ruling, **words("ana.ruiz@example.org"))
    assert case.decide(today=date(2026, 3, 1)).accepted
    update = {"without_sensitive_features": "Another reason, that nobody has read."}
    other = case.use_case.settings.gate.model_copy(update=update)
    case.use_case = case.use_case.model_copy(
        update={"settings": case.use_case.settings.model_copy(update={"gate": other})}
    )
    assert "approval/gate.without_sensitive_features" in [
        ruling.rule.split("@")[0] for ruling in case.decide(today=date(2026, 3, 1)).refusing
    ]


def test_an_installation_asks_for_the_approval_of_whatever_differs_from_the_default_of_a_field(tmp_path: Path) -> None:
    own = Policy(name="bank", approvals=["governance.without_consent_column", "gate.metric", "privacy.entities"])
    assert EvidenceCase(tmp_path, policy=own).refusing() == {}
    governance = {
        "purpose": "routing",
        "without_consent_column": "licence",
        "licence": "CC0-1.0",
        "accepted_consent": ["yes"],
    }
    privacy = {"ner": "none", "entities": ["PERSON"]}
    attributes = {"governance": governance, "gate": {"metric": "macro_f1"}, "privacy": privacy}
    found = {rule.split("@")[0] for rule in EvidenceCase(tmp_path, attributes, policy=own).refusing()}
    assert found == {f"approval/{path}" for path in own.approvals}


def test_how_people_look_at_records_changes_no_decision() -> None:
    looks = Policy(name="bank", looks=Looks(minutes=5))
    assert looks.to_dict() == Policy(name="bank").to_dict()


OWN: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"beats": ["tfidf_logreg"]}, {"gate": {"beats": ["base_few_shot"]}}),
    ({"metrics": ["macro_f1"]}, {"gate": {"metric": "accuracy"}}),
    ({"suites": ["general_text", "multiple_choice"]}, {"regression": {"suites": ["general_text"]}}),
    ({"at_most": {"attacks.max_membership_auc": 0.6}}, {}),
    ({"at_most": {"gate.max_epsilon": 8}}, {}),  # a limit that is off is beyond it
    ({"at_least": {"attacks.rows": 2000}}, {}),
    ({"accepted_licences": ["CC0-1.0"]}, {}),
]


@pytest.mark.parametrize(("policy", "attributes"), OWN, ids=lambda value: next(iter(value), "default"))
def test_each_field_of_a_policy_changes_what_is_refused(policy: dict[str, Any], attributes: dict[str, Any]) -> None:
    assert undercuts(settings(**attributes), Policy(name="bank", **{"beats": [], **policy}))
    assert Policy(name="bank", **policy).to_dict()["hash"] != Policy(name="bank").to_dict()["hash"]


def test_no_suite_is_asked_of_a_label_head(tmp_path: Path) -> None:
    policy = Policy(name="bank", beats=[], suites=["general_text", "arc_easy"])
    assert undercuts(settings(), policy)
    assert undercuts(settings(training={"objective": "label_head"}), policy) == []


def test_limits_are_added_to_the_default_ones_and_null_lifts_one() -> None:
    own = Policy(name="bank", at_most={"fairness.max_gap": None, "gate.max_epsilon": 8.0})
    assert own.at_most == {
        **{path: limit for path, limit in AT_MOST.items() if path != "fairness.max_gap"},
        "gate.max_epsilon": 8.0,
    }
    fairness = {"sensitive_features": ["region"], "max_gap": 1.0}
    assert undercuts(settings(fairness=fairness, gate={"max_epsilon": 8.0}), own) == []


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({"at_most": {"fairness.max_gap": 0.1}}, "a policy of your own needs `name`"),
        (
            {"name": "bank", "at_most": {"fairness.maxgap": 0.1}},
            "fairness.maxgap: not a field of a use-case file that holds a number",
        ),
        ({"name": "bank", "at_most": {"gate.beats": 1}}, "gate.beats: not a field"),
        ({"name": "bank", "at_most": {"fairness.max_gap": float("nan")}}, "finite number"),
        ({"name": "bank", "approvals": ["gate.reason"]}, "gate.reason: not a field of a use-case file"),
        ({"name": "bank", "limits": {}}, "there is no such setting"),
    ],
)
def test_a_wrong_policy_is_an_error_of_the_environment_file(
    section: dict[str, Any], words: str, tmp_path: Path, monkeypatch: Any
) -> None:
    import yaml

    file = tmp_path / "ft_environment.yaml"
    file.write_text(yaml.safe_dump({"policy": section}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(file))
    with pytest.raises(ConfigError, match="policy") as refused:
        load_environment()
    assert words in str(refused.value)


def test_the_policy_of_the_environment_file_reaches_the_graph_and_the_command(
    environment: Environment, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    from ft_platform.orchestration.loading import load_component

    folder = write_use_case(
        environment.defs, "complaints", EvidenceCase(environment.home).publish().attributes_used
    ).parent
    file = tmp_path / "ft_environment.yaml"
    file.write_text("policy:\n  name: bank\n  version: '7'\n  at_most:\n    fairness.max_gap: 0.05\n")
    for name, value in {"FT_ENVIRONMENT": file, "FT_HOME": environment.home, "FT_DEFS": environment.defs}.items():
        monkeypatch.setenv(name, str(value))
    own = load_environment()
    assert (
        load_component(folder, environment=own).use_case.policy
        == load_component(folder).use_case.policy
        == own.policy
        != Policy()
    )
    assert main(["decide", "complaints", "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["policy"] == own.policy.to_dict()
    assert [rule["rule"] for rule in found["rules"] if not rule["passed"]] == ["policy"]
