"""The dataset card of the records a model was trained and tested on, in Hugging Face's format: README.md with YAML
metadata.

Format: https://huggingface.co/docs/hub/datasets-cards and the metadata specification linked there.
"""

from typing import Any

from ft_platform.reporting.documents import statements
from ft_platform.reporting.documents.facts import Facts, Statement
from ft_platform.reporting.model_card import HUB_LICENCES, front_matter_text, plain_markdown

FILE = "dataset/README.md"
SIZES = [
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
    (100_000_000, "10M<n<100M"),
]
"""The hub's size categories, by the number of rows below which each holds."""


def make(facts: Facts) -> str:
    """README.md.

    Raises:
        NotKnown: there is no version of `splits`.
    """
    return f"{front_matter_text(metadata(facts))}\n{_body(facts)}"


def metadata(facts: Facts) -> dict[str, Any]:
    """Metadata of the hub. What nobody stated is left out."""
    manifest = facts.manifest("splits")
    governance = facts.section("permitted_records", "governance")
    cleaning = facts.section("cleaned_records", "cleaning")
    task = facts.section("splits", "task")
    licence = governance.licence if governance else None
    known = bool(licence) and str(licence).lower() in HUB_LICENCES
    found: dict[str, Any] = {"pretty_name": facts.name}
    if licence:
        found |= {"license": str(licence).lower()} if known else {"license": "other", "license_name": licence}
    if cleaning and cleaning.allowed_languages:
        found["language"] = list(cleaning.allowed_languages)
    found["size_categories"] = [next((name for bound, name in SIZES if manifest.rows < bound), "100M<n<1B")]
    if task:
        found["task_categories"] = ["text-classification" if task.kind == "classification" else "text-generation"]
    found["tags"] = ["anonymized", facts.name]
    sides = [{"name": side, "num_examples": rows} for side, rows in manifest.counts.get("rows_per_split", {}).items()]
    if sides:
        found["dataset_info"] = {"splits": sides}
    return found


def _body(facts: Facts) -> str:
    labels = facts.counts("splits").get("rows_per_label") or {}
    columns = facts.table()["columns"] if facts.table else {}
    parts = [
        f"# {plain_markdown(facts.name)}",
        _paragraphs(
            facts,
            [Statement(f"Version {facts.id_of('splits')}, {facts.manifest('splits').rows:,} records.", ("splits",))],
        ),
        "## Uses",
        _paragraphs(
            facts,
            [statements.permission(facts)[0], facts.open("compliance", "uses that the records are not suited for")],
        ),
        "## Structure",
        _paragraphs(facts, statements.splits(facts)),
        _table(("Column", "Type"), columns.items()) if columns else "Columns: not read.",
    ]
    if labels:
        sides = list(next(iter(labels.values())))
        parts += [
            "### Labels",
            _table(
                ("Label", *sides),
                ((label, *(f"{rows.get(side, 0):,}" for side in sides)) for label, rows in labels.items()),
            ),
        ]
    parts += [
        "## Source",
        _paragraphs(facts, [statements.source(facts), *statements.permission(facts)[1:]]),
        "## Processing",
        _paragraphs(facts, statements.funnel_statements(facts)),
        "## Personal and sensitive information",
        _paragraphs(facts, statements.personal_data(facts)),
        "## Annotation",
        _paragraphs(
            facts,
            [
                facts.open(
                    "domain_expert", "who gave the records their labels or answers, how, and how well annotators agree"
                )
            ],
        ),
        "## Bias, risks and limitations",
        _paragraphs(
            facts, [*statements.fairness(facts), facts.open("domain_expert", "whom the records do not represent")]
        ),
    ]
    # Not in the card that is made with the records, before anything is trained on them.
    if "adapter_checkpoint" in facts.manifests:
        parts += ["## Release decision and waivers", _paragraphs(facts, statements.decision(facts))]
    parts += ["## Contact", plain_markdown(facts.owner("accountable"))]
    return "\n\n".join(parts) + "\n"


def _paragraphs(facts: Facts, said: list[Statement]) -> str:
    """Statements as list entries with their versions. Every value is escaped, so that a label or purpose cannot act as
    markup."""
    up = "../" * (1 + FILE.count("/"))
    lines = []
    for one in said:
        named = [
            (
                f"[{facts.id_of(stage)}]({up}{facts.links[stage]}/manifest.json)"
                if stage in facts.links
                else facts.id_of(stage)
            )
            for stage in one.by
        ]
        lines.append(f"- {plain_markdown(one.text)}{''.join(f' — {name}' for name in named)}")
    return "\n".join(lines)


def _table(head: tuple[str, ...], rows: Any) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(str(plain_markdown(cell)) for cell in line)} |" for line in lines)
