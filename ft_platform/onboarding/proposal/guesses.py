"""What a column may be, each guess a small function over figures of columns, with the sentence that says why.

Names are looked for as whole words, in English and German. A guess is a proposal that a person reads: no permission is
guessed, only which column may state one.
"""

import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from ft_platform.onboarding.proposal.columns import Column

Columns = Sequence[Column]
ID_NAMES = (
    *("id", "key", "uuid", "guid", "nr", "no", "number", "nummer", "index", "kennung"),
    *("numero", "número", "numéro", "num", "nº", "codice", "código"),
)
TEXT_NAMES = (
    *("text", "full text", "narrative", "message", "question", "query", "prompt", "instruction", "body", "comment"),
    *("complaint", "feedback", "review", "utterance", "sentence", "description", "content", "anliegen", "frage"),
)
ANSWER_NAMES = ("answer", "response", "output", "completion", "reply", "chosen", "solution", "antwort", "loesung")
LABEL_NAMES = (
    *("label", "labels", "class", "category", "target", "intent", "topic", "sentiment", "kategorie", "thema", "y"),
    *("product", "complaint type", "issue", "department", "team", "queue", "risk", "outcome", "priority", "rating"),
)
DATE_NAMES = ("received", "created", "date", "day", "time", "timestamp", "opened", "datum", "eingang")
CONSENT_NAMES = (
    "consent",
    "consented",
    "permission",
    "opt in",
    "optin",
    "may be used",
    "einwilligung",
    "gdpr",
    "dsgvo",
)
LICENCE_NAMES = ("licence", "license", "lizenz", "copyright")
PERSONS = (
    *("customer", "client", "user", "person", "patient", "insured", "citizen", "employee", "kunde", "kundin", "kunden"),
    *("mandant", "nutzer", "benutzer", "mitglied", "versicherter", "bürger", "patientin", "mitarbeiter", "cliente"),
    *("usuario", "usuário", "paciente", "socio", "asegurado", "persona", "utente", "assicurato", "paziente", "pessoa"),
    *("utilisateur", "usager", "adhérent", "assuré", "personne", "klant", "gebruiker", "patiënt", "lid", "verzekerde"),
    *("klient", "osoba", "pacjent", "kund", "kunder", "asiakas", "bruger", "medlem", "zákazník", "ügyfél"),
)
"""A column with just this name holds persons; in English, German, Spanish, Portuguese, Italian, French, Dutch, Polish
and others."""
JOINED_IDS = re.compile(
    r"(kunden|klant|klanten|mitglieds|patienten|versicherten|customer|client|user|patient|member)_?(nummer|nr|id|no)"
)
"""`Kundennummer`, `userid`: names without a blank between person and number."""
SUBJECT_NAMES = (*PERSONS, "account", "member", "subject", "author")
SENSITIVE_NAMES = (
    *("sex", "gender", "geschlecht", "age", "alter", "race", "ethnicity", "ethnic", "religion", "nationality"),
    *("citizenship", "foreign", "foreign worker", "disability", "disabled", "marital", "marital status", "orientation"),
    *("pregnant", "language", "state", "region", "borough", "country", "tags"),
)
"""What GDPR Art. 9 and EU Charter Art. 21 name, and what often stands for it (places). `tags`: the CFPB marks older
persons and service members there."""
PLACE_OR_CONTACT = (
    *("address", "street", "city", "zip", "postcode", "plz", "phone", "telephone", "email", "mail", "url", "latitude"),
    *("longitude", "location", "coordinate", "intersection", "landmark", "name", "company", "adresse", "strasse"),
)
"""Columns that are never a text to learn from, whatever they look like."""
TEXT_WORDS = 4
"""Words at the median from which a column holds sentences: the shortest questions of banking77 have four."""
MOSTLY_DIFFERENT = 0.9
"""Share of different values from which a column was likely meant to tell records apart."""
NAME_WORDS = 3
"""Of the name of a person, at the median."""
JOINED = 20
"""Columns of a table without texts that are joined to one at most."""


@dataclass(frozen=True)
class Guess:
    """A proposal for a field.

    Attributes:
        columns: by name.
        why: a sentence without a value of the source.
    """

    columns: tuple[str, ...]
    why: str


def words_of(name: str) -> str:
    """A column's name as lower case words: `ForeignWorker` -> `foreign worker`."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return " ".join(re.findall(r"[^\W_]+", spaced.casefold()))


def named(column: Column, names: Collection[str]) -> bool:
    """Whether one of the names stands in a column's name as whole words."""
    return any(re.search(rf"\b{re.escape(name)}\b", words_of(column.name)) for name in names)


def _first_by_name(columns: Iterable[Column], names: Sequence[str]) -> Column | None:
    """The column whose name is the earliest in `names`; an exact name goes before one that only holds it."""
    ranked = [
        (words_of(column.name) != name, place, column)
        for column in columns
        for place, name in enumerate(names)
        if named(column, (name,))
    ]
    return min(ranked, key=lambda found: found[:2])[2] if ranked else None


def guess_messages(columns: Columns) -> Guess | None:
    """A list of turns."""
    for pair in (("role", "content"), ("from", "value"), ("speaker", "utterance")):
        for column in columns:
            if column.kind == "list" and column.keys.issuperset(pair):
                return Guess((column.name,), f"its values are lists of turns with `{pair[0]}` and `{pair[1]}`")
    return None


def guess_answer(columns: Columns) -> Guess | None:
    """An answer in words, by its name."""
    able = [
        one for one in columns if one.kind == "text" and one.words >= TEXT_WORDS and one.different > one.filled / 10
    ]
    found = _first_by_name(able, ANSWER_NAMES)
    if found:
        return Guess((found.name,), f"its name says so, and its texts have {found.words:g} words at the median")
    return None


def guess_id(columns: Columns) -> Guess | None:
    """Values that are all there and all different, under the name of an id, or in the first column."""
    able = [one for one in columns if one.is_unique and one.rows > 1 and one.kind in ("number", "code")]
    found = _first_by_name(able, ID_NAMES)
    if found:
        return Guess((found.name,), f"all {found.rows:,} values are there and different, and its name says so")
    first = able[0] if able and able[0] is columns[0] else None
    return (
        Guess((first.name,), f"the first column; all {first.rows:,} values are there and different") if first else None
    )


def repeated_id(columns: Columns) -> Column | None:
    """A column that is named as the id of a record and repeats: whoever exported it twice, or joined it to another
    table."""
    able = [one for one in columns if one.kind in ("number", "code") and not one.is_unique and one.different > 10]
    able = [one for one in able if one.filled == one.rows and one.different >= one.rows * MOSTLY_DIFFERENT]
    return _first_by_name(able, ID_NAMES)


def guess_text(columns: Columns) -> Guess | None:
    """The longest texts that are not repeated; a telling name counts twice."""
    able = [
        one
        for one in columns
        if one.kind == "text"
        and one.words >= TEXT_WORDS
        and one.different > one.filled / 10
        and not named(one, PLACE_OR_CONTACT)
    ]
    if not able:
        return None
    best = max(able, key=lambda one: one.lengths[1] * (2 if named(one, TEXT_NAMES) else 1))
    return Guess(
        (best.name,), f"the longest texts: {best.lengths[1]:,} characters and {best.words:g} words at the median"
    )


def guess_joined(columns: Columns) -> Guess | None:
    """Columns that describe a row where none holds texts: categories and numbers with few values."""
    able = [
        one.name
        for one in columns
        if (one.has_few_values() or (one.kind == "number" and not one.is_unique and one.empty < 0.5))
        and not named(one, PLACE_OR_CONTACT)
    ]
    if not able:
        return None
    return Guess(
        tuple(able[:JOINED]), f"no column holds sentences, so {len(able[:JOINED])} that describe a row are joined"
    )


def guess_label(columns: Columns) -> Guess | None:
    """A column that sorts rows into groups, by its name, else the last one."""
    able = [one for one in columns if one.kind in ("code", "text", "yes or no", "number") and one.has_few_values()]
    able = [one for one in able if one.kind != "number" or one.different <= 20]
    if found := _first_by_name(able, LABEL_NAMES):
        return Guess((found.name,), f"{found.different:,} different values, and its name says so")
    if able:
        return Guess((able[-1].name,), f"{able[-1].different:,} different values, and the last such column")
    return None


def guess_date(columns: Columns) -> Guess | None:
    """Days of which the year comes first, which nobody reads in two ways."""
    able = [one for one in columns if one.kind == "date" and one.year_first and one.empty < 0.5]
    found = _first_by_name(able, DATE_NAMES) or (able[0] if able else None)
    return Guess((found.name,), "its values are days or times with the year first") if found else None


def guess_consent(columns: Columns) -> Guess | None:
    return _by_name_and_few_values(columns, CONSENT_NAMES, "say whether a record may be used")


def guess_licence(columns: Columns) -> Guess | None:
    return _by_name_and_few_values(columns, LICENCE_NAMES, "name the licence of a record")


def guess_subject(columns: Columns) -> Guess | None:
    """Who a record is about: ids of persons, or a column that is called by what they are. It repeats, or would be the
    id of the record."""
    able = [
        one
        for one in columns
        if one.kind in ("number", "code", "text")
        and one.words <= NAME_WORDS
        and (
            (named(one, SUBJECT_NAMES) and named(one, ID_NAMES))
            or words_of(one.name) in PERSONS
            or JOINED_IDS.fullmatch(words_of(one.name).replace(" ", "_"))
        )
        and not one.is_unique
        and one.different > 10
    ]
    return Guess((able[0].name,), f"{able[0].different:,} different persons, by its name") if able else None


def guess_sensitive(columns: Columns) -> Guess | None:
    """Columns that name a group of persons: a known name, and few values (an age may have more)."""
    able = [
        one.name
        for one in columns
        if named(one, SENSITIVE_NAMES)
        and (2 <= one.different <= 60 or (one.kind == "number" and named(one, ("age", "alter")) and one.different > 1))
        and one.kind in ("code", "text", "yes or no", "number")
    ]
    return Guess(tuple(able[:10]), "their names suggest that they distinguish groups of persons") if able else None


def without(columns: Columns, *guesses: Guess | None) -> list[Column]:
    """The columns that no guess has taken."""
    taken = {name for guess in guesses if guess for name in guess.columns}
    return [one for one in columns if one.name not in taken]


def _by_name_and_few_values(columns: Columns, names: Sequence[str], what: str) -> Guess | None:
    able = [one for one in columns if one.different <= 50 and one.filled and one.kind in ("code", "text", "yes or no")]
    found = _first_by_name(able, names)
    return (
        Guess((found.name,), f"its name says that its {found.different:,} different values {what}") if found else None
    )


GUESSES: dict[str, Callable[[Columns], Guess | None]] = {
    "messages": guess_messages,
    "answer": guess_answer,
    "id": guess_id,
    "text": guess_text,
    "label": guess_label,
    "date": guess_date,
    "consent": guess_consent,
    "licence": guess_licence,
    "subject": guess_subject,
    "sensitive": guess_sensitive,
}
