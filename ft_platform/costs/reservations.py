"""What programs have reserved of the months of their teams.

A reservation is a file with a number, `<root>/shared/_costs/reserved/<team>/<n>.json`, made only if it does not exist
(as `training.lease`). The file of the highest number stays, so that numbers never begin again."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

from ft_platform.costs.ledger import FOLDER, ZONE
from ft_platform.lake import files
from ft_platform.lake.places import Places

RESERVED = "reserved"


@dataclass(frozen=True)
class Reservation:
    """What a program run may use.

    Attributes:
        at: when it was made, seconds since 1970.
    """

    run: str
    team: str
    month: str
    gpu_hours: float
    money: float
    at: float
    number: int = 0


class Reservations:
    """The reservations of a lake."""

    def __init__(self, lake: Places) -> None:
        self._lake = lake

    def make(self, run: str, team: str, month: str, gpu_hours: float, money: float) -> Reservation:
        """Writes a reservation under the next number of its team."""
        while True:
            number = max(self._numbers(team), default=0) + 1
            made = Reservation(run, team, month, gpu_hours, money, time.time(), number)
            try:
                with self._lake.room_for("the reservation of a quota"):
                    files.create(self._lake.fs, self._path(team, number), json.dumps(vars(made)).encode())
                return made
            except FileExistsError:
                continue

    def of(self, team: str) -> list[Reservation]:
        """All of a team, in order; those of ended runs among them."""
        found = []
        for number in self._numbers(team):
            try:
                found.append(Reservation(**json.loads(files.read_bytes(self._lake.fs, self._path(team, number)))))
            except FileNotFoundError:  # given back just now
                continue
        return found

    def all(self) -> list[Reservation]:
        self._lake.fs.invalidate_cache()
        folder = self._lake.path_of(ZONE, FOLDER, RESERVED)
        there = self._lake.fs.ls(folder, detail=False) if self._lake.fs.exists(folder) else []
        return [one for path in sorted(there) for one in self.of(path.rstrip("/").rsplit("/", 1)[-1])]

    def lower(self, made: Reservation, gpu_hours: float, money: float) -> None:
        """Reserves so much from now on, if it was not removed meanwhile."""
        if self._lake.fs.exists(path := self._path(made.team, made.number)):
            less = {**vars(made), "gpu_hours": gpu_hours, "money": money}
            files.write_bytes(self._lake.fs, path, json.dumps(less).encode())

    def give_back(self, made: Reservation) -> None:
        """The newest keeps its number, and reserves nothing any more."""
        self.lower(made, 0.0, 0.0)
        self.tidy(made.team, lambda one: one.number == made.number)

    def tidy(self, team: str, ended: Callable[[Reservation], bool]) -> None:
        """Removes those that have ended, but for the newest, whose number has to stay."""
        for one in self.of(team)[:-1]:
            if ended(one) and self._lake.fs.exists(path := self._path(team, one.number)):
                self._lake.fs.rm_file(path)

    def _numbers(self, team: str) -> list[int]:
        self._lake.fs.invalidate_cache()
        folder = self._lake.path_of(ZONE, FOLDER, RESERVED, team)
        names = self._lake.fs.ls(folder, detail=False) if self._lake.fs.exists(folder) else []
        stems = (path.rsplit("/", 1)[-1].removesuffix(".json") for path in names)
        return sorted(int(stem) for stem in stems if stem.isdigit())

    def _path(self, team: str, number: int) -> str:
        return self._lake.path_of(ZONE, FOLDER, RESERVED, team, f"{number:08d}.json")
