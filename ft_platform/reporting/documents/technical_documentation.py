"""Technical documentation along Annex IV of the EU AI Act, point by point, with what the lineage knows and who has to
write the rest.

Points: Regulation (EU) 2024/1689, Annex IV (referred to in Article 11(1)). Not covered: whether the system is a
high-risk one, which a person decides."""

from ft_platform.reporting.documents import statements
from ft_platform.reporting.documents.facts import Facts, Statement

FILE = "technical_documentation.html"


def make(facts: Facts) -> str:
    """The page.

    Raises:
        NotKnown: there is no checkpoint, or a stage of the data is not behind it.
    """
    lead = (
        f"{facts.name} along Annex IV of Regulation (EU) 2024/1689. Every statement names the version it comes from;"
        " marked points are open."
    )
    sections = [*_general(facts), *_development(facts), *_operation(facts)]
    return statements.heading_page(facts, FILE, f"Technical documentation of {facts.name}", lead, sections)


def _general(facts: Facts) -> list[tuple[str, list[Statement]]]:
    checkpoint = facts.manifest("adapter_checkpoint")
    return [
        (
            "1 (a) Intended purpose, provider, version",
            [
                *_release(facts),
                Statement(
                    f"Version: checkpoint {checkpoint.id}, content {checkpoint.content_hash}.", ("adapter_checkpoint",)
                ),
                facts.open("accountable", "name of the provider, and how this version relates to earlier ones"),
            ],
        ),
        ("1 (b) Interaction with other hardware, software and AI systems", [facts.open("data_engineering")]),
        (
            "1 (c) Versions of relevant software",
            [statements.training(facts)[-1], facts.open("data_engineering", "requirements on updates")],
        ),
        ("1 (d) Forms in which it is placed on the market", [facts.open("accountable")]),
        ("1 (e) Hardware it is intended to run on", [facts.open("data_engineering")]),
        ("1 (f) Photographs or illustrations, where it is a component of a product", [facts.open("accountable")]),
        ("1 (g) User interface provided to the deployer", [facts.open("domain_expert")]),
        ("1 (h) Instructions for use", [facts.open("domain_expert")]),
    ]


def _development(facts: Facts) -> list[tuple[str, list[Statement]]]:
    task = facts.section("adapter_checkpoint", "task")
    logic = (
        [
            Statement(
                f"The model is asked for {'a label' if task.kind == 'classification' else 'a free text'}.",
                ("adapter_checkpoint",),
            )
        ]
        if task
        else []
    )
    data = [
        statements.source(facts),
        *statements.permission(facts),
        *statements.funnel_statements(facts),
        *statements.personal_data(facts),
    ]
    return [
        ("2 (a) Methods and steps of the development, and pre-trained systems used", statements.training(facts)),
        (
            "2 (b) Design specifications, general logic, key design choices",
            [*logic, facts.open("data_science", "key design choices with their reasons")],
        ),
        (
            "2 (c) System architecture and computational resources",
            [statements.training(facts)[-1], facts.open("data_engineering", "architecture of the system")],
        ),
        (
            "2 (d) Data: provenance, scope, characteristics, labelling, cleaning",
            [*data, *statements.splits(facts), facts.open("domain_expert", "how labels or answers came about")],
        ),
        ("2 (e) Human oversight measures needed (Article 14)", [facts.open("domain_expert")]),
        ("2 (f) Pre-determined changes", [facts.open("data_science")]),
        (
            "2 (g) Validation and testing: data, metrics, results",
            [*_scores(facts), *statements.fairness(facts), *statements.checks(facts), *statements.decision(facts)],
        ),
        ("2 (h) Cybersecurity measures", [facts.open("data_engineering")]),
    ]


def _operation(facts: Facts) -> list[tuple[str, list[Statement]]]:
    return [
        (
            "3 Monitoring, functioning and control",
            [
                *_scores(facts),
                *(
                    statements.fairness(facts)
                    or [
                        Statement(
                            "Groups of persons: not measured, there is no fairness report.", ("adapter_checkpoint",)
                        )
                    ]
                ),
                facts.open("domain_expert", "foreseeable unintended outcomes, and human oversight in operation"),
            ],
        ),
        ("4 Appropriateness of the performance metrics", [facts.open("data_science")]),
        ("5 Risk management system (Article 9)", [*statements.decision(facts), facts.open("compliance")]),
        (
            "6 Changes through the lifecycle",
            [facts.open("data_engineering", "changes beside those that the versions in the lake show")],
        ),
        ("7 Harmonised standards applied", [facts.open("compliance")]),
        ("8 EU declaration of conformity (Article 47)", [facts.open("compliance")]),
        ("9 Post-market monitoring (Article 72)", [facts.open("compliance")]),
    ]


def _release(facts: Facts) -> list[Statement]:
    release = facts.section("model_card", "release.in_card")
    if not release:
        return [
            facts.open(
                "accountable",
                "intended purpose; the file says something else now than when the model card was made, or there is no"
                " card",
            )
        ]
    excluded = release.not_intended_for or "Everything else."
    return [Statement(f"Intended purpose: {release.intended_use} Not intended for: {excluded}", ("model_card",))]


def _scores(facts: Facts) -> list[Statement]:
    return statements.scores(facts) or [
        Statement("Quality: not measured, there is no evaluation of this checkpoint.", ("adapter_checkpoint",))
    ]
