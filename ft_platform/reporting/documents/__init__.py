"""Documents about a checkpoint in formats that others read, one file each. Every statement is made from the lineage and names its version."""

from ft_platform.reporting.documents.facts import Facts


def make_documents(facts: Facts) -> tuple[dict[str, str], list[dict[str, str]]]:
    """File name -> text of every document that can be made, and `{"what", "why"}` of those that cannot."""
    return {}, []
