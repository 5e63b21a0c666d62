"""What a file must state about personal data before anything is trained on its records: what is not measured or not
looked for, and why."""

from collections.abc import Iterator

from ft_platform.privacy.entities import default_entities, recognizers_of
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.privacy import Privacy


def left_out(privacy: Privacy) -> dict[str, str | None]:
    """Entity of the default that is not looked for, or kept -> the reason in the file; None where it gives none."""
    looked_for = recognizers_of(privacy)
    return {entity: privacy.left_out.get(entity) for entity in default_entities() if entity not in looked_for}


def columns_beside_text(settings: UseCase) -> list[str]:
    """Columns that go on beside one text and its label: features, also pseudonyms, the date, and columns that are
    joined to one text. Without any, no columns together identify a person."""
    record, treated = settings.record, settings.privacy.columns
    joined = record.text_columns() if len(record.text_columns()) > 1 else []
    features = [name for name in record.features if treated.get(name) != "drop"]
    return [*joined, *features, *(["record_date"] if record.date else [])]


def missing_reasons(settings: UseCase) -> Iterator[tuple[tuple[str, ...], str]]:
    """Place in the YAML and sentence of everything that a check of `anonymized_records` will refuse, whatever the
    records are."""
    privacy = settings.privacy
    named = privacy.quasi_identifiers or privacy.without_quasi_identifiers
    if not named and (columns := columns_beside_text(settings)):
        yield (
            ("privacy",),
            (
                "privacy names neither `quasi_identifiers` nor, in `without_quasi_identifiers`, why there are none"
                f" among {', '.join(columns)}: is_k_anonymous fails, nothing is trained"
            ),
        )
    if unexplained := [entity for entity, reason in left_out(privacy).items() if reason is None]:
        yield (
            ("privacy",),
            (
                f"privacy does not look for {', '.join(unexplained)}, and `left_out` does not say why:"
                " recall_above_floor fails, nothing is trained"
            ),
        )
