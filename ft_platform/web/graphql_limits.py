"""Bounds of one GraphQL request, looked at before anything is executed. Dagster sets none.

Dagster's own pages need at most 11 levels, 897 fields, 4 aliases, 3 fields at the top and 7,425 characters (all 192
operations in the pages of dagster-webserver 1.13.27). An introspection query needs 15 levels.
Not covered: what a permitted field costs (`runs(limit: 100000)`).
"""

import json
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    OperationDefinitionNode,
    OperationType,
    parse,
)

MAX_CHARACTERS = 50_000
MAX_TOKENS = 10_000
MAX_DEPTH = 20
MAX_LEVELS = 60
"""Of nested braces, fragments put in: `... on Type` and fragments make no answer deeper, but the executor and its
checks recurse into them."""
MAX_FIELDS = 3_000
MAX_ALIASES = 20
MAX_ROOT_FIELDS = 10
KEYS = {"query", "variables", "operationName", "extensions"}


def request_problem(body: bytes) -> str | None:
    """Why the body of a request is not executed, or None."""
    try:
        # As Dagster reads it: what is looked at is what is executed.
        payload = json.loads(body)
    except (ValueError, RecursionError):
        return "the body is not valid JSON"
    return payload_problem(payload)


def payload_problem(payload: Any, subscription: bool = False) -> str | None:
    """Why a decoded request is not executed, or None.

    Args:
        subscription: it came over a websocket, where nothing else is executed.
    """
    if not isinstance(payload, dict):
        return "one request at a time: the body must be a JSON object"
    if unknown := set(payload) - (KEYS | {"operation_name"}):
        return f"the body has {len(unknown)} keys other than {', '.join(sorted(KEYS))}"
    query, variables = payload.get("query"), payload.get("variables")
    if not isinstance(query, str) or not (variables is None or isinstance(variables, dict)):
        return "`query` must be a text, and `variables` an object"
    try:
        problem = document_problem(query, subscription)
    except GraphQLError:
        return "the query cannot be parsed, or has too many words"
    except RecursionError:
        return f"the query has more than {MAX_DEPTH} levels"
    return problem


def document_problem(query: str, subscription: bool = False) -> str | None:
    """Why a GraphQL document is not executed, or None.

    Raises:
        GraphQLError: it cannot be parsed, or has more than `MAX_TOKENS` words.
        RecursionError: it is nested too deeply even to be parsed.
    """
    if len(query) > MAX_CHARACTERS:
        return f"the query has more than {MAX_CHARACTERS} characters"
    document = parse(query, no_location=True, max_tokens=MAX_TOKENS)
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        return f"one operation at a time, got {len(operations)}"
    (operation,) = operations
    if subscription != (operation.operation == OperationType.SUBSCRIPTION):
        return "subscriptions go over the websocket, and nothing else does"
    roots = MAX_ROOT_FIELDS if operation.operation == OperationType.QUERY else 1
    return _Count(document, roots).problem(operation)


class _TooMuch(Exception):
    pass


class _Count:
    """Counts what an operation asks for, with its fragments put in where they are named; stops at the first bound."""

    def __init__(self, document: DocumentNode, roots: int) -> None:
        self.fragments = {
            node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)
        }
        self.roots, self.fields, self.aliases, self.most_roots = 0, 0, 0, roots

    def problem(self, operation: OperationDefinitionNode) -> str | None:
        try:
            self._walk(operation.selection_set.selections, 1, 1, frozenset())
        except _TooMuch as error:
            return str(error)
        return None

    def _walk(self, selections: Any, depth: int, level: int, inside: frozenset[str]) -> None:
        if level > MAX_LEVELS:
            raise _TooMuch(f"the query has more than {MAX_DEPTH} levels")
        for node in selections:
            self.fields += 1
            if self.fields > MAX_FIELDS:
                raise _TooMuch(f"the query has more than {MAX_FIELDS} fields")
            if isinstance(node, FragmentSpreadNode):
                name = node.name.value
                if name in inside:
                    raise _TooMuch("a fragment of the query contains itself")
                if name in self.fragments:
                    self._walk(self.fragments[name].selection_set.selections, depth, level + 1, inside | {name})
                continue
            if isinstance(node, FieldNode):
                self._count(node, depth)
            if node.selection_set:
                self._walk(node.selection_set.selections, depth + isinstance(node, FieldNode), level + 1, inside)

    def _count(self, node: FieldNode, depth: int) -> None:
        self.roots += depth == 1
        self.aliases += node.alias is not None
        if depth > MAX_DEPTH:
            raise _TooMuch(f"the query has more than {MAX_DEPTH} levels")
        if self.aliases > MAX_ALIASES:
            raise _TooMuch(f"the query has more than {MAX_ALIASES} aliases")
        if self.roots > self.most_roots:
            raise _TooMuch(f"the query has more than {self.most_roots} fields at the top")
