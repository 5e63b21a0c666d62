"""`ft decide` and `ft waiver` on a lake with complete evidence."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from ft_platform.cli import main
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.release.evidence_case import OWNERS, EvidenceCase, changed, gap, good_figures


@pytest.fixture
def installed(environment, monkeypatch):
    """Publishes evidence into the lake of an installation whose YAML has the same settings."""

    def install(figures=None) -> None:
        officers = ["ana.ruiz@example.org", "bo.lund@example.org"]
        owners = {**OWNERS, "compliance": "team:officers", "teams": {**OWNERS["teams"], "officers": officers}}
        case = EvidenceCase(environment.home, {"owners": owners}, figures or good_figures()).publish()
        write_use_case(environment.defs, "complaints", case.attributes_used)

    monkeypatch.setenv("FT_HOME", str(environment.home))
    monkeypatch.setenv("FT_DEFS", str(environment.defs))
    return install


def test_an_accepted_release_ends_with_0(installed, capsys):
    installed()
    assert main(["decide", "complaints", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["decision"] == "accepted"
    assert {"rule", "passed", "value", "low", "high", "needed", "why"} <= set(found["rules"][0])
    assert found["waivers"] == []


def test_a_refused_one_ends_with_1_and_says_why_until_a_person_waives_the_rule(installed, capsys):
    installed(changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3)))
    assert main(["decide", "complaints"]) == 1
    shown = capsys.readouterr().out
    assert "refused" in shown and "✗ fairness/region" in shown and "differs by 0.300" in shown
    day = (datetime.now(UTC).date() + timedelta(days=9)).isoformat()
    words = ["--by", "Ana.Ruiz@example.org", "--until", day, "--reason", "Few records of this region; watched monthly."]
    assert main(["waiver", "grant", "complaints", "--rule", "fairness/region", *words]) == 0
    capsys.readouterr()
    assert main(["waiver", "list", "complaints", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)["waivers"]
    assert main(["decide", "complaints"]) == 1
    assert "a second person has to confirm it, since nobody knows who trained" in capsys.readouterr().out
    assert main(["waiver", "confirm", "complaints", listed[0]["id"], "--by", "bo.lund@example.org"]) == 0
    assert main(["decide", "complaints", "--json"]) == 0
    assert json.loads(capsys.readouterr().out.split("\n", 1)[1])["tested"].startswith("This rests on 400 of 400")
    assert [waiver["rule"] for waiver in listed] == ["fairness/region"]
    assert (
        main(
            [
                "waiver",
                "revoke",
                "complaints",
                listed[0]["id"],
                "--by",
                "ana.ruiz@example.org",
                "--reason",
                "It has grown.",
            ]
        )
        == 0
    )
    assert main(["decide", "complaints"]) == 1


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["grant", "complaints"], "--rule and --until are needed"),
        (["grant", "complaints", "--rule", "nothing", "--until", "2099-01-01"], "there is no rule 'nothing'"),
        (["revoke", "complaints", "waiver-0", "--by", "ana.ruiz@example.org"], "has no waiver waiver-0"),
        (["revoke", "complaints"], "a waiver's id and --by are needed"),
    ],
)
def test_wrong_use_is_one_line_with_the_next_step(installed, capsys, words, problem):
    installed()
    assert main(["waiver", *words]) == 1
    assert problem in capsys.readouterr().err
