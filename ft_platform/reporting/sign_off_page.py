"""The page of `sign_off`: who has signed, what lacks, and how to sign."""

from pathlib import Path

from ft_platform.lake.draft import Draft
from ft_platform.release.sign_off import SignOff
from ft_platform.reporting.report_page import write_report_page
from ft_platform.use_case.settings.roles import title


def write_sign_off(folder: Path, draft: Draft, found: SignOff) -> None:
    """Fills `folder` with `report.html`."""
    write_report_page(
        folder,
        draft,
        "sign_off.html",
        title=f"Signatures of {draft.use_case.name}",
        found=found,
        titles={one.role: title(one.role) for one in found.roles},
    )
