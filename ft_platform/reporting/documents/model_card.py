"""The model card as it was published, with what was decided after it: the release decision, and every rule that a
person waived.

The card itself is evidence for the decision, so it is older and is not changed; this copy goes with the pack.
"""

import re

from ft_platform.reporting.documents import statements
from ft_platform.reporting.documents.facts import Facts, NotKnown
from ft_platform.reporting.model_card import plain_markdown

FILE = "model_card.md"
PUBLISHED = "README.md"


def make(facts: Facts) -> str:
    """The card in Markdown, the decision before its first section.

    Raises:
        NotKnown: there is no model card.
    """
    manifest = facts.manifest("model_card")
    card = facts.read("model_card", PUBLISHED)
    if card is None:
        raise NotKnown(f"{manifest.id} has no file {PUBLISHED}")
    said = "\n".join(f"- {plain_markdown(one.text)}" for one in statements.decision(facts))
    note = (
        f"{plain_markdown(facts.id_of('model_card'))} was written before the decision and does not have this section."
    )
    section = f"## Release decision and waivers\n\n{said}\n\n{note}\n"
    first = re.search(r"^## ", card, re.MULTILINE)
    if first is None:
        return f"{card.rstrip()}\n\n{section}"
    return f"{card[: first.start()]}{section}\n{card[first.start() :]}"
