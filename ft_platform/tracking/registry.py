"""Releases in MLflow's Model Registry: one registered model per use case, one version per release, and the aliases
`champion` and `previous`. `MLFLOW_REGISTRY_URI` names another registry than that of the tracking server.

The lake decides what is released; the registry shows it to people and programs that look there. A version has the
files of the checkpoint (safetensors), the record and signature of its release, and an `MLmodel` with a signature and
no flavor: nothing in it can be executed, so `mlflow.pyfunc.load_model` refuses it. Covered: an alias that somebody
moved by hand, and a version whose digest is not that of its release (`disagreement`). Not covered: a registry that
wants a flavor refuses the version; the release stands without."""

import logging
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ft_platform.lake.releases import FILE, SIGNATURE, Release, releases
from ft_platform.lake.store import Lake
from ft_platform.settings.environment import Environment
from ft_platform.tracking.tracker import RunDescription, State
from ft_platform.tracking.trackers.mlflow import NAME, MlflowTracker, import_library

CHAMPION, PREVIOUS = "champion", "previous"
MODEL = "model"
"""Folder of a run in which the files of a version lie."""
CARD_CHARACTERS = 4000
LOG = logging.getLogger(__name__)


def show_releases(environment: Environment, lake: Lake, use_case: str, card: str = "", log: Any = LOG) -> State:
    """Makes a version of every release that has none and sets the aliases. A registry that fails costs no release.

    Args:
        card: model card of the newest release, the description of its version.

    Returns:
        `{"tracker", "model", "versions"}`, or why nothing was shown: `off: ...`, `failed: ...`.
    """
    if NAME not in environment.trackers or environment.mlflow_uri == "none":
        return "off: MLflow is no tracker of this installation"
    try:
        import_library(environment.mlflow_uri)
    except ImportError:
        return "off: mlflow is not installed"
    return _Registry(environment, use_case, log).show(lake, releases(lake, use_case), card)


def disagreement(environment: Environment, lake: Lake, use_case: str) -> str | None:
    """What the registry says else than the lake; None: nothing, or there is no registry, or it does not answer."""
    if NAME not in environment.trackers or environment.mlflow_uri == "none":
        return None
    try:
        import_library(environment.mlflow_uri)
    except ImportError:
        return None
    return _Registry(environment, use_case, LOG).disagreement(releases(lake, use_case))


class _Registry(MlflowTracker):
    """The registered model of one use case; what goes wrong with the server is a state, as for runs."""

    def __init__(self, environment: Environment, use_case: str, log: Any) -> None:
        self._uri, self._use_case = environment.mlflow_uri, use_case
        self._model = f"{environment.registry_prefix}{use_case}"
        self._connect(self._uri, log)

    def show(self, lake: Lake, found: Sequence[Release], card: str) -> State:
        if self._client is None:
            return self._state
        with self.reported("artifacts"):
            self._ensure_model()
            known = self._versions()
            for release in reversed(found):
                if release.id not in known:
                    self._add(lake, release, card if release is found[0] else "")
            known = self._versions()
            for release in found:
                if release.withdrawn and release.id in known:
                    self._client.set_model_version_tag(self._model, known[release.id].version, "withdrawn", "true")
            for alias, wanted in _aliases(found).items():
                if wanted in known:
                    self._client.set_registered_model_alias(self._model, alias, known[wanted].version)
                elif wanted is None:
                    self._client.delete_registered_model_alias(self._model, alias)
            self._state = {"tracker": NAME, "model": self._model, "versions": len(known)}
        return self._state

    def disagreement(self, found: Sequence[Release]) -> str | None:
        said: list[str] = []
        if self._client is None:
            return None
        with self.reported("read"):
            known, named = self._versions(), self._client.get_registered_model(self._model).aliases
            for alias, wanted in _aliases(found).items():
                there = next((name for name, one in known.items() if str(one.version) == str(named.get(alias))), None)
                if alias in named and there != wanted:
                    said.append(f"its alias {alias} is on {there or 'a version of no release'}, not on {wanted}")
            digests = {one.id: one.record["checkpoint"]["content_hash"] for one in found}
            said += [
                f"its version {one.version} is not {name} as it was released"
                for name, one in known.items()
                if digests.get(name) != one.tags.get("content_hash")
            ]
        return f"the registry disagrees with the lake about {self._model}: {'; '.join(said)}" if said else None

    def _versions(self) -> dict[str, Any]:
        """Id of a release -> its version."""
        found = self._client.search_model_versions(f"name='{self._model}'")
        return {one.tags["release"]: one for one in found if "release" in one.tags}

    def _ensure_model(self) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._client.create_registered_model(self._model, tags={"use_case": self._use_case})
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise

    def _add(self, lake: Lake, release: Release, card: str) -> None:
        """A run with the files of the release, and a version of it."""
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
        with _model_folder(lake, release, str(run._run)) as folder:
            run.register(folder, MODEL, self._model, tags, card[:CARD_CHARACTERS])


def _aliases(found: Sequence[Release]) -> dict[str, str | None]:
    """Alias -> id of the release that it belongs on, by the lake."""
    standing = [one for one in found if one.withdrawn is None]
    champion = standing[0] if standing else None
    previous = next((o for o in standing[1:] if champion and o.checkpoint != champion.checkpoint), None)
    return {CHAMPION: champion.id if champion else None, PREVIOUS: previous.id if previous else None}


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
