"""Texts as recognizers read them, and the way back to the original. Persons are fictitious."""

import pytest

from ft_platform.privacy.normalize import normalize
from ft_platform.privacy.spans import Span

CASES = [
    ("An\u200bna Re\u00aded", "Anna Reed", "hidden characters"),
    ("\uff21\uff4e\uff4e\uff41", "Anna", "full width"),
    ("Zoe\u0301", "Zo\u00e9", "decomposed accent"),
    ("\u0410nn\u0430 R\u0435\u0435d", "Anna Reed", "Cyrillic look-alikes in Latin words"),
    ("\u0410\u043d\u043d\u0430", "\u0410\u043d\u043d\u0430", "a Cyrillic name stays"),
    ("415\u2013555\u20110132", "415-555-0132", "dashes"),
    ("\u0664\u0661\u0665", "415", "digits of another script"),
    ("A n n a  R e e d", "Anna  Reed".replace("  ", " "), "spaced letters"),
    ("a b c", "a b c", "three single letters stay"),
    ("Reed &amp; Sons", "Reed & Sons", "HTML entity"),
    ("<p>Anna<br>Reed</p>", "\nAnna\nReed\n", "plain tags"),
    ('<a href="mailto:a@b.example">x</a>', '<a href="mailto:a@b.example">x</a>', "a tag with attributes is read"),
    ("**Anna** called", "Anna called", "bold marks"),
    ("card ****1234", "card ****1234", "a mask stays"),
    ("Anna\\nReed \\u0041", "Anna\nReed A", "JSON escapes"),
    ("a%40b.example", "a@b.example", "URL escape"),
    ("> Anna\n> Reed", "Anna\nReed", "quoted reply"),
    ("- Anna\n- Reed", "Anna\nReed", "list"),
    ("12. Oktober 1980\n1. Anna", "12. Oktober 1980\nAnna", "a numbered list, not a date"),
    ("??? Anna\n??? Reed", "Anna\nReed", "bullets that were read as ASCII"),
    ("| 17 | Anna |", "\n 17 \n Anna \n", "table row"),
    ("Anna\tReed\tcalled", "Anna Reed called", "tabs between words"),
    ("Cran-\nshaw called", "Cranshaw called", "a word that the end of a line cuts in two"),
    ("Anna-\nLena called", "Anna-Lena called", "a hyphen at the end of a line"),
    ("jArEk cRaNsHaW and rOSalINd", "Jarek Cranshaw and Rosalind", "mixed case"),
    ("eBay, PostgreSQL, McDonald, useCaseName", "eBay, PostgreSQL, McDonald, useCaseName", "ordinary capitals inside"),
    ("\u202ewahsnarC keraJ\u202c", "Jarek Cranshaw\nwahsnarC keraJ", "right-to-left override, read both ways"),
    ("an SmFyZWsgQ3JhbnNoYXc= there", "an Jarek Cranshaw there", "base64"),
    ("an SmFyZWsgQ3JhbnNoYXcg there", "an Jarek Cranshaw  there".replace("  ", " "), "base64 without padding"),
    ("an 4a6172656b204372616e73686177 there", "an Jarek Cranshaw there", "hexadecimal"),
    ("an 4a 61 72 65 6b 20 43 72 61 6e there", "an Jarek Cran there", "hexadecimal pairs"),
    ("an \\x4a\\x61\\x72\\x65\\x6b there", "an Jarek there", "escaped bytes"),
    ("an %4a%61%72%65%6b there", "an Jarek there", "escaped in a URL"),
    ("responsibilities McAllister-Whitfield", "responsibilities McAllister-Whitfield", "long words are no base64"),
    ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE", "a key is none either"),
    ("deadbeefdeadbeef 415 555 0132 53 12 61", "deadbeefdeadbeef 415 555 0132 53 12 61", "hexadecimal, no text"),
    ("41:42:43:44:45:46", "41:42:43:44:45:46", "a MAC address"),
    ("525354555657585960", "525354555657585960", "a number"),
    ("C:\\Users\\reed", "C:\\Users\\reed", "a home folder, not an escape"),
    ("H4rald R3ed", "H4rald Reed", "a digit like a letter inside a word"),
]


@pytest.mark.parametrize(("text", "expected", "why"), CASES, ids=[why for *_, why in CASES])
def test_a_text_is_read_plainly(text: str, expected: str, why: str) -> None:
    assert normalize(text).text == expected


@pytest.mark.parametrize(
    ("text", "expected", "why"),
    [
        ("l06.31.73.2O", "106.31.73.20", "address"),
        ("call 4l5 555 O132", "call 415 555 0132", "groups"),
        ("DNI 73653949Z", "DNI 736539492", "a letter that may be meant is read both ways"),
        ("lol 555 1234", "", "a word stays"),
        ("plain 415 555 0132", "", "nothing to read otherwise"),
    ],
)
def test_letters_in_numbers_are_read_as_digits_beside_the_text(text: str, expected: str, why: str) -> None:
    read = normalize(text)
    assert read.text == text and read.as_digits == expected
    assert not expected or len(expected) == len(text)


@pytest.mark.parametrize(("text", "expected", "why"), CASES, ids=[why for *_, why in CASES])
def test_every_place_leads_back_to_the_original(text: str, expected: str, why: str) -> None:
    read = normalize(text)
    whole = read.in_original([Span(0, len(read.text), "PERSON", 1.0, "test")])[0]
    assert 0 <= whole.start < whole.end <= len(text)
    starts = read.starts or tuple(range(len(text)))
    assert list(starts) == sorted(starts)


def test_a_finding_covers_the_hidden_characters_inside_it() -> None:
    text = "call A\u200bnna now"
    read = normalize(text)
    place = read.text.index("Anna")
    (found,) = read.in_original([Span(place, place + 4, "PERSON", 1.0, "test")])
    assert text[found.start : found.end] == "A\u200bnna"


def test_plain_text_comes_back_as_it_is() -> None:
    text = "I paid {$1,234.56} on XX/XX/2019.\nThey never answered."
    read = normalize(text)
    assert (read.text, read.starts, read.as_digits) == (text, (), "")
