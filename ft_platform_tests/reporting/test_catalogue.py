"""The catalogue: every version of every dataset, who uses it, and the search. Persons are fictitious."""

import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from ft_platform.lake.store import Lake
from ft_platform.lake.taint import NOT_TAINTED
from ft_platform.lake.versions import ArtifactVersion, TableVersion, Version
from ft_platform.stages import STAGES
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages import catalogue as catalogue_module
from ft_platform.web.portal_pages.catalogue import ON_A_PAGE, Asked, Catalogue, Entry, Found, Released
from ft_platform.web.portal_pages.pages import Portal, catalogue_page
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.reporting.page_rules import Tags, html5_problems
from ft_platform_tests.reporting.xss import ATTACKS
from ft_platform_tests.tables import use_case as a_use_case

CHAIN = ("raw_records", "permitted_records", "cleaned_records", "anonymized_records", "splits")
ROWS = pa.table({"record_id": ["r1", "r2"]})


def case(name: str, uri: str = "", **sections: Any) -> NamedUseCase:
    found = a_use_case(**{"source": {"uri": uri or f"{name}.csv"}, **sections})
    return found.model_copy(update={"name": name})


def table(lake: Lake, name: str, stage: str, parents: list[Version], **words: Any) -> TableVersion:
    given = {"settings_hash": "s", "input_hash": "i", **words}
    batches = ROWS.to_batches()
    return lake.write_table(name, stage, batches, ROWS.schema, zone=STAGES[stage].zone, parents=parents, **given)


def checkpoint(lake: Lake, name: str, artifact_id: str, splits: TableVersion) -> ArtifactVersion:
    with lake.scratch(name, "adapter_checkpoint") as folder:
        folder.mkdir(parents=True)
        (folder / "adapter.bin").write_text(artifact_id)
        words: Any = {"settings_hash": "s", "input_hash": "i"}
        return lake.publish(name, "adapter_checkpoint", artifact_id, folder, parents=[splits], **words)


def chain(lake: Lake, name: str, files: dict[str, str] | None = None) -> dict[str, Any]:
    """Every stage up to a checkpoint."""
    made: dict[str, Any] = {}
    parents: list[Version] = []
    for stage in CHAIN:
        judged = {"basis": "consent", "purpose": "complaint routing", "licence": "proprietary"}
        counts = judged if stage == "permitted_records" else {}
        info = {"files": files or {}} if stage == "raw_records" else {}
        parents = [table(lake, name, stage, parents, counts=counts, info=info)]
        made[stage] = parents[0]
    made["adapter_checkpoint"] = checkpoint(lake, name, f"ckpt-{name}", made["splits"])
    return made


def entries(lake: Lake, *cases: NamedUseCase) -> dict[tuple[str, str], Entry]:
    found, problems = Catalogue(lake).entries({one.name: one for one in cases})
    assert problems == []
    return {(one.use_case, one.found.id): one for one in found}


def test_every_version_stands_there_with_what_permits_it_and_what_was_made_from_it(lake: Lake) -> None:
    letters = case("letters", owners={"accountable": "a@example.org", "data_engineering": "dora@example.org"})
    made = chain(lake, "letters")
    second = table(lake, "letters", "cleaned_records", [made["permitted_records"]])
    found = entries(lake, letters)
    assert len(found) == 7
    raw, permitted = found["letters", "raw_records@0"], found["letters", "permitted_records@0"]
    assert (raw.zone, raw.owner, raw.purpose) == ("restricted", "dora@example.org", "not known"), "nobody judged it"
    assert (permitted.purpose, permitted.licence) == ("complaint routing", "proprietary")
    assert (raw.found.basis, permitted.found.basis, raw.licence) == ("", "consent", "not known")
    assert sorted(permitted.found.made_from_it) == ["cleaned_records@0", second.id]
    splits = found["letters", "splits@0"]
    assert (splits.zone, splits.found.basis, list(splits.found.made_from_it)) == ("shared", "consent", ["ckpt-letters"])
    assert found["letters", second.id].found.made_from_it == [] and splits.found.rows == 2


def test_a_version_that_does_not_say_its_licence_has_the_files_only_while_that_is_the_same(lake: Lake) -> None:
    """Versions of earlier releases of the platform."""
    letters = case("letters")
    same = {"counts": {"basis": "consent"}, "settings_hash": STAGES["permitted_records"].settings_hash(letters)}
    made = table(lake, "letters", "permitted_records", [], **same)
    assert entries(lake, letters)["letters", made.id].licence == "proprietary"
    changed = entries(lake, case("letters", governance={"licence": "CC0-1.0"}))["letters", made.id]
    assert (changed.licence, changed.purpose) == ("not known", "not known")


def test_releases_are_told_of_all_that_the_model_learned_from_and_of_nothing_else(lake: Lake) -> None:
    made = chain(lake, "letters")
    later = table(lake, "letters", "splits", [made["anonymized_records"]])
    first = released(lake, made["adapter_checkpoint"])
    released(lake, checkpoint(lake, "letters", "ckpt-2", later))
    lake.add_verdict(first, "not_withdrawn", False, "s", {"by": "x", "reason": "y"})
    found = entries(lake, case("letters"))
    both = [Released("release-1", False), Released("release-0", True)]
    assert found["letters", "raw_records@0"].found.releases == both
    assert found["letters", "splits@0"].found.releases == [Released("release-0", True)]
    assert found["letters", later.id].found.releases == [Released("release-1", False)]
    assert found["letters", "ckpt-2"].found.releases == [Released("release-1", False)]


def test_use_cases_that_read_the_same_source_name_each_other(lake: Lake) -> None:
    chain(lake, "letters", {"/data/a.csv": "sha-1"})
    chain(lake, "claims", {"/elsewhere/copy.csv": "sha-1", "/elsewhere/b.csv": "sha-2"})
    chain(lake, "calls", {"/data/c.csv": "sha-3"})
    chain(lake, "mails", {"/data/d.csv": "sha-4"})
    cases = [case("letters"), case("claims"), case("calls", uri="s3://x/y"), case("mails", uri="s3://x/y")]
    found = entries(lake, *cases)
    read_by = {name: list(found[name, "raw_records@0"].read_by) for name in ("letters", "claims", "calls", "mails")}
    assert read_by == {"letters": ["claims"], "claims": ["letters"], "calls": ["mails"], "mails": ["calls"]}


def test_withdrawn_and_erased_content_is_told(lake: Lake) -> None:
    made = chain(lake, "letters")
    lake.add_verdict(made["splits"], NOT_TAINTED, False, "s", {"rows": 1, "reasons": {"consent_withdrawn": 1}})
    lake.add_verdict(made["raw_records"], NOT_TAINTED, True, "s", {"rows": 0, "reasons": {}})
    lake.note_erased(made["cleaned_records"], "Request 4711")
    found = entries(lake, case("letters"))
    assert found["letters", "splits@0"].found.withdrawn_rows == 1
    assert found["letters", "raw_records@0"].found.withdrawn_rows == 0
    assert found["letters", "cleaned_records@0"].found.erased.startswith("Request 4711, ")
    page = catalogue_page(list(found.values()), Asked(), [])
    assert "1 withdrawn" in page and "erased: Request 4711" in page


def test_a_use_case_that_cannot_be_read_hides_no_other(lake: Lake) -> None:
    chain(lake, "letters")
    chain(lake, "claims")
    (Path(lake.path_of("restricted", "letters", "manifests", "raw_records")) / "00000000.json").write_text("{}")
    found, problems = Catalogue(lake).entries({name: case(name) for name in ("letters", "claims")})
    assert {one.use_case for one in found} == {"claims"}
    assert len(problems) == 1 and problems[0].startswith("letters: ") and "was altered" in problems[0]
    page = Portal(lake, lambda: {name: case(name) for name in ("letters", "claims")}).page("/catalogue")
    assert page and b"Cannot be read: letters: " in page.content and b"splits@0" in page.content


def test_what_was_read_is_read_again_only_where_something_was_signed(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = chain(lake, "letters")
    chain(lake, "claims")
    read: list[str] = []
    plain = catalogue_module._read
    monkeypatch.setattr(catalogue_module, "_read", lambda lake, name: (read.append(name), plain(lake, name))[1])
    catalogue, cases = Catalogue(lake), {name: case(name) for name in ("letters", "claims")}
    assert [len(catalogue.entries(cases)[0]) for _ in range(2)] == [12, 12] and read == ["claims", "letters"]
    released(lake, made["adapter_checkpoint"])
    assert len(catalogue.entries(cases)[0]) == 12 and read == ["claims", "letters", "letters"]
    changed = {**cases, "letters": case("letters", governance={"licence": "CC0-1.0"})}
    told = {(one.use_case, one.licence) for one in catalogue.entries(changed)[0] if one.found.stage == "splits"}
    assert told == {("letters", "proprietary"), ("claims", "proprietary")} and len(read) == 3, (
        "a file changes no version"
    )
    del changed["letters"]
    assert {one.use_case for one in catalogue.entries(changed)[0]} == {"claims"}


def entry(use_case: str = "letters", stage: str = "splits", version: str = "splits@3", **words: Any) -> Entry:
    made: dict[str, Any] = {"made_from_it": ["ckpt-1"], "releases": [Released("release-1", False)]}
    found = Found(stage, version, 2, "2026-11-20T10:00:00+00:00", "consent", **made, withdrawn_rows=0, erased="")
    about = {"owner": "dora@example.org", "purpose": "Complaint routing", "licence": "CC0-1.0", "zone": "shared"}
    return Entry(use_case, **{**about, "read_by": ["claims"], **words}, found=found)


SEARCHES = [
    ("words=complaint", True),
    ("words=COMPLAINT+dora", True),
    ("words=complaint+unknown", False),
    ("words=ckpt-1", True),
    ("words=release-1", True),
    ("words=claims", True),
    ("words=2026-11-20", True),
    ("words=CC0", True),
    ("words=complaint_routing", True),
    ("use_case=letters", True),
    ("use_case=letter", False),
    ("stage=splits&zone=shared", True),
    ("stage=splits&zone=restricted", False),
    ("words=&use_case=&stage=&zone=", True),
    ("other=1", True),
    ("%ff%fe=%00", True),
    ("&".join(["words=x"] * 50), True),  # too many fields count as none
]


@pytest.mark.parametrize(("query", "found"), SEARCHES)
def test_a_search_wants_every_word_and_each_value(query: str, found: bool) -> None:
    assert Asked.of(query).finds(entry()) is found


@pytest.mark.parametrize("page", ["0", "-1", "x", "", "9" * 30, "²", "1.5"])
def test_a_page_that_is_no_number_is_the_first(page: str) -> None:
    assert Asked.of(f"page={page}").page == 1 and Asked.of("page=3").page == 3


def test_long_results_come_by_the_page_and_links_keep_the_search() -> None:
    many = [entry(version=f"splits@{number}") for number in range(2 * ON_A_PAGE + 1)]
    first = catalogue_page(many, Asked.of("words=complaint+%26&stage=splits"), [])
    assert first.count("<tr><td") == 0 and "Nothing was found." in first
    first = catalogue_page(many, Asked.of("words=complaint&stage=splits"), [])
    assert first.count("<tr><td") == ON_A_PAGE and "201 versions in 1 use case" in first
    assert 'href="catalogue?words=complaint&amp;stage=splits&amp;page=2">More' in first and "Newer" not in first
    last = catalogue_page(many, Asked.of("words=complaint&stage=splits&page=3"), [])
    assert last.count("<tr><td") == 1 and "Newer" in last and "More</a>" not in last


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_becomes_markup(attack: str) -> None:
    """The form is by design, so what counts is that a page with attacks has the elements of one without."""

    def shown(text: str) -> str:
        given = dict.fromkeys(("owner", "purpose", "licence", "zone"), text)
        return catalogue_page([entry(text, **given, read_by=[text])], Asked(words=text), [text])

    tags = [[tag for tag, _ in Tags(shown(text)).tags] for text in (attack, "plain")]
    names = [[sorted(given) for _, given in Tags(shown(text)).tags] for text in (attack, "plain")]
    assert tags[0] == tags[1] and names[0] == names[1] and " ".join(attack.split()) in _words(shown(attack))
    allowed = ("<form>", "<label>", "<input>", "<select>", "<option>", "<button>")
    of_the_form = ("action", "for", "maxlength", "method", "selected", "type", "value")
    problems = [one for one in html5_problems(shown(attack)) if not one.endswith(allowed)]
    assert [one for one in problems if not any(f"attribute {name} " in one for name in of_the_form)] == []


def _words(text: str) -> str:
    return " ".join(Tags(text).words.split())


def test_a_lake_without_a_version_is_an_empty_catalogue(lake: Lake) -> None:
    shutil.rmtree(lake.root, ignore_errors=True)
    page = Portal(lake, lambda: {"letters": case("letters")}).page("/catalogue")
    assert page and b"Nothing was found." in page.content
