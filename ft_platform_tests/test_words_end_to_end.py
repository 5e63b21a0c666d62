"""A use case with `training.method: tfidf_logreg`, from raw records to a served answer, with the commands that people
type. The customers are fictitious; the base model that it is compared with is tiny and random."""

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ft_platform.cli import main
from ft_platform.evaluation.files import read_predictions
from ft_platform.lake.opening import open_lake
from ft_platform.lake.releases import standing_releases
from ft_platform.monitoring.day_reports import day_reports
from ft_platform.monitoring.traffic.shipping import ship, spool_path
from ft_platform.reporting.publishing.monitoring import publish_monitoring
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.file import load_use_case
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.graph import write_csv
from ft_platform_tests.tiny_models import save_tiny_model

pytestmark = [pytest.mark.integration, pytest.mark.pictures]

ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
TOPICS = {
    "card": "card swipe limit chip merchant purchase",
    "loan": "loan house mortgage term deposit lender",
    "wire": "wire transfer payee currency abroad sender",
}
OTHERS = "please letter phone office waiting answer"
POLICY = """
policy:
  name: of-a-test
  approvals: []
  at_most: {attacks.max_membership_auc: 0.95, attacks.max_true_positive_rate: 0.5}
"""
"""The records are few and their pairs of words many, which a classifier of words knows by heart; here it may. Nobody
approves columns of persons that do not exist."""


def rows(count: int) -> list[dict[str, str]]:
    """Complaints with three words of their own topic, two of each other one, and two of none: what most words of a
    neighbour are about says little."""
    draw, made = random.Random(7), []
    for number in range(count):
        label = [*TOPICS][number % 3]
        words = [word for topic, own in TOPICS.items() for word in draw.sample(own.split(), 3 if topic == label else 2)]
        words += draw.sample(OTHERS.split(), 2)
        draw.shuffle(words)
        region = ("north", "south")[draw.random() < 0.5]
        made.append({"id": f"r{number}", "text": " ".join(words), "label": label, "consent": "yes", "region": region})
    return made


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    home, before = tmp_path_factory.mktemp("words"), dict(os.environ)
    attributes = minimal_attributes(str(write_csv(home / "complaints.csv", rows(990))))
    attributes |= {
        "owners": {"accountable": ANA, "compliance": ANA, "domain_expert": BO},
        "base_model": {"uri": str(save_tiny_model(home / "model"))},
        "training": {"method": "tfidf_logreg"},
        "attacks": {"max_membership_auc": 0.95, "max_true_positive_rate": 0.5},
    }
    attributes["privacy"] |= {"special_categories": False}
    attributes["release"] |= {"approvals": ["compliance", "domain_expert"]}
    (home / "ft_environment.yaml").write_text(POLICY)
    write_use_case(home / "defs", "complaints", attributes)
    os.environ.update({"FT_HOME": str(home), "FT_DEFS": str(home / "defs")})
    os.environ.pop("DAGSTER_HOME", None)
    assert main(["run", "complaints"]) == 0
    yield load_environment()
    os.environ.clear()
    os.environ.update(before)


def answers(environment: Environment, texts: list[str]) -> list[dict[str, Any]]:
    """What the server says, and notes, in a process that has neither torch nor scikit-learn."""
    code = (
        "import json, sys\n"
        "from starlette.testclient import TestClient\n"
        "from ft_platform.use_case.environment import load_environment\n"
        "from ft_platform.monitoring.traffic.shipping import spool_path\n"
        "from ft_platform.monitoring.traffic.spool import Spool\n"
        "from ft_platform.serving.api.app import build_app\n"
        "from ft_platform.serving.api_keys import ApiKeys\n"
        "from ft_platform.serving.installation import engine_and_catalog\n"
        "from ft_platform_tests.serving.fakes import wait_until\n"
        "engine, catalog = engine_and_catalog(load_environment(), [])\n"
        "notes = Spool(spool_path(load_environment()))\n"
        "notes.start()\n"
        "app = build_app(engine, catalog, ApiKeys(None), notes)\n"
        "with TestClient(app, base_url='http://127.0.0.1:8000') as client:\n"
        "    wait_until(lambda: bool(client.get('/v1/models').json().get('data')), 30)\n"
        "    texts, found = json.load(sys.stdin), []\n"
        "    for start in range(0, len(texts), 20):\n"
        "        asked = {'model': 'complaints', 'input': texts[start : start + 20]}\n"
        "        found += client.post('/v1/classify', json=asked).json()['data']\n"
        "    print(json.dumps(found))\n"
        "notes.stop()\n"
        "assert not {'torch', 'sklearn', 'transformers'} & sys.modules.keys()"
    )
    asked = {"input": json.dumps(texts), "capture_output": True, "text": True, "check": False}
    done = subprocess.run([sys.executable, "-c", code], cwd=environment.home, **asked)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_it_is_accepted_signed_released_and_answers_as_it_was_evaluated(
    installed: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    lake = open_lake(installed)
    said = json.loads(lake.read_file(lake.artifacts("complaints", "release_decision")[0], "decision.json"))
    assert said["decision"] == "accepted", [rule for rule in said["rules"] if not rule["passed"]]
    rules = {rule["rule"]: rule["why"] for rule in said["rules"]}
    assert "beats/tfidf_logreg" not in rules and "beats/nearest_neighbour" in rules
    assert "scores labels and writes nothing" in rules["forgetting"]
    assert (
        "words and pairs of words of its anonymized training records, each used by two persons" in rules["memorization"]
    )
    assert main(["sign", "complaints", "--by", ANA]) == 0 and main(["sign", "complaints", "--by", BO]) == 0
    assert main(["release", "complaints", "--by", ANA]) == 0
    assert "signature: verified" in capsys.readouterr().out
    (release,) = standing_releases(lake, "complaints")
    assert release.record["kind"] == "label_head" and release.record["base_model"]["uri"] == "built-in:characters"

    report = lake.artifacts("complaints", "evaluation_report")[0]
    evaluated = [row for row in read_predictions(lake, report).to_pylist() if row["system"] == "fine_tuned"][:20]
    table = lake.read_table(lake.latest("complaints", "splits")).to_pylist()
    texts = {row["record_id"]: row["messages"][0]["content"] for row in table}
    found = answers(installed, [texts[row["record_id"]] for row in evaluated])
    assert len(found) == 20 and len({row["predicted"] for row in evaluated}) == 3
    for row, answer in zip(evaluated, found, strict=True):
        assert answer["label"] == row["predicted"]
        assert answer["probability"] == pytest.approx(row["confidence"], abs=1e-6)


def test_what_it_answered_is_watched(installed: Environment) -> None:
    lake, case = open_lake(installed), load_use_case(installed.defs / "complaints", environment=installed)
    answers(installed, [row["text"] for row in rows(1110)[990:]])  # of training records it is surer
    ship(lake, spool_path(installed))
    today = datetime.now(UTC).date().isoformat()
    report = publish_monitoring(lake, case, today)
    ((_, seen),) = day_reports(lake, "complaints")
    assert (seen.day, len(seen.releases)) == (today, 1) and seen.requests >= 6
    assert seen.alarms == [] and seen.estimated_accuracy.answers >= 120, seen
    page = lake.read_file(report, "report.html").decode()
    assert "ine-tuned" not in page and "LoRA" not in page


def test_pages_and_commands_call_it_by_its_name(installed: Environment, capsys: pytest.CaptureFixture[str]) -> None:
    lake = open_lake(installed)
    assert main(["results", "complaints"]) == 0
    shown = capsys.readouterr().out
    assert "TF-IDF classifier" in shown and "ine-tuned" not in shown and "TF-IDF + log. regr." not in shown
    assert main(["estimate", "complaints"]) == 0
    shown = capsys.readouterr().out
    assert "without steps" in shown and "tokens/s" not in shown
    for stage, file in {
        "evaluation_report": "report.html",
        "release_decision": "decision_brief.html",
        "model_card": "README.md",
        "adapter_checkpoint": "report.html",
    }.items():
        page = lake.read_file(lake.artifacts("complaints", stage)[0], file).decode()
        assert "built-in:characters" not in page
        assert "TF-IDF" in page and "ine-tuned" not in page and "LoRA" not in page, stage
