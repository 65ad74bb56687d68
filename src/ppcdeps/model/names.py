"""The grammar of names that come from outside: what fits is neither an option, nor a path, nor a URL.

Each function gives the text back where it is such a name, and raises ValueError where it is none. Values are checked
where they are read, so that all other code can use them as arguments of programs and as parts of paths.
"""

import re

from ppcdeps.model.capability import Capability, capabilities_in, parse_requirement
from ppcdeps.model.nevra import Nevra

PYTHON_PREFIX = "pypi:"
"""What marks a root that is a Python distribution."""
LOCK_ENDINGS = (".yaml", ".yml")
"""How the names of lock files of packages end."""
OWN_ENDINGS = (".spec", ".src.rpm")
"""How the names of specs and of source RPMs end."""

# As text, compiled when first used: most commands use few of them.
_NAME = r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}"
_PACKAGE = r"[A-Za-z0-9_][A-Za-z0-9._+~^-]{0,254}"
_REPOSITORY = r"[A-Za-z0-9_][A-Za-z0-9_.:+-]{0,199}"
_DISTRIBUTION = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?"
_VERSION = r"[A-Za-z0-9][A-Za-z0-9._+~^!-]{0,254}"
_EVR = r"(?:[0-9]{1,10}:)?[A-Za-z0-9._+~^]{1,254}(?:-[A-Za-z0-9._+~^]{1,254})?"
_FILE = r"[A-Za-z0-9_][A-Za-z0-9._+!~^=,-]{0,254}"
# What is in the parentheses of a capability is another world's name: perl(A::B), npm(@x/y), font(:lang=en).
_CAPABILITY = r"[A-Za-z0-9_][A-Za-z0-9._+~^-]*(?:\([\w.+~^:@/=,\[\]()-]*\)[A-Za-z0-9._+~^-]*)?"
# A package's identity or parts of it, in which dnf takes patterns of the shell.
_SUBJECT_OF_DNF = r"[A-Za-z0-9_*?\[][A-Za-z0-9._+~^*?\[\]!:-]{0,999}"
_PROVIDES_GLOB = r"[A-Za-z0-9_*?\[][A-Za-z0-9._+~^*?\[\]!-]*\([\w.+~^:@/=,*?\[\]!-]*\)[A-Za-z0-9._()-]*"
_CLAUSE = r" ?(?:===?|~=|!=|<=?|>=?) ?[A-Za-z0-9.*+!_-]{1,100}"
_PYTHON_ROOT = (
    r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,253}[A-Za-z0-9])?"
    r"(?: ?\[ ?[A-Za-z0-9._-]+(?: ?, ?[A-Za-z0-9._-]+){0,50} ?\])?"
    rf"(?:{_CLAUSE}(?: ?,{_CLAUSE}){{0,50}})?"
)
_STEP = r"[A-Za-z0-9_][A-Za-z0-9._+~^=!-]{0,254}(?: \(with [A-Za-z0-9][A-Za-z0-9._+-]{0,99}\))?"
_CONDITION = r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}"
_SUBJECT = r"[A-Za-z0-9_][A-Za-z0-9._+~^=!:-]{0,999}"
_SHA256 = r"[0-9a-f]{64}"
_DIGEST = r"[0-9a-f]{0,128}"
_DOTTED = r"[0-9]{1,9}(?:\.[0-9]{1,9}){1,2}"
_MODULE = r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}:[A-Za-z0-9_][A-Za-z0-9._+-]{0,99}"
_PATH = r"/[\w.+~^:@=,()\[\]/-]+"
# What decides on the job itself, its script, dependencies and output, is ppcdeps'.
_SLURM_OPTIONS = (
    *("account", "constraint", "cpus-per-task", "exclude", "gres", "licenses", "mem", "nice"),
    *("nodelist", "partition", "prefer", "qos", "reservation", "time", "tmp"),
)
_SLURM_VALUE = r"[\w.+~^:@/=,()\[\]&|!*-]{1,200}"
_COPR_PROJECT = r"@?[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}/[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}"
_COPR_CHROOT = r"[A-Za-z0-9_][A-Za-z0-9_.+-]{0,99}-[A-Za-z0-9_.]{1,50}-[A-Za-z0-9_]{1,50}"
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
    if not re.fullmatch(_EVR, f"{found.version}-{found.release}"):
        raise ValueError(f"not the version of a package: {_shown(text)}")
    architecture(found.arch)
    return found


def slurm_option(text: str) -> str:
    """An option of `sbatch` that says where a job may run and what it gets, without its dashes: partition=power."""
    name, given, value = text.partition("=")
    if name not in _SLURM_OPTIONS or not given:
        raise ValueError(f"{_shown(text)} is not NAME=VALUE with one of {', '.join(_SLURM_OPTIONS)}")
    _checked(_SLURM_VALUE, value, f"a value of {name}")
    return text


def copr_project(text: str) -> str:
    """A project of COPR with its owner, who is a user or a group: me/power, @us/power."""
    return _checked(_COPR_PROJECT, text, "a project of COPR with its owner")


def copr_chroot(text: str) -> str:
    """A chroot of COPR, NAME-RELEASE-ARCH: epel-9-ppc64le, centos-stream+epel-next-9-ppc64le."""
    return _checked(_COPR_CHROOT, text, "a chroot of COPR (NAME-RELEASE-ARCH), such as epel-9-ppc64le")


def root(text: str) -> str:
    """What is to be installed: what `dnf install` takes for packages, or a Python distribution.

    A package's name, its identity or parts of it (`name.arch`, `name-version`), a glob of these, a capability, or an
    absolute path; `pypi:` before a distribution with extras and versions. A path that ends in `.rpm`, a URL and a
    group (`@core`) are not roots: dnf would take them for something to fetch.
    """
    if text.startswith(PYTHON_PREFIX):
        distribution = text.removeprefix(PYTHON_PREFIX)
        distribution_name(re.split(r"[\[<>=!~ ]", distribution, maxsplit=1)[0])
        if not re.fullmatch(_PYTHON_ROOT, distribution):
            raise ValueError(f"not a Python distribution, with extras and versions if any: {_shown(text)}")
        return text
    if not text.strip():
        raise ValueError("an empty text is not a root")
    if not text.isprintable():
        raise ValueError(f"a root has no control characters: {_shown(text)}")
    if re.fullmatch(_SUBJECT_OF_DNF, text) or re.fullmatch(_PROVIDES_GLOB, text):
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
        known = re.fullmatch(_PATH, name) is not None and ".." not in name.split("/")
    else:
        known = re.fullmatch(_CAPABILITY, name) is not None
    if not known or name.lower().endswith(".rpm"):
        raise ValueError(f"not a package, a capability or a path of a file in a package: {_shown(name)}")
    if capability.relation and not re.fullmatch(_EVR, capability.evr):
        raise ValueError(f"not a version: {_shown(capability.evr)}")


def _checked(grammar: str, text: str, what: str) -> str:
    if re.fullmatch(grammar, text) is None:
        raise ValueError(f"not {what}: {_shown(text)}")
    return text


def _shown(text: str) -> str:
    """A text that may be anything, as one short word of ASCII."""
    return f'"{ascii(text if len(text) <= 80 else f"{text[:80]}...")[1:-1]}"'
