"""NLU Evaluation Data (Liu et al., 2019): what people say to a robot at home, with the kind of help they want; the
training side of its first fold. The kinds are the first words of its 64 intents."""

import json

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("xliuhw/NLU-Evaluation-Data", "CC-BY-4.0", commit="f6071b496b17d71e6eb43f543af0707f4ff30557")
FILE = (
    "CrossValidation/out4RasaReal/rasa_json_2018_03_22-13_01_25_169_80Train/CrossValidation/KFold_1/merged/"
    "RasaNlu_Merged_KFold_1_2018_03_22-13_01_25_169.json"
)


def records(store: Store) -> Records:
    found = json.loads(store.repository(SOURCE, FILE).read_text(encoding="utf-8"))
    for said in found["rasa_nlu_data"]["common_examples"]:
        yield {"text": said["text"], "label": said["intent"].split("_")[0]}
