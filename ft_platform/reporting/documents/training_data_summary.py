"""Summary of the training content, after the template of the EU AI Office for providers of general-purpose models.

Template: European Commission, "Explanatory Notice and Template for the Public Summary of Training Content for
general-purpose AI models", 24 July 2025 (Article 53(1)(d) of Regulation (EU) 2024/1689). Of a fine-tuned model it
covers the content of the fine-tuning only, as the notice says for modified models. Not covered: whether the article
applies to this model, which a person decides.
"""

from ft_platform.reporting.documents import statements
from ft_platform.reporting.documents.facts import Facts, Statement
from ft_platform.reporting.html import number
from ft_platform.sources.samples.generator import is_generated

FILE = "training_data_summary.html"
BILLION = 1_000_000_000


def make(facts: Facts) -> str:
    """The page.

    Raises:
        NotKnown: there is no checkpoint, or a stage of the data is not behind it.
    """
    checkpoint = facts.manifest("adapter_checkpoint")
    governance, source = facts.section("permitted_records", "governance"), facts.section("raw_records", "source")
    generated = bool(source) and is_generated(source.uri, facts.manifest("raw_records").info.get("files", {}).values())
    reader = Statement(
        "The platform reads files and databases that the use case names. It has no crawler.", ("raw_records",)
    )
    licence = (
        Statement(f"Licence of the records: {governance.licence or 'stated by each record'}.", ("permitted_records",))
        if governance
        else None
    )
    synthetic = Statement("The records are fictitious: the platform generated them.", ("raw_records",))
    sections = [
        (
            "1.1 Provider identification",
            [
                facts.open(
                    "accountable",
                    "name and contact of the provider, and of an authorised representative in the Union if there"
                    " is one",
                )
            ],
        ),
        (
            "1.2 Model identification",
            [
                Statement(
                    f"{facts.name}, checkpoint {checkpoint.id} with content {checkpoint.content_hash}.",
                    ("adapter_checkpoint",),
                ),
                statements.training(facts)[0],
                facts.open("accountable", "date of placement on the Union market"),
            ],
        ),
        (
            "1.3 Modalities, overall training data size and other characteristics",
            [
                Statement("Modality: text.", ("splits",)),
                _size(facts),
                Statement(f"Records were read last on {facts.manifest('raw_records').written_at}.", ("raw_records",)),
                _languages(facts),
            ],
        ),
        (
            "2.1 Publicly available datasets",
            [*([licence] if licence else []), facts.open("compliance", "whether the source is publicly available")],
        ),
        (
            "2.2 Private non-publicly available datasets obtained from third parties",
            [
                statements.source(facts),
                facts.open("compliance", "whether a third party provided or licensed the records"),
            ],
        ),
        (
            "2.3 Data crawled and scraped from online sources",
            [reader, facts.open("data_engineering", "whether the source itself was crawled")],
        ),
        (
            "2.4 User data",
            [
                *statements.permission(facts),
                facts.open("compliance", "whether the records come from users of the provider's services"),
            ],
        ),
        (
            "2.5 Synthetic data",
            [
                (
                    synthetic
                    if generated
                    else facts.open(
                        "data_engineering",
                        "whether the source holds texts that a model generated; the platform adds none",
                    )
                )
            ],
        ),
        (
            "2.6 Other sources of data",
            [facts.open("data_engineering", "sources beside those above, or that there are none")],
        ),
        (
            "3.1 Respect of reservation of rights from text and data mining",
            [facts.open("compliance", "how reservations of rights were identified and complied with")],
        ),
        (
            "3.2 Removal of illegal content",
            [
                *statements.personal_data(facts),
                facts.open("compliance", "measures against illegal content beside the replacement of personal data"),
            ],
        ),
        ("3.3 Other information", statements.funnel_statements(facts)),
    ]
    lead = (
        f"Training content of {facts.name}, after the template of the EU AI Office. It covers this training; the"
        " training content of the base model is its provider's to summarize. Marked points are open."
    )
    return statements.heading_page(facts, FILE, f"Summary of the training content of {facts.name}", lead, sections)


def _size(facts: Facts) -> Statement:
    side = facts.manifest("adapter_checkpoint").counts.get("train", {})
    tokens = side.get("tokens")
    if tokens is None:
        return Statement("Size of the text: not counted.", ("adapter_checkpoint",))
    size = (
        "less than 1 billion tokens"
        if tokens < BILLION
        else "1 billion to 10 trillion tokens"
        if tokens <= 10_000 * BILLION
        else "more than 10 trillion tokens"
    )
    text = f"Size of the text: {size} ({number(tokens)} in {number(side.get('rows'))} records)."
    return Statement(text, ("adapter_checkpoint",))


def _languages(facts: Facts) -> Statement:
    cleaning = facts.section("cleaned_records", "cleaning")
    if cleaning and cleaning.allowed_languages:
        text = f"Records of other languages than {', '.join(cleaning.allowed_languages)} were removed."
        return Statement(text, ("cleaned_records",))
    return facts.open("domain_expert", "languages of the records, which are not restricted")
