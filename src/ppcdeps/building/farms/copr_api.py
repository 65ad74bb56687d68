"""COPR's API v3, over its own client library: each call with an end in time, repeated where the server is busy.

What goes wrong becomes one line. The token never is in it, also where the library's own message has it.
"""

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ppcdeps.base.deadline import in_time
from ppcdeps.base.urls import has_host, shown_url
from ppcdeps.model.errors import ConfigError, EnvironmentLacksError, RepositoryError
from ppcdeps.model.visible import visible

CONFIGURATION = Path("~/.config/copr")
FINAL = frozenset({"succeeded", "failed", "canceled", "skipped", "forked"})
"""The states in which a build is over."""

_SECONDS = 120.0
_UPLOAD_SECONDS = 3600.0
_BUSY = frozenset({429, 500, 502, 503, 504})
_REJECTED = frozenset({401, 403})
_TRIES = 6
_LONGEST_WAIT = 300.0
_NOT_SAFE = "The `copr_url` should not be http"
_RENEW = "get a new one from the page API of the COPR server, and put it into ~/.config/copr"


@dataclass(frozen=True, slots=True)
class CoprBuild:
    """A build as the server says it: its number, its state, and the seconds since 1970 of what happened to it."""

    id: int
    state: str
    submitted: float = 0.0
    started: float | None = None
    ended: float | None = None
    source: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL


class UnknownBuildError(RepositoryError):
    """The server knows no such build."""


class CoprProject:
    """One chroot of a project of COPR. ``wait`` sleeps; tests give another."""

    def __init__(self, project: str, chroot: str, wait: Callable[[float], None] = time.sleep) -> None:
        self.name = project
        self.owner, _, self.project = project.partition("/")
        self.chroot = chroot
        self._wait = wait
        self._secret = ""
        self._newest = 0
        self._client = self._configured()
        self.url = str(self._client.config["copr_url"]).rstrip("/")

    def page_of(self, build: int) -> str:
        """The page of a build, for people."""
        return f"{self.url}/coprs/build/{build}/"

    def check(self) -> str:
        """Check the token and the project. Returns the address of the chroot's repository.

        Raises ConfigError for a token that does not count, a project that is not there or has no such chroot.
        """
        self._call("the token is checked", self._client.base_proxy.auth_check)
        try:
            found = self._call("the project is read", self._client.project_proxy.get, self.owner, self.project)
        except UnknownBuildError as fault:
            raise ConfigError(
                f"COPR has no project {self.name}: {fault.message}",
                hint="make it with `copr-cli create`, or name another",
            ) from fault
        chroots = dict(found.get("chroot_repos") or {})
        if self.chroot not in chroots:
            raise ConfigError(
                f"the project {self.name} has no chroot {self.chroot}",
                hint=f"add it with `copr-cli modify --chroot {self.chroot} {self.name}` beside those that it has: "
                f"{', '.join(sorted(chroots)) or 'none'}",
            )
        newest = {"limit": 1, "order": "id", "order_type": "DESC"}
        listed = self._call(
            "its builds are read", self._client.build_proxy.get_list, self.owner, self.project, pagination=newest
        )
        self._newest = max((int(one["id"]) for one in listed), default=0)
        return str(chroots[self.chroot])

    def configure(self, repositories: Sequence[str], bootstrap: str | None) -> bool:
        """Have the chroot use these repositories beside its own, and this bootstrap. Returns whether it changed."""
        call = self._client.project_chroot_proxy
        now = self._call("the chroot is read", call.get, self.owner, self.project, self.chroot)
        there = list(now.get("additional_repos") or [])
        more = [one for one in repositories if one not in there]
        is_other = bootstrap is not None and now.get("bootstrap") not in (None, bootstrap)
        if not more and not is_other:
            return False
        given: dict[str, Any] = {
            "additional_repos": [*there, *more],
            **({"bootstrap": bootstrap} if is_other else {}),
        }
        self._call("the chroot is changed", call.edit, self.owner, self.project, self.chroot, **given)
        return True

    def submit(
        self, srpm: Path, seconds: int, *, after: int | None, beside: int | None, known: frozenset[int]
    ) -> CoprBuild:
        """Upload a source RPM to be built: in a batch after that of one build, or in the batch of another.

        ``seconds`` is how long it may take. ``known`` are builds that were submitted for something else: where an
        answer is lost, the server may have taken the build all the same, and is looked at before it is sent again.
        """
        options: dict[str, Any] = {"chroots": [self.chroot], "timeout": seconds, "enable_net": False}
        if after is not None:
            options["after_build_id"] = after
        if beside is not None:
            options["with_build_id"] = beside

        def sent_before() -> Any:
            listed = self._client.build_proxy.get_list(
                self.owner, self.project, pagination={"limit": 50, "order": "id", "order_type": "DESC"}
            )
            for one in listed:
                build = _build(one)
                if build.id > self._newest and build.id not in known and build.source.endswith(f"/{srpm.name}"):
                    return one
            return None

        made = self._call(
            f"{srpm.name} is submitted",
            self._upload,
            srpm,
            options,
            seconds=_UPLOAD_SECONDS,
            found_after_fault=sent_before,
        )
        return _build(made)

    def build(self, number: int) -> CoprBuild:
        """A build as it is now. Raises UnknownBuildError where there is none of that number."""
        return _build(self._call(f"build {number} is read", self._client.build_proxy.get, number))

    def cancel(self, number: int) -> None:
        """Cancel a build; one that is over stays as it is."""
        with suppress(UnknownBuildError, RepositoryError):
            self._call(f"build {number} is canceled", self._client.build_proxy.cancel, number)

    def result_url(self, number: int) -> str | None:
        """Where the results and logs of a build are; None where it never got as far as the chroot."""
        call = self._client.build_chroot_proxy.get
        with suppress(UnknownBuildError):
            found = self._call(f"the results of build {number} are read", call, number, self.chroot)
            return str(found.get("result_url") or "") or None
        return None

    def packages(self, number: int) -> tuple[str, ...]:
        """The NEVRAs of the binary packages that a build made."""
        call = self._client.build_chroot_proxy.get_built_packages
        found = self._call(f"the packages of build {number} are read", call, number, self.chroot)
        nevras = []
        for one in found.get("packages") or ():
            if one["arch"] not in ("src", "nosrc"):
                epoch = f"{one['epoch']}:" if one.get("epoch") else ""
                nevras.append(f"{one['name']}-{epoch}{one['version']}-{one['release']}.{one['arch']}")
        return tuple(sorted(nevras))

    # -- calls ------------------------------------------------------------------------------------------------

    def _upload(self, srpm: Path, options: dict[str, Any]) -> Any:
        project = {"ownername": self.owner, "projectname": self.project, "project_dirname": None}
        with srpm.open("rb") as file:
            # What the library's create_from_file does, which leaves the file open.
            return self._client.build_proxy._create(
                "/build/create/upload",
                project,
                files={"pkgs": (srpm.name, file, "application/x-rpm")},
                buildopts=dict(options),
            )

    def _configured(self) -> Any:
        try:
            from copr.v3 import Client
            from copr.v3.exceptions import CoprException
        except ImportError as fault:
            raise EnvironmentLacksError(
                "the client library of COPR is not installed", hint="pip install 'ppcdeps[copr]'"
            ) from fault
        path = CONFIGURATION.expanduser()
        if not path.is_file():
            raise ConfigError(f"there is no {CONFIGURATION}, which has the token for COPR", hint=_RENEW)
        try:
            client = Client.create_from_config_file(str(path))
        except CoprException as fault:
            # Of a file that cannot be parsed, the library shows lines: the token may be among them.
            said = self._said(fault) if str(fault).startswith(_NOT_SAFE) else "it is not as COPR gives it"
            raise ConfigError(f"{CONFIGURATION} cannot be read: {said}", hint=_RENEW) from None
        except (KeyError, AttributeError, ValueError, OSError):
            raise ConfigError(f"{CONFIGURATION} has no whole section [copr-cli]", hint=_RENEW) from None
        if not client.config.get("token") and not client.config.get("gssapi"):
            raise ConfigError(f"{CONFIGURATION} has no token", hint=_RENEW)
        self._secret = str(client.config.get("token") or "")
        url = str(client.config["copr_url"])
        if not has_host(url):
            raise self._no_address(f"Invalid URL '{self._clean(shown_url(url))}'")
        return client

    def _call(
        self,
        what: str,
        function: Callable[..., Any],
        *arguments: Any,
        seconds: float = _SECONDS,
        found_after_fault: Callable[[], Any] | None = None,
        **named: Any,
    ) -> Any:
        """The answer to a call. A busy server is asked again, later each time, and when it says so."""
        from copr.v3.exceptions import CoprException
        from requests.exceptions import InvalidProxyURL, InvalidSchema, InvalidURL, MissingSchema
        from urllib3.exceptions import LocationParseError

        reason = ""
        for attempt in range(_TRIES):
            if attempt and found_after_fault is not None:
                with suppress(CoprException, OSError, ValueError):
                    found = in_time(found_after_fault, _SECONDS)
                    if found is not None:
                        return found
            try:
                return in_time(lambda: function(*arguments, **named), seconds)
            except CoprException as fault:
                response = fault.result.get("__response__")
                status = getattr(response, "status_code", None)
                reason = self._said(fault)
                if status in _REJECTED:
                    raise self._rejected(what, reason, status) from None
                if status == 404:
                    raise UnknownBuildError(reason) from None
                if status is not None and status not in _BUSY:
                    raise RepositoryError(f"COPR: {what}, and it says: {reason}") from None
                asked = str(getattr(response, "headers", {}).get("Retry-After", ""))
                pause = float(asked) if asked.isdigit() else 5.0 * 2**attempt
            except (InvalidProxyURL, LocationParseError) as fault:
                raise RepositoryError(
                    f"COPR: {what}, and the address of a proxy or a redirection is none: {self._said(fault)}",
                    hint="see https_proxy and http_proxy, and copr_url in ~/.config/copr",
                ) from None
            except (InvalidSchema, InvalidURL, MissingSchema) as fault:
                raise self._no_address(self._said(fault)) from None
            except (OSError, TimeoutError) as fault:
                # What requests raises is an OSError.
                reason, pause = self._clean(str(fault) or type(fault).__name__), 5.0 * 2**attempt
            if attempt < _TRIES - 1:
                self._wait(min(pause, _LONGEST_WAIT))
        raise RepositoryError(
            f"COPR: {what}, and the server does not answer: {reason}",
            hint="run the same command again later: it goes on where it was",
        )

    def _no_address(self, said: str) -> ConfigError:
        return ConfigError(f"{CONFIGURATION} has a copr_url that is not an address: {said}", hint=_RENEW)

    def _rejected(self, what: str, reason: str, status: int) -> ConfigError:
        if status == 401:
            return ConfigError(f"COPR does not take the token in {CONFIGURATION}: {reason}", hint=_RENEW)
        return ConfigError(
            f"COPR: {what}, and it refuses: {reason}",
            hint=f"request the permission to build in {self.name} on its page, or name a project of your own",
        )

    def _said(self, fault: Exception) -> str:
        return self._clean(str(fault) or type(fault).__name__)

    def _clean(self, text: str) -> str:
        """What a server or the library said, in one line, without the token."""
        # Before it is cut, which would leave a part of the token.
        text = text.replace(self._secret, "***") if self._secret else text
        return visible(" ".join(text.split())).rstrip(".")[:300]


def _build(document: Any) -> CoprBuild:
    source = document.get("source_package") or {}
    return CoprBuild(
        id=int(document["id"]),
        state=str(document["state"]),
        submitted=float(document.get("submitted_on") or 0),
        started=document.get("started_on"),
        ended=document.get("ended_on"),
        source=str(source.get("url") or ""),
    )
