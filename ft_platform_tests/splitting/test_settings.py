import pytest

from ft_platform_tests.tables import use_case


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"splits": {"validation_fraction": 0.45, "test_fraction": 0.46}}, "must leave more than 0.1 for training"),
        (
            {"splits": {"group_by_features": ["ticket"]}},
            r"`splits.group_by_features` names \['ticket'\], not among `record.features` \['region'\]",
        ),
        (
            {
                "splits": {"group_by_features": ["region"]},
                "privacy": {"columns": {"region": "drop"}},
                "fairness": {"sensitive_features": []},
            },
            r"`splits.group_by_features` names \['region'\], which `privacy.columns` empties",
        ),
        ({"splits": {"strategy": "temporal"}}, "`record.date` is needed"),
        ({"splits": {"strategy": "newest"}}, "strategy"),
        ({"splits": {"test_rows": 0}}, "test_rows"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(sections: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        use_case(**sections)


def test_settings_that_fit_are_accepted() -> None:
    case = use_case(
        splits={"group_by_features": ["region"]},
        privacy={"columns": {"region": "pseudonym"}},
        fairness={"sensitive_features": []},
    )
    assert case.settings.splits.group_by_features == ["region"]
    use_case(splits={"validation_fraction": 0.45, "test_fraction": 0.44})
