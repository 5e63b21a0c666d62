"""Runs the kill test: `python -m ft_platform_tests.kill_test.run --kills 100 --seed 1`, started by
`python -m ft_platform_tests.kill_test`. Prints one line of JSON per kill, then the counts.

A process of its own: torch and the training code are imported once and every attempt is forked from here, before any
thread has started. In one trial a training is attempted until it is published; most attempts are killed (`-9` before a
random file operation, at a named point, at a random time), stopped by SIGTERM, or meet a full disk, and between
attempts the newest saved state is sometimes damaged. The last attempt of each trial is left alone and must end with the
weights of an undisturbed run."""

import argparse
import json
import os
import random
import shutil
import signal
import tempfile
import time
import traceback
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ft_platform_tests.kill_test import case
from ft_platform_tests.kill_test.attempt import NAMED_POINTS, Fault, FullDisk, KillAtCall, KillAtFile, attempt

STUCK_SECONDS = 120.0
"""An attempt takes a second or two; one that takes this long is stuck."""
LONGEST_POLL_SECONDS = 1.0
"""No more than this counts for one poll: while the whole machine stands still, the attempt is not stuck."""
MOST_FAULTS = 5
DAMAGED_SHARE = 0.4
POLL_SECONDS = 0.005
TYPED_ENDS = {"sigterm": ("Preempted",), "full disk": ("DiskFull",)}


@dataclass
class Counts:
    """What the kill test found.

    Attributes:
        kills: attempts that were ended by a planted fault.
        trials: trainings that were attempted until they were published.
        stuck: attempts that ended in no expected way or not at all, and trials that were never published.
        different: published checkpoints whose weights are not those of the undisturbed run.
        corrupt_planted, corrupt_detected: saved states that were damaged, and those of them that were set aside.
        by_fault: kind of fault -> attempts it ended.
    """

    kills: int = 0
    trials: int = 0
    stuck: int = 0
    different: int = 0
    corrupt_planted: int = 0
    corrupt_detected: int = 0
    by_fault: dict[str, int] = field(default_factory=dict)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    os.environ |= {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    _import_everything()
    with tempfile.TemporaryDirectory(prefix="ft-kill-test-", ignore_cleanup_errors=True) as folder:
        counts = KillTest(Path(folder), random.Random(arguments.seed)).run(arguments.kills)
    print(json.dumps(asdict(counts)), flush=True)


def _import_everything() -> None:
    """What an attempt imports, once, in the process that all attempts are forked from."""
    import peft
    import torch
    from transformers.models.llama import modeling_llama

    from ft_platform.reporting import stage_pages  # noqa: F401
    from ft_platform.training import checkpoint, loop, prepare, state, stopping  # noqa: F401
    from ft_platform.training.threads import pin_threads

    assert peft and modeling_llama and torch
    os.environ["FT_THREADS"] = "1"
    pin_threads()


class KillTest:
    """Trials below `folder`, drawn from `rng`."""

    def __init__(self, folder: Path, rng: random.Random) -> None:
        self.folder, self.rng, self.counts = folder, rng, Counts()
        self.template = folder / "template"

    def run(self, kills: int) -> Counts:
        """Trials until `kills` faults were met, or one attempt was stuck."""
        self.template.mkdir()
        _in_child(lambda: case.build(self.template))
        self.undisturbed()
        while self.counts.kills < kills and not self.counts.stuck:
            self.trial()
        return self.counts

    def undisturbed(self) -> None:
        """Runs the training twice without a fault: the weights to compare with, how many file operations there are, how
        long it takes."""
        started = time.monotonic()
        first, second = (self._attempt(self._copy(f"undisturbed-{number}"), Fault()) for number in range(2))
        self.seconds = (time.monotonic() - started) / 2
        if first["ended"] != "finished" or first != second:
            raise SystemExit(f"two undisturbed trainings differ or failed: {first} {second}")
        self.expected, self.operations = first["weights"], first["operations"]

    def trial(self) -> None:
        """One training, disturbed up to `MOST_FAULTS` times, then left alone until it is published."""
        self.counts.trials += 1
        place = self._copy(f"trial-{self.counts.trials}")
        damaged: list[int] = []
        for left in range(self.rng.randint(1, MOST_FAULTS), -1, -1):
            name, found = self._disturbed(place) if left else ("none", self._attempt(place, Fault()))
            damaged = self._detected(place, damaged, found)
            kind = name.split(":")[0]
            print(json.dumps({"trial": self.counts.trials, "fault": name, **found}), flush=True)
            if found["ended"] == "finished":
                self.counts.different += found["weights"] != self.expected
                break
            if found["ended"] != "killed" and found.get("type") not in TYPED_ENDS.get(kind, ()):
                self.counts.stuck += 1
                return
            self.counts.kills += 1
            self.counts.by_fault[kind] = self.counts.by_fault.get(kind, 0) + 1
            if self.rng.random() < DAMAGED_SHARE and (step := self._damage_newest(place, damaged)):
                damaged.append(step)
                self.counts.corrupt_planted += 1
        shutil.rmtree(place)

    def _copy(self, name: str) -> Path:
        place = self.folder / name
        # The base model is not copied: it is named by its path, which is part of the checkpoint's id.
        for part in ("lake", "seals", "vault"):  # what is signed, and the keys that sign
            shutil.copytree(self.template / part, place / part)
        (place / "model").symlink_to(self.template / "model")
        return place

    def _disturbed(self, place: Path) -> tuple[str, dict[str, Any]]:
        """An attempt with a random fault."""
        kind = self.rng.choice(["file", "file", "named", "named", "time", "sigterm", "full"])
        if kind in ("time", "sigterm"):
            after = self.rng.uniform(0, self.seconds)
            number = signal.SIGKILL if kind == "time" else signal.SIGTERM
            return f"{'random time' if kind == 'time' else 'sigterm'}: {after:.2f} s", self._attempt(
                place, Fault(), after, number
            )
        if kind == "named":
            fault: Fault = KillAtCall(
                self.rng.choice(list(NAMED_POINTS)), self.rng.randint(1, 6), after=self.rng.random() < 0.5
            )
        else:
            point = self.rng.randint(1, self.operations)
            fault = KillAtFile(point) if kind == "file" else FullDisk(point)
        return fault.name, self._attempt(place, fault)

    def _attempt(
        self, place: Path, fault: Fault, signal_after: float | None = None, number: int = signal.SIGKILL
    ) -> dict[str, Any]:
        """Forks an attempt and waits for its end: what it reported, or `killed`, or `stuck`."""
        report = place / "report.json"
        report.unlink(missing_ok=True)
        child = os.fork()
        if child == 0:
            os.dup2(os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
            attempt(place, report, fault)
        before, passed, signalled = time.monotonic(), 0.0, False
        while os.waitpid(child, os.WNOHANG)[0] == 0:
            now = time.monotonic()
            before, passed = now, passed + min(now - before, LONGEST_POLL_SECONDS)
            if signal_after is not None and passed >= signal_after and not signalled:
                os.kill(child, number)
                signalled = True
            if passed > STUCK_SECONDS:
                return {"ended": "stuck", "stacks": _ended_by_force(child, place / "log")}
            time.sleep(POLL_SECONDS)
        return json.loads(report.read_text()) if report.exists() else {"ended": "killed"}

    def _states(self, place: Path, pattern: str) -> list[Path]:
        return sorted((place / "lake" / "shared" / case.NAME / ".training").glob(f"*/{pattern}"))

    def _damage_newest(self, place: Path, damaged: list[int]) -> int | None:
        """Flips a bit of a file of the newest saved state, cuts it or removes it; the step of that state, if an attempt
        will need one."""
        if any((place / "lake" / "shared" / case.NAME / "adapter_checkpoint").glob("ckpt-*/manifest.json")):
            return None
        states = [folder for folder in self._states(place, "step-*") if int(folder.name[5:]) not in damaged]
        if not states:
            return None
        path = self.rng.choice([p for p in sorted(states[-1].iterdir()) if p.stat().st_size])
        content = bytearray(path.read_bytes())
        how = self.rng.choice(["bit", "cut", "gone"])
        if how == "gone":
            path.unlink()
        else:
            content[self.rng.randrange(len(content))] ^= 1 << self.rng.randrange(8)
            path.write_bytes(content if how == "bit" else content[: self.rng.randrange(len(content))])
        print(
            json.dumps({"trial": self.counts.trials, "damaged": f"{states[-1].name}/{path.name}", "how": how}),
            flush=True,
        )
        return int(states[-1].name[5:])

    def _detected(self, place: Path, damaged: list[int], found: dict[str, Any]) -> list[int]:
        """Counts the damaged states that were set aside; returns those that no attempt has come across yet.

        An attempt that publishes removes the states, also those set aside: its manifest says how many it had set aside.
        """
        aside = {int(folder.name.split("-")[1]) for folder in self._states(place, "damaged-*")}
        seen = min(len(damaged), found["damaged_states"]) if found["ended"] == "finished" else 0
        gone = [step for step in damaged if step in aside]
        self.counts.corrupt_detected += max(len(gone), seen)
        return [step for step in damaged if step not in aside]


def _ended_by_force(child: int, log: Path) -> list[str]:
    """Kills an attempt; where each of its threads was."""
    size = log.stat().st_size
    os.kill(child, signal.SIGUSR1)
    time.sleep(LONGEST_POLL_SECONDS)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return log.read_bytes()[size:].decode(errors="replace").splitlines()


def _in_child(work: Callable[[], None]) -> None:
    """Runs `work` in a forked process, so that no thread starts in this one."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        raise SystemExit("the training to be killed could not be prepared")


if __name__ == "__main__":
    main()
