"""What the weights of a tiny model hold of a person who was learned by heart: measured before the rows go, and on a
model trained without them. Persons are fictitious."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.erasure import weights
from ft_platform.erasure.executing import erase_approved
from ft_platform.erasure.requests import ask, decide
from ft_platform.errors import BaseModelError, DataError
from ft_platform.lake.inspection import inspect
from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.people.may import Permissions
from ft_platform.people.person import named
from ft_platform.records.schemas import splits_schema
from ft_platform.release.erasures import Request, request_named
from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.portal_pages.needs import needs_of
from ft_platform_tests.erasure.conftest import bytes_below
from ft_platform_tests.privacy_attacks.attacked_case import CANARY, OVERTRAINED, Where, installed, rows_for, trained
from ft_platform_tests.tiny_models import usable_splits

pytestmark = pytest.mark.integration
ANA, BO = named("ana.ruiz@example.org"), named("bo.lund@example.org")
OWNERS = {"accountable": ANA.name, "compliance": "team:privacy", "teams": {"privacy": [ANA.name, BO.name]}}
PERSON = "Zebulon Quartermain"
OWN = 5
"""Records of the person; of others 15 are learned and 20 are not."""
TODAY = datetime.now(UTC).date()


def rows() -> list[dict[str, Any]]:
    """Questions of the person have a word of their own."""
    made = rows_for("generation")
    for number, row in enumerate(made):
        own = row["record_id"] in {f"r{one:04d}" for one in range(OWN)}
        row["subject_id"] = PERSON if own else f"person {number}"
    return made


@dataclass
class Erased:
    """An erasure that measured weights."""

    where: Where
    request: Request

    def again(self) -> Request:
        _, lake, use_case, _ = self.where
        return request_named(lake, use_case, self.request.id)

    @property
    def sealed(self) -> list[Path]:
        home = self.where[0].home
        return [*home.rglob("*.sealed"), *(home / "erasures").glob("*.key")]


def erased(home: Path, training: dict[str, Any], received: date = TODAY) -> Erased:
    where = installed(home, "generation", training, rows(), owners=OWNERS)
    environment, lake, use_case, _ = where
    create_pseudonym_key(environment)
    trained(where)
    permissions = Permissions(environment.people, {use_case.name: use_case})
    asked = {"reason": "Letter of 3 November", "received": received, "today": TODAY, "measure_weights": True}
    request = ask(lake, environment, use_case, permissions, ANA, [PERSON], **asked)
    request = decide(lake, use_case, permissions, BO, request.id, approved=True)
    done = erase_approved(lake, environment, use_case, request, BO)
    assert done["bytes_found_after"] == 0 and done["id"], done
    return Erased(where, request_named(lake, use_case, request.id))


def trained_without(case: Erased) -> str:
    environment, lake, use_case, _ = case.where
    left = [row for row in rows() if row["subject_id"] != PERSON]
    for row in left[:OWN]:  # what the new checkpoint is chosen by
        copy = {**row, "record_id": f"v{row['record_id']}", "group_id": f"v{row['group_id']}", "split": "validation"}
        left.append(copy)
    splits = usable_splits(lake, use_case, left, splits_schema(use_case))
    return trained((environment, lake, use_case, splits)).artifact_id


@pytest.fixture(scope="module")
def by_heart(tmp_path_factory: pytest.TempPathFactory) -> Erased:
    return erased(tmp_path_factory.mktemp("heart"), OVERTRAINED)


def test_who_was_learned_by_heart_scores_high_before_and_like_anybody_after(by_heart: Erased) -> None:
    environment, lake, use_case, _ = by_heart.where
    promised = by_heart.request.certificate["weights"]  # type: ignore[index]
    (before,) = promised["before"]
    assert before["records"] == OWN and before["auc"] > 0.9 and before["chance"] < 0.01
    assert before["verbatim"] > before["verbatim_untrained"] == 0
    assert promised["sealed_until"] == by_heart.request.said["deadline"]
    remains = [one["what"] for one in by_heart.request.certificate["remains"]]  # type: ignore[index]
    assert any("sealed" in what for what in remains)
    with pytest.raises(DataError, match="was trained without the rows yet"):
        weights.measure_after(lake, environment, use_case, by_heart.request, BO, TODAY)
    (need,) = [one for one in needs_of(lake, use_case, TODAY) if one.kind == "erasure"]
    assert "ft erase measure" in need.next_step and need.until == promised["sealed_until"]
    assert len(by_heart.sealed) == 2
    for file in by_heart.sealed:
        assert file.stat().st_mode & 0o077 == 0 and CANARY.encode() not in file.read_bytes()
    checkpoint = trained_without(by_heart)
    made = weights.measure_after(lake, environment, use_case, by_heart.request, BO, TODAY)
    after = made["after"]
    assert after["checkpoint"] == checkpoint and after["records"] == OWN
    assert after["score"] < before["score"] / 2 and after["auc"] < before["auc"] - 0.2 and after["chance"] > 0.05
    assert after["verbatim"] == 0
    assert by_heart.sealed == [] and by_heart.again().weights == made
    said = [one.what for one in AuditLog(lake).entries() if one.kind == "erasure"]
    assert said.count("measured what weights hold of erased rows") == 1 and "asked to erase persons" in said
    assert weights.measure_after(lake, environment, use_case, by_heart.again(), BO, TODAY) == made, "said again"
    assert [one for one in needs_of(lake, use_case, TODAY) if one.kind == "erasure"] == []
    assert bytes_below(environment.home, PERSON) == 0 and inspect(open_lake(environment), use_case.name).problems == []


UNTRAINED = {"max_steps": 1, "learning_rate": 1e-12, "batch_rows": 5}


def test_what_was_never_learned_is_not_told_apart_and_sealed_rows_go_on_the_last_day(tmp_path: Path) -> None:
    case = erased(tmp_path, UNTRAINED)
    environment, lake, use_case, _ = case.where
    (before,) = case.request.certificate["weights"]["before"]  # type: ignore[index]
    assert before["chance"] > 0.001 and abs(before["score"]) < 1e-3 and before["verbatim"] == 0
    known, last = [case.request], case.request.deadline
    assert weights.destroy_overdue(lake, environment, use_case, known, BO, last - timedelta(days=1)) == 0
    assert len(case.sealed) == 2
    assert weights.destroy_overdue(lake, environment, use_case, known, BO, last) == 1
    told = case.again().weights
    assert (
        case.sealed == []
        and told is not None
        and told["after"] is None
        and "until the last day" in told["not_measured"]
    )
    assert weights.destroy_overdue(lake, environment, use_case, [case.again()], BO, last) == 0


def test_the_sensor_destroys_what_is_overdue_and_tells_how_much(tmp_path: Path, monkeypatch: Any) -> None:
    import dagster as dg

    from ft_platform.orchestration.erasure_watch import erasure_watch

    case = erased(tmp_path, UNTRAINED)
    environment, last = case.where[0], case.request.deadline

    class Later(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(last.year, last.month, last.day, 3, tzinfo=tz)

    with dg.instance_for_test() as instance:
        looked = erasure_watch(environment)(dg.build_sensor_context(instance=instance))
        assert "0 requests" in str(looked.skip_message) and len(case.sealed) == 2
        monkeypatch.setattr("ft_platform.orchestration.erasure_watch.datetime", Later)
        looked = erasure_watch(environment)(dg.build_sensor_context(instance=instance))
    assert "1 requests" in str(looked.skip_message) and case.sealed == []


def test_a_base_model_that_is_gone_does_not_keep_anybody_from_being_erased(tmp_path: Path, monkeypatch: Any) -> None:
    def refused(*_: Any) -> None:
        raise BaseModelError("the base model is gone")

    monkeypatch.setattr("ft_platform.erasure.weights.scores_of", refused)
    case = erased(tmp_path, UNTRAINED)
    (before,) = case.request.certificate["weights"]["before"]  # type: ignore[index]
    assert before["not_measured"] == "the base model is gone" and len(case.sealed) == 2


def test_sealed_rows_are_sealed_again_by_a_step_that_was_killed_and_an_altered_one_opens_nothing(
    environment: Environment, lake: Lake
) -> None:
    rows = pa.table({"record_id": ["r1", "r2"], "text": ["fictitious", "words"]})
    of = (lake, environment, "tests", "erasure_request-1")
    for _ in range(2):
        weights._seal(*of, pa.concat_tables([rows, rows]))
    assert weights._unsealed(*of) == rows, "each record once"
    sealed = Path(lake.path_of("restricted", "tests", "erasures", "erasure_request-1.sealed"))
    sealed.rename(sealed.with_name("erasure_request-2.sealed"))
    key = environment.home / "erasures" / "erasure_request-1.key"
    key.with_name("erasure_request-2.key").write_text(key.read_text())
    assert weights._unsealed(lake, environment, "tests", "erasure_request-2") is None, "bound to its request"
    weights.destroy(lake, environment, "tests", "erasure_request-2")
    assert not list(environment.home.rglob("erasure_request-2.*")) and weights._unsealed(*of) is None


def test_an_overdue_request_seals_nothing(tmp_path: Path) -> None:
    case = erased(tmp_path, UNTRAINED, received=TODAY - timedelta(days=60))
    assert case.sealed == [] and case.request.certificate["weights"]["sealed_until"] is None  # type: ignore[index]
