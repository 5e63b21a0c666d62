"""A licence is one of the SPDX list, and one that the installation accepts; anything else permits nothing."""

from typing import Any

import pytest

from ft_platform.errors import ConfigError
from ft_platform.governance.licences import licence_problems, require_accepted_licences
from ft_platform.use_case.settings.licences import canonical_licence
from ft_platform.use_case.settings.policy import ACCEPTED_LICENCES, Policy
from ft_platform_tests.governance.tables import case_with


@pytest.mark.parametrize(
    ("text", "licence"),
    [
        ("CC-BY-4.0", "CC-BY-4.0"),
        (" cc-by-4.0 ", "CC-BY-4.0"),
        ("apache-2.0", "Apache-2.0"),
        ("LicenseRef-public-domain", "LicenseRef-public-domain"),
        ("Proprietary", "proprietary"),
        ("MIT OR Apache-2.0", "MIT OR Apache-2.0"),
        ("banana", None),
        ("CC BY 4.0", None),  # blanks instead of hyphens
        ("CC-BY", None),  # without a version it is none of the list
        ("public domain", None),
        ("", None),
        ("LicenseRef-", None),
        ("https://creativecommons.org/licenses/by/4.0/", None),
    ],
)
def test_spdx_ids_are_licences_in_any_case_and_free_text_is_none(text: str, licence: str | None) -> None:
    assert canonical_licence(text) == licence


def test_the_accepted_licences_of_the_default_policy_are_licences_and_none_forbids_use_or_changes() -> None:
    assert [canonical_licence(name) for name in ACCEPTED_LICENCES] == ACCEPTED_LICENCES
    assert not [name for name in ACCEPTED_LICENCES if "-NC" in name or "-ND" in name]


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        ({"licence": "banana"}, "'banana' is neither an SPDX id"),
        ({"licence": "banana", "without_consent_column": "licence"}, "'banana' is neither an SPDX id"),
        ({"licence": "LicenseRef-banana"}, "LicenseRef-banana is not among the licences that policy default 1 accepts"),
        ({"licence": "GPL-3.0-only"}, "policy.accepted_licences in ft_environment.yaml"),
        (
            {"licence": "CC-BY-NC-4.0", "denied_licences": []},
            "is not among the licences",
        ),  # a use case cannot lift its own deny list
        (
            {"licence": "proprietary", "without_consent_column": "licence"},
            "permits nothing: your own records need consent",
        ),
    ],
)
def test_free_text_licences_nobody_accepted_and_own_data_without_consent_are_refused(
    stated: dict[str, Any], words: str
) -> None:
    case = case_with(**stated)
    assert words in licence_problems(case.settings.governance, case.policy)[0][1]
    with pytest.raises(ConfigError, match="ft check"):
        require_accepted_licences(case)


@pytest.mark.parametrize(
    "stated",
    [{}, {"licence": "cc-by-4.0", "without_consent_column": "licence"}, {"licence": "LicenseRef-public-domain"}],
)
def test_accepted_ones_permit(stated: dict[str, Any]) -> None:
    require_accepted_licences(case_with(**stated))


def test_licences_of_single_records_are_held_to_the_policy_too() -> None:
    case = case_with({"licence": "licence"}, licence=None, accepted_licences=["CC-BY-4.0", "banana"])
    assert [place for place, _ in licence_problems(case.settings.governance, case.policy)] == [("accepted_licences", 1)]


def test_an_installation_accepts_other_licences() -> None:
    own = Policy(name="bank", accepted_licences=["LicenseRef-contract-4711", "gpl-3.0-only"])
    for licence, problems in (
        ("LicenseRef-contract-4711", 0),
        ("GPL-3.0-only", 0),
        ("proprietary", 1),
        ("CC-BY-4.0", 1),
    ):
        assert len(licence_problems(case_with(licence=licence).settings.governance, own)) == problems, licence
    with pytest.raises(ValueError, match="'banana': neither an SPDX id"):
        Policy(name="bank", accepted_licences=["banana"])
