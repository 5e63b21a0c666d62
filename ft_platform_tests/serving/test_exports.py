"""serving.exports: a form that was made before is used as it was written, or not at all."""

import hashlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.errors import CorruptVersion, ExportRefused
from ft_platform.serving.exports import exported
from ft_platform.settings.environment import Environment

CHECKPOINT: Any = SimpleNamespace(content_hash="c" * 64, artifact_id="ckpt-1", id="adapter_checkpoint/ckpt-1")


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    return Environment(home=tmp_path)


@pytest.fixture
def folder(environment: Environment) -> Path:
    """What an export left in the cache."""
    made = environment.cache_path / "exports" / f"{'c' * 32}-merged"
    made.mkdir(parents=True)
    (made / "model.safetensors").write_bytes(b"weights")
    told = {"files": {"model.safetensors": hashlib.sha256(b"weights").hexdigest()}}
    (made / "export.json").write_text(json.dumps(told))
    return made


def test_what_was_made_is_not_made_again(environment: Environment, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("it was made before"))
    assert exported(environment, "complaints", CHECKPOINT, "merged") == folder


def test_what_was_altered_since_is_refused(environment: Environment, folder: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"other weights")
    with pytest.raises(CorruptVersion, match=r"model\.safetensors in .* was altered since it was exported"):
        exported(environment, "complaints", CHECKPOINT, "merged")


@pytest.mark.parametrize("name", ["model.safetensors", "export.json"])
@pytest.mark.parametrize("left", [None, b"{"])
def test_what_is_incomplete_is_refused(environment: Environment, folder: Path, name: str, left: bytes | None) -> None:
    (folder / name).unlink()
    if left:
        (folder / name).write_bytes(left)
    with pytest.raises(CorruptVersion, match=r"(is not as it was exported|was altered)"):
        exported(environment, "complaints", CHECKPOINT, "merged")


def test_an_export_that_fails_says_how_to_see_why(environment: Environment, monkeypatch) -> None:
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(ExportRefused) as refused:
        exported(environment, "complaints", CHECKPOINT, "merged")
    assert "ft export complaints --checkpoint ckpt-1 --as merged" in refused.value.next_step
