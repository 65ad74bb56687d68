"""The grammar of names that come from outside: what fits is neither an option, nor a path, nor a URL.

Each function gives the text back where it is such a name, and raises ValueError where it is none. Values are checked
where they are read, so that all other code can use them as arguments of programs and as parts of paths.
"""

import re

from ppcdeps.model.capability import Capability, capabilities_in, parse_requirement
from ppcdeps.model.nevra import Nevra

PYTHON_PREFIX = "pypi:"
"""What marks a root that is a Python distribution."""
OWN_ENDINGS = (".spec", ".src.rpm")
"""How the names of specs and of source RPMs end."""

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}")
_PACKAGE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}")
_REPOSITORY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,199}")
_DISTRIBUTION = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?")
_VERSION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+~^!-]{0,254}")
_EVR = re.compile(r"(?:[0-9]{1,10}:)?[A-Za-z0-9._+~^]{1,254}(?:-[A-Za-z0-9._+~^]{1,254})?")
_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+!~^=,-]{0,254}")
# What is in the parentheses of a capability is another world's name: perl(A::B), npm(@x/y), font(:lang=en).
_CAPABILITY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^-]*(?:\([\w.+~^:@/=,\[\]()-]*\)[A-Za-z0-9._+~^-]*)?")
# A package's identity or parts of it, in which dnf takes patterns of the shell.
_SUBJECT_OF_DNF = re.compile(r"[A-Za-z0-9_*?\[][A-Za-z0-9._+~^*?\[\]!:-]{0,999}")
_PROVIDES_GLOB = re.compile(r"[A-Za-z0-9_*?\[][A-Za-z0-9._+~^*?\[\]!-]*\([\w.+~^:@/=,*?\[\]!-]*\)[A-Za-z0-9._()-]*")
_CLAUSE = r" ?(?:===?|~=|!=|<=?|>=?) ?[A-Za-z0-9.*+!_-]{1,100}"
_PYTHON_ROOT = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?"
    r"(?: ?\[ ?[A-Za-z0-9._-]+(?: ?, ?[A-Za-z0-9._-]+){0,50} ?\])?"
    rf"(?:{_CLAUSE}(?: ?,{_CLAUSE}){{0,50}})?"
)
_STEP = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^=!-]{0,254}(?: \(with [A-Za-z0-9][A-Za-z0-9._+-]{0,99}\))?")
_CONDITION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_SUBJECT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+~^=!:-]{0,999}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DIGEST = re.compile(r"[0-9a-f]{0,128}")
_DOTTED = re.compile(r"[0-9]{1,9}(?:\.[0-9]{1,9}){1,2}")
_MODULE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}:[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}")
_PATH = re.compile(r"/[\w.+~^:@=,()\[\]/-]+")
_LONGEST = 4096


def workload_name(text: str) -> str:
    """The name of a workload, which names folders and files."""
    return _checked(_NAME, text, "the name of a workload")


def target_name(text: str) -> str:
    """The name of a target."""
    return _checked(_NAME, text, "the name of a target")


def release_name(text: str) -> str:
    """The release of a distribution, which takes part in addresses."""
    return _checked(_NAME, text, "a release of a distribution")


def recipe_name(text: str) -> str:
    """The name of a recipe's folder."""
    return _checked(_NAME, text, "the name of a recipe")


def buildroot_name(text: str) -> str:
    """The name of a buildroot."""
    return _checked(_NAME, text, "the name of a buildroot")


def architecture(text: str) -> str:
    """The name of an architecture."""
    return _checked(_NAME, text, "an architecture")


def repository_id(text: str) -> str:
    """The id of a repository, which is a section of dnf's configuration and a folder of a snapshot."""
    return _checked(_REPOSITORY, text, "a repository id (letters, digits, - _ . : +, a letter, digit or _ at first)")


def package_name(text: str) -> str:
    """The name of a package."""
    return _checked(_PACKAGE, text, "the name of a package")


def distribution_name(text: str) -> str:
    """The name of a Python distribution."""
    return _checked(_DISTRIBUTION, text, "the name of a Python distribution")


def version_text(text: str) -> str:
    """A version of a package or of a Python distribution, without epoch and release."""
    return _checked(_VERSION, text, "a version")


def file_name(text: str) -> str:
    """The name of a file of a package index, or of a source."""
    return _checked(_FILE, text, "the name of a file")


def step_name(text: str) -> str:
    """The name of a build in a plan's waves: a source, perhaps with a build condition (`foo (with bootstrap)`)."""
    return _checked(_STEP, text, "the name of a source")


def source_file(text: str) -> str:
    """The name of a source or patch of a spec: of any characters, as rpm takes them, and of one part."""
    if not text or not text.isprintable() or "/" in text or text[0] in "-." or len(text) > 255:
        raise ValueError(f"not the name of a source: {_shown(text)}")
    return text


def is_own_file(text: str) -> bool:
    """Whether a text is the path of a spec or of a source RPM, by its ending."""
    return text.endswith(OWN_ENDINGS)


def own_file(text: str) -> str:
    """The path of a spec or of a source RPM, on one line."""
    if not is_own_file(text) or not text.isprintable() or len(text) > _LONGEST:
        raise ValueError(f"not the path of a spec or a source RPM: {_shown(text)}")
    return text


def typed_word(text: str) -> str:
    """A word of a command line that a plan recorded: on one line, and shown as it is."""
    if not text or not text.isprintable() or len(text) > _LONGEST:
        raise ValueError(f"not a word of a command line: {_shown(text)}")
    return text


def build_condition(text: str) -> str:
    """The name of a build condition (`%bcond`) of a spec."""
    return _checked(_CONDITION, text, "the name of a build condition")


def subject_of_route(text: str) -> str:
    """What a route works on: a recipe, a source package, or the pin of a distribution."""
    return _checked(_SUBJECT, text, "a recipe, a source package or a pin")


def digest(text: str) -> str:
    """A digest as hexadecimal digits, or nothing."""
    return _checked(_DIGEST, text, "a digest of hexadecimal digits")


def sha256(text: str) -> str:
    """A SHA-256 as hexadecimal digits."""
    return _checked(_SHA256, text, "a SHA-256 of 64 hexadecimal digits")


def dotted_version(text: str) -> str:
    """A version of two or three numbers, as Python and glibc have."""
    return _checked(_DOTTED, text, "a version of numbers, such as 3.9.25")


def module_stream(text: str) -> str:
    """A module stream as dnf has it."""
    return _checked(_MODULE, text, "a module stream (name:stream)")


def nevra(text: str) -> Nevra:
    """The identity of a package, each part in its grammar."""
    found = Nevra.parse(text)
    package_name(found.name)
    if not _EVR.fullmatch(f"{found.version}-{found.release}"):
        raise ValueError(f"not the version of a package: {_shown(text)}")
    architecture(found.arch)
    return found


def root(text: str) -> str:
    """What is to be installed: what `dnf install` takes for packages, or a Python distribution.

    A package's name, its identity or parts of it (`name.arch`, `name-version`), a glob of these, a capability, or an
    absolute path; `pypi:` before a distribution with extras and versions. A path that ends in `.rpm`, a URL and a
    group (`@core`) are not roots: dnf would take them for something to fetch.
    """
    if text.startswith(PYTHON_PREFIX):
        distribution = text.removeprefix(PYTHON_PREFIX)
        distribution_name(re.split(r"[\[<>=!~ ]", distribution, maxsplit=1)[0])
        if not _PYTHON_ROOT.fullmatch(distribution):
            raise ValueError(f"not a Python distribution, with extras and versions if any: {_shown(text)}")
        return text
    if not text.strip():
        raise ValueError("an empty text is not a root")
    if not text.isprintable():
        raise ValueError(f"a root has no control characters: {_shown(text)}")
    if _SUBJECT_OF_DNF.fullmatch(text) or _PROVIDES_GLOB.fullmatch(text):
        if text.lower().endswith((".rpm", ".src", ".nosrc")):
            raise ValueError(f"not a package, a capability or a path of a file in a package: {_shown(text)}")
        return text
    for capability in capabilities_in(parse_requirement(text)):
        _check_capability(capability)
    return text


def requirement_text(text: str) -> str:
    """What a package of a repository requires: of a wider grammar than a root, yet no option and on one line."""
    if not text.strip() or not text.isprintable() or text.startswith("-"):
        raise ValueError(f"not a requirement: {_shown(text)}")
    return text


def _check_capability(capability: Capability) -> None:
    name = capability.name
    if len(name) > _LONGEST:
        raise ValueError(f"a capability of more than {_LONGEST} characters: {_shown(name)}")
    if capability.is_path:
        known = _PATH.fullmatch(name) is not None and ".." not in name.split("/")
    else:
        known = _CAPABILITY.fullmatch(name) is not None
    if not known or name.lower().endswith(".rpm"):
        raise ValueError(f"not a package, a capability or a path of a file in a package: {_shown(name)}")
    if capability.relation and not _EVR.fullmatch(capability.evr):
        raise ValueError(f"not a version: {_shown(capability.evr)}")


def _checked(grammar: re.Pattern[str], text: str, what: str) -> str:
    if grammar.fullmatch(text) is None:
        raise ValueError(f"not {what}: {_shown(text)}")
    return text


def _shown(text: str) -> str:
    """A text that may be anything, as one short word of ASCII."""
    return f'"{ascii(text if len(text) <= 80 else f"{text[:80]}...")[1:-1]}"'
