"""A cloud's APIs as JSON documents, through openstacksdk: its configuration, its credentials, its catalog.

Of the SDK only that is used, and no resource classes: what they make of a document differs from release to release.
"""

import contextlib
import logging
import os
import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ppcdeps.base.urls import has_host, shown_url, split_url
from ppcdeps.checking.node.documents import Document
from ppcdeps.checking.node.sessions import Calls
from ppcdeps.model.documents import DocumentError, parse_json
from ppcdeps.model.errors import CloudError, ConfigError, EnvironmentLacksError
from ppcdeps.model.exitcodes import ExitCode

COMPUTE_VERSION = (2, 87)
"""The microversion of nova's API that is used where the cloud has it: the last that says what CPU a
hypervisor has; since 2.84 it says why an action failed."""
_OLDEST_COMPUTE = (2, 53)
"""Pike's: the first that names hypervisors as placement does."""
_PLACEMENT_VERSION = "1.17"
_VOLUME_VERSION = "3.27"
_MICROVERSION = re.compile(r"([0-9]{1,4})\.([0-9]{1,4})")
_LONGEST_MESSAGE = 2000
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_HIDDEN = (_UNAUTHORIZED, _FORBIDDEN, 404)
_ADMIN = "the user must be an administrator of the cloud"
_EXPIRED = "a token expires: give a new one, or a password or an application credential in its place"
_UNKNOWN = re.compile(r"(recognized?|find|validate|invalid)\b.*\b(token|application credential)", re.IGNORECASE)
_NO_API = "look whether the API itself answers there, or something before it, such as a page on maintenance"
_TRUST_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
"""Those in which requests looks, in this order, for what to trust where the configuration names nothing."""
_NAMING = "name one of clouds.yaml with --cloud, or set the OS_ variables of its user"


class ApiError(CloudError):
    """An API refused a request: ``status`` is HTTP's, 0 where there was no answer at all."""

    def __init__(self, message: str, status: int = 0, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.status = status


class CredentialsError(ApiError):
    """An API takes the credentials no more, as of a token that has expired."""

    exit_code = ExitCode.CONFIG

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, _UNAUTHORIZED, hint=hint)


class CertificatesError(ApiError):
    """The files of certificates that are configured, or a variable names, cannot be used."""

    exit_code = ExitCode.CONFIG


@dataclass(frozen=True, slots=True)
class Reply:
    """What an API answered: the document, which is empty where it sent none, and the request's id."""

    document: Document
    request: str = ""


class Service:
    """One API of the cloud: ``name`` is that of its project, such as nova."""

    def __init__(self, name: str, adapter: Any, version: str | None, calls: Calls) -> None:
        self.name = name
        self._adapter = adapter
        self._version = version
        self._calls = calls

    def in_version(self, version: str) -> "Service":
        """The same, spoken to in a microversion."""
        return Service(self.name, self._adapter, version, self._calls)

    @property
    def version(self) -> tuple[int, int]:
        """The microversion that it is spoken to in; 0.0 for an API without."""
        match = _MICROVERSION.fullmatch(self._version or "")
        return (int(match[1]), int(match[2])) if match else (0, 0)

    def get(self, path: str, **parameters: str) -> Document:
        """The document at a path. Raises ApiError."""
        return self._send("GET", path, params=parameters or None).document

    def find(self, path: str, **parameters: str) -> Document | None:
        """The document at a path, or None where there is none. Raises ApiError for everything else."""
        try:
            return self.get(path, **parameters)
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: object, version: str | None = None) -> Reply:
        """Create something, or request an action. Raises ApiError."""
        return self._send("POST", path, json=body, version=version)

    def put(self, path: str, body: object) -> Reply:
        """Change something. Raises ApiError."""
        return self._send("PUT", path, json=body)

    def upload(self, path: str, content: bytes) -> None:
        """Send an image's content. Raises ApiError."""
        self._send("PUT", path, data=content, headers={"Content-Type": "application/octet-stream"})

    def delete(self, path: str) -> bool:
        """Remove something. Returns whether it was there. Raises ApiError."""
        try:
            self._send("DELETE", path)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        return True

    def pages(self, path: str, key: str, **parameters: str) -> Iterator[Document]:
        """The elements of a list that may come in pages, also those without an identifier. Raises CloudError."""
        marker = ""
        seen: set[str] = set()
        while True:
            more = {"marker": marker} if marker else {}
            last = marker
            for one in self.get(path, **parameters, **more).objects(key):
                id_ = one.label("id")
                # A server that does not know the marker sends its first page again.
                if id_ in seen:
                    continue
                if id_:
                    seen.add(id_)
                    marker = id_
                yield one
            if marker == last:
                return

    def _send(self, method: str, path: str, *, version: str | None = None, **options: Any) -> Reply:
        if options.get("params") is None:
            options.pop("params", None)
        request = partial(self._adapter.request, path, method, microversion=version or self._version, raise_exc=False)
        with _errors_of(self.name, self._calls):
            answer = self._calls.make(partial(request, **options), len(options.get("data", b"")))
        id_ = next((answer.headers[name] for name in _REQUEST_HEADERS if name in answer.headers), "")
        document, fault = _parsed(answer.content)
        if answer.status_code >= 300:
            raise self._refusal(f"{method} {path}", answer, _message(document))
        if fault and (method == "GET" or (answer.content and answer.status_code not in _WITHOUT_DOCUMENT)):
            raise ApiError(f"{self.name} {_without_json(f'{method} {path}', answer, fault)}", hint=_NO_API)
        return Reply(Document(document, source=f"{self.name}'s answer to {method} {path}"), id_)

    def _refusal(self, what: str, answer: Any, message: str) -> ApiError:
        message = message or answer.reason or "no reason given"
        status = answer.status_code
        if status == _UNAUTHORIZED:
            return CredentialsError(f"{self.name} takes these credentials no more: {message}", hint=_EXPIRED)
        if status in _REDIRECTIONS:
            return ApiError(f"{self.name} {_redirected(what, answer)}", status, hint=_NO_API)
        # A quota that is used up is answered with 403, too.
        is_policy = status == _FORBIDDEN and "quota" not in message.lower()
        return ApiError(f"{self.name} refuses {what}: {message}", status, hint=_ADMIN if is_policy else None)


_WITHOUT_DOCUMENT = (202, 204)
"""The statuses of what is yet to be done, and of what has no content."""
_REDIRECTIONS = (301, 302, 303, 305, 307, 308)
"""Those that keystoneauth follows."""
_REQUEST_HEADERS = ("x-openstack-request-id", "x-compute-request-id")


@dataclass(frozen=True, slots=True)
class Cloud:
    """The APIs of one cloud, as one user of one project. ``volume`` and ``network`` are None where there are none.

    ``chosen`` is the name in clouds.yaml by which it was chosen; None where none was given. ``verify`` says whether
    certificates are looked at, or names a file of those that are trusted.
    """

    name: str
    project: str
    compute: Service
    placement: Service
    image: Service
    volume: Service | None
    network: Service | None
    chosen: str | None = None
    verify: bool | str = True


def open_cloud(name: str | None, timeout: float) -> Cloud:
    """The cloud of that name in clouds.yaml, or the one that the OS_ variables of the environment name.

    ``timeout`` is in seconds, for one call, redirections and the login included. Raises EnvironmentLacksError
    without openstacksdk, ConfigError where there is no such cloud or it refuses the credentials, CloudError where it
    does not answer.
    """
    try:
        import openstack
        from openstack.config import OpenStackConfig
    except ImportError as error:
        raise EnvironmentLacksError(
            f"openstacksdk cannot be imported: {error}",
            hint="install it: pip install openstacksdk, or ppcdeps with its extra [node]",
        ) from error
    for library in ("keystoneauth", "openstack"):
        # What goes wrong is said once, by the error that it raises: without a handler, Python prints warnings itself.
        logging.getLogger(library).addHandler(logging.NullHandler())
    calls = Calls(timeout)
    with _errors_of("keystone", calls, credentials=True):
        region = _region(OpenStackConfig, name, timeout, calls)
        region.config["compute_status_code_retries"] = 0
        connection = openstack.connection.Connection(config=region)
        calls.make(connection.authorize)
        project = str(connection.current_project_id or "")
    shown = name or str(region.name or "environment")
    apis = _Catalog(shown, connection, calls)
    compute = apis.required("nova", "compute", None)
    placement = apis.required("placement", "placement", _PLACEMENT_VERSION)
    image = apis.required("glance", "image", None)
    return Cloud(
        shown,
        project,
        compute.in_version(compute_version(compute)),
        placement,
        image,
        apis.service("cinder", "block-storage", _VOLUME_VERSION),
        apis.service("neutron", "network", None),
        name,
        connection.config.get_requests_verify_args()[0],
    )


def _region(config: Any, name: str | None, timeout: float, calls: Calls) -> Any:
    """What the SDK's configuration says of a cloud. Raises ConfigError."""
    skipped: list[str] = []
    handler = logging.Handler()
    # Of a file that it cannot read the SDK says no more than this.
    handler.emit = lambda record: skipped.append(record.getMessage())  # type: ignore[method-assign]
    log = logging.getLogger("openstack.config")
    log.addHandler(handler)
    try:
        loader = config(session_constructor=calls.sessions())
        # Where no file names a cloud, the SDK makes one up, with nothing in it.
        names = sorted(one for one in loader.get_cloud_names() if one != "defaults" or loader.config_filename)
        if name is not None and name not in names:
            places = dict.fromkeys(str(Path(one).parent) for one in getattr(loader, "_config_files", ()))
            known = f"it has {', '.join(names)}" if names else f"there is no such file in {', '.join(places)}"
            raise ConfigError(
                f"clouds.yaml has no cloud {name}", hint=" ".join(skipped[0].split()) if skipped else known
            )
        region = loader.get_one(cloud=name, app_name="ppcdeps", api_timeout=timeout)
        if not region.config.get("auth"):
            raise ConfigError("no cloud is named", hint=_NAMING)
        _require_sound(region)
    except (AttributeError, TypeError, ValueError) as error:
        # The SDK does not look at what kind of values its file has.
        raise ConfigError(f"a file of clouds cannot be understood: {error}") from error
    finally:
        log.removeHandler(handler)
    return region


def _require_sound(region: Any) -> None:
    """See that the addresses and files which a cloud's configuration names can be used. Raises ConfigError."""
    cloud, hint = f"of the cloud {region.name}", "look at it in clouds.yaml, or in the OS_ variables"
    overrides = {name: value for name, value in region.config.items() if name.endswith("_endpoint_override")}
    addresses = {"auth_url": region.config["auth"].get("auth_url"), **overrides}
    texts = {name: str(address or "") for name, address in addresses.items()}
    for name, text in texts.items():
        if text and not (has_host(text) and split_url(text).scheme in ("http", "https")):
            raise ConfigError(f"{name} {cloud} is not a URL of http or https: {shown_url(text)}", hint=hint)
    for name, kinds in (("verify", (bool, str)), ("cacert", str), ("cert", str), ("key", str)):
        if (value := region.config.get(name)) and not isinstance(value, kinds):
            raise ConfigError(f"{name} {cloud} is not a path: {value}", hint=hint)
    trusted, own = region.get_requests_verify_args()
    certificate, key = own if isinstance(own, tuple) else (own, None)
    trust, trust_hint = f"{'cacert' if region.config.get('cacert') else 'verify'} {cloud}", hint
    if trusted in (True, None) and any(split_url(text).scheme == "https" for text in texts.values()):
        variable = next((one for one in _TRUST_VARIABLES if os.environ.get(one)), "")
        trusted, trust = os.environ.get(variable), f"the variable {variable}"
        trust_hint = "set it to a file of the certificates to trust, or unset it"
    if isinstance(trusted, str):
        _require_readable(trust, Path(trusted), trust_hint, has_certificates=True)
    for name, file in (("cert", certificate), ("key", key)):
        if isinstance(file, str):
            _require_readable(f"{name} {cloud}", Path(file), hint)


def _require_readable(what: str, file: Path, hint: str, *, has_certificates: bool = False) -> None:
    """See that a file can be read, with certificates in it, or is a folder of these. Raises ConfigError."""
    try:
        if not has_certificates:
            file.open("rb").close()
        elif not file.is_dir():
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(file)
    except OSError as error:
        raise ConfigError(f"{what} cannot be used: {file}: {error.strerror or error}", hint=hint) from error


@dataclass(frozen=True, slots=True)
class _Catalog:
    """The services that a cloud has, by its catalog, for the region and interface of clouds.yaml."""

    cloud: str
    connection: Any
    calls: Calls

    def service(self, name: str, kind: str, version: str | None) -> Service | None:
        """A service; None where it is not in the catalog. Raises CloudError."""
        with _errors_of(name, self.calls):
            adapter = self.calls.make(lambda: self._adapter(kind))
        return None if adapter is None else Service(name, adapter, version, self.calls)

    def _adapter(self, kind: str) -> Any:
        from keystoneauth1.exceptions import EndpointNotFound

        try:
            endpoint = self.connection.config.get_session_client(kind).get_endpoint()
        except EndpointNotFound:
            endpoint = None
        return None if endpoint is None else getattr(self.connection, kind.replace("-", "_"))

    def required(self, name: str, kind: str, version: str | None) -> Service:
        """A service without which there is nothing to test. Raises CloudError where it is not in the catalog."""
        if (found := self.service(name, kind, version)) is not None:
            return found
        config = self.connection.config
        interface, region = config.get_interface(kind), config.get_region_name(kind)
        where = f" of region {region}" if region else ""
        raise CloudError(
            f"the catalog of {self.cloud} has no {kind} service{where} with interface {interface or 'public'}",
            hint="look at region_name and interface in clouds.yaml",
        )


def compute_version(compute: Service) -> str:
    """The microversion to use: the newest that the cloud has, up to the one that is needed.

    Raises CloudError where that is too old.
    """
    try:
        found = compute.get("/").part("version").word("version")
    except ApiError as error:
        if error.status not in _HIDDEN:
            raise
        # Some sites show the version document to nobody. What is refused later says so.
        found = ""
    match = _MICROVERSION.fullmatch(found)
    newest = (int(match[1]), int(match[2])) if match else _OLDEST_COMPUTE
    if newest < _OLDEST_COMPUTE:
        oldest = "{}.{}".format(*_OLDEST_COMPUTE)
        raise CloudError(f"nova's API is {match[0] if match else ''}, and {oldest} (Pike) is the oldest that will do")
    return "{}.{}".format(*min(newest, COMPUTE_VERSION))


def _parsed(content: bytes) -> tuple[dict[str, Any], str]:
    """The object of a JSON document; where it is none, an empty one, and what it is instead as a phrase."""
    try:
        found = parse_json(content)
    except DocumentError as error:
        return {}, str(error).partition(":")[0]
    return (found, "") if isinstance(found, dict) else ({}, "is not an object")


def _message(document: dict[str, Any]) -> str:
    """The reason in an error's document: each API has its own form."""
    errors = document.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return str(errors[0].get("detail") or errors[0].get("title") or "")[:_LONGEST_MESSAGE]
    for value in document.values():
        if isinstance(value, dict) and value.get("message"):
            return str(value["message"])[:_LONGEST_MESSAGE]
        if isinstance(value, str) and value:
            return value[:_LONGEST_MESSAGE]
    return ""


def _without_json(what: str, answer: Any, fault: str) -> str:
    kind = answer.headers.get("Content-Type") or "of no type"
    return f"did not answer {what} with JSON: what {shown_url(answer.url)} sent ({kind}) {fault}"


def _redirected(what: str, answer: Any) -> str:
    """What is wrong with a redirection that was not followed, as a phrase."""
    where = f"{shown_url(answer.url)} ({answer.status_code})"
    if "Location" not in answer.headers:
        return f"redirects {what} to no address: {where} names no Location"
    # All were followed until there were too many.
    return f"redirects {what} without end: the last address is {where}"


def _last_fault(calls: Calls) -> str:
    """Why the SDK makes nothing of the last answer, as a phrase; empty where that is an object of JSON."""
    if not calls.answers:
        return ""
    answer = calls.answers[-1]
    what = str(answer.request.method)
    document, fault = _parsed(answer.content)
    if answer.status_code in _REDIRECTIONS:
        return _redirected(what, answer)
    if answer.status_code >= 400:
        reason = _message(document) or answer.reason or "no reason given"
        return f"refuses {what} of {shown_url(answer.url)}: {reason} ({answer.status_code})"
    return _without_json(what, answer, fault) if fault else ""


@contextlib.contextmanager
def _errors_of(service: str, calls: Calls, *, credentials: bool = False) -> Iterator[None]:
    """The errors of a call of the SDK as ours."""
    from keystoneauth1 import exceptions as keystone
    from openstack import exceptions as sdk

    try:
        yield
    except keystone.MissingRequiredOptions as error:
        raise ConfigError(f"no cloud is named, or not in full: {_first_line(error)}", hint=_NAMING) from error
    except (keystone.Unauthorized, keystone.AuthorizationFailure) as error:
        if not credentials:
            # The token has expired since, and no new one can be had.
            raise CredentialsError(
                f"{service} takes these credentials no more: {_first_line(error)}", hint=_EXPIRED
            ) from error
        raise ConfigError(
            f"the cloud refuses these credentials: {_first_line(error)}", hint="look at them in clouds.yaml"
        ) from error
    except (keystone.NoMatchingPlugin, keystone.EmptyCatalog) as error:
        raise ConfigError(
            f"the cloud's configuration cannot be used: {_first_line(error)}",
            hint="auth_type names how to log in, project_name the project",
        ) from error
    except keystone.Forbidden as error:
        raise ApiError(f"{service} forbids it: {_first_line(error)}", _FORBIDDEN) from error
    except TimeoutError as error:
        raise ApiError(f"{service} does not answer in time: {error}") from error
    except (keystone.ConnectTimeout, keystone.RetriableConnectionFailure) as error:
        timed_out = "timed out" in str(error).lower() or isinstance(error, keystone.ConnectTimeout)
        what = "does not answer in time" if timed_out else "cannot be reached"
        raise ApiError(f"{service} {what}: {_first_line(error)}") from error
    except (keystone.ClientException, sdk.SDKException) as error:
        # The SDK has an error of its own for what keystone refuses, made of keystoneauth's.
        cause = error.__cause__ or error.__context__
        if isinstance(cause, keystone.ConnectTimeout):
            raise ApiError(f"{service} does not answer in time: {_first_line(error)}") from error
        refused = isinstance(cause, keystone.Unauthorized) or getattr(error, "status_code", None) == _UNAUTHORIZED
        # To log in with a token that has expired, or a credential that was removed, is answered with 404.
        if credentials and (refused or _UNKNOWN.search(str(error))):
            hint = _EXPIRED if "token" in str(error).lower() else "look at them in clouds.yaml"
            raise ConfigError(f"the cloud refuses these credentials: {_first_line(error)}", hint=hint) from error
        if fault := _last_fault(calls):
            raise ApiError(f"{service} {fault}", hint=_NO_API) from error
        if isinstance(response := cause or error, keystone.InvalidResponse):
            address = shown_url(str(response.response.url))
            raise ApiError(
                f"{service}'s answer cannot be understood: what {address} sent has no token", hint=_NO_API
            ) from error
        if credentials and isinstance(error, sdk.ConfigException):
            raise ConfigError(f"the cloud's configuration cannot be used: {_first_line(error)}") from error
        raise ApiError(f"{service} cannot be used: {_first_line(error)}") from error
    except OSError as error:
        # requests looks for files of certificates only where an address is one of https.
        raise CertificatesError(
            f"{service} cannot be reached: {_first_line(error)}",
            hint=f"look at cacert, cert and key in clouds.yaml, and at {' and '.join(_TRUST_VARIABLES)}",
        ) from error
    except (AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
        # The SDK does not look at what kind of values an answer has.
        if fault := _last_fault(calls):
            raise ApiError(f"{service} {fault}", hint=_NO_API) from error
        what = f"what {shown_url(calls.answers[-1].url)} sent" if calls.answers else "it"
        kind = f"a value of another kind ({type(error).__name__}: {_first_line(error)})"
        fault = f"{what} has {f'no {_first_line(error)}' if isinstance(error, KeyError) else kind}"
        raise ApiError(f"{service}'s answer cannot be understood: {fault}", hint=_NO_API) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:500] if lines else type(error).__name__
