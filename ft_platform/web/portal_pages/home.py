"""The home page of a use case: the verdict in plain words, the steps from data to production, its history, three
examples, what matters to each reader, every report.

All figures come from manifests, verdicts and published reports of the shared zone. Examples are labels, confidence and
the id of a record, which is a hash; no text of a record is in them, as in every report.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from ft_platform.errors import CorruptVersion, FtError
from ft_platform.evaluation.files import METRICS, PREDICTIONS
from ft_platform.evaluation.metric import metric
from ft_platform.evaluation.predictions import rows_of
from ft_platform.evaluation.scores import FINE_TUNED
from ft_platform.evaluation.systems import NOT_FINE_TUNED
from ft_platform.lake.store import Lake
from ft_platform.lake.versions import ArtifactVersion
from ft_platform.release.duties import SIGNATURES, duties
from ft_platform.release.standing import ENDED, Standing
from ft_platform.reporting import plain_words
from ft_platform.reporting.html import page, percent
from ft_platform.reporting.method_words import as_trained, without_itself
from ft_platform.reporting.personas import Known, cards
from ft_platform.reporting.published import intact_file, intact_json, page_of
from ft_platform.reporting.report_urls import REPORT_STAGES, ReportAddress, report_address
from ft_platform.reporting.use_case_state import State, decision_words, state_of
from ft_platform.stages import MONITORING
from ft_platform.use_case.named import NamedUseCase
from ft_platform.web.portal_pages.actions import RECALL, REVIEWS, SIGN, WAIVE
from ft_platform.web.portal_pages.actions import TITLES as ACTION_TITLES
from ft_platform.web.portal_pages.history import events_of, quality_picture, versions_of
from ft_platform.web.portal_pages.story import Step, story_of

TITLES = {
    "adapter_checkpoint": "Training",
    "base_evaluation": "Alternatives to a trained model",
    "evaluation_report": "Evaluation",
    "regression_report": "What it forgot",
    "fairness_report": "Fairness",
    "privacy_report": "Privacy of the training records",
    "roi_report": "Return on investment",
    "data_report": "Data",
    "hyperparameter_search": "Search for settings",
    "learning_curve": "Learning curve",
    "canary_audit": "Planted secrets",
    "human_review": "What experts prefer",
    "judge_report": "What a judging model prefers",
    "seed_variation": "Seed variation",
    "model_card": "Model card",
    "release_decision": "Release decision",
    "sign_off": "Signatures",
    "data_docs": "Expectations",
    "profile": "Profile",
    "training_audit": "Training audit",
    "monitoring_report": "Monitoring",
}
"""Stage -> what its reports are called."""
ACTIONS = {
    kind: (page_name, ACTION_TITLES[page_name])
    for kind, page_name in {"approval": WAIVE, SIGNATURES: SIGN, "human_review": REVIEWS}.items()
}
"""What a release needs -> the page of the portal where people give it once there is a model, and its title."""
BEFORE = {"recall": (RECALL, ACTION_TITLES[RECALL])}
"""The same, once there are anonymized records."""
REPOSITORY, LOCATION = "__repository__", "ft_platform"
"""Names of the code location in the addresses of Dagster's pages: the one repository, and `ui.WORKSPACE`."""
MOST_DAYS = 30
"""Reports of monitored days in the list."""
FIRST = ("release_decision", "evaluation_report")
"""Reports at the top of the list."""


def home_page(lake: Lake, name: str, use_case: NamedUseCase | None = None, *, in_dagster: bool = False) -> str | None:
    """The page, or None where the use case has no report yet.

    Args:
        use_case: as its file is now, so there is a page even before its first report. None: it has no file that can be
            read, so nobody can tell whether what was decided still holds.
        in_dagster: Dagster's pages lie one level above the page of all use cases.
    """
    today = datetime.now(UTC).date()
    state = state_of(lake, name, use_case, today)
    reports = reports_of(lake, name, standing=state.standing)
    if not reports and use_case is None:
        return None
    history, problem = None, ""
    try:
        history = versions_of(lake, name, state.standing, today), events_of(lake, name, state, today)
    except FtError as error:
        problem = error.message
    needed, not_told = [], ""
    try:
        needed = duties(lake, use_case) if use_case else []
    except FtError as error:
        not_told = error.message
    newest = {one["stage"]: one["artifact"] for one in reversed(reports) if one["newest"]}
    known, steps = known_of(lake, name, newest), story_of(lake, name, state)
    examples, no_examples = [], ""
    try:
        examples = _examples(lake, newest.get("evaluation_report"), known.evaluation)
    except CorruptVersion as error:
        no_examples = str(error)
    return page(
        "home.html",
        title=f"{name}: home",
        use_case=name,
        description=use_case.settings.description if use_case else "",
        short=_verdict(known, steps, state),
        good=state.is_good and not known.damaged,
        steps=steps,
        assets={"href": f"../../assets/{name}/" if in_dagster else ""},
        simpler=_simpler(known, in_dagster=in_dagster),
        needed=needed,
        not_told=not_told,
        actions=(BEFORE if lake.latest(name, "anonymized_records") else {})
        | (ACTIONS if lake.artifacts(name, "adapter_checkpoint") else {}),
        history=history,
        problem=problem,
        picture=quality_picture(history[0][0]) if history else None,
        examples=examples,
        no_examples=no_examples,
        cards=cards(known, {stage: page_of(lake, artifact) for stage, artifact in newest.items()}, TITLES),
        reports=[one for one in reports if one["newest"]],
        older=[one for one in reports if not one["newest"]],
    )


def reports_of(
    lake: Lake, name: str, stages: Sequence[str] = REPORT_STAGES, standing: Standing | None = None
) -> list[dict[str, Any]]:
    """Every page of every report: `{"stage", "artifact", "href", "title", "status", "written_at", "newest"}`, the
    decision and the evaluation first, of each kind the newest first.

    Args:
        standing: of the newest decision as it holds now; the others are told with their day.
    """
    found = []
    for stage in sorted(stages, key=lambda stage: FIRST.index(stage) if stage in FIRST else len(FIRST)):
        seen: set[str] = set()
        for artifact in lake.artifacts(name, stage)[: MOST_DAYS if stage == MONITORING else None]:
            manifest = lake.manifest(artifact)
            table = str(manifest.info.get("table") or artifact.artifact_id.partition("-")[0])
            about = f" of {table}" if stage in ("data_docs", "profile") else ""
            for file in manifest.files:
                href = f"{stage}/{artifact.artifact_id}/{file}"
                if file.endswith(".html") and report_address(f"/{name}/{href}"):
                    found.append(
                        {
                            "stage": stage,
                            "artifact": artifact,
                            "href": href,
                            "title": f"{TITLES.get(stage, stage)}{about}",
                            "status": _status(lake, artifact, standing),
                            "written_at": manifest.written_at,
                            "newest": about not in seen,
                        }
                    )
            seen.add(about)
    return found


def newer_than(lake: Lake, address: ReportAddress) -> str | None:
    """Address of the report that replaces another one, from the home page; None where that one is the newest."""
    reports = reports_of(lake, address.use_case, [address.stage])
    own = f"{address.stage}/{address.artifact_id}/{address.page}"
    title = next((one["title"] for one in reports if one["href"] == own), None)
    return next(
        (one["href"] for one in reports if one["newest"] and one["title"] == title and one["href"] != own), None
    )


def _status(lake: Lake, artifact: ArtifactVersion, standing: Standing | None) -> str:
    """Accepted or refused, or what its checks came to."""
    if artifact.name == "release_decision":
        return decision_words(lake, artifact, standing)
    checks = lake.verdicts(artifact)
    failed = [check for check, verdict in checks.items() if not verdict.passed]
    if failed:
        return f"failed: {', '.join(failed)}"
    return f"passed: {', '.join(checks)}" if checks else "written"


def known_of(lake: Lake, name: str, newest: Mapping[str, ArtifactVersion]) -> Known:
    """What the newest reports of a use case say, and which are damaged."""
    damaged: dict[str, str] = {}

    def read(stage: str, file: str) -> Any:
        try:
            return intact_json(lake, newest.get(stage), file)
        except CorruptVersion as error:
            damaged[stage] = f"{error}."
            return None

    checkpoint = newest.get("adapter_checkpoint")
    method = (read("adapter_checkpoint", "training.json") or {}).get("training", {}).get("method")
    evaluation = read("evaluation_report", METRICS)
    return Known(
        name=name,
        damaged=damaged,
        checkpoint=checkpoint.artifact_id if checkpoint else None,
        decision=read("release_decision", "decision.json"),
        evaluation=without_itself(evaluation, method) if evaluation else None,
        training=lake.manifest(checkpoint).info if checkpoint else None,
        method=method,
        returns=read("roi_report", "roi.json"),
        data=read("data_report", "data.json"),
        regression=read("regression_report", "regression.json"),
        review=read("human_review", "review.json"),
    )


def _simpler(known: Known, *, in_dagster: bool) -> dict[str, Any] | None:
    """The simpler models that the newest decision offers, and how a person starts their training; None: it offers none,
    or another checkpoint has been trained since.

    The button opens Dagster's launchpad with the setting filled in. The guard asks for the permission there, and notes
    who starts the run, as for every other run.
    """
    decision = known.decision or {}
    methods = decision.get("simpler_methods")
    if not methods or decision["checkpoint"] != known.checkpoint:
        return None
    jobs = f"../../locations/{REPOSITORY}@{LOCATION}/jobs"

    def launchpad(method: str) -> str:
        setting = {"resources": {"settings": {"config": {"training": {"method": method}}}}}
        query = urlencode({"config": yaml.safe_dump(setting, sort_keys=False)})
        return f"{jobs}/{known.name}/playground/setup?{query}"

    models = [
        {
            "name": NOT_FINE_TUNED[method],
            "launchpad": launchpad(method) if in_dagster else "",
            "command": f"ft run {known.name} --set training.method={method}",
        }
        for method in methods
    ]
    return {"says": decision["simpler"], "models": models, "in_dagster": in_dagster}


def _verdict(known: Known, steps: Sequence[Step], state: State) -> list[tuple[str, list[str]]]:
    said = state.all_words
    rows = [("Verdict", said)]
    if known.decision and known.checkpoint and known.decision["checkpoint"] != known.checkpoint:
        said.append(f"That was decided about {known.decision['checkpoint']}; {known.checkpoint} is newer.")
    if known.damaged:
        rows.append(("Damaged", list(known.damaged.values())))
    if known.evaluation:
        said.append(plain_words.quality(known.evaluation, known.people))
        rows.append(("What it gains", [plain_words.gain(known.evaluation, known.confidence)["text"]]))
        counts = plain_words.counted(known.evaluation) == "accuracy"
        fair = plain_words.fair_to_groups(known.decision) if known.decision else []
        worse = plain_words.worse_for(known.evaluation["slices"], known.confidence, counts)
        rows.append(("For whom it is worse", [*fair, *worse]))
    if state.release and not state.decision_words:
        following = next((f"{one.title}: {one.next_step}" for one in steps if one.next_step), "")
        is_well = state.is_good and "Nothing: it is released, served and watched."
        rows.append(("What to do next", [following or is_well or f"See what waits: ft needs {known.name}"]))
    elif state.standing and state.standing.state == ENDED:
        rows.append(
            ("What to do next", [f"Train without what may not be used any more, and decide again: ft run {known.name}"])
        )
    elif known.decision:
        rows.append(("What to do next", plain_words.next_after_decision(known.decision)))
    elif known.evaluation:
        following = plain_words.next_after_evaluation(known.evaluation, known.confidence, known.name)
        rows.append(("What to do next", following))
    elif not known.damaged:
        rows.append(("What to do next", [f"Train and evaluate it: ft run {known.name}"]))
    return as_trained(rows, known.method)


def _examples(
    lake: Lake, evaluation: ArtifactVersion | None, figures: Mapping[str, Any] | None
) -> list[dict[str, str]]:
    """Up to three records of the test split: one that fine-tuning gets right and the prompt wrong, the surest mistake,
    and the answer that the model was least sure of. Labels and ids only; none for answers that are texts."""
    content = intact_file(lake, evaluation, PREDICTIONS) if figures else None
    if content is None or figures is None:
        return []
    predictions = pq.read_table(pa.BufferReader(content))
    if "predicted" not in predictions.schema.names:
        return []
    prompt = plain_words.best_prompt(figures["systems"], metric(figures["main_metric"]))
    prompted = {row["record_id"]: row for row in rows_of(predictions, prompt).to_pylist()}
    rows = sorted(rows_of(predictions, FINE_TUNED).to_pylist(), key=lambda row: -(row["confidence"] or 0))
    gained = (
        row
        for row in rows
        if row["predicted"] == row["label"] and prompted.get(row["record_id"], row)["predicted"] != row["label"]
    )
    chosen = {
        "What training gained": next(gained, None),
        "Its surest mistake": next((row for row in rows if row["predicted"] != row["label"]), None),
        "Where it was least sure": rows[-1] if rows and rows[-1]["confidence"] is not None else None,
    }
    return [_example(title, row, prompted) for title, row in chosen.items() if row]


def _example(title: str, row: Mapping[str, Any], prompted: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    sure = "" if row["confidence"] is None else f", {percent(row['confidence'])} sure"
    other = prompted.get(row["record_id"])
    return {
        "title": title,
        "right": row["label"],
        "given": f"{row['predicted']}{sure}",
        "prompted": (other["predicted"] if other else None) or "no answer",
        "record_id": row["record_id"],
    }
