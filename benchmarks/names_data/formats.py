"""Readers of annotated files: each yields passages with the labels of the source, or with our types.

A reader takes the files of a source (path -> text, in the order of the repository) and the source's entry."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any
from xml.etree import ElementTree

from benchmarks.names_data.text import TITLES, Passage, Span, apart, joined
from ft_platform.privacy.evaluation import gold_in, half_of

Files = Mapping[str, str]
Reader = Callable[[Files, Mapping[str, Any]], Iterator[Passage]]

METADATA = re.compile(
    r"# ?(newdoc|newpar|sent_id|text|orig_|file:|\w+ url:|\w+ =|\w+(::|\.)\w+ =)|#\t|#(begin|end) |-DOC"
)
NEW_DOCUMENT = re.compile(r"# newdoc|# file:|#begin document|-DOCSTART(?! CONFIG)")
UNSPLIT = 150
"""Words: longer "sentences" are files without sentence breaks, cut into pieces of 50 to 100 words."""
PREPOSITIONS = "of in at from for to by with on van uit te op aan met bij voor"
BRIDGES = "- . ' & of the de du des la le les d' l' von van der den del di al bin ibn ten ter te 's 't"
"""Words within a name that are not capitalised; the next line: those that end the name of a person."""
NOT_OF_PERSONS = ("of", "the", "&")
NOT_NAMES = """
    i me my mine we us our you your he him his she her hers it its they them their who whose all both a an the le la
    les l' un une ce cet cette ces mon ma mes ton ta tes son sa ses notre votre leur leurs des du de d' il elle je
    j' tu nous vous on ils elles celui celle moi toi lui qui chacun tous tout toutes quelqu' quelques deux trois
    ceux celles aucun plusieurs certains nos vos autres chaque quel quelle"""
"""Capitalised where a sentence begins."""


def sentences(files: Files, columns: int) -> Iterator[tuple[list[list[str]], str | None, str | None]]:
    """Rows with at least so many columns, the original text (`# text = `), and the document, where they are given."""
    for path, content in files.items():
        rows: list[list[str]] = []
        text, number = None, 0
        for line in [*content.replace("\r", "").split("\n"), "# newdoc"]:
            begins = bool(NEW_DOCUMENT.match(line))
            if (begins or not line.strip()) and rows:
                yield rows, text, f"{PurePosixPath(path).stem}:{number}" if number else None
                rows, text = [], None
            number += begins
            if METADATA.match(line):
                text = line[9:] if line.startswith("# text = ") else text
            elif line.strip() and len(row := line.split("\t" if "\t" in line else None)) >= columns:
                rows.append(row)


def columns(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """A word and its label per line (CoNLL): `word` and `label` are the numbers of their columns (0 and -1).

    `in_pieces`: one name has several beginnings, `B-PER B-PER`."""
    word, label = entry.get("word", 0), entry.get("label", -1)
    for rows, text, document in sentences(files, max(2, word + 1, label + 1)):
        words = ["".join(row[word].split()) or "_" for row in rows]
        labels = [row[label].strip().split("#")[0].replace("B-" * ("in_pieces" in entry), "") for row in rows]
        for start, end in pieces(words, labels) if len(words) > UNSPLIT and not text else [(0, len(words))]:
            yield joined(words[start:end], labels[start:end], entry, text, document)


def pieces(words: Sequence[str], labels: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Starts and ends of pieces of a long text: after a full stop if there is one in reach, never in a name."""
    start = 0
    for at in range(1, len(words)):
        ends = at - start >= 100 or (at - start >= 50 and words[at - 1] in (".", "!", "?"))
        if ends and (labels[at - 1] == "O" or labels[at].startswith(("O", "B-"))):
            yield start, at
            start = at
    yield start, len(words)


def nkjp(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """Columns; adjectives and nouns for inhabitants, which the corpus counts as places, are no places here."""
    for rows, _, document in sentences(files, 4):
        labels = [row[3].split("#")[0] for row in rows]
        for at, row in enumerate(rows):
            alone = labels[at].startswith("B-") and not "".join(labels[at + 1 : at + 2]).startswith("I-")
            if alone and labels[at].startswith(("B-place", "B-geog")):
                no_place = row[0].islower() or re.match(r"adj|subst.*:m[12]", row[2])
                labels[at] = "B-MISC" if no_place else labels[at]
        yield joined([row[0] for row in rows], labels, entry, None, document)


def offsets(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """Two CSV files: entities with offsets, and texts; joined by `id`."""
    entities, texts = (list(csv.DictReader(io.StringIO(content))) for content in files.values())
    for row in texts:
        mine = [one for one in entities if one["id"] == row["id"]]
        spans = [Span(int(one["start_pos"]), int(one["end_pos"]), one["type"]) for one in mine]
        yield Passage(row["sentence"], spans)


def mentions(cells: Sequence[str]) -> Iterator[tuple[str, int, int]]:
    """`(key, start, end)` in words of the bracketed mentions `(key`, `key)`, `(key)`; the key up to its first `-`."""
    opened: list[tuple[str, int]] = []
    for number, cell in enumerate(cells):
        for begins, key, ends in re.findall(r"(\()?([^()|]+)(\))?", cell):
            if begins:
                opened.append((key, number))
            same = [one for one in opened if one[0].split("-")[0] == key.split("-")[0]]
            if ends and same:
                opened.remove(same[-1])
                yield *same[-1], number + 1


def name_in(words: Sequence[str], proper: Sequence[bool], label: str, start: int, end: int, head: int = -1) -> range:
    """The name in a mention: the first proper words (or those at its head) and few others between them.

    Empty if the first proper word comes after a preposition: `the king of France` names no king."""
    first = head if head >= 0 else next((at for at in range(start, end) if proper[at]), end)
    while head >= 0 and first > start and (proper[first - 1] or (words[first - 1] in "-." and proper[first - 2])):
        first -= 1
    if first >= end or not proper[first] or any(word in PREPOSITIONS.split() for word in words[start:first]):
        return range(0)
    person, last = label.upper().startswith("PER"), first
    for at in range(first + 1, end):
        word = words[at].lower()
        if proper[at]:
            last = at
        elif word not in BRIDGES.split() or at > last + 2 or (person and word in NOT_OF_PERSONS):
            break
    return range(first, last + 1)


def labels_of(number: int, names: Sequence[tuple[range, str]]) -> list[str]:
    """One label per word, of names that may overlap."""
    labels = ["O"] * number
    for start, end, label in apart([Span(name.start, name.stop, label) for name, label in names if name]):
        labels[start:end] = [f"B-{label}"] + [f"I-{label}"] * (end - start - 1)
    return labels


def gum(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """GUM annotates each mention with its type and head; here those whose head is a proper noun."""
    for rows, text, document in sentences(files, 10):
        rows = [row for row in rows if row[0].isdigit()]
        words, proper = [row[1] for row in rows], [row[4] in ("NNP", "NNPS") for row in rows]
        names = []
        for key, start, end in mentions(["".join(re.findall(r"Entity=([^|]+)", row[9])) for row in rows]):
            label, heads = [*key.split("-"), *[""] * 6][1:6:4]
            head = start + int(heads.split(",")[0]) - 1 if heads[:1].isdigit() else start
            name = name_in(words, proper, label, start, end, head) if head < end else range(0)
            role = len(name) == 1 and (rows[head][4] == "NNPS" or words[name.stop : name.stop + 1] == ["of"])
            if label != "person" or not role:  # the Americans, Earl of Clare
                names.append((name, label))
        yield joined(words, labels_of(len(words), names), entry, text, document)


def emailcoref(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """Coreference of persons (P), organizations (O) and places (L) in e-mails; here the capitalised mentions."""
    labels = {"P": "PER", "L": "LOC", "O": "ORG"}
    for rows, _, document in sentences(files, 3):
        words, names = [row[0] for row in rows], []
        for key, start, end in mentions([row[2].replace("*", "") for row in rows]):
            proper = [
                at for at in range(start, end) if words[at][0].isupper() and words[at].lower() not in NOT_NAMES.split()
            ]
            if proper and key[0] in labels and end - start <= 8 and "@" not in "".join(words[start:end]):
                names.append((range(proper[0], proper[-1] + 1), labels[key[0]]))
        yield joined(words, labels_of(len(words), names), entry, None, document)


def openboek(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """Coreference of Dutch novels; a table has the category of each cluster, by its first mention."""
    for path in (path for path in files if path.endswith(".conll")):
        table = io.StringIO(files[path.replace("coref/", "features/").replace(".conll", ".tsv")])
        first = {
            (row["sentno"], row["begin"], row["end"]): row["category"].split(".")[0]
            for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE)
        }
        parts = [
            (rows, document, list(mentions([row[-1] for row in rows])))
            for rows, _, document in sentences({path: files[path]}, 5)
        ]
        categories = {}
        for at, (_, _, marked) in enumerate(parts):
            found = [(key, first.get((str(at), str(start), str(end)))) for key, start, end in marked]
            categories |= {key: category for key, category in found if category}
        for rows, document, marked in parts:
            words, proper = [row[3] for row in rows], [row[3][:1].isupper() and "eigen" in row[4] for row in rows]
            known = [(categories[key], start, end) for key, start, end in marked if key in categories]
            names = [(name_in(words, proper, *one), one[0]) for one in known]
            yield joined(words, labels_of(len(words), names), entry, None, document)


def brat(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """Texts and their stand-off mentions; here the capitalised ones. `spaced`: lines are sentences of spaced words."""
    pattern = re.compile(r"\S+" if "spaced" in entry else r"\w(?:[\w-]*\w)?['’]?|[^\w\s]")
    for path in (path for path in files if path.endswith(".txt")):
        text, marks = files[path], re.findall(r"^T\d+\t(\S+) (\d+) (\d+)\t", files[path[:-3] + "ann"], re.MULTILINE)
        for line in re.finditer(r".*\S", text):
            places = [word.span() for word in pattern.finditer(text, *line.span())]
            words, names = [text[start:end] for start, end in places], []
            proper = [word[0].isupper() and word.lower().replace("’", "'") not in NOT_NAMES.split() for word in words]
            for mark, start, end in ((mark, int(start), int(end)) for mark, start, end in marks):
                kind, _, label = mark.rpartition("_")
                if kind not in ("", "PROP", "NOM"):
                    continue
                inside = [at for at, (a, b) in enumerate(places) if a < end and b > start >= line.start()]
                name = name_in(words, proper, label, inside[0], inside[-1] + 1) if inside else range(0)
                if kind == "NOM":  # LitBank: some of these are names, those that begin with a title
                    titled = len(name) > 1 and words[name[0]].rstrip(".").lower() in TITLES["en"].split()
                    name = name if titled else range(0)
                if name and (kind or capital(text, places[name[0]], len(name))):
                    names.append((name, label))
            if "spaced" in entry:
                yield joined(words, labels_of(len(words), names), entry, None, PurePosixPath(path).stem)
            else:
                spans = [Span(places[name[0]][0], places[name[-1]][1], label) for name, label in names]
                yield within(line, spans, PurePosixPath(path).stem)


def capital(text: str, place: tuple[int, int], number: int) -> bool:
    """Whether a name is capitalised for itself: not a single word that is so only where it begins a sentence."""
    before = text[: place[0]].rstrip(" ")[-1:]
    elsewhere = rf"(?<=[a-zà-ÿ,] ){re.escape(text[slice(*place)])}\b"
    return number > 1 or before.isalpha() or before == "," or bool(re.search(elsewhere, text))


def within(line: re.Match[str], spans: Sequence[Span], document: str) -> Passage:
    """A line of a text and the spans in it."""
    inside = [span for span in apart(spans) if line.start() <= span.start < span.end <= line.end()]
    moved = [Span(start - line.start(), end - line.start(), label) for start, end, label in inside]
    return Passage(line.group(), moved, document)


def ancora(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """UD Spanish-AnCora of 2021: the type of a proper noun is the last letter of its tag (`np0000p`), its length that
    of `MWE=`. Only documents in which each proper noun has a type."""
    labels = {"p": "PER", "l": "LOC", "o": "ORG", "a": "MISC"}
    found = list(sentences(files, 10))
    tags = {(document, row[4]) for rows, _, document in found for row in rows if row[4].startswith("np0000")}
    typed = {document for document, _ in tags} - {document for document, tag in tags if tag == "np00000"}
    for rows, text, document in (one for one in found if one[2] in typed):
        words: list[str] = []
        names, last = [], 0
        for row in rows:
            first, _, until = row[0].partition("-")  # 8-9 is one written word
            if until or int(first) > last:
                last = int(until or 0) or last
                words.append(row[1])
            if not until and row[4][:-1] == "np0000":
                length = len("".join(re.findall(r"MWE=([^|]+)", row[9])).split("_"))
                names.append((range(len(words) - 1, len(words) - 1 + length), labels[row[4][-1]]))
        yield joined(words, labels_of(len(words), names), entry, text, document)


TEI = "{http://www.tei-c.org/ns/1.0}"
NO_TEXT = {TEI + tag for tag in ("note", "del", "graphic", "figure", "fw")}
BLOCK_TAGS = "p div opener closer salute dateline addrLine lg l head item signed seg"
BLOCKS = {TEI + tag for tag in BLOCK_TAGS.split()}
TEI_LABELS = {"person": "PER", "place": "LOC", "org": "ORG", "work": "MISC"}
CHARACTERS = {"#langesS": "s", "#gemination-m": "mm", "#gemination-n": "nn", "#kaufmannsund": "&", "#dots": "…"}


def laid_out(element: ElementTree.Element, text: str, spans: list[Span]) -> str:
    """The text so far and that of a TEI element; adds the spans of `<rs type="person">` and its like."""

    def put(more: str) -> str:
        return text + (more.lstrip(" ") if text[-1:] in ("", " ", "\n") else more)

    if element.tag in NO_TEXT:
        return text
    text = put("\n" if element.tag in BLOCKS else " " if element.tag in (f"{TEI}space", f"{TEI}lb") else "")
    start = len(text)
    text = put(CHARACTERS.get(element.get("rendition", ""), "") if element.tag == f"{TEI}c" else element.text or "")
    for child in element:
        text = laid_out(child, text, spans)
        text = put(child.tail or "")
    if element.tag == f"{TEI}rs" and element.get("subtype") != "implied":
        spans.append(Span(start, len(text), TEI_LABELS.get(element.get("type", ""), "")))
    return put("\n" if element.tag in BLOCKS else "")


def letters(files: Files, entry: Mapping[str, Any]) -> Iterator[Passage]:
    """TEI letters with `<rs>` around names, but for those of the writer and the reader, which the header has.

    Each line once: letterheads repeat."""
    seen: set[str] = set()
    for path, content in files.items():
        root = ElementTree.fromstring(re.sub(r"\s+", " ", content))
        body, language = root.find(f".//{TEI}body"), root.find(f".//{TEI}language")
        if body is None or language is None or language.get("ident", "")[:2] != entry["language"]:
            continue
        spans: list[Span] = []
        text = laid_out(body, "", spans)
        for person in root.iterfind(f".//{TEI}correspAction/{TEI}persName"):
            family, _, given = (re.escape(part) for part in (person.text or "").partition(", "))
            first = given.split("\\ ")[0]
            pattern = rf"\b(?:(?:{given}|{first}) )?{family}\b|\b{first}\b" if first else rf"\b{family}\b"
            spans += [Span(*match.span(), "PER") for match in re.finditer(pattern, text) if family]
        ends = [re.compile(r"s?(?![^\W\d_])").match(text, span.end) for span in spans]  # Wien|s, but not Wien|er
        whole = [Span(span.start, end.end(), span.label) for span, end in zip(spans, ends, strict=True) if end]
        names = [one for one in whole if one.label == "MISC" or re.search(r"[A-ZÄÖÜ]", text[one.start : one.end])]
        for line in re.finditer(r"\S.*", text):
            if line.group() not in seen:
                yield within(line, names, PurePosixPath(path).stem)
            seen.add(line.group())


def half(files: Files, _: Mapping[str, Any]) -> Iterator[Passage]:
    """Annotated texts of presidio-research, their development half: our figures for them are of the other one."""
    for path, content in files.items():
        for one in half_of(gold_in(path, content.encode()), "development"):
            yield Passage(one.text, [Span(*span) for span in one.spans])


READERS: dict[str, Reader] = {
    reader.__name__: reader
    for reader in (columns, nkjp, offsets, gum, emailcoref, openboek, brat, ancora, letters, half)
}
