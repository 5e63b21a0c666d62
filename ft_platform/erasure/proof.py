"""Where an installation keeps its files."""

from collections.abc import Collection, Iterator
from pathlib import Path

from ft_platform.erasure.needles import Needles
from ft_platform.lake.files import read_bytes
from ft_platform.people.audit_log.log import AuditLog
from ft_platform.settings.environment import Environment


def folders_of(environment: Environment) -> list[Path]:
    """Folders that belong to an installation, beside its lake."""
    found = [environment.home, environment.dagster_home, environment.cache_path, environment.seals_path]
    return [folder for folder in dict.fromkeys(found) if folder.is_dir()]


def words_in_audit_log(log: AuditLog, words: Collection[str], texts: Collection[str]) -> Iterator[str]:
    """Those that the audit log has."""
    needles = Needles(words, texts)
    files = [read_bytes(log.files.fs, log.files.segment(first)) for first in log.files.segments()]
    if any(needles.count(content) for content in files):
        for word in sorted(words):
            if any(Needles([word]).count(content) for content in files):
                yield word
        for text in sorted(texts):
            if any(Needles([], [text]).count(content) for content in files):
                yield text
