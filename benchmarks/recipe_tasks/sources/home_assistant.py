"""Commands to a smart home, from the sentence templates of home-assistant-intents: one of each, so that no two records
share one. Values that the package leaves open (rooms, devices, messages) are ours."""

import hashlib
import json
import re
from random import Random
from typing import Any

from benchmarks.recipe_tasks.store import Records, Source, Store

SOURCE = Source(
    "home-assistant-intents==2026.10.27",
    "Apache-2.0",
    "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
)
ROOMS = {"de": "Küche Wohnzimmer Bad Flur Büro Keller", "en": "kitchen bedroom bathroom hallway office basement"}
FLOORS = {"de": "Erdgeschoss Obergeschoss Dachgeschoss", "en": "downstairs upstairs attic"}
DEVICES = {"de": "Stehlampe Ventilator Rollladen Heizung Fernseher", "en": "lamp fan blinds heater television"}
WORDS = {"de": "Wäsche Brot Essen Abendmusik Nudeln Regen", "en": "laundry bread dinner jazz pasta rain"}
TOKEN = re.compile(r"[()\[\]|;]|<[^>]+>|\{[^}]+\}|[^()\[\]|;<{]+")


class Sampler:
    """A sentence of a template: `(a|b)` one of them, `[a]` perhaps, `(a;b)` in any order, `<rule>`, `{list:slot}`."""

    def __init__(self, package: dict[str, Any], language: str, random: Random) -> None:
        self.rules, self.lists, self.random = package["expansion_rules"], package["lists"], random
        self.open = {"area": ROOMS[language], "floor": FLOORS[language], "name": DEVICES[language]}
        self.words = WORDS[language]

    def sentence(self, template: str) -> str:
        words, _ = self._choice(TOKEN.findall(template))
        return re.sub(r"\s+", " ", words).strip()

    def _choice(self, tokens: list[str]) -> tuple[str, list[str]]:
        """One of the alternatives up to the closing bracket, and the tokens from there on."""
        options, joined = [""], False
        while tokens and tokens[0] not in ")]":
            token, *tokens = tokens
            if token in "|;":
                options.append("")
                joined = joined or token == ";"
            elif token in "([":
                words, (_, *tokens) = self._choice(tokens)
                options[-1] += words if token == "(" or self.random.random() < 0.5 else ""
            elif token[0] == "<":
                options[-1] += self.sentence(self.rules[token[1:-1]])
            else:
                options[-1] += self._value(token[1:-1].split(":")[0]) if token[0] == "{" else token
        return " ".join(self.random.sample(options, len(options))) if joined else self.random.choice(options), tokens

    def _value(self, name: str) -> str:
        found = self.lists.get(name, {})
        if "values" in found:
            value = self.random.choice(found["values"])
            return self.sentence(value if isinstance(value, str) else value["in"])
        if "range" in found:
            return str(self.random.randint(found["range"]["from"], found["range"]["to"]))
        return self.random.choice(self.open.get(name, self.words).split())


def records(store: Store, language: str) -> Records:
    package = json.loads(store.member(SOURCE, f"home_assistant_intents/data/{language}.json"))
    for intent, described in package["intents"].items():
        label = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", intent.removeprefix("Hass")).lower()
        for template in (one for block in described["data"] for one in block["sentences"]):
            seed = int.from_bytes(hashlib.sha256(f"{intent} {template}".encode()).digest()[:8], "big")
            yield {"text": Sampler(package, language, Random(seed)).sentence(template), "label": label}
