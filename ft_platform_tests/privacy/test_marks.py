"""Marks of personal data in a real lake: what counts, what does not, and that an erasure reaches the words. Persons are
fictitious."""

import json
from pathlib import Path

import pytest

from ft_platform import cli
from ft_platform.errors import ConfigError, DataError
from ft_platform.evaluation.annotation import marks
from ft_platform.evaluation.annotation.marks import (
    Mark,
    figures,
    in_force,
    mark_missed,
    mark_none,
    mark_shown,
    standing_marks,
)
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.erasure.conftest import PERSON, bytes_below
from ft_platform_tests.web.annotating import ANA, BO, CY, EVE, MISSED, PAGE, Annotating

pytestmark = pytest.mark.integration
OWN = "drimvel ostaq"
"""A name in the text of the person who is erased."""


@pytest.fixture
def site(environment: Environment, quick_stages: None, monkeypatch: pytest.MonkeyPatch) -> Annotating:
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("FT_PSEUDONYM_KEY", raising=False)
    settings = environment.home.parent / "ft_environment.yaml"
    named_only = {"name": "no-passwords", "signatures": {"signed_in": False}}
    settings.write_text(json.dumps({"policy": named_only, "people": {"roles": {"compliance": [EVE, CY]}}}))
    monkeypatch.setenv("FT_ENVIRONMENT", str(settings))
    made = Annotating(environment)
    made.lines[3] |= {"person": PERSON, "text": f"{made.lines[3]['text']} and {OWN} came"}
    made.write_source()
    return made


def test_a_mark_counts_by_what_it_says_and_who_says_so(site: Annotating, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, case, version = site.lake, site.case, site.prepare()
    record, linked = site.record_with(version, MISSED), site.record_with(version, "<URL")
    texts, other = [site.text(version, record)], [site.text(version, linked)]
    ana, bo = named(ANA), named(BO)
    for words, entity, why in (
        ("z", "PERSON", "2 to 200 characters"),
        ("--", "PERSON", "2 to 200 characters"),
        (MISSED, "NO_SUCH", "replaces no NO_SUCH"),
        ("orvan quil", "PERSON", "do not stand in the text"),  # no whole words
    ):
        with pytest.raises(ConfigError, match=why) as refused:
            mark_missed(lake, case, record, texts, words, entity, ana)
        assert words == "z" or words not in str(refused.value)
    with pytest.raises(DataError, match="invented in place of others") as invented:
        mark_missed(lake, case, record, [f"{texts[0]} Nora Okafor"], "Nora Okafor", "PERSON", ana)
    assert "Okafor" not in str(invented.value)
    with pytest.raises(ConfigError, match="no such placeholder"):
        mark_shown(lake, case, linked, other, (0, 1), ana)
    assert standing_marks(lake, case) == [] and not in_force(lake, case)
    mark_none(lake, case, linked, other, ana)
    mark_shown(lake, case, linked, other, (0, 0), ana)
    mark_shown(lake, case, linked, other, (0, 0), ana)
    assert not in_force(lake, case), "one person who says it twice is one person"
    mark_missed(lake, case, record, texts, MISSED, "PERSON", ana)
    found = in_force(lake, case)
    assert (found.hidden, found.everywhere, found.shown) == ({record: [("PERSON", MISSED)]}, [], {})
    mark_shown(lake, case, linked, other, (0, 0), bo)
    assert in_force(lake, case).shown == {linked: [PAGE]} and in_force(lake, case).fingerprint != found.fingerprint

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    before = in_force(lake, case)
    with monkeypatch.context() as patch:
        patch.setattr(marks, "state", killed)  # the words are written, what is said of them is not
        with pytest.raises(KeyboardInterrupt):
            mark_missed(lake, case, linked, other, "Case", "PERSON", bo)
    assert in_force(lake, case) == before
    missed = next(one.id for one in standing_marks(lake, case) if one.kind == "missed")
    words = ["annotate", "revoke", "tests", missed, "--reason", "It is the name of a product"]
    assert cli.main([*words, "--by", "dana.fox@example.org"]) == 1, "nobody shows words again who may not"
    assert cli.main([*words, "--by", EVE]) == 0
    assert in_force(lake, case).hidden == {} and in_force(lake, case).shown == before.shown


def test_an_erasure_reaches_the_words(site: Annotating, capsys: pytest.CaptureFixture[str]) -> None:
    version = site.prepare()
    record = site.record_with(version, OWN)
    mark_missed(site.lake, site.case, record, [site.text(version, record)], OWN, "PERSON", named(ANA), everywhere=True)
    other = site.record_with(version, MISSED)
    mark_missed(site.lake, site.case, other, [site.text(version, other)], MISSED, "PERSON", named(ANA))
    site.prepare()
    folder = Path(site.lake.path_of("restricted", "tests", "tables", "marked_words"))
    assert bytes_below(folder, OWN) > 0
    asked = ["erase", "request", "tests", PERSON, "--reason", "Letter of 3 March", "--by", EVE, "--json"]
    assert cli.main(asked) == 0
    request = json.loads(capsys.readouterr().out)[0]["id"]
    assert cli.main(["erase", "approve", "tests", request, "--by", CY]) == 0
    code = cli.main(["erase", "subject", "tests", PERSON])
    said = capsys.readouterr()
    assert code == 0, said.err + said.out
    lake = open_lake(site.environment)
    assert bytes_below(site.environment.home / "lake", OWN) == 0 and bytes_below(folder, MISSED) > 0
    assert inspect(lake, "tests").problems == []
    found = in_force(lake, site.case)
    assert found.hidden == {other: [("PERSON", MISSED)]} and found.everywhere == []


def test_the_share_of_missed_words_has_an_exact_interval() -> None:
    def mark(kind: str, record: str, words: int = 500) -> Mark:
        return Mark("id", kind, record, "", False, "", words, ANA, "2026-01-01")  # type: ignore[arg-type]

    assert figures([])["per_1000_words"] is None
    none = figures([mark("none", "r1"), mark("none", "r2"), mark("shown", "r3")])
    # No event in 1,000 words: -ln(0.025) = 3.689 at most (Garwood 1936).
    assert none["records"] == 2 and none["per_1000_words"] == {
        "value": 0.0,
        "low": 0.0,
        "high": pytest.approx(3.689, abs=1e-3),
    }
    some = figures([mark("missed", "r1"), mark("missed", "r1"), mark("none", "r2")])
    assert (some["missed"], some["words"], some["per_1000_words"]["value"]) == (2, 1000, 2.0)
    # Poisson, 2 events: 0.2422 to 7.2247 (tables of Garwood).
    assert (some["per_1000_words"]["low"], some["per_1000_words"]["high"]) == pytest.approx((0.2422, 7.2247), abs=1e-3)
