"""Errors in the form that OpenAI's clients read. None quotes what a client sent, but for the name of a field."""

import json
import math
from typing import Any

from pydantic import ValidationError
from starlette.responses import Response

TYPES = {400: "invalid_request_error", 401: "authentication_error", 403: "permission_error", 404: "not_found_error"}
TYPES |= {405: "invalid_request_error", 408: "timeout_error", 413: "invalid_request_error", 429: "rate_limit_error"}
TYPES |= {
    415: "invalid_request_error",
    421: "invalid_request_error",
    431: "invalid_request_error",
    504: "timeout_error",
}

LOWEST_LOGPROB = -9999.0
"""What OpenAI's API says for a log-probability of minus infinity, which JSON cannot."""


class ApiError(Exception):
    """An answer that is an error.

    Args:
        code: for programs, one word.
        param: field of the request.
        retry_after: seconds after which it is worth another try.
    """

    def __init__(
        self, status: int, message: str, code: str, param: str | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(code)
        self.status, self.message, self.code, self.param = status, message, code, param
        self.retry_after = retry_after

    @property
    def body(self) -> dict[str, Any]:
        kind = TYPES.get(self.status, "server_error")
        return {"error": {"message": self.message, "type": kind, "param": self.param, "code": self.code}}

    def response(self) -> Response:
        headers = {"Cache-Control": "no-store"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(max(1, math.ceil(self.retry_after)))
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return json_response(self.body, self.status, headers)


def json_bytes(value: Any) -> bytes:
    """ASCII JSON: a text that a model wrote may hold half of a character."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def json_response(value: Any, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(json_bytes(value), status, headers, media_type="application/json")


def engine_full(retry_after: float) -> ApiError:
    return ApiError(429, "the server is busy", "engine_full", retry_after=retry_after)


def invalid_body(error: ValidationError) -> ApiError:
    """The first mistake in a body, in words that quote nothing of it."""
    told = error.errors(include_url=False, include_input=False, include_context=False)
    found = next((one for one in told if one["type"] == "value_error"), told[0])  # the others may be of another form
    if found["type"] == "json_invalid":
        return ApiError(400, "the body is not valid JSON in UTF-8", "invalid_json")
    # Names of fields are ours; keys of mappings are the client's, and no model here has one.
    param = ".".join(str(part) for part in found["loc"] if isinstance(part, int) or str(part).isidentifier())
    message = found["msg"].removeprefix("Value error, ")
    return ApiError(400, f"{param}: {message}" if param else message, "invalid_value", param or None)
