"""The pages over all use cases, as they are served."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path

from ft_platform.lake.forecast import WINDOWS
from ft_platform.lake.recent import RecentLake
from ft_platform.lake.store import Lake
from ft_platform.reporting.html import page
from ft_platform.reporting.published import Page
from ft_platform.reporting.report_urls import compared_in, use_case_of_index
from ft_platform.use_case.named import NamedUseCase
from ft_platform.use_case.settings.environment import Environment
from ft_platform.use_case.settings.people import People
from ft_platform.use_case.settings.roles import ROLES, title
from ft_platform.web.portal_pages.actions import TITLES
from ft_platform.web.portal_pages.board import Line, board_of, pictures_of, sums, totals_of
from ft_platform.web.portal_pages.catalogue import LISTED, ON_A_PAGE, Asked, Catalogue
from ft_platform.web.portal_pages.catalogue import Entry as Dataset
from ft_platform.web.portal_pages.compare_page import compare_page
from ft_platform.web.portal_pages.compliance import LOOKED_AT, Compliance, compliance_of, ends_soon
from ft_platform.web.portal_pages.needs import Need, needs_of, urgency
from ft_platform.web.portal_pages.packs import Pack, Packs
from ft_platform.web.portal_pages.portfolio import Entry, as_csv, portfolio_of
from ft_platform.web.portal_pages.quotas_page import quotas_page
from ft_platform.web.portal_pages.register import Registered, register_of
from ft_platform.web.portal_pages.roles import roles_page

PORTFOLIO, NEEDS, REGISTER, BOARD, ROLES_PAGE, EXPORT = "/", "/needs", "/register", "/board", "/roles", "/portfolio.csv"
CATALOGUE, COMPLIANCE, QUOTAS = "/catalogue", "/compliance", "/quotas"


class Portal:
    """What needs whom, and how all use cases stand.

    Args:
        load: the use cases of the installation as their files are now, by name.
        people: who has a role in the whole installation.
        packs: folder of evidence packs.
        environment: the installation as its file is now. None: it has no page of quotas.
    """

    def __init__(
        self,
        lake: Lake,
        load: Callable[[], Mapping[str, NamedUseCase]] = dict,
        people: Callable[[], People] = People,
        packs: Path | None = None,
        environment: Callable[[], Environment] | None = None,
    ) -> None:
        self.lake, self.load, self.people = RecentLake(lake), load, people
        self._catalogue, self._packs, self._environment = Catalogue(lake), Packs(packs), environment

    def page(self, path: str, roles: Callable[[str], Collection[str]] | None = None, query: str = "") -> Page | None:
        """The page at the path of a request, or None if there is none.

        Args:
            roles: use case -> roles in it of whoever asks. None: nobody signs in.
            query: of the request; the catalogue is searched with it.
        """
        if asked := compared_in(path):
            return self._comparison(*asked)
        if pack := self._packs.content(path):
            return Page(pack, "application/zip")
        if path == QUOTAS and self._environment:
            now = datetime.now(UTC)
            return Page(quotas_page(self.lake, self._environment(), self.load(), roles, now).encode())
        if path not in (PORTFOLIO, NEEDS, REGISTER, BOARD, ROLES_PAGE, EXPORT, CATALOGUE, COMPLIANCE):
            return None
        use_cases, today = self.load(), datetime.now(UTC).date()
        if path in (CATALOGUE, COMPLIANCE):
            entries, problems = self._catalogue.entries(use_cases)
            if path == CATALOGUE:
                return Page(catalogue_page(entries, Asked.of(query), problems).encode())
            found = compliance_of(self.lake, use_cases, entries, today, roles)
            return Page(compliance_page(found, problems, self._packs.listed(), entries, today).encode())
        for name in use_cases:
            self.lake.refresh(name)
        if path == REGISTER:
            return Page(register_page(register_of(self.lake, use_cases)).encode())
        if path == ROLES_PAGE:
            return Page(roles_page(self.people(), use_cases).encode())
        if path == BOARD:
            return Page(board_page(board_of(self.lake, use_cases, today), today).encode())
        needs = {name: needs_of(self.lake, use_case, today) for name, use_case in use_cases.items()}
        if path == NEEDS:
            return Page(needs_page([one for found in needs.values() for one in found], len(use_cases), roles).encode())
        counts = {name: len(found) for name, found in needs.items()}
        entries = portfolio_of(self.lake, use_cases, counts, today)
        if path == EXPORT:
            return Page(as_csv(entries).encode(), "text/csv")
        return Page(portfolio_page(entries, [name for name in self.with_reports() if name not in use_cases]).encode())

    def _comparison(self, name: str, a: str, b: str) -> Page | None:
        use_case = self.load().get(name)
        self.lake.refresh(name)
        found = compare_page(self.lake, use_case, (a, b)) if use_case else None
        return Page(found.encode()) if found else None

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
    ordered = sorted(needs, key=urgency)
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
        costs=sums(costs),
        saved=sums(saved),
    )


def board_page(lines: Sequence[Line], today: date) -> str:
    """Cost and return of every use case, on one page when it is printed."""
    return page(
        "portal_board.html",
        title="Cost and return of all use cases",
        here="board",
        lines=lines,
        today=today.isoformat(),
        released=sum(one.is_released for one in lines),
        totals=totals_of(lines),
        pictures=pictures_of(lines),
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


def catalogue_page(entries: Sequence[Dataset], asked: Asked, problems: Sequence[str]) -> str:
    """What was found, a page of it, with the search above.

    Args:
        problems: use cases that cannot be read.
    """
    found = [one for one in entries if asked.finds(one)]
    start = (asked.page - 1) * ON_A_PAGE
    return page(
        "portal_catalogue.html",
        title="Catalogue of datasets",
        here="catalogue",
        asked=asked,
        total=len(entries),
        found=len(found),
        rows=found[start : start + ON_A_PAGE],
        before=asked.on(asked.page - 1) if asked.page > 1 else "",
        after=asked.on(asked.page + 1) if start + ON_A_PAGE < len(found) else "",
        use_cases=list(dict.fromkeys(one.use_case for one in entries)),
        stages=[stage.name for stage in LISTED],
        problems=problems,
    )


def compliance_page(
    found: Compliance, problems: Sequence[str], packs: Sequence[Pack], entries: Sequence[Dataset], today: date
) -> str:
    """What a compliance officer looks at.

    Args:
        packs: those that are there; listed are those of checkpoints in the catalogue.
        entries: of the catalogue.
    """
    checkpoints = {one.found.id: one.use_case for one in entries if one.found.stage == "adapter_checkpoint"}
    packed = {one.checkpoint for one in packs}
    return page(
        "portal_compliance.html",
        title="Compliance",
        here="compliance",
        windows=WINDOWS,
        soon=sum(one.within[0] for one in found.ends if one.within),
        affected=sum(bool(one.learned and one.learned[0]) for one in found.ends),
        ends=found.ends,
        waivers=[
            {**vars(one), "href": f"{one.use_case}/", "ends_soon": ends_soon(one.until, today)} for one in found.waivers
        ],
        incidents=[{"use_case": name, "href": f"{name}/", "incident": one} for name, one in found.incidents],
        gone=found.gone,
        retention=found.retention,
        done=None
        if found.done is None
        else [
            {
                **{name: getattr(one, name) for name in ("at", "use_case", "what", "person")},
                "version": (one.details or {}).get("version", ""),
            }
            for one in found.done
        ],
        looked_at=LOOKED_AT,
        log=found.log,
        packs=[
            {
                "use_case": checkpoints[one.checkpoint],
                "checkpoint": one.checkpoint,
                "href": one.address,
                "kilobytes": max(one.bytes // 1000, 1),
                "sha256": one.sha256,
            }
            for one in packs
            if one.checkpoint in checkpoints
        ],
        without_pack=[one for one in found.released.values() if one not in packed],
        problems=list(dict.fromkeys([*problems, *found.problems])),
    )
