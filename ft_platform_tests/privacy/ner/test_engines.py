"""Engines behind one interface, chosen by name. Persons are fictitious."""

import importlib
import pkgutil
from pathlib import Path
from typing import get_args

import pytest
from pydantic import ValidationError

from ft_platform.privacy import ner
from ft_platform.privacy.ner import hub_name, identity, load_ner
from ft_platform.use_case.settings.privacy import NerName, Privacy


def test_settings_name_every_engine_and_no_other() -> None:
    engines = {
        m.name
        for m in pkgutil.iter_modules(ner.__path__)
        if hasattr(importlib.import_module(f"{ner.__name__}.{m.name}"), "engine")
    }
    assert engines == {*get_args(NerName)} - {"none"}
    assert all(importlib.import_module(f"{ner.__name__}.{name}").PACKAGES for name in engines)


def test_none_is_no_engine() -> None:
    assert load_ner("none") is None
    assert identity(Privacy(ner="none")).startswith("built-in ")


@pytest.mark.parametrize("name", ["transformers", "gliner"])
def test_an_engine_without_weights_of_its_own_asks_for_a_model(name: str) -> None:
    with pytest.raises(ValidationError, match=f"`ner: {name}` needs `ner_model`"):
        Privacy.model_validate({"ner": name})


def test_a_model_for_no_engine_is_a_mistake() -> None:
    with pytest.raises(ValidationError, match="`ner_model` is set, but `ner` is none"):
        Privacy.model_validate({"ner": "none", "ner_model": "org/name"})


def test_another_model_and_other_weights_in_a_folder_have_another_identity(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder, weights in ((first, b"1"), (second, b"2")):
        folder.mkdir()
        (folder / "model.safetensors").write_bytes(weights)
    names = [str(first), str(second), "org/name@abc", "org/name@def"]
    found = [identity(Privacy(ner="transformers", ner_model=name)) for name in names]
    assert len({text.replace(str(first), "").replace(str(second), "") for text in found}) == 4
    assert identity(Privacy()) != identity(Privacy(ner="spacy", ner_model="de_core_news_sm"))


def test_a_hub_id_may_name_its_commit_and_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "a@b"
    folder.mkdir()
    assert hub_name("org/name@abc") == ("org/name", "abc")
    assert hub_name("org/name") == ("org/name", None)
    assert hub_name(str(folder)) == (str(folder), None)


def test_a_changed_recognizer_has_another_identity(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "person.py").write_text("def find(): ...")
    monkeypatch.setattr(ner, "PRIVACY", tmp_path)
    before = ner._identity.__wrapped__("none", None)
    (tmp_path / "person.py").write_text("def find(): return []")
    assert ner._identity.__wrapped__("none", None) != before
