"""What lies under the wrappers of a library's errors, for a line that a person reads."""

from __future__ import annotations

from harness.types import first_line


def cause(error: BaseException) -> str:
    """The innermost reason: `Connection refused`, `Name or service not known`; one line, without a full stop."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__  # type: ignore[assignment]
    return str(getattr(error, "strerror", None) or first_line(error)).rstrip(".")
