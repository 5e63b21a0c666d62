"""Encodings are told or refused, never guessed wrong."""

from pathlib import Path

import pytest

from ft_platform.errors import SourceError
from ft_platform.sources.text_encoding import detect_encoding

FRENCH = (
    "Le crédit à été refusé, j'ai reçu une lettre de ma banque à Genève. Ça fait déjà trois mois que le prêt n'était"
    " pas accordé."
)
GERMAN = (
    "Die Überweisung wurde nicht ausgeführt, obwohl ich rechtzeitig bezahlt hätte. Größere Beträge müssen geprüft"
    " werden."
)
SPANISH = "El señor Muñoz llamó al banco pero nadie contestó. ¿Por qué cobraron dos veces la hipoteca este año?"
TYPOGRAPHIC = "I don’t know why they “closed” my account – café charges of £30 appeared twice. It’s wrong."
POLISH = (
    "Bank nie wypłacił środków, mimo że złożyłem reklamację. Proszę o zwrot pieniędzy i wyjaśnienie, dlaczego tak się"
    " stało."
)
CZECH = (
    "Banka mi dvakrát strhla peníze z účtu a nikdo neodpovídá. Žádám o vrácení částky a vysvětlení, proč se to stalo."
)
TURKISH = (
    "Banka hesabımdan iki kez para çekti ve kimse cevap vermiyor. Lütfen paramı geri ödeyin, çok teşekkür ederim, işlem"
    " yanlıştı."
)
GREEK = "Η τράπεζα χρέωσε δύο φορές τον λογαριασμό μου και κανείς δεν απαντά."
RUSSIAN = "Банк списал деньги дважды, и никто не отвечает на мои письма. Прошу вернуть средства."
JAPANESE = "銀行が二回引き落としました。返金してください。何度も電話しましたが返事がありません。"
CHINESE = "银行扣了两次款，请退款。我打了很多次电话都没有人回答。"


def encoded(folder: Path, data: bytes) -> Path:
    path = folder / "a.csv"
    path.write_bytes(data)
    return path


def found_or_refused(path: Path) -> tuple[str | None, str]:
    try:
        return detect_encoding(path, "a.csv", "auto").name, ""
    except SourceError as error:
        return None, str(error)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
@pytest.mark.parametrize("text", [GERMAN, "plain ascii, nothing else"])
def test_unicode_is_told_for_certain(tmp_path: Path, encoding: str, text: str) -> None:
    path = encoded(tmp_path, f"id,text\n1,{text}\n".encode(encoding))
    found = detect_encoding(path, "a.csv", "auto").name
    assert path.read_text(encoding=found) == f"id,text\n1,{text}\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        *[
            (text, encoding)
            for text in (
                FRENCH,
                GERMAN,
                SPANISH,
                TYPOGRAPHIC,
                POLISH,
                CZECH,
                TURKISH,
                GREEK,
                RUSSIAN,
                JAPANESE,
                CHINESE,
            )
            for encoding in ("cp1252", "latin-1")
        ],
        *[(FRENCH, e) for e in ("iso8859-15", "mac-roman", "cp850")],
        *[(GERMAN, e) for e in ("cp850", "mac-roman")],
        *[(text, e) for text in (POLISH, CZECH) for e in ("cp1250", "iso8859-2")],
        *[(TURKISH, "cp1254"), (GREEK, "cp1253"), (GREEK, "iso8859-7"), (RUSSIAN, "cp1251"), (RUSSIAN, "koi8-r")],
        *[(JAPANESE, "shift-jis"), (JAPANESE, "euc-jp"), (CHINESE, "gb18030"), (CHINESE, "euc-cn")],
    ],
)
def test_a_legacy_encoding_is_right_or_refused(tmp_path: Path, text: str, encoding: str) -> None:
    try:
        data = f"id,text\n1,{text}\n".encode(encoding)
    except UnicodeEncodeError:
        return
    path = encoded(tmp_path, data)
    found, message = found_or_refused(path)
    assert (
        path.read_text(encoding=found) == f"id,text\n1,{text}\n"
        if found
        else "Set source.encoding" in message and text not in message
    )


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (POLISH, "cp1250"),
        (CZECH, "cp1250"),
        (CZECH, "iso8859-2"),
        (TURKISH, "cp1254"),
        (GREEK, "cp1253"),
        (RUSSIAN, "cp1251"),
        (JAPANESE, "shift-jis"),
        (JAPANESE, "euc-jp"),
    ],
)
def test_a_code_page_that_stands_out_is_recognized(tmp_path: Path, text: str, encoding: str) -> None:
    path = encoded(tmp_path, f"id,text\n1,{text}\n".encode(encoding))
    assert path.read_text(encoding=detect_encoding(path, "a.csv", "auto").name) == f"id,text\n1,{text}\n"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [("Son prénom est José", "mac-roman"), ("Привет, Анна", "koi8-r"), ("Das kostet 30 € für Sie", "iso8859-15")],
)
def test_an_encoding_that_does_not_stand_out_is_refused_with_candidates(
    tmp_path: Path, text: str, encoding: str
) -> None:
    found, message = found_or_refused(encoded(tmp_path, text.encode(encoding)))
    assert found is None and "no other encoding is certain" in message and "Set source.encoding" in message


@pytest.mark.parametrize("text", [FRENCH, GERMAN, SPANISH, TYPOGRAPHIC])
@pytest.mark.parametrize("lines_of_ascii", [0, 3000])
def test_western_windows_text_is_recognized(tmp_path: Path, text: str, lines_of_ascii: int) -> None:
    plain = "1,nothing but ascii here\n" * lines_of_ascii
    found = detect_encoding(encoded(tmp_path, plain.encode() + f"2,{text}\n".encode("cp1252")), "a.csv", "auto").name
    assert found == "cp1252"


def test_a_damaged_utf_8_file_is_not_read_as_something_else(tmp_path: Path) -> None:
    good = "1,Gruß aus Köln, schöne Grüße\n".encode()
    with pytest.raises(
        SourceError, match=f"byte at offset {len(good) + 5} cannot be decoded as utf-8, but 5 other characters can"
    ):
        detect_encoding(encoded(tmp_path, good + b"2,abc\xfcdef\n"), "a.csv", "auto")


def test_the_offset_is_right_beyond_the_first_chunk_and_at_the_end(tmp_path: Path) -> None:
    text = "é" * 700_000  # odd places: a character lies across the border of two chunks
    data = b"x" + text.encode()
    with pytest.raises(SourceError, match=f"offset {len(data)} "):
        detect_encoding(encoded(tmp_path, data + b"\xc3"), "a.csv", "utf-8")


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR\x81\x8d\x8f\x90",
        bytes(range(256)) * 4,
        b"PK\x03\x04\x14\x00\x81\x9d\x00\x08" * 9,
    ],
)
def test_bytes_that_are_no_text_are_an_error(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(SourceError, match=r"cannot be decoded|control characters"):
        detect_encoding(encoded(tmp_path, data), "a.csv", "auto")


def test_a_set_encoding_is_used_or_refused(tmp_path: Path) -> None:
    path = encoded(tmp_path, POLISH.encode("iso8859-2"))
    assert detect_encoding(path, "a.csv", "iso8859-2").name == "iso8859-2"
    with pytest.raises(SourceError, match="cannot be decoded as utf-8"):
        detect_encoding(path, "a.csv", "utf-8")
    with pytest.raises(SourceError, match="'utf-99' is not an encoding"):
        detect_encoding(path, "a.csv", "utf-99")
    assert detect_encoding(encoded(tmp_path, "a,b".encode("utf-8-sig")), "a.csv", "utf-8").name == "utf-8-sig"
