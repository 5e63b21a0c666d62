"""Earlier versions that the account may not delete."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from ft_platform.erasure import old_versions
from ft_platform.lake.places import Places

HttpResponseError = type("HttpResponseError", (Exception,), {"__module__": "azure.core.exceptions"})
"""As the client for Azure raises it."""


@pytest.mark.parametrize(("status", "is_told"), [(403, False), (503, True)])
def test_a_refusal_leaves_them_and_an_outage_does_not_pass_for_one(
    status: int, is_told: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def old(key: str):
        error = HttpResponseError("asked")
        error.status_code = status
        raise error

    monkeypatch.setattr(old_versions, "_versions", lambda lake: SimpleNamespace(old=old))
    if is_told:
        with pytest.raises(HttpResponseError):
            old_versions.remove_versions_of(Places(str(tmp_path)), "container/notes")
    else:
        old_versions.remove_versions_of(Places(str(tmp_path)), "container/notes")
