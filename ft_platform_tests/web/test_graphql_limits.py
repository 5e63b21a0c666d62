"""What one GraphQL request may ask for: everything that Dagster's own pages ask for, and not much more."""

import json
import re
from pathlib import Path

import pytest
from graphql import get_introspection_query

from ft_platform.web.graphql_limits import (
    MAX_ALIASES,
    MAX_DEPTH,
    MAX_FIELDS,
    document_problem,
    payload_problem,
    request_problem,
)

webserver = pytest.importorskip("dagster_webserver")


def block_end(text: str, start: int) -> int:
    """Where the block in braces that opens at `start` ends."""
    depth = 0
    for place in range(start, len(text)):
        depth += (text[place] == "{") - (text[place] == "}")
        if depth == 0:
            return place + 1
    return start


def documents_of_the_pages() -> dict[str, str]:
    """Every operation in Dagster's pages with the fragments that it names, from the sources beside the built
    scripts."""
    parts: dict[str, dict[str, str]] = {"fragment": {}, "operation": {}}
    for file in Path(webserver.__file__).parent.glob("webapp/build/_next/**/*.js.map"):
        for source in json.loads(file.read_text()).get("sourcesContent") or []:
            for literal in re.findall(r"gql`(.*?)`", source or "", re.DOTALL) if "gql`" in (source or "") else []:
                text = re.sub(r"\$\{.*?\}", "", literal)
                for found in re.finditer(r"\b(query|mutation|subscription|fragment)\s+(\w+)[^{]*", text):
                    kind = "fragment" if found[1] == "fragment" else "operation"
                    parts[kind][found[2]] = text[found.start() : block_end(text, found.end())]
    documents = {}
    for name, text in parts["operation"].items():
        used: dict[str, str] = {}
        todo = [text]
        while todo:
            for fragment in set(re.findall(r"\.\.\.\s*(\w+)", todo.pop())) - used.keys() - {"on"}:
                if fragment in parts["fragment"]:
                    used[fragment] = parts["fragment"][fragment]
                    todo.append(used[fragment])
        documents[name] = "\n".join([text, *used.values()])
    return documents


def test_every_request_of_dagsters_own_pages_is_within_the_bounds():
    problems = {}
    documents = documents_of_the_pages()
    for name, text in documents.items():
        problem = payload_problem({"query": text}, subscription=text.startswith("subscription"))
        if problem and "cannot be parsed" not in problem:  # a handful are examples in comments of libraries
            problems[name] = problem
    assert len(documents) > 150
    assert problems == {}


def test_tools_may_ask_for_the_schema():
    assert document_problem(get_introspection_query(input_value_deprecation=True)) is None


def nested(levels: int) -> str:
    return "{a" * levels + "}" * levels


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (nested(MAX_DEPTH + 1), "levels"),
        (nested(5000), "parsed"),
        ("{" + "... {" * 100 + "a" + "}" * 101, "levels"),
        ("{a " + " ".join(f"x{n}: b" for n in range(MAX_ALIASES + 1)) + "}", "fields at the top"),
        ("{a {" + " ".join(f"x{n}: b" for n in range(MAX_ALIASES + 1)) + "}}", "aliases"),
        ("{a {" + "b " * (MAX_FIELDS + 1) + "}}", "fields"),
        ("{a b c d e f g h i j k}", "fields at the top"),
        ("mutation {a b}", "more than 1 fields at the top"),
        ("mutation {a: launch b: launch}", "more than 1 fields at the top"),
        ("mutation {...two} fragment two on Mutation {a b}", "more than 1 fields at the top"),
        ("{a {" + "b" * 60_000 + "}}", "characters"),
        ("{a {" + "b " * 12_000 + "}}", "too many words"),
        ("query one {a} query two {b}", "one operation"),
        ("fragment f on Query {a}", "one operation"),
        ("subscription {a}", "over the websocket"),
        ("{a {...f}} fragment f on T {b {...f}}", "itself"),
        ("{a", "parsed"),
    ],
)
def test_what_is_too_much_is_refused_with_the_reason(query, reason):
    problem = payload_problem({"query": query})
    assert problem and reason in problem


def test_fragments_that_double_at_each_level_are_refused_before_they_are_put_in():
    query = (
        "{a {...f0}}"
        + "".join(f" fragment f{n} on T {{...f{n + 1} ...f{n + 1}}}" for n in range(40))
        + " fragment f40 on T {a}"
    )
    problem = payload_problem({"query": query})
    assert problem and f"{MAX_FIELDS} fields" in problem


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'[{"query": "{a}"}]', "JSON object"),
        (b'"{a}"', "JSON object"),
        (b"query=%7Ba%7D", "valid JSON"),
        (b"", "valid JSON"),
        (b"\xff\xfe\xfa", "valid JSON"),
        (b"[" * 100_000, "valid JSON"),
        (b'{"query": ["{a}"]}', "must be a text"),
        (b'{"query": "{a}", "variables": "{}"}', "must be a text"),
        (b'{"variables": {}}', "must be a text"),
        (b'{"query": "{a}", "queries": []}', "keys other than"),
    ],
)
def test_a_body_in_another_form_is_refused(body, reason):
    problem = request_problem(body)
    assert problem and reason in problem


def test_over_a_websocket_nothing_but_subscriptions_is_executed():
    assert payload_problem({"query": "subscription {a}"}, subscription=True) is None
    assert payload_problem({"query": "{a}"}, subscription=True)
    assert payload_problem({"query": "mutation {a}"}, subscription=True)
    assert payload_problem({"query": "subscription {a b}"}, subscription=True)
    assert payload_problem(None, subscription=True)
