"""All dates of a person move by the same number of days, so that what lies between them stays."""

from datetime import timedelta

from ft_platform.lake.keys.key_ring import UseCaseKeys
from ft_platform.privacy.dates import read_date
from ft_platform.privacy.draw import Draw
from ft_platform.privacy.operators.redact import Redact
from ft_platform.use_case.settings.privacy import Privacy


class DateShift:
    """Covered: dates that `privacy.dates` reads, in the form they are written in; what it does not read is redacted.

    Not covered: dates with a day and month that could be either way round are taken as in the United States.
    """

    reversible = False

    def __init__(self, privacy: Privacy, keys: UseCaseKeys) -> None:
        self._key = keys.derived("date_shift")
        self._most = privacy.date_shift_days
        self._redact = Redact(privacy, keys)

    def days(self, person: str) -> int:
        """Days that the dates of a person move: -most to most, never 0."""
        days = Draw(self._key, person).below(2 * self._most) - self._most
        return days if days < 0 else days + 1

    def replace(self, entity: str, original: str, person: str) -> str:
        written = read_date(original)
        if written is None:
            return self._redact.replace(entity, original, person)
        try:
            return written.at(written.day + timedelta(days=self.days(person)))
        except OverflowError:
            return self._redact.replace(entity, original, person)
