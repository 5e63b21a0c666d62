"""The asset `splits` and its checks, called on a hand-made version of `anonymized_records`."""

from pathlib import Path
from typing import Any

import dagster as dg
import pyarrow as pa
import pytest

from ft_platform.assets import adapter_checkpoint
from ft_platform.assets import splits as splits_module
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.records.schemas import anonymized_schema
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.tables import table, use_case


def anonymized(lake: Lake, case: NamedUseCase, count: int, **columns: list) -> TableVersion:
    texts = [f"case {i} speaks of w{i * 7} w{i * 11} w{i * 13} and nothing else w{i * 17}" for i in range(count)]
    made = table(anonymized_schema(case), texts, label=[("a", "b")[i % 2] for i in range(count)], **columns)
    return lake.write_table(case.name, "anonymized_records", made.to_batches(), made.schema, zone="shared")


def divide(lake: Lake, case: NamedUseCase, version: TableVersion) -> TableVersion:
    asset = splits_module.build(case)[0]
    result: Any = asset(lake=lake, environment=Environment(home=Path(lake.root).parent), anonymized_records=version)
    return result.value


def judge(lake: Lake, case: NamedUseCase, name: str, version: TableVersion) -> dg.AssetCheckResult:
    checks = {check.check_key.name: check for check in splits_module.build(case)[1:]}
    result: Any = checks[name](lake, version)
    return result


def sides(lake: Lake, version: TableVersion) -> dict[str, str]:
    rows = lake.read_table(version, ["record_id", "split"])
    return dict(zip(rows["record_id"].to_pylist(), rows["split"].to_pylist(), strict=True))


@pytest.fixture(autouse=True)
def no_pictures(quick_stages: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The funnel needs the stages before; it is not what is tested here."""
    monkeypatch.setattr("ft_platform.reporting.funnel.funnel", lambda lake, name: [])
    monkeypatch.setattr("ft_platform.reporting.plots.funnel_plot", lambda steps: b"")


@pytest.mark.integration
def test_a_version_carries_on_the_one_before_it_and_each_is_a_membership_table(lake: Lake) -> None:
    case = use_case()
    first = divide(lake, case, anonymized(lake, case, 60))
    second = divide(lake, case, anonymized(lake, case, 90))
    before, after = sides(lake, first), sides(lake, second)
    assert len(before) == 60 and len(after) == 90 and all(after[record] == side for record, side in before.items())
    counts = [lake.manifest(version).counts for version in (first, second)]
    assert [c["carries_on"] for c in counts] == ["nothing", first.id]
    assert "kept_sides" not in counts[0] and (counts[1]["kept_sides"], counts[1]["moved_rows"]) == (60, 0)


def test_the_same_records_again_give_the_same_version(lake: Lake) -> None:
    case = use_case()
    given = anonymized(lake, case, 60)
    assert divide(lake, case, given) == divide(lake, case, given)


@pytest.mark.integration
def test_a_changed_benchmark_file_divides_again_without_its_texts(lake: Lake, tmp_path: Path) -> None:
    file = tmp_path / "benchmark.txt"
    file.write_text("a text that stands in no record of this use case\n")
    case = use_case(splits={"benchmark_files": [str(file)]})
    given = anonymized(lake, case, 60)
    assert divide(lake, case, given).rows == 60
    file.write_text("case 3 speaks of w21 w33 w39 and nothing else w51\n")
    version = divide(lake, case, given)
    assert version.rows == 59 and lake.manifest(version).counts["funnel"]["removed"] == {"benchmark_text": 1}
    assert judge(lake, case, "no_leakage", version).passed


def test_a_label_to_treat_that_no_training_record_has_is_refused_before_a_program_starts(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"sensitive_features": ["region"], "mitigation": "threshold_optimizer", "mitigation_label": "a"}
    right, wrong = use_case(fairness=settings), use_case(fairness={**settings, "mitigation_label": "c"})
    given = anonymized(lake, right, 60)
    refusal = r"fairness\.mitigation_label 'c' is none of the 2 labels of the training split: a, b"
    with pytest.raises(dg.Failure, match=refusal):
        divide(lake, wrong, given)
    version = divide(lake, right, given)
    monkeypatch.setattr("ft_platform.assets.adapter_checkpoint.require_usable", lambda *_: None)
    monkeypatch.setattr(
        "ft_platform.assets.adapter_checkpoint.run_program", lambda *_: pytest.fail("a program was started")
    )
    train: Any = adapter_checkpoint.build(wrong)[0]
    with pytest.raises(dg.Failure, match=refusal):
        train(dg.build_asset_context(), lake=lake, environment=None, splits=version)


def _changed(lake: Lake, version: TableVersion, name: str, values: list) -> TableVersion:
    rows = lake.read_table(version)
    changed = rows.set_column(
        rows.schema.get_field_index(name), rows.schema.field(name), pa.array(values, rows.schema.field(name).type)
    )
    return lake.write_table(version.use_case, "splits", changed.to_batches(), changed.schema, zone="shared")


@pytest.mark.integration
def test_each_check_is_blocking_passes_and_turns_red_on_its_planted_fault(lake: Lake) -> None:
    case = use_case()
    version = divide(lake, case, anonymized(lake, case, 60, subject_id=[f"s{i}" for i in range(60)]))
    checks = {spec.name: spec for built in splits_module.build(case)[1:] for spec in built.check_specs}
    assert set(checks) == set(STAGES["splits"].checks) and all(spec.blocking for spec in checks.values())
    assert judge(lake, case, "no_leakage", version).passed and judge(lake, case, "label_shares_hold", version).passed
    leaking = _changed(lake, version, "subject_id", ["p"] * 60)
    result = judge(lake, case, "no_leakage", leaking)
    assert not result.passed and result.metadata["subjects"].value == 1
    assert not lake.verdicts(leaking)["no_leakage"].passed
    labels = ["a" if side == "test" else "b" for side in sides(lake, version).values()]
    shifted = _changed(lake, version, "label", labels)
    assert not judge(lake, case, "label_shares_hold", shifted).passed
    assert list(Path(lake.root).rglob("no_leakage-*")) == []
