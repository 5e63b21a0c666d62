"""serving.exports: a form that was made before is used as it was written, or not at all."""

import hashlib
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ft_platform.errors import CorruptVersion, ExportRefused
from ft_platform.lake.files import sha256_file
from ft_platform.serving.exports import exported
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.exporting.exported import Case, trained
from ft_platform_tests.serving.test_base_model_files import negate

CHECKPOINT: Any = SimpleNamespace(content_hash="c" * 64, artifact_id="ckpt-1", id="adapter_checkpoint/ckpt-1")


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return trained(tmp_path_factory.mktemp("exports") / "home", "classification")


@pytest.fixture
def made(case: Case, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An export in the cache, which is put back."""
    for name, value in case.environment.to_variables().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("DAGSTER_HOME", "")
    folder = again(case)
    kept = shutil.copytree(folder, case.environment.home / "kept")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)
    kept.rename(folder)


def again(case: Case) -> Path:
    return exported(case.environment, "complaints", case.checkpoint, "merged")


def negate_and_note(folder: Path) -> None:
    """As somebody does who knows what lies beside the weights."""
    negate(folder)
    told = json.loads((folder / "export.json").read_text())
    told["files"]["model.safetensors"] = sha256_file(folder / "model.safetensors")
    (folder / "export.json").write_text(json.dumps(told))


def add_code(folder: Path) -> None:
    """Some servers run what lies there."""
    (folder / "code").mkdir()
    (folder / "code" / "inference.py").write_text("print('mine')")


def lose_the_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()


@pytest.mark.integration
@pytest.mark.parametrize("change", [negate, negate_and_note, add_code, lose_the_template])
def test_what_was_changed_in_the_cache_is_refused(case: Case, made: Path, change: Callable[[Path], None]) -> None:
    assert again(case) == made
    change(made)
    with pytest.raises(CorruptVersion, match="was changed since it was made"):
        again(case)


@pytest.mark.integration
def test_what_nobody_noted_is_made_again(case: Case, made: Path) -> None:
    before = sha256_file(made / "model.safetensors")
    negate_and_note(made)
    (case.environment.seals_path / "exports.json").unlink()
    assert again(case) == made and sha256_file(made / "model.safetensors") == before


def test_the_files_that_an_earlier_version_left_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = Environment(home=tmp_path)
    left = environment.cache_path / "exports" / f"{'c' * 32}-merged"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"weights")
    told = {"files": {"model.safetensors": hashlib.sha256(b"weights").hexdigest()}}
    (left / "export.json").write_text(json.dumps(told))
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: SimpleNamespace(returncode=1))
    with pytest.raises(ExportRefused) as refused:
        exported(environment, "complaints", CHECKPOINT, "merged")
    assert "ft export complaints --checkpoint ckpt-1 --as merged" in refused.value.next_step
