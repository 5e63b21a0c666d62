"""MTS-Dialog (Ben Abacha et al., 2023): what a doctor and a patient said, and the section of the note that it belongs
to; its training file and its second test file. The dialogues were written for the data set."""

import csv
import io

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("abachaa/MTS-Dialog", "CC-BY-4.0", commit="3ff0801933608d6f570468c13125125fb5cabdea")
FILES = {"train": "TrainingSet", "test": "TestSet-2-MEDIQA-Sum-2023"}


def records(store: Store) -> Records:
    for part, name in FILES.items():
        text = store.repository(SOURCE, f"Main-Dataset/MTS-Dialog-{name}.csv").read_text(encoding="utf-8")
        for row in csv.DictReader(io.StringIO(text)):
            yield {"text": row["dialogue"].strip(), "label": row["section_header"].lower(), "part": part}
