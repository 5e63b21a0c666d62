"""What operations of web services do, in a sentence of their documentation, from the wheel of botocore. Operations of a
service are a group: their sentences share words."""

import gzip
import json
import re
import zipfile
from collections.abc import Iterator
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("botocore==1.43.117", "Apache-2.0", "5920ef9b3002e1361846549078549d9154a6e0004c22853c01ce7b279d05d495")


def records(store: Store) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(store.package(SOURCE)) as wheel:
        for member in sorted(name for name in wheel.namelist() if name.endswith("/service-2.json.gz")):
            service = json.loads(gzip.decompress(wheel.read(member)))
            name = service["metadata"]["serviceId"]
            for operation, described in service["operations"].items():
                words = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", described.get("documentation", ""))).strip()
                sentence = re.match(r"[A-Z].{20,160}?\.(?= |$)", words)
                if sentence:
                    yield {
                        "text": f"What does the operation {operation} of {name} do?",
                        "answer": re.sub(r" (?=[.,])", "", sentence[0]),
                        "group": name,
                    }
