"""The audit of a version of `splits`, from the stored rows to a published report and verdict."""

import json
from typing import Any

from ft_platform.lake.draft import Draft
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.stages import AUDIT_PAGE, TRAINING_AUDIT, check_settings_hash
from ft_platform.training.audit import REPORT, figures_of
from ft_platform.training.audit_faults import KINDS
from ft_platform.training.audit_verdict import FIGURES, add_verdict, audit_inputs, current_verdict, existing_audit
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment


def audit_for(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion:
    """The audit of these splits: an existing one, or a new one. Its verdict is stored with the splits.

    Raises:
        BaseModelError: the base model or its tokenizer cannot be loaded.
        CorruptVersion, VersionRefused: the splits are not those of the handle.
    """
    audit = existing_audit(lake, use_case, splits) or _audit(lake, environment, use_case, splits)
    if current_verdict(lake, use_case, splits) is None:
        add_verdict(lake, use_case, splits, audit)
    return audit


def _audit(lake: Lake, environment: Environment, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion:
    settings = check_settings_hash(use_case, "splits", TRAINING_AUDIT)
    draft = Draft(lake, use_case, AUDIT_PAGE, *audit_inputs(use_case, splits), [splits], settings)
    figures = figures_of(lake, environment, use_case, splits)
    with draft.folder() as folder:
        (folder / FIGURES).write_text(json.dumps(figures, indent=1), encoding="utf-8")
        (folder / REPORT).write_text(_page(use_case, splits, figures), encoding="utf-8")
        info = {"table": splits.name, "version": splits.id, "content_hash": splits.content_hash}
        return draft.publish(folder, counts={"rows": figures["rows"]}, info=info)


def _page(use_case: NamedUseCase, splits: TableVersion, figures: dict[str, Any]) -> str:
    from ft_platform.reporting.html import page

    title = f"Audit of {splits.id} of {use_case.name}"
    return page("training_audit.html", title=title, figures=figures, kinds=KINDS, version=splits.id)
