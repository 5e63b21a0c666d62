"""The page at `/`, as it is sent. What it does is tested in a browser."""

import base64
import hashlib
import re

from starlette.testclient import TestClient

from ft_platform_tests.reporting.page_rules import Tags


def policy_of(client: TestClient) -> dict[str, list[str]]:
    """Directive -> its sources."""
    parts = client.get("/").headers["content-security-policy"].split("; ")
    return {name: sources for name, *sources in map(str.split, parts)}


def test_the_page_is_one_file_and_the_policy_allows_only_what_is_in_it(client: TestClient) -> None:
    text, policy = client.get("/").text, policy_of(client)
    tags = Tags(text).tags
    loads = {"src", "srcset", "data", "action", "formaction", "background", "poster", "style"}
    assert not any(name in loads or name.startswith("on") for _, given in tags for name in given)
    assert {given["href"] for tag, given in tags if "href" in given} == {"docs"}
    assert not {tag for tag, _ in tags} & {"link", "img", "iframe", "object", "embed", "base"}
    for tag in ("script", "style"):
        (content,) = re.findall(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert policy.pop(f"{tag}-src") == [f"'sha256-{digest}'"]
    assert policy == {
        "default-src": ["'none'"],
        "connect-src": ["'self'"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "frame-ancestors": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }


def test_the_script_has_no_way_to_turn_a_text_into_html_or_to_keep_the_key(client: TestClient) -> None:
    script = client.get("/").text.partition("<script>")[2]
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval",
        "Function(",
        "Storage",
        "cookie",
    ):
        assert word not in script


def test_the_description_of_the_api_leads_to_the_page_and_back(client: TestClient) -> None:
    assert '<a href="./">' in client.get("/docs").text and '<a href="docs">' in client.get("/").text
