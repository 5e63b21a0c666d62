"""Waivers of people stand in what a pack says after the decision, and the pack still verifies. Persons are
fictitious."""

import json
import shutil
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.versions import Version
from ft_platform.people.statements import Stated, state, statements, take_back
from ft_platform.release.rule import Ruling
from ft_platform.release.signatures import SIGNATURE
from ft_platform.release.waivers import Waiver, grant, revoke
from ft_platform.reporting.evidence.gather import gather
from ft_platform.reporting.evidence.pack import Pack, write_pack
from ft_platform.reporting.evidence.verify import problems_of
from ft_platform_tests.evidence.case import NAME, Case, publish, small_case

TODAY = date(2026, 3, 1)
ANA, BO = "officer@example.org", "bo.lund@example.org"
REASON = "Few records of <b>this</b> region | watched every month"
CARRYING = (
    "index.html",
    "manifest.json",
    "documents/technical_documentation.html",
    "documents/model_card.md",
    "documents/dataset/README.md",
    "documents/ml_bom.cdx.json",
)
"""What in a pack is written after the decision and is read by people or programs first."""


@pytest.fixture
def case(tmp_path: Path) -> Case:
    return small_case().copy(tmp_path / "home")


def granted(case: Case, rule: str = "fairness/region", by: str = ANA) -> Waiver:
    ruling = Ruling(rule, False, 0.3, 0.2, 0.4, "no difference above 0.2", "It differs by 0.3.", True)
    words: dict[str, Any] = {"granted_by": by, "reason": REASON, "until": TODAY + timedelta(days=30), "today": TODAY}
    return grant(case.lake, case.use_case, case.checkpoint, ruling, **words)


def decided(case: Case, *waivers: Waiver, number: int = 2) -> None:
    said = {
        "checkpoint": case.checkpoint.artifact_id,
        "decision": "accepted",
        "waivers": [waiver.to_dict() for waiver in waivers],
        "valid_until": min((waiver.until for waiver in waivers), default=None),
    }
    parents: list[Version] = [case.checkpoint, case.reports["evaluation_report"], case.reports["model_card"]]
    artifact_id = f"decision-{number}"
    publish(case.lake, case.use_case, "release_decision", parents, {"decision.json": said}, artifact_id=artifact_id)


def packed(case: Case, tmp_path: Path) -> Pack:
    pack = write_pack(case.lake, case.use_case, gather(case.lake, case.checkpoint), tmp_path / "pack")
    assert problems_of(pack.folder, pack.sha256) == []
    return pack


def head(pack: Pack) -> dict[str, Any]:
    return json.loads((pack.folder / "manifest.json").read_text())


def texts(pack: Pack) -> dict[str, str]:
    return {name: (pack.folder / name).read_text() for name in CARRYING}


def test_a_waiver_stands_in_every_document_that_is_made_after_the_decision(case: Case, tmp_path: Path) -> None:
    waiver = granted(case)
    decided(case, waiver)
    pack = packed(case, tmp_path)
    assert head(pack)["decision"] == {"id": "decision-2", "decision": "accepted", "valid_until": "2026-03-31"}
    told = {
        name: getattr(waiver, name) for name in ("id", "rule", "granted_by", "role", "reason", "until", "granted_at")
    }
    assert head(pack)["waivers"] == [{**told, "decision": "decision-2", "revoked": False}]
    for name, text in texts(pack).items():
        for word in ("fairness/region", ANA, "compliance", "2026-03-31", "watched every month", "decision-2"):
            assert word in text, (name, word)
        assert name.endswith(".json") or "<b>this" not in text, "a reason cannot act as markup"
    card = (pack.folder / "documents" / "model_card.md").read_text()
    assert "Few records of &lt;b&gt;this&lt;/b&gt; region \\| watched" in card and "rest on it" not in card


def test_the_card_keeps_its_text_and_gets_the_decision_before_its_first_section(case: Case, tmp_path: Path) -> None:
    card = (
        "---\nlicense: mit\n---\n\n# complaints\n\nWhat it is.\n\n## Intended use\n\nRouting.\n\n## Owners\n\nA team.\n"
    )
    parents: list[Version] = [case.checkpoint, case.reports["evaluation_report"], case.reports["fairness_report"]]
    publish(case.lake, case.use_case, "model_card", parents, {"README.md": card}, artifact_id="model_card-2")
    decided(case, granted(case))
    text = (packed(case, tmp_path).folder / "documents" / "model_card.md").read_text()
    places = [
        text.index(word)
        for word in (
            "---\nlicense",
            "What it is.",
            "## Release decision and waivers",
            ANA,
            "## Intended use",
            "## Owners",
        )
    ]
    assert places == sorted(places) and text.startswith("---\nlicense")
    assert card == text[: places[2]] + text[places[4] :]


def test_signatures_of_the_newest_decision_stand_in_every_document_that_is_made_after_it(
    case: Case, tmp_path: Path
) -> None:
    def signed(number: int, says: str, person: str, at: str) -> Stated:
        decision = case.lake.artifact(NAME, "release_decision", f"decision-{number}")
        assert decision
        who = {"says": says, "role": "compliance", "person": person, "known_by": "openid"}
        state(case.lake, case.use_case, SIGNATURE, {**who, "decision": decision.id, "at": at}, [decision])
        return statements(case.lake, case.use_case, SIGNATURE)[0]

    decided(case, number=2)
    signed(2, "approved", "earlier@example.org", "2026-02-01T00:00:00.000+00:00")
    decided(case, number=3)
    no = signed(3, "rejected", BO, "2026-03-01T00:00:00.000+00:00")
    take_back(case.lake, case.use_case, no, by=BO, known_by="openid", reason="The records were counted wrongly")
    signed(3, "approved", ANA, "2026-03-02T00:00:00.000+00:00")
    pack = packed(case, tmp_path)
    assert [(one["says"], one["person"], one["taken_back"]) for one in head(pack)["signatures"]] == [
        ("rejected", BO, True),
        ("approved", ANA, False),
    ]
    for name, text in texts(pack).items():
        assert ANA in text and "earlier@example.org" not in text, name


def test_a_waiver_that_was_revoked_or_that_no_decision_rests_on_says_so(case: Case, tmp_path: Path) -> None:
    used, unused = granted(case), granted(case, "forgetting", BO)
    decided(case, used)
    revoke(case.lake, case.use_case, used.id, revoked_by=ANA, reason="The gap has grown.")
    pack = packed(case, tmp_path)
    found = {one["id"]: (one["decision"], one["revoked"]) for one in head(pack)["waivers"]}
    assert found == {used.id: ("decision-2", True), unused.id: (None, False)}
    for name in ("documents/technical_documentation.html", "documents/model_card.md"):
        text = (pack.folder / name).read_text()
        assert "It was revoked: a decision that rests on it does not hold." in text
        assert "The newest decision does not rest on it." in text


def test_the_newest_decision_counts(case: Case, tmp_path: Path) -> None:
    decided(case, granted(case))
    decided(case, number=3)
    pack = packed(case, tmp_path)
    assert head(pack)["decision"] == {"id": "decision-3", "decision": "accepted", "valid_until": None}
    assert [one["decision"] for one in head(pack)["waivers"]] == [None]


def test_a_waiver_that_was_removed_from_the_lake_is_carried_as_long_as_the_decision_rests_on_it(
    case: Case, tmp_path: Path
) -> None:
    waiver = granted(case)
    decided(case, waiver)
    seals = case.lake.seals(NAME)
    assert seals
    seals.remove(
        case.lake.path_of("shared", NAME, "waiver", waiver.id, "manifest.json"),
        "Ana Ruiz: the waiver was taken out of the lake",
    )
    shutil.rmtree(case.lake.path_of("shared", NAME, "waiver"))
    assert [one["id"] for one in head(packed(case, tmp_path))["waivers"]] == [waiver.id]


def test_without_decision_and_waivers_the_documents_say_so(case: Case, tmp_path: Path) -> None:
    pack = packed(case, tmp_path)
    assert head(pack)["decision"] is None and head(pack)["waivers"] == []
    for name, text in texts(pack).items():
        if name != "manifest.json":
            assert "not yet decided for this checkpoint." in text and "No rule of the release was waived." in text


def test_an_exception_taken_out_of_the_first_page_or_the_manifest_is_found(case: Case, tmp_path: Path) -> None:
    decided(case, granted(case))
    pack = packed(case, tmp_path)
    for name in CARRYING:
        file = pack.folder / name
        whole = file.read_text()
        file.write_text(whole.replace(ANA, "Nobody"))
        assert problems_of(pack.folder), name
        file.write_text(whole)
