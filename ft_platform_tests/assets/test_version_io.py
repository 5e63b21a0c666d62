"""What is kept with a materialization beside its version."""

import dagster as dg
import pytest

from ft_platform.assets.version_io import HANDLE, VersionIOManager
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.people.person import STARTED_BY

VERSION = ArtifactVersion("letters", "release", "1", "0" * 64, "file:///lake/letters/release/1")


@pytest.mark.parametrize("tags", [{STARTED_BY: "ana@example.org"}, {}])
def test_a_materialization_has_the_name_of_who_started_its_run(tags: dict[str, str]) -> None:
    @dg.asset(io_manager_key="versions")
    def release() -> ArtifactVersion:
        return VERSION

    with dg.DagsterInstance.ephemeral() as instance:
        dg.materialize([release], instance=instance, resources={"versions": VersionIOManager()}, tags=tags)
        event = instance.get_latest_materialization_event(dg.AssetKey("release"))
    assert event and event.asset_materialization
    metadata = event.asset_materialization.metadata
    assert HANDLE in metadata
    assert ("started_by" in metadata and metadata["started_by"].value) == tags.get(STARTED_BY, False)
