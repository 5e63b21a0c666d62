"""Sentences that several documents make from the same figures, each once."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ft_platform.evaluation.abstaining import SUGGESTION
from ft_platform.process.hidden_names import source_place
from ft_platform.reporting.documents.facts import Facts, Statement, outcome
from ft_platform.reporting.funnel import funnel_of
from ft_platform.reporting.html import number, page
from ft_platform.training import continuing, window
from ft_platform.training.privacy_budget import promise
from ft_platform.training.time_taken import training_seconds
from ft_platform.use_case.settings.base_model import reads_words


def heading_page(
    facts: Facts, file: str, title: str, lead: str, sections: Iterable[tuple[str, list[Statement]]]
) -> str:
    """A page of headings with statements, each linked to the version that it comes from.

    Args:
        file: its place below the documents of a pack.
    """
    up = "../" * (1 + file.count("/"))
    shown = [
        (
            heading,
            [
                {
                    "text": one.text,
                    "open": not one.by,
                    "sources": [
                        {
                            "id": facts.id_of(stage),
                            "href": f"{up}{facts.links[stage]}/manifest.json" if stage in facts.links else None,
                        }
                        for stage in one.by
                    ],
                }
                for one in statements
            ],
        )
        for heading, statements in sections
    ]
    return page("document.html", title=title, lead=lead, sections=shown, use_case=facts.name)


def counted(counts: Mapping[str, Any]) -> str:
    """`too_short 3, near_duplicate 2`, the largest first."""
    return ", ".join(
        f"{name} {number(count)}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )


def place_of(uri: str) -> str:
    """A source without user name, password and query, which may be secrets."""
    if "://" not in uri:
        return uri
    parts = urlsplit(uri)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def source(facts: Facts) -> Statement:
    """Where the records came from."""
    manifest = facts.manifest("raw_records")
    files = manifest.info.get("files") or manifest.info.get("source_file_hashes") or []
    settings = facts.section("raw_records", "source")
    named = source_place(settings.uri) if settings else "a source that the use-case file no longer names"
    place = f"Records were read from {named}"
    hashed = (
        f", {number(len(files))} {'file' if len(files) == 1 else 'files'} (sha256 in the manifest)" if files else ""
    )
    text = f"{place}{hashed}: {number(manifest.rows)} rows, version of {manifest.written_at}."
    return Statement(text, ("raw_records",))


def permission(facts: Facts) -> list[Statement]:
    """What permits the use of the records, and how many were refused."""
    manifest = facts.manifest("permitted_records")
    governance = facts.section("permitted_records", "governance")
    said = []
    if governance:
        accepted = f" Accepted: {', '.join(governance.accepted_consent)}." if governance.accepted_consent else ""
        licence = governance.licence or "stated by each record"
        text = f"Purpose: {governance.purpose}. Licence of the records: {licence}.{accepted}"
        said.append(Statement(text, ("permitted_records",)))
    basis, origin = manifest.counts.get("basis"), manifest.counts.get("consent_from")
    if basis:
        until = manifest.counts.get("permitted_until")
        limit = f" They may be used until {until}." if until else ""
        said.append(
            Statement(
                f"Use is permitted by {basis} (stated by: {origin}), judged on {manifest.counts.get('on_day')}.{limit}",
                ("permitted_records",),
            )
        )
    funnel = manifest.counts.get("funnel")
    refused = (
        "not counted"
        if funnel is None
        else f"{counted(funnel['removed']) or 'none'}, of {number(funnel['rows_in'])} records"
    )
    said.append(Statement(f"Refused: {refused}.", ("permitted_records",)))
    return said


def funnel_statements(facts: Facts) -> list[Statement]:
    """How many records each stage got, kept and removed, and why."""
    said = []
    for row in funnel_of(facts.manifests):
        removed = f"; removed: {counted(row['removed'])}" if row["removed"] else ""
        text = f"{row['stage']}: {number(row['kept'])} of {number(row['rows_in'])} records kept{removed}."
        said.append(Statement(text, (row["stage"],)))
    return said


def personal_data(facts: Facts) -> list[Statement]:
    """What was found and replaced, what a second look found, how well the recognizers find, k-anonymity: each with what
    it rests on."""
    manifest = facts.manifest("anonymized_records")
    residual = facts.verdict("anonymized_records", "no_residual_pii")
    recall = facts.verdict("anonymized_records", "recall_above_floor")
    k = facts.verdict("anonymized_records", "is_k_anonymous")
    said = [_replaced(manifest.counts, manifest.rows)]
    if emptied := manifest.counts.get("emptied"):
        said.append(f"Values left out because they do not fit their column: {counted(emptied)}.")
    if residual and {"rows_with_finding", "rows"} <= set(residual.numbers):
        n = residual.numbers
        found = f"found {number(n['rows_with_finding'])} of {number(n['rows'])} with a finding left"
        said.append(
            "A second pass over the anonymized records, for values with a fixed form such as mail addresses and card"
            f" numbers, {found}."
        )
    else:
        said.append("The anonymized records were not checked a second time.")
    said.append(
        str(recall.numbers["says"])
        if recall and "says" in recall.numbers
        else "The share of personal data that is found was not measured."
    )
    said.append(
        str(k.numbers["says"])
        if k and "says" in k.numbers
        else "k-anonymity was not measured: these records have no check of it."
    )
    if removed := (manifest.counts.get("k_anonymity") or {}).get("rows_removed"):
        said.append(f"{number(removed)} records were left out for k-anonymity.")
    return [Statement(text, ("anonymized_records",)) for text in said]


def _replaced(counts: Mapping[str, Any], rows: int) -> str:
    if counts.get("entities") is None:
        return "Personal data found and replaced: not counted."
    where = (
        f"in {number(counts['rows_with_any'])} of {number(rows)} records"
        if "rows_with_any" in counts
        else f"in {number(rows)} records"
    )
    return f"Personal data that the recognizers found and replaced {where}: {counted(counts['entities']) or 'none'}."


CROSSING = {
    "subjects": "persons",
    "identical_texts": "identical texts",
    "near_duplicate_pairs": "pairs of near duplicates",
    "paraphrase_pairs": "pairs of paraphrases",
    "benchmark_texts": "records with a text of a benchmark",
    "newer_than_tested": "records newer than what is tested on",
}
"""Numbers of the verdict `no_leakage` in words."""


def splits(facts: Facts) -> list[Statement]:
    """How the records are divided, and what was looked for on two sides, in how many records."""
    counts = facts.manifest("splits").counts
    sides = ", ".join(f"{side} {number(rows)}" for side, rows in counts.get("rows_per_split", {}).items())
    leakage = facts.verdict("splits", "no_leakage")
    said = [
        f"Division: {sides or 'not counted'} ({counts.get('division', 'division not stated')}).",
        *_on_two_sides(leakage.numbers if leakage else None),
    ]
    return [Statement(text, ("splits",)) for text in said]


def _on_two_sides(numbers: Mapping[str, Any] | None) -> list[str]:
    if numbers is None or "rows" not in numbers:
        return ["Persons, texts or near duplicates on two sides: not checked."]
    rows, named = numbers["rows"], numbers.get("rows_with_person", 0)
    looked_for = {key: words for key, words in CROSSING.items() if key in numbers and (key != "subjects" or named)}
    said = [
        f"On two sides of the division of {number(rows)} records:"
        f" {', '.join(f'{words} {number(numbers[key])}' for key, words in looked_for.items())}."
    ]
    if "subjects" not in numbers:
        said.append("Persons on two sides: not looked for, `splits.group_by_subject` is off.")
    elif not named:
        said.append(
            f"Persons on two sides: not looked for, none of the {number(rows)} records is known to name one"
            " (`record.subject`)."
        )
    elif named < rows:
        said.append(
            f"Persons were looked for in the {number(named)} records that name one; the other {number(rows - named)}"
            " cannot be checked."
        )
    return said


def checks(facts: Facts) -> list[Statement]:
    """Every check of every version with its result, and what it rests on where the verdict says so."""
    return [
        Statement(f"{check}: {outcome(verdict)}, {verdict.checked_at}.{_rests_on(verdict.numbers)}", (stage,))
        for stage, found in facts.verdicts.items()
        for check, verdict in found.items()
    ]


def _rests_on(numbers: Mapping[str, Any]) -> str:
    return f" {numbers['says']}" if "says" in numbers else ""


def scores(facts: Facts) -> list[Statement]:
    """The fine-tuned model's figures with intervals, and those of the alternatives; nothing without an evaluation."""
    figures = facts.read("evaluation_report", "metrics.json")
    if not figures:
        return []
    said = []
    for system, found in figures["systems"].items():
        shown = "; ".join(
            f"{name} {number(one['value'])} ({number(one['low'])} to {number(one['high'])})"
            for name, one in found.items()
            if one.get("value") is not None
        )
        text = f"{system}: {shown} on {number(figures['test_rows'])} test records."
        said.append(Statement(text, ("evaluation_report",)))
    return said


def fairness(facts: Facts) -> list[Statement]:
    """What the comparison of groups said, one statement a feature; nothing without a fairness report."""
    found = facts.read("fairness_report", "fairness.json")
    if not found:
        return []
    compared = {**found["features"], **found.get("intersections", {})}
    said = [
        Statement(f"{name}: {feature['status'].replace('_', ' ')} (limit {found['max_gap']}).", ("fairness_report",))
        for name, feature in compared.items()
    ]
    return said or [
        Statement("No sensitive feature is named: nothing was compared between groups.", ("fairness_report",))
    ]


def decision(facts: Facts) -> list[Statement]:
    """What was decided about the checkpoint, and every rule that a person let it pass: which, who, as what, until when,
    and why."""
    if facts.decision is None:
        said = [Statement("Release: not yet decided for this checkpoint.", ("adapter_checkpoint",))]
    else:
        until = f", by waiver until {facts.decision['valid_until']}" if facts.decision["valid_until"] else ""
        text = f"Release: {facts.decision['decision']}{until} (decision {facts.decision['id']})."
        said = [Statement(text, ("release_decision",))]
        said += [Statement(SUGGESTION, ("release_decision",))] if "claim" in facts.decision else []
        said += [Statement(_signed(one), ("release_decision",)) for one in facts.signatures]
    if not facts.waivers:
        return [*said, Statement("No rule of the release was waived.", said[0].by)]
    return [
        *said,
        *(
            Statement(_waived(one), ("release_decision",) if one["decision"] else ("adapter_checkpoint",))
            for one in facts.waivers
        ),
    ]


def _signed(one: Mapping[str, Any]) -> str:
    gone = " It was taken back." if one["taken_back"] else ""
    return f"{one['person']} {one['says']} it as {one['role']} on {one['at'][:10]} ({one['known_by']}).{gone}"


def _waived(one: Mapping[str, Any]) -> str:
    rests = "" if one["decision"] else " The newest decision does not rest on it."
    revoked = " It was revoked: a decision that rests on it does not hold." if one["revoked"] else ""
    reason = one["reason"] if one["reason"].endswith((".", "!", "?")) else f"{one['reason']}."
    return (
        f"Waiver of the rule {one['rule']} until {one['until']}, granted by {one['granted_by']} ({one['role']}):"
        f" {reason}{rests}{revoked}"
    )


def training(facts: Facts) -> list[Statement]:
    """Base model, method, amount of text, machine."""
    manifest = facts.manifest("adapter_checkpoint")
    told = facts.read("adapter_checkpoint", "training.json") or {}
    base, by = manifest.info.get("base_model", {}), ("adapter_checkpoint",)
    pinned = (
        base.get("commit")
        or base.get("revision")
        or (f"sha256 {base['sha256']}" if base.get("sha256") else "not pinned")
    )
    named = "none" if reads_words(base) else f"{place_of(str(base.get('uri', 'not stated')))} ({pinned})"
    said = [Statement(f"Base model: {named}.", by)]
    if before := continuing.in_words(told):
        said.append(Statement(before, by))
    if chosen := window.in_words(told.get("chosen_records", {})):
        said.append(Statement(chosen, by))
    if settings := told.get("training"):
        shown = ", ".join(
            f"{name.replace('_', ' ')} {value}"
            for name, value in settings.items()
            if not isinstance(value, (dict, list)) and value is not None
        )
        said.append(Statement(f"Settings of the training: {shown}.", by))
    side = manifest.counts.get("train", {})
    if side:
        said.append(
            Statement(
                f"Trained on {number(side.get('rows'))} records with {number(side.get('tokens'))} tokens,"
                f" {number(side.get('truncated'))} shortened.",
                by,
            )
        )
    if promised := promise(told):
        said.append(Statement(promised, by))
    environment = manifest.info.get("environment", {})
    if environment:
        versions = ", ".join(f"{name} {version}" for name, version in environment.items())
        took = training_seconds(manifest.info.get("metrics", {}))
        said.append(Statement(f"Trained on {manifest.info.get('device')} in {took}, with {versions}.", by))
    return said
