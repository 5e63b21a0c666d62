"""ICD-10-CM, the US classification of diseases: a diagnosis in words, and the chapter of its code; from the wheel of
simple-icd-10-cm. Diagnoses of a category of three characters are a group: they share words."""

import re
from xml.etree import ElementTree

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("simple-icd-10-cm==1.5.0", "MIT", "6d461d71dc26aedc530ae65f02cfb578a154e49507c32e8241e75f701d4b7e42")


def records(store: Store) -> Records:
    (member,) = store.members(SOURCE, ".xml")
    for chapter in ElementTree.fromstring(store.member(SOURCE, member)).iter("chapter"):
        label = re.sub(r" \(.*", "", chapter.findtext("desc", ""))
        for diagnosis in chapter.iter("diag"):
            text, code = diagnosis.findtext("desc", ""), diagnosis.findtext("name", "")
            yield {"text": text, "label": label.lower(), "group": code[:3]}
