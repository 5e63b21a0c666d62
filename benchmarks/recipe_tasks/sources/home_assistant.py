"""Commands to a smart home in many languages, from the sentence templates of home-assistant-intents: a sentence for each
template, so that no two records share one. Values that the package leaves open (rooms, devices, messages) are ours."""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from random import Random
from typing import Any

from benchmarks.recipe_tasks.store import Source, Store

SOURCE = Source("home-assistant-intents==2026.10.27", "Apache-2.0", "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40")
OPEN = {
    "de": {
        "area": ["Küche", "Wohnzimmer", "Bad", "Flur", "Büro", "Keller"],
        "floor": ["Erdgeschoss", "Obergeschoss", "Dachgeschoss"],
        "name": ["Stehlampe", "Ventilator", "Rollladen", "Kaffeemaschine", "Heizung", "Fernseher"],
        "": ["Essen ist fertig", "Brot und Milch", "Wäsche", "Abendmusik", "Nudeln", "Regen im Garten"],
    },
    "en": {
        "area": ["kitchen", "living room", "bathroom", "hallway", "office", "basement"],
        "floor": ["ground floor", "first floor", "attic"],
        "name": ["floor lamp", "fan", "blinds", "coffee maker", "heater", "television"],
        "": ["dinner is ready", "bread and milk", "laundry", "evening music", "pasta", "rain in the garden"],
    },
}
TOKEN = re.compile(r"[()\[\]|;]|<[^>]+>|\{[^}]+\}|[^()\[\]|;<{]+")


class Sampler:
    """A sentence of a template: `(a|b)` one of them, `[a]` perhaps, `(a;b)` in any order, `<rule>`, `{list:slot}`."""

    def __init__(self, language: dict[str, Any], values: dict[str, list[str]], random: Random) -> None:
        self.rules, self.lists = language["expansion_rules"], language["lists"]
        self.values, self.random = values, random

    def sentence(self, template: str) -> str:
        words, rest = self._choice(TOKEN.findall(template))
        assert not rest, template
        return re.sub(r"\s+", " ", words).strip()

    def _choice(self, tokens: list[str]) -> tuple[str, list[str]]:
        """One of the alternatives up to the closing bracket, and the tokens from there on."""
        alternatives, joined = [[""]], False
        while tokens and tokens[0] not in ")]":
            token, *tokens = tokens
            if token in "|;":
                alternatives.append([""])
                joined = joined or token == ";"
            elif token in "([":
                words, (_, *tokens) = self._choice(tokens)
                alternatives[-1].append(words if token == "(" or self.random.random() < 0.5 else "")
            elif token[0] == "<":
                alternatives[-1].append(self.sentence(self.rules[token[1:-1]]))
            elif token[0] == "{":
                alternatives[-1].append(self._value(token[1:-1].split(":")[0]))
            else:
                alternatives[-1].append(token)
        options = ["".join(parts) for parts in alternatives]
        return (" ".join(self.random.sample(options, len(options))) if joined else self.random.choice(options)), tokens

    def _value(self, name: str) -> str:
        found = self.lists.get(name, {})
        if "values" in found:
            value = self.random.choice(found["values"])
            return self.sentence(value if isinstance(value, str) else value["in"])
        if "range" in found:
            return str(self.random.randint(found["range"]["from"], found["range"]["to"]))
        return self.random.choice(self.values.get(name, self.values[""]))


def records(store: Store, language: str) -> Iterator[dict[str, Any]]:
    with zipfile.ZipFile(store.package(SOURCE)) as wheel:
        data = json.loads(wheel.read(f"home_assistant_intents/data/{language}.json"))
    for intent, described in data["intents"].items():
        label = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", intent.removeprefix("Hass")).lower()
        for block in described["data"]:
            for template in block["sentences"]:
                seed = int.from_bytes(hashlib.sha256(f"{intent} {template}".encode()).digest()[:8], "big")
                yield {"text": Sampler(data, OPEN[language], Random(seed)).sentence(template), "label": label}
