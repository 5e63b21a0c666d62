"""Faults as people make them: one place, plausible, and wrong. Each stands for a promise of the platform."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """One replacement in one file of `ft_platform`.

    Attributes:
        file: below `ft_platform`; its first folder is the package, whose test folder has the same name.
        old: text that stands in the file once.
        new: what replaces it.
        why: what goes wrong.
        tests: to try first; default: those that are named after the file.
    """

    name: str
    file: str
    old: str
    new: str
    why: str
    tests: tuple[str, ...] = ()

    @property
    def package(self) -> str:
        return self.file.split("/")[0].removesuffix(".py")


FAULTS = [
    Fault(
        "split_leak",
        "splitting/leakage.py",
        "np.count_nonzero(np.bitwise_count(together) > 1)",
        "np.count_nonzero(np.bitwise_count(together) > 2)",
        "a person in training and test is not counted as a leak",
    ),
    Fault(
        "side_given_up",
        "splitting/membership.py",
        "side_numbers(rows)[self._index.order]",
        "side_numbers(rows)",
        "records change sides when more data comes",
        ("ft_platform_tests/splitting/test_sticky.py",),
    ),
    Fault(
        "gate_failed_check",
        "lake/gate.py",
        "elif not verdict.passed:",
        "elif verdict.passed is None:",
        "training starts on a version whose check failed",
        ("ft_platform_tests/test_gate.py",),
    ),
    Fault(
        "gate_stale_settings",
        "lake/gate.py",
        "if manifest.settings_hash != stage.settings_hash(use_case):",
        "if not manifest.settings_hash:",
        "a version made with other settings counts as current",
        ("ft_platform_tests/test_gate.py",),
    ),
    Fault(
        "withdrawn_consent",
        "governance/judge.py",
        "found[no_consent_needed & ~np.isin(found, COUNTS_ALWAYS)] = PERMITTED",
        "found[no_consent_needed] = PERMITTED",
        "a withdrawal is ignored where the lawful basis needs no consent",
        ("ft_platform_tests/governance/test_permission.py",),
    ),
    Fault(
        "expired_a_day_late",
        "governance/reasons.py",
        'return passed if today > last else ""',
        'return passed if (today - last).days > 1 else ""',
        "a record is used on the day after its permission ended",
        ("ft_platform_tests/governance/test_permission.py",),
    ),
    Fault(
        "iban_without_check_digits",
        "privacy/recognizers/iban.py",
        "return int(digits) % 97 == 1",
        "return int(digits) % 97 >= 1",
        "account numbers are found by their shape, whatever their check digits",
        ("ft_platform_tests/privacy/recognizers",),
    ),
    Fault(
        "pseudonym_without_key",
        "privacy/pseudonyms.py",
        "digest = hmac.digest(self._key, ",
        'digest = hmac.digest(b"", ',
        "anybody can compute whom a pseudonym stands for",
    ),
    Fault(
        "k_counts_rows",
        "privacy/k_anonymity.py",
        "while (small := classes.persons < k).any():",
        "while (small := classes.rows < k).any():",
        "k rows of one person pass as k persons",
    ),
    Fault(
        "vault_look_up_unnoted",
        "privacy/vault.py",
        'self._note(pseudonym, reason, "refused: no fitting key", [])',
        "pass",
        "a refused look-up of a person leaves no trace",
    ),
    Fault(
        "seal_not_compared",
        "lake/seals.py",
        "if digest == entry.sha256:",
        "if entry.sha256:",
        "a manifest that was altered by hand counts as signed",
    ),
    Fault(
        "half_published",
        "lake/files.py",
        "os.rename(source, staged)",
        "os.makedirs(staged) or [shutil.copy(p, staged) for p in source.iterdir() if p.is_file()]",
        "subfolders of a checkpoint are lost on the way to its place",
        ("ft_platform_tests/lake/test_files.py",),
    ),
    Fault(
        "artifact_bytes_not_compared",
        "lake/artifacts.py",
        ".hexdigest() != expected:  # type: ignore[arg-type]",
        '.hexdigest() == "":  # type: ignore[arg-type]',
        "altered weights are evaluated and released",
        ("ft_platform_tests/lake/test_store.py",),
    ),
    Fault(
        "accuracy_of_absent_labels",
        "evaluation/label_counts.py",
        "present = support > 0",
        "present = support >= 0",
        "labels that no test record has pull the macro score down",
        ("ft_platform_tests/evaluation/test_metrics.py",),
    ),
    Fault(
        "one_sided_interval",
        "evaluation/intervals.py",
        "np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])",
        "np.quantile(values, [1 - confidence, confidence])",
        "intervals are narrower than their confidence says",
    ),
    Fault(
        "fair_by_point_estimate",
        "evaluation/fairness_verdict.py",
        'return TOO_LITTLE if gap is None or gap["high"] > limit or missing else WITHIN',
        'return TOO_LITTLE if gap is None or gap["value"] > limit or missing else WITHIN',
        "a gap passes although its interval reaches above the limit",
    ),
    Fault(
        "anything_waivable",
        "release/decide.py",
        "if not ruling.passed and not (ruling.waivable and ruling.rule in self.waivers)",
        "if not ruling.passed and ruling.rule not in self.waivers",
        "a waiver lifts a rule that nobody may waive",
        ("ft_platform_tests/release/test_waivers.py",),
    ),
    Fault(
        "waiver_a_day_longer",
        "release/waivers.py",
        "if revoked or waiver.checkpoint != checkpoint.artifact_id or today > until:",
        "if revoked or waiver.checkpoint != checkpoint.artifact_id or today > until + timedelta(days=1):",
        "a waiver holds on the day after its last",
    ),
    Fault(
        "budget_overdrawn",
        "costs/budgets.py",
        "if budget.left > 0 and expected <= budget.left:",
        "if budget.left > 0 or expected <= budget.left:",
        "a program starts although it will cost more than is left",
    ),
    Fault(
        "any_source_allowed",
        "settings/allowed_sources.py",
        'return fnmatchcase(target, wanted.lower().rstrip("/"))',
        "return bool(wanted)",
        "a use case reads from hosts that the installation did not list",
        ("ft_platform_tests/sources/test_allowed.py",),
    ),
    Fault(
        "dropout_of_everything",
        "settings/training.py",
        'le=0.9,\n        description=(\n            "Dropout in [0, 0.9]',
        'le=1.0,\n        description=(\n            "Dropout in [0, 0.9]',
        "a setting out of its bounds loads",
        ("ft_platform_tests/docs/test_docs.py",),
    ),
    Fault(
        "id_without_source_key",
        "sources/record_ids.py",
        "counts = self._seen_in_file.of(contents) + occurrences(contents)",
        "counts = self._seen_in_file.of(contents)",
        "equal rows within one batch share one record id",
        ("ft_platform_tests/sources/test_ingest.py",),
    ),
    Fault(
        "filter_off_by_one",
        "cleaning/filters/too_short.py",
        "records.characters < use_case",
        "records.characters <= use_case",
        "texts of exactly the shortest length are removed",
        ("ft_platform_tests/cleaning/test_filters.py",),
    ),
    Fault(
        "copies_of_near_duplicates_stay",
        "cleaning/clean.py",
        "originals = np.where(copies, near.original[exact], near.original)",
        "originals = near.original",
        "exact copies of a near duplicate survive cleaning",
        ("ft_platform_tests/cleaning",),
    ),
    Fault(
        "near_duplicates_missed",
        "near_duplicates/leaders.py",
        ">= self._threshold - EPSILON",
        "> self._threshold + 0.1",
        "near duplicates in overfull buckets are kept",
        ("ft_platform_tests/near_duplicates/test_near_duplicates.py",),
    ),
    Fault(
        "quarantine_leaks",
        "validation/quarantine.py",
        "yield batch.filter(pa.array(~here)) if len(refused) else batch,",
        "yield batch,",
        "records that were put aside also go on",
    ),
    Fault(
        "predictions_sent_away",
        "tracking/runs.py",
        'REPORT_FILES = (".html", ".png", ".json")',
        'REPORT_FILES = (".html", ".png", ".json", ".parquet")',
        "what is about single records reaches the tracker",
        ("ft_platform_tests/evaluation/test_tracked_evaluation.py",),
    ),
    Fault(
        "long_numbers_pass",
        "redaction/edge.py",
        'LONG_NUMBER = re.compile(r"\\d(?:[ .,/()+\\-]{0,3}\\d){8,}")',
        'LONG_NUMBER = re.compile(r"\\d(?:[ .,/()+\\-]{0,3}\\d){28,}")',
        "card numbers reach Dagster's database",
    ),
    Fault(
        "withheld_readable",
        "redaction/withheld.py",
        "folder.mkdir(exist_ok=True, mode=0o700)\n    if folder.stat().st_mode & 0o077:\n        folder.chmod(0o700)",
        "folder.mkdir(exist_ok=True)",
        "everybody on the machine may read withheld texts",
        ("ft_platform_tests/redaction",),
    ),
    Fault(
        "stolen_key_signs",
        "signing/models.py",
        "if key.stolen_since:",
        "if key.stolen_since is None and not key.root:",
        "what a stolen key signed verifies",
    ),
    Fault(
        "other_origins_welcome",
        "web/guard.py",
        'if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):',
        'if headers.get("sec-fetch-site", "none") not in ("same-origin", "none", "cross-site"):',
        "other web pages read the UI's data",
    ),
    Fault(
        "loss_of_micro_batches",
        "training/loop.py",
        "part = objective.loss(model, micro) * (counts / weight)",
        "part = objective.loss(model, micro) * (counts / objective.weight(micro))",
        "the gradient depends on how rows are packed into micro-batches",
    ),
    Fault(
        "resumed_without_best",
        "training/state.py",
        "run.best = _read(folder / BEST)",
        "run.best = {}",
        "a resumed training forgets its best weights",
    ),
    Fault(
        "two_trainers",
        "training/lease.py",
        "fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)",
        "fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)",
        "two processes train one checkpoint at once",
        ("ft_platform_tests/training/test_lease.py",),
    ),
    Fault(
        "earlier_answers_learned",
        "models/rendering/renderer.py",
        'piece.learned and (place >= last or train_on == "all_turns")',
        "piece.learned",
        "answers are learned that the use case leaves out",
    ),
    Fault(
        "loss_below_zero",
        "experiments/power_law.py",
        "level = np.where(below, 0.0, level)",
        "level = np.where(below, level, level)",
        "a learning curve promises a loss below zero",
    ),
    Fault(
        "membership_weakest",
        "privacy_attacks/membership.py",
        'strongest = max(ATTACKS, key=lambda name: found[name]["auc"]["value"])',
        'strongest = min(ATTACKS, key=lambda name: found[name]["auc"]["value"])',
        "a checkpoint is judged by the weakest attack",
    ),
    Fault(
        "savings_overstated",
        "business/returns.py",
        'values["minutes_with"] + (1 - values["adoption"]) * values["minutes_before"]',
        'values["minutes_with"]',
        "cases that the model does not answer cost nothing",
        ("ft_platform_tests/business/test_roi.py",),
    ),
    Fault(
        "drift_by_chance",
        "profiling/drift.py",
        "if value < by_chance:",
        "if value < 0:",
        "few rows look like a large shift",
    ),
    Fault(
        "trains_on_every_rerun",
        "orchestration/automation.py",
        "AC.any_deps_match(AC.data_version_changed())",
        "AC.any_deps_updated()",
        "identical data starts a training",
        ("ft_platform_tests/test_automation.py",),
    ),
    Fault(
        "check_cannot_fail",
        "assets/splits.py",
        "numbers = leakage(use_case, lake.rows(splits), folder, benchmark, asked)",
        'numbers = {**leakage(use_case, lake.rows(splits), folder), "passed": True}',
        "the check of the graph passes whatever leaks",
        ("ft_platform_tests/assets/test_splits.py",),
    ),
    Fault(
        "altered_evidence_verifies",
        "evidence/verify.py",
        "elif sha256_file(path) != expected:",
        "elif not expected:",
        "a file of an evidence pack can be exchanged",
    ),
    Fault(
        "markup_of_records",
        "reporting/html.py",
        "autoescape=True",
        "autoescape=False",
        "a label of a record runs as a script in a report",
        ("ft_platform_tests/reporting/documents",),
    ),
    Fault(
        "result_lost",
        "compute/pipes.py",
        '*lines, rest = (rest + file.read()).split(b"\\n")',
        '*lines, rest = file.read().split(b"\\n")',
        "a message that was read in two parts is lost",
        ("ft_platform_tests/test_pipes.py",),
    ),
    Fault(
        "text_of_failure",
        "programs/reporting.py",
        'f"the program ended with {place_of_error(error)}; nothing was published"',
        'f"the program ended with {error}; nothing was published"',
        "the text of an exception, which may quote a record, is passed on",
    ),
    Fault(
        "unknown_fields_load",
        "use_case/problems.py",
        "return (None if problems else settings), problems",
        "return settings, problems[:0]",
        "a use case with mistakes loads without a word",
        ("ft_platform_tests/test_use_case_file.py",),
    ),
    Fault(
        "batches_out_of_order",
        "engines/processes.py",
        "while under_way:\n                yield _result(under_way.popleft())",
        "while under_way:\n                yield _result(under_way.pop())",
        "rows of a stage change their order with the number of workers",
        ("ft_platform_tests/engines",),
    ),
    Fault(
        "lost_rows_unseen",
        "records/lost_rows.py",
        "if lost.share > most:",
        "if lost.share > 1:",
        "a stage may lose every record without an error",
    ),
    Fault(
        "adapter_code_allowed",
        "models/guards/adapter_files.py",
        "if path.suffix in PICKLED:",
        'if path.suffix in (".bin",):',
        "a pickle in an adapter is opened",
        ("ft_platform_tests/models/guards/test_adapter_files.py",),
    ),
    Fault(
        "ctrl_c_succeeds",
        "cli.py",
        "return 128 + signal.SIGINT",
        "return 0",
        "a command that was stopped says that it succeeded",
        ("ft_platform_tests/test_cli.py",),
    ),
]
