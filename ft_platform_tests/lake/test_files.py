"""File systems of URIs: a missing package is named with the command that adds it."""

import sys

import pytest
from fsspec.registry import _registry

from ft_platform.errors import MissingExtra
from ft_platform.lake.file_systems import filesystem


@pytest.mark.parametrize(
    ("uri", "module", "package", "command"),
    [
        ("s3://bucket/records.csv", "s3fs", "s3fs", 'pip install "ft-platform[aws]"'),
        ("gs://bucket/records.csv", "gcsfs", "gcsfs", 'pip install "ft-platform[gcp]"'),
        ("gcs://bucket/records.csv", "gcsfs", "gcsfs", 'pip install "ft-platform[gcp]"'),
        ("abfs://container/records.csv", "adlfs", "adlfs", 'pip install "ft-platform[azure]"'),
        ("az://container/records.csv", "adlfs", "adlfs", 'pip install "ft-platform[azure]"'),
        ("sftp://host/records.csv", "paramiko", "paramiko", "pip install paramiko"),
    ],
)
def test_a_missing_file_system_names_its_package_and_the_command_that_adds_it(
    monkeypatch, uri, module, package, command
):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:  # of tests before
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.delitem(sys.modules, "ft_platform.lake.azure_blobs", raising=False)
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(_registry, uri.split(":")[0], raising=False)
    with pytest.raises(MissingExtra) as raised:
        filesystem(uri)
    assert (
        str(raised.value) == f"{package}, which reads {uri.split(':')[0]}://, is not installed. Add it with: {command}"
    )
