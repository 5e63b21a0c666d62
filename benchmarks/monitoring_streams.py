"""Streams of requests for `benchmarks/monitoring.py`, drawn from BANKING77 and CFPB 2020: quiet ones, and ones that
change on a known day.

TF-IDF and logistic regression are trained on one part; the reference and the traffic of a stream are two independent
samples, with replacement, of the other part. (Two fixed parts would differ from each other: a stream of 18,000 requests
drawn from 4,000 texts shows how these texts differ from the reference, which is a change and no false alarm.)"""

import csv
import os
import random
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

DAYS, A_DAY, REFERENCE, DIMENSIONS = 90, 200, 1500, 24
SETS = ("banking77", "cfpb_2020")
SHIFTS = ("label_shift", "new_topic", "typos", "another_language", "longer_texts", "concept_change")
EARLIEST, LATEST = 10, 60
"""The day of a change is between these."""
SHARES = {"new_topic": 0.1, "typos": 0.2, "another_language": 0.05, "longer_texts": 0.1, "concept_change": 0.15}
"""Share of requests that a change touches."""
TIMES_AS_FREQUENT = 3.0
"""A tenth of the labels, but two at least, become so much more frequent by a label shift."""
ASKED = 0.2
"""Share of requests whose answer a person judges."""
TRAIN = {"banking77": 4000, "cfpb_2020": 500}
COLUMNS = ("label", "confidence", "characters", "unknown_words")


@dataclass(frozen=True)
class Texts:
    """What a model says of every text of a data set that it was not trained on, and of changed ones.

    Attributes:
        columns: name -> array of shape `(rows,)`.
        truth: right labels; of new topics none is right.
        embeddings: shape `(rows, DIMENSIONS)`.
        rows: kind -> rows: `as_ever`, `new_topic`, `typos`, `another_language`, `longer_texts`.
    """

    columns: dict[str, np.ndarray]
    truth: np.ndarray
    embeddings: np.ndarray
    rows: dict[str, np.ndarray]

    @property
    def right(self) -> np.ndarray:
        return self.columns["label"] == self.truth


@dataclass(frozen=True)
class Stream:
    """Rows of `Texts`: `reference` of shape `(REFERENCE,)`, `days` `(DAYS, A_DAY)`; from day `change` on, another
    distribution (None: never). `wrong`: answers that became wrong by a concept change. `asked`: judged ones."""

    reference: np.ndarray
    days: np.ndarray
    change: int | None
    wrong: np.ndarray
    asked: np.ndarray


def shared_data() -> Path:
    return Path(os.environ.get("FT_SHARED_DATA") or Path(__file__).parents[2] / "shared" / "data")


def read(name: str) -> tuple[list[str], list[str]]:
    """Distinct texts and labels."""
    if name == "banking77":
        files, text, label = ["train.csv", "test.csv"], "text", "category"
    else:
        files, text, label = ["complaints_sample.csv"], "Consumer complaint narrative", "Product"
    found: dict[str, str] = {}
    for file in files:
        with (shared_data() / name / file).open(encoding="utf-8", newline="") as lines:
            found.update({row[text].strip(): row[label] for row in csv.DictReader(lines) if row[text].strip()})
    counts = {one: list(found.values()).count(one) for one in set(found.values())}
    kept = [(t, one) for t, one in found.items() if counts[one] >= 25]
    return [t for t, _ in kept], [one for _, one in kept]


def with_typos(text: str, draw: random.Random) -> str:
    """One word in five with two neighbouring letters swapped or one left out."""
    words = text.split(" ")
    for place, word in enumerate(words):
        if len(word) > 3 and draw.random() < 0.2:
            at = draw.randrange(len(word) - 1)
            words[place] = word[:at] + draw.choice([word[at + 1] + word[at], ""]) + word[at + 2 :]
    return " ".join(words)


def in_another_language(text: str) -> str:
    """A made-up language: vowels and consonants of every word moved on by one, so that lengths, spaces and figures
    stay. No corpus in a second language is among the shared data."""
    vowels, consonants = "aeiou", "bcdfghjklmnpqrstvwxyz"
    moved = {a: b for letters in (vowels, consonants) for a, b in zip(letters, letters[1:] + letters[0], strict=True)}
    return re.sub("[a-z]", lambda letter: moved[letter[0]], text.lower())


@cache
def texts_of(name: str) -> Texts:
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    texts, labels = read(name)
    draw = random.Random(17)
    known = sorted(set(labels), key=lambda one: (labels.count(one), one))
    new = set(known[:2]) if name == "cfpb_2020" else set(draw.sample(known, 8))
    order = [i for i in draw.sample(range(len(texts)), len(texts)) if labels[i] not in new]
    train, others = order[: TRAIN[name]], order[TRAIN[name] :]
    vectorizer = TfidfVectorizer(sublinear_tf=True)
    vectors = vectorizer.fit_transform([texts[i] for i in train])
    model = LogisticRegression(C=10.0, max_iter=300).fit(vectors, [labels[i] for i in train])
    svd = TruncatedSVD(DIMENSIONS, random_state=17).fit(vectors)
    ever = [texts[i] for i in others]
    truth = [labels[i] for i in others]
    after = [draw.choice(ever) for _ in ever]
    parts = {
        "as_ever": (ever, truth),
        "new_topic": ([t for t, one in zip(texts, labels, strict=True) if one in new], None),
        "typos": ([with_typos(t, draw) for t in ever], truth),
        "another_language": ([in_another_language(t) for t in ever], truth),
        "longer_texts": ([f"{a} {b}" for a, b in zip(ever, after, strict=True)], truth),
    }
    everything = [t for part, _ in parts.values() for t in part]
    right = [one for part, truth in parts.values() for one in (truth or ["none of these"] * len(part))]
    vectors = vectorizer.transform(everything)
    probabilities = model.predict_proba(vectors)
    words = [re.findall(r"\b\w\w+\b", t.lower()) for t in everything]
    unknown = [sum(word not in vectorizer.vocabulary_ for word in found) / max(len(found), 1) for found in words]
    ends = np.cumsum([0, *(len(part) for part, _ in parts.values())])
    return Texts(
        {
            "label": model.classes_[probabilities.argmax(axis=1)].astype(str),
            "confidence": probabilities.max(axis=1),
            "characters": np.array([float(len(t)) for t in everything]),
            "unknown_words": np.array(unknown),
        },
        np.array(right),
        svd.transform(vectors),
        {kind: np.arange(ends[i], ends[i + 1]) for i, kind in enumerate(parts)},
    )


def stream(name: str, shift: str | None, number: int, a_day: int = A_DAY) -> Stream:
    """Stream `number` of a data set, the same each time."""
    texts = texts_of(name)
    rng = np.random.default_rng([number, SETS.index(name), SHIFTS.index(shift) + 1 if shift else 0, a_day])
    ever = texts.rows["as_ever"]
    reference, days = rng.choice(ever, REFERENCE), rng.choice(ever, (DAYS, a_day))
    asked, wrong = rng.random((DAYS, a_day)) < ASKED, np.zeros((DAYS, a_day), bool)
    if not shift:
        return Stream(reference, days, None, wrong, asked)
    change = int(rng.integers(EARLIEST, LATEST))
    changed = days[change:]
    if shift == "label_shift":
        labels = np.unique(texts.truth[ever])
        more = rng.choice(labels, max(2, len(labels) // 10), replace=False)
        weights = np.where(np.isin(texts.truth[ever], more), TIMES_AS_FREQUENT, 1.0)
        changed[:] = rng.choice(ever, changed.shape, p=weights / weights.sum())
    elif shift == "concept_change":
        wrong[change:] = rng.random(changed.shape) < SHARES[shift]
    else:
        touched = rng.random(changed.shape) < SHARES[shift]
        changed[touched] = rng.choice(texts.rows[shift], int(touched.sum()))
    return Stream(reference, days, change, wrong, asked)
