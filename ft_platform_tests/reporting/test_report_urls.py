"""Links to reports, and where they come from."""

import pytest

from ft_platform.errors import ConfigError
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.report_urls import REPORT_STAGES, home_url, report_address, report_url
from ft_platform.stages import STAGES
from ft_platform.use_case.environment import load_environment
from ft_platform.use_case.settings.environment import Environment


def artifact(name: str = "evaluation_report") -> ArtifactVersion:
    return ArtifactVersion("complaints", name, "eval-0123456789ab", "0" * 64, "/lake/shared/complaints/x")


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("http://127.0.0.1:3001", "http://127.0.0.1:3001/complaints/evaluation_report/eval-0123456789ab/report.html"),
        (
            "https://ml.example.org/reports/",
            "https://ml.example.org/reports/complaints/evaluation_report/eval-0123456789ab/report.html",
        ),
    ],
)
def test_a_link_starts_with_the_address_of_the_installation(environment: Environment, base: str, expected: str) -> None:
    assert report_url(environment.model_copy(update={"reports_url": base}), artifact()) == expected


def test_on_dagsters_pages_a_link_holds_under_whatever_name_they_are_opened(environment: Environment) -> None:
    path = "complaints/evaluation_report/eval-0123456789ab/report.html"
    assert report_url(environment, artifact(), in_dagster=True) == f"/portal/{path}"
    assert home_url(environment, "complaints", in_dagster=True) == "/portal/complaints/"
    assert home_url(environment, "complaints") == "http://127.0.0.1:3000/portal/complaints/"
    elsewhere = environment.model_copy(update={"reports_url": "https://ml.example.org/reports/"})
    assert report_url(elsewhere, artifact(), in_dagster=True) == f"https://ml.example.org/reports/{path}"


def test_the_server_understands_every_link(environment: Environment) -> None:
    assert set(REPORT_STAGES) == {name for name, stage in STAGES.items() if stage.kind in ("checkpoint", "report")} | {
        "profile",
        "data_docs",
        "training_audit",
        "pictures",
        "monitoring_report",
        "loop",
    }
    for stage, page in [*((stage, "report.html") for stage in REPORT_STAGES), ("model_card", "model_card.html")]:
        path = report_url(environment, artifact(stage), page).removeprefix(environment.reports_url)
        assert report_address(path) == ("complaints", stage, "eval-0123456789ab", page)


def test_the_variable_sets_the_address_and_programs_inherit_it(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("FT_REPORTS_URL", raising=False)
    assert load_environment().reports_url == "http://127.0.0.1:3000/portal"
    monkeypatch.setenv("FT_REPORTS_URL", "https://ml.example.org/reports")
    assert load_environment().reports_url == "https://ml.example.org/reports"
    assert load_environment().to_variables()["FT_REPORTS_URL"] == "https://ml.example.org/reports"


@pytest.mark.parametrize(
    "value",
    [
        "ml.example.org",
        "file:///lake",
        "javascript:alert(1)",
        "http://",
        "http://host:99999",
        "http://host:0",
        "http://[::1",
        "http://host/?a=b",
    ],
)
def test_what_is_no_web_address_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path, value: str) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FT_REPORTS_URL", value)
    with pytest.raises(ConfigError, match="reports_url"):
        load_environment()
