"""The burden of proof is on the checkpoint: an interval must end below its limit, on enough records. Counts are checked
against independent formulas."""

import math
from typing import Any

import pytest

from ft_platform.training.privacy_attacks.enough_records import for_gain
from ft_platform.training.privacy_attacks.extraction import Copied, extraction, not_extracted
from ft_platform.training.privacy_attacks.membership import ATTACKS
from ft_platform.training.privacy_attacks.shares import newcombe
from ft_platform.training.privacy_attacks.verdict import PrivacyVerdict, attacker_in_words, privacy_verdict
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.policy import Policy
from ft_platform_tests.conftest import minimal_attributes

SMALL = {"records": 600, "members": 390, "others": 120}
"""A use case that cannot prove a true positive rate, whatever the attack finds."""


def verdict_of(found: dict[str, Any], objective: str = "sft", **attacks: Any) -> PrivacyVerdict:
    return privacy_verdict(found, use_case(objective, **attacks))


def use_case(objective: str = "sft", policy: Policy | None = None, vault: bool = False, **attacks: Any) -> NamedUseCase:
    sections = {"training": {"objective": objective}, "privacy": {"vault": vault}, "attacks": attacks}
    settings = UseCase.model_validate({**minimal_attributes("unused.csv"), **sections})
    return NamedUseCase(name="complaints", settings=settings, policy=policy or Policy())


def ends(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


GUESSES = {"auc": ends(0.52, 0.48, 0.56), "at_1_percent": ends(0.012, 0.004, 0.035)}


def figures(**changes: Any) -> dict[str, Any]:
    """Figures of attacks that prove that nothing is given away."""
    good = {
        "records": 2000,
        "members": 1000,
        "others": 400,
        "membership": dict.fromkeys(ATTACKS, GUESSES),
        "slices": [],
        "membership_status": "measured",
        "extraction_rate": extraction(Copied(100, 0, 0), Copied(100, 0, 0), Copied(100, 0, 0), "user texts", 0.95),
        "personal_data": {"samples": 30, "texts_with_finding": 0, "originals": None},
        "personal_data_status": "measured",
        "differential_privacy": None,
    }
    return {**good, **changes}


def with_attack(name: str = "calibrated", counts: dict[str, int] | None = None, **found: Any) -> dict[str, Any]:
    return figures(membership={**dict.fromkeys(ATTACKS, GUESSES), name: {**GUESSES, **found}}, **counts or {})


def with_slice(low: float, chance: float) -> dict[str, Any]:
    one = {"kind": "label", "name": "fraud", "members": 40, "found": 30, "others": 15, "mistaken": 0}
    return figures(slices=[{**one, "low": low, "chance": chance}])


MAY_FIND: dict[str, Any] = {"at_1_percent": ends(0.03, 0.01, 0.06)}


def with_copies(train: int, test: int, rows: int = 100) -> dict[str, Any]:
    return figures(
        extraction_rate=extraction(
            Copied(rows, train, train), Copied(rows, test, test), Copied(rows, 0, 0), "answers", 0.95
        )
    )


def test_figures_whose_whole_intervals_are_within_the_limits_pass_and_say_so() -> None:
    verdict = verdict_of(figures())
    assert verdict.passed and verdict.reasons == () == verdict.warnings
    assert verdict.text == (
        "Of 1,000 training records, an attacker would find 12 (at most 35) and be wrong about 10 of 1,000 others;"
        " guessing finds 10. The model continues training records word for word in 0.0% of the cases, test records in"
        " 0.0%, a difference of +0.0% (-3.7% to +3.7%); no personal data in 30 texts that it wrote."
        " The whole interval is within attacks.max_true_positive_rate 0.05."
    )


BROKEN = [
    (
        "more found than the limit, for sure",
        with_attack(at_1_percent=ends(0.09, 0.06, 0.13)),
        "An attack by the loss below what the record's difficulty leads one to expect finds 9.0% (6.0% to 13.0%) of the"
        " training records at 1% false alarms, beyond attacks.max_true_positive_rate 0.05",
    ),
    (
        "the loss alone finds more",
        with_attack("loss", at_1_percent=ends(0.09, 0.06, 0.13)),
        "An attack by the loss finds 9.0%",
    ),
    (
        "a value below the limit whose interval ends above it",
        with_attack(**MAY_FIND),
        "An attacker may find 3.0% (1.0% to 6.0%) of the training records at 1% false alarms, and"
        " attacks.max_true_positive_rate is 0.05. About 1,965 training and 786 other records would be enough if the"
        " share stayed the same; raise attacks.rows, now 1000",
    ),
    (
        "chance has put more records beyond the sure threshold than the value says: more are needed than there are",
        with_attack(at_1_percent=ends(0.015, 0.002, 0.057), counts={"members": 1000, "others": 401}),
        "About 1,347 training and 540 other records would be enough if the share stayed the same",
    ),
    (
        "almost proven: no fewer are enough than there are",
        with_attack(at_1_percent=ends(0.021, 0.003, 0.050372), counts={"members": 1000, "others": 563}),
        "About 1,018 training and 573 other records would be enough if the share stayed the same; raise attacks.rows",
    ),
    (
        "few others where there are records enough",
        with_attack(**MAY_FIND, counts={"others": 150}),
        "There are enough records: raise splits.test_fraction",
    ),
    (
        "a small use case whose area may be beyond the limit",
        with_attack(**MAY_FIND, auc=ends(0.6, 0.54, 0.66), counts=SMALL),
        "The area would do instead, and may be beyond attacks.max_membership_auc 0.65: 0.60 (0.54 to 0.66)",
    ),
    (
        "an area beyond the limit for sure",
        with_attack("loss", auc=ends(0.7, 0.66, 0.74)),
        "Training records can be told from others by the loss: area 0.70 (0.66 to 0.74)",
    ),
    (
        "an area as far below chance",
        with_attack("loss", auc=ends(0.2, 0.15, 0.25)),
        "Training records can be told from others by the loss",
    ),
    (
        "a label that is known by heart",
        with_slice(0.5, 0.001),
        "Of label 'fraud', an attacker finds 30 of 40 training records and takes 0 of 15 others for one",
    ),
    (
        "one of the attacks was left out",
        figures(membership={"loss": GUESSES}),
        "Membership was not measured by every attack; about 955 training and 382 other records (of the test and"
        " validation splits) are enough",
    ),
    ("no attack was made", figures(membership={}), "Membership was not measured (measured)"),
    (
        "none",
        figures(membership=None, membership_status="too few records: 5 of training and 5 of test"),
        "Membership was not measured (too few records: 5 of training and 5 of test)",
    ),
    (
        "copied beyond the limit",
        with_copies(10, 0),
        "The model continues training records word for word in 10.0% of the cases",
    ),
    (
        "copied, and the interval reaches the limit",
        with_copies(4, 0),
        "The model may continue training records word for word more often than attacks.max_extraction_gain 0.05",
    ),
    (
        "nothing copied of too few texts",
        with_copies(0, 0, 72),
        "Extraction was measured on 72 texts per side; at least 73 long texts",
    ),
    (
        "guessed often, which hides memory",
        with_copies(20, 20),
        "About 493 texts per side would be enough if the shares stayed the same",
    ),
    (
        "extraction left out",
        figures(extraction_rate=not_extracted("too few texts are long enough")),
        "Extraction was not measured (too few texts are long enough",
    ),
    (
        "no text was searched",
        figures(personal_data=None, personal_data_status="there is no record"),
        "were not searched for personal data: there is no record",
    ),
    (
        "an original of the vault",
        figures(personal_data={"originals": 2}),
        "2 finding(s) in texts that the model wrote are originals",
    ),
]


@pytest.mark.parametrize(
    ("found", "words"), [(found, words) for _, found, words in BROKEN], ids=[name for name, _, _ in BROKEN]
)
def test_what_is_not_proven_does_not_pass(found: dict[str, Any], words: str) -> None:
    verdict = verdict_of(found)
    assert not verdict.passed and words in verdict.text, verdict.text
    assert len(verdict.reasons) == 1


def test_a_use_case_too_small_for_the_rate_owes_what_the_policy_says() -> None:
    small = with_attack(**MAY_FIND, counts=SMALL)
    verdict = verdict_of(small)
    assert verdict.passed and (
        "Not proven: measured on 390 training and 120 other records, and about 1,108 training and 341 other records (of"
        " the test and validation splits) are enough. The policy accepts the area from so small a use case"
        in verdict.text
    )
    strict = privacy_verdict(small, use_case(policy=Policy(name="strict", small_use_cases="waiver")))
    assert "The policy accepts nothing else from a use case of this size" in strict.text and not strict.passed


def test_no_setting_of_a_use_case_makes_it_small() -> None:
    own: list[dict[str, Any]] = [{"max_true_positive_rate": 0.015}, {"confidence": 0.999}]
    for strict in own:
        verdict = verdict_of(with_attack(**MAY_FIND), **strict)
        assert not verdict.passed and "There are enough records" in verdict.text


def test_the_area_of_a_small_use_case_excuses_nothing_that_was_found() -> None:
    assert not verdict_of(with_attack(at_1_percent=ends(0.2, 0.06, 0.4), counts=SMALL)).passed
    assert not verdict_of({**with_slice(0.5, 0.001), **SMALL}).passed


def test_a_slice_breaks_the_limit_only_if_it_is_beyond_and_no_chance() -> None:
    assert verdict_of(with_slice(0.04, 0.001)).passed and verdict_of(with_slice(0.5, 0.03)).passed


def test_an_area_that_may_be_beyond_its_limit_warns_where_the_rate_is_proven() -> None:
    verdict = verdict_of(with_attack(auc=ends(0.62, 0.58, 0.67)))
    assert verdict.passed and verdict.warnings == (
        "The model fits its training records better than others: area 0.62 (0.58 to 0.67), where 0.65 is the limit and"
        " 0.5 is chance",
    )
    assert verdict.warnings[0] in verdict.text


def test_a_promise_of_differential_privacy_proves_what_no_attack_could() -> None:
    def promised(epsilon: float) -> dict[str, Any]:
        budget = {"epsilon": epsilon, "delta": 1e-5, "unit": "person"}
        return {**with_attack(**MAY_FIND, auc=ends(0.6, 0.54, 0.66), counts=SMALL), "differential_privacy": budget}

    assert "Differential privacy promises at most 45 to any attacker" in verdict_of(promised(1.5)).text
    assert not verdict_of(promised(1.7)).passed
    shown = {**promised(1.0), "membership": with_attack(at_1_percent=ends(0.09, 0.06, 0.13))["membership"]}
    assert not verdict_of(shown).passed, "a promise that an attack disproves"


def test_a_label_head_writes_no_text_that_could_be_searched() -> None:
    found = figures(
        extraction_rate=not_extracted("the model writes no text"),
        personal_data=None,
        personal_data_status="the model writes no text",
    )
    assert verdict_of(found, "label_head").passed and not verdict_of(found).passed


def searched(texts: int | None, status: str) -> dict[str, Any]:
    found = {"samples": 30, "texts_with_finding": texts, "originals": None, "originals_status": status}
    return figures(personal_data=found)


OFF, CLOSED = "not compared: privacy.vault is off", "not compared: there is no key"


def test_what_was_not_compared_with_originals_is_said_where_no_originals_are_kept() -> None:
    verdict = privacy_verdict(searched(2, OFF), use_case())
    assert verdict.passed
    assert "personal data in 2 of 30 texts that it wrote: not compared with originals, none are kept" in verdict.text


@pytest.mark.parametrize("texts", [2, None])
def test_where_originals_are_kept_they_have_to_be_compared(texts: int | None) -> None:
    verdict = privacy_verdict(searched(texts, CLOSED), use_case(vault=True))
    assert not verdict.passed and len(verdict.reasons) == 1
    assert "were not compared with the originals in the vault (not compared: there is no key)" in verdict.text


def test_nothing_found_has_nothing_to_compare() -> None:
    for is_kept in (True, False):
        verdict = privacy_verdict(searched(0, CLOSED), use_case(vault=is_kept))
        assert verdict.passed
        assert "no personal data in 30 texts that it wrote" in verdict.text


def test_each_limit_decides_where_it_stands() -> None:
    assert verdict_of(figures(), max_true_positive_rate=0.036).passed
    assert not verdict_of(figures(), max_true_positive_rate=0.034).passed
    told_apart = with_attack(auc=ends(0.62, 0.58, 0.66))
    assert verdict_of(told_apart, max_membership_auc=0.59).passed
    assert not verdict_of(told_apart, max_membership_auc=0.57).passed
    assert verdict_of(figures(), max_extraction_gain=0.04).passed
    assert not verdict_of(figures(), max_extraction_gain=0.03).passed


def test_a_limit_that_nobody_can_prove_refuses() -> None:
    verdict = verdict_of(figures(), max_true_positive_rate=0.01, max_extraction_gain=0.0)
    assert len(verdict.reasons) == 2
    assert "No number of records can prove attacks.max_true_positive_rate 0.01" in verdict.text


def test_one_sentence_says_what_an_attacker_finds() -> None:
    assert attacker_in_words(with_attack(at_1_percent=ends(0.003, 0.0, 0.0312))).startswith(
        "Of 1,000 training records, an attacker would find 12 (at most 35)"
    ), "the strongest attack counts"
    none = figures(membership=None, membership_status="too few records: 5 of training and 5 of test")
    assert attacker_in_words(none) == "Membership was not measured: too few records: 5 of training and 5 of test."
    earlier = {name: value for name, value in figures().items() if name != "members"}
    assert "an earlier version" in attacker_in_words(earlier)


def test_the_setting_that_holds_the_attack_back_is_named() -> None:
    found = with_copies(0, 0, 20)
    assert "raise attacks.extraction_rows, now 20" in verdict_of(found, extraction_rows=20).text


@pytest.mark.parametrize(("verbatim", "baseline"), [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5)])
def test_the_texts_that_a_gain_needs_follow_newcombe(verbatim: float, baseline: float) -> None:
    needed = for_gain(verbatim, baseline, 0.05, 0.95)
    assert needed is not None
    enough = 4 * math.ceil(needed / 4)
    assert newcombe((round(verbatim * enough), enough), (round(baseline * enough), enough), 0.95)["high"] <= 0.05
    fewer = 4 * ((needed - 1) // 4)
    assert newcombe((round(verbatim * fewer), fewer), (round(baseline * fewer), fewer), 0.95)["high"] > 0.05


def test_nothing_is_enough_beyond_a_limit() -> None:
    assert for_gain(0.1, 0.0, 0.05, 0.95) is None
