"""The pages over all use cases, as they are served."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime

from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.reporting.portal.needs import TITLES, Need, needs_of
from ft_platform.reporting.portal.portfolio import Entry, as_csv, portfolio_of
from ft_platform.reporting.portal.register import Registered, register_of
from ft_platform.reporting.published import Page
from ft_platform.reporting.report_urls import use_case_of_index
from ft_platform.settings.roles import ROLES, title
from ft_platform.use_case.named import NamedUseCase

PORTFOLIO, NEEDS, REGISTER, EXPORT = "/", "/needs", "/register", "/portfolio.csv"


class Portal:
    """What needs whom, and how all use cases stand.

    Args:
        load: the use cases of the installation as their files are now, by name.
    """

    def __init__(self, lake: Lake, load: Callable[[], Mapping[str, NamedUseCase]] = dict) -> None:
        self.lake, self.load = lake, load

    def page(self, path: str, roles: Callable[[str], Collection[str]] | None = None) -> Page | None:
        """The page at the path of a request, or None if there is none.

        Args:
            roles: use case -> roles in it of whoever asks. None: nobody signs in.
        """
        if path not in (PORTFOLIO, NEEDS, REGISTER, EXPORT):
            return None
        use_cases, today = self.load(), datetime.now(UTC).date()
        if path == REGISTER:
            return Page(register_page(register_of(self.lake, use_cases)).encode())
        needs = {name: needs_of(self.lake, use_case, today) for name, use_case in use_cases.items()}
        if path == NEEDS:
            return Page(needs_page([one for found in needs.values() for one in found], len(use_cases), roles).encode())
        counts = {name: len(found) for name, found in needs.items()}
        entries = portfolio_of(self.lake, use_cases, counts, today)
        if path == EXPORT:
            return Page(as_csv(entries).encode(), "text/csv")
        return Page(portfolio_page(entries, [name for name in self.with_reports() if name not in use_cases]).encode())

    def with_reports(self) -> list[str]:
        """Use cases that have a folder in the shared zone, by name; some have no file any more."""
        folder = f"{self.lake.root}/shared"
        self.lake.fs.invalidate_cache()
        if not self.lake.fs.exists(folder):
            return []
        names = [path.rstrip("/").rsplit("/", 1)[-1] for path in self.lake.fs.ls(folder, detail=False)]
        return sorted(name for name in names if use_case_of_index(f"/{name}/"))


def needs_page(needs: Sequence[Need], use_cases: int, roles: Callable[[str], Collection[str]] | None = None) -> str:
    """What waits, by role; the nearest last day first. Before it stands what waits for whoever asks, if that is known.

    Args:
        roles: use case -> roles in it of whoever asks.
    """
    ordered = sorted(needs, key=lambda one: (one.until or "9999", one.since))
    mine = [one for one in ordered if roles and one.role in roles(one.use_case)]
    by_role: dict[str, list[Need]] = {role: [] for role in ROLES}
    for need in ordered:
        if need not in mine:
            by_role[need.role].append(need)
    own = [("You", mine)] if roles else []
    groups = own + [(title(role), found) for role, found in by_role.items() if found]
    shown = {"title": "What needs somebody", "here": "needs", "groups": groups, "use_cases": use_cases}
    return page("portal_needs.html", **shown, actions=TITLES)


def portfolio_page(entries: Sequence[Entry], gone: Sequence[str]) -> str:
    """Every use case, with what there is to know.

    Args:
        gone: those that have reports, and no file that can be read.
    """
    costs = [(one.currency, one.cost) for one in entries]
    saved = [(one.saved_currency, one.saved) for one in entries]
    return page(
        "portal_portfolio.html",
        title="All use cases",
        here="portfolio",
        entries=entries,
        gone=[{"href": f"{name}/", "title": name} for name in gone],
        costs=_sums(costs),
        saved=_sums(saved),
    )


def register_page(found: Sequence[Registered]) -> str:
    """Every use case with its purpose and what permits it, and the duties of those that have some."""
    rows = [
        {
            **{name: getattr(one, name) for name in (*Registered.__dataclass_fields__, "gaps")},
            "href": f"{one.use_case}/",
            "evidence": [
                {
                    "article": each.duty.article,
                    "what": each.duty.what,
                    "links": [{"title": name, "href": href} for name, href, _ in each.shown],
                    "gap": each.gap,
                }
                for each in one.evidence
            ],
        }
        for one in found
    ]
    return page("portal_register.html", title="Register of models and datasets", here="register", rows=rows)


def _sums(found: Sequence[tuple[str | None, float | None]]) -> list[tuple[str, float]]:
    """Money of each currency."""
    sums: dict[str, float] = {}
    for currency, money in found:
        if currency is not None and money is not None:
            sums[currency] = sums.get(currency, 0.0) + money
    return sorted(sums.items())
