"""Makes the blinded sheets of an evaluation. Which answer is whose is kept in the lake, not in the sheets."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.errors import ConfigError
from ft_platform.evaluation.agreement import ALTERNATIVE, FINE_TUNED
from ft_platform.evaluation.pairs import Pair, newest_evaluation, pairs_of
from ft_platform.evaluation.review.sheets import Sheet, SheetRow, as_csv, text_hash
from ft_platform.lake.draft import Draft
from ft_platform.lake.gate import require_usable
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.audit_log.opening import note
from ft_platform.process.new_files import require_free, write_new
from ft_platform.reporting.review_form import as_html
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

KEYS = "review_sheets"
"""Artifacts that say which answer of a sheet is whose."""
KEY = "key.json"
MOST_RATERS = 50
FORMATS: dict[str, Callable[[Sheet], bytes]] = {"csv": as_csv, "html": as_html}


def export_sheets(
    lake: Lake,
    use_case: NamedUseCase,
    folder: Path,
    rows: int = 50,
    raters: int = 2,
    file_format: str = "html",
    alternative: str = "base_few_shot",
) -> dict[str, Any]:
    """One sheet for each rater in `folder`, about the newest evaluation; the key goes into the lake.

    Only records on which the two answers differ are shown, chosen by chance. Raters get the same records, each in an
    order of sides of their own: who always prefers the left answer agrees with nobody.

    Args:
        rows: most records in a sheet.
        file_format: a name in `FORMATS`.
        alternative: system to compare with.

    Returns:
        `{"sheet", "evaluation", "alternative", "rows", "differing_rows", "test_rows", "raters", "files"}`.

    Raises:
        ConfigError: a number is out of range, or there is no such alternative.
        DataError: no evaluation, no differing answers, or a file is there already: it may hold answers.
        VersionRefused: the evaluation may not be used.
    """
    if not 1 <= raters <= MOST_RATERS or rows < 1:
        raise ConfigError([f"a review has 1 to {MOST_RATERS} raters and at least 1 row, got {raters} and {rows}"])
    evaluation = newest_evaluation(lake, use_case)
    require_usable(lake, use_case, evaluation)
    pairs = pairs_of(lake, use_case, evaluation, alternative)
    names = [f"rater_{number}" for number in range(1, raters + 1)]
    chosen = pairs.sample(rows, use_case.settings.evaluation.seed)
    inputs = settings_hash(
        {
            "evaluation": evaluation.content_hash,
            "alternative": alternative,
            "rows": [p.record_id for p in chosen],
            "raters": names,
            "seed": use_case.settings.evaluation.seed,
        }
    )
    sheet = f"sheet-{inputs[:12]}"
    sides = {rater: first_systems(evaluation, sheet, rater, len(chosen)) for rater in names}
    key = {
        "evaluation": evaluation.id,
        "alternative": alternative,
        "test_rows": pairs.test_rows,
        "identical_rows": pairs.identical_rows,
        "rows": [{"record_id": pair.record_id, "question": text_hash([pair.question])} for pair in chosen],
        "raters": {
            rater: [
                {"first": first, "texts": text_hash(shown(pair, first))}
                for pair, first in zip(chosen, sides[rater], strict=True)
            ]
            for rater in names
        },
    }
    voice = use_case.settings.task.style.rubric.strip()
    made = {rater: FORMATS[file_format](Sheet(sheet, rater, _rows(chosen, sides[rater]), voice)) for rater in names}
    files = {folder / f"{sheet}_{rater}.{file_format}": content for rater, content in made.items()}
    require_free(files)
    settings = STAGES["human_review"].settings_hash(use_case)
    draft = Draft(lake, use_case, KEYS, sheet, inputs, [evaluation], settings)
    if not draft.existing():
        note(lake, use_case, "evidence", "made sheets for experts", sheet=sheet, evaluation=evaluation.id)
        with draft.folder() as place:
            (place / KEY).write_text(json.dumps(key, indent=1), encoding="utf-8")
            draft.publish(place, counts={"rows": len(chosen), "raters": len(names)})
    for path, content in files.items():
        write_new(path, content)
    return {
        "sheet": sheet,
        "evaluation": evaluation.id,
        "alternative": alternative,
        "rows": len(chosen),
        "differing_rows": len(pairs.differing),
        "test_rows": pairs.test_rows,
        "raters": names,
        "files": [str(path) for path in files],
    }


def first_systems(evaluation: ArtifactVersion, sheet: str, rater: str, rows: int) -> list[str]:
    """Whose answer stands first in each row of a rater's sheet. Drawn from the evaluation's content hash, which no
    sheet holds."""
    seed = hashlib.sha256(f"{evaluation.content_hash} {sheet} {rater}".encode()).digest()
    drawn = np.random.default_rng(int.from_bytes(seed, "big")).integers(0, 2, rows)
    return [(FINE_TUNED, ALTERNATIVE)[side] for side in drawn.tolist()]


def shown(pair: Pair, first: str) -> tuple[str, str, str]:
    """Question, first and second answer of a row."""
    answers = {FINE_TUNED: pair.fine_tuned, ALTERNATIVE: pair.alternative}
    return pair.question, answers.pop(first), next(iter(answers.values()))


def _rows(chosen: Sequence[Pair], sides: Sequence[str]) -> list[SheetRow]:
    return [
        SheetRow(number, *shown(pair, first))
        for number, (pair, first) in enumerate(zip(chosen, sides, strict=True), start=1)
    ]


def read_key(lake: Lake, use_case: NamedUseCase, sheet: str) -> dict[str, Any] | None:
    """What an export noted about a sheet, or None if this use case has no such sheet."""
    found = lake.artifact(use_case.name, KEYS, sheet)
    return json.loads(lake.read_file(found, KEY)) if found else None
