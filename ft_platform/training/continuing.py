"""Which checkpoint a training continues from, and whether it may. No torch here: the orchestrator asks before it starts
a program.

Covered: everything that the earlier checkpoint was trained on must still be on the train side, and nothing that it was
validated on may be on the test side; withdrawn and erased records; privacy settings that were changed since; weights,
labels and rendering that do not fit.
Not covered: records whose text or label was corrected since under the same id. The weights have seen both.
"""

import json
from collections.abc import Mapping
from typing import Any

import pyarrow.compute as pc
from deltalake.exceptions import DeltaError

from ft_platform.errors import ConfigError, CorruptVersion, DataError, FtError, VersionRefused
from ft_platform.lake.parents import tables_behind, version_of_parent
from ft_platform.lake.provenance import find_checkpoint, learned_record_ids, training_record_ids
from ft_platform.lake.releases import standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.taint import taint_of, taint_text
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.models.base_model import ResolvedModel
from ft_platform.models.rendering.renderer import Renderer, labels_of
from ft_platform.stages import STAGES
from ft_platform.training.inputs import checkpoint_inputs
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.training import CHAMPION, NEWEST, Training

STAGE, ANONYMIZED = "adapter_checkpoint", "anonymized_records"
SHAPE = ("objective", "method", "rank", "alpha", "rslora", "dora", "target_modules")
"""Settings that decide which weights there are and what they mean."""
OF_ADAPTERS = SHAPE[2:]


def start_of(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion | None:
    """The checkpoint that training on `splits` continues from, or None: it starts from the base model.

    `newest` is the newest checkpoint, `champion` the released one. Where that was itself continued, by these settings
    on this content, it is what the checkpoint before it gives: a command that is repeated trains nothing.

    Raises:
        VersionRefused: there is none, it cannot be read, or it has weights of another kind.
    """
    named = require_start(lake, use_case)
    if named is None or use_case.settings.training.continue_from not in (NEWEST, CHAMPION):
        return named
    before = continued_from(lake, named)
    made = before and lake.manifest(named).input_hash == checkpoint_inputs(use_case, splits, before)[1]
    return before if made else named


def require_start(lake: Lake, use_case: NamedUseCase) -> ArtifactVersion | None:
    """The checkpoint that `training.continue_from` names, or None: it names none. Asks nothing about data.

    Raises:
        VersionRefused: as `start_of`.
    """
    training = use_case.settings.training
    if training.continue_from is None:
        return None
    if training.continue_from == NEWEST:
        start = _newest(lake, use_case.name)
    elif training.continue_from == CHAMPION:
        start = _champion(lake, use_case.name)
    else:
        try:
            start = find_checkpoint(lake, use_case.name, training.continue_from)
        except DataError as error:
            raise VersionRefused(f"training.continue_from: {error.message}", error.next_step) from None
    lake.verify_artifact(start)
    told = json.loads(lake.read_file(start, "training.json"))
    if told.get("differential_privacy"):
        raise _refused(start, "it was trained with differential privacy, whose promise a further training would break")
    then, now = Training.of_checkpoint(told), training
    names = [name for name in SHAPE if training.method == "lora" or name not in OF_ADAPTERS]
    other = [(f"training.{name}", getattr(then, name), getattr(now, name)) for name in names]
    base = lake.manifest(start).info.get("base_model", {})
    present = use_case.settings.base_model.quantization
    other.append(("base_model.quantization", base.get("quantization", present), present))
    changed = [f"{name} was {was} and is {now} now" for name, was, now in other if was != now]
    if changed:
        raise _refused(start, "; ".join(changed), "Set what it was")
    return start


def weights_of(lake: Lake, use_case: NamedUseCase) -> tuple[str, str]:
    """Id of the champion's checkpoint if a retraining trains it further, else empty; and why not, if
    `retraining.start` asks for it.

    Raises:
        ConfigError: the file also says `training.continue_from`.
        CorruptVersion: the champion's checkpoint was altered.
    """
    if use_case.settings.retraining.start != CHAMPION:
        return "", ""
    settings = use_case.settings
    if settings.training.continue_from:
        raise ConfigError(
            [f"retraining.start and training.continue_from of {use_case.name} both say what a retraining starts from"],
            f"Remove training.continue_from; for one run: ft run {use_case.name} --continue",
        )
    training = settings.training.model_copy(update={"continue_from": CHAMPION})
    further = use_case.model_copy(update={"settings": settings.model_copy(update={"training": training})})
    try:
        start = require_start(lake, further)
        assert start
        splits = lake.latest(use_case.name, "splits")
        if splits:
            require_no_leak(lake, further, splits, start)
    except CorruptVersion:
        raise
    except VersionRefused as refusal:
        return "", refusal.message
    told = json.loads(lake.read_file(start, "training.json"))
    wanted = settings.base_model.model_dump(include={"uri", "revision", "sha256"})
    other = [name for name, value in wanted.items() if value and value != told["base_model"].get(name)]
    if other:
        return "", f"base_model has another {' and '.join(other)} than {start.id}"
    if splits and told["labels"] and told["labels"] != labels_of(lake.read_table(splits, ["label", "split"])):
        return "", f"the train split has other labels than {start.id}"
    return start.id, ""


def name_to_type(use_case: NamedUseCase) -> str:
    """The use case as `ft run` takes it to train from the same start: `complaints --continue`."""
    wanted = use_case.settings.training.continue_from
    more = "" if wanted is None else " --continue" if wanted == NEWEST else f" --set training.continue_from={wanted}"
    return f"{use_case.name}{more}"


def _newest(lake: Lake, use_case: str) -> ArtifactVersion:
    made = lake.artifacts(use_case, STAGE)
    if not made:
        raise VersionRefused(
            f"{use_case} has no checkpoint that training could continue from",
            f"Train one first: ft run {use_case}, without --continue and training.continue_from",
        )
    return made[0]


def _champion(lake: Lake, use_case: str) -> ArtifactVersion:
    """The checkpoint of the newest release that stands, with the content that was released."""
    release = next(iter(standing_releases(lake, use_case)), None)
    if release is None:
        raise VersionRefused(
            f"{use_case} has no release that stands, so training cannot continue from its champion",
            f"Train from the base model: ft run {use_case}",
        )
    found = lake.artifact(use_case, STAGE, release.checkpoint, verify=False)
    if found is None or found.content_hash != release.record["checkpoint"]["content_hash"]:
        raise VersionRefused(
            f"{release.checkpoint} is not in the lake as {release.id} released it",
            f"Restore it, or train from the base model: ft run {use_case}",
        )
    return found


def continued_from(lake: Lake, checkpoint: ArtifactVersion) -> ArtifactVersion | None:
    """The checkpoint that a checkpoint was continued from."""
    for parent in lake.manifest(checkpoint).parents:
        if parent.name == STAGE:
            version = version_of_parent(lake, checkpoint.use_case, parent)
            assert isinstance(version, ArtifactVersion)
            return version
    return None


def require_no_leak(lake: Lake, use_case: NamedUseCase, splits: TableVersion, start: ArtifactVersion) -> None:
    """Returns if the weights of `start` hold nothing that training on `splits` may not know.

    A group of related records stands on one side (check `no_leakage`), and every record that `start` was trained on
    must be there, so nothing related to one is on another side either.

    Raises:
        VersionRefused: with how many records are on which side now, or what was withdrawn, erased or changed.
    """
    earlier: ArtifactVersion | None = start
    while earlier:
        if erased := lake.erased(earlier):
            raise _refused(start, f"the content of {earlier.id} has been erased ({erased})")
        if taint := taint_of(lake, earlier):
            raise _refused(start, taint_text(earlier.id, taint))
        earlier = continued_from(lake, earlier)
    before = _splits_of(lake, start)
    if erased := lake.erased(before):
        raise _refused(start, f"{before.id}, which it was trained on, has been erased ({erased})")
    then, now = (lake.manifest(tables_behind(lake, version)[ANONYMIZED]).settings_hash for version in (before, splits))
    if then not in (now, STAGES[ANONYMIZED].settings_hash(use_case)):
        raise _refused(start, f"settings or code of {ANONYMIZED} changed since, so it may know what is replaced now")
    try:
        trained, learned = training_record_ids(lake, start), learned_record_ids(lake, start)
    except (FtError, OSError, DeltaError) as error:
        raise _refused(start, f"the records it learned from cannot be read any more ({type(error).__name__})") from None
    rows = lake.read_table(splits, ["record_id", "split"])
    sides = {
        side: set(rows.filter(pc.field("split") == side)["record_id"].to_pylist())
        for side in ("train", "validation", "test")
    }
    found = [
        (len(trained & sides["test"]), "was trained on are now on the test side"),
        (len(trained & sides["validation"]), "was trained on are now on the validation side"),
        (len(trained - set().union(*sides.values())), "was trained on are not in the splits any more"),
        (len((learned - trained) & sides["test"]), "was validated on are now on the test side"),
    ]
    if problems := [f"{count} records that it {what}" for count, what in found if count]:
        raise _refused(start, "; ".join(problems))


def require_same_rendering(
    use_case: NamedUseCase, start: ArtifactVersion, told: dict[str, Any], renderer: Renderer, base: ResolvedModel
) -> None:
    """Raises VersionRefused if a checkpoint was trained on another base model, other labels or other prompts.

    Args:
        told: its `training.json`.
    """
    new, gone = (
        len(set(one) - set(other))
        for one, other in ((renderer.labels, told["labels"]), (told["labels"], renderer.labels))
    )
    problems = {
        f"it was trained on {(difference := base.other_than(told))}": difference,
        f"labels differ: {new} are new, {gone} are gone": new or gone,
        "its prompts were rendered otherwise (task, template or platform changed)": told["renderer_hash"]
        != renderer.hash,
    }
    if problem := next((text for text, differs in problems.items() if differs), None):
        raise _refused(start, problem)


def described(lake: Lake, start: ArtifactVersion) -> dict[str, Any]:
    """What the manifest of a continued checkpoint says about the one before it: `checkpoint`, `content_hash`,
    `records` and `splits` it was trained on, and `steps` made so far, in all trainings before."""
    return {
        "checkpoint": start.id,
        "content_hash": start.content_hash,
        "records": len(training_record_ids(lake, start)),
        "splits": _splits_of(lake, start).id,
        "steps": _steps(lake, start),
    }


def in_words(told: Mapping[str, Any]) -> str:
    """What a checkpoint was continued from, from its `training.json`; empty where it was trained from the start."""
    before = told.get("continued_from")
    if not before:
        return ""
    return (
        f"Continued from {before['checkpoint']}, which was trained on {before['records']:,} records of"
        f" {before['splits']} and had made {before['steps']:,} optimizer steps; the optimizer started anew."
    )


def _steps(lake: Lake, checkpoint: ArtifactVersion) -> int:
    info = lake.manifest(checkpoint).info
    return info.get("metrics", {}).get("steps", 0) + info.get("continued_from", {}).get("steps", 0)


def _splits_of(lake: Lake, checkpoint: ArtifactVersion) -> TableVersion:
    parent = next(parent for parent in lake.manifest(checkpoint).parents if parent.name == "splits")
    version = version_of_parent(lake, checkpoint.use_case, parent)
    assert isinstance(version, TableVersion)
    return version


def _refused(start: ArtifactVersion, why: str, instead: str = "") -> VersionRefused:
    again = f"{'T' if not instead else f'{instead}, or t'}rain from the start: ft run {start.use_case}"
    return VersionRefused(f"training cannot continue from {start.id}: {why}", f"{again}, without --continue")
