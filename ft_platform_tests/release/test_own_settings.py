"""What a run sets for itself decides about no release: decision, signatures, release and deployment go by the file."""

import json
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.assets import deployment, release, release_decision, sign_off
from ft_platform.assets.order import Order
from ft_platform.errors import VersionRefused
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.decide import require_accepted, require_newest
from ft_platform.release.evidence import REQUIRED
from ft_platform.release.separation import commit_of
from ft_platform.use_case.file import as_filed, load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.release.evidence_case import EvidenceCase

NAME = "complaints"
STRICT = {"sensitive_features": ["region", "age"], "max_gap": 0.01}
OVERRIDES: list[dict[str, Any]] = [
    {"fairness.max_gap": 0.3},
    {"evaluation.confidence": 0.9},
    {"release.approvals": []},
    {"gate.without_sensitive_features": "We have none."},
    {"training.max_steps": 20},
]


class Case(EvidenceCase):
    """Evidence of a run with settings of its own, about a use case whose file is on disk."""

    overrides: dict[str, Any] = {}

    def _settle(self) -> None:
        super()._settle()
        self.environment = Environment(home=self.home, defs=self.home / "defs", tracking_uri="none")
        self.folder = write_use_case(self.environment.defs, NAME, self.attributes_used)
        self.use_case = load_use_case(self.folder, self.overrides, self.environment)

    def made_with(self, **overrides: Any) -> "Case":
        self.overrides = overrides
        self.publish()
        return self

    def decided(self) -> ArtifactVersion:
        """As the asset makes it."""
        (asset, _) = release_decision.build(self.use_case)
        reports = {name: self.versions[name] for name in REQUIRED}
        checkpoint = self.versions["adapter_checkpoint"]
        given = {"lake": self.lake, "environment": self.environment, "order": Order(), "adapter_checkpoint": checkpoint}
        return asset(**given, **reports).value

    def read(self, version: ArtifactVersion, file: str = "decision.json") -> dict[str, Any]:
        return json.loads(self.lake.read_file(version, file))


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return Case(tmp_path, {"release": {"intended_use": "Routing of complaints.", "approvals": ["compliance"]}})


def test_a_run_without_settings_of_its_own_is_accepted(case: Case) -> None:
    made = case.made_with().decided()
    assert case.read(made)["decision"] == "accepted" and "overridden" not in case.read(made)


@pytest.mark.parametrize("overrides", OVERRIDES, ids=str)
def test_a_decision_goes_by_the_file_and_says_what_its_run_had_set_for_itself(
    case: Case, overrides: dict[str, Any]
) -> None:
    made = case.made_with(**overrides).decided()
    found, (path, value) = case.read(made), next(iter(overrides.items()))
    assert found["decision"] == "refused"
    assert found["overridden"] == [f"{path}={json.dumps(value)}" if isinstance(value, int | float) else path]
    (broken,) = [one["why"] for one in found["rules"] if one["rule"] == "lineage/adapter_checkpoint"]
    assert f"this run set {found['overridden'][0]}" in broken
    with pytest.raises(VersionRefused, match="refuses ckpt-weights"):
        require_accepted(case.lake, as_filed(case.use_case, case.environment), made)


def test_a_limit_of_one_run_is_not_the_limit_of_the_decision(case: Case) -> None:
    case.attributes["fairness"] = STRICT
    found = case.read(case.made_with(**{"fairness.max_gap": 0.3}).decided())
    needed = next(one["needed"] for one in found["rules"] if one["rule"] == "fairness/region")
    assert "0.01" in needed


@pytest.mark.parametrize("overrides", [{"compute.profile": "local"}, {"training.continue_from": "newest"}], ids=str)
def test_where_a_training_runs_and_what_it_starts_from_may_be_set_for_one_run(
    case: Case, overrides: dict[str, Any]
) -> None:
    of_the_file = case.made_with().decided()
    case.use_case = load_use_case(case.folder, overrides, case.environment)
    assert case.decided() == of_the_file


def test_a_release_is_refused_in_a_run_with_settings_of_its_own(case: Case) -> None:
    case.attributes["release"] = {"intended_use": "Routing of complaints."}
    decision = case.made_with().decided()
    (asset,) = release.build(load_use_case(case.folder, {"fairness.max_gap": 0.3}, case.environment))
    of = {"release_decision": decision, "adapter_checkpoint": case.versions["adapter_checkpoint"]}
    for order in (Order(), Order(release="previous", reason="Wrong answers since Monday")):
        with pytest.raises(dg.Failure, match=r"this run set fairness\.max_gap=0\.3 for itself"):
            asset(order=order, lake=case.lake, environment=case.environment, **of)


def test_a_deployment_is_refused_in_a_run_with_settings_of_its_own(case: Case) -> None:
    targets = {"local": {"kind": "local", "url": "http://127.0.0.1:9"}}
    case.attributes["serving"] = {"targets": targets}
    case.made_with()
    use_case = load_use_case(case.folder, {"serving.parity_records": 10}, case.environment)
    asset, *_ = deployment.build(use_case)
    with pytest.raises(dg.Failure, match=r"this run set serving\.parity_records=10 for itself"):
        asset(order=Order(), lake=case.lake, environment=case.environment, release=case.versions["adapter_checkpoint"])


def test_signatures_are_asked_for_by_the_file(case: Case) -> None:
    decision = case.made_with().decided()
    asset, *_ = sign_off.build(load_use_case(case.folder, {"release.approvals": []}, case.environment))
    of = {"release_decision": decision, "adapter_checkpoint": case.versions["adapter_checkpoint"]}
    made = asset(lake=case.lake, environment=case.environment, **of).value
    assert [one["role"] for one in case.read(made, "sign_off.json")["roles"]] == ["compliance"]


def test_no_commit_stands_for_a_file_that_was_not_in_force(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case.made_with()
    monkeypatch.setattr("ft_platform.release.separation.is_as_committed", lambda *_: True)
    monkeypatch.setattr("ft_platform.release.separation.git", lambda *_: "0" * 40)
    assert commit_of(case.use_case) == "0" * 40
    assert commit_of(load_use_case(case.folder, {"fairness.max_gap": 0.3}, case.environment)) is None


def test_what_the_file_says_can_be_decided_again_after_a_run_with_other_settings(case: Case) -> None:
    first = case.made_with().decided()
    case.use_case = load_use_case(case.folder, {"fairness.max_gap": 0.3}, case.environment)
    between = case.decided()
    with pytest.raises(VersionRefused, match="newer decision"):
        require_newest(case.lake, case.use_case, first, "ckpt-weights")
    case.use_case = load_use_case(case.folder, None, case.environment)
    again = case.decided()
    assert len({first, between, again}) == 3 and case.read(again)["decision"] == "accepted"
    require_newest(case.lake, case.use_case, again, "ckpt-weights")
    assert case.decided() == again
