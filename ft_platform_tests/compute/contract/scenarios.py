"""What every back end, and every store of a lake, is tried with. A test of the contract says which one it shows, by
`@shows`; a back end says which of them it cannot show, and why: those count as not run."""

import pytest

SCENARIOS = {
    "result": "the result arrives, with log lines and progress on the way",
    "program_error": "a failure of the program arrives with its type and next step",
    "worker_killed": "a program that a signal ended says which one",
    "orchestrator_killed": "another orchestrator adopts the program of one that was killed",
    "ended_unwatched": "what ended while nobody watched is read afterwards, not run again",
    "cancelled": "the end of the run is the end of the program and of all that it started",
    "cancelled_by_force": "so it is where the program ignores interrupts",
    "time_limit": "a program that takes too long is ended, and the setting named",
    "preempted": "a program that is taken off its machine goes on to equal weights",
    "machine_lost": "a program whose machine is gone is tried again on another",
    "out_of_memory": "a program that needs more memory than its job may have says so",
    "no_capacity": "a program waits for a machine, says so, and then runs",
    "refused": "what the scheduler will never take fails at once, and is not tried again",
    "credentials_expired": "credentials that expire end the watching, not the program",
    "messages_lost": "messages that the store did not take arrive all the same",
    "messages_twice": "messages that were written twice arrive once",
    "clock_skew": "a worker whose clock is wrong by years changes nothing",
    "other_code": "a worker with other code is refused",
    "submitted_twice": "of two submissions of the same work one runs",
    "secrets": "values of variables are shown nowhere",
}

STORE_SCENARIOS = {
    "created_once": "of many that want a name at once each gets another, also where answers are lost",
    "lease": "of many that want a lease one gets it, and that of a killed process is followed once it has ended",
    "delta_commits": "six writers of one table lose nothing and see no conflict",
    "reader_beside_writer": "who reads a version finds it whole while others write",
    "killed": "a process killed at any write leaves whole versions, and the next run goes on",
    "upload_killed": "an upload killed half way does not count, and the next one is whole",
    "published_twice": "equal inputs keep the first checkpoint",
    "state_resumed": "a training goes on from the newest whole state, and a sweep leaves none",
    "messages": "messages of a program come once and in order through a storm",
    "storm": "refusals, lost answers and closed connections cost time and nothing else",
    "throttled": "so does a store that asks for patience in its own words; one that never stops is named",
    "slow_reads": "so do answers that are slow",
    "credentials_expired": "credentials that are refused are named, and what was there is intact",
    "evidence": "what was altered behind the platform's back is named",
    "erasure": "earlier versions of objects that hold a person are deleted for good, and no others",
}
"""What every store of a lake is tried with (`ft_platform_tests/lake/test_object_store.py`)."""


def shows(name: str) -> pytest.MarkDecorator:
    """The test shows this scenario."""
    assert name in SCENARIOS or name in STORE_SCENARIOS
    return pytest.mark.scenario(name=name)
