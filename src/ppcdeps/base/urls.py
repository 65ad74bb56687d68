"""URLs of repositories and indexes: joined, turned into paths, held to who named them, and shown without secrets."""

import re
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from ppcdeps.base.addresses import nearness_of_host

# Object stores and package servers take tokens and signatures in the query, too.
_SECRET_QUERY = re.compile(r"(?i)([?&][^=&]*(?:token|key|secret|passw|sig)[^=&]*=)[^&]*")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://.*", re.DOTALL)
_SECRET_OPTION = re.compile(r"((?:^|\.)(?:username|password|proxy_username|proxy_password)=).*", re.DOTALL)
_WORD = re.compile(r"[A-Za-z0-9]{16,}")
_DIGEST = re.compile(r"[0-9a-f]{56,}")
_UUID = re.compile(r"(?i)[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CLASSES = re.compile(r"[0-9]+|[a-z]+|[A-Z]+")
_FEWEST_CHANGES = 5
"""Changes between digits, small and capital letters from which on a word was drawn and not written."""


def join_url(base: str, location: str) -> str:
    """The URL of a file below a repository's base URL, whose query (if any) stays at the end."""
    path, mark, query = base.partition("?")
    return f"{path.rstrip('/')}/{location}{mark}{query}"


def split_url(url: str) -> SplitResult:
    """The parts of a URL from outside. What is none (``http://[x``) is all path, without a scheme and a host."""
    try:
        return urlsplit(url)
    except ValueError:
        return SplitResult("", "", url, "", "")


def has_host(url: str) -> bool:
    """Whether a URL from outside names a host, and, if any, a port that can be."""
    parts = split_url(url)
    try:
        # No part of a name is empty or has more than 63 characters (RFC 1035), as Python's sockets have it.
        return bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        return False


def is_file_url(url: str) -> bool:
    """Whether the URL names a file of this machine."""
    return url[:5].lower() == "file:"


def path_of(url: str) -> Path:
    """The path that a file URL names."""
    parts = split_url(url)
    return Path(unquote(parts.path) or "/")


def refusal(url: str, named_by: str, folder: str | None = None) -> str:
    """Why what lies at ``named_by`` may not name ``url``, as a phrase; empty where it may.

    What is remote names http and https only, and this machine's own addresses only where it lies as near itself:
    else a server would decide what is read here. Names of hosts are looked at when they are connected to. What is
    local names files beneath ``folder``, a file URL (default: nothing that is local), links followed.
    """
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is not a URL"
    if parts.scheme in ("http", "https") and host:
        near = nearness_of_host(host)
        if is_file_url(named_by) or near <= nearness_of_host(urlsplit(named_by).hostname or ""):
            return ""
        return near.reason
    if parts.scheme != "file":
        return "is neither http nor https"
    if not is_file_url(named_by):
        return "is a file of this machine, which no server may name"
    if folder is not None and _lies_beneath(url, folder):
        return ""
    return "leads out of its folder"


def _lies_beneath(url: str, folder: str) -> bool:
    try:
        return path_of(url).resolve().is_relative_to(path_of(folder).resolve())
    except (OSError, ValueError, RuntimeError):
        # A null byte, or links in a circle.
        return False


def credentials_in(url: str) -> tuple[str, tuple[str, str] | None]:
    """The URL's host with its port, and the user and password before it, None where there are none."""
    user, at, host = split_url(url).netloc.rpartition("@")
    name, _, password = user.partition(":")
    return host, (unquote(name), unquote(password)) if at else None


def without_credentials(url: str) -> str:
    """The URL without user and password, for requests, lock files and what else must not carry them."""
    parts = split_url(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2])) if "@" in parts.netloc else url


def shown_url(url: str) -> str:
    """The URL without credentials: what a message may say.

    Also without what looks like a token in the path, as some services have it there.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    if "@" in parts.netloc:
        url = url.replace(parts.netloc, f"***@{parts.netloc.rpartition('@')[2]}", 1)
    if parts.netloc and len(parts.path) > 16:
        path = "/".join("***" if _is_token(each) else each for each in parts.path.split("/"))
        if path != parts.path:
            url = url.replace(parts.path, path, 1)
    return _SECRET_QUERY.sub(r"\1***", url)


def without_secrets(word: str) -> str:
    """A word of a command line without credentials, in a URL or as an option of a repository (`ID.password=...`)."""
    return _URL.sub(lambda found: shown_url(found[0]), _SECRET_OPTION.sub(r"\1***", word))


def _is_token(segment: str) -> bool:
    """Whether a part of a path looks drawn at random. A file's name does not, nor does a digest that stores use."""
    if len(segment) < 16 or "." in segment:
        return False
    if _UUID.search(segment):
        return True
    words = (word for word in _WORD.findall(segment) if not _DIGEST.fullmatch(word))
    return any(len(_CLASSES.findall(word)) > _FEWEST_CHANGES for word in words)
