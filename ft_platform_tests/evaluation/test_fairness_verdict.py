"""The burden of proof is on the model: a whole interval, and every group. Small groups can be pooled, or left out with
a stated reason; nothing else helps."""

from typing import Any

import pyarrow as pa
import pytest

from ft_platform.evaluation.fairness import fairness
from ft_platform.evaluation.fairness_verdict import all_fair, fairness_verdicts, named, score_interval, why_not_fair
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform_tests.conftest import minimal_attributes

LARGE = {"north": 400, "south": 400}
REASON = "Three records a year come from the island."


def use_case(
    features: tuple[str, ...] = ("region",), gate: dict[str, Any] | None = None, **settings: Any
) -> NamedUseCase:
    attributes = minimal_attributes("unused.csv") | {"gate": gate or {}, "evaluation": {"bootstrap_samples": 100}}
    attributes["record"]["features"] = {"region": "region", "age": "age"}
    attributes["fairness"] = {"sensitive_features": list(features), **settings}
    return NamedUseCase(name="complaints", settings=UseCase.model_validate(attributes))


def answered(sizes: dict[Any, int], wrong: dict[Any, float] | None = None) -> pa.Table:
    """Test records of each group, region or (region, age), of which a share has a wrong answer."""
    rows = []
    for group, size in sizes.items():
        region, age = group if isinstance(group, tuple) else (group, "any")
        share = (wrong or {}).get(group, 0.1)
        rows += [
            {
                "feature_region": region,
                "feature_age": age,
                "label": "card",
                "predicted": "loan" if number < share * size else "card",
            }
            for number in range(size)
        ]
    return pa.Table.from_pylist(rows)


def judged(case: NamedUseCase, table: pa.Table) -> dict[str, Any]:
    return fairness_verdicts(fairness(case, table), case.settings)


CASES = {
    "equal groups": (
        LARGE,
        {},
        {},
        "within_max_gap",
        "between south (best) and north (worst), the whole interval within the limit of 0.2.",
    ),
    "a gap": (LARGE, {"south": 0.5}, {}, "above_max_gap", "differs by 0.400"),
    "a value below the limit whose interval ends above it": (
        {"north": 60, "south": 60},
        {"south": 0.25},
        {},
        "not_enough_evidence",
        "reaches above the limit",
    ),
    "a small group": (
        {**LARGE, "island": 3},
        {},
        {},
        "not_enough_evidence",
        (
            "region: not enough evidence. A group has fewer than 20 test records: island needs 17 more. Accuracy of the"
            " other groups differs by 0.000"
        ),
    ),
    "records without a value": ({**LARGE, None: 19}, {}, {}, "not_enough_evidence", "not stated needs 1 more"),
    "one large group": (
        {"north": 400, "south": 5},
        {},
        {},
        "not_enough_evidence",
        "Fewer than two groups have 20 test records",
    ),
    "one group": (
        {"north": 400},
        {},
        {},
        "not_enough_evidence",
        "so nothing can be compared. All 400 are north: 20 of another group are missing.",
    ),
    "a gap and a small group": ({**LARGE, "island": 3}, {"south": 0.5}, {}, "above_max_gap", "island needs 17 more"),
    "a small group that is accepted": (
        {**LARGE, "island": 3},
        {},
        {"small_groups": {"region": {"island": REASON}}},
        "within_max_gap",
        (
            "Too small to be compared, and accepted in fairness.small_groups: island: Three records a year come from"
            " the island."
        ),
    ),
    "another small group is accepted": (
        {**LARGE, "island": 3},
        {},
        {"small_groups": {"region": {"isle": REASON}}},
        "not_enough_evidence",
        "island needs 17",
    ),
    "all but one are accepted": (
        {"north": 400, "island": 3},
        {},
        {"small_groups": {"region": {"island": REASON}}},
        "not_enough_evidence",
        "Fewer than two",
    ),
    "a pooled group that is large enough": (
        {**LARGE, "island": 12, "reef": 13},
        {},
        {"pooled_groups": {"region": {"overseas": ["island", "reef"]}}, "max_gap": 0.4},
        "within_max_gap",
        "Pooled by fairness.pooled_groups: overseas.",
    ),
    "a pooled group that is served worse": (
        {**LARGE, "island": 40, "reef": 40},
        {"island": 0.8, "reef": 0.8},
        {"pooled_groups": {"region": {"overseas": ["island", "reef"]}}},
        "above_max_gap",
        "(best) and overseas (worst)",
    ),
    "a pooled group that is still small": (
        {**LARGE, "island": 2, "reef": 3},
        {},
        {"pooled_groups": {"region": {"overseas": ["island", "reef"]}}},
        "not_enough_evidence",
        "overseas needs 15 more",
    ),
    # All are right in both groups: a bootstrap has no width, and 4 records prove nothing.
    "two groups of four": (
        {"north": 4, "south": 4},
        {"north": 0.0, "south": 0.0},
        {"min_group_rows": 2},
        "not_enough_evidence",
        "reaches above the limit",
    ),
}


@pytest.mark.parametrize(("sizes", "wrong", "settings", "status", "words"), CASES.values(), ids=CASES)
def test_a_verdict_needs_the_whole_interval_of_every_group(
    sizes: dict, wrong: dict, settings: dict, status: str, words: str
) -> None:
    case = use_case(**settings)
    found = fairness(case, answered(sizes, wrong))
    verdict = fairness_verdicts(found, case.settings)["region"]
    assert verdict.status == status and words in verdict.text, verdict
    assert found["features"]["region"]["status"] == status
    assert found["within_max_gap"] is verdict.passed is (status == "within_max_gap")
    assert (verdict.text in why_not_fair(found, case.settings)) and all_fair(found, case.settings) is verdict.passed


def of_two_labels(wrong: dict[str, int]) -> pa.Table:
    """200 records a group: 20 problems, of which so many are taken for praise, and 180 praises that are right."""
    rows = []
    for region, mistakes in wrong.items():
        rows += [("problem", "praise" if number < mistakes else "problem", region) for number in range(20)]
        rows += [("praise", "praise", region)] * 180
    return pa.table(
        {
            "label": [label for label, *_ in rows],
            "predicted": [predicted for _, predicted, _ in rows],
            "feature_region": [region for *_, region in rows],
            "feature_age": ["any"] * len(rows),
        }
    )


def test_a_label_that_one_group_gets_wrong_is_told_where_accuracy_is_alike() -> None:
    """North finds 18 of 20 problems, south 2: accuracy 0.99 and 0.91, recall 0.9 and 0.1, F1 0.947 and 0.182."""
    verdict = judged(use_case(), of_two_labels({"north": 2, "south": 18}))["region"]
    assert verdict.passed and "Accuracy differs by 0.080" in verdict.text
    assert "The limit is for Accuracy alone: for problem, F1 differs by 0.766 (" in verdict.text
    assert "between north (highest) and south (lowest)" in verdict.text
    assert "for problem, recall differs by 0.800 (" in verdict.text
    assert "alike" not in verdict.text


def test_where_no_label_differs_the_verdict_still_says_what_it_is_about() -> None:
    verdict = judged(use_case(), of_two_labels({"north": 2, "south": 2}))["region"]
    assert verdict.passed and verdict.text.endswith("The limit is for Accuracy alone.")


def test_the_records_that_each_small_group_lacks_are_counted() -> None:
    verdict = judged(use_case(), answered({**LARGE, **{f"isle {number}": number for number in range(1, 10)}}))["region"]
    assert dict(verdict.missing) == {f"isle {number}": 20 - number for number in range(1, 10)}
    assert (
        "9 groups have fewer than 20 test records: isle 9 needs 11 more, isle 8 needs 12 more, isle 7 needs 13 more, "
        in verdict.text
    )
    assert "isle 4 needs 16 more, and 3 others (fairness.json has all)." in verdict.text


@pytest.mark.integration
def test_small_groups_of_two_features_count_as_well_and_can_be_pooled_or_accepted() -> None:
    sizes = {("north", "old"): 400, ("north", "young"): 400, ("south", "old"): 400, ("south", "young"): 3}
    both = ("region", "age")
    found = judged(use_case(both), answered(sizes))
    assert found["region"].passed and found["age"].passed and not found["region and age"].passed
    assert dict(found["region and age"].missing) == {"south and young": 17}
    accepted = use_case(both, small_groups={"region and age": {"south and young": REASON}})
    assert judged(accepted, answered(sizes))["region and age"].passed
    pooled = use_case(both, pooled_groups={"region and age": {"south": ["south and young", "south and old"]}})
    assert judged(pooled, answered(sizes))["region and age"].passed
    seen = set(fairness(pooled, answered(sizes))["intersections"]["region and age"]["groups"])
    assert seen == {"north and old", "north and young", "south"}
    by_feature = use_case(both, pooled_groups={"age": {"any age": ["old", "young"]}})
    seen = set(fairness(by_feature, answered(sizes))["intersections"]["region and age"]["groups"])
    assert seen == {"north and any age", "south and any age"}


def test_reports_say_what_a_pooled_group_holds() -> None:
    case = use_case(pooled_groups={"region": {"overseas": ["island", "reef", "atoll"]}})
    found = fairness(case, answered({**LARGE, "island": 12, "reef": 13}))["features"]["region"]
    assert found["pooled"] == {"overseas": {"island": 12, "reef": 13}} and found["groups"]["overseas"]["rows"] == 25
    assert "island" not in found["groups"]


def test_without_sensitive_features_the_reason_decides() -> None:
    for reason, fair in (("", False), ("The records hold parts of machines.", True)):
        case = use_case((), gate={"without_sensitive_features": reason})
        found = fairness(case, answered(LARGE))
        assert found["within_max_gap"] is fair and all_fair(found, case.settings) is fair
        assert (reason or "Neither fairness.sensitive_features nor") in why_not_fair(found, case.settings)


def test_the_records_that_a_wide_interval_needs_are_told_and_are_about_enough() -> None:
    case = use_case()
    verdict = judged(case, answered({"north": 60, "south": 60}, {"south": 0.25}))["region"]
    told = int(verdict.text.split("About ")[1].split(" ")[0].replace(",", ""))
    assert judged(case, answered({"north": round(1.2 * told), "south": round(1.2 * told)}, {"south": 0.25}))[
        "region"
    ].passed
    assert not judged(case, answered({"north": told // 2, "south": told // 2}, {"south": 0.25}))["region"].passed


def test_the_score_interval_equals_a_published_example() -> None:
    """Newcombe 1998, table II, method 10: 56 of 70 against 48 of 80."""
    assert score_interval((56 / 70, 70), (48 / 80, 80), 0.95) == pytest.approx((0.0524, 0.3339), abs=5e-5)


def test_names_of_groups_do_not_steer_a_terminal() -> None:
    assert named("so\x1b[31m\nuth") == "so�[31m uth" and len(named("x" * 500)) == 60


PROBLEMS = [
    (
        {"pooled_groups": {"age": {"any": ["old"]}}},
        r"`fairness.pooled_groups` names \['age'\], not among what is compared: \['region'\]",
    ),
    ({"small_groups": {"region and age": {"x": REASON}}}, r"`fairness.small_groups` names \['region and age'\]"),
    ({"pooled_groups": {"region": {"a": ["x", "y"], "b": ["y"]}}}, r"puts \['y'\] into more than one group"),
    ({"pooled_groups": {"region": {"a": ["b"], "b": ["x"]}}}, r"puts \['b'\] into more than one group"),
    (
        {"pooled_groups": {"region": {"a": ["x"]}}, "small_groups": {"region": {"x": REASON}}},
        r"names \['x'\], which `fairness.pooled_groups` pools",
    ),
    ({"small_groups": {"region": {"x": "few of them"}}}, "at least 20 characters"),
    ({"small_groups": {"region": {"x": " " * 40}}}, "at least 20 characters"),
]


@pytest.mark.parametrize(("settings", "problem"), PROBLEMS)
def test_pools_and_reasons_that_fit_nothing_are_refused(settings: dict, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        use_case(**settings)
