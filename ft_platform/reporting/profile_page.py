"""The profile of a table version as an artifact: `profile.json`, pictures, and one HTML page.

A profile of a table in the restricted zone holds counts, lengths and languages only, because the profile itself lies in
the shared zone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.records.profiling.drift import Drift, drift
from ft_platform.records.profiling.profile import Profile, Tokens, from_dict, profile
from ft_platform.reporting import data_plots
from ft_platform.reporting.html import percent
from ft_platform.reporting.report_page import saved, write_report_page
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

NAME = "profile"
"""Of the artifacts; one of `stages.PAGES`."""
REPORT = "report.html"
PROFILE = "profile.json"
CODE_VERSION = 1
"""Bump when the code changes what a profile holds."""

LENGTH_TITLES = {
    "user_tokens": "tokens of the user's text",
    "user_words": "words of the user's text",
    "user_characters": "characters of the user's text",
    "assistant_tokens": "tokens of the answer",
    "assistant_words": "words of the answer",
    "assistant_characters": "characters of the answer",
    "messages": "messages of a record",
}
PICTURED_LENGTHS = ("user_tokens", "user_words", "assistant_words")
LEVELS = {
    "stable": "stable",
    "moderate": "moderate shift",
    "large": "large shift",
    "too_few_rows": "too few records to tell",
}


def publish_profile(lake: Lake, use_case: NamedUseCase, version: TableVersion) -> ArtifactVersion:
    """The profile of a table version, with what changed since the version before: an existing one, or a new one.

    Raises:
        ConfigError, MissingExtra: `cleaning.tokenizer` cannot be used.
    """
    before = _profile_before(lake, version)
    tokens, tokenizer = _token_counter(use_case)
    inputs = settings_hash(
        {
            "table": version.name,
            "content": version.content_hash,
            "before": before.id if before else "",
            "code": CODE_VERSION,
            "tokenizer": tokenizer,
        }
    )
    settings = settings_hash({"code": CODE_VERSION, "tokenizer": tokenizer})
    draft = Draft(lake, use_case, NAME, f"{version.name}-{inputs[:12]}", inputs, [version], settings)
    if existing := draft.existing():
        return existing
    found = profile(lake.rows(version), version.name, shows_values=version.zone == "shared", tokens=tokens)
    with draft.folder() as folder:
        (folder / PROFILE).write_text(json.dumps(found.to_dict(), indent=1, ensure_ascii=False), encoding="utf-8")
        write_page(folder, draft, version, found, before)
        return draft.publish(
            folder,
            counts={"rows": found.rows},
            info={
                "table": version.name,
                "version": version.id,
                "content_hash": version.content_hash,
                "before": before.id if before else None,
            },
        )


def read_profile(lake: Lake, artifact: ArtifactVersion) -> Profile:
    """The profile in an artifact."""
    return from_dict(json.loads(lake.read_file(artifact, PROFILE)))


def write_page(
    folder: Path, draft: Draft, version: TableVersion, found: Profile, before: ArtifactVersion | None
) -> None:
    """`report.html` and its pictures.

    Args:
        before: the profile of the version before.
    """
    old = read_profile(draft.lake, before) if before else None
    moved = drift(old, found) if old else []
    pictures = dict(_pictures(found, old))
    write_report_page(
        folder,
        draft,
        "profile.html",
        title=f"Profile of {version.name} of {version.use_case}",
        table=version,
        found=found,
        shows_values=version.zone == "shared",
        sentences=sentences(found, moved),
        lengths=[
            {"title": LENGTH_TITLES[name], "found": found.lengths[name]}
            for name in LENGTH_TITLES
            if name in found.lengths
        ],
        values={name: _shown(values) for name, values in found.values.items()},
        sides=_sides(found),
        before=draft.lake.manifest(before).info["version"] if before else None,
        drift=[
            {
                "found": row,
                "what": LENGTH_TITLES.get(row.what, row.what),
                "level": LEVELS[row.level],
                "new": _listed(row.new),
                "gone": _listed(row.gone),
            }
            for row in moved
        ],
        pictures=saved(folder, pictures),
    )


def sentences(found: Profile, moved: list[Drift]) -> list[dict[str, Any]]:
    """What stands out, in words: `[{"good": bool, "text": sentence}]`."""
    said: list[dict[str, Any]] = []
    for name in ("messages", "label", "split"):
        labels = name != "label" or found.missing.get(name, 0) < found.rows
        if labels and (count := found.missing.get(name, 0)):
            said.append({"good": False, "text": f"{count:,} of {found.rows:,} records have no value in {name}."})
    balance = found.values.get("label", {})
    if len(balance) > 1:
        most, least = next(iter(balance.items())), list(balance.items())[-1]
        text = (
            f"{len(balance)} labels: the largest is {most[0]} with {percent(most[1] / found.rows)} of the records, the"
            f" smallest {least[0]} with {least[1]:,}."
        )
        said.append({"good": True, "text": text})
    shifted = [row for row in moved if row.level in ("moderate", "large")]
    if shifted:
        named = "; ".join(
            f"{LENGTH_TITLES.get(row.what, row.what)} ({LEVELS[row.level]}, PSI {row.psi:.2f})" for row in shifted
        )
        said.append({"good": False, "text": f"Changed since the previous version: {named}."})
    unsure = [LENGTH_TITLES.get(row.what, row.what) for row in moved if row.level == "too_few_rows"]
    if unsure:
        said.append(
            {
                "good": False,
                "text": (
                    f"Too few records to tell whether these changed since the previous version: {', '.join(unsure)}."
                ),
            }
        )
    if moved and not shifted and not unsure:
        said.append({"good": True, "text": "Nothing changed noticeably since the previous version."})
    return said


def _pictures(found: Profile, before: Profile | None) -> Iterator[tuple[str, bytes]]:
    for name in PICTURED_LENGTHS:
        if name in found.lengths and (name != "user_words" or "user_tokens" not in found.lengths):
            yield (
                name,
                data_plots.lengths_plot(
                    found.lengths[name], LENGTH_TITLES[name], before.lengths.get(name) if before else None
                ),
            )
    if found.sides:
        yield "split_balance", data_plots.split_balance_plot(found.sides)
    elif found.values.get("label"):
        yield "labels", data_plots.counts_plot(found.values["label"], "records", of=found.rows)
    if found.entities:
        yield "entities", data_plots.entity_counts_plot(found.entities)
    if found.languages:
        yield "languages", data_plots.counts_plot(found.languages, "records of the sample", of=found.language_rows)


def _shown(values: dict[str, int]) -> dict[str, int]:
    """The most frequent values; the others are in `profile.json`."""
    return dict(list(values.items())[: data_plots.MOST_BARS])


def _sides(found: Profile) -> list[dict[str, Any]]:
    rows = [
        {"label": label or "all records", "counts": [counts.get(side, 0) for side in data_plots.SIDES]}
        for label, counts in found.sides.items()
    ]
    return sorted(rows, key=lambda row: (-sum(row["counts"]), row["label"]))[: data_plots.MOST_BARS]


def _listed(values: tuple[str, ...]) -> str:
    more = len(values) - 5
    return ", ".join(values[:5]) + (f" and {more} more" if more > 0 else "")


def _profile_before(lake: Lake, version: TableVersion) -> ArtifactVersion | None:
    """The newest profile of another content of the table."""
    for artifact in lake.artifacts(version.use_case, NAME):
        info = lake.manifest(artifact).info
        if info["table"] == version.name and info["content_hash"] != version.content_hash:
            return artifact
    return None


def _token_counter(use_case: NamedUseCase) -> tuple[Tokens | None, str]:
    """Counts tokens with the tokenizer of `cleaning.tokenizer`, and its sha256; None and "" where none is named."""
    from ft_platform.cleaning.token_counts import counted, tokenizer_fingerprint

    cleaning = use_case.settings.cleaning
    if not cleaning.tokenizer:
        return None, ""
    return lambda texts: counted(texts, cleaning), tokenizer_fingerprint(cleaning)["tokenizer_sha256"]
