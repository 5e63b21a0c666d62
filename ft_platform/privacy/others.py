"""Other recognizers on the same texts, for `ft privacy eval --compare`. No pipeline uses them."""

import importlib
import logging
import os
from collections.abc import Callable, Sequence

from ft_platform.errors import ConfigError, MissingExtra
from ft_platform.privacy.evaluation import NOT_IDENTIFYING, SAME_AS
from ft_platform.privacy.ner.spacy import MODEL
from ft_platform.privacy.spans import Span

OTHERS = ("presidio", "spacy", "gliner", "transformers")
Find = Callable[[Sequence[str]], list[list[Span]]]


def other(named: str) -> Find:
    """A recognizer, loaded: `presidio` (its default analyzer with our spaCy model), or `spacy`, `gliner:MODEL` and
    `transformers:MODEL` as they are, every sentence read and every finding kept that can identify a person.

    Raises:
        ConfigError: it is none of them, or its model cannot be loaded.
        MissingExtra: its package is not installed.
    """
    name, _, model = named.partition(":")
    if name not in OTHERS:
        raise ConfigError([f"--compare: {name!r} is none of {', '.join(OTHERS)}"])
    engine = None if name == "presidio" else importlib.import_module(f"ft_platform.privacy.ner.{name}")
    find = presidio() if engine is None else engine.engine(model or None).find
    return lambda texts: identifying(find(texts))


def identifying(found: Sequence[Sequence[Span]]) -> list[list[Span]]:
    """Without findings that alone identify nobody."""
    return [[s for s in spans if s.entity not in NOT_IDENTIFYING] for spans in found]


def presidio() -> Find:
    """Presidio's default analyzer with our spaCy model.

    Raises:
        MissingExtra: it is not installed.
    """
    os.environ["TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS"] = ""  # its e-mail recognizer would fetch a list
    try:
        from presidio_analyzer import AnalyzerEngine  # pyright: ignore[reportMissingImports]
        from presidio_analyzer.nlp_engine import NlpEngineProvider  # pyright: ignore[reportMissingImports]
    except ImportError:
        raise MissingExtra("presidio-analyzer", "compare") from None
    logging.getLogger("presidio-analyzer").setLevel(logging.ERROR)
    models = [{"lang_code": "en", "model_name": MODEL}]
    provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": models})
    analyzer = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=["en"])

    def entity(name: str) -> str:
        return SAME_AS.get(name, name)

    return lambda texts: [
        [Span(r.start, r.end, entity(str(r.entity_type)), r.score, "presidio") for r in analyzer.analyze(text, "en")]
        for text in texts
    ]
