"""MITRE ATT&CK: what attackers do. © 2025 The MITRE Corporation. The tactic that a technique serves, if it serves one,
from the first sentences of its description (`tactics`); or what a technique is (`meanings`). Techniques below the same
one are a group."""

import json
import re

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source("mitre/cti", "LicenseRef-ATTACK", commit="421deacb77191b38bdd1bf63268954e93da91365")
SENTENCES = 3


def records(store: Store, shape: str) -> Records:
    for file in sorted(store.repository(SOURCE, "enterprise-attack/attack-pattern").iterdir()):
        (found,) = json.loads(file.read_text(encoding="utf-8"))["objects"]
        phases = [phase["phase_name"] for phase in found.get("kill_chain_phases", ())]
        if found.get("revoked") or found.get("x_mitre_deprecated") or not phases:
            continue
        group = found["external_references"][0]["external_id"].split(".")[0]
        plain = re.sub(
            r"\(Citation: [^)]*\)|</?code>", "", re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", found["description"])
        )
        sentences = re.split(r"(?<=[a-z)]\.)\s+", plain.strip())
        if shape == "meanings":
            question = f"What do attackers do by: {found['name']}?"
            yield {"text": question, "answer": re.sub(r"\s+", " ", sentences[0]), "group": group}
        elif len(phases) == 1:
            text = re.sub(r"\s+", " ", " ".join(sentences[:SENTENCES]))
            yield {"text": text, "label": phases[0].replace("-", " "), "group": group}
