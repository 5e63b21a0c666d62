"""A small graph that has run, made once in a session and copied for each test that goes on from there."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ft_platform.use_case.environment import create_pseudonym_key
from ft_platform.use_case.settings.environment import Environment
from ft_platform_tests.conftest import make_stages_quick, minimal_attributes, write_use_case
from ft_platform_tests.graph import Graph, StandInBackend, records, write_csv

NAME = "complaints"
BACKEND = "ft_platform.compute.backends.local.run"


class GraphTemplate:
    """The use case `complaints` after some runs with a stand-in for programs.

    Every copy lies in the same folder, because its path is part of the settings: one at a time.

    Args:
        folder: empty.
        run: what happened before, on the graph.
        attributes: sections of the YAML besides those of `minimal_attributes`.

    Attributes:
        source: the CSV file that `raw_records` reads.
        started: programs that were started before.
    """

    def __init__(self, folder: Path, run: Callable[[Graph], Any], **attributes: Any) -> None:
        self.folder, self._kept = folder / "graph", folder / "kept"
        self.environment = Environment(home=self.folder / "home", defs=self.folder / "defs", tracking_uri="none")
        self.environment.defs.mkdir(parents=True)
        create_pseudonym_key(self.environment)
        self.source = write_csv(self.folder / f"{NAME}.csv", records())
        write_use_case(self.environment.defs, NAME, {**minimal_attributes(str(self.source)), **attributes})
        backend = StandInBackend()
        with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
            make_stages_quick(patch)
            patch.setattr(BACKEND, backend.run)
            graph = Graph(self.environment, NAME, instance)
            run(graph)
            self._databases = [sqlite3.connect(":memory:") for _ in _databases(instance)]
            for database, kept in zip(_databases(instance), self._databases, strict=True):
                database.backup(kept)
        self.started = backend.started
        self._cursors = graph.cursor, graph.sensor_cursor
        self.folder.rename(self._kept)

    @contextmanager
    def copy(self) -> Iterator[Graph]:
        """The graph as it was, with lake and instance of its own."""
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(self._kept, self.folder, symlinks=True)
        with dg.DagsterInstance.ephemeral() as instance:
            for database, kept in zip(_databases(instance), self._databases, strict=True):
                kept.backup(database)
            graph = Graph(self.environment, NAME, instance)
            graph.cursor, graph.sensor_cursor = self._cursors
            yield graph


def _databases(instance: dg.DagsterInstance) -> list[sqlite3.Connection]:
    """What an ephemeral instance holds in memory: its runs and its events."""
    storages: tuple[Any, ...] = (instance.run_storage, instance.event_log_storage)
    return [storage._held_conn.connection.driver_connection for storage in storages]
