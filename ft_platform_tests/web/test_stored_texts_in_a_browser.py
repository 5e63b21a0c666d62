"""Texts that people store, opened as attacks in a real browser: in the portal as it is served, and on Dagster's pages.

Every template by itself: `reporting/test_hostile_pages.py`."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import dagster as dg
import pytest

pytest.importorskip("dagster_webserver")
pytest.importorskip("model_signing", reason="the extra `signing` is not installed")
from ft_platform.redaction.metadata import vouched_metadata
from ft_platform_tests.conftest import minimal_attributes, write_use_case
from ft_platform_tests.release.evidence_case import OWNERS, changed, gap, good_figures
from ft_platform_tests.reporting.xss import ATTACKS
from ft_platform_tests.web.browser import CHROMIUM, Page, chromium
from ft_platform_tests.web.office import ANA, MARIA, Browser, Office
from ft_platform_tests.web.server import home_with, webserver

pytestmark = [
    pytest.mark.components(name="browser"),
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium: apt-get install --no-install-recommends chromium"),
]
TEXT = " ".join(one for one in ATTACKS if "\u2028" not in one and "{{" not in one)
SHOWN = "alert(1)"
WATCH = "window.ran = []; for (const name of ['alert', 'confirm', 'prompt']) window[name] = () => ran.push(name)"
PROVOKE = """[...document.querySelectorAll('*')].forEach(one => {
  for (const kind of ['mouseover', 'focus', 'toggle', 'load', 'error']) one.dispatchEvent(new Event(kind));
}) || true"""
CODE_IN_LINKS = "[...document.querySelectorAll('[href],[src]')].filter(one => /^\\s*(javascript|data:text)/i.test("
CODE_IN_LINKS += "one.getAttribute('href') || one.getAttribute('src'))).length"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    (tmp_path / "chromium").mkdir()
    with chromium(tmp_path / "chromium", "--host-resolver-rules=MAP x.example 127.0.0.1") as found:
        found.call("Page.addScriptToEvaluateOnNewDocument", source=WATCH)
        yield found


def ran(page: Page, address: str) -> list[str]:
    """What ran, and what was asked of other servers, since the page was opened."""
    page.value(PROVOKE)
    asked = {urlsplit(one["request"]["url"]) for one in page.told("Network.requestWillBeSent")}
    elsewhere = {f"asked {one.netloc}" for one in asked if one.netloc and one.netloc != urlsplit(address).netloc}
    links = page.value(CODE_IN_LINKS)
    return [*page.value("window.ran"), *sorted(elsewhere), *([f"{links} links with code"] if links else [])]


def test_no_text_that_people_store_runs_in_the_portal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: Page
) -> None:
    monkeypatch.setattr("ft_platform.release.separation._changed_by", lambda *_: set())
    broken = changed(good_figures(), "fairness_report", ("features", "region", "differences", "accuracy"), gap(0.3))
    office = Office(tmp_path / "office", {"description": TEXT}, broken)
    with office.opened().serving() as address:
        ana, maria = Browser(address, ANA), Browser(address, MARIA)
        assert ana.act("waive", "waive", reason=TEXT[:400], until=office.in_days(30)).status_code == 303
        cookie = maria.client.cookies["ft_session"]
        page.call("Network.setCookie", name="ft_session", value=cookie, url=address)
        waiting, seen, shown = ["/"], set[str](), 0
        while waiting:
            path = waiting.pop()
            seen.add(path)
            page.open(f"{address}{path}")
            assert page.wait_for("document.readyState == 'complete'")
            assert ran(page, address) == [], path
            shown += page.value(f"document.body.innerText.includes({SHOWN!r})")
            links = page.value("[...document.querySelectorAll('a[href]')].map(one => one.href)")
            own = {one.removeprefix(address).partition("#")[0] for one in links if one.startswith(f"{address}/")}
            waiting += sorted(own - seen - set(waiting) - {"/auth/sign-out"})[: 40 - len(seen)]
        assert len(seen) > 10 and shown > 2, "pages that show the texts were among them"


def test_no_text_of_a_use_case_and_no_metadata_runs_on_dagsters_pages(tmp_path: Path, page: Page) -> None:
    home = home_with(tmp_path)
    attributes = {**minimal_attributes("unused.csv"), "owners": OWNERS, "description": TEXT}
    attributes["release"] = {"intended_use": TEXT}
    write_use_case(tmp_path / "defs", "complaints", attributes)
    metadata = vouched_metadata({"rules": dg.MetadataValue.md(TEXT), "said": TEXT})
    with dg.DagsterInstance.from_config(str(home)) as instance:
        key = dg.AssetKey(["complaints", "raw_records"])
        instance.report_runless_asset_event(dg.AssetMaterialization(key, description=None, metadata=metadata))
    words = ("-m", "ft_platform.web.dagster_webserver", "-m", "ft_platform.definitions")
    with webserver(words, home, FT_DEFS=str(tmp_path / "defs")) as port:
        address = f"http://127.0.0.1:{port}"
        for path, shown in (
            ("/assets/complaints/raw_records?view=events", SHOWN),
            ("/assets/complaints/raw_records?view=overview", SHOWN),
            ("/locations/ft_platform.definitions/jobs/complaints", "complaints"),
        ):
            page.open(f"{address}{path}")
            assert page.wait_for(f"document.body && document.body.innerText.includes({shown!r})"), path
            assert ran(page, address) == [], path


def test_what_runs_is_seen(page: Page) -> None:
    """So that the two tests above can fail."""
    for fault, told in (
        ("<img src=x onerror=alert(1)>", "alert"),
        ("<p onmouseover=alert(2)>x</p>", "alert"),
        ("<img src=http://x.example/p.png>", "asked x.example"),
        ("<a href=javascript:alert(3)>x</a>", "1 links with code"),
    ):
        page.open(f"data:text/html,{fault}")
        assert page.wait_for("document.readyState == 'complete'") and told in ran(page, "http://own"), fault
