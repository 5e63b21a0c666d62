"""The model card: a page for people who decide, in Hugging Face's format (README.md with YAML metadata) and as HTML.

Format: https://huggingface.co/docs/hub/model-cards and the metadata specification linked there.
"""

import html
import json
import re
from collections.abc import Mapping
from functools import partial
from typing import Any

import yaml

from ft_platform.errors.printable import printable
from ft_platform.evaluation.abstaining import abstaining
from ft_platform.evaluation.fairness_verdict import nothing_compared
from ft_platform.evaluation.files import read_metrics
from ft_platform.evaluation.inputs import model_card_inputs
from ft_platform.evaluation.metric import metric, metrics_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import NOT_FINE_TUNED
from ft_platform.evaluation.systems.few_shot import EXAMPLE_TOKENS
from ft_platform.lake.draft import Draft
from ft_platform.lake.manifest import now
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.reporting.evaluation_report import metric_table, training_sentence
from ft_platform.reporting.fairness_report import sentences
from ft_platform.reporting.funnel import funnel_of
from ft_platform.reporting.html import TEMPLATES, number, page, percent
from ft_platform.reporting.lineage import lineage_rows, manifests_behind
from ft_platform.reporting.method_words import as_trained, without_itself
from ft_platform.reporting.plots import funnel_plot
from ft_platform.reporting.verdict import limits, verdicts
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.base_model import reads_words
from ft_platform.use_case.settings.guardrails import Guardrails
from ft_platform.use_case.settings.roles import OWNER_ROLES, title

STAGE = "model_card"
HUB_METRICS = {
    "accuracy": "accuracy",
    "macro_precision": "precision",
    "macro_recall": "recall",
    "macro_f1": "f1",
    "rouge_l": "rouge",
    "chrf": "chrf",
    "perplexity": "perplexity",
}
"""Our metric -> metric id of the hub. `answer_loss` has none."""

HUB_LICENCES = {
    "apache-2.0",
    "mit",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc-by-sa-4.0",
    "cc-by-nc-4.0",
    "cc0-1.0",
    "gpl-3.0",
    "openrail",
    "llama3",
    "gemma",
}


def publish_model_card(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    evaluation: ArtifactVersion,
    fairness: ArtifactVersion,
) -> ArtifactVersion:
    """The artifact `model_card` of a checkpoint with its reports: an existing one, or a new one.

    Args:
        checkpoint, evaluation, fairness: versions that passed the gate (`lake.gate.require_usable`).
    """
    inputs = model_card_inputs(use_case, checkpoint, evaluation, fairness)
    draft = Draft(lake, use_case, STAGE, *inputs, [checkpoint, evaluation, fairness])
    if existing := draft.existing():
        return existing
    values = card_values(lake, use_case, checkpoint, evaluation, fairness)
    pictures = {"funnel": funnel_plot(values["funnel"])}
    text = page("model_card.html", title=f"Model card of {use_case.name}", pictures=pictures, **values)
    with draft.folder() as folder:
        (folder / "README.md").write_text(readme(values), encoding="utf-8")
        (folder / "model_card.html").write_text(text, encoding="utf-8")
        return draft.publish(folder, {"test_rows": values["test_rows"]})


def card_values(
    lake: Lake,
    use_case: NamedUseCase,
    checkpoint: ArtifactVersion,
    evaluation: ArtifactVersion,
    fairness: ArtifactVersion,
) -> dict[str, Any]:
    """Everything a card says, for both templates."""
    settings = use_case.settings
    figures = without_itself(read_metrics(lake, evaluation), settings.training.method)
    words = partial(as_trained, method=settings.training.method)
    groups = json.loads(lake.read_file(fairness, "fairness.json"))
    training = json.loads(lake.read_file(checkpoint, "training.json"))
    manifests = manifests_behind(lake, [checkpoint, evaluation, fairness])
    metrics, main = metrics_of(settings.task.kind), metric(figures["main_metric"])
    return {
        "use_case": use_case.name,
        "description": settings.description,
        "checkpoint_id": checkpoint.artifact_id,
        "trained_as": trained_as(training),
        "written_at": now(),
        "release": settings.release,
        "purpose": settings.governance.purpose,
        "data_licence": settings.governance.licence,
        # As `models.rendering.renderer.Renderer.system` has it; the renderer itself would need the tokenizer.
        "instruction": "" if reads_words(training["base_model"]) else settings.task.system_message(training["labels"]),
        "labels": training["labels"],
        "training": training_sentence(training),
        "training_rows": manifests["adapter_checkpoint"].counts.get("train", {}).get("rows"),
        "verdicts": words(verdicts(figures, main, use_case.settings.evaluation.confidence)),
        "systems": words(metric_table(figures["systems"], metrics)),
        "test_rows": figures["test_rows"],
        "confidence": settings.evaluation.confidence,
        "fairness": list(sentences(groups, use_case).values()),
        "nothing_compared": nothing_compared(settings),
        "unsure": when_unsure(figures),
        "limits": words(limits(figures, main, settings.evaluation, EXAMPLE_TOKENS)),
        "funnel": funnel_of(manifests),
        "lineage": lineage_rows(manifests),
        "owners": [(title(role), settings.owners.of(role)) for role in OWNER_ROLES],
        "front_matter": front_matter(use_case, figures, training),
    }


TRAINED_AS = {method: name[0].upper() + name[1:] for method, name in NOT_FINE_TUNED.items()}


def trained_as(training: Mapping[str, Any]) -> str:
    """What a checkpoint holds, from its `training.json`."""
    method = training.get("training", {}).get("method")  # checkpoints from before there was one do not say
    return {"full": "Weights", **TRAINED_AS}.get(method or "", "LoRA adapter")


def when_unsure(figures: Mapping[str, Any]) -> str:
    """From which probability of its label a request goes to a person, how many do, and how many of the others are
    right, as it is served by default: a card is about a checkpoint, not about settings of a server. Empty: the model
    has no probabilities of labels."""
    found = figures["calibration"].get(FINE_TUNED)
    if not found:
        return ""
    default = abstaining(found.get("selective", []), Guardrails())
    partly = 0 < default.below < 1 and default.answered < 1
    which = f": those with a label that is less probable than {default.below:.3g}." if partly else "."
    return (
        f"{default.says.removesuffix('.')}{which} So it is served by default (serving.guardrails.abstain_below: auto);"
        " the release decision says what the settings of a release make of it."
    )


def front_matter(use_case: NamedUseCase, figures: Mapping[str, Any], training: Mapping[str, Any]) -> dict[str, Any]:
    """Metadata of the hub: base model, licence, tags and the fine-tuned model's scores as `model-index`."""
    settings = use_case.settings
    found = figures["systems"]["fine_tuned"]
    scores = [
        {"type": HUB_METRICS[name], "name": one.title, "value": round(found[name]["value"], 6)}
        for one in metrics_of(settings.task.kind)
        if (name := one.name) in HUB_METRICS
    ]
    task = {
        "type": "text-generation",
        "name": (
            "Classification by generation of the label" if settings.task.kind == "classification" else "Text generation"
        ),
    }
    dataset = {"name": f"{use_case.name} test split", "type": use_case.name, "split": "test"}
    licence = settings.release.licence
    known = licence.lower() in HUB_LICENCES
    tags = {"Linear probe": ["linear-probe"], "TF-IDF classifier": ["tf-idf"], "Weights": ["fine-tuned"]}.get(
        trained_as(training), ["lora", "fine-tuned"]
    )
    made = {"base_model": training["base_model"]["uri"], "library_name": "peft", "pipeline_tag": "text-generation"}
    if reads_words(training["base_model"]):
        made = {"pipeline_tag": "text-classification"}
        task = {"type": "text-classification", "name": "Text classification"}
    return {
        **made,
        "license": licence.lower() if known else "other",
        **({} if known else {"license_name": licence}),
        "tags": [*tags, settings.task.kind, use_case.name],
        "metrics": sorted({score["type"] for score in scores}),
        "model-index": [{"name": use_case.name, "results": [{"task": task, "dataset": dataset, "metrics": scores}]}],
    }


def readme(values: Mapping[str, Any]) -> str:
    """README.md. Every value is escaped, so that a label cannot act as markup."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=False,
        finalize=plain_markdown,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": number, "percent": percent, "short_hash": lambda text: text[:12]}
    return f"{front_matter_text(values['front_matter'])}\n{environment.get_template('model_card.md').render(**values)}"


def front_matter_text(values: Mapping[str, Any]) -> str:
    """Metadata between two lines of `---`. Every text is on one line, so that none can end the metadata or add a
    field."""
    return f"---\n{yaml.safe_dump(_on_one_line(values), sort_keys=False, allow_unicode=True, width=10**6)}---\n"


def _on_one_line(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {_on_one_line(name): _on_one_line(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_on_one_line(item) for item in value]
    return printable(" ".join(value.split())) if isinstance(value, str) else value


def plain_markdown(value: Any) -> Any:
    """A value as text that Markdown and HTML leave alone, on one line."""
    if not isinstance(value, str):
        return value
    flat = html.escape(printable(re.sub(r"\s+", " ", value)), quote=False)
    return re.sub(r"([\\`*_\[\]|~$]|^[#+=-]|(?<=^\d)[.)](?=\s|$))", r"\\\1", flat)
