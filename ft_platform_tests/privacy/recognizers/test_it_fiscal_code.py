"""Italian tax codes. MRTMTT91D08F205J and RSSMRA85T10A562S are published examples. Persons and numbers are
fictitious."""

from ft_platform.privacy.recognizers.it_fiscal_code import ItFiscalCodeRecognizer
from ft_platform_tests.privacy.examples import checks_of, found, found_with_another_end

FOUND = [
    ("il mio codice fiscale è MRTMTT91D08F205J", "MRTMTT91D08F205J", "beside its name"),
    ("RSSMRA85T10A562S", "RSSMRA85T10A562S", "alone"),
    ("CF: MRT MTT 91D08 F205J", "MRT MTT 91D08 F205J", "in groups"),
    ("c.f. mrtmtt91d08f205j", "mrtmtt91d08f205j", "lower case beside a cue"),
    ("RSSMRA85T50A562W", "RSSMRA85T50A562W", "a woman: day plus 40"),
    ("MRTMTT91D08F20RE", "MRTMTT91D08F20RE", "one digit as a letter (omocodia)"),
    ("MRTMTT91DLUFNLRM", "MRTMTT91DLUFNLRM", "five digits as letters"),
    ("RSSMRA85T10Z110V", "RSSMRA85T10Z110V", "born abroad"),
]
NOT_FOUND = [
    ("mrtmtt91d08f205j", "lower case without a cue"),
    ("RSSMRA85T32A562Y", "day 32"),
    ("RSSMRA85T81A562Y", "day 81"),
    ("RSSMRA85F10A562R", "no such month"),
    ("RSSMRA85B30A562G", "30 February"),
    ("XRSSMRA85T10A562S", "longer in front"),
    ("RSSMRA85T10A562SX", "longer behind"),
    ("part ABCDEF12G34H567I", "a part number"),
]

test_it_is_found, test_ordinary_text_is_left_alone = checks_of(ItFiscalCodeRecognizer(), FOUND, NOT_FOUND)


def test_every_other_check_digit_is_refused() -> None:
    assert found(ItFiscalCodeRecognizer(), "CF MRTMTT91D08F205J") == ["MRTMTT91D08F205J"]
    others = found_with_another_end(
        ItFiscalCodeRecognizer(), "CF MRTMTT91D08F205J", "MRTMTT91D08F205J", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    )
    assert others == []
