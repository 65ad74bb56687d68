"""What servers answer, for those who read what was fetched before and need no HTTP client."""

from ppcdeps.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Validators:
    """What a server gave for conditional requests: the copy at ``url`` is that of ``etag`` or ``last_modified``."""

    url: str
    etag: str = ""
    last_modified: str = ""

    @property
    def headers(self) -> dict[str, str]:
        """The condition as request headers."""
        found = {"If-None-Match": self.etag, "If-Modified-Since": self.last_modified}
        return {name: value for name, value in found.items() if value}


def looks_like_html(data: bytes) -> bool:
    """Whether the bytes begin as a web page does."""
    head = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return head.startswith((b"<!doctype html", b"<html")) or (head.startswith(b"<?xml") and b"<html" in head)
