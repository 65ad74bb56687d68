"""`.repo` files, and what the command line lays over them: dnf's own way to name repositories."""

import fnmatch
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from ppcdeps.base.named_files import expanded, followed
from ppcdeps.base.urls import shown_url
from ppcdeps.metadata.variables import substitute, unset_variables
from ppcdeps.model import names
from ppcdeps.model.documents import DocumentError, read_document
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.reporter import Reporter
from ppcdeps.model.repository import RepoConfig, Side
from ppcdeps.model.values import dataclass

_SCHEMES = ("http", "https", "file")
_TRUE = frozenset({"1", "yes", "true", "on", "enabled"})
_FALSE = frozenset({"0", "no", "false", "off", "disabled"})
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}


# The options ------------------------------------------------------------------------------------------------


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _boolean(text: str) -> bool:
    value = text.strip().lower()
    if value in _TRUE:
        return True
    if value in _FALSE:
        return False
    raise ValueError("is to be a boolean (1, yes, true, on or 0, no, false, off)")


def _integer(text: str) -> int:
    if not re.fullmatch(r"[+-]?\d{1,9}", text.strip()):
        raise ValueError("is to be a whole number")
    return int(text)


def _natural(text: str) -> int:
    value = _integer(text)
    if value < 0:
        raise ValueError("is to be 0 or more")
    return value


def _expiry(text: str) -> int | None:
    # dnf.conf(5): both mean that it never expires.
    if text.strip().lower() in ("never", "-1"):
        return None
    return int(_seconds(text))


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([smhdw]?)", text.strip().lower())
    if found is None:
        raise ValueError("is to be a number of seconds, or one with a unit (90s, 30m, 6h, 2d)")
    return float(found[1]) * _UNITS[found[2]]


def _positive_seconds(text: str) -> float:
    value = _seconds(text)
    if value <= 0:
        raise ValueError("is to be more than 0 seconds")
    return value


def _url(text: str) -> str:
    """One URL; an absolute path becomes a file URL, as users write it."""
    if text.startswith("/"):
        return Path(text).as_uri() + ("/" if text.endswith("/") else "")
    try:
        scheme = urlsplit(text).scheme
    except ValueError:
        scheme = ""
    if scheme not in _SCHEMES:
        raise ValueError(f"has {shown_url(text)!r}, which is not an http, https or file URL")
    return text


def _urls(text: str) -> tuple[str, ...]:
    return tuple(_url(word) for word in _words(text))


def _one_url(text: str) -> str | None:
    return _url(text.strip()) if text.strip() else None


def _proxy(text: str) -> str:
    value = text.strip()
    if value.lower() in ("", "_none_"):
        return ""
    if urlsplit(value if "://" in value else f"http://{value}").hostname is None:
        raise ValueError("is to be the URL of a proxy, or empty for none")
    return value if "://" in value else f"http://{value}"


def _text(text: str) -> str | None:
    return text.strip() or None


def _plain(text: str) -> str:
    return text.strip()


def _file(text: str) -> str | None:
    value = text.strip()
    return value.removeprefix("file://") or None


_READERS: Mapping[str, tuple[str, Callable[[str], Any]]] = {
    "name": ("name", _plain),
    "baseurl": ("baseurl", _urls),
    "mirrorlist": ("mirrorlist", _one_url),
    "metalink": ("metalink", _one_url),
    "enabled": ("enabled", _boolean),
    "priority": ("priority", _integer),
    "cost": ("cost", _natural),
    "excludepkgs": ("excludepkgs", _words),
    "exclude": ("excludepkgs", _words),
    "includepkgs": ("includepkgs", _words),
    "module_hotfixes": ("module_hotfixes", _boolean),
    "gpgcheck": ("gpgcheck", _boolean),
    "repo_gpgcheck": ("repo_gpgcheck", _boolean),
    "gpgkey": ("gpgkey", _urls),
    "skip_if_unavailable": ("skip_if_unavailable", _boolean),
    "metadata_expire": ("metadata_expire", _expiry),
    "proxy": ("proxy", _proxy),
    "username": ("username", _text),
    "password": ("password", _text),
    "sslverify": ("sslverify", _boolean),
    "sslcacert": ("sslcacert", _file),
    "sslclientcert": ("sslclientcert", _file),
    "sslclientkey": ("sslclientkey", _file),
    "timeout": ("timeout", _positive_seconds),
    "retries": ("retries", _natural),
}
"""The options that ppcdeps acts on: the field of RepoConfig each sets, and how its text is read."""

SIDE_OPTION = "side"
"""The one option of a section that is ppcdeps's own. dnf leaves it aside."""

_SOURCES = ("-source", "-source-rpms")
"""How ids of source repositories end, as `dnf download --source` knows them."""

_PROXY_LOGIN = ("proxy_username", "proxy_password")


def known_options() -> frozenset[str]:
    """The options of a section that ppcdeps acts on."""
    return frozenset((*_READERS, *_PROXY_LOGIN, SIDE_OPTION))


_KNOWN_TO_DNF = frozenset(
    """
    async autocheck_running_kernel bandwidth countme deltarpm deltarpm_percentage enabled_metadata
    enablegroups failovermethod fastestmirror gpgkey_dns_verification http_caching ip_resolve keepalive
    keepcache localpkg_gpgcheck max_parallel_downloads mdpolicy mediaid metadata_expire_filter minrate protect
    proxy_auth_method proxy_sslcacert proxy_sslclientcert proxy_sslclientkey proxy_sslverify report_instances
    sslverifystatus ssl_check_cert_permissions strict throttle type ui_repoid_vars user_agent
    """.split()  # noqa: SIM905 - eighty quoted words would hide what the list says
)
_MAIN_OF_DNF = frozenset(
    """
    allow_vendor_change arch assumeno assumeyes autorefresh basearch best build_cache bugtracker_url cachedir
    cacheonly check_config_file_age clean_requirements_on_remove color color_list_available_downgrade
    color_list_available_install color_list_available_reinstall color_list_available_upgrade
    color_list_installed_extra color_list_installed_newer color_list_installed_older
    color_list_installed_reinstall color_search_match color_update_installed color_update_local
    color_update_remote comment config_file_path cachedir debug_solver debuglevel defaultyes destdir
    diskspacecheck distroverpkg downloaddir errorlevel exclude_from_weak exclude_from_weak_autodetect
    excludepkgs exit_on_lock group_package_types history_list_view history_record history_record_packages
    ignorearch install_weak_deps installonly_limit installonlypkgs installroot log_compress log_rotate
    log_size logdir logfile_level metadata_timer_sync modular_obsoletes module_obsoletes module_platform_id
    module_stream_switch multilib_policy obsoletes optional_metadata_types persistdir pluginconfpath
    pluginpath plugins protect_running_kernel protected_packages recent releasever reposdir reset_nice
    rpmverbosity skip_broken skip_unavailable stream_switch system_cachedir transformdb tsflags
    upgrade_group_objects_upgrade upgrade_requirements_on_install usercache usr_drift_protected_paths varsdir
    zchunk
    """.split()  # noqa: SIM905
)


# Files ------------------------------------------------------------------------------------------------------


def read_repo_file(
    path: Path,
    variables: Mapping[str, str],
    side: Side,
    reporter: Reporter,
    *,
    by_side: Mapping[Side, Mapping[str, str]] | None = None,
) -> tuple[RepoConfig, ...]:
    """The repositories of one file, enabled or not, in the order of their sections.

    They are of ``side``, save where a section has the option `side`, or an id that ends as those of source
    repositories do; ``by_side`` are the variables of such sections where they are others. A ``[main]`` section gives
    the defaults of the others. Unknown options are warned about. Raises ConfigError with all faults of the file at
    once.
    """
    try:
        # With a byte order mark in front, the first heading would not be one.
        text = read_document(path, "metadata_list").decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        raise ConfigError(f"{path} is not UTF-8 text (byte {fault.start})", hint="save it as UTF-8") from fault
    except OSError as fault:
        raise ConfigError(f"{path} cannot be read: {fault.strerror or fault}") from fault
    except DocumentError as fault:
        raise ConfigError(f"{path} {fault}") from fault
    return parse_repo_text(text, str(path), variables, side, reporter, by_side=by_side)


def parse_repo_text(
    text: str,
    source: str,
    variables: Mapping[str, str],
    side: Side,
    reporter: Reporter,
    *,
    by_side: Mapping[Side, Mapping[str, str]] | None = None,
) -> tuple[RepoConfig, ...]:
    """As ``read_repo_file``, for text that came from ``source``."""
    faults: list[str] = []
    sections = _sections(text, faults)
    main = sections.pop("main", {})
    defaults = _Section("main", f"{source} [main]", faults, reporter)
    defaults.read(main, variables, main=True)
    configs = []
    for name, options in sections.items():
        section = _Section(name, f"{source} [{name}]", faults, reporter)
        own = section.side(options.pop(SIDE_OPTION, ""), side)
        section.read(options, (by_side or {}).get(own, variables) if own is not side else variables)
        configs.append(section.config(own, defaults))
    if len(faults) == 1:
        raise ConfigError(f"{source} {faults[0]}")
    if faults:
        raise ConfigError(f"{source} has {len(faults)} faults", faults=tuple(faults))
    return tuple(configs)


def _sections(text: str, faults: list[str]) -> dict[str, dict[str, str]]:
    """Sections, options and values as libdnf's parser takes them: an indented line goes on with the value."""
    sections: dict[str, dict[str, str]] = {}
    options: dict[str, str] | None = None
    key = ""
    for number, line in enumerate(text.splitlines(), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", ";")):
            continue
        if line[0] in " \t" and key and options is not None:
            options[key] += f"\n{stripped}"
            continue
        if stripped.startswith("["):
            name = stripped[1:].partition("]")[0].strip()
            key = ""
            if "]" not in stripped or not name:
                faults.append(f"line {number}: {stripped[:60]!r} is not a section heading")
                options = {}
            elif name in sections:
                faults.append(f"[{name}]: is there twice (line {number})")
                options = {}
            else:
                options = sections.setdefault(name, {})
            continue
        name, equals, value = stripped.partition("=")
        if not equals or not name.strip():
            faults.append(f"line {number}: {stripped[:60]!r} is neither a section nor option=value")
            key = ""
        elif options is None:
            faults.append(f"line {number}: {name.strip()!r} comes before any section")
        else:
            key = name.strip()
            options[key] = value.strip()
    return sections


@dataclass(slots=True)
class _Section:
    """One section being read: its values by field of RepoConfig, faults noted and not raised."""

    name: str
    origin: str
    faults: list[str]
    reporter: Reporter
    values: dict[str, Any] = field(default_factory=dict)
    login: dict[str, str] = field(default_factory=dict)

    def fault(self, message: str) -> None:
        self.faults.append(f"[{self.name}]: {message}")

    def side(self, text: str, default: Side) -> Side:
        """What the repository is for, as the section says it or its id does."""
        if text in (*Side,):
            return Side(text)
        if text:
            self.fault(f"{SIDE_OPTION} is to be {', '.join(Side)}, not {text[:60]!r}")
        return Side.SOURCE if self.name.endswith(_SOURCES) else default

    def read(self, options: Mapping[str, str], variables: Mapping[str, str], *, main: bool = False) -> None:
        for option, text in options.items():
            value = substitute(text, variables)
            if option in _PROXY_LOGIN:
                self.login[option] = value.strip()
            elif option in _READERS:
                self._take(option, value)
            elif option not in _KNOWN_TO_DNF and not (main and option in _MAIN_OF_DNF):
                self._warn_unknown(option, main)

    def _take(self, option: str, value: str) -> None:
        name, reader = _READERS[option]
        try:
            self.values[name] = reader(value)
        except ValueError as fault:
            # The value of a proxy may have a password in it, as that of password is one.
            shown = "" if str(fault).startswith("has ") else f", not {value[:60]!r}"
            self.fault(f"{option} {fault}{'' if option in ('password', 'proxy') else shown}")

    def _warn_unknown(self, option: str, main: bool) -> None:
        known = [*_READERS, *_PROXY_LOGIN, *_KNOWN_TO_DNF, *(_MAIN_OF_DNF if main else ())]
        import difflib

        near = difflib.get_close_matches(option, known, n=1)
        advice = f'; did you mean "{near[0]}"?' if near else ""
        self.reporter.warn(f'{self.origin}: unknown option "{option}" is ignored{advice}')

    def config(self, side: Side, defaults: "_Section") -> RepoConfig:
        """The repository; what it does not say, ``[main]`` says. Exclusions of both count together."""
        try:
            names.repository_id(self.name)
        except ValueError as fault:
            self.fault(f"is {fault}")
        values = {key: value for key, value in defaults.values.items() if key not in _OWN} | self.values
        both = (*defaults.values.get("excludepkgs", ()), *self.values.get("excludepkgs", ()))
        if both:
            values["excludepkgs"] = tuple(dict.fromkeys(both))
        login = defaults.login | self.login
        if values.get("proxy") and login.get("proxy_username"):
            values["proxy"] = _with_login(values["proxy"], login)
        config = RepoConfig(id=self.name, side=side, origin=self.origin, **values)
        self._check(config)
        return config

    def _check(self, config: RepoConfig) -> None:
        """A repository that is off may be unfinished: files bring such ones for other releases."""
        if not config.enabled:
            return
        urls = [*config.baseurl, *(url for url in (config.mirrorlist, config.metalink) if url)]
        # A refused value has been reported already.
        if not urls and not any(f.startswith(f"[{self.name}]:") for f in self.faults):
            self.fault("has no baseurl, mirrorlist or metalink: nothing says where the repository is")
        unset = dict.fromkeys(name for url in urls for name in unset_variables(url))
        if unset:
            shown = ", ".join(f"${name}" for name in unset)
            self.fault(f"its address has {shown}, which is not set (set it with DNF_VAR_{next(iter(unset))}=VALUE)")


_OWN = frozenset({"name", "baseurl", "mirrorlist", "metalink", "enabled", "priority", "cost"})
"""What ``[main]`` cannot say for a repository."""


def _with_login(proxy: str, login: Mapping[str, str]) -> str:
    parts = urlsplit(proxy)
    user = quote(login["proxy_username"], safe="")
    password = quote(login.get("proxy_password", ""), safe="")
    return parts._replace(netloc=f"{user}:{password}@{parts.netloc.rpartition('@')[2]}").geturl()


# The command line -------------------------------------------------------------------------------------------


def repo_from_path(option: str, side: Side, *, option_name: str = "--repofrompath") -> RepoConfig:
    """The repository that ``ID,URL`` names; a plain path becomes a file URL. Raises UsageError."""
    name, comma, address = option.partition(",")
    name, address = name.strip(), address.strip()
    if not comma or not address:
        raise UsageError(f"{option_name} is to be ID,URL, not {shown_url(option)!r}")
    try:
        names.repository_id(name)
    except ValueError as fault:
        raise UsageError(f"{option_name} is to be ID,URL: {fault}") from fault
    if "://" in address:
        try:
            url = _url(address)
        except ValueError as fault:
            raise UsageError(f"{option_name} {name}: {fault}") from fault
    else:
        path = followed(expanded(address))
        if not path.is_dir():
            raise UsageError(f"{option_name} {name}: there is no directory {path}")
        url = f"{path.as_uri()}/"
    return RepoConfig(id=name, side=side, name=name, baseurl=(url,), origin=option_name)


def apply_overrides(
    configs: Sequence[RepoConfig], options: Sequence[str], variables: Mapping[str, str]
) -> tuple[RepoConfig, ...]:
    """The repositories with ``--setopt`` values laid over them.

    ``ID.option=value`` takes globs in the id; ``option=value`` is meant for all. Later ones win. Raises
    UsageError where an option or an id is not known, or a value cannot be read.
    """
    result = list(configs)
    for text in options:
        target, equals, value = text.partition("=")
        pattern, _, option = target.strip().rpartition(".")
        if not equals or not option:
            raise UsageError(f"--setopt is to be ID.option=value or option=value, not {text!r}")
        if option not in _READERS:
            raise UsageError(f'--setopt: unknown option "{option}"', hint=_nearest(option, _READERS))
        name, reader = _READERS[option]
        try:
            read = reader(substitute(value, variables))
        except ValueError as fault:
            raise UsageError(f"--setopt {target}: {option} {fault}") from fault
        matching = _matching(result, pattern or "*", f"--setopt {target}")
        result = [replace(config, **{name: read}) if config.id in matching else config for config in result]
    return tuple(result)


def select_repositories(
    configs: Sequence[RepoConfig],
    *,
    enable: Sequence[str] = (),
    disable: Sequence[str] = (),
    only: Sequence[str] = (),
) -> tuple[RepoConfig, ...]:
    """The repositories switched on and off by ``--disablerepo``, ``--enablerepo`` and ``--repo`` (globs,
    commas).

    ``only`` leaves on just what it names. ``enable`` wins over ``disable``. All are returned, those that are
    off with ``enabled`` false. Raises UsageError where a pattern matches none, or an option names nothing.
    """
    for option, given in (("--enablerepo", enable), ("--disablerepo", disable), ("--repo", only)):
        if any(not _words(each) for each in given):
            raise UsageError(f"{option} names no repository", hint="give an ID or a pattern, like 'kvm-*'")
    on = {config.id for config in configs if config.enabled}
    for pattern in _patterns(disable):
        on -= _matching(configs, pattern, "--disablerepo")
    for pattern in _patterns(enable):
        on |= _matching(configs, pattern, "--enablerepo")
    if only:
        on = set().union(*(_matching(configs, pattern, "--repo") for pattern in _patterns(only)))
    return tuple(replace(config, enabled=config.id in on) for config in configs)


def _patterns(options: Iterable[str]) -> list[str]:
    return [word for option in options for word in _words(option)]


def _matching(configs: Sequence[RepoConfig], pattern: str, option: str) -> set[str]:
    ids = [config.id for config in configs]
    found = {one for one in ids if fnmatch.fnmatchcase(one, pattern)}
    if not found and pattern != "*":
        raise UsageError(f'{option}: no repository matches "{pattern}"', hint=_nearest(pattern, ids))
    return found


def _nearest(word: str, known: Iterable[str]) -> str:
    import difflib

    names = list(known)
    near = difflib.get_close_matches(word, names, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known: {', '.join(sorted(names)) or 'none'}"
