"""sample://support: fictitious questions to the support desk of a phone company, with answers in its house style
(Alpaca schema).

The desk's rules (prices, places in the app, deadlines) are known to nobody else, so a model has to learn them from the
data. Customers from the islands write tersely, which makes their topic harder to tell (the planted group gap).
"""

import json
import random
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

DEFAULT_ROWS = 700
CONSENT = {"yes": 0.8, "no": 0.09, "": 0.05, "withdrawn": 0.04, "unknown": 0.02}
REFUSED = {
    "no": "consent_not_accepted",
    "unknown": "consent_not_accepted",
    "": "consent_missing",
    "withdrawn": "consent_withdrawn",
}
REGIONS = {"north": 0.22, "south": 0.21, "east": 0.2, "west": 0.19, "islands": 0.18}
PLANS = {"Flex": 0.3, "Fixed 24": 0.28, "Family": 0.17, "": 0.25}
PERSONAL_DATA_SHARE = 0.3
PLANTED_SHARES = {
    "exact_duplicate": 0.03,
    "near_duplicate": 0.03,
    "mojibake": 0.025,
    "html": 0.025,
    "empty": 0.015,
    "over_long": 0.003,
}


@cache
def material() -> dict[str, Any]:
    return yaml.safe_load((Path(__file__).parent / "support.yaml").read_text(encoding="utf-8"))


def generate(rows: int, seed: int) -> tuple[str, dict[str, Any]]:
    """A JSON array and the ground truth of everything planted in it."""
    rng = random.Random(f"support:{seed}")
    topics = quotas(rng, rows, {topic: 1 / len(material()["topics"]) for topic in material()["topics"]})
    regions, plans, consents = (quotas(rng, rows, shares) for shares in (REGIONS, PLANS, CONSENT))
    drafts = [_draft(rng, *values) for values in zip(topics, regions, plans, consents, strict=True)]
    _plant(rng, drafts)
    items = [{"instruction": d.text, **d.columns} for d in drafts]
    records = {str(row): d.truth for row, d in enumerate(drafts, 1) if d.truth}
    gap = {"feature": "region", "value": "islands"}
    text = json.dumps(items, ensure_ascii=False, indent=1)
    return text, {
        "sample": "support",
        "rows": rows,
        "seed": seed,
        "key": "source_position",
        "group_gap": gap,
        "records": records,
    }


def _draft(rng: random.Random, topic: str, region: str, plan: str, consent: str) -> Draft:
    spec = material()["topics"][topic]
    draft = Draft(roughen(rng, _question(rng, spec, terse=region == "islands" and rng.random() < 0.85)))
    draft.columns = {
        "input": f"Plan: {plan}" if plan else "",
        "output": _answer(rng, spec, plan),
        "consent": consent,
        # About two records per customer, so that grouping by person has something to keep together.
        "customer_id": f"C-{10_000 + int(rng.random() ** 1.5 * 4_000)}",
        "region": region,
    }
    if rng.random() < PERSONAL_DATA_SHARE:
        draft.text, values = insert_personal_data(
            rng, draft.text, [any_entity(rng) for _ in range(rng.choice((1, 1, 2)))]
        )
        note_personal_data(draft, values)
        draft.plain = False
    if consent in REFUSED:
        draft.truth.append({"kind": "consent", "reason": REFUSED[consent]})
        draft.plain = False
    return draft


def _question(rng: random.Random, spec: dict[str, Any], terse: bool) -> str:
    parts = material()["words"]
    if terse:
        templates = [
            rng.choice(spec["terse"]),
            rng.choice([*parts["detail"], *parts["ask"]]),
            rng.choice(parts["detail"]),
        ]
    else:
        templates = [rng.choice(spec["questions"])]
        if rng.random() < 0.6:
            templates.insert(0, rng.choice(parts["opener"]))
        templates += [
            rng.choice(parts[part])
            for part, chance in (("detail", 0.7), ("detail", 0.4), ("ask", 0.5))
            if rng.random() < chance
        ]
    return " ".join(say(rng, template, GENERATED) for template in dict.fromkeys(templates))


def _answer(rng: random.Random, spec: dict[str, Any], plan: str) -> str:
    words: Words = {**GENERATED, "about": [spec["about"]], "plan_fact": [spec.get("plan_facts", {}).get(plan, "")]}
    parts = material()["words"]
    return " ".join(
        say(rng, template, words)
        for template in (rng.choice(parts["acknowledgement"]), spec["answer"], rng.choice(parts["closing"]))
    )


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
            copy.columns |= {column: original.columns[column] for column in ("input", "output", "customer_id")}
            plant_duplicate(rng, kind, copy, original, str(first + 1))
    for kind in ("mojibake", "html", "empty", "over_long"):
        for _ in range(min(counts[kind], len(free))):
            draft = drafts[free.pop()]
            if kind == "mojibake":
                plant_mojibake(rng, draft, GENERATED)
            elif kind == "html":
                plant_html(rng, draft)
            elif kind == "empty":
                draft.columns["input"] = ""
                plant_empty(rng, draft)
            else:
                plant_over_long(rng, draft, lambda: say(rng, rng.choice(material()["words"]["detail"]), GENERATED))
