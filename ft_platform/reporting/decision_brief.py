"""The decision brief: one page in plain words for a domain expert and a compliance officer, from the decision and its
evidence."""

import json
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ft_platform.evaluation.metric import Metric, metric
from ft_platform.evaluation.slices import slice_metric
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.people.deciders import deciders
from ft_platform.release.evidence import FILES, Item
from ft_platform.reporting import alt_texts, plain_words
from ft_platform.reporting.fairness_report import sentences
from ft_platform.reporting.html import page
from ft_platform.reporting.lineage import lineage_rows, manifests_behind
from ft_platform.reporting.method_words import as_trained, titled, without_itself
from ft_platform.reporting.plots import seeds_plot, systems_plot
from ft_platform.reporting.report_page import saved
from ft_platform.reporting.review_report import preference_sentence
from ft_platform.reporting.roi_words import conclusion, figure_sentence, people_right
from ft_platform.reporting.verdict import fine_tune_or_prompt, slice_sentences, verdicts
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY
from ft_platform.use_case.settings.roles import title

if TYPE_CHECKING:
    from ft_platform.release.decide import Decision

PAGE = "decision_brief.html"
SIGNERS = {
    "domain_expert": "the answers are right for the work",
    "compliance": "the evidence is enough",
    "accountable": "the model may be released",
}
"""Role -> what its signature says."""


def write_decision(folder: Path, draft: Draft, decision: "Decision") -> None:
    """`decision_brief.html`, and `systems.png` and `seeds.png` where systems and seeds could be compared."""
    values = brief_values(draft.lake, draft.use_case, draft.id, decision)
    saved(folder, values["pictures"])
    (folder / PAGE).write_text(page(PAGE, **values), encoding="utf-8")


def brief_values(lake: Lake, use_case: NamedUseCase, artifact_id: str, decision: "Decision") -> dict[str, Any]:
    """Everything the page says. What evidence cannot be relied on is said to be unknown, with the reason."""
    settings = use_case.settings
    found = decision.to_dict()
    evidence = decision.evidence
    manifests = {} if evidence.problems else manifests_behind(lake, [evidence.checkpoint])
    evaluation = _figures(lake, evidence.items["evaluation_report"])
    evaluation = without_itself(evaluation, settings.training.method) if evaluation else None
    systems = titled(evaluation["systems"], settings.training.method) if evaluation else {}
    words = partial(as_trained, method=settings.training.method)
    main = metric(evaluation["main_metric"]) if evaluation else None
    seeds = _figures(lake, evidence.items["seed_variation"]) if settings.seed_variation.seeds > 1 else None
    return {
        "title": f"Decision about {use_case.name}",
        "use_case": use_case.name,
        "artifact_id": artifact_id,
        "written_at": now(),
        "description": settings.description,
        "release": settings.release,
        "found": found,
        "accepted": decision.accepted,
        "refusing": decision.refusing,
        "purpose": settings.governance.purpose,
        "instruction": settings.task.instruction,
        "few_shot_examples": settings.evaluation.few_shot_examples,
        "licence": settings.governance.licence or "not stated",
        "base_model": settings.base_model.uri,
        "reads_words": settings.trained_base == WORDS_ONLY,
        "training_rows": manifests["adapter_checkpoint"].counts.get("train", {}).get("rows") if manifests else None,
        "short": words(_short(found, evaluation, use_case, _figures(lake, evidence.items["roi_report"]))),
        "quality": words(_quality(evaluation, use_case, main)),
        "people": words(_people(_figures(lake, evidence.items["human_review"]))),
        "seeds": _seeds(seeds, use_case),
        "groups": _groups(_figures(lake, evidence.items["fairness_report"]), evaluation, use_case),
        "worth": words(_worth(_figures(lake, evidence.items["roi_report"]))),
        "signers": _signers(use_case),
        "unknown": {
            stage: "; ".join(item.problems)
            for stage, item in evidence.items.items()
            if item.problems and stage in _asked(decision)
        },
        "lineage": lineage_rows(manifests),
        "alts": {
            "systems": words(alt_texts.systems(evaluation["systems"], main)) if evaluation and main else "",
            "seeds": alt_texts.seeds(seeds, metric(seeds["main_metric"])) if seeds else "",
        },
        "pictures": {
            **({"systems": systems_plot(systems, main)} if evaluation and main else {}),
            **({"seeds": seeds_plot(seeds, metric(seeds["main_metric"]))} if seeds else {}),
        },
    }


def _signers(use_case: NamedUseCase) -> list[tuple[str, str, str]]:
    """Who signs: as what, owner, how. None where a release asks for nobody, as `sign_off` says."""
    return [
        (
            f"{title(role)}: {SIGNERS.get(role, 'the part of this role is right')}",
            ", ".join(deciders(role, use_case, use_case.people)) or use_case.settings.owners.of(role),
            f"ft sign {use_case.name} --as {role} --by E-MAIL",
        )
        for role in use_case.signing_roles
    ]


def _short(
    found: Mapping[str, Any],
    evaluation: Mapping[str, Any] | None,
    use_case: NamedUseCase,
    roi: Mapping[str, Any] | None,
) -> list[tuple[str, list[str]]]:
    """What a domain expert needs in half a minute."""
    broken = sum(not rule["passed"] and not rule["waiver"] for rule in found["rules"])
    waived = sum(not rule["passed"] and bool(rule["waiver"]) for rule in found["rules"])
    verdict = (
        f"Every rule for a release holds{f', {waived} of them by waiver' if waived else ''}."
        if not broken
        else f"It may not be released: {broken} of {len(found['rules'])} rules are broken."
    )
    rows = [("Verdict", [*filter(None, (found["simpler"], verdict, found.get("tested"), found.get("answers")))])]
    if evaluation:
        confidence = use_case.settings.evaluation.confidence
        counts = slice_metric(use_case) in plain_words.COUNTED
        rows[0][1].append(plain_words.quality(evaluation, people_right(roi)))
        rows.append(("What it gains", [plain_words.gain(evaluation, confidence)["text"]]))
        worse = plain_words.worse_for(evaluation["slices"], confidence, counts)
        rows.append(("For whom it is worse", [*plain_words.fair_to_groups(found), *worse]))
        if better := plain_words.diagnosed(evaluation):
            rows.append(("What would make it better", better))
    return [*rows, ("What to do next", plain_words.next_after_decision(found))]


def _asked(decision: "Decision") -> set[str]:
    """Evidence that a rule asks for by its name."""
    rules = [ruling.rule.partition("/") for ruling in decision.rulings]
    return {name for kind, _, name in rules if kind == "lineage"} | (
        {"seed_variation"} if any(kind == "seeds" for kind, _, _ in rules) else set()
    )


def _figures(lake: Lake, item: Item) -> dict[str, Any] | None:
    """All that a report says; None where it may not be relied on."""
    if item.problems or item.version is None:
        return None
    return json.loads(lake.read_file(item.version, FILES[item.stage][0]))


def _quality(figures: Mapping[str, Any] | None, use_case: NamedUseCase, main: Metric | None) -> list[str]:
    if figures is None or main is None:
        return []
    confidence = use_case.settings.evaluation.confidence
    return [
        fine_tune_or_prompt(figures, main, confidence),
        *(said["text"] for said in verdicts(figures, main, confidence)),
    ]


def _people(review: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """What experts said who compared answers of this checkpoint; nothing where none did, or where their review may not
    be relied on."""
    return [preference_sentence("Experts", review)] if review else []


def _seeds(found: Mapping[str, Any] | None, use_case: NamedUseCase) -> list[dict[str, Any]]:
    """Whether the gains hold for other seeds of training, where the use case asks for several; empty where that is
    asked for and not known."""
    if use_case.settings.seed_variation.seeds == 1:
        seed = use_case.settings.training.seed
        text = (
            f"One training (seed {seed}) was evaluated. How much of its figures is luck of the seed was not measured"
            " (seed_variation.seeds)."
        )
        return [{"good": True, "text": text}]
    return found["conclusion"] if found else []


def _worth(roi: Mapping[str, Any] | None) -> list[str]:
    """What is known of the return, in words; a figure nobody measured is said to be so."""
    if roi is None:
        return []
    return [
        *(said["text"] for said in conclusion(roi)),
        *(figure_sentence(name, figure)["text"] for name, figure in roi["figures"].items()),
    ]


def _groups(
    fairness: Mapping[str, Any] | None, evaluation: Mapping[str, Any] | None, use_case: NamedUseCase
) -> list[str]:
    said = [one["text"] for one in sentences(fairness, use_case).values()] if fairness else []
    return [
        *said,
        *(slice_sentences(evaluation["slices"], use_case.settings.evaluation.confidence) if evaluation else []),
    ]
