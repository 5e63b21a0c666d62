"""`ft_platform.load`: a released model in three lines of Python, with all that `ft ask` checks."""

import subprocess
import sys
from pathlib import Path

import pytest

import ft_platform
from ft_platform.errors import ConfigError, EndpointFailed
from ft_platform.lake.releases import STANDS, releases
from ft_platform.serving import catalog as catalog_module
from ft_platform.serving.loaded import Answer, Label
from ft_platform.serving.trial import ask, served
from ft_platform_tests.conftest import REPOSITORY
from ft_platform_tests.docs.test_docs import blocks
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.serving.installations import Installation

pytestmark = pytest.mark.integration
TEXTS = ["My card was charged twice.", "My loan was sold.", "Where is my parcel?"] * 12


def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *of: str) -> Installation:
    made = Installation(tmp_path / "home", *of)
    monkeypatch.setenv("FT_HOME", str(made.environment.home))
    monkeypatch.setenv("FT_DEFS", str(made.environment.defs))
    monkeypatch.setenv("FT_TRACKERS", "none")
    monkeypatch.setattr(catalog_module, "REFRESH_SECONDS", 0.1)
    return made


def test_a_model_for_labels_gives_those_that_the_server_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = installed(tmp_path, monkeypatch, "label_head")
    with served(made.environment, ["complaints"]) as url:
        expected = ask(url, "complaints", TEXTS[0], True)
    with ft_platform.load("complaints") as model:
        found = model.classify(TEXTS)
        assert len(found) == len(TEXTS) and isinstance(found[0], Label)
        assert (found[0].label, found[0].abstained) == (expected["answer"], expected["abstained"])
        assert found[0].probability == pytest.approx(expected["probability"], abs=1e-3)
        assert sum(found[0].probabilities.values()) == pytest.approx(1.0)
        assert found[0].release == made.release.artifact_id
        with pytest.raises(ConfigError, match="use `classify`"):
            model.answer(TEXTS)
        with pytest.raises(ConfigError, match="must be a list"):
            model.classify("My card was charged twice.")
        with pytest.raises(EndpointFailed, match="no text"):
            model.classify(["", TEXTS[0]])
        assert model.classify([]) == []
        withdrawn = {"by": "a", "reason": "A leak was reported"}
        made.lake.add_verdict(releases(made.lake, "complaints")[0].version, STANDS, False, "s", withdrawn)

        def refuses() -> bool:
            try:
                return not model.classify(TEXTS[:1])
            except EndpointFailed as error:
                return "no longer served" in error.message

        wait_until(refuses)


def test_a_model_that_writes_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = installed(tmp_path, monkeypatch, "sft", "generation")
    with ft_platform.load("complaints") as model:
        found = model.answer(TEXTS[:4])
        assert len(found) == 4 and isinstance(found[0], Answer)
        assert found[0].release == made.release.artifact_id and (found[0].text or found[0].withheld)
        assert found[0] == found[3], "the same text"
        with pytest.raises(ConfigError, match="use `answer`"):
            model.classify(TEXTS)
    with pytest.raises(ConfigError, match="nowhere"):
        ft_platform.load("nowhere")


def test_the_page_about_it_runs_as_it_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Against a tiny model that is called as the demo's."""
    made = Installation(tmp_path / "home", "label_head", name="customer_feedback")
    page = REPOSITORY / "docs" / "how_to" / "use_a_model_in_python.md"
    code = "\n".join(block.code for block in blocks(page) if block.info == "python no-run")
    assert "ft_platform.load(" in code
    variables = {"FT_HOME": str(made.environment.home), "FT_DEFS": str(made.environment.defs), "FT_TRACKERS": "none"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert "The parcel came two weeks late" in done.stdout


def test_importing_the_package_imports_nothing_else() -> None:
    code = "import sys, ft_platform; print([one for one in sys.modules if one.startswith('ft_platform.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
