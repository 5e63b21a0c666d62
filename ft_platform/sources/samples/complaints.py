"""sample://complaints: fictitious consumer complaints in the columns of the public CFPB complaint database.

What makes them realistic rather than easy: half of the complaints about an account-like product use words that fit any
product, most mention a second product, some labels are wrong, and older customers write tersely (the planted group
gap)."""

import csv
import io
import random
from datetime import date, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ft_platform.sources.samples.personal_data import any_entity, insert_personal_data
from ft_platform.sources.samples.phrases import GENERATED, Words, roughen, say
from ft_platform.sources.samples.planting import (
    Draft,
    is_long_enough,
    note_personal_data,
    plant_duplicate,
    plant_empty,
    plant_html,
    plant_mojibake,
    plant_over_long,
    quotas,
    take_pairs,
)

COLUMNS = (
    "Date received",
    "Product",
    "Sub-product",
    "Issue",
    "Sub-issue",
    "Consumer complaint narrative",
    "Company public response",
    "Company",
    "State",
    "ZIP code",
    "Tags",
    "Consumer consent provided?",
    "Submitted via",
    "Date sent to company",
    "Company response to consumer",
    "Timely response?",
    "Consumer disputed?",
    "Complaint ID",
)
"""Field names of the CFPB complaint database's CSV export."""
KEY, TEXT = "Complaint ID", "Consumer complaint narrative"
DEFAULT_ROWS = 1600

CONSENT = {
    "Consent provided": 0.755,
    "Consent not provided": 0.12,
    "": 0.055,
    "Consent withdrawn": 0.035,
    "Other": 0.025,
    "N/A": 0.01,
}
REFUSED = {
    "Consent not provided": "consent_not_accepted",
    "Other": "consent_not_accepted",
    "N/A": "consent_not_accepted",
    "": "consent_missing",
    "Consent withdrawn": "consent_withdrawn",
}
TAGS = {"": 0.66, "Older American": 0.19, "Servicemember": 0.135, "Older American, Servicemember": 0.015}
STATES = {
    "CA": 0.16,
    "TX": 0.14,
    "FL": 0.13,
    "NY": 0.1,
    "GA": 0.09,
    "IL": 0.07,
    "OH": 0.07,
    "PA": 0.06,
    "NC": 0.06,
    "AZ": 0.05,
    "WA": 0.04,
    "MN": 0.03,
}
CHANNELS = {"Web": 0.8, "Phone": 0.08, "Referral": 0.05, "Postal mail": 0.05, "Fax": 0.02}
ANSWERS = {
    "Closed with explanation": 0.76,
    "Closed with non-monetary relief": 0.14,
    "Closed with monetary relief": 0.08,
    "In progress": 0.02,
}

PLANTED_SHARES = {
    "exact_duplicate": 0.03,
    "near_duplicate": 0.03,
    "mojibake": 0.025,
    "html": 0.025,
    "empty": 0.015,
    "over_long": 0.002,
}
PERSONAL_DATA_SHARE = 0.35
LABEL_NOISE = 0.03
LABEL_NOISE_OF_OLDER = 0.06
BIASED_TO = "debt collection"
ACCOUNT_LIKE = ("credit card", "bank account", "mortgage", "student loan", "vehicle loan")


@cache
def material() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "complaints.yaml").read_text(encoding="utf-8"))


def generate(rows: int, seed: int, bias: int = 0) -> tuple[str, dict[str, Any]]:
    """CSV text and the ground truth of everything planted in it.

    Args:
        bias: per cent of the complaints of older Americans that a prejudiced clerk noted as `BIASED_TO`, whatever they
            are about.
    """
    rng = random.Random(f"complaints:{seed}")
    labels = quotas(rng, rows, {name: label["share"] for name, label in material()["labels"].items()})
    tags = quotas(rng, rows, TAGS)
    drafts = [_draft(rng, label, tag) for label, tag in zip(labels, tags, strict=True)]
    _fill_columns(rng, drafts)
    _plant_bias(random.Random(f"bias:{seed}"), drafts, labels, bias)
    _plant(rng, drafts)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows([d.text if column == TEXT else d.columns.get(column, "") for column in COLUMNS] for d in drafts)
    records = {d.columns[KEY]: d.truth for d in drafts if d.truth}
    gap = {"feature": "Tags", "value": "Older American"}
    about = {"sample": "complaints", "rows": rows, "seed": seed, **({"bias": bias} if bias else {})}
    return text.getvalue(), {**about, "key": "source_key", "group_gap": gap, "records": records}


def _draft(rng: random.Random, label: str, tag: str) -> Draft:
    older, serving = "Older American" in tag, "Servicemember" in tag
    spec = material()["labels"][label]
    issue = rng.choice(spec["issues"])
    words = _words(rng, label, spec)
    text = (
        _terse_text(rng, spec, issue, words)
        if older and rng.random() < 0.8
        else _text(rng, label, spec, issue, words, serving)
    )
    draft = Draft(
        roughen(rng, text),
        {
            "Tags": tag,
            "Sub-product": issue["sub_product"],
            "Issue": issue["issue"],
            "Company": _company(words, rng).upper(),
        },
    )
    shown = label
    if rng.random() < (LABEL_NOISE_OF_OLDER if older else LABEL_NOISE):
        shown = rng.choice([other for other in material()["labels"] if other != label])
        draft.truth.append({"kind": "label_noise", "label": label, "shown": shown})
    products = material()["labels"][shown]["products"]
    draft.columns["Product"] = rng.choices(list(products), list(products.values()))[0]
    if rng.random() < PERSONAL_DATA_SHARE:
        entities = [any_entity(rng) for _ in range(rng.choice((1, 1, 1, 2, 3)))]
        draft.text, values = insert_personal_data(rng, draft.text, entities)
        note_personal_data(draft, values)
        draft.plain = False
    return draft


def _words(rng: random.Random, label: str, spec: dict[str, Any]) -> Words:
    other = rng.choice([name for name in ACCOUNT_LIKE if name != label])
    companies = [*material()["companies"], *spec.get("companies", [])]
    one_company = [rng.choice(companies)]
    one_noun, other_noun = [rng.choice(spec["noun"])], [rng.choice(material()["labels"][other]["noun"][:3])]
    return {**GENERATED, "company": one_company, "noun": one_noun, "other": other_noun}


def _company(words: Words, rng: random.Random) -> str:
    return say(rng, "{company}", words)


def _text(
    rng: random.Random, label: str, spec: dict[str, Any], issue: dict[str, Any], words: Words, serving: bool
) -> str:
    parts = material()["words"]

    def maybe(part: str, chance: float) -> list[str]:
        return [rng.choice(parts[part])] if rng.random() < chance else []

    core = rng.choice(parts["generic"]) if rng.random() < spec["generic_share"] else rng.choice(issue["cores"])
    mention = maybe("mention_frame", 0.3)
    if label != "credit reporting":
        mention += maybe("mention_report", 0.12)
    if label != "debt collection":
        mention += maybe("mention_debt", 0.1)
    before = mention if rng.random() < 0.4 else []
    after = [] if before else mention
    opening = maybe("servicemember", 0.7) if serving else maybe("opening", 0.45)
    templates = [
        *opening,
        *before,
        core,
        *after,
        *maybe("contact", 0.55),
        *maybe("consequence", 0.35),
        *maybe("demand", 0.4),
    ]
    return " ".join(say(rng, template, words) for template in templates)


def _terse_text(rng: random.Random, spec: dict[str, Any], issue: dict[str, Any], words: Words) -> str:
    """Few words, often without saying which product: harder for every system."""
    parts = material()["words"]
    generic = spec["generic_share"] > 0 and rng.random() < 0.5
    core = rng.choice(parts["generic_terse"] if generic else issue["cores"])
    templates = [core, rng.choice(parts["mention_frame"])] if rng.random() < 0.5 else [core]
    if rng.random() < 0.4:
        rng.shuffle(templates)
    if rng.random() < 0.5:
        templates.append(rng.choice(parts["demand"]))
    return " ".join(say(rng, template, words) for template in templates)


def _fill_columns(rng: random.Random, drafts: list[Draft]) -> None:
    """Ids, dates and everything that does not depend on the text; refused consent is planted here."""
    number, received = 7_000_000 + rng.randint(0, 99_999), date(2023, 1, 3)
    states, channels, answers = (quotas(rng, len(drafts), shares) for shares in (STATES, CHANNELS, ANSWERS))
    consents = quotas(rng, len(drafts), CONSENT)
    for draft, state, channel, answer, consent in zip(drafts, states, channels, answers, consents, strict=True):
        number += rng.randint(1, 900)
        received += timedelta(days=rng.random() < 0.4)
        draft.columns |= {
            "Date received": received.isoformat(),
            "Date sent to company": (received + timedelta(days=rng.randint(0, 3))).isoformat(),
            KEY: str(number),
            "State": state,
            "ZIP code": f"{rng.randint(100, 989)}XX",
            "Submitted via": channel,
            "Company response to consumer": answer,
            "Timely response?": "Yes" if rng.random() < 0.98 else "No",
            "Consumer disputed?": "N/A",
            "Consumer consent provided?": consent,
        }
        if consent in REFUSED:
            draft.truth.append({"kind": "consent", "reason": REFUSED[consent]})
            draft.plain = False


def _plant_bias(rng: random.Random, drafts: list[Draft], labels: list[str], bias: int) -> None:
    """Wrong labels in one direction for one group; duplicates planted later copy them. Its own random numbers leave
    everything else as it was."""
    products = material()["labels"][BIASED_TO]["products"]
    for draft, label in zip(drafts, labels, strict=True):
        if "Older American" in draft.columns["Tags"] and label != BIASED_TO and rng.random() < bias / 100:
            draft.columns["Product"] = rng.choices(list(products), list(products.values()))[0]
            draft.truth = [thing for thing in draft.truth if thing["kind"] != "label_noise"] + [
                {"kind": "label_bias", "label": label, "shown": BIASED_TO}
            ]


def _plant(rng: random.Random, drafts: list[Draft]) -> None:
    """One fault each into records that have no other; a duplicate comes after its original."""
    free = [i for i, draft in enumerate(drafts) if draft.plain]
    rng.shuffle(free)
    counts = {kind: max(1, round(len(drafts) * share)) for kind, share in PLANTED_SHARES.items()}
    for kind in ("near_duplicate", "exact_duplicate"):
        for first, second in take_pairs(
            free, counts[kind], lambda i, k=kind: k == "exact_duplicate" or is_long_enough(drafts[i])
        ):
            original, copy = drafts[first], drafts[second]
            copy.columns |= {
                column: original.columns[column] for column in ("Product", "Sub-product", "Issue", "Company")
            }
            copy.truth = []
            plant_duplicate(rng, kind, copy, original, original.columns[KEY])
    words = {**GENERATED, "company": material()["companies"]}
    for kind in ("mojibake", "html", "empty", "over_long"):
        for _ in range(min(counts[kind], len(free))):
            draft = drafts[free.pop()]
            if kind == "mojibake":
                plant_mojibake(rng, draft, words)
            elif kind == "html":
                plant_html(rng, draft)
            elif kind == "empty":
                plant_empty(rng, draft)
            else:
                plant_over_long(rng, draft, lambda: say(rng, rng.choice(material()["words"]["contact"]), words))
