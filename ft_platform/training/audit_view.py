"""Rendered examples for people: which tokens count in the loss, which are context, which would be padding. For
terminals and as one HTML page.

Covered: control characters and directions of writing in texts are shown as signs, so that no text of a record acts on
the terminal. Not covered: who may read the texts. Splits are anonymized, and are shown only where the check for what is
left of personal data passed."""

from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from ft_platform.errors import VersionRefused
from ft_platform.lake.parents import version_of_parent
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import TableVersion
from ft_platform.models.rendering.renderer import NotRendered, Rendered, Renderer
from ft_platform.training.dataset import COLUMNS, records_of, row_room
from ft_platform.use_case.named import NamedUseCase

if TYPE_CHECKING:
    from rich.text import Text

SpanKind = Literal["supervised", "context", "padding"]
STYLES: dict[SpanKind, str] = {"supervised": "bold green", "context": "", "padding": "bright_black"}
MARKS: dict[SpanKind, tuple[str, str]] = {"supervised": ("[+", "+]"), "context": ("", ""), "padding": ("[.", ".]")}
"""What stands around a span where there are no colours."""
SIGNS = {
    **{code: chr(0x2400 + code) for code in range(32) if chr(code) not in "\n\t"},
    0x7F: "␡",
    **{
        code: f"\\u{code:04x}"
        for code in (*range(0x80, 0xA0), 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A))
    },
}


@dataclass(frozen=True)
class Span:
    """Tokens of one kind that follow each other.

    Attributes:
        text: as it can be shown.
        tokens: how many there are.
    """

    kind: SpanKind
    text: str
    tokens: int


@dataclass(frozen=True)
class ShownExample:
    """A rendered record, padded to the longest of those that are shown."""

    record_id: str
    side: str
    spans: list[Span]

    def tokens(self, kind: SpanKind) -> int:
        return sum(span.tokens for span in self.spans if span.kind == kind)


def require_anonymized(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> None:
    """Raises VersionRefused unless the check for residual personal data passed on what the splits were made from."""
    parents = lake.manifest(splits).parents
    named = next(
        (version_of_parent(lake, use_case.name, parent) for parent in parents if parent.name == "anonymized_records"),
        None,
    )
    newest = lake.latest(use_case.name, "anonymized_records")
    version = newest if newest and named and newest.content_hash == named.content_hash else named
    verdict = lake.verdicts(version).get("no_residual_pii") if version else None
    if verdict is None or not verdict.passed:
        raise VersionRefused(
            f"texts of {splits.id} of {use_case.name} are not shown: the check no_residual_pii of the records behind"
            " them has not passed",
            f"Run: ft run {use_case.name}",
        )


def shown_examples(
    table: pa.Table, use_case: NamedUseCase, renderer: Renderer, tokenizer: Any, count: int
) -> list[ShownExample]:
    """Training records from first to last by id at equal distances, as they are rendered."""
    rows = table.filter(pc.field("split") == "train").sort_by("record_id").select(COLUMNS)
    training = use_case.settings.training
    places = [number * rows.num_rows // count for number in range(min(count, rows.num_rows))]
    batch = rows.take(pa.array(dict.fromkeys(places), pa.int64())).combine_chunks()
    found: list[tuple[str, Rendered]] = []
    for record_id, messages, answer in [record for part in batch.to_batches() for record in records_of(part, use_case)]:
        try:
            found.append(
                (record_id, renderer.example(messages, answer, row_room(training, renderer, answer), training.train_on))
            )
        except NotRendered:
            continue
    longest = max((len(example.input_ids) for _, example in found), default=0)
    return [ShownExample(record_id, "train", _spans(example, tokenizer, longest)) for record_id, example in found]


def _spans(example: Rendered, tokenizer: Any, length: int) -> list[Span]:
    spans: list[Span] = []
    for counts, run in groupby(zip(example.input_ids, example.supervised, strict=True), lambda pair: pair[1]):
        ids = [token for token, _ in run]
        spans.append(
            Span(
                "supervised" if counts else "context",
                visible(tokenizer.decode(ids, skip_special_tokens=False)),
                len(ids),
            )
        )
    padding = length - len(example.input_ids)
    return [*spans, Span("padding", f"{tokenizer.pad_token or 'padding'} x {padding}", padding)] if padding else spans


def visible(text: str) -> str:
    """The text with signs in place of characters that act on a terminal or turn the direction of writing."""
    return text.translate(SIGNS)


def coloured(example: ShownExample, *, colours: bool) -> "Text":
    """The example for a terminal; without colours the spans are marked by signs."""
    from rich.text import Text

    text = Text()
    for span in example.spans:
        opening, closing = ("", "") if colours else MARKS[span.kind]
        text.append(f"{opening}{span.text}{closing}", STYLES[span.kind] if colours else "")
    return text
