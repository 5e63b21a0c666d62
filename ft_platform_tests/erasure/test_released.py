"""An erasure of a person whom released models learned from: real checkpoints, a real server of our own that serves
them, and real deployments. Persons are fictitious."""

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import httpx2
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import ask, decide
from ft_platform.lake.opening import open_lake
from ft_platform.lake.provenance import TRAINING_RECORDS
from ft_platform.lake.releases import standing_releases
from ft_platform.monitoring import answering as answering_module
from ft_platform.people.loading import permissions_of
from ft_platform.people.person import named
from ft_platform.reporting.use_case_state import state_of
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving.trial import served
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.web.portal_pages.needs import CONCERNED, needs_of
from ft_platform_tests.serving import installations
from ft_platform_tests.serving.installations import Installation
from ft_platform_tests.serving.test_deploying import NAME, Served

pytestmark = pytest.mark.integration
ANA, BO = "ana.ruiz@example.org", "bo.lund@example.org"
OWNERS = {"accountable": ANA, "compliance": "team:privacy", "teams": {"privacy": [ANA, BO]}}
FIRST, SECOND = "Zebulon Quartermain", "Philippa Featherstone"
"""Of records 0 and 1, which are trained on."""
SECONDS = 5.0
"""After an erasure nothing that learned from it may answer longer."""


@pytest.fixture
def running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """Two released checkpoints: the older one learned from the second person only, the newer one from both."""
    rows_for = installations.rows_for

    def with_names(kind: str) -> list[dict]:
        names = {0: FIRST, 1: SECOND}
        return [row | {"subject_id": names.get(place, row["subject_id"])} for place, row in enumerate(rows_for(kind))]

    monkeypatch.setattr(installations, "rows_for", with_names)
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.1)
    monkeypatch.setattr(answering_module, "KEPT_SECONDS", 0.0)
    made = Installation(tmp_path / "home", "label_head")
    create_pseudonym_key(made.environment)
    made.attributes["owners"] = OWNERS
    both = made.checkpoint
    made.releases(made.another(_without_first))
    time.sleep(0.01)
    made.releases(both)
    with served(made.environment, [NAME]) as url:
        yield Served(made, url)


def _without_first(folder: Path) -> None:
    learned = pq.read_table(folder / TRAINING_RECORDS)
    pq.write_table(learned.filter(pc.not_equal(learned["record_id"], "r0000")), folder / TRAINING_RECORDS)


def erased(running: Served, person: str) -> dict:
    lake, environment, use_case = open_lake(running.environment), running.environment, running.use_case
    permissions, received = permissions_of(environment), date(2026, 11, 1)
    words = {"reason": "Letter of 3 March", "received": received, "today": datetime.now(UTC).date()}
    request = ask(lake, environment, use_case, permissions, named(ANA), [person], **words)
    approved = decide(lake, use_case, permissions, named(BO), request.id, approved=True)
    return erase_approved(lake, environment, use_case, approved, named(BO))


def within_seconds(question: Callable[[], bool]) -> bool:
    end = time.monotonic() + SECONDS
    while not question():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


def test_traffic_goes_back_to_a_clean_release_and_then_to_nothing_and_everybody_is_told(running: Served) -> None:
    lake, today = running.lake, datetime.now(UTC).date()
    newer, older = standing_releases(lake, NAME)[:2]
    running.deploy(older)
    running.deploy(newer)
    assert running.answers()[NAME] == newer.id
    state = state_of(lake, NAME, running.use_case)
    assert state.live == {"local": newer.id} and not state.is_down

    certificate = erased(running, FIRST)
    assert newer.id in certificate["releases_withdrawn"] and older.id not in certificate["releases_withdrawn"]
    assert certificate["bytes_found_after"] == 0 and certificate["id"]
    assert certificate["retraining"].startswith("asked for")
    assert within_seconds(lambda: running.answers().get(NAME) == older.id)
    state = state_of(lake, NAME, running.use_case)
    assert state.live == {"local": older.id} and state.release is not None and state.release.id == older.id

    certificate = erased(running, SECOND)
    assert older.id in certificate["releases_withdrawn"] and standing_releases(lake, NAME) == []
    assert within_seconds(lambda: running.answers() == {})
    refused = httpx2.post(f"{running.url}/v1/classify", json={"model": NAME, "input": "x"}, trust_env=False)
    assert refused.status_code == 404 or refused.status_code == 410, refused.text
    state = state_of(lake, NAME, running.use_case)
    assert (state.name, state.is_down, state.live) == ("withdrawn", True, {})
    first = needs_of(lake, running.use_case, today)[: len(CONCERNED)]
    assert {one.role for one in first} == {*CONCERNED} and {one.kind for one in first} == {"production"}
    assert "Production is down" in json.dumps(first[0].to_dict())
