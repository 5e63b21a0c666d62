"""From a release to an endpoint with its traffic: put it there, compare it with its evaluation, and only then switch.

What differs gets no traffic: the release before stays. A process that is killed in between leaves a candidate without
traffic, which the next deployment finds."""

import json
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from ft_platform.errors import DataError, FtError, VersionRefused
from ft_platform.lake.deployments import FILE, STAGE, Deployment, alone, deployments
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.lake.releases import Release, released_versions, require_not_blocked, standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.rendering.renderer import Renderer
from ft_platform.monitoring.rollout.conducting import end_by_person, require_none_under_way, rollout_for
from ft_platform.people.person import Person, at_this_machine
from ft_platform.process import progress
from ft_platform.reporting.deployment_report import write_deployment_report
from ft_platform.serving.exports import exported
from ft_platform.serving.golden import golden_set
from ft_platform.serving.guardrails.effect import effect
from ft_platform.serving.live import live_path
from ft_platform.serving.load_test import cost_per_1000, load_test
from ft_platform.serving.parity import asker, in_words, measured
from ft_platform.serving.rendering import renderer_of
from ft_platform.serving.targets.contract import Endpoint, Model, Target
from ft_platform.serving.targets.local import Local
from ft_platform.serving.targets.opening import open_target
from ft_platform.serving.targets.patience import cleared
from ft_platform.tracking.registry import disagreement, remedy, show_releases
from ft_platform.use_case.file import load_use_case, use_case_folder
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import SUGGESTS
from ft_platform.use_case.settings.hash import settings_hash
from ft_platform.use_case.settings.serving_targets import LocalTarget

READY_SECONDS = 1800.0
"""A machine with a GPU may have to be found, and weights to be copied to it."""
KNOWN_RECORDS = 20
"""Test records that are asked where this checkpoint was compared at this target before: going back takes seconds."""
GUARDED_RECORDS = 50
"""Most test records that are asked with and without guardrails."""


def chosen_release(lake: Lake, use_case: str, release_id: str = "") -> Release:
    """A release that stands: that with this id, or the newest.

    Raises:
        DataError: there is none.
    """
    standing = standing_releases(lake, use_case)
    found = next((one for one in standing if release_id in ("", one.id)), None)
    if found is None:
        what = f"no release {release_id} that stands" if release_id else "no release that stands"
        raise DataError(f"{use_case} has {what}", f"See: ft releases {use_case}")
    return found


def deploy(
    lake: Lake,
    environment: Environment,
    use_case: NamedUseCase,
    name: str,
    release: Release,
    *,
    by: Person | None = None,
) -> ArtifactVersion:
    """Gives a release the traffic of a target, and returns the record of it. A second deployment to the same target
    waits for the first.

    Args:
        by: who deploys; default the account of the operating system.

    Raises:
        VersionRefused: the release may not be used, it was rolled back automatically and nobody has looked, a rollout
            is under way, the registry names another one, or the endpoint answers otherwise than the evaluation did.
        EndpointFailed: the target failed; what had the traffic has it still.
        ExportRefused: the model cannot be had in the form that the target needs.
    """
    _, checkpoint = released_versions(lake, release)
    require_not_blocked(lake, release)
    if said := disagreement(environment, lake, use_case.name):
        raise VersionRefused(said, remedy(use_case.name))
    if release.record.get("claim") == SUGGESTS and use_case.settings.serving.targets[name].kind != "local":
        raise VersionRefused(
            f"{release.id} only suggests, and {name} does not say that a person decides",
            "Deploy it to a target of kind local, or have it decided about anew: gate.claim: decides",
        )
    target = open_target(environment, use_case, name, beside=_beside(environment, use_case, name))
    renderer = renderer_of(environment, lake, release)
    model = Model(
        use_case.name,
        release.id,
        release.record["kind"],
        tuple(renderer.labels),
        lambda form: exported(environment, use_case.name, checkpoint, form),
        release.record["asked"]["max_prompt_tokens"] + release.record["asked"]["max_new_tokens"],
    )
    if release.record.get("back_to"):  # an incident does not wait for a rollout
        end_by_person(lake, environment, use_case, promote=False, reason=f"rolled back to {release.id}", by=by or "")
    with alone(environment, use_case.name, name):
        require_none_under_way(environment, use_case, name)
        before = target.status()
        known = deployments(lake, use_case.name, name)
        back_to, back_from = release.record.get("back_to"), release.record.get("back_from")
        if back_to and before.live == back_to and back_from:  # the traffic was given back at once (`going_back`)
            previous = back_from
        else:
            previous = before.live if before.live != release.id else _before(known, release)
        with cleared(lambda: _go_back(target, before.live, release.id)):
            target.deploy(model)
            waits = partial(progress.report, STAGE, 0, None, "")
            endpoint = target.wait(model, READY_SECONDS, lambda what: waits(waits_for=what))
            measured = _measured(lake, use_case, name, release, renderer, endpoint)
            who = by or at_this_machine()
            about = {
                "number": len(known) + 1,
                "previous": previous,
                "deployed_by": who.name,
                "known_by": who.known_by,
                **measured,
            }
            rollout = rollout_for(lake, use_case, name, release, before.live, known)
            if rollout and isinstance(target, Local):
                about["rollout"] = rollout.rules.model_dump(mode="json")
                made = _recorded(lake, use_case, name, release, checkpoint, target, about)
                target.roll_out(rollout)
                return made
            target.switch(release.id)
            made = _recorded(lake, use_case, name, release, checkpoint, target, about)
        for old in target.status().others:
            if old != previous:  # it stays, to go back to
                target.delete(old)
    show_releases(environment, lake, use_case.name)  # the candidate has the traffic now
    return made


def _go_back(target: Target, live: str | None, release: str) -> None:
    """To what had the traffic before."""
    if live == release:
        return
    if live is not None and target.status().live == release:
        target.switch(live)
    target.delete(release)


def _measured(
    lake: Lake, use_case: NamedUseCase, name: str, release: Release, renderer: Renderer, endpoint: Endpoint
) -> dict[str, Any]:
    """Comparison with the evaluation, speed, and what guardrails change; the last two as they were measured at an
    earlier deployment of this checkpoint.

    Raises:
        VersionRefused: the endpoint answers otherwise than the evaluation did.
    """
    earlier = _compared_before(lake, use_case, name, release)
    compared = partial(measured, lake, use_case, release, renderer, endpoint)
    found = compared(KNOWN_RECORDS) if earlier else None
    if found is None or not found["ok"]:  # of so few records rounding alone moves two now and then: all are asked
        found = compared(use_case.settings.serving.parity_records)
    if not found["ok"]:
        raise VersionRefused(
            f"{endpoint.url} does not answer as {release.id} was evaluated: {in_words(found)}",
            "It gets no traffic; what had it has it still",
        )
    if earlier:
        return {"parity": found, "load": earlier["load"], "guardrails": earlier["guardrails"]}
    return {
        "parity": found,
        "load": _load(lake, use_case, release, renderer, endpoint),
        "guardrails": _effect(lake, use_case, release, renderer, endpoint),
    }


def _recorded(
    lake: Lake,
    use_case: NamedUseCase,
    name: str,
    release: Release,
    checkpoint: ArtifactVersion,
    target: Target,
    about: Mapping[str, Any],
) -> ArtifactVersion:
    """The record of a switch, published.

    Args:
        about: what is known of it before.
    """
    settings, cost, live = use_case.settings.serving.targets[name], target.cost_per_day(), target.status().answers_at()
    record = {
        "target": name,
        "kind": settings.kind,
        "release": release.id,
        "checkpoint": {"id": checkpoint.id, "content_hash": checkpoint.content_hash},
        "endpoint": live.url,
        "model": live.model,
        "engine": "ours" if live.ours else "other",
        **about,
        "cost_per_day": cost,
        "cost_per_1000_requests": cost_per_1000(about["load"], cost),
        "currency": settings.currency,
        "deployed_at": now(),
    }
    return _publish(lake, use_case, release, record)


def _load(
    lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, endpoint: Endpoint
) -> list[dict[str, Any]]:
    golden = golden_set(lake, use_case, release, renderer, KNOWN_RECORDS)
    ask = asker(endpoint, bool(renderer.labels), release.record["asked"]["max_new_tokens"])
    return load_test(ask, golden, lambda done, total: progress.report(STAGE, done, total, "requests of the load test"))


def _effect(
    lake: Lake, use_case: NamedUseCase, release: Release, renderer: Renderer, endpoint: Endpoint
) -> dict[str, Any] | None:
    """What guardrails change (`guardrails.effect`); None: the target has none of ours."""
    if not endpoint.ours:
        return None
    count = min(GUARDED_RECORDS, use_case.settings.serving.parity_records)
    golden = golden_set(lake, use_case, release, renderer, count)
    of = (endpoint, bool(renderer.labels), release.record["asked"]["max_new_tokens"])
    progress.report(STAGE, 0, None, "", waits_for=f"the effect of guardrails on {len(golden)} records")
    return effect(asker(*of), asker(*of, guardrails=False), golden, use_case.settings.task)


def _compared_before(lake: Lake, use_case: NamedUseCase, name: str, release: Release) -> Mapping[str, Any] | None:
    """The record of an earlier deployment of this checkpoint to this target, as it is set now."""
    settings, digest = _settings_hash(use_case, name), release.record["checkpoint"]["content_hash"]
    for one in deployments(lake, use_case.name, name):
        same = one.record["checkpoint"]["content_hash"] == digest
        if same and lake.manifest(one.version).info["settings"] == settings:
            return one.record
    return None


def _before(known: Sequence[Deployment], release: Release) -> str | None:
    return next((one.record["release"] for one in known if one.record["release"] != release.id), None)


def _settings_hash(use_case: NamedUseCase, name: str) -> str:
    serving = use_case.settings.serving
    target, guardrails = serving.targets[name], serving.guardrails
    return settings_hash({"target": target.model_dump(mode="json"), "guardrails": guardrails.model_dump(mode="json")})


def _beside(environment: Environment, use_case: NamedUseCase, name: str) -> list[str]:
    """Other use cases that a server which is started now serves as well: deployed to the same address, on the same base
    model, of which a process holds one."""
    found = []
    for file in sorted(live_path(environment.home, use_case.name).parent.glob("*.json")):
        try:
            other = load_use_case(use_case_folder(environment.defs, file.stem), environment=environment)
        except FtError:
            continue  # it is gone, or its file is broken: it takes no other one down
        urls = {one.url for one in other.settings.serving.targets.values() if isinstance(one, LocalTarget)}
        address = getattr(use_case.settings.serving.targets[name], "url", None)
        if other.name != use_case.name and address in urls and _same_base(other, use_case):
            found.append(other.name)
    return found


def _same_base(one: NamedUseCase, other: NamedUseCase) -> bool:
    bases = (one.settings.trained_base, other.settings.trained_base)
    return bases[0] == bases[1] or WORDS_ONLY in bases  # those of words stand beside any


def _publish(lake: Lake, use_case: NamedUseCase, release: Release, record: dict[str, Any]) -> ArtifactVersion:
    inputs = settings_hash(record)
    draft = Draft(lake, use_case, STAGE, f"deployment-{inputs[:12]}", inputs, [release.version])
    with draft.folder() as folder:
        (folder / FILE).write_text(json.dumps(record, indent=1, ensure_ascii=False), encoding="utf-8")
        write_deployment_report(folder, draft, record)
        parity = record["parity"]
        return draft.publish(
            folder,
            counts={"records_asked": parity["asked"], "decisions_equal": parity["decisions_equal"]["value"]},
            info={
                "target": record["target"],
                "release": release.id,
                "settings": _settings_hash(use_case, record["target"]),
            },
        )
