"""Releases in MLflow's Model Registry: one registered model per use case, one version per release, and the aliases
`champion`, `previous` and `candidate`. `MLFLOW_REGISTRY_URI` names another registry than that of the tracking server;
for Unity Catalog (`databricks-uc`) `FT_REGISTRY_PREFIX` must be `<catalog>.<schema>.`.

The lake decides what is released; the registry shows it to people and programs that look there. `champion` is the
newest release that stands, as for gates and reports, whoever has the traffic; `candidate` is the newest release once
something was deployed, until it gets the traffic of a target (`lake.deployments.candidate`). A version has the files of
the checkpoint (safetensors), the record and signature of its release, and an `MLmodel` with a signature and no flavor:
nothing in it can be executed, so `mlflow.pyfunc.load_model` refuses it. Covered: an alias that somebody moved by hand,
and a version whose digest is not that of its release (`disagreement`). Not covered: files that somebody replaced in the
store of the registry, and an alias that is missing. A registry that wants a flavor refuses the version; the release
stands without, and its state gives the reason."""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from ft_platform.errors.printable import printable
from ft_platform.lake.deployments import candidate
from ft_platform.lake.releases import FILE, SIGNATURE, Release, releases
from ft_platform.lake.store import Lake
from ft_platform.tracking.tracker import RunDescription, State
from ft_platform.tracking.trackers.mlflow import NAME, MlflowTracker, import_library
from ft_platform.use_case.settings.environment import Environment

CHAMPION, PREVIOUS, CANDIDATE = "champion", "previous", "candidate"
MODEL = "model"
"""Folder of a run in which the files of a version lie."""
CARD_CHARACTERS = 4000
REASON_CHARACTERS = 300
LOG = logging.getLogger(__name__)


class NotShown(OSError):
    """A release is no version; the message says why."""


def show_releases(environment: Environment, lake: Lake, use_case: str, card: str = "", log: Any = LOG) -> State:
    """Makes a version of every release that has none and sets the aliases. A registry that fails costs no release.

    Args:
        card: model card of the newest release, the description of its version.

    Returns:
        `{"tracker", "model", "versions"}`, or why not all was shown: `off: ...`, `failed: ...`.
    """
    if off := _off(environment):
        return off
    return _Registry(environment, use_case, log).show(lake, releases(lake, use_case), card)


def disagreement(environment: Environment, lake: Lake, use_case: str) -> str | None:
    """What the registry says else than the lake; None: nothing, or there is no registry, or it does not answer."""
    if not has_registry(environment) or _off(environment):
        return None
    return _Registry(environment, use_case, LOG).disagreement(lake, releases(lake, use_case))


def has_registry(environment: Environment) -> bool:
    """Whether a registry may say something: there is a server, or its database exists. Asks nobody."""
    if NAME not in environment.trackers or environment.mlflow_uri == "none" or find_spec("mlflow") is None:
        return False
    database = environment.mlflow_uri.partition("sqlite:///")[2]
    return not database or Path(database).exists() or bool(os.environ.get("MLFLOW_REGISTRY_URI"))


def remedy(use_case: str) -> str:
    """What to do about a disagreement."""
    return f"The lake decides. To set the registry right: ft releases {use_case} --sync"


def _off(environment: Environment) -> str:
    """Why there is no registry; empty if there is one."""
    if NAME not in environment.trackers or environment.mlflow_uri == "none":
        return "off: MLflow is no tracker of this installation"
    try:
        import_library(environment.mlflow_uri)
    except ImportError:
        return "off: mlflow is not installed"
    return ""


class _Registry(MlflowTracker):
    """The registered model of one use case; what goes wrong with the server is a state, as for runs."""

    def __init__(self, environment: Environment, use_case: str, log: Any) -> None:
        self._uri, self._use_case = environment.mlflow_uri, use_case
        self._model = f"{environment.registry_prefix}{use_case}"
        self._connect(self._uri, log)

    def show(self, lake: Lake, found: Sequence[Release], card: str) -> State:
        known: dict[str, Any] | None = None
        with self.reported("read"):
            if self._client is not None:
                self._ensure_model()
                known = self._known()
        if known is None:
            return self._state
        refused = ""
        for release in reversed(found):
            if release.id not in known:
                with self.reported("artifacts"):
                    self._add(lake, release, card if release is found[0] else "")
                    continue
                refused = str(self._state)
        with self.reported("aliases"):
            known = self._known()
            for release in found:
                if release.withdrawn and release.id in known and "withdrawn" not in known[release.id].tags:
                    self._tag_withdrawn(known[release.id])
            self._set_aliases(known, _aliases(lake, self._use_case, found))
            self._state = refused or {"tracker": NAME, "model": self._model, "versions": len(known)}
        return self._state

    def _tag_withdrawn(self, version: Any) -> None:
        self._client.set_model_version_tag(self._model, version.version, "withdrawn", "true")

    def _set_aliases(self, known: Mapping[str, Any], aliases: Mapping[str, str | None]) -> None:
        named = self._named()
        for alias, wanted in aliases.items():
            version = known.get(wanted or "")
            if version and named.get(alias) != str(version.version):
                self._client.set_registered_model_alias(self._model, alias, version.version)
            elif version is None and alias in named:  # better none than one on another release
                self._client.delete_registered_model_alias(self._model, alias)

    def disagreement(self, lake: Lake, found: Sequence[Release]) -> str | None:
        said: list[str] = []
        if self._client is None:
            return None
        with self.reported("read"):
            versions, named = self._versions(), self._named()
            of = {str(one.version): one.tags["release"] for one in versions}
            for alias, wanted in _aliases(lake, self._use_case, found).items():
                if alias in named and (there := of.get(named[alias])) != wanted:
                    said.append(
                        f"its alias {alias} is on {there or 'a version of no release'}, not on {wanted or 'any'}"
                    )
            digests = {one.id: one.record["checkpoint"]["content_hash"] for one in found}
            said += [
                f"its version {one.version} is not {one.tags['release']} as it was released"
                for one in versions
                if digests.get(one.tags["release"]) != one.tags.get("content_hash")
            ]
        return f"the registry disagrees with the lake about {self._model}: {'; '.join(said)}" if said else None

    def _why(self, error: Exception) -> str:
        """With the reason: a registry hears nothing that its answer could give away."""
        if isinstance(error, NotShown):
            return str(error)
        code, message = getattr(error, "error_code", ""), getattr(error, "message", "")
        told = f" ({code}: {printable(str(message))[:REASON_CHARACTERS]})" if code else ""
        return f"{type(error).__name__}{told}"

    def _versions(self) -> list[Any]:
        """Those of releases that are complete."""
        found: list[Any] = []
        page, token = None, None
        while page is None or token:
            page = self._client.search_model_versions(f"name='{self._model}'", page_token=token)
            token = page.token
            found += page
        if found and not isinstance(found[0].tags, dict):  # Unity Catalog tells tags of one version at a time
            found = [self._client.get_model_version(self._model, one.version) for one in found]
        return [one for one in found if "release" in one.tags and one.status == "READY"]

    def _known(self) -> dict[str, Any]:
        """Id of a release -> its version."""
        return {one.tags["release"]: one for one in self._versions()}

    def _named(self) -> dict[str, str]:
        """Alias -> version; empty where there is no such model."""
        from mlflow.exceptions import MlflowException

        try:
            found = self._client.get_registered_model(self._model).aliases
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            return {}
        return {name: str(to) for name, to in found.items()}

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException
        from mlflow.utils.uri import is_databricks_unity_catalog_uri

        if is_databricks_unity_catalog_uri(self._client._registry_uri) and self._model.count(".") != 2:
            raise NotShown("Unity Catalog needs FT_REGISTRY_PREFIX=<catalog>.<schema>.")
        try:
            self._client.create_registered_model(self._model, tags={"use_case": self._use_case})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _add(self, lake: Lake, release: Release, card: str) -> None:
        """A run with the files of the release, and a version of it.

        Raises:
            NotShown: the run could not be started.
        """
        record = release.record
        tags = {
            "release": release.id,
            "checkpoint": release.checkpoint,
            "content_hash": record["checkpoint"]["content_hash"],
            "decision": record["decision"]["id"],
            "evidence_sha256": record["evidence"]["sha256"],
            "renderer_hash": record["renderer_hash"],
            "base_model": record["base_model"]["uri"],
            "base_model_sha256": record["base_model"]["sha256"],
        }
        run = MlflowTracker(self._uri, RunDescription(self._use_case, "release", release.id, tags), self._log)
        if isinstance(run.state(), str):
            raise NotShown(str(run.state()))
        try:
            with _model_folder(lake, release, str(run._run)) as folder:
                source = run.keep(folder, MODEL)
            self._client.create_model_version(
                self._model,
                source,
                run._run,
                tags=tags,
                description=card[:CARD_CHARACTERS] or None,
                await_creation_for=60,
            )
        except Exception as error:
            run.abandon(type(error).__name__)
            raise
        run.finish({})


def _aliases(lake: Lake, use_case: str, found: Sequence[Release]) -> dict[str, str | None]:
    """Alias -> id of the release that it belongs on, by the lake."""
    standing = [one for one in found if one.withdrawn is None]
    champion = standing[0] if standing else None
    previous = next((o for o in standing[1:] if champion and o.checkpoint != champion.checkpoint), None)
    tried = candidate(lake, use_case, [one.id for one in standing])
    return {CHAMPION: champion and champion.id, PREVIOUS: previous and previous.id, CANDIDATE: tried}


@contextmanager
def _model_folder(lake: Lake, release: Release, run: str) -> Iterator[Path]:
    """The files of a version."""
    from mlflow.models import Model, ModelSignature
    from mlflow.types import ColSpec, DataType, Schema

    checkpoint = lake.artifact(release.version.use_case, "adapter_checkpoint", release.checkpoint)
    assert checkpoint is not None  # was compared with its release
    text = Schema([ColSpec(DataType.string, "text")])
    signature = ModelSignature(inputs=text, outputs=Schema([ColSpec(DataType.string, "answer")]))
    with tempfile.TemporaryDirectory(prefix="ft-model-") as place, lake.local_copy(checkpoint) as files:
        folder = Path(place) / MODEL
        shutil.copytree(files, folder)
        for name in (FILE, SIGNATURE):
            (folder / name).write_bytes(lake.read_file(release.version, name))
        about = {"release": release.id, "use_case": release.version.use_case, "kind": release.record["kind"]}
        Model(artifact_path=MODEL, run_id=run, signature=signature, flavors={}, metadata=about).save(folder / "MLmodel")
        yield folder
