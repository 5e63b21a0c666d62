"""What operations of web services do, in a sentence of their documentation, from the wheel of botocore. Operations of a
service are a group: their sentences share words."""

import gzip
import json
import re

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("botocore==1.43.117", "Apache-2.0", "5920ef9b3002e1361846549078549d9154a6e0004c22853c01ce7b279d05d495")


def records(store: Store) -> Records:
    for member in store.members(SOURCE, "/service-2.json.gz"):
        service = json.loads(gzip.decompress(store.member(SOURCE, member)))
        name = service["metadata"]["serviceId"]
        for operation, described in service["operations"].items():
            words = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", described.get("documentation", ""))).strip()
            if sentence := re.match(r"[A-Z].{20,160}?\.(?= |$)", words):
                answer = re.sub(r" (?=[.,])", "", sentence[0])
                yield {"text": f"What does the operation {operation} of {name} do?", "answer": answer, "group": name}
