"""Sentences that several documents make from the same figures, each once."""

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from ft_platform.redaction.hidden_names import source_place
from ft_platform.reporting.documents.facts import Facts, Statement
from ft_platform.reporting.funnel import funnel_of
from ft_platform.reporting.html import number, page
from ft_platform.training.privacy_budget import promise


def heading_page(facts: Facts, file: str, title: str, lead: str, sections: Iterable[tuple[str, list[Statement]]]) -> str:
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
                        {"id": facts.id_of(stage), "href": f"{up}{facts.links[stage]}/manifest.json" if stage in facts.links else None} for stage in one.by
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
    return ", ".join(f"{name} {number(count)}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))


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
    named = source_place(settings.uri) if settings else "a source that the use case's file does not name any more"
    place = f"Records were read from {named}"
    hashed = f", {number(len(files))} {'file' if len(files) == 1 else 'files'} whose sha256 the manifest has" if files else ""
    return Statement(f"{place}{hashed}: {number(manifest.rows)} rows, version of {manifest.written_at}.", ("raw_records",))


def permission(facts: Facts) -> list[Statement]:
    """What permits the use of the records, and how many were refused."""
    manifest = facts.manifest("permitted_records")
    governance = facts.section("permitted_records", "governance")
    said = []
    if governance:
        accepted = f" Accepted: {', '.join(governance.accepted_consent)}." if governance.accepted_consent else ""
        licence = governance.licence or "stated by each record"
        said.append(Statement(f"Purpose: {governance.purpose}. Licence of the records: {licence}.{accepted}", ("permitted_records",)))
    basis, origin = manifest.counts.get("basis"), manifest.counts.get("consent_from")
    if basis:
        until = manifest.counts.get("permitted_until")
        limit = f" They may be used until {until}." if until else ""
        said.append(Statement(f"Use is permitted by {basis} (stated by: {origin}), judged on {manifest.counts.get('on_day')}.{limit}", ("permitted_records",)))
    funnel = manifest.counts.get("funnel")
    said.append(Statement(f"Refused: {'not counted' if funnel is None else counted(funnel['removed']) or 'none'}.", ("permitted_records",)))
    return said


def funnel_statements(facts: Facts) -> list[Statement]:
    """How many records each stage got, kept and removed, and why."""
    said = []
    for row in funnel_of(facts.manifests):
        removed = f"; removed: {counted(row['removed'])}" if row["removed"] else ""
        said.append(Statement(f"{row['stage']}: {number(row['kept'])} of {number(row['rows_in'])} records kept{removed}.", (row["stage"],)))
    return said


def personal_data(facts: Facts) -> list[Statement]:
    """What was found and replaced, what a second look found, how well the recognizers find, k-anonymity."""
    counts = facts.manifest("anonymized_records").counts
    by = ("anonymized_records",)
    entities = counts.get("entities")
    said = [Statement(f"Personal data found and replaced: {'not counted' if entities is None else counted(entities) or 'none'}.", by)]
    residual = facts.verdict("anonymized_records", "no_residual_pii")
    if residual and {"rows_with_finding", "rows"} <= set(residual.numbers):
        n = residual.numbers
        said.append(
            Statement(f"A second look at the anonymized records found {number(n['rows_with_finding'])} of {number(n['rows'])} with a finding left.", by)
        )
    else:
        said.append(Statement("No second look at the anonymized records was made.", by))
    recall = facts.verdict("anonymized_records", "recall_above_floor")
    if recall and "recall" in recall.numbers:
        text = f"The recognizers find {100 * recall.numbers['recall']:.1f} % of the personal data, by characters, in annotated texts."
        said.append(Statement(text, by))
    k = counts.get("k_anonymity")
    if not k:
        said.append(Statement("k-anonymity: not measured, no quasi-identifiers are named.", by))
    elif k["k"] is None:
        said.append(Statement(f"k-anonymity: not measured on the records that are left (required: {k['required_k']}).", by))
    else:
        said.append(Statement(f"k-anonymity: k is {number(k['k'])} (required: {k['required_k']}), {number(k['rows_removed'])} records left out for it.", by))
    return said


def splits(facts: Facts) -> list[Statement]:
    """How the records are divided, and that no person or near duplicate is on two sides."""
    counts = facts.manifest("splits").counts
    sides = ", ".join(f"{side} {number(rows)}" for side, rows in counts.get("rows_per_split", {}).items())
    said = [Statement(f"Division: {sides or 'not counted'} ({counts.get('division', 'division not stated')}).", ("splits",))]
    leakage = facts.verdict("splits", "no_leakage")
    result = "not checked" if leakage is None else "none found" if leakage.passed else "found, see the verdict no_leakage"
    said.append(Statement(f"Persons, texts or near duplicates on two sides: {result}.", ("splits",)))
    return said


def checks(facts: Facts) -> list[Statement]:
    """Every check of every version with its result."""
    return [
        Statement(f"{check}: {'passed' if verdict.passed else 'failed'}, {verdict.checked_at}.", (stage,))
        for stage, found in facts.verdicts.items()
        for check, verdict in found.items()
    ]


def scores(facts: Facts) -> list[Statement]:
    """The fine-tuned model's figures with intervals, and those of the alternatives; nothing without an evaluation."""
    figures = facts.read("evaluation_report", "metrics.json")
    if not figures:
        return []
    said = []
    for system, found in figures["systems"].items():
        shown = "; ".join(
            f"{name} {number(one['value'])} ({number(one['low'])} to {number(one['high'])})" for name, one in found.items() if one.get("value") is not None
        )
        said.append(Statement(f"{system}: {shown} on {number(figures['test_rows'])} test records.", ("evaluation_report",)))
    return said


def fairness(facts: Facts) -> list[Statement]:
    """What the comparison of groups said, one statement a feature; nothing without a fairness report."""
    found = facts.read("fairness_report", "fairness.json")
    if not found:
        return []
    compared = {**found["features"], **found.get("intersections", {})}
    said = [Statement(f"{name}: {feature['status'].replace('_', ' ')} (limit {found['max_gap']}).", ("fairness_report",)) for name, feature in compared.items()]
    return said or [Statement("No sensitive feature is named: nothing was compared between groups.", ("fairness_report",))]


def decision(facts: Facts) -> list[Statement]:
    """What was decided about the checkpoint, and every rule that a person let it pass: which, who, as what, until when, and why."""
    if facts.decision is None:
        said = [Statement("Release: nothing was decided about this checkpoint yet.", ("adapter_checkpoint",))]
    else:
        until = f", by waiver until {facts.decision['valid_until']}" if facts.decision["valid_until"] else ""
        said = [Statement(f"Release: {facts.decision['decision']}{until} (decision {facts.decision['id']}).", ("release_decision",))]
    if not facts.waivers:
        return [*said, Statement("No rule of the release was waived.", said[0].by)]
    return [*said, *(Statement(_waived(one), ("release_decision",) if one["decision"] else ("adapter_checkpoint",)) for one in facts.waivers)]


def _waived(one: Mapping[str, Any]) -> str:
    rests = "" if one["decision"] else " The newest decision does not rest on it."
    revoked = " It was revoked: a decision that rests on it does not hold." if one["revoked"] else ""
    reason = one["reason"] if one["reason"].endswith((".", "!", "?")) else f"{one['reason']}."
    return f"Waiver of the rule {one['rule']} until {one['until']}, granted by {one['granted_by']} ({one['role']}): {reason}{rests}{revoked}"


def training(facts: Facts) -> list[Statement]:
    """Base model, method, amount of text, machine."""
    manifest = facts.manifest("adapter_checkpoint")
    told = facts.read("adapter_checkpoint", "training.json") or {}
    base, by = manifest.info.get("base_model", {}), ("adapter_checkpoint",)
    pinned = base.get("commit") or base.get("revision") or (f"sha256 {base['sha256']}" if base.get("sha256") else "not pinned")
    said = [Statement(f"Base model: {place_of(str(base.get('uri', 'not stated')))} ({pinned}).", by)]
    if settings := told.get("training"):
        shown = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items() if not isinstance(value, (dict, list)) and value is not None)
        said.append(Statement(f"Settings of the training: {shown}.", by))
    side = manifest.counts.get("train", {})
    if side:
        said.append(
            Statement(f"Trained on {number(side.get('rows'))} records with {number(side.get('tokens'))} tokens, {number(side.get('truncated'))} shortened.", by)
        )
    if promised := promise(told):
        said.append(Statement(promised, by))
    environment = manifest.info.get("environment", {})
    if environment:
        versions = ", ".join(f"{name} {version}" for name, version in environment.items())
        seconds = manifest.info.get("metrics", {}).get("seconds")
        took = f", {number(float(seconds))} seconds" if seconds is not None else ""
        said.append(Statement(f"Computed on {manifest.info.get('device')}{took}, with {versions}.", by))
    return said
