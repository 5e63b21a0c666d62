"""Texts in other languages go, texts of which nothing is known are kept or removed as the settings say. Texts are made
up."""

import sys

import pytest

from ft_platform.cleaning import language
from ft_platform.errors import ConfigError, MissingExtra
from ft_platform_tests.cleaning.test_filters import quality
from ft_platform_tests.tables import use_case

pytest.importorskip("py3langid")

ENGLISH = "The bank charged me a fee although the balance of my account never went below zero."
GERMAN = "Die Bank hat mir eine Gebühr berechnet, obwohl mein Konto nie im Minus war."
TURKISH = "Hesabım hiç eksiye düşmediği halde banka benden ücret aldı."
CHINESE = "银行向我收取了费用，尽管我的账户余额从未低于零。"


@pytest.mark.parametrize(
    ("text", "allowed", "reason"),
    [
        (ENGLISH, [], None),  # all languages
        (ENGLISH, ["en"], None),
        (GERMAN, ["en"], "language_not_allowed"),
        (GERMAN, ["en", "de"], None),
        (TURKISH, ["en", "de"], "language_not_allowed"),
        (CHINESE, ["en"], "language_not_allowed"),
        (CHINESE, ["zh"], None),
        (ENGLISH.upper(), ["en"], None),
        ("4242 4242 4242 4242", ["en"], None),  # undetermined
        ("Ann Miller, ATM", ["en"], None),
    ],
)
def test_texts_in_other_languages_are_removed(text: str, allowed: list[str], reason: str | None) -> None:
    assert quality(text, allowed_languages=allowed) == reason


@pytest.mark.parametrize(
    ("text", "reason"),
    [("4242 4242 4242 4242", "language_undetermined"), (ENGLISH, None), (GERMAN, "language_not_allowed")],
)
def test_undetermined_texts_go_where_the_settings_say_so(text: str, reason: str | None) -> None:
    assert quality(text, allowed_languages=["en"], undetermined_language="remove") == reason


def test_the_confidence_decides() -> None:
    """Danish and Norwegian are close to each other: of this, the model is about 0.76 sure that it is Danish."""
    text = "Vælg en gyldig mulighed for denne konto"
    share = language.share_of(language._identifier(), text, frozenset(["no"]))
    assert 0.05 < share < 0.4
    assert quality(text, allowed_languages=["no"], language_confidence=min(0.99, 1.001 - share)) is None
    assert (
        quality(text, allowed_languages=["no"], language_confidence=max(0.51, 0.999 - share)) == "language_not_allowed"
    )


def test_a_language_that_is_not_known_is_an_error_that_lists_those_that_are() -> None:
    with pytest.raises(ConfigError, match=r"xx is not known to the language model.*en, "):
        quality(ENGLISH, allowed_languages=["en", "xx"])


def test_without_the_library_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    language._identifier.cache_clear()
    monkeypatch.setitem(sys.modules, "py3langid.langid", None)
    with pytest.raises(MissingExtra, match=r"ft-platform\[language\]"):
        quality(ENGLISH, allowed_languages=["en"])
    assert quality(ENGLISH) is None  # not needed where all languages are allowed
    language._identifier.cache_clear()


def test_codes_are_codes() -> None:
    with pytest.raises(ValueError, match="allowed_languages"):
        use_case(cleaning={"allowed_languages": ["English"]})
