"""An installation with a checkpoint that was trained, evaluated and released."""

import json
import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from starlette.testclient import TestClient

from ft_platform.lake.opening import open_lake
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.models.base_model import resolve_here
from ft_platform.release.releasing import ASKED, _model
from ft_platform.reporting.publishing.evaluation import publish_base_evaluation, publish_evaluation_report
from ft_platform.reporting.publishing.training import checkpoint_for
from ft_platform.serving.api.app import build_app
from ft_platform.serving.api_keys import ApiKeys
from ft_platform.serving.installation import engine_and_catalog
from ft_platform.serving.lake_catalog import LakeCatalog
from ft_platform.serving.registry_check import RegistryCheck
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.schema import UseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import write_use_case
from ft_platform_tests.evaluation.releases import released
from ft_platform_tests.evaluation.tiny_case import attributes_for, rows_for, splits_schema
from ft_platform_tests.serving.fakes import wait_until
from ft_platform_tests.tiny_models import save_tiny_model, tiny_tokenizer, usable_splits

LOG = logging.getLogger("test")


class Installation:
    """A use case with a checkpoint that was trained, evaluated and released. Not by the gate: a tiny random model
    passes none."""

    def __init__(
        self,
        home: Path,
        objective: str,
        kind: str = "classification",
        name: str = "complaints",
        lake_root: str = "",
        method: str = "lora",
        **evaluation: Any,
    ) -> None:
        self.environment = Environment(home=home, defs=home / "defs", tracking_uri="none", lake_root=lake_root)
        self.attributes = attributes_for(save_tiny_model(home / "model"), kind, **evaluation)
        self.attributes["training"] |= {"objective": objective, "method": method}
        write_use_case(self.environment.defs, name, self.attributes)
        self.use_case = NamedUseCase(name=name, settings=UseCase.model_validate(self.attributes))
        self.lake: Lake = open_lake(self.environment)
        self.rows = rows_for(kind)
        self.splits = usable_splits(self.lake, self.use_case, self.rows, splits_schema(self.use_case))
        of = (self.lake, self.environment, self.use_case, self.splits)
        self.checkpoint = checkpoint_for(*of, LOG).checkpoint
        self.report = publish_evaluation_report(*of, self.checkpoint, publish_base_evaluation(*of))
        self.release = self.releases(self.checkpoint)

    def releases(self, checkpoint: ArtifactVersion, **changes: Any) -> ArtifactVersion:
        with self.lake.scratch(self.use_case.name, "release_decision") as folder:
            folder.mkdir(parents=True)
            evidence = [{"stage": "evaluation_report", "id": self.report.id}]
            said = {"decision": "accepted", "evidence": evidence}
            (folder / "decision.json").write_text(json.dumps(said))
            decision = self.lake.publish(
                self.use_case.name, "release_decision", f"decision-{checkpoint.id}", folder, parents=[checkpoint],
                settings_hash="s", input_hash=checkpoint.id,
                info={"decision": "accepted", "checkpoint": checkpoint.artifact_id},
            )  # fmt: skip
        asked = self.use_case.settings.evaluation.model_dump(mode="json", include=set(ASKED))
        record = {
            **_model(self.lake, checkpoint),
            "asked": asked,
            "decision": {"id": decision.id, "content_hash": decision.content_hash},
            "released_at": "2026-03-01T00:00:00+00:00",
            **changes,
        }
        return released(self.lake, checkpoint, record=record)

    def another(self, change: Callable[[Path], None] = lambda folder: None) -> ArtifactVersion:
        """A copy of the checkpoint under another id, changed."""
        with self.lake.local_copy(self.checkpoint) as files, self.lake.scratch(self.use_case.name, "x") as copy:
            shutil.copytree(files, copy, ignore=shutil.ignore_patterns("manifest.json"))
            (copy / "note.txt").write_text("another")
            change(copy)
            return self.lake.publish(
                self.use_case.name,
                "adapter_checkpoint",
                "ckpt-another",
                copy,
                parents=[self.splits],
                settings_hash="s",
                input_hash="another",
            )

    def catalog(self, release: str | None = None, registry: RegistryCheck | None = None) -> LakeCatalog:
        base = resolve_here(self.use_case.settings.base_model, self.environment)
        names = [self.use_case.name]
        return LakeCatalog(self.environment, self.lake, names, tiny_tokenizer(), base, 512, release, registry)

    @contextmanager
    def serving(self, waits: bool = True) -> Iterator[TestClient]:
        engine, catalog = engine_and_catalog(self.environment, [])
        app = build_app(engine, catalog, ApiKeys(None))
        with TestClient(app, base_url="http://127.0.0.1:8000") as client:
            wait_until(lambda: not waits or bool(client.get("/v1/models").json().get("data")), 30)
            yield client


def copied(made: Installation, home: Path) -> Installation:
    """A copy that a test may damage."""
    copy = Installation.__new__(Installation)
    shutil.copytree(made.environment.home, home)
    vars(copy).update(vars(made))
    copy.environment = Environment(home=home, defs=home / "defs", tracking_uri="none")
    copy.lake = open_lake(copy.environment)
    return copy
