"""URLs of repositories and indexes: joined, turned into paths, and shown without what is secret in them."""

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

# Object stores and package servers take tokens and signatures in the query, too.
_SECRET_QUERY = re.compile(r"(?i)([?&][^=&]*(?:token|key|secret|passw|sig)[^=&]*=)[^&]*")


def join_url(base: str, location: str) -> str:
    """The URL of a file below a repository's base URL, whose query (if any) stays at the end."""
    path, mark, query = base.partition("?")
    return f"{path.rstrip('/')}/{location}{mark}{query}"


def is_file_url(url: str) -> bool:
    """Whether the URL names a file of this machine."""
    return url.startswith("file:")


def path_of(url: str) -> Path:
    """The path that a file URL names."""
    parts = urlsplit(url)
    return Path(unquote(parts.path) or "/")


def credentials_in(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL's host with its port, and the user and password before it, None where there are none."""
    user, at, host = urlsplit(url).netloc.rpartition("@")
    name, _, password = user.partition(":")
    return host, (unquote(name), unquote(password)) if at else None


def without_credentials(url: str) -> str:
    """The URL without user and password, for requests, lock files and what else must not carry them."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def shown_url(url: str) -> str:
    """The URL without credentials: what a message may say."""
    parts = urlsplit(url)
    if "@" in parts.netloc:
        url = url.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}", 1)
    return _SECRET_QUERY.sub(r"\1***", url)
