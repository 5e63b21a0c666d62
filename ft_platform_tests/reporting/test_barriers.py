"""Every page in a real browser: axe finds no barrier, and nothing is wider than a phone, in light and in dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ft_platform.lake.releases import Release
from ft_platform.reporting.publishing.deploying import _publish
from ft_platform.use_case.settings.quotas import Quotas
from ft_platform.web.portal_pages.pages import Portal, portfolio_page
from ft_platform.web.portal_pages.site import Reports
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import TinyCase, tiny_case
from ft_platform_tests.reporting.axe import axe_script, barriers
from ft_platform_tests.reporting.browser import browser
from ft_platform_tests.reporting.report_figures import deployment

pytestmark = pytest.mark.pictures


@pytest.fixture(scope="module")
def chrome() -> Iterator[Any]:
    axe_script()
    with browser() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> TinyCase:
    from ft_platform.reporting.data_report import publish_data_report
    from ft_platform.reporting.profile_page import publish_profile
    from ft_platform.reporting.publishing.training_audit import audit_for

    case = tiny_case(tmp_path_factory.mktemp("barriers"), "classification")
    publish_data_report(case.lake, case.use_case, case.splits)
    publish_profile(case.lake, case.use_case, case.splits)
    audit_for(case.lake, case.environment, case.use_case, case.splits)
    version = released(case.lake, case.checkpoint)
    _publish(case.lake, case.use_case, Release(version, {}, None), {**deployment(), "target": "local"})
    return case


def test_no_page_of_a_use_case_has_a_barrier(case: TinyCase, chrome: Any, tmp_path: Path) -> None:
    from ft_platform.web.portal_pages.home import reports_of

    cases = {"complaints": case.use_case}
    quotas = {"quotas": Quotas.model_validate({"per_team": {"gpu_hours": 3, "money": 5}})}
    portal = Portal(case.lake, lambda: cases, environment=lambda: case.environment.model_copy(update=quotas))
    served = Reports(case.lake)
    paths = [
        "/",
        "/needs",
        "/roles",
        "/catalogue",
        "/register",
        "/compliance",
        "/board",
        "/quotas",
        f"/complaints/compare/{case.checkpoint.id}/{case.report.id}",
        "/complaints/",
        *(f"/complaints/{one['href']}" for one in reports_of(case.lake, "complaints")),
    ]
    assert len(paths) >= 10 and any("/deployment/" in path for path in paths)
    found = {}
    for place, path in enumerate(paths):
        file = tmp_path / f"{place}.html"
        page = portal.page(path) or served.page(path)
        file.write_bytes(page.content if page else b"")
        found[path] = barriers(chrome, file.as_uri(), axe_script())
    assert {path: problems for path, problems in found.items() if problems} == {}


def test_a_planted_barrier_and_a_page_that_is_too_wide_are_found(chrome: Any, tmp_path: Path) -> None:
    text = portfolio_page([], [])
    file = tmp_path / "planted.html"
    file.write_text(text.replace("</main>", '<img src="data:,"><p style="width: 500px">wide</p></main>'))
    found = barriers(chrome, file.as_uri(), axe_script())
    assert set(found) == {"wide, light", "wide, dark", "phone, light", "phone, dark"}
    assert any(one.startswith("image-alt: ") for one in found["wide, dark"])
    assert any("pixels wider" in one for one in found["phone, light"])
