"""The pages where people act, for the web servers: what they show, and what their forms do."""

from functools import partial

from ft_platform.reporting.evidence.pack import evidence_digest
from ft_platform.use_case.settings.environment import Environment
from ft_platform.web.erasure_acts import erasure_acts
from ft_platform.web.new_use_case import proposed
from ft_platform.web.portal_acts import acts
from ft_platform.web.portal_pages.acting import page_for, view_of
from ft_platform.web.portal_pages.asking import Acting


def acting(environment: Environment) -> Acting:
    acted = acts(environment, evidence_digest) | erasure_acts(environment)
    return Acting(view_of, page_for, acted, partial(proposed, environment))
