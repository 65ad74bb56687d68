"""Module streams judged as dnf judges them, over a repository made with the real tools."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from ppcdeps.base.cache import Cache
from ppcdeps.metadata.modules import ModuleIndex, ModuleVerdict, module_filter, read_modules
from ppcdeps.metadata.sync import fetch_repositories
from ppcdeps.model.nevra import Nevra
from ppcdeps.model.reporter import Silence
from ppcdeps.model.repository import RepoConfig, Side

TOOLS = ("dnf", "rpmbuild", "createrepo_c", "modifyrepo_c")

pytestmark = pytest.mark.skipif(
    any(shutil.which(tool) is None for tool in TOOLS),
    reason=f"needs {', '.join(TOOLS)} (packages dnf, rpm, createrepo-c)",
)

SPEC = """
Name: {name}
Version: {version}
Release: {release}
Summary: -
License: -
BuildArch: noarch
{extra}
%description
%files
"""

PACKAGES = (
    # name, version, release, provides
    ("perl-tool", "1", "1.module_1", ()),
    ("perl-tool", "2", "1.module_1", ()),
    ("perl-tool", "2", "2.module_2", ()),
    ("perl-tool", "1.9", "1.module_2", ()),
    ("perl-tool", "3", "1.plain", ()),
    ("perl-alike", "1", "1.plain", ("perl-tool",)),
    ("app", "1", "1.module_1", ()),
    ("app", "2", "1.module_1", ()),
    ("app", "9", "1.plain", ()),
    ("future", "1", "1.module_1", ()),
    ("lonely", "1", "1.module_1", ()),
    ("lonely", "0.5", "1.plain", ()),
    ("plain", "1", "1.plain", ()),
)

MODULES = """
---
document: modulemd
version: 2
data:
  name: tool
  stream: "1.0"
  version: 1
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9]}
  artifacts: {rpms: ["perl-tool-0:1-1.module_1.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "2.0"
  version: 1
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9]}
  artifacts: {rpms: ["perl-tool-0:2-1.module_1.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "2.0"
  version: 2
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9]}
  artifacts: {rpms: ["perl-tool-0:2-2.module_2.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: tool
  stream: "2.0"
  version: 0
  context: cccccccc
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9]}
  artifacts: {rpms: ["perl-tool-0:1.9-1.module_2.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: app
  stream: "a"
  version: 1
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9], tool: ["1.0"]}
  artifacts: {rpms: ["app-0:1-1.module_1.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: app
  stream: "a"
  version: 1
  context: bbbbbbbb
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el9], tool: ["2.0"]}
  artifacts: {rpms: ["app-0:2-1.module_1.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: future
  stream: "x"
  version: 1
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: [el10]}
  artifacts: {rpms: ["future-0:1-1.module_1.noarch"]}
...
---
document: modulemd
version: 2
data:
  name: lonely
  stream: "x"
  version: 1
  context: aaaaaaaa
  arch: ppc64le
  summary: "-"
  description: "-"
  license: {module: ["-"]}
  dependencies:
  - requires: {platform: []}
  artifacts: {rpms: ["lonely-0:1-1.module_1.noarch"]}
...
---
document: modulemd-defaults
version: 1
data: {module: tool, modified: 1, stream: "1.0"}
...
---
document: modulemd-defaults
version: 1
data: {module: future, modified: 1, stream: "x"}
...
"""


@pytest.fixture(scope="module")
def modular(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with modular and plain builds of the same names."""
    top = tmp_path_factory.mktemp("modular")
    specs = []
    for number, (name, version, release, provides) in enumerate(PACKAGES):
        spec = top / f"{number}.spec"
        extra = "\n".join(f"Provides: {one}" for one in provides)
        spec.write_text(SPEC.format(name=name, version=version, release=release, extra=extra))
        specs.append(str(spec))
    run("rpmbuild", "-bb", "--quiet", "--define", f"_topdir {top}", *specs)
    folder = top / "RPMS"
    run("createrepo_c", "--quiet", str(folder))
    modules = top / "modules.yaml"
    modules.write_text(MODULES.lstrip())
    run("modifyrepo_c", "--mdtype=modules", str(modules), str(folder / "repodata"))
    return folder


def run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


class Dnf:
    """dnf over the repository, with an install root of its own."""

    def __init__(self, folder: Path, place: Path, options: Sequence[str] = ()) -> None:
        self._command = (
            "dnf",
            "--quiet",
            "--forcearch=ppc64le",
            "--releasever=9",
            "--setopt=reposdir=/dev/null",
            f"--setopt=cachedir={place / 'cache'}",
            "--setopt=module_platform_id=platform:el9",
            "--disableplugin=local",
            "--nogpgcheck",
            f"--repofrompath=modular,{folder}",
            f"--installroot={place / 'root'}",
            *options,
        )

    def enable(self, *streams: str) -> None:
        run(*self._command, "--assumeyes", "module", "enable", *streams)

    def visible(self) -> set[str]:
        output = run(*self._command, "repoquery", "--queryformat=%{name}-%{evr}.%{arch}\n")
        return {line for line in output.split() if line}


def ours(folder: Path, tmp_path: Path, *enabled: str) -> tuple[set[str], ModuleVerdict]:
    config = RepoConfig("modular", Side.TARGET, baseurl=(folder.as_uri(),))
    cache = Cache.open(tmp_path / "ppcdeps")
    (metadata,) = fetch_repositories([config], cache, Silence())
    index = read_modules(metadata.files["modules"].path)
    verdict = module_filter([index], enabled, "platform:el9")
    seen = set()
    for name, version, release, provides in PACKAGES:
        nevra = Nevra(name, 0, version, release, "noarch")
        if not verdict.hides(nevra, (name, *provides)):
            seen.add(str(nevra))
    return seen, verdict


@pytest.mark.parametrize(
    ("enabled", "active"),
    [
        ((), ("tool:1.0",)),
        (("tool:2.0",), ("tool:2.0",)),
        (("app:a",), ("app:a", "tool:1.0")),
        (("app:a", "tool:2.0"), ("app:a", "tool:2.0")),
        (("lonely:x",), ("lonely:x", "tool:1.0")),
    ],
    ids=lambda value: "+".join(value) or "defaults",
)
def test_the_same_packages_are_visible_as_in_dnf(
    enabled: tuple[str, ...], active: tuple[str, ...], modular: Path, tmp_path: Path
) -> None:
    dnf = Dnf(modular, tmp_path)
    if enabled:
        dnf.enable(*enabled)
    seen, verdict = ours(modular, tmp_path, *enabled)
    assert seen == dnf.visible()
    assert verdict.active == active


def test_a_hotfix_repository_is_exempt_in_dnf_too(modular: Path, tmp_path: Path) -> None:
    """What the verdict says is not for such repositories: dnf shows all their packages."""
    dnf = Dnf(modular, tmp_path, ["--setopt=modular.module_hotfixes=1"])
    assert len(dnf.visible()) == len(PACKAGES)


def test_no_modules_hide_nothing() -> None:
    assert module_filter([ModuleIndex()], (), "platform:el9") == ModuleVerdict()
