"""What an audit depends on, and its verdict in the lake. No transformers here: the orchestrator asks before it starts a
program."""

import hashlib
import json
from pathlib import Path
from typing import Any

from ft_platform.errors import VersionRefused
from ft_platform.lake.manifest import Verdict
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion, TableVersion
from ft_platform.stages import AUDIT_PAGE, TRAINING_AUDIT, check_settings_hash
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.hash import settings_hash

CODE_VERSION = 4
"""Raise when the audit finds other things in the same rows."""
FIGURES = "audit.json"
TOKENIZER_FILES = (
    "tokenizer*",
    "*config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
    "chat_template*",
)
SHOWN = (
    "rows",
    "supervised_share",
    "problems",
    "warnings",
    "special_tokens_neutralized",
    "rows_per_second",
    "renderer_hash",
    "expected",
)
"""Numbers of an audit that the verdict and the UI show as they are."""


def audit_inputs(use_case: NamedUseCase, splits: TableVersion) -> tuple[str, str]:
    """Id of the audit that these inputs give, and their hash: rows, settings of rendering, code, tokenizer of a base
    model on this machine."""
    from ft_platform.models.rendering.renderer import CODE_VERSION as RENDERER_VERSION

    parts = {
        "content": splits.content_hash,
        "settings": check_settings_hash(use_case, "splits", TRAINING_AUDIT),
        "code": [CODE_VERSION, RENDERER_VERSION],
        "tokenizer": _tokenizer_state(Path(use_case.settings.trained_base.uri).expanduser()),
    }
    inputs = settings_hash(parts)
    return f"audit-{inputs[:12]}", inputs


def _tokenizer_state(base: Path) -> str:
    """Hash of the tokenizer's files of a folder, which may change under the same name; a pinned package, revision or
    sha256 cannot."""
    if not base.exists():
        return ""
    digest = hashlib.sha256()
    if base.is_file():  # a GGUF file holds its tokenizer: size and time stand for a hash of gigabytes
        digest.update(f"{base.stat().st_size} {base.stat().st_mtime_ns}".encode())
    else:
        for path in sorted({path for pattern in TOKENIZER_FILES for path in base.glob(pattern)}):
            digest.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def current_verdict(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> Verdict | None:
    """The verdict about these rows with these settings and this tokenizer, or None if there is none."""
    verdict = lake.verdicts(splits, intact_only=True).get(TRAINING_AUDIT)
    settings = check_settings_hash(use_case, splits.name, TRAINING_AUDIT)
    if verdict is None or verdict.settings_hash != settings or verdict.content_hash != splits.content_hash:
        return None
    return verdict if verdict.numbers.get("audit") == audit_inputs(use_case, splits)[0] else None


def add_verdict(lake: Lake, use_case: NamedUseCase, splits: TableVersion, audit: ArtifactVersion) -> Verdict:
    """Stores what an audit found as the verdict of the check, where the gate reads it."""
    figures = read_figures(lake, audit)
    faults = {kind: count for kind, count in figures["faults"].items() if count}
    numbers = {
        **{name: figures[name] for name in SHOWN},
        "faults": faults,
        "record_ids": figures["record_ids"],
        "audit": audit.artifact_id,
    }
    return lake.add_verdict(
        splits, TRAINING_AUDIT, figures["passed"], check_settings_hash(use_case, splits.name, TRAINING_AUDIT), numbers
    )


def read_figures(lake: Lake, audit: ArtifactVersion) -> dict[str, Any]:
    """`audit_faults.Found.numbers` of an audit, the hashes of its renderers, and what was expected of a training (of
    audits of earlier versions nothing is known)."""
    return {"expected": "", **json.loads(lake.read_file(audit, FIGURES))}


def existing_audit(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> ArtifactVersion | None:
    return lake.intact_artifact(use_case.name, AUDIT_PAGE, audit_inputs(use_case, splits)[0])


def require_audited_renderer(lake: Lake, splits: TableVersion, renderer_hash: str) -> None:
    """Raises VersionRefused if the splits were audited with another renderer than they are about to be rendered
    with."""
    verdict = lake.verdicts(splits).get(TRAINING_AUDIT)
    audited = verdict.numbers.get("renderer_hash") if verdict else None
    if audited is not None and audited != renderer_hash:
        raise VersionRefused(
            f"{splits.id} of {splits.use_case} was audited with renderer {audited[:12]}, but would now be rendered with"
            f" {renderer_hash[:12]}: the tokenizer or its chat template changed",
            f"Run: ft audit {splits.use_case}",
        )


def audit_is_due(lake: Lake, use_case: NamedUseCase, splits: TableVersion) -> bool:
    """Whether the check has to start its program."""
    return current_verdict(lake, use_case, splits) is None and existing_audit(lake, use_case, splits) is None
