"""The page of compliance: what ends, what is waived, what happened, and who may see what. Persons are fictitious."""

import hashlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ft_platform.errors import CorruptVersion
from ft_platform.governance.retention import HOLD, REPORT
from ft_platform.lake.forecast import FORECAST, Forecast
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.people.audit_log.opening import audit_log_of, note
from ft_platform.people.audit_log.verify import VERIFIED, read_verified, verify_with_anchors
from ft_platform.people.noted import Noted
from ft_platform.people.person import named
from ft_platform.people.statements import state
from ft_platform.release.incidents import close, report
from ft_platform.release.waivers import grant, revoke
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.retention import Retention
from ft_platform.web.portal_pages.packs import Packs
from ft_platform.web.portal_pages.pages import Portal
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.release.evidence_case import EvidenceCase, changed, gap, good_figures
from ft_platform_tests.reporting.page_rules import Page as Words
from ft_platform_tests.reporting.page_rules import problems_of
from ft_platform_tests.reporting.test_catalogue import case, chain

TODAY = datetime.now(UTC).date()
ANA = named("ana.ruiz@example.org")


def shown(portal: Portal, roles: dict[str, list[str]] | None = None) -> str:
    """What a reader sees."""
    page = portal.page("/compliance", None if roles is None else lambda name: roles.get(name, []))
    assert page
    text = page.content.decode()
    assert problems_of(text) == []
    return " ".join(Words(re.sub(r"</(td|th|p|h2)>|<br>", r" \g<0>", text)).words.split())


def portal_of(lake: Lake, *names: str, packs: Path | None = None) -> Portal:
    return Portal(lake, lambda: {name: case(name) for name in names}, packs=packs)


def foretold(lake: Lake, name: str, release: str | None, learned: dict[int, int] | None) -> None:
    """412 records end within a month, 500 within three."""
    records = lake.latest(name, "permitted_records")
    assert records

    def dated(counts: dict[int, int]) -> Any:
        return {TODAY + timedelta(days=days): count for days, count in counts.items()}

    ends = dated({12: 400, 30: 12, 31: 88, 91: 7})
    forecast = Forecast(TODAY, 900, ends, release, None if learned is None else dated(learned))
    lake.add_verdict(records, FORECAST, True, "s", forecast.to_dict())


def test_it_says_how_many_permissions_end_and_whether_the_champion_is_affected(lake: Lake) -> None:
    made = chain(lake, "letters")
    released(lake, made["adapter_checkpoint"])
    foretold(lake, "letters", "release-0", {12: 398, 31: 80})
    text = shown(portal_of(lake, "letters"))
    assert "The permission of 412 records ends within 30 days; released models learned from some" in text
    assert "of them in 1 use case." in text
    first = (TODAY + timedelta(days=12)).isoformat()
    assert f"letters 2 412 500 {first} release-0: 398 within 30 days, 478 within 90 days {TODAY}" in text


def test_what_is_not_known_is_not_shown_as_none(lake: Lake) -> None:
    made = chain(lake, "letters")
    chain(lake, "claims")
    released(lake, made["adapter_checkpoint"])
    foretold(lake, "letters", None, {})
    text = shown(portal_of(lake, "letters", "claims", "empty"))
    assert "not known yet for release-0: ft retention sweep letters" in text
    assert "claims 2 - - - nothing is released not yet" in text
    assert "empty - - - - nothing is released not yet" in text
    assert "The permission of 412 records ends within 30 days." in text


def test_waivers_stand_there_until_they_end_and_incidents_stay(tmp_path: Path) -> None:
    figures = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    made = EvidenceCase(tmp_path, figures=figures, author="dana@example.org").publish()
    checkpoint = made.versions["adapter_checkpoint"]
    ruling = next(one for one in made.decide(today=TODAY).rulings if one.rule == "fairness/region")
    words: Any = {"granted_by": ANA.name, "reason": "Few records of this region; watched.", "today": TODAY}
    grant(made.lake, made.use_case, checkpoint, ruling, until=TODAY + timedelta(days=20), **words)
    gone = grant(made.lake, made.use_case, checkpoint, ruling, until=TODAY + timedelta(days=40), **words)
    revoke(made.lake, made.use_case, gone.id, revoked_by=ANA.name, reason="Not needed")
    about: Any = {"severity": "serious", "aware": TODAY, "today": TODAY}
    first = report(made.lake, made.use_case, ANA, what="Refunds were refused to a region", **about)
    close(made.lake, made.use_case, first.id, ANA, reason="The authority was told")
    report(made.lake, made.use_case, ANA, what="Letters were lost for a day", **about)
    portal = Portal(made.lake, lambda: {"complaints": made.use_case})
    text = shown(portal)
    until = (TODAY + timedelta(days=20)).isoformat()
    assert f"fairness/region {checkpoint.id} {ANA.name} Few records of this region; watched. in force {until}" in text
    assert (TODAY + timedelta(days=40)).isoformat() not in text
    deadline = (TODAY + timedelta(days=15)).isoformat()
    lost, refunds = text.index("Letters were lost"), text.index("Refunds were refused")
    assert lost < refunds, "open ones first"
    assert f"serious {TODAY} {deadline} open" in text and f"serious {TODAY} {deadline} closed" in text


def test_requests_of_data_subjects_are_for_those_who_may_read_the_audit_log(lake: Lake) -> None:
    chain(lake, "letters")
    chain(lake, "claims")
    for name in ("letters", "claims"):
        note(lake, name, "erasure", "deleted the requests of a person", ANA)
        note(lake, name, "release", "released", ANA, release="release-1")
    note(lake, "letters", "look_up", "looked into the vault", ANA, pseudonym="PERSON_17")
    note(lake, "letters", "look_up", "took records to annotate", ANA)
    note(lake, "", "erasure", "erased a person from the audit log", ANA)
    portal = portal_of(lake, "letters", "claims")

    def seen(roles: dict[str, list[str]] | None) -> list[str]:
        text = shown(portal, roles)
        part = text[text.index("Requests of data subjects") : text.index("ft trace subject")]
        return re.findall(r"UTC (all|letters|claims) (deleted|looked|took|erased|released)", part)

    everything = [("all", "erased"), ("letters", "looked"), ("claims", "deleted"), ("letters", "deleted")]
    assert seen(None) == everything
    assert seen({"": ["auditor"], "letters": ["auditor"], "claims": ["auditor"]}) == everything
    assert seen({"letters": ["compliance"]}) == [("letters", "looked"), ("letters", "deleted")]
    assert seen({"letters": ["data_science"]}) == []
    nobody = shown(portal, {"letters": ["data_science"]})
    assert "Whoever may read the audit log sees them here." in nobody and ANA.name not in nobody
    assert "PERSON_17" not in shown(portal)


def test_the_audit_log_is_as_it_was_verified_last(lake: Lake, environment: Environment) -> None:
    portal = portal_of(lake)
    assert "It has not begun." in shown(portal)
    log = audit_log_of(lake)
    log(Noted("people", ANA, "signed in"))
    entries = log.head().entries  # pyright: ignore[reportOptionalMemberAccess]
    assert f"{entries} entries, the newest of" in shown(portal) and "Nobody has verified it here" in shown(portal)
    assert verify_with_anchors(log, environment).ok
    log(Noted("people", ANA, "signed out"))
    text = shown(portal)
    assert f"{entries + 1} entries, the newest of" in text and f"intact, {entries} entries." in text
    segment = Path(log.files.segment(0))
    segment.write_bytes(segment.read_bytes().replace(b"signed in", b"signed up"))
    assert not verify_with_anchors(log, environment).ok
    assert re.search(r"Verified on [^:]+:\d\d UTC: \d problems?, ", shown(portal))
    (log.home / VERIFIED).write_text("{}")
    with pytest.raises(CorruptVersion):
        read_verified(log)
    assert "Cannot be read: audit log: " in shown(portal)


def test_withdrawn_and_erased_versions_are_listed(lake: Lake) -> None:
    made = chain(lake, "letters")
    assert "No version holds records that were withdrawn" in shown(portal_of(lake, "letters"))
    lake.add_verdict(made["splits"], NOT_TAINTED, False, "s", {"rows": 2, "reasons": {"expired": 2}})
    lake.note_erased(made["cleaned_records"], "Request 4711")
    text = shown(portal_of(lake, "letters"))
    assert "letters splits@0 2 -" in text and "letters cleaned_records@0 0 Request 4711, " in text


def test_what_cannot_be_read_is_told_and_hides_no_other_use_case(lake: Lake) -> None:
    made = chain(lake, "letters")
    chain(lake, "claims")
    released(lake, made["adapter_checkpoint"])
    (version,) = lake.artifacts("letters", "release")
    (Path(version.uri) / "release.json").write_text("{}")
    text = shown(portal_of(lake, "letters", "claims"))
    assert "Cannot be read: letters: release-0 of letters cannot be read" in text and "claims 2 - -" in text


@pytest.fixture
def packs(tmp_path: Path) -> Path:
    folder = tmp_path / "evidence"
    folder.mkdir()
    (folder / "ckpt-letters.zip").write_bytes(b"the pack")
    return folder


def address(content: bytes) -> str:
    return f"/evidence/{hashlib.sha256(content).hexdigest()}.zip"


def test_a_pack_is_handed_out_by_the_hash_of_its_bytes(lake: Lake, packs: Path) -> None:
    made = chain(lake, "letters")
    released(lake, made["adapter_checkpoint"])
    portal = portal_of(lake, "letters", packs=packs)
    page = portal.page("/compliance")
    assert page and f'href="{address(b"the pack")[1:]}">ckpt-letters' in page.content.decode()
    pack = portal.page(address(b"the pack"))
    assert pack and (pack.content, pack.kind) == (b"the pack", "application/zip")
    (packs / "ckpt-letters.zip").write_bytes(b"another pack")
    assert portal.page(address(b"the pack")) is None and portal.page(address(b"another pack"))
    (packs / "ckpt-letters.zip").unlink()
    text = shown(portal)
    assert "None was written." in text and "ft evidence ckpt-letters" in text


def test_nothing_else_is_handed_out(lake: Lake, packs: Path, tmp_path: Path) -> None:
    chain(lake, "letters")
    secret = tmp_path / "secret.zip"
    secret.write_bytes(b"secret")
    (packs / "linked.zip").symlink_to(secret)
    (packs / "notes.txt").write_bytes(b"notes")
    (packs / "folder.zip").mkdir()
    (packs / ".hidden.zip").write_bytes(b"hidden")
    (packs / "of_nobody.zip").write_bytes(b"of nobody")
    assert [one.checkpoint for one in Packs(packs).listed()] == ["ckpt-letters", "of_nobody"]
    portal = portal_of(lake, "letters", packs=packs)
    for content in (b"secret", b"notes", b"hidden"):
        assert portal.page(address(content)) is None
    good = address(b"the pack")
    others = (f"{good}x", good.upper(), f"/evidence/..{good[9:]}", good[1:])
    for path in ("/evidence/", "/evidence/ckpt-letters.zip", *others):
        assert portal.page(path) is None
    assert "of_nobody" not in shown(portal), "no checkpoint of this name is known"
    assert Packs(None).listed() == Packs(tmp_path / "none").listed() == []


def test_periods_legal_holds_and_deletions_are_shown(lake: Lake) -> None:
    chain(lake, "letters")
    use_case = case("letters")
    about = {"person": ANA.name, "known_by": "password", "at": f"{TODAY}T02:47:00+00:00"}
    state(lake, use_case, HOLD, {**about, "reason": "Case 12/345 before the court"}, [])
    counts = {"records": {"expired": 2}, "rows": 14, "versions": [{}, {}], "checkpoints": [{}]}
    made = state(lake, use_case, REPORT, {**about, **counts, "deletion": "retention-a"}, [])
    text = shown(portal_of(lake, "letters", "claims"))
    at = f"{TODAY.day} {TODAY:%B %Y}, 02:47 UTC"
    assert f"letters none is set {at}, {ANA.name}: Case 12/345 before the court" in text
    assert f"{at}: 14 rows of 2 versions, expired 2; 1 checkpoint refused {made['id']}" in text
    assert "No period is set" in shown(portal_of(lake, "claims"))


def test_periods_are_said_in_words() -> None:
    found = Retention(expired_days=30, versions_days=1000, withdrawn=True)
    assert found.in_words() == (
        "expired records after 30 days, replaced versions after 1,000 days, withdrawn records at once"
    )
    assert Retention().in_words() == "" and not Retention().on
