"""A request to a served model is a duplicate of a record of the source, never the other way round."""

import pytest

from ft_platform_tests.cleaning.test_clean import LETTER, clean
from ft_platform_tests.tables import raw, use_case

NEAR = LETTER.replace("May", "June")


@pytest.mark.parametrize(("asked", "reason"), [(LETTER, "exact_duplicate"), (NEAR, "near_duplicate")])
@pytest.mark.parametrize("ids", [("a", "b"), ("b", "a")])
def test_the_record_of_the_source_stays(asked: str, reason: str, ids: tuple[str, str]) -> None:
    case = use_case(cleaning={"near_duplicate_threshold": 0.6})
    uris = ["claims.csv", "traffic:2026-03-01-0a1b2c3d"]
    result = clean(case, raw(case, [LETTER, asked], record_id=list(ids), label=["x", "x"], source_uri=uris))
    assert result.kept["record_id"].to_pylist() == [ids[0]]
    assert result.removed.to_pylist() == [{"record_id": ids[1], "reason": reason, "duplicate_of": ids[0]}]
