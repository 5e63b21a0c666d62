"""The models that releases in the lake name: of each use case what was deployed, else the champion, and the others of
`serving.live.listed`.

Covered: a release that was withdrawn, records that were withdrawn from what it learned from, a checkpoint or record
that was altered: the model is not listed any more. Of a use case whose registry names other releases than the lake,
nothing new is listed (`serving.registry_check`). A use case whose file or release cannot be read takes only its own
models away. Of an object store the bytes, and those of the copy here, are compared every `VERIFY_SECONDS`. Not covered:
a waiver that ended after the release; `ft releases` shows the last day."""

import json
import logging
import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from ft_platform.errors import FtError, VersionRefused
from ft_platform.evaluation.abstaining import ALWAYS
from ft_platform.lake.files import folder_hashes
from ft_platform.lake.releases import Release, released_versions, standing_releases
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.base_model import ResolvedModel, resolve_here
from ft_platform.models.cached_folder import cached_folder
from ft_platform.models.characters import Characters
from ft_platform.serving.catalog import ServedModel, Withheld
from ft_platform.serving.engine.words import CONTEXT
from ft_platform.serving.evaluated import abstaining_of
from ft_platform.serving.live import listed, read_live
from ft_platform.serving.registry_check import RegistryCheck
from ft_platform.serving.rendering import released_renderer
from ft_platform.serving.rollout.under_way import UnderWay
from ft_platform.tracking.registry import remedy
from ft_platform.use_case.file import FILE_NAME, load_use_case, use_case_folder
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.base_model import WORDS_ONLY, reads_words
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.gate import SUGGESTS

LOG = logging.getLogger(__name__)
VERIFY_SECONDS = 300.0


class LakeCatalog:
    """Reads the lake anew each time (`serving.catalog.Catalog`).

    Args:
        use_cases: names.
        tokenizer: of the base model that all of them have, but classifiers of words.
        base: that base model.
        context_tokens: of the engine.
        release: id of the only release that is served, of the only use case; None: those of `serving.live.listed`.
        registry: is asked about releases before they are served; None: nobody is.
    """

    def __init__(
        self,
        environment: Environment,
        lake: Lake,
        use_cases: Sequence[str],
        tokenizer: Any,
        base: ResolvedModel,
        context_tokens: int,
        release: str | None = None,
        registry: RegistryCheck | None = None,
    ) -> None:
        self._release, self._registry = release, registry
        self._agreed: set[tuple[str, str]] = set()
        self._given: dict[str, dict[str, str]] = {}
        self._withheld: dict[str, dict[str, Withheld]] = {}
        self._rollouts: dict[str, UnderWay] = {}
        self._environment, self._lake, self._use_cases = environment, lake, list(use_cases)
        self._tokenizer, self._base, self._context_tokens = tokenizer, base, context_tokens
        self._made: dict[tuple[str, str], ServedModel] = {}
        self._stamps: dict[tuple[str, str], tuple[int, int, int] | None] = {}
        self._verified: dict[str, float] = {}
        self._told: dict[str, str] = {}

    def models(self) -> list[ServedModel]:
        return [model for name in self._use_cases for model in self._models_of(name)]

    def find(self, name: str) -> ServedModel | None:
        return next((model for model in self.models() if model.name == name), None)

    def withheld(self) -> dict[str, Withheld]:
        return {name: why for found in self._withheld.values() for name, why in found.items()}

    def rollouts(self) -> dict[str, UnderWay]:
        return dict(self._rollouts)

    def _models_of(self, use_case: str) -> list[ServedModel]:
        self._rollouts.pop(use_case, None)
        try:
            live = read_live(self._environment.home, use_case) if self._release is None else None
            if live and live.rollout:
                self._rollouts[use_case] = live.rollout
            releases = self._agreed_on(use_case, self._listed(use_case))
            if live and not live.releases and standing_releases(self._lake, use_case):
                self._withheld[use_case][use_case] = "not_deployed"
        except (FtError, OSError) as error:
            self._tell(use_case, error)
            return []
        found = []
        for name, release in releases.items():
            try:
                found.append(self._model(name, release))
                self._told.pop(name, None)
            except (FtError, OSError, KeyError, ValueError) as error:
                self._tell(name, error)
        return found

    def _listed(self, use_case: str) -> dict[str, Release]:
        if self._release is None:
            return listed(self._lake, self._environment.home, use_case)
        only = [one for one in standing_releases(self._lake, use_case) if one.id == self._release]
        return {use_case: only[0]} if only else {}

    def _agreed_on(self, use_case: str, wanted: dict[str, Release]) -> dict[str, Release]:
        """Those that the registry has nothing against. A name of another one leads to the release before, while that
        stands."""
        new = frozenset(one.id for one in wanted.values() if (use_case, one.id) not in self._agreed)
        objection = self._registry.objection(use_case, new) if self._registry and new else ""
        about = f"What is new of {use_case}"
        if objection == "":
            self._told.pop(about, None)
            self._agreed |= {(use_case, one) for one in new}
        elif objection:
            self._tell(about, VersionRefused(objection, remedy(use_case)))
        standing = {one.id: one for one in standing_releases(self._lake, use_case)} if objection != "" else {}
        given, found = self._given.get(use_case, {}), dict[str, Release]()
        self._withheld[use_case] = {}
        for name, release in wanted.items():
            if (use_case, release.id) in self._agreed:
                found[name] = release
            elif before := standing.get(given.get(name, "")):
                found[name] = before
            else:
                self._withheld[use_case][name] = "registry_disagrees" if objection else "registry_is_asked"
        self._given[use_case] = {name: one.id for name, one in found.items()}
        return found

    def _tell(self, name: str, error: Exception) -> None:
        """Once for each reason: a listing is made every few seconds."""
        why = str(error) if isinstance(error, FtError) else type(error).__name__
        if self._told.get(name) != why:
            LOG.warning(f"{name} is not served: {why}")
            self._told[name] = why

    def _model(self, name: str, release: Release) -> ServedModel:
        is_due = self._is_due(release)
        _, checkpoint = released_versions(self._lake, release, verify=is_due)
        stamp = self._stamp(release.version.use_case)
        made = self._made.get((name, release.id))
        if made is None:
            made = self._make(name, release, checkpoint)
        elif stamp != self._stamps[name, release.id]:
            made = self._with_new_settings(made, release)
        if is_due and not self._lake.is_local:
            self._folder(checkpoint)
        self._made[name, release.id], self._stamps[name, release.id] = made, stamp
        return made

    def _stamp(self, use_case: str) -> tuple[int, int, int] | None:
        """Changes with the file of a use case."""
        try:
            found = (use_case_folder(self._environment.defs, use_case) / FILE_NAME).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_ino, found.st_size

    def _with_new_settings(self, model: ServedModel, release: Release) -> ServedModel:
        """The model with the file as it is now: what is captured, what guards it. A file with a mistake takes nothing
        away that is served: the settings before it stay until it is right again."""
        about = f"The changed file of {release.version.use_case}"
        try:
            settings = self._settings(release)
            changed = replace(model, settings=settings, abstain_below=self._abstain_below(release, settings))
            _ = changed.guardrails  # before it is served, as `Shelf` does
        except (FtError, OSError) as error:
            self._tell(about, error)
            return model
        self._told.pop(about, None)
        return changed

    def _is_due(self, release: Release) -> bool:
        """Whether to compare bytes: always where reading them costs milliseconds."""
        digest, now = release.record["checkpoint"]["content_hash"], time.monotonic()
        due = self._lake.is_local or now - self._verified.get(digest, -VERIFY_SECONDS) >= VERIFY_SECONDS
        if due:
            self._verified[digest] = now
        return due

    def _make(self, name: str, release: Release, checkpoint: ArtifactVersion) -> ServedModel:
        record, training = release.record, json.loads(self._lake.read_file(checkpoint, "training.json"))
        base, tokenizer, context = self._base, self._tokenizer, self._context_tokens
        if reads_words(record["base_model"]):
            base, tokenizer, context = resolve_here(WORDS_ONLY, self._environment), Characters(), CONTEXT
        if difference := base.other_than(training):
            raise VersionRefused(f"{release.id} was trained on {difference}", f"Run it apart: ft serve {name}")
        renderer = released_renderer(self._lake, release, checkpoint, tokenizer)
        labels, settings = tuple(renderer.labels), self._settings(release)
        return ServedModel(
            name=name,
            release=release.id,
            checkpoint=checkpoint.id,
            settings=settings,
            renderer=renderer,
            kind=record["kind"],
            labels=labels,
            context_tokens=context,
            folder=self._folder(checkpoint),
            abstain_below=self._abstain_below(release, settings),
            created=int(datetime.fromisoformat(record["released_at"]).timestamp()),
            suggests=record.get("claim") == SUGGESTS,
        )

    def _settings(self, release: Release) -> UseCase:
        """The file as it is now, with the limits that the model was evaluated with."""
        folder = use_case_folder(self._environment.defs, release.version.use_case)
        settings = load_use_case(folder, environment=self._environment).settings
        asked = settings.evaluation.model_copy(update=dict(release.record["asked"]))
        return settings.model_copy(update={"evaluation": asked})

    def _abstain_below(self, release: Release, settings: UseCase) -> float:
        found = abstaining_of(self._lake, release, settings.serving.guardrails)
        if found is None:
            return 0.0
        LOG.log(logging.WARNING if found.below == ALWAYS else logging.INFO, f"{release.id}: {found.says}")
        return found.below

    def _folder(self, checkpoint: ArtifactVersion) -> Path:
        """Where the engine reads the checkpoint: its place in a local lake, a copy of an object store's. A copy that is
        not as its manifest says is made again."""
        if self._lake.is_local:
            with self._lake.local_copy(checkpoint) as folder:
                return folder

        def copy(place: Path) -> None:
            with self._lake.local_copy(checkpoint) as folder:
                shutil.copytree(folder, place, dirs_exist_ok=True, ignore=shutil.ignore_patterns("manifest.json"))

        kept = self._environment.cache_path / "served" / checkpoint.content_hash
        if kept.is_dir() and folder_hashes(kept) != self._lake.file_hashes(checkpoint):
            LOG.warning(f"{checkpoint.id} was changed in the cache, and is copied from the lake again")
            shutil.rmtree(kept)
        return cached_folder(kept, copy)
