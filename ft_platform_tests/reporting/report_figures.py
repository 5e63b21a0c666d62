"""Figures of the reports that cost a training or people to make, as their makers leave them: every branch of a page, in
words of nobody. Made up."""

from typing import Any

import numpy as np

from ft_platform.training.privacy_attacks.membership import OTHERS, SideLosses

FIGURE = {"value": 0.6, "low": 0.55, "high": 0.65}
GAIN = {
    **FIGURE,
    "sd": 0.01,
    "sd_low": 0.0,
    "sd_high": 0.1,
    "min": 0.5,
    "max": 0.7,
    "values": [0.5, 0.7],
    "better_for": 2,
}


def privacy() -> dict[str, Any]:
    attack = {name: {**FIGURE, "claimable": 0.009} for name in ("auc", "at_1_percent", "at_01_percent")}
    one = {"kind": "the feature", "name": "the group", "members": 40, "found": 3, "others": 15, "mistaken": 1}
    rates = dict.fromkeys(
        (
            "verbatim",
            "baseline",
            "untrained",
            "near_verbatim",
            "baseline_near_verbatim",
            "untrained_near_verbatim",
            "gain",
        ),
        FIGURE,
    )
    losses = dict.fromkeys(("train", "validation", "test", "validation_gap", "gap", "gap_before"), FIGURE)
    return {
        "checkpoint": "the checkpoint",
        "reasons": ["the reason"],
        "records": 100,
        "members": 65,
        "others": 20,
        "membership": dict.fromkeys(("loss", "calibrated"), attack),
        "slices": [{**one, "low": 0.01, "chance": 0.5}],
        "membership_status": "measured",
        "extraction_rate": {**rates, "rows": 20, "of": "answers", "status": "measured"},
        "personal_data": {
            "samples": 4,
            "texts_with_finding": 1,
            "found": {"the entity": 2},
            "originals": None,
            "originals_status": "the vault is off",
        },
        "personal_data_status": "measured",
        "overfitting": {
            **losses,
            "status": "on answers",
            "kept_epoch": 1.0,
            "curve": [{"epoch": 1, "train_loss": 1.0, "validation_loss": 1.1}],
        },
    }


def privacy_losses() -> dict[str, SideLosses]:
    rows = [np.array([1.0, place]) for place in (0.5, 1.5, 2.5)]
    return {side: SideLosses(rows, rows) for side in ("train", *OTHERS)}


def regression() -> dict[str, Any]:
    suite = dict.fromkeys(("base", "tuned", "champion", "difference", "difference_to_champion"), FIGURE)
    suite |= {
        "metric": "the metric",
        "higher_is_better": True,
        "items": 40,
        "margin": 0.15,
        "non_inferior": False,
        "non_inferior_to_champion": False,
    }
    general_text = {**suite, "metric": "log_perplexity", "status": "within_margin"}
    suites = {"the harness task": {**suite, "status": "beyond_margin"}, "general_text": general_text}
    return {"suites": suites, "champion": {"status": "compared", "checkpoint": "the champion"}, "confidence": 0.95}


def canaries() -> dict[str, Any]:
    return {
        "exposure_bits": {"10": FIGURE},
        "first_ranked": {"10": FIGURE},
        "control_bits": FIGURE,
        "bits": {"0": [1.0, 2.0], "10": [5.0, 6.0]},
        "max_bits": 10.0,
        "confidence": 0.95,
        "planted_in": "user texts",
        "train_rows": 20,
        "planted_rows": 20,
        "conclusion": ["what came out of the secrets"],
    }


def judge() -> dict[str, Any]:
    return {
        "evaluation": "the evaluation",
        "alternative": "another system",
        "judge": {"name of the judge": "the judge"},
        "rubric": "what makes an answer better",
        "usable_in_gate": False,
        "reason": "why it may not be used",
        "gold": {"kappa": FIGURE, "agreement": FIGURE, "source": "the gold file", "rows": 30},
        "win_rate": FIGURE,
        "position_bias": FIGURE,
        "unreadable": {"rows": 1},
        "groundedness": {"hallucination_rate": FIGURE, "rows": 5, "reason": "nobody compared it with people"},
        "answers": {"fine_tuned": 3, "tie": 1, "alternative": 2},
        "rows": 6,
        "test_rows": 12,
        "identical_rows": 6,
        "confidence": 0.95,
        "first_share": 0.5,
        "tokens": 100,
        "seconds": 1.5,
    }


def human_review() -> dict[str, Any]:
    counts = {"fine_tuned": 3, "tie": 1, "alternative": 2}
    return {
        "evaluation": "the evaluation",
        "sheet": "the sheet",
        "alternative": "another system",
        "rows": 6,
        "test_rows": 12,
        "identical_rows": 6,
        "win_rate": FIGURE,
        "confidence": 0.95,
        "agreement": {"kappa": FIGURE, "method": "the method", "raters": 2, "rows": 6, "status": "measured"},
        "raters": [
            {"rater": "the first rater", **counts, "answers": 6, "empty": 0, "win_rate": FIGURE, "first_share": 0.5},
            {
                "rater": "the second rater",
                **dict.fromkeys(counts, 0),
                "answers": 0,
                "empty": 6,
                "win_rate": None,
                "first_share": None,
            },
        ],
    }


def seeds() -> dict[str, Any]:
    return {
        "checkpoint": "the checkpoint",
        "evaluation": "the evaluation",
        "seeds": [{"seed": 17, "validation_loss": 1.0}, {"seed": 18, "validation_loss": 1.1}],
        "main_metric": "macro_f1",
        "metrics": {"macro_f1": GAIN},
        "systems": {"another system": {"macro_f1": 0.5}},
        "differences": {"another system": {"macro_f1": GAIN}},
        "conclusion": [{"good": False, "text": "what came out of the seeds"}],
        "test_rows": 12,
        "confidence": 0.95,
        "bootstrap_samples": 100,
    }


def search() -> dict[str, Any]:
    """Trials over the space `{"lora_dropout": ..., "schedule": choices}`."""
    trial = {
        "number": 0,
        "state": "complete",
        "failed": None,
        "params": {"schedule": "cosine"},
        "validation_loss": 1.0,
        "validations": 2,
        "seconds": 1.0,
    }
    failed = {
        **trial,
        "number": 1,
        "state": "failed",
        "failed": "how the trial failed",
        "validation_loss": None,
        "seconds": None,
    }
    figures = {"trials": 2, "complete": 1, "pruned": 0, "failed": 1}
    return {
        "trials": [trial, failed],
        "best": trial,
        "present": None,
        "snippet": "training: lines to copy",
        "figures": figures,
    }


def learning_curve() -> dict[str, Any]:
    band = {"rows": [10.0, 40.0], "value": [1.0, 0.9], "low": [0.9, 0.8], "high": [1.1, 1.0]}
    return {
        "points": [{"share": 0.5, "rows": 10, "loss": FIGURE}, {"share": 1.0, "rows": 20, "loss": FIGURE}],
        "steps": [{"from": 0.5, "to": 1.0, "fall": FIGURE, "told_apart": True}],
        "law": {"a": 1.0, "b": 0.5, "c": 0.1},
        "band": band,
        "validation_rows": 6,
        "confidence": 0.95,
        "conclusion": ["what came out of the curve"],
    }


def deployment() -> dict[str, Any]:
    """`deployment.json` of one to a target with a price, beside another engine."""
    level = {
        "concurrent": 1,
        "requests": 12,
        "refused": 0,
        "median_seconds": 0.1,
        "p95_seconds": 0.2,
        "requests_per_second": 9.0,
        "prompt_tokens_per_second": 900.0,
    }
    parity = {
        "ok": True,
        "asked": 200,
        "decisions_equal": {"value": 0.995, "low": 0.972, "high": 1.0},
        "ties": 1,
        "prompts_compared": "numbers",
        "prompts_equal": True,
        "largest_probability_difference": None,
        "seconds": {"median": 0.1, "p95": 0.2},
        "causes": [],
    }
    return {
        "target": "the target",
        "kind": "vllm",
        "release": "the release",
        "checkpoint": {"id": "the checkpoint", "content_hash": "its hash"},
        "previous": "the release before",
        "endpoint": "https://models.example.org",
        "model": "the name of the model",
        "engine": "other",
        "parity": parity,
        "guardrails": {
            "records": 50,
            "decisions_equal": {"value": 0.98, "low": 0.9, "high": 1.0},
            "abstained": {"value": 0.0, "low": 0.0, "high": 0.07},
            "metric": "accuracy",
            "quality": {"with": 0.9, "without": 0.92, "with_where_answered": 0.9},
            "acted": {"personal_data": 7},
            "added_seconds": {"median": 0.004, "p95": 0.02},
        },
        "load": [level, {**level, "concurrent": 16, "requests": 48, "refused": 2}],
        "cost_per_day": 12.0,
        "cost_per_1000_requests": 0.015,
        "currency": "the currency",
        "number": 2,
        "deployed_at": "2026-03-01T00:00:00+00:00",
    }


def monitoring() -> dict[str, Any]:
    """A monitored day with an alarm of each kind, texts that are kept, and feedback, without its dates."""
    cause = {"kind": "word", "value": "the word", "before": 0.1, "now": 0.4, "probability": 0.01, "records": ("an id",)}
    right = {"value": 0.7, "low": 0.6, "high": 0.8, "of": 0.9, "answers": 100, "note": "what it cannot see"}
    service = {
        **dict.fromkeys(("requests", "answers", "errors", "refused_requests", "slow"), 3),
        **dict.fromkeys(("error_share", "target_error_share", "p50_seconds", "p95_seconds", "p99_seconds"), 0.5),
        **dict.fromkeys(("target_p95_seconds", "p95_first_seconds", "abstained_share", "cost"), 0.5),
        **dict.fromkeys(("prompt_tokens", "completion_tokens"), 7),
        "guardrails": {"a guardrail:what it did": 2},
        "error_budget": {"days": 3, "allowed": 0.3, "spent": 1},
        "currency": "CHF",
    }
    shares = {"test": 0.4, "week": 0.4, "day": 0.9}
    part = {"value": 0.7, "low": 0.6, "high": 0.8}
    group = {"asked": 40, "judged": 30, "shares": {"answered": part, "right": part, "label a label": part}}
    gap = {**part, "highest": "a group", "lowest": "another", "tested": 0.1}
    groups = {
        "groups": {"a group": group, "another": group, "not stated": {"asked": 3, "judged": 0, "shares": {}}},
        "differences": {"label a label": gap, "right": {**gap, "tested": None}},
    }
    medians = {"test": 40.0, "week": None, "day": 90.0}
    return {
        "releases": ["the release"],
        "reference": "the evaluation",
        "alarms": [{"what": "label", "kind": "outputs", "evidence": "what moved", "cause": [cause]}],
        "estimated_accuracy": right,
        "measured_accuracy": {**right, "value": None, "note": "too few"},
        "figures": {
            "service": service,
            "inputs": {
                "characters": medians,
                "texts": 9,
                "repeated": 2,
                "new_words": medians,
                "languages": {"test": {"en": 1.0}, "day": {"a language": 1.0}},
            },
            "outputs": {
                "personal_data": {"AN ENTITY": 1},
                "searched": 9,
                "refused_share": 0.1,
                "labels": {"a label": shares, "another": shares},
                "confidence": medians,
            },
            "fairness": {"note": "", "features": {"a feature": groups, "another": {"groups": {}, "differences": {}}}},
            "watched": {"label": 1.2},
            "feedback": {
                "opinions": 4,
                "judged": 3,
                "contradictory": 1,
                "overridden": 1,
                "csat": 4.5,
                "csat_answers": 2,
            },
        },
    }
