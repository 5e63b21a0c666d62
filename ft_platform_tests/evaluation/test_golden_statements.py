"""Golden prompts that experts write without the file: in the evaluation, as rules of the gate, and at an endpoint.
Persons are fictitious."""

import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError, CorruptVersion, DataError
from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.golden_statements import (
    add_prompt,
    fingerprint,
    golden_prompts,
    remove_prompt,
    stated_prompts,
)
from ft_platform.lake.gate import problems_with
from ft_platform.lake.releases import releases
from ft_platform.people.person import named
from ft_platform.release.decide import decide, newest_evidence
from ft_platform.reporting.publishing.evaluation import publish_evaluation_report
from ft_platform.serving.parity import in_words, measured
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.contract import Endpoint
from ft_platform.serving.trial import served
from ft_platform_tests.evaluation.tiny_case import HOSTILE, TinyCase, tiny_case
from ft_platform_tests.serving.installations import Installation, copied
from ft_platform_tests.serving.test_parity import _without_training

pytestmark = pytest.mark.integration
ANA = named("ana.ruiz@example.org")
LABELS = ["card", "loan", HOSTILE]


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    in_file = [{"name": "in_file", "prompt": "My card was swiped.", "must_say": [LABELS]}]
    return tiny_case(tmp_path_factory.mktemp("stated"), "classification", golden=in_file)


def rules(case: TinyCase) -> dict[str, tuple[bool, str]]:
    of = (case.lake, case.use_case, case.checkpoint)
    found = decide(*of, newest_evidence(*of)).rulings
    return {one.rule: (one.passed, one.why) for one in found if one.rule.startswith("golden/")}


def test_what_an_expert_writes_is_a_rule_at_once_and_asked_by_the_next_evaluation(case: TinyCase) -> None:
    assert rules(case) == {"golden/in_file": (True, "The answer says what it must and nothing that it must not.")}
    assert fingerprint(case.lake, case.use_case) == ""
    said = add_prompt(case.lake, case.use_case, ANA, "no_label", "My card was swiped.", ["none of them"], [])
    assert said["person"] == "ana.ruiz@example.org" and said["signature"]
    assert rules(case)["golden/no_label"] == (False, "Not proven: golden has no no_label.")
    of = (case.lake, case.environment, case.use_case, case.splits, case.checkpoint, case.base)
    report = publish_evaluation_report(*of)
    assert report != case.report and publish_evaluation_report(*of) == report
    assert problems_with(case.lake, case.use_case, report) == [], "the file is the same"
    assert {name: one["kept"] for name, one in read_metrics(case.lake, report)["golden"].items()} == {
        "in_file": True,
        "no_label": False,
    }
    assert rules(case)["golden/no_label"] == (False, 'The answer does not say "none of them".')
    with pytest.raises(ConfigError, match="has a golden prompt no_label"):
        add_prompt(case.lake, case.use_case, ANA, "no_label", "Again?", ["card"], [])
    with pytest.raises(ConfigError, match="at least 10 characters"):
        remove_prompt(case.lake, case.use_case, ANA, "no_label", "no")
    remove_prompt(case.lake, case.use_case, ANA, "no_label", "It was an experiment")
    assert set(rules(case)) == {"golden/in_file"} and not stated_prompts(case.lake, case.use_case)
    assert publish_evaluation_report(*of) == case.report, "as before"


def test_what_cannot_be_meant_is_not_kept(case: TinyCase) -> None:
    of = (case.lake, case.use_case, ANA)
    refused: list[tuple[tuple[Any, ...], type[Exception], str]] = [
        (("Name!", "How long?", ["card"], []), ConfigError, "name: String should match pattern"),
        (("empty", "How long?", [], []), ConfigError, "needs `must_say` or `must_never_say`"),
        (("in_file", "How long?", ["card"], []), ConfigError, "has a golden prompt in_file"),
        (("mail", "I am bo.lund@example.org, help", ["card"], []), DataError, "personal data .EMAIL"),
        (("phrase", "Who helps?", ["card"], ["bo.lund@example.org"]), DataError, "personal data .EMAIL"),
    ]
    for given, error, why in refused:
        with pytest.raises(error, match=why) as caught:
            add_prompt(*of, *given)
        assert "bo.lund" not in str(caught.value)
    assert not stated_prompts(case.lake, case.use_case)
    with pytest.raises(DataError, match="no expert wrote a golden prompt 'in_file'") as caught:
        remove_prompt(*of, "in_file", "It is in the file")
    assert "Take it out of the file" in str(caught.value)


def test_a_name_that_file_and_expert_use_and_an_altered_statement_are_told(case: TinyCase) -> None:
    add_prompt(case.lake, case.use_case, ANA, "twice", "How long?", ["card"], [])
    settings = case.use_case.settings
    twice = [settings.evaluation.golden[0].model_copy(update={"name": "twice"})]
    evaluation = settings.evaluation.model_copy(update={"golden": twice})
    other = case.use_case.model_copy(update={"settings": settings.model_copy(update={"evaluation": evaluation})})
    with pytest.raises(ConfigError, match="an expert have a prompt named twice"):
        golden_prompts(case.lake, other)
    (file,) = (one for one in Path(case.lake.root).rglob("golden/*/statement.json") if "twice" in one.read_text())
    whole = file.read_text()
    file.chmod(0o600)
    file.write_text(whole.replace('"card"', '"loan"'))
    with pytest.raises(CorruptVersion):
        rules(case)
    file.write_text(whole)
    remove_prompt(case.lake, case.use_case, ANA, "twice", "It was an experiment")


def test_a_served_model_that_breaks_one_is_not_as_evaluated(tmp_path: Path) -> None:
    """Of prompts that each ask for one label, an evaluation keeps one for each question: other weights break it."""
    asked = [f"My {word} was swiped." for word in ("card", "loan", "house", "money")]
    golden = [
        {"name": f"says_{number}_{place}", "prompt": prompt, "must_say": [label]}
        for number, prompt in enumerate(asked)
        for place, label in enumerate(LABELS)
    ]
    made = Installation(tmp_path / "made", "label_head", golden=golden)
    release = releases(made.lake, "complaints")[0]
    planted = copied(made, tmp_path / "planted")
    planted.releases(planted.another(_without_training))
    found = {}
    for name, installation in {"as released": made, "planted": planted}.items():
        with served(installation.environment, ["complaints"]) as url:
            endpoint = Endpoint(url, "complaints", ours=True)
            renderer = renderer_of(made.environment, made.lake, release)
            found[name] = measured(made.lake, made.use_case, release, renderer, endpoint, 2)
    assert found["as released"]["ok"] and found["as released"]["golden"]["kept"] == len(asked)
    assert not found["planted"]["ok"] and found["planted"]["golden"]["broken"]
    assert "The evaluation kept these, and the endpoint does not: says_" in in_words(found["planted"])
    assert json.dumps(found["planted"]["golden"])
