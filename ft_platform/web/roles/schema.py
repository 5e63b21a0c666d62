"""Dagster's GraphQL schema with a rule before each field that has one. What is looked at is what is executed: the
arguments as Dagster's own code gets them, whatever aliases, fragments and variables they came by."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from dagster_graphql.schema.errors import GrapheneUnauthorizedError
from graphql import (
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    OperationType,
    default_field_resolver,
    get_named_type,
)

from ft_platform.errors import ConfigError
from ft_platform.people.actions import ACTIONS
from ft_platform.people.may import Ruling
from ft_platform.web.roles.concerned import UNKNOWN, Concerns, of_inputs
from ft_platform.web.roles.mutations import MUTATIONS, Mutation, needs
from ft_platform.web.roles.reads import FIELDS, FLAGS, MANIFEST, OPENED, QUERIES, SUBSCRIPTIONS, OfField, Read
from ft_platform.web.roles.rules import Need
from ft_platform.web.roles.run_configuration import refuse_variables

Resolver = Callable[..., Any]
RoleContext = Any
"""`context.RoleContext`."""
BELOW = {
    *("EventConnection", "PipelineRunLogsSubscriptionSuccess", "PythonError", "ErrorChainLink"),
    *("TickEvaluation", "RunRequest", "LaunchMultipleRunsResult", "TerminateRunsResult"),
}
"""Types whose fields belong to what stands above them; and all events."""
NOT_LISTED = Ruling(False, None, "no table of rights lists it, so nobody may use it")


class Refused(Exception):
    """A field that the person may not use. Its text says who may."""

    extensions: Mapping[str, str] = {"code": "FORBIDDEN"}


def guard_schema(schema: GraphQLSchema) -> None:
    """Puts the rules into a schema that Dagster has just made.

    Raises:
        ConfigError: it has no such type or field as a rule is about, which would so come to be without a rule.
    """
    assert schema.mutation_type and schema.query_type and schema.subscription_type
    refuse_variables(schema)
    for name, field in schema.mutation_type.fields.items():
        field.resolve = _mutation(field, name, MUTATIONS.get(name))
    for name, field in schema.query_type.fields.items():
        field.resolve = _read(name, _resolver(field), QUERIES.get(name))
    for name, field in schema.subscription_type.fields.items():
        field.subscribe = _read(name, field.subscribe or default_field_resolver, SUBSCRIPTIONS.get(name))
        field.resolve = _read(name, _resolver(field), SUBSCRIPTIONS.get(name), again=True)
    for (kind, name), read in FIELDS.items():
        field = _field(schema, kind, name)
        field.resolve = _read(f"{kind}.{name}", _resolver(field), read)
    for (kind, name), read in OPENED.items():
        field = _field(schema, kind, name)
        field.resolve = _opened(_resolver(field), read)
    for (kind, name), (action, of) in FLAGS.items():
        _field(schema, kind, name).resolve = _flag(action, of)
    stack = _field(schema, "PythonError", "stack")
    stack.resolve = _none_of_a_mutation(_resolver(stack))
    manifest = _field(schema, "Repository", "assetManifest")
    manifest.resolve = _manifest(_resolver(manifest))


def _field(schema: GraphQLSchema, kind: str, name: str) -> GraphQLField:
    found = schema.type_map.get(kind)
    if not isinstance(found, GraphQLObjectType) or name not in found.fields:
        problem = f"this version of Dagster has no {kind}.{name}, of which a rule says who may read it"
        raise ConfigError([problem], "Install the versions that ft-platform names")
    return found.fields[name]


def _resolver(field: GraphQLField) -> Resolver:
    return field.resolve or default_field_resolver


def _refuse(context: RoleContext, ruling: Ruling, name: str, asked: set[Need]) -> None:
    """Tells of a refusal."""
    actions = sorted({action for action, _ in asked})
    says = ", and ".join(ACTIONS[action].says for action in actions) or "use what no table lists"
    context.judge.note("denial", f"may not {says}", asked or {("", None)}, field=name)


def _mutation(field: GraphQLField, name: str, mutation: Mutation | None) -> Resolver:
    resolve = _resolver(field)
    answers = get_named_type(field.type)
    can_say_no = isinstance(answers, GraphQLUnionType) and any(one.name == "UnauthorizedError" for one in answers.types)

    def resolved(root: Any, info: Any, **args: Any) -> Any:
        context: RoleContext = info.context
        concerns = (mutation.of(context, args) or {UNKNOWN}) if mutation else set()
        asked = mutation.needs(concerns, args) if mutation else set()
        ruling = context.judge.may(asked) if mutation or not context.judge.rules.signs_in else NOT_LISTED
        if not ruling:
            _refuse(context, ruling, name, asked)
            if can_say_no:
                return GrapheneUnauthorizedError(ruling.why)
            raise Refused(ruling.why)
        kind = mutation.kind if mutation else "settings"
        context.judge.note(kind, name, asked or {("", None)}, **_named(args, concerns))
        context.opened.append(info.path)
        _stamp(args, context.get_viewer_tags())
        return _ruled(context, name, resolve, root, info, args)

    return resolved


def _ruled(context: RoleContext, name: str, resolve: Resolver, root: Any, info: Any, args: dict[str, Any]) -> Any:
    """Does what was ruled upon; Dagster's own checks count again afterwards."""
    context.ruled = True
    try:
        result = resolve(root, info, **args)
    except BaseException:
        context.ruled = False
        raise
    if inspect.isawaitable(result):

        async def awaited() -> Any:
            try:
                return await result
            finally:
                context.ruled = False

        return awaited()
    context.ruled = False
    if name == "reexecutePartitionBackfill":
        _stamp_backfill(context, result)
    return result


def _stamp(args: dict[str, Any], tags: Mapping[str, str]) -> None:
    """Says who starts a run, in the tags that the run is asked for with; what was said there before is dropped."""
    stamp = [{"key": key, "value": value} for key, value in tags.items()]

    def stamped(given: Any) -> list[Any]:
        return [*(tag for tag in given or () if tag["key"] not in tags), *stamp]

    for params in [args.get("executionParams"), *(args.get("executionParamsList") or ())]:
        if params:
            said = params.get("executionMetadata") or {}
            params["executionMetadata"] = {**said, "tags": stamped(said.get("tags"))}
    if again := args.get("reexecutionParams"):
        again["extraTags"] = stamped(again.get("extraTags"))


def _stamp_backfill(context: RoleContext, result: Any) -> None:
    """A backfill that repeats one has its tags, and Dagster takes no others for it."""
    if backfill := context.instance.get_backfill(getattr(result, "backfill_id", None) or ""):
        tags = {**backfill.tags, **context.get_viewer_tags()}
        context.instance.update_backfill(backfill._replace(tags=tags))


MOST_CHARACTERS = 1000
"""Of one detail in the audit log."""
NAMED = ("runId", "backfillId", "partitionsDefName", "concurrencyKey", "repositoryLocationName")


def _named(args: Mapping[str, Any], concerns: Concerns) -> dict[str, str]:
    """Names and ids among the arguments, for the audit log. Settings of a run and keys of partitions are none."""
    found = {name: args[name] for name in NAMED if args.get(name)}
    if assets := sorted(f"{one.use_case}/{one.asset}" for one in concerns if one.asset):
        found["assets"] = " ".join(assets)
    if args.get("runIds"):
        found["runId"] = " ".join(args["runIds"])
    if again := args.get("reexecutionParams"):
        found["repeats"] = again["parentRunId"]
    for name in ("schedule_selector", "sensor_selector", "selector_data"):
        for key in ("scheduleName", "sensorName"):
            if key in (args.get(name) or {}):
                found[key] = args[name][key]
    return {name: str(value)[:MOST_CHARACTERS] for name, value in found.items()}


def _read(name: str, resolve: Resolver, read: Read | None, again: bool = False) -> Resolver:
    def resolved(root: Any, info: Any, **args: Any) -> Any:
        context: RoleContext = info.context
        if again:
            context.judge.look_again()
            context.opened.clear()
        if not context.judge.rules.signs_in or (read and read.instead and _is_opened(context, info.path)):
            return resolve(root, info, **args)
        asked = needs(read.action, read.of(context, root, args)) if read else set()
        ruling = context.judge.may(asked) if read else NOT_LISTED
        if ruling:
            context.opened += [info.path] if read and read.opens else []
            return resolve(root, info, **args)
        if read and read.instead:
            return read.instead(ruling.why)
        _refuse(context, ruling, name, asked)
        raise Refused(ruling.why)

    return resolved


def _none_of_a_mutation(resolve: Resolver) -> Resolver:
    """Whoever may start a run reads why it did not start, not where in the code of the server."""

    def resolved(root: Any, info: Any, **args: Any) -> Any:
        if info.context.judge.rules.signs_in and info.operation.operation is OperationType.MUTATION:
            return []
        return resolve(root, info, **args)

    return resolved


def _opened(resolve: Resolver, read: Read) -> Resolver:
    def resolved(root: Any, info: Any, **args: Any) -> Any:
        context: RoleContext = info.context
        if context.judge.may(needs(read.action, read.of(context, root, args))):
            context.opened.append(info.path)
        return resolve(root, info, **args)

    return resolved


def _is_opened(context: RoleContext, path: Any) -> bool:
    """Whether a place in the answer belongs to one above it that the person may read. On the way there may be events
    and errors only: from a run, an asset or a job a query reaches those of others."""
    while path:
        if any(path is one for one in context.opened):
            return True
        if path.typename and path.typename not in BELOW and not path.typename.endswith("Event"):
            return False
        path = path.prev
    return False


def _flag(action: str, of: OfField) -> Resolver:
    def resolved(root: Any, info: Any, **args: Any) -> bool:
        context: RoleContext = info.context
        return not context.read_only and bool(context.judge.may(needs(action, of(context, root, args))))

    return resolved


def _manifest(resolve: Resolver) -> Resolver:
    def resolved(root: Any, info: Any, **args: Any) -> Any:
        assets = resolve(root, info, **args)
        may = info.context.judge.may
        for asset in assets or ():
            concerns = of_inputs([asset["assetKey"]])
            asset |= {
                name: not info.context.read_only and bool(may(needs(action, concerns)))
                for name, action in MANIFEST.items()
            }
        return assets

    return resolved
