from typing import Any

RAN_AGAINST = "real"
NOT_RUN = {
    **dict.fromkeys(("orchestrator_killed", "ended_unwatched"), "the program ends with the process that started it"),
    **dict.fromkeys(("preempted", "machine_lost", "no_capacity", "refused"), "there is one machine and no scheduler"),
    "credentials_expired": "nobody asks for credentials",
    "out_of_memory": "the system ends what needs too much by SIGKILL, without a reason (`worker_killed`)",
    **dict.fromkeys(("messages_lost", "messages_twice", "clock_skew"), "messages go through a file of this machine"),
    "other_code": "orchestrator and program are one installation",
    "submitted_twice": "the lease of the training keeps the second out (ft_platform_tests/training/test_lease.py)",
}


def settings() -> dict[str, Any]:
    return {}
