"""Decides requests as AWS does, from the policies of templates: explicit refusal first, then who grants it.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html, for one account, without
boundaries, session policies and policies of an organization. What it does not know raises, and is never passed over."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml

Json = Any


@dataclass(frozen=True)
class Request:
    """Who asks for what.

    Attributes:
        role: ARN of the role of the session.
        context: condition keys, in small letters -> value.
    """

    role: str
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict)

    def value(self, key: str) -> str | None:
        return self.role if key.lower() == "aws:principalarn" else self.context.get(key.lower())


def read(file: Path) -> dict[str, Json]:
    """A template of CloudFormation, its short tags written out."""
    found: dict[str, Json] = cfn_yaml.loads(file.read_text())
    return found


def resolved(value: Json, known: Mapping[str, str]) -> Json:
    """A part of a template with its references filled in.

    Raises:
        KeyError: a reference is not known.
    """
    if isinstance(value, list):
        return [resolved(one, known) for one in value]
    if not isinstance(value, dict):
        return value
    if set(value) == {"Ref"}:
        return known[value["Ref"]]
    if set(value) == {"Fn::GetAtt"}:
        return known[".".join(value["Fn::GetAtt"])]
    if set(value) == {"Fn::Sub"}:
        return re.sub(r"\$\{([^}]+)\}", lambda found: known[found[1]], value["Fn::Sub"])
    return {name: resolved(one, known) for name, one in value.items()}


def listed(value: Json) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def fits(pattern: str, text: str, *, fold: bool = False) -> bool:
    """Whether `*` and `?` of a pattern make it the text."""
    if "[" in pattern:
        raise NotImplementedError(pattern)
    return fnmatchcase(text.lower(), pattern.lower()) if fold else fnmatchcase(text, pattern)


def holds(operator: str, key: str, wanted: Json, request: Request) -> bool:
    """One condition. A key that the request does not have fulfils only what is negated."""
    found, values = request.value(key), listed(wanted)
    negated = operator.startswith("StringNot")
    if found is None:
        return negated
    match operator.replace("Not", ""):
        case "StringEquals":
            true = found in values
        case "StringLike":
            true = any(fits(value, found) for value in values)
        case "Bool":
            true = found.lower() in [value.lower() for value in values]
        case _:
            raise NotImplementedError(operator)
    return true != negated


def of_principal(principal: Json, request: Request) -> bool:
    if principal == "*":
        return True
    if set(principal) == {"Service"}:
        return False
    if set(principal) != {"AWS"}:
        raise NotImplementedError(principal)
    account = request.role.split(":")[4]
    return any(one in ("*", request.role, f"arn:aws:iam::{account}:root") for one in listed(principal["AWS"]))


def matching(policy: Json, effect: str, request: Request) -> Iterator[Json]:
    """Statements of one effect that are about a request."""
    for statement in policy["Statement"]:
        if unknown := set(statement) - {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}:
            raise NotImplementedError(sorted(unknown))
        conditions = statement.get("Condition", {})
        if (
            statement["Effect"] == effect
            and ("Principal" not in statement or of_principal(statement["Principal"], request))
            and any(fits(one, request.action, fold=True) for one in listed(statement["Action"]))
            and any(fits(one, request.resource) for one in listed(statement["Resource"]))
            and all(holds(op, key, want, request) for op, keys in conditions.items() for key, want in keys.items())
        ):
            yield statement


def allowed(request: Request, own: list[Json], resource: Json, *, resource_must_grant: bool = False) -> bool:
    """Whether a request is granted by the role's own policies or by that of the resource, and refused by none.

    Args:
        resource_must_grant: as a KMS key, whose policy alone decides unless it hands the account over.
    """
    every = [*own, resource]
    if any(True for policy in every for _ in matching(policy, "Deny", request)):
        return False
    granted = any(matching(resource, "Allow", request))
    return granted or (not resource_must_grant and any(any(matching(policy, "Allow", request)) for policy in own))
