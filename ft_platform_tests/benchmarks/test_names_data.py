"""Annotated texts as records with the spans of names (`benchmarks/names_data`). All persons and places are invented."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.names_data.__main__ import SOURCES, SourceMissing, differing, files_of, main
from benchmarks.names_data.formats import READERS
from benchmarks.names_data.text import Passage, Span, blanks, cleaned, contracted, type_of

ENTRIES: list[dict[str, Any]] = json.loads(SOURCES.read_text(encoding="utf-8"))
ENGLISH = {"language": "en"}
LETTER = """<TEI xmlns="http://www.tei-c.org/ns/1.0"><teiHeader><language ident="de-AT"/><correspDesc>
<correspAction><persName>Quillon, Zorb</persName></correspAction></correspDesc></teiHeader><text><body>
<p>Lieber Zorb! <rs type="person">Frau Plimsa</rs> war in <rs type="place">Narthex</rs>,
 der <rs type="place">Narthex</rs>er <rs type="person" subtype="implied">Bruder</rs><note>Herr Wix</note>
 i<c rendition="#langesS">s</c>t<space/>da.</p></body></text></TEI>"""


def read(reader: str, files: dict[str, str], **entry: Any) -> list[tuple[str, list[tuple[str, str]]]]:
    """Texts, and the words of their spans with the first three letters of the type."""
    entry = ENGLISH | entry
    passages = [cleaned(one, entry["language"]) for one in READERS[reader](files, entry)]
    return [(text, [(text[s.start : s.end], s.label[:3]) for s in spans]) for text, spans, _ in passages]


def lines(*rows: str) -> str:
    """Columns separated by tabs; an empty row ends a sentence."""
    return "\n".join("\t".join(row.split()) for row in rows) + "\n"


@pytest.mark.parametrize(
    ("words", "language", "text"),
    [
        ("`` Zorb 's here , '' she did n't say .", "en", "\"Zorb's here,\" she didn't say."),
        ("It ' s ( -LRB- x -RRB- ) $ 5 : 3 - 1", "en", "It's ((x)) $5: 3-1"),
        ('" Yes , " he said , " no .', "en", '"Yes," he said, "no.'),  # the quotation goes on in the next sentence
        ('no , " he said .', "en", 'no," he said.'),  # it began in the sentence before
        ("the U. S. and / or A &amp; B & gt ; @ zorb # x", "en", "the U.S. and/or A &amp; B &gt; @zorb #x"),
        ("l' ami d' Ann : « oui » !", "fr", "l'ami d'Ann : « oui » !"),
        ("Royaume - Uni", "fr", "Royaume - Uni"),
        ("Er sagte : „ Ja . “ » Nein ! «", "de", "Er sagte: „Ja.“ »Nein!«"),
        ("in ' s lands", "nl", "in 's lands"),
        ("¿ Qué ? 5 %", "es", "¿Qué? 5%"),
    ],
)
def test_words_are_set_as_a_writer_would(words: str, language: str, text: str) -> None:
    given = {"``": '"', "''": '"', "-LRB-": "(", "-RRB-": ")"}
    split = [given.get(word, word) for word in words.split()]
    assert "".join(blank + word for blank, word in zip(blanks(split, language), split, strict=True)) == text


def test_compounds_that_a_source_took_apart_are_whole_again() -> None:
    assert blanks(["Royaume", "-", "Uni"], "fr", hyphens=True) == ["", "", ""]


@pytest.mark.parametrize(
    ("word", "article", "whole"),
    [
        ("de", "a", "da"),
        ("Em", "os", "Nos"),
        ("por", "a", "pela"),
        ("a", "a", "à"),
        ("de", "Ann", None),
        ("a", "um", None),
    ],
)
def test_portuguese_contractions(word: str, article: str, whole: str | None) -> None:
    assert contracted(word, article) == whole


@pytest.mark.parametrize(
    ("label", "type_"),
    [
        ("B-PER", "PERSON"),
        ("I-musicalartist", "PERSON"),
        ("nam_liv_person_last", "PERSON"),
        ("B-placeName-country", "LOCATION"),
        ("LOCderiv", "OTHER_NAME"),
        ("nam_org_nation", "OTHER_NAME"),
        ("nam_org_company", "ORGANIZATION"),
        ("O", None),
        ("B-DATE", None),
    ],
)
def test_labels_of_the_sources_become_four_types(label: str, type_: str | None) -> None:
    assert type_of(label) == type_


@pytest.mark.parametrize(
    ("text", "name", "label", "kept"),
    [
        ("Dr. Zorb Quillon", "Dr. Zorb Quillon", "PER", "Zorb Quillon"),
        ("Mr. and Mrs. Quillon", "Mr. and Mrs. Quillon", "PER", "Quillon"),
        ("the Captain", "Captain", "PER", None),
        ("Queen of Narthex", "Queen of Narthex", "PER", "Queen of Narthex"),
        ("by @zorb", "@zorb", "PER", None),
        ("Zorb's bank", "Zorb's", "PER", "Zorb"),
        ('("Zorb Jr."),', '("Zorb Jr."),', "PER", "Zorb Jr."),
        ("in Narthex.", "Narthex.", "LOC", "Narthex"),
        ("the U.S.", "U.S.", "LOC", "U.S."),
        ("the French", "French", "LOC", "French"),
        ("in May", "May", "DATE", None),
    ],
)
def test_names_have_one_convention(text: str, name: str, label: str, kept: str | None) -> None:
    start = text.index(name)
    found = cleaned(Passage(text, [Span(start, start + len(name), label)]), "en").spans
    assert [text[span.start : span.end] for span in found] == ([kept] if kept else [])
    assert name != "French" or found[0].label == "OTHER_NAME"


def test_a_span_outside_of_its_text_is_an_error() -> None:
    with pytest.raises(ValueError, match="span 2-9 in a text of 4 characters"):
        cleaned(Passage("Zorb", [Span(2, 9, "PER")]), "en")


def test_columns_of_words_and_labels() -> None:
    content = "-DOCSTART- -X- O\n\n" + lines("Ann B-PER", "Lee B-PER", "in O", "Old I-LOC", "Narthex I-LOC", "", "Hi O")
    assert read("columns", {"a/b.conll": content}) == [
        ("Ann Lee in Old Narthex", [("Ann", "PER"), ("Lee", "PER"), ("Old Narthex", "LOC")]),
        ("Hi", []),
    ]
    assert [one.document for one in READERS["columns"]({"a/b.conll": content}, ENGLISH)] == ["b:1", "b:1"]
    assert read("columns", {"b": lines("Ann B-PER", "Lee B-PER")}, in_pieces=True) == [
        ("Ann Lee", [("Ann Lee", "PER")])
    ]


def test_the_original_text_decides_on_blanks() -> None:
    content = "# newdoc id = x\n# text = (Ann-Lee )\n" + lines("1 ( O", "2 Ann-Lee B-PER", "3 ) O")
    assert read("columns", {"b": content}, word=1, label=2) == [("(Ann-Lee )", [("Ann-Lee", "PER")])]
    content = "# text = Zorb de a Quillon em o Narthex\n" + lines(
        "1 Zorb B-PER", "2 de I-PER", "3 a I-PER", "4 Quillon I-PER", "5 em O", "6 o O", "7 Narthex B-LOC"
    )
    found = [("Zorb da Quillon no Narthex", [("Zorb da Quillon", "PER"), ("Narthex", "LOC")])]
    assert read("columns", {"b": content}, word=1, label=2, language="pt") == found


def test_a_file_without_sentence_breaks_is_cut_at_full_stops_and_never_in_a_name() -> None:
    rows = ["x O"] * 60 + [". O"] + ["x O"] * 99 + ["Ann B-PER", "Lee I-PER", "x O"]
    found = read("columns", {"b": lines(*rows)})
    assert [len(text.split()) for text, _ in found] == [60, 101, 1]
    assert found[1][1] == [("Ann Lee", "PER")]


def test_polish_adjectives_and_inhabitants_are_no_places() -> None:
    rows = (
        "Narthex n subst:sg:nom:m3 B-placeName-settlement",
        "narthexki n adj:sg B-placeName",
        "Ann a subst B-persName#x",
    )
    assert read("nkjp", {"b": lines(*rows)}, language="pl") == [
        ("Narthex narthexki Ann", [("Narthex", "LOC"), ("narthexki", "OTH"), ("Ann", "PER")])
    ]


def test_offsets_of_two_tables() -> None:
    files = {"e.csv": "id,start_pos,end_pos,type\n0,0,3,PER\n0,7,14,LOC\n", "s.csv": "id,sentence\n0,Ann of Narthex\n"}
    assert read("offsets", files) == [("Ann of Narthex", [("Ann", "PER"), ("Narthex", "LOC")])]


def test_gum_keeps_mentions_whose_head_is_a_name() -> None:
    xpos = {"Ann": "NNP", "Lee": "NNP", "Narthex": "NNP", "king": "NN"}
    entities = ["(1-person-new-n-cf1-1-sgl", "_", "(2-person-new-n-cf1-2-sgl", "1)2)", "_", "(3-place-n-n-cf-1-sgl)"]
    words = ["king", ",", "Ann", "Lee", "of", "Narthex"]
    rows = [
        f"{n} {word} _ _ {xpos.get(word, 'IN')} _ _ _ _ Entity={cell}".replace("Entity=_", "_")
        for n, (word, cell) in enumerate(zip(words, entities, strict=True), 1)
    ]
    assert read("gum", {"b": lines(*rows)}) == [("king, Ann Lee of Narthex", [("Ann Lee", "PER"), ("Narthex", "LOC")])]


def test_e_mails_keep_capitalised_mentions() -> None:
    rows = ("To x - -", ": x - -", "Lee x (P0 (0", ", x - -", "Ann x P0) 0)", "You x (P1*) (1)", "a@b.c x (P2) (2)")
    assert read("emailcoref", {"b": lines(*rows)}) == [("To: Lee, Ann You a@b.c", [("Lee, Ann", "PER")])]


def test_dutch_novels_have_the_category_in_a_table() -> None:
    rows = (
        "f 0 0 Mevrouw N[soort] - (7",
        "f 0 1 Zorb SPEC[deeleigen] - 7)",
        "",
        "f 0 0 Zij VNW - (7)",
        "f 0 1 Ann N[eigen] - (8)",
    )
    table = "sentno\tbegin\tend\tcategory\n0\t0\t2\tPER.fic\n"
    assert read("openboek", {"coref/f.conll": lines(*rows), "features/f.tsv": table}, language="nl") == [
        ("Mevrouw Zorb", [("Zorb", "PER")]),
        ("Zij Ann", []),
    ]


def test_stand_off_mentions() -> None:
    text = "The old Mr. Quillon 's men , Ann said .\nHe met the king of Narthex .\n"
    marks = [("NOM_PER", 0, 19), ("PROP_PER", 29, 32), ("PRON_PER", 40, 42), ("NOM_PER", 47, 66), ("PROP_GPE", 59, 66)]
    ann = "".join(f"T{n}\t{label} {start} {end}\tx\n" for n, (label, start, end) in enumerate(marks))
    assert read("brat", {"a.ann": ann, "a.txt": text}, spaced=True) == [
        ("The old Mr. Quillon's men, Ann said.", [("Quillon", "PER"), ("Ann", "PER")]),
        ("He met the king of Narthex.", [("Narthex", "LOC")]),
    ]
    french = {
        "a.ann": "T1\tPER 0 3\tx\nT2\tPER 12 25\tx\nT3\tLOC 27 33\tx\n",
        "a.txt": "Ami, voilà  l'ami Quillon. Rives",
    }
    assert read("brat", french, language="fr") == [("Ami, voilà  l'ami Quillon. Rives", [("Quillon", "PER")])]


def test_spanish_proper_nouns_with_a_type() -> None:
    def document(name: str, tag: str) -> str:
        rows = ("1-2 Del", "1 De x x sps", "2 el x x da", f"3 {name} x x {tag} _ _ _ _ MWE={name}_Lee", "4 Lee x x _")
        filled = [" ".join([*row.split(), *["_"] * (10 - len(row.split()))]) for row in rows]
        return f"# newdoc id = {name}\n# text = Del {name} Lee\n" + lines(*filled) + "\n"

    content = document("Ann", "np0000p") + document("Zorb", "np00000")
    assert read("ancora", {"b": content}, language="es") == [("Del Ann Lee", [("Ann Lee", "PER")])]


def test_letters_name_those_who_write_and_whom_they_mention() -> None:
    found = [("Zorb", "PER"), ("Plimsa", "PER"), ("Narthex", "LOC")]
    expected = [("Lieber Zorb! Frau Plimsa war in Narthex, der Narthexer Bruder ist da.", found)]
    assert read("letters", {"a.xml": LETTER, "again.xml": LETTER}, language="de") == expected


def test_the_list_of_sources_says_where_each_is_and_what_it_is_for() -> None:
    assert len({entry["name"] for entry in ENTRIES}) == len(ENTRIES) > 30
    for entry in ENTRIES:
        assert entry["url"].startswith("https://github.com/") and entry["url"].count("/") == 4
        assert len(entry["commit"]) == 40 and len(entry["sha256"]) == 64 and entry["files"]
        assert entry["format"] in READERS and entry["name"].startswith(entry["language"] + "_")
        assert entry["register"] in ("formal", "noisy") and entry["role"] in ("train", "test")
        assert "NC" not in entry["licence"].split("-")
        assert entry["role"] == "test" or not (entry["licence"].startswith("GPL") or entry["name"].endswith("_pud"))
    assert {entry["role"] for entry in ENTRIES if entry["language"] == "en"} == {"train", "test"}


def test_a_changed_hash_is_told() -> None:
    entries = [{"name": "one", "sha256": "a"}, {"name": "two", "sha256": "b"}, {"name": "three", "sha256": "c"}]
    assert differing({"one": "a", "two": "b"}, entries) == []
    said = differing({"one": "a", "two": "other"}, entries)
    assert said[0].startswith("1 of 2 sources differ") and "two" in said[1] and "one" not in said[1] and len(said) <= 5


def test_a_source_is_read_from_a_mirror_at_its_commit_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    place = tmp_path / "mirror" / "owner+name" / "repo"
    place.mkdir(parents=True)
    (place / "a.conll").write_text(lines("Ann B-PER", "! O"))
    for command in ("init -q", "add .", "-c user.name=x -c user.email=x commit -qm x"):
        subprocess.run(["git", "-C", place, *command.split()], check=True)
    commit = subprocess.run(["git", "-C", place, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    entry = {"name": "en_x", "language": "en", "format": "columns", "files": ["*.conll"], "sha256": "0"}
    entry |= {"url": "https://github.com/owner/name", "commit": commit.stdout.strip()}
    (sources := tmp_path / "sources.json").write_text(json.dumps([entry]))
    monkeypatch.setattr("benchmarks.names_data.__main__.SOURCES", sources)
    call = ["names_data", "--folder", str(tmp_path / "out"), "--mirror", str(tmp_path / "mirror")]

    def run(*options: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", [*call, *options])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().out

    code, said = run()
    assert code == 1 and "1 of 1 sources differ" in said and "en_x" in said.splitlines()[-2]
    (place / "a.conll").write_text("not committed")
    assert run("--commit")[0] == 0
    assert run() == (0, said[: said.index("1 of 1")] + "1 sources as committed\n")
    data = (tmp_path / "out" / "en_x.jsonl").read_bytes()
    assert json.loads(data) == {
        "full_text": "Ann!",
        "spans": [{"entity_type": "PERSON", "start_position": 0, "end_position": 3}],
        "language": "en",
        "source": "en_x",
        "document": None,
    }
    assert json.loads(sources.read_text())[0]["sha256"] == hashlib.sha256(data).hexdigest()
    with pytest.raises(SourceMissing, match="git archive"):
        files_of(entry | {"commit": "0" * 40}, place)
