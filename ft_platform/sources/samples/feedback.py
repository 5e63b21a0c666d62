"""sample://feedback: real sentences of customers about cameras, phones and players, each rated by 20 people, of
fictitious persons.

Real are the sentences, who wrote them together (a review is a customer), what product they are about and their rating;
`feedback.tsv` names source and licence. Fictitious are consent, date, age group and region of a customer, all drawn at
random, and personal data that is planted in some sentences."""

import csv
import io
import random
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from ft_platform.sources.samples.personal_data import any_entity, insert_personal_data
from ft_platform.sources.samples.planting import (
    Draft,
    note_personal_data,
    plant_duplicate,
    plant_empty,
    plant_html,
    quotas,
    take_pairs,
)

COLUMNS = (
    "Feedback ID",
    "Customer",
    "Received",
    "Product",
    "Feedback",
    "Sentiment",
    "May be used",
    "Age group",
    "Region",
)
KEY, TEXT = "Feedback ID", "Feedback"
DEFAULT_ROWS = 1400
CONSENT = {"yes": 0.9, "no": 0.05, "": 0.03, "withdrawn": 0.02}
REFUSED = {"no": "consent_not_accepted", "": "consent_missing", "withdrawn": "consent_withdrawn"}
AGE_GROUPS = {"18-39": 0.4, "40-64": 0.4, "65 and over": 0.2}
REGIONS = {"north": 0.25, "south": 0.25, "east": 0.25, "west": 0.25}
PLANTED_SHARES = {"exact_duplicate": 0.02, "html": 0.02, "empty": 0.015}
PERSONAL_DATA_SHARE = 0.08
FIRST_DAY = date(2025, 1, 7)


@cache
def sentences() -> list[tuple[str, str, float, str]]:
    """`(review, product line, rating in [-4, 4], text)` of every sentence there is, in the order of the reviews."""
    lines = (Path(__file__).parent / "feedback.tsv").read_text(encoding="utf-8").splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(review, product, float(rating), text) for review, _, product, rating, text in rows]


def most_rows() -> int:
    """Sentences there are; none is made up."""
    return len(sentences())


def generate(rows: int, seed: int, shuffled: int = 0) -> tuple[str, dict[str, Any]]:
    """CSV text and the ground truth of everything planted in it.

    Args:
        rows: of whole customers in random order, until there are as many.
        shuffled: per cent of the sentences that exchange their labels at random: with 100 there is nothing to learn.
    """
    rng = random.Random(f"feedback:{seed}")
    reviews = list(dict.fromkeys(review for review, *_ in sentences()))
    rng.shuffle(reviews)
    customers = _customers(rng, reviews)
    drafts = [
        _draft(rng, customers[review], product, rating, text)
        for review in reviews
        for of, product, rating, text in sentences()
        if of == review
    ][:rows]
    rng.shuffle(drafts)
    for number, draft in enumerate(drafts, 1):
        draft.columns[KEY] = f"F-{number:05d}"
    _shuffle(random.Random(f"shuffled:{seed}"), drafts, shuffled)
    _plant(rng, drafts)
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([d.text if column == TEXT else d.columns[column] for column in COLUMNS] for d in drafts)
    records = {d.columns[KEY]: d.truth for d in drafts if d.truth}
    about = {"sample": "feedback", "rows": rows, "seed": seed, **({"shuffled": shuffled} if shuffled else {})}
    return file.getvalue(), {**about, "key": "source_key", "records": records}


def _customers(rng: random.Random, reviews: list[str]) -> dict[str, dict[str, str]]:
    """Review -> what is made up about its writer."""
    shares = (CONSENT, AGE_GROUPS, REGIONS)
    drawn = zip(reviews, *(quotas(rng, len(reviews), one) for one in shares), strict=True)
    return {
        review: {
            "Customer": f"C-{1000 + int(review)}",
            "Received": (FIRST_DAY + timedelta(days=rng.randrange(500))).isoformat(),
            "May be used": consent,
            "Age group": age,
            "Region": region,
        }
        for review, consent, age, region in drawn
    }


def _draft(rng: random.Random, customer: dict[str, str], product: str, rating: float, text: str) -> Draft:
    draft = Draft(text, {**customer, "Product": product, "Sentiment": "praise" if rating > 0 else "problem"})
    if rng.random() < PERSONAL_DATA_SHARE:
        draft.text, values = insert_personal_data(rng, draft.text, [any_entity(rng)])
        note_personal_data(draft, values)
        draft.plain = False
    if customer["May be used"] in REFUSED:
        draft.truth.append({"kind": "consent", "reason": REFUSED[customer["May be used"]]})
        draft.plain = False
    return draft


def _shuffle(rng: random.Random, drafts: list[Draft], per_cent: int) -> None:
    """Its own random numbers leave everything else as it was."""
    chosen = [draft for draft in drafts if rng.random() < per_cent / 100]
    labels = [draft.columns["Sentiment"] for draft in chosen]
    rng.shuffle(labels)
    for draft, label in zip(chosen, labels, strict=True):
        draft.columns["Sentiment"] = label


def _plant(rng: random.Random, drafts: list[Draft]) -> None:
    """One fault each into records that have no other; a duplicate is sent again by the same customer."""
    free = [place for place, draft in enumerate(drafts) if draft.plain]
    rng.shuffle(free)
    counts = {kind: max(1, round(len(drafts) * share)) for kind, share in PLANTED_SHARES.items()}
    for first, second in take_pairs(free, counts["exact_duplicate"], lambda _: True):
        original, copy = drafts[first], drafts[second]
        copy.columns = {**original.columns, KEY: copy.columns[KEY]}
        plant_duplicate(rng, "exact_duplicate", copy, original, original.columns[KEY])
    for kind, plant in (("html", plant_html), ("empty", lambda _, draft: plant_empty(rng, draft))):
        for _ in range(min(counts[kind], len(free))):
            plant(rng, drafts[free.pop()])
