"""A plan for who sets machines up: kickstart lines, a Containerfile, an Ansible play.

They name the repositories, the local one first, the packages of the workload's roots, and pip's pins with digests.
Follows pykickstart's documentation, Containerfile(5), and the modules of ansible.builtin. Every text of a plan is
quoted: for kickstart and the shell, as JSON, or so that Ansible fills in nothing.
"""

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

LOCAL_PLACE = "/usr/share/ppcdeps/repository"
"""Where an image has the local repository, if that is copied into it."""
_PINS = "/usr/share/ppcdeps/requirements.txt"
_FOLDER = _PINS.rpartition("/")[0]
# The image's own .repo files, which are taken away, named the keys that came with its distribution.
_TRUST_KEYS = (
    "for key in /etc/pki/rpm-gpg/RPM-GPG-KEY-*; do "
    '[ ! -e "$key" ] || rpm --import "$key" || echo "not trusted: $key"; done'
)
CERTIFICATES = ("sslcacert", "sslclientcert", "sslclientkey")
_TEXTS = ("proxy", *CERTIFICATES)
_PACKAGES = ("excludepkgs", "includepkgs")
_NOTHING = "_none_"
"""What dnf reads as no value."""
_WITHOUT_WEAK = {"platform:el7": "", "platform:el8": " --excludeWeakdeps"}
"""How kickstart files of other platforms leave out weak dependencies; yum, on EL 7, knows none."""


@dataclass(frozen=True, slots=True)
class HostRepository:
    """A repository: its id, and its options as a `.repo` file has them."""

    id: str
    options: Mapping[str, str]

    def section(self) -> tuple[str, ...]:
        """The lines of its section in a `.repo` file."""
        return (f"[{self.id}]", *(f"{key}={value}" for key, value in self.options.items()))


@dataclass(frozen=True, slots=True)
class HostSetup:
    """What a machine of the target gets.

    ``repositories`` come in the order of their priority, ``packages`` are names or identities that dnf takes,
    ``modules`` streams to enable (name:stream). ``pins`` are lines of a requirements file with digests, for the pip
    of ``python``. ``copied`` is the folder of the local repository where an image is to have a copy of it,
    relative to the file; empty where the repository is served. ``platform`` is the target's, such as platform:el9.
    """

    workload: str
    arch: str
    repositories: tuple[HostRepository, ...]
    packages: tuple[str, ...]
    modules: tuple[str, ...] = ()
    pins: tuple[str, ...] = ()
    python: str = "python3"
    weak: bool = False
    copied: str = ""
    platform: str | None = None


def kickstart(setup: HostSetup, head: str) -> str:
    """Lines for a kickstart file: include them with `%include`, or copy them."""
    lines = [f"# {head}"]
    for one in setup.repositories:
        options = one.options
        words = [f"--name={one.id}"]
        # Anaconda takes one base URL, or a list of mirrors.
        words += [f"--baseurl={options['baseurl'].split()[0]}"] if "baseurl" in options else []
        if "baseurl" not in options:
            words += [f"--{key}={options[key]}" for key in ("metalink", "mirrorlist") if key in options][:1]
        words += [f"--cost={options['cost']}"] if options.get("cost", "1000") != "1000" else []
        words += ["--noverifyssl"] if options.get("sslverify") == "0" else []
        texts = _TEXTS if takes_certificates(setup.platform) else ("proxy",)
        words += [f"--{key}={options[key]}" for key in texts if options.get(key, _NOTHING) != _NOTHING]
        words += [f"--{key}={','.join(options[key].split())}" for key in _PACKAGES if options.get(key)]
        lines.append(" ".join(("repo", *map(shlex.quote, words), "--install")))
    for module in setup.modules:
        name, _, stream = module.partition(":")
        lines.append(f"module --name={name} --stream={stream}")
    weak = "" if setup.weak else _WITHOUT_WEAK.get(setup.platform or "", " --exclude-weakdeps")
    lines += ["", f"%packages{weak}", *setup.packages, "%end"]
    if setup.pins:
        lines += ["", "%post --erroronfail", *_pip_script(setup), "%end"]
    return _text(lines)


def takes_certificates(platform: str | None) -> bool:
    """Whether kickstart files of a platform take certificates for repositories; those of EL 7 do not."""
    return platform != "platform:el7"


def containerfile(setup: HostSetup, head: str, image: str) -> str:
    """A Containerfile that begins from an image of the target with dnf."""
    lines = [f"# {head}", f"FROM {image}"]
    if setup.copied:
        lines.append(f"COPY {json.dumps([f'{setup.copied}/', f'{LOCAL_PLACE}/'])}")
    sections = [line for one in setup.repositories for line in (*one.section(), "")]
    place = shlex.quote(f"/etc/yum.repos.d/ppcdeps-{setup.workload}.repo")
    lines.append(
        _run(["mkdir -p /etc/yum.repos.d", "rm -f /etc/yum.repos.d/*.repo", f"{_printf(sections)} > {place}"])
    )
    weak = f"--setopt=install_weak_deps={int(setup.weak)}"
    commands = [_TRUST_KEYS]
    commands += [f"dnf -y module enable {' '.join(map(shlex.quote, setup.modules))}"] if setup.modules else []
    words = " \\\n        ".join(map(shlex.quote, setup.packages))
    commands += [f"dnf -y {weak} install -- \\\n        {words}", "dnf clean all"]
    lines.append(_run(commands))
    if setup.pins:
        lines.append(_run(_pip_script(setup)))
    return _text(lines)


def ansible(setup: HostSetup, head: str) -> str:
    """A play for hosts of the target."""
    tasks: list[dict[str, Any]] = [
        {
            "name": f"Know the repository {one.id}",
            "ansible.builtin.yum_repository": _yum_repository(one),
        }
        for one in setup.repositories
    ]
    if setup.modules:
        tasks.append(
            {
                "name": "Enable the module streams",
                # The module for dnf also installs what it enables.
                "ansible.builtin.command": {"argv": ["dnf", "-y", "module", "enable", *setup.modules]},
                "environment": {"LC_ALL": "C.UTF-8"},
                "register": "module_streams",
                "changed_when": "'Nothing to do' not in module_streams.stdout",
            }
        )
    tasks.append(
        {
            "name": "Install the packages",
            "ansible.builtin.dnf": {
                "name": list(setup.packages),
                "state": "present",
                "install_weak_deps": setup.weak,
            },
        }
    )
    if setup.pins:
        tasks += [
            {
                "name": "Make a folder for what pip is given",
                "ansible.builtin.file": {"path": _FOLDER, "state": "directory", "mode": "0755"},
            },
            {
                "name": "Write the pins of Python",
                "ansible.builtin.copy": {"content": _text(setup.pins), "dest": _PINS, "mode": "0644"},
            },
            {
                "name": "Install Python distributions",
                "ansible.builtin.pip": {
                    "requirements": _PINS,
                    "executable": f"pip{setup.python.removeprefix('python')}",
                    "extra_args": "--no-deps --require-hashes",
                },
            },
        ]
    play = [
        {
            "name": f"Put {setup.workload} on its hosts",
            "hosts": setup.arch,
            "become": True,
            "tasks": tasks,
        }
    ]
    text: str = yaml.dump(play, Dumper=_Dumper, sort_keys=False, explicit_start=True, width=150)
    return f"# {head}\n{text}"


def _yum_repository(one: HostRepository) -> dict[str, Any]:
    options = one.options
    flags = ("gpgcheck", "repo_gpgcheck", "module_hotfixes", "sslverify", "skip_if_unavailable")
    found: dict[str, Any] = {"name": one.id, "description": options.get("name", one.id), "file": "ppcdeps"}
    for key in ("baseurl", "gpgkey", *_PACKAGES):
        if options.get(key):
            name = {"excludepkgs": "exclude"}.get(key, key)
            words = options[key].split()
            found[name] = words[0] if len(words) == 1 else words
    texts = ("metalink", "mirrorlist", "priority", "cost", "metadata_expire", *_TEXTS)
    found |= {key: options[key] for key in texts if options.get(key)}
    found |= {key: options[key] == "1" for key in flags if key in options}
    return found


def _pip_script(setup: HostSetup) -> list[str]:
    return [
        f"mkdir -p {_FOLDER}",
        f"{_printf(setup.pins)} > {_PINS}",
        f"{shlex.quote(setup.python)} -m pip install --no-deps --require-hashes -r {_PINS}",
    ]


def _printf(lines: Sequence[str]) -> str:
    """A command of the shell that prints these lines, each of which has no line break."""
    return " \\\n        ".join(("printf '%s\\n'", *(shlex.quote(line) for line in lines)))


def _run(commands: Sequence[str]) -> str:
    return "RUN " + " && \\\n    ".join(commands)


def _text(lines: Sequence[str]) -> str:
    return "\n".join(lines) + "\n"


class _Dumper(yaml.SafeDumper):
    """Indents lists, and marks texts that Ansible would take for templates."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002
        """As ansible-lint wants lists in mappings."""
        super().increase_indent(flow, False)


def _represent(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    if any(sign in text for sign in ("{{", "{%", "{#")):
        return dumper.represent_scalar("!unsafe", text, style="'")
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)
