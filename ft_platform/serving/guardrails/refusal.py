"""A request that a guardrail refuses."""


class Refused(Exception):
    """Args: guardrail: its name. message: for the client; quotes nothing of the request."""

    def __init__(self, guardrail: str, message: str) -> None:
        super().__init__(guardrail)
        self.guardrail, self.message = guardrail, message
