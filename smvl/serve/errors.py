"""What goes wrong, as OpenAI's clients read it."""

from typing import Any


class ApiError(Exception):
    """An answer that is an error.

    Args:
        status: of HTTP.
        message: what was found, what was expected, what to do.
        param: the field of the request that it is about.
        code: a word that programs can tell it by.
    """

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None):
        super().__init__(message)
        self.status, self.param, self.code = status, param, code

    def body(self) -> dict[str, Any]:
        kind = "rate_limit_error" if self.status == 429 else "invalid_request_error" if self.status < 500 else "server_error"
        return {"error": {"message": " ".join(str(self).split()), "type": kind, "param": self.param, "code": self.code}}


def refused(message: str, param: str | None = None, code: str | None = None) -> ApiError:
    """A request that cannot be met as it is."""
    return ApiError(400, message, param=param, code=code)
