"""ft annotate on a small real lake."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from ft_platform import cli
from ft_platform.evaluation.annotation.browsing import handle_of
from ft_platform.people.person import named
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.annotation.test_repairs import checked
from ft_platform_tests.evaluation.annotation.test_unlabelled import add_unlabelled
from ft_platform_tests.evaluation.annotation.test_unlabelled import checked as newest_checked
from ft_platform_tests.monitoring.traffic.served import Served

pytestmark = pytest.mark.integration


@pytest.fixture
def served(environment: Environment, quick_stages: None, monkeypatch: pytest.MonkeyPatch) -> Served:
    made = Served(environment)
    write_use_case(environment.defs, "tests", made.attributes)
    for name, value in environment.to_variables().items():
        monkeypatch.setenv(name, value)
    for name in ("FT_ENVIRONMENT", "FT_PSEUDONYM_KEY"):
        monkeypatch.delenv(name, raising=False)
    made.prepare()
    checked(made)
    return made


def ft(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert cli.main(["annotate", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def fill(file: str, folder: Path, rater: str, label: str) -> str:
    with open(file, encoding="utf-8-sig", newline="") as opened:
        rows = list(csv.DictReader(opened))
    path = folder / f"{rater}.csv"
    with open(path, "w", encoding="utf-8", newline="") as opened:
        writer = csv.DictWriter(opened, list(rows[0]))
        writer.writeheader()
        writer.writerows([{**row, "label": label} for row in rows])
    return f"{rater}={path}"


def test_from_a_task_over_an_arbiter_to_repairs_and_back(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (file,) = ft(capsys, "export", "tests", "--rows", "20", "--out", str(tmp_path / "out"))["files"]
    ana, bo = fill(file, tmp_path, "ana", "mortgage"), fill(file, tmp_path, "bo", "credit card")
    told = ft(capsys, "import", "tests", ana, bo)
    assert len(told["disputed"]) == 20
    assert cli.main(["annotate", "status", "tests"]) == 0
    shown = capsys.readouterr().out
    assert "20 wait for an arbiter" in shown and "judged by ana 20, bo 20" in shown
    disputed = ft(capsys, "export", "tests", "--disputed", told["task"], "--out", str(tmp_path / "arbiter"))
    assert disputed["rows"] == 20
    told = ft(capsys, "import", "tests", fill(disputed["files"][0], tmp_path, "cy", "credit card"), "--arbiter", "cy")
    assert told["accepted"] > 0
    assert told["accepted"] == told["repaired"] and told["accepted"] + told["confirmed"] == 20
    found = ft(capsys, "status", "tests")
    assert len(found["repairs"]) == told["accepted"] and found["accepted"][0]["id"] == told["id"]
    assert cli.main(["annotate", "revoke", "tests", told["id"]]) == 1 and "--reason" in capsys.readouterr().err
    assert ft(capsys, "revoke", "tests", told["id"], "--reason", "an older guideline") == {"revoked": told["id"]}
    assert ft(capsys, "status", "tests")["repairs"] == []
    assert cli.main(["annotate", "export", "tests", "--by", "no.body@example.org", "--out", str(tmp_path / "x")]) == 1
    assert "may take records to annotate" in capsys.readouterr().err and not (tmp_path / "x").exists()
    told = ft(capsys, "start", "tests", "--rows", "5", "--order", "random")
    assert (told["rows"], told["files"]) == (5, []) and told["task"] != found["tasks"][0]["task"]
    (file,) = ft(capsys, "export", "tests", "--rows", "5", "--order", "random", "--out", str(tmp_path / "same"))[
        "files"
    ]
    ana = fill(file, tmp_path, "ana", "mortgage").partition("=")[2]
    judged = ft(capsys, "import", "tests", f"ana.ruiz@example.org={ana}")
    assert judged["task"] == told["task"], "a task of the browser and of files is one"
    assert judged["judged"] == {handle_of(named("ana.ruiz@example.org")): 5}, "whoever signs in is one rater"
    assert cli.main(["annotate", "effect", "tests"]) == 1
    assert "no two evaluations" in capsys.readouterr().err


def test_records_without_a_label_are_asked_for_by_an_option(
    served: Served, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    def refused(*words: str) -> str:
        assert cli.main(["annotate", "export", "tests", *words, "--out", str(tmp_path / "out")]) == 1
        return " ".join(capsys.readouterr().err.split())

    assert "add --unlabelled" in refused("--order", "most-useful")
    assert "leave --side and --order out" in refused("--unlabelled", "--side", "train")
    assert "tests has no record without a label to show" in refused("--unlabelled")
    add_unlabelled(served)
    served.prepare()
    newest_checked(served)
    told = ft(capsys, "export", "tests", "--unlabelled", "--rows", "3", "--out", str(tmp_path / "out"))
    assert (told["rows"], told["order"]) == (3, "most-useful") and Path(told["files"][0]).exists()
