"""The script that presses the button of the UI reports a press that had no effect."""

import importlib.util
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

pytestmark = pytest.mark.pictures

SCRIPT = Path(__file__).parents[2] / "scripts" / "lineage_picture.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    pytest.importorskip("selenium")
    spec = importlib.util.spec_from_file_location("lineage_picture", SCRIPT)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module.time, "sleep", lambda _: None)
    return module


class Page:
    """A page of the UI as far as the script looks at it. Pressing the button adds `answer`."""

    def __init__(self, answer: str) -> None:
        self.words = "Overview Runs Jobs fairness_report View in graph Started"
        self.button = SimpleNamespace(
            text="Materialize…", click=lambda: setattr(self, "words", f"{self.words} {answer}")
        )

    def get(self, _url: str) -> None:
        pass

    def find_element(self, *_: str) -> SimpleNamespace:
        return SimpleNamespace(text=self.words)

    def find_elements(self, *_: str) -> list[SimpleNamespace]:
        return [self.button]


def test_a_launched_run_ends_the_wait(script: ModuleType) -> None:
    script.press_materialize(Page("Launched run 0a1b2c3d"), "http://ui", "fairness_report", seconds=0.1)


def test_words_that_stand_on_every_page_are_no_launched_run(script: ModuleType) -> None:
    from selenium.common.exceptions import TimeoutException

    with pytest.raises(TimeoutException):
        script.press_materialize(Page(""), "http://ui", "fairness_report", seconds=0.1)
