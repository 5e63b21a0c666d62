"""Data docs: the validation page that Great Expectations renders, as a report of the lake in one file.

Covered: Great Expectations gets counts only, never a value of a record, so its page cannot hold one. Of its page the
text and the tables are kept; scripts, styles, pictures and links are not, because they are fetched from other hosts.
"""

from typing import Any

from ft_platform.cleaning.validation.expectations import ValidationResult
from ft_platform.cleaning.validation.suite import implementation
from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.stages import DATA_DOCS, check_settings_hash
from ft_platform.use_case.named import NamedUseCase

PAGE = "report.html"
TAGS = frozenset(
    ["div", "span", "strong", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li", "h5", "h6", "br"]
)
STATUS = {"fa-check-circle": "✓", "fa-times": "✗", "fa-exclamation-triangle": "!"}
"""Icons of the page, from a font of another host, and the sign that stands for each."""


def publish_data_docs(
    lake: Lake, use_case: NamedUseCase, version: TableVersion, result: ValidationResult, numbers: dict[str, Any]
) -> ArtifactVersion:
    """The page of a validation run as a report; the one that is there already if the version was validated with these
    settings before.

    Args:
        version: the table that was validated.
        numbers: further counts to show above the results, by name.
    """
    settings = check_settings_hash(use_case, version.name, "meets_expectations")
    report_id = f"{version.name}-{version.version}-{settings}"
    draft = Draft(lake, use_case, DATA_DOCS, report_id, report_id, [version], settings)
    if existing := draft.existing():
        return existing
    with draft.folder() as folder:
        (folder / PAGE).write_text(data_docs(use_case, version, result, numbers), encoding="utf-8")
        return draft.publish(folder)


def data_docs(use_case: NamedUseCase, version: TableVersion, result: ValidationResult, numbers: dict[str, Any]) -> str:
    """The page as HTML."""
    from ft_platform.reporting.html import page

    failed = [e for e in result.expectations if not e["passed"]]
    title = f"{use_case.name}: expectations on {version.id}"
    return page(
        "data_docs.html",
        title=title,
        rows=result.rows,
        total=len(result.expectations),
        failed=failed,
        numbers=numbers,
        sections=sections(_rendered(version, result)),
    )


def _rendered(version: TableVersion, result: ValidationResult) -> str:
    """The page as Great Expectations renders it."""
    import great_expectations as gx
    from great_expectations.core.expectation_validation_result import ExpectationSuiteValidationResult
    from great_expectations.core.run_identifier import RunIdentifier
    from great_expectations.render.renderer.page_renderer import ValidationResultsPageRenderer
    from great_expectations.render.view.view import DefaultJinjaPageView

    passed = sum(e["passed"] for e in result.expectations)
    total = len(result.expectations)
    statistics = {
        "evaluated_expectations": total,
        "successful_expectations": passed,
        "unsuccessful_expectations": total - passed,
        "success_percent": 100.0 * passed / total if total else None,
    }
    suite_result = ExpectationSuiteValidationResult(
        success=result.passed,
        results=[_gx_result(e, result.rows) for e in result.expectations],
        suite_name=version.name,
        statistics=statistics,  # type: ignore[arg-type]
        meta={"run_id": RunIdentifier(run_name=version.id), "great_expectations_version": gx.__version__},
    )
    return DefaultJinjaPageView().render(ValidationResultsPageRenderer(run_info_at_end=True).render(suite_result))


def _gx_result(found: dict[str, Any], rows: int) -> Any:
    from great_expectations.core.expectation_validation_result import ExpectationValidationResult

    unexpected_count = found["unexpected_count"]
    unexpected_percent = found["unexpected_percent"]
    counted = {"element_count": rows, "unexpected_count": unexpected_count, "unexpected_percent": unexpected_percent}
    observed = {"observed_value": found["observed"]} if found["observed"] is not None else {}
    return ExpectationValidationResult(
        success=found["passed"],
        expectation_config=implementation(found["expectation"])(**found["kwargs"]).configuration,
        result={
            **(counted if found["unexpected_count"] is not None else {}),
            **observed,
            "partial_unexpected_list": [],
        },
        meta={},
        exception_info={"raised_exception": False, "exception_message": None, "exception_traceback": None},
    )


def sections(rendered: str) -> str:
    """The sections of a page by Great Expectations as plain HTML: of `TAGS`, without any attribute."""
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(rendered)
    for icon in tree.css("i"):
        sign = next((sign for name, sign in STATUS.items() if name in (icon.attributes.get("class") or "")), "")
        icon.replace_with(sign)
    for node in tree.css("script, style, link, img, svg, button, input, form, nav"):
        node.decompose()
    found = list(tree.css(".ge-section"))
    for section in found:
        for node in section.css("*"):
            for name in list(node.attributes):
                del node.attrs[name]
        section.unwrap_tags([tag for tag in {node.tag or "" for node in section.css("*")} if tag not in TAGS])
        for node in section.css("*"):
            if node.tag not in TAGS:  # an element with nothing in it, such as <embed>, is not unwrapped
                node.decompose()
    return "\n".join(section.html or "" for section in found)
