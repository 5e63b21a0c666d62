"""A local, empty server of the protocols of AWS: S3, KMS, Secrets Manager."""

import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer


@contextmanager
def s3_bucket(name: str, monkeypatch: pytest.MonkeyPatch, own_process: bool = False) -> Iterator[Any]:
    """A client of a server that holds the bucket; the environment variables of this process name the server.

    Args:
        own_process: `DeltaTable.restore` (deltalake 1.6) waits for the server without letting other threads of its
            process run.
    """
    with aws_server(monkeypatch, own_process) as variables:
        client = boto3.client("s3", endpoint_url=variables["AWS_ENDPOINT_URL"], region_name="us-east-1")
        client.create_bucket(Bucket=name)
        yield client


@contextmanager
def aws_server(monkeypatch: pytest.MonkeyPatch, own_process: bool = False) -> Iterator[dict[str, str]]:
    """The variables of a server that holds nothing; they are set in the environment of this process."""
    with _process() if own_process else _thread() as address:
        # What an earlier server of this process held is still there: moto keeps it in the process.
        urllib.request.urlopen(urllib.request.Request(f"{address}/moto-api/reset", method="POST"), timeout=30).close()
        variables = {
            "AWS_ENDPOINT_URL": address,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": "us-east-1",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
        }
        for variable, value in variables.items():
            monkeypatch.setenv(variable, value)
        yield variables


@contextmanager
def _thread() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def _process() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(timeout=30)
