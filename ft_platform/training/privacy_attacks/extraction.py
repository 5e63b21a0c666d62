"""Extraction: does the model go on with a training record's own words when it is given their start? (Carlini et al.,
arXiv:2012.07805 and arXiv:2202.07646)

The words are those of the answer where the model writes answers (given the whole question and the start of the answer),
and those of the user where it writes labels. Test records and the untrained model show what may be guessed: only what
goes beyond is memory.

Covered: greedy continuation, token by token equal (verbatim) or nearly so. Not covered: sampled continuations, and
prompts that were searched for."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ft_platform.training.privacy_attacks.shares import newcombe, wilson
from ft_platform.use_case.settings.attacks import Attacks

if TYPE_CHECKING:
    from ft_platform.models.rendering.renderer import Piece
    from ft_platform.training.privacy_attacks.records import Sample

LEAST_TOKENS = 8
"""Shorter continuations are guessed too often to show memory."""

NEAR = 0.8
"""Edit similarity above which two texts count as near copies (Lee et al., arXiv:2107.06499, section 4.2)."""

LEAST_ROWS = 20


@dataclass(frozen=True)
class Target:
    """A prompt that ends inside a text, and how the text goes on. Token ids."""

    prompt: list[int]
    expected: list[int]


def targets(sample: "Sample", settings: Attacks, *, of_answers: bool) -> list[Target]:
    """The first `attacks.extraction_rows` records whose text is long enough to go on with.

    Args:
        of_answers: the last answer of the model, otherwise the first words of the user.
    """
    found = (_target(pieces, settings, of_answers=of_answers) for pieces in sample.pieces)
    return [target for target in found if target][: settings.extraction_rows]


def _target(pieces: "Sequence[Piece]", settings: Attacks, *, of_answers: bool) -> Target | None:
    places = [place for place, piece in enumerate(pieces) if piece.person and piece.learned == of_answers]
    if not places:
        return None
    place = places[-1] if of_answers else places[0]
    text = pieces[place].ids
    given = min(settings.prefix_tokens, len(text) // 2)
    expected = text[given : given + settings.continuation_tokens]
    if len(expected) < LEAST_TOKENS:
        return None
    return Target([*(token for piece in pieces[:place] for token in piece.ids), *text[:given]], list(expected))


def similarity(written: Sequence[int], expected: Sequence[int]) -> float:
    """1 - edit distance / longer length, in [0, 1]."""
    longest = max(len(written), len(expected))
    return 1.0 - _edits(written, expected) / longest if longest else 1.0


def _edits(a: Sequence[int], b: Sequence[int]) -> int:
    """Levenshtein distance, row by row (Wagner and Fischer 1974)."""
    row = list(range(len(b) + 1))
    for count, token in enumerate(a, 1):
        diagonal, row[0] = row[0], count
        for place, other in enumerate(b, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (token != other))
    return row[-1]


@dataclass(frozen=True)
class Copied:
    """Of how many texts how many were continued word for word, and how many nearly so (these include the former)."""

    rows: int
    verbatim: int
    near: int


NOTHING = Copied(0, 0, 0)


def copied(written: Sequence[Sequence[int]], expected: Sequence[Target]) -> Copied:
    pairs = [
        (list(mine[: len(target.expected)]), target.expected) for mine, target in zip(written, expected, strict=True)
    ]
    return Copied(len(pairs), sum(a == b for a, b in pairs), sum(similarity(a, b) > NEAR for a, b in pairs))


def extraction(train: Copied, test: Copied, untrained: Copied, of: str, confidence: float) -> dict[str, Any]:
    """`{"verbatim", "near_verbatim", "baseline", "baseline_near_verbatim", "untrained", "untrained_near_verbatim",
    "gain", "of", "rows", "status"}`.

    `baseline` is the verbatim rate of test records, `untrained` that of training records continued by the untrained
    model, `gain` verbatim minus baseline. Too few long texts: every figure is None, and `status` says why.

    Args:
        of: `answers` or `user texts`.
    """
    rows = min(train.rows, test.rows)
    measured = rows >= LEAST_ROWS
    rates = {
        "verbatim": (train.verbatim, train.rows),
        "near_verbatim": (train.near, train.rows),
        "baseline": (test.verbatim, test.rows),
        "baseline_near_verbatim": (test.near, test.rows),
        "untrained": (untrained.verbatim, untrained.rows),
        "untrained_near_verbatim": (untrained.near, untrained.rows),
    }
    figures: dict[str, Any] = {
        name: wilson(*counts, confidence) if measured else None for name, counts in rates.items()
    }
    figures["gain"] = newcombe(rates["verbatim"], rates["baseline"], confidence) if measured else None
    status = "measured" if measured else f"too few texts are long enough to continue: {rows} per side"
    return {**figures, "of": of, "rows": rows, "status": status}


def not_extracted(why: str) -> dict[str, Any]:
    """The same keys where there is nothing to extract."""
    figures = extraction(NOTHING, NOTHING, NOTHING, "", 0.0)
    return {**figures, "of": None, "rows": 0, "status": why}
