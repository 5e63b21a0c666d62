"""Documents about a checkpoint in formats that others read, one file each: `FILE`, its name in a pack, and
`make(facts)`, its text.

Every statement is made from the lineage and names the version it comes from. What the platform cannot know says who has
to write it."""

from ft_platform.reporting.documents import (
    croissant,
    dataset_card,
    environment_lock,
    ml_bom,
    model_card,
    provenance,
    technical_documentation,
    training_data_summary,
)
from ft_platform.reporting.documents.facts import Facts, NotKnown

DOCUMENTS = (
    dataset_card,
    croissant,
    training_data_summary,
    technical_documentation,
    model_card,
    ml_bom,
    environment_lock,
    provenance,
)


def make_documents(facts: Facts) -> tuple[dict[str, str], list[dict[str, str]]]:
    """File name -> text of every document that can be made, and `{"what", "why"}` of those that cannot."""
    made: dict[str, str] = {}
    missing: list[dict[str, str]] = []
    for document in DOCUMENTS:
        try:
            made[document.FILE] = document.make(facts)
        except NotKnown as error:
            missing.append({"what": document.FILE, "why": error.message})
    return made, missing
