"""Audits the splits of a use case: `python -m ft_platform.programs.audit`, started by a compute back end or by hand.

Orders: `splits`, a version handle. By hand (`--use-case <name>`) the newest splits are taken.
"""

import os

from ft_platform.programs.reporting import prepare_process, program


def main() -> None:
    """Renders every record, publishes the report, stores the verdict and reports both. A failed audit is a result, not
    a failure."""
    # This program forks no process, so the tokenizer may use all cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")
    prepare_process()
    from ft_platform.errors import VersionRefused
    from ft_platform.reporting.publishing.training_audit import audit_for
    from ft_platform.training.audit_verdict import read_figures

    with program("audit") as running:
        splits = running.table("splits")
        if splits is None:
            raise VersionRefused(f"{running.use_case.name} has no splits", f"Run: ft run {running.use_case.name}")
        audit = audit_for(running.lake, running.environment, running.use_case, splits)
        figures = read_figures(running.lake, audit)
        running.finish(
            artifact=audit.to_dict(),
            passed=figures["passed"],
            problems=figures["problems"],
            warnings=figures["warnings"],
        )


if __name__ == "__main__":
    main()
