"""A release rests on an accepted, unaltered, current decision, on the signatures that are asked for, and is signed."""

import json
import multiprocessing
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import ConfigError, DataError, FtError, VersionRefused
from ft_platform.evaluation.champion import champion
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import SIGNATURE, Release, releases, standing_releases
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.may import Permissions
from ft_platform.people.noted import unnoted
from ft_platform.people.person import named
from ft_platform.release import releasing
from ft_platform.release.releasing import release, roll_back, signature_problem, withdraw
from ft_platform.release.separation import COMMIT
from ft_platform.release.signing import sign
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.release.evidence_case import RENDERER, EvidenceCase, changed, figure, good_figures

pytest.importorskip("model_signing", reason="the extra `signing` is not installed")

TRAINING = {
    "renderer_hash": RENDERER,
    "labels": ["card", "loan"],
    "base_model": {"uri": "base", "sha256": "0" * 64},
    "training": {"objective": "label_head"},
}
REASON = "Wrong answers since Monday"


class Case(EvidenceCase):
    """Evidence about a checkpoint that says how it was trained."""

    def checkpoint(self, content: str = "weights") -> ArtifactVersion:
        return self._publish(
            "adapter_checkpoint", {"training.json": TRAINING, "weights.json": content}, f"ckpt-{content}"
        )

    def released(self, **words: Any) -> ArtifactVersion:
        decision, checkpoint = self.published_decision(), self.versions["adapter_checkpoint"]
        evidence = {"sha256": "e" * 64, "files": {}, "missing": []}
        return release(self.lake, self.use_case, decision, checkpoint, lambda _: evidence, **words)

    def again(self, content: str) -> None:
        """Another checkpoint with evidence of its own, better than the champion."""
        self.versions["adapter_checkpoint"] = self.checkpoint(content)
        best = champion(self.lake, "complaints", beside=self.versions["adapter_checkpoint"])
        named = {"checkpoint": best.artifact_id if best else None}
        self.figures = changed(self.figures, "evaluation_report", ("info",), {"champion": named})
        self.figures = changed(self.figures, "regression_report", ("champion",), named)
        for stage in list(self.versions):
            if stage not in ("splits", "adapter_checkpoint"):
                self.versions[stage] = self.add(stage, f"-{content}")

    def newest(self) -> Release:
        return releases(self.lake, "complaints")[0]


@pytest.fixture
def case(tmp_path: Path) -> Case:
    made = Case(tmp_path)
    made.publish()
    return made


def asking(home: Path, *roles: str) -> Case:
    release = {"intended_use": "Routing of complaints.", "approvals": list(roles)}
    made = Case(home, attributes={"release": release})
    made.publish()
    return made


def test_the_record_says_what_is_released_and_on_what(case: Case) -> None:
    made = case.released(by="ana.ruiz@example.org")
    record = case.newest().record
    checkpoint = case.versions["adapter_checkpoint"]
    assert record["checkpoint"] == {"id": "ckpt-weights", "content_hash": checkpoint.content_hash}
    assert (record["kind"], record["labels"], record["renderer_hash"]) == ("label_head", ["card", "loan"], RENDERER)
    assert (record["number"], record["previous"], record["released_by"]) == (1, None, "ana.ruiz@example.org")
    assert record["evidence"]["sha256"] == "e" * 64 and record["known_by"] == "self-declared"
    assert record["asked"] == {"max_prompt_tokens": 512, "max_new_tokens": 96, "label_answers": "scored"}
    assert champion(case.lake, "complaints") == checkpoint
    assert case.released() == made, "what is released already is not released twice"
    assert len(releases(case.lake, "complaints")) == 1


def test_the_signature_is_of_every_file_of_the_checkpoint(case: Case) -> None:
    case.released()
    assert signature_problem(case.lake, case.newest()) is None
    (Path(case.versions["adapter_checkpoint"].uri) / "weights.json").write_text("other")
    assert "does not match" in (signature_problem(case.lake, case.newest()) or "")


def test_the_signature_verifies_with_openssf_s_own_command(case: Case, tmp_path: Path) -> None:
    case.released()
    assert case.lake.signing
    roots = tmp_path / "roots.pem"
    roots.write_text("".join(key.root for key in case.lake.signing.keys.public.values()))
    verify = [sys.executable, "-m", "model_signing", "verify", "certificate"]
    found = [Path(case.versions["adapter_checkpoint"].uri), "--signature", Path(case.newest().version.uri) / SIGNATURE]
    command = [*verify, *map(str, found), "--certificate_chain", str(roots)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (Path(case.versions["adapter_checkpoint"].uri) / "weights.json").write_text("other")
    assert subprocess.run(command, capture_output=True, check=False).returncode != 0


def test_the_newest_is_what_was_made_last_though_the_clock_was_set_back(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = case.released()
    case.again("second")
    clock = type("Clock", (datetime,), {"now": classmethod(lambda _, zone: datetime.now(zone) - timedelta(400))})
    monkeypatch.setattr("ft_platform.lake.manifest.datetime", clock)
    second = case.released()
    monkeypatch.undo()
    assert [one.version for one in releases(open_lake(Environment(home=case.home)), "complaints")] == [second, first]


def test_a_refused_decision_is_not_released(case: Case) -> None:
    case.figures = changed(good_figures(), "evaluation_report", ("differences", "majority", "macro_f1", "low"), -0.1)
    case.versions["evaluation_report"] = case.add("evaluation_report", "-worse")
    with pytest.raises(VersionRefused, match="refuses ckpt-weights"):
        case.released()
    assert not releases(case.lake, "complaints")


def test_a_decision_that_was_altered_is_not_released(case: Case) -> None:
    decision = case.published_decision()
    file = Path(decision.uri) / "decision.json"
    file.write_text(file.read_text().replace('"accepted"', '"accepted" '))
    with pytest.raises(FtError, match="does not match its manifest"):
        release(case.lake, case.use_case, decision, case.versions["adapter_checkpoint"], lambda _: {})


def test_a_checkpoint_with_withdrawn_records_is_not_released(case: Case) -> None:
    decision, checkpoint = case.published_decision(), case.versions["adapter_checkpoint"]
    case.lake.add_verdict(checkpoint, NOT_TAINTED, False, "s", {"rows": 3, "reasons": {"consent_withdrawn": 3}})
    with pytest.raises(VersionRefused, match="tainted"):
        release(case.lake, case.use_case, decision, checkpoint, lambda _: {})


def test_a_decision_about_another_checkpoint_releases_nothing(case: Case) -> None:
    decision = case.published_decision()
    with pytest.raises(VersionRefused, match="not about ckpt-other"):
        release(case.lake, case.use_case, decision, case.checkpoint("other"), lambda _: {})


def test_a_newer_decision_about_the_checkpoint_counts(case: Case) -> None:
    accepted, checkpoint = case.published_decision(), case.versions["adapter_checkpoint"]
    case.figures = changed(case.figures, "privacy_report", ("membership", "loss", "auc"), figure(0.9))
    case.versions["privacy_report"] = case.add("privacy_report", "-leaking")
    refused = case.published_decision()
    assert refused.id != accepted.id
    with pytest.raises(VersionRefused, match=r"newer decision|no longer holds"):
        release(case.lake, case.use_case, accepted, checkpoint, lambda _: {})


def test_everybody_whom_a_release_asks_for_must_have_signed(tmp_path: Path) -> None:
    """Nobody knows who trained the checkpoint: two persons sign."""
    case = asking(tmp_path, "compliance", "domain_expert")
    decision = case.published_decision()

    def signed(email: str) -> None:
        permissions = Permissions(use_cases={"complaints": case.use_case})
        sign(case.lake, case.use_case, decision, named(email), permissions, unnoted)

    with pytest.raises(VersionRefused, match=r"compliance has not signed .ana.ruiz@example.org may sign.; domain_exp"):
        case.released()
    signed("Ana.Ruiz@example.org")
    with pytest.raises(VersionRefused, match=r"domain_expert has not signed .*Run: ft sign complaints --by"):
        case.released()
    signed("tom.okafor@example.org")
    case.released()
    record = case.newest().record
    assert {(one["role"], one["person"]) for one in record["approvals"]} == {
        ("compliance", "ana.ruiz@example.org"),
        ("domain_expert", "tom.okafor@example.org"),
    }
    assert record[COMMIT] is None, "the use case lies in no repository"


def test_a_rollback_is_a_release_of_its_own_that_says_why(case: Case) -> None:
    first = case.released()
    case.again("second")
    second = case.released()
    assert case.newest().record["previous"] == first.id
    with pytest.raises(ConfigError, match="reason"):
        roll_back(case.lake, case.use_case, reason="bad")
    back = roll_back(case.lake, case.use_case, reason=REASON, by="ana.ruiz@example.org")
    record = case.newest().record
    assert (record["back_to"], record["back_from"], record["reason"]) == (first.id, second.id, REASON)
    assert (record["number"], record["previous"]) == (3, second.id)
    found = champion(case.lake, "complaints")
    assert found and found.artifact_id == "ckpt-weights"
    assert signature_problem(case.lake, case.newest()) is None
    with pytest.raises(VersionRefused, match="is what is released now"):
        roll_back(case.lake, case.use_case, back.id, reason=REASON)
    roll_back(case.lake, case.use_case, second.id, reason=REASON)
    assert case.newest().checkpoint == "ckpt-second" and case.newest().record["number"] == 4


def go_back(home: Path, both: Any) -> None:
    """In a process of its own, slow between its look at the releases and its record."""
    case, note = Case(home), releasing.note

    def slow_note(*args: Any, **kwargs: Any) -> None:
        time.sleep(1)
        note(*args, **kwargs)

    releasing.note = slow_note
    case._settle()
    lake = open_lake(Environment(home=home))
    both.wait(60)
    roll_back(lake, case.use_case, reason=REASON)


def test_two_releases_at_the_same_moment_have_numbers_of_their_own(case: Case, tmp_path: Path) -> None:
    case.released()
    case.again("next")
    case.released()
    context = multiprocessing.get_context("spawn")
    both = context.Barrier(2)
    processes = [context.Process(target=go_back, args=(tmp_path, both)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    found = releases(case.lake, "complaints")
    assert [one.record["number"] for one in found] == [4, 3, 2, 1]
    assert [one.record["previous"] for one in found] == [*(one.id for one in found[1:]), None]
    assert [one.checkpoint for one in found] == ["ckpt-next", "ckpt-weights"] * 2


def test_there_is_no_way_back_to_what_may_not_be_used(case: Case) -> None:
    first = case.released()
    with pytest.raises(DataError, match="no earlier release"):
        roll_back(case.lake, case.use_case, reason=REASON)
    case.again("second")
    case.released()
    checkpoint = case.lake.artifact("complaints", "adapter_checkpoint", "ckpt-weights")
    assert checkpoint
    case.lake.add_verdict(checkpoint, NOT_TAINTED, False, "s", {"rows": 3, "reasons": {"consent_withdrawn": 3}})
    with pytest.raises(VersionRefused, match="tainted"):
        roll_back(case.lake, case.use_case, first.id, reason=REASON)


def test_a_withdrawn_release_stays_on_record_and_is_no_champion(case: Case) -> None:
    first = case.released()
    case.again("second")
    second = case.released()
    gone = withdraw(case.lake, case.use_case, second.id, reason="A leak was reported", by="ana.ruiz@example.org")
    assert gone.withdrawn and gone.withdrawn["by"] == "ana.ruiz@example.org"
    assert [one.id for one in releases(case.lake, "complaints")] == [second.id, first.id]
    assert [one.id for one in standing_releases(case.lake, "complaints")] == [first.id]
    with pytest.raises(VersionRefused, match="was withdrawn"):
        roll_back(case.lake, case.use_case, second.id, reason=REASON)
    with pytest.raises(VersionRefused, match="was withdrawn: A leak was reported"):
        case.released()
    again = case.released(reason="The report was about another model")
    assert again.id not in (first.id, second.id) and case.newest().record["reason"].startswith("The report")
    with pytest.raises(DataError, match="no release release-none"):
        withdraw(case.lake, case.use_case, "release-none", reason=REASON)


def test_a_checkpoint_is_withdrawn_with_every_release_of_it(case: Case) -> None:
    first = case.released()
    case.again("second")
    second = case.released()
    back = roll_back(case.lake, case.use_case, reason=REASON)
    withdraw(case.lake, case.use_case, back.id, reason="A leak was reported")
    assert [one.id for one in standing_releases(case.lake, "complaints")] == [second.id]
    with pytest.raises(VersionRefused, match="was withdrawn"):
        roll_back(case.lake, case.use_case, first.id, reason=REASON)


def test_the_record_is_json_that_others_read(case: Case) -> None:
    made = case.released()
    assert json.loads((Path(made.uri) / "release.json").read_text())["decision"]["valid_until"] is None
