"""Which indexes there are, and how to reach them: as pip's own configuration files and environment say.

Precedence is pip's: the files are read global, user, site, then the one that ``PIP_CONFIG_FILE`` names,
which, if it exists, stands in for the user's. A later file replaces an option of an earlier one. Of all files
together, ``[install]`` beats ``[global]``, and ``PIP_*`` beats both.
"""

import configparser
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import field
from pathlib import Path

from ppcdeps.base.ini_files import IniError, read_ini
from ppcdeps.base.named_files import expanded
from ppcdeps.model.documents import DocumentError, read_document
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.values import dataclass

_SECTIONS = ("global", "install")
_ALIASES = {"default-timeout": "timeout", "pypi-url": "index-url", "i": "index-url", "f": "find-links"}
_TRUE = frozenset({"1", "true", "yes", "y", "on", "t"})
_FALSE = frozenset({"0", "false", "no", "n", "off", "f", ""})


@dataclass(frozen=True, slots=True)
class PipConfig:
    """What pip would use.

    ``indexes`` are simple-repository URLs, the first the most trusted; they may have credentials in them: show them
    with ``ppcdeps.base.urls.shown_url``. ``timeout`` is in seconds.
    """

    indexes: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    cert: str | None = None
    client_cert: str | None = None
    trusted_hosts: tuple[str, ...] = ()
    proxy: str | None = None
    timeout: float = 15.0
    retries: int = 5
    origins: Mapping[str, str] = field(default_factory=dict)
    """By option, which file or variable set it."""


def read_pip_config(
    environ: Mapping[str, str] | None = None,
    *,
    files: Sequence[Path] | None = None,
    prefix: str | None = None,
) -> PipConfig:
    """Read pip's configuration.

    ``files`` replaces the list of configuration files (for tests), ``prefix`` the environment whose
    ``pip.conf`` is the site file. Raises ConfigError where a file cannot be read or parsed, an option has an
    impossible value, or no index is configured and pip's own default cannot be learned.
    """
    env = os.environ if environ is None else environ
    options, origins = _options(env, _config_files(env, prefix or sys.prefix) if files is None else files)
    faults: list[str] = []
    no_index = _boolean("no-index", options.get("no-index", ""), faults)
    timeout = _number("timeout", options.get("timeout", "15"), faults)
    retries = _number("retries", options.get("retries", "5"), faults)
    if faults:
        raise ConfigError("pip's configuration has impossible values", faults=tuple(faults))
    indexes: tuple[str, ...] = ()
    if not no_index:
        # No second copy of pip's default here: it is pip that knows it.
        first = options.get("index-url", "").strip() or _default_index()
        indexes = tuple(dict.fromkeys((first, *options.get("extra-index-url", "").split())))
    return PipConfig(
        indexes=tuple(index.rstrip("/") for index in indexes),
        find_links=tuple(_expand(place) for place in options.get("find-links", "").split()),
        cert=_path(options.get("cert")),
        client_cert=_path(options.get("client-cert")),
        trusted_hosts=tuple(options.get("trusted-host", "").split()),
        proxy=options.get("proxy") or None,
        timeout=timeout,
        retries=int(retries),
        origins=origins,
    )


def _config_files(env: Mapping[str, str], prefix: str) -> list[Path]:
    named = env.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = expanded(env.get("HOME") or "~")
    user = Path(env.get("XDG_CONFIG_HOME") or home / ".config")
    shared = [Path(folder) / "pip" / "pip.conf" for folder in (env.get("XDG_CONFIG_DIRS") or "/etc/xdg").split(":")]
    files = [*shared, Path("/etc/pip.conf")]
    own = expanded(named) if named else None
    if own is None or not own.exists():
        # As pip has it: a file that the environment names stands in for the user's.
        files += [home / ".pip" / "pip.conf", user / "pip" / "pip.conf"]
    files.append(Path(prefix) / "pip.conf")
    if own is not None:
        files.append(own)
    return files


def _options(env: Mapping[str, str], files: Sequence[Path]) -> tuple[dict[str, str], dict[str, str]]:
    by_section: dict[str, dict[str, tuple[str, str]]] = {section: {} for section in _SECTIONS}
    for file in files:
        for section, key, value in _read_file(file):
            by_section[section][key] = (value, str(file))
    merged = by_section["global"] | by_section["install"]
    for variable, value in sorted(env.items()):
        if variable.startswith("PIP_") and variable != "PIP_CONFIG_FILE" and value:
            merged[_key(variable.removeprefix("PIP_"))] = (value, variable)
    return {key: value for key, (value, _) in merged.items()}, {key: origin for key, (_, origin) in merged.items()}


def _read_file(file: Path) -> list[tuple[str, str, str]]:
    if not file.is_file():
        return []
    # Raw, as pip reads them: a % in a URL stays one.
    parser = configparser.RawConfigParser()
    try:
        read_ini(parser, read_document(file, "pip_size").decode("utf-8"), str(file))
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigError(f"pip's configuration file {file} cannot be read: {fault}") from None
    except DocumentError as fault:
        raise ConfigError(f"pip's configuration file {file} {fault}") from None
    except IniError as fault:
        raise ConfigError(f"pip's configuration file {file} is malformed: {fault}") from None
    return [
        (section, _key(key), value)
        for section in _SECTIONS
        if parser.has_section(section)
        for key, value in parser.items(section)
    ]


def _key(name: str) -> str:
    plain = name.lower().replace("_", "-").lstrip("-")
    return _ALIASES.get(plain, plain)


def _default_index() -> str:
    try:
        from pip._internal.models.index import PyPI
    except ImportError:
        raise ConfigError(
            "no Python index is configured, and pip, which knows the default one, is not importable",
            hint="set index-url in pip.conf or PIP_INDEX_URL",
        ) from None
    return str(PyPI.simple_url)


def _boolean(name: str, value: str, faults: list[str]) -> bool:
    text = value.strip().lower()
    if text not in _TRUE | _FALSE:
        faults.append(f"{name}: {value!r} is neither true nor false")
    return text in _TRUE


def _number(name: str, value: str, faults: list[str]) -> float:
    try:
        number = float(value)
    except ValueError:
        number = -1.0
    if not 0 <= number < 86400:
        faults.append(f"{name}: {value!r} is not a number that makes sense")
    return number


def _expand(place: str) -> str:
    return str(expanded(place)) if place.startswith("~") else place


def _path(value: str | None) -> str | None:
    return _expand(value) if value else None
