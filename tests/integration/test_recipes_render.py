"""The recipe book on source RPMs made here, which have the structure of EL9's where the recipes touch them; and our
own specs, parsed by rpmspec, looked at by rpmlint, and built by rpmbuild.
"""

import hashlib
import io
import json
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from srpms import make_srpm, run

from ppcdeps.cli.main import main
from ppcdeps.metadata.targets import load_target
from ppcdeps.model.errors import ConfigError, UsageError
from ppcdeps.model.recipe import BuildSystem, Language, Recipe, RecipeKind, Source, Upstream
from ppcdeps.model.reporter import Silence
from ppcdeps.recipebook.book import RecipeBook, for_source, load_book, rebuild_recipe, sdist_recipe
from ppcdeps.recipebook.lint import LintFinding, LintSeverity, lint_book, lint_rendering, rpmlint_findings
from ppcdeps.recipebook.patches import apply_patch, mailed
from ppcdeps.recipebook.rendering import Rendering, render
from ppcdeps.rpm.evaluated_spec import SpecEvaluation
from ppcdeps.rpm.platforms import platform_of
from ppcdeps.rpm.specs import evaluate_spec

pytestmark = pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="rpmbuild is not installed")

SPECS = Path(__file__).parents[1] / "data" / "recipes"
TARGET = load_target("centos-stream-9")
BOOK = load_book()
SPEC_OF = {"openvswitch": "openvswitch3.1"}
CHANGING = [one.folder.name for one in BOOK if one.kind is RecipeKind.SRPM]


@pytest.fixture(scope="module")
def srpms(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    made: dict[str, Path] = {}

    def srpm(name: str) -> Path:
        if name not in made:
            spec = SPECS / f"{SPEC_OF.get(name, name)}.spec"
            made[name] = make_srpm(spec, tmp_path_factory.mktemp("srpm") / "top")
        return made[name]

    return srpm


def evaluated(spec: Path, recipe: Recipe | None = None) -> SpecEvaluation:
    conditions = dict.fromkeys(recipe.disabled, False) | dict.fromkeys(recipe.enabled, True) if recipe else {}
    return evaluate_spec(spec, platform_of(TARGET), "ppc64le", conditions=conditions)


def rendered(name: str, srpms: Callable[[str], Path], to: Path) -> tuple[Recipe, Rendering]:
    recipe = for_source(BOOK.named(name), SPEC_OF.get(name, name))
    return recipe, render(BOOK.named(name), to, srpm=srpms(name), build_packages=TARGET.build_packages)


@pytest.mark.parametrize("name", CHANGING)
def test_every_recipe_renders_and_its_spec_parses_and_gives_what_it_promises(
    name: str, srpms: Callable[[str], Path], tmp_path: Path
) -> None:
    recipe, rendering = rendered(name, srpms, tmp_path / "out")
    assert recipe.smoke_test
    assert (tmp_path / "out" / "build.sh").stat().st_mode & 0o111
    assert rendering.missing == ()
    found = evaluated(rendering.spec, recipe)
    assert not found.excluded
    assert [one for one in recipe.packages if found.package(one) is None] == []
    assert all(one.nevra.release.endswith(".ppc1") for one in map(found.package, recipe.packages) if one)
    errors = [one for one in lint_rendering(name, rendering, recipe, TARGET) if one.severity is LintSeverity.ERROR]
    assert errors == []


@pytest.mark.parametrize("name", CHANGING)
def test_plain_rpmspec_parses_every_rendered_spec(name: str, srpms: Callable[[str], Path], tmp_path: Path) -> None:
    _, rendering = rendered(name, srpms, tmp_path / "out")
    macros = ["rhel 9", "kernel_arches x86_64 ppc64le", f"_topdir {tmp_path / 'out'}"]
    options = [word for macro in macros for word in ("--define", macro)]
    assert run("rpmspec", "-P", "--target", "ppc64le", *options, str(rendering.spec))


@pytest.mark.parametrize("name", ["supermin", "libguestfs", "guestfs-tools", "virtiofsd", "virt-top"])
def test_the_source_was_excluded_before(name: str) -> None:
    assert evaluated(SPECS / f"{name}.spec").excluded


def test_qemu_built_tools_only_before_and_keeps_its_firmware_after(
    srpms: Callable[[str], Path], tmp_path: Path
) -> None:
    before = evaluated(SPECS / "qemu-kvm.spec")
    assert before.package("qemu-img") is not None
    assert before.package("qemu-kvm-core") is None
    _, rendering = rendered("qemu-kvm", srpms, tmp_path / "out")
    options = ["--define", "rhel 9", "--define", f"_topdir {tmp_path / 'out'}"]
    text = run("rpmspec", "-P", "--target", "ppc64le", *options, str(rendering.spec))
    assert "rm -rf" in text
    assert not [line for line in text.splitlines() if line.startswith("rm") and "slof" in line]
    assert "/usr/share/qemu-kvm/slof.bin" in text.partition("%files common")[2].partition("%files core")[0]
    assert "--with-devices-ppc64=ppc64-rh-devices" in text
    assert "check-unit" in text
    assert "hw-uefi-vars.so" in text, "a stub is installed where no machine has UEFI"
    prep = text.partition("%prep")[2].partition("%build")[0]
    assert prep.index("mkdir -p qemu_kvm_build") < prep.index("/pseries.mak configs")
    other = run("rpmspec", "-P", "--target", "aarch64", *options, str(rendering.spec))
    assert "slof.bin" not in other.partition("%files common")[2]


@pytest.mark.parametrize(
    ("version", "patches"),
    [
        ("7.2.0", ["pseries-devices.patch"]),
        ("9.1.0", ["pseries-devices.patch"]),
        ("10.0.0", ["pseries-devices.patch", "pseries-usb-hid.patch", "pseries-without-powernv.patch"]),
        ("10.0.3", ["pseries-devices.patch", "pseries-usb-hid.patch", "pseries-without-powernv.patch"]),
        ("10.0.4", ["pseries-devices.patch", "pseries-usb-hid.patch"]),
        ("10.1.0", ["pseries-devices.patch", "pseries-usb-hid.patch", "pseries-without-powernv.patch"]),
        ("10.1.1", ["pseries-devices.patch", "pseries-usb-hid.patch"]),
        ("10.2.2", ["pseries-devices.patch", "pseries-usb-hid.patch"]),
    ],
)
def test_qemu_gets_the_patches_of_its_version(version: str, patches: list[str], tmp_path: Path) -> None:
    spec = tmp_path / "qemu-kvm.spec"
    text = (SPECS / "qemu-kvm.spec").read_text().replace("Version: 9.1.0", f"Version: {version}")
    if version == "7.2.0":
        text = text.replace("make V=1 check", "%make_build check")
    spec.write_text(text)
    out = tmp_path / "out"
    rendering = render(BOOK.named("qemu-kvm"), out, srpm=make_srpm(spec, tmp_path / "top"))
    assert [path.name for path in sorted((out / "SOURCES").glob("pseries-*"))] == patches
    lines = rendering.spec.read_text().splitlines()
    assert [line.split()[1] for line in lines if line.startswith("Patch900")] == patches
    assert [line for line in lines if line.endswith(" check-unit")]


def test_recipes_show_says_which_versions_get_a_patch(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["recipes", "show", "qemu-kvm"]) == 0
    lines = [line.strip() for line in capsys.readouterr().out.splitlines() if "patches/" in line]
    assert lines[:2] == ["patch patches/pseries-devices.patch", "patch patches/pseries-usb-hid.patch (only >= 10)"]
    assert main(["recipes", "show", "qemu-kvm", "--json"]) == 0
    patches = json.loads(capsys.readouterr().out)["patches"]
    assert [one["versions"] for one in patches] == ["all versions", ">= 10", ">= 10, < 10.0.4", ">= 10.1, < 10.1.1"]


def test_the_device_list_of_qemu_grows_by_usb_keyboard_and_tablet(tmp_path: Path) -> None:
    """The list is a new file, whatever the version; what the second patch changes is in the first."""
    folder = BOOK.named("qemu-kvm").folder
    apply_patch(tmp_path, folder, "patches/pseries-devices.patch", 1, "an empty tree")
    devices = tmp_path / "configs/devices/ppc64-softmmu/pseries.mak"
    before = devices.read_text().splitlines()
    apply_patch(tmp_path, folder, "patches/pseries-usb-hid.patch", 1, "an empty tree")
    after = devices.read_text().splitlines()
    assert set(after) - set(before) == {"CONFIG_USB_HID=y"}
    assert len(after) == len(set(after)) == len(before) + 1
    for symbol in ("PSERIES", "PCIE_PORT", "USB_XHCI_NEC", "WDT_IB6300ESB", "VHOST_USER_VSOCK", "VIRTIO_VGA"):
        assert f"CONFIG_{symbol}=y" in before
    assert not [line for line in after if "CIRRUS" in line or "POWERNV" in line]


def test_libvirt_gets_the_driver_and_the_patch_but_no_sanlock(srpms: Callable[[str], Path], tmp_path: Path) -> None:
    assert evaluated(SPECS / "libvirt.spec").package("libvirt-daemon-driver-qemu") is None
    recipe, rendering = rendered("libvirt", srpms, tmp_path / "out")
    text = rendering.spec.read_text()
    assert "Patch9000: pseries-video-fallback.patch" in text
    assert "%patch -P" not in text, "%autopatch applies it already"
    assert "--without sanlock" in (tmp_path / "out" / "build.sh").read_text()
    assert "_without_sanlock --without-sanlock" in (tmp_path / "out" / "Containerfile").read_text()
    found = evaluated(rendering.spec, recipe)
    assert found.package("libvirt-daemon-plugin-sanlock") is None
    listed = (tmp_path / "out" / "sources.list").read_text()
    digest = hashlib.sha256((tmp_path / "out/SOURCES/pseries-video-fallback.patch").read_bytes()).hexdigest()
    assert f"{digest}  pseries-video-fallback.patch  -" in listed


def test_the_same_input_gives_the_same_bytes(srpms: Callable[[str], Path], tmp_path: Path) -> None:
    for place in ("one", "two"):
        rendered("qemu-kvm", srpms, tmp_path / place)
    assert contents(tmp_path / "one") == contents(tmp_path / "two")


def contents(folder: Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mode) for path in files}


def test_a_source_rpm_is_rebuilt_as_it_is(srpms: Callable[[str], Path], tmp_path: Path) -> None:
    rendering = render(rebuild_recipe("libvirt"), tmp_path / "out", srpm=srpms("libvirt"))
    assert rendering.spec.read_bytes() == (SPECS / "libvirt.spec").read_bytes()
    assert not (tmp_path / "out" / "smoke.sh").exists()
    listed = (tmp_path / "out" / "sources.list").read_text().splitlines()[1:]
    assert [line.split()[1:] for line in listed] == [["libvirt-10.10.0.tar.xz", "-"], ["libvirt-first.patch", "-"]]


def test_a_source_rpm_that_the_recipe_is_not_for(srpms: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = BOOK.named("supermin")
    with pytest.raises(UsageError, match="is the source of virtiofsd"):
        render(recipe, tmp_path / "out", srpm=srpms("virtiofsd"))
    with pytest.raises(UsageError, match="give it with --srpm FILE"):
        render(recipe, tmp_path / "out")
    text = tmp_path / "x.src.rpm"
    text.write_text("no rpm")
    with pytest.raises(ConfigError, match="is no RPM package, or damaged"):
        render(recipe, tmp_path / "out", srpm=text)
    assert not (tmp_path / "out").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["x.src.rpm"], "nothing half done is left"


def test_a_version_outside_of_the_range(tmp_path: Path) -> None:
    spec = tmp_path / "supermin.spec"
    spec.write_text((SPECS / "supermin.spec").read_text().replace("5.3.5", "6.0"))
    srpm = make_srpm(spec, tmp_path / "top")
    with pytest.raises(UsageError, match=r"is version 6\.0; recipe supermin is for >= 5.2, < 6"):
        render(BOOK.named("supermin"), tmp_path / "out", srpm=srpm)


def test_nothing_of_a_foreign_spec_runs_while_it_is_rendered(tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    text = (SPECS / "virtiofsd.spec").read_text()
    spec = tmp_path / "virtiofsd.spec"
    spec.write_text(text.replace("Source0:", f"%global stamp %(touch {ran})\nSource0:"))
    srpm = make_srpm(spec, tmp_path / "top")
    ran.unlink(missing_ok=True)
    rendering = render(BOOK.named("virtiofsd"), tmp_path / "out", srpm=srpm)
    assert not ran.exists()
    assert f"%(touch {ran})" in rendering.spec.read_text(), "it is the buildroot's to run"
    assert "s390x %{power64}" in rendering.spec.read_text()
    list(lint_rendering("virtiofsd", rendering, BOOK.named("virtiofsd"), TARGET))
    assert not ran.exists()


def test_virtiofsd_is_built_where_the_spec_excludes_power_beside_the_architectures_of_rust(tmp_path: Path) -> None:
    """As EL10 has it; EL9 names its architectures alone."""
    text = (SPECS / "virtiofsd.spec").read_text()
    tags = "ExclusiveArch: %{rust_arches}\n%if 0%{?rhel}\nExcludeArch: i686 %{power64}\n%endif"
    spec = tmp_path / "virtiofsd.spec"
    spec.write_text(text.replace("ExclusiveArch:  x86_64 aarch64 s390x", tags))
    assert evaluated(spec).excluded
    rendering = render(BOOK.named("virtiofsd"), tmp_path / "out", srpm=make_srpm(spec, tmp_path / "top"))
    found = evaluated(rendering.spec)
    assert not found.excluded
    assert found.package("virtiofsd") is not None
    assert evaluate_spec(rendering.spec, platform_of(TARGET), "i686").excluded


@pytest.mark.parametrize(
    "looks", ["wget http://libguestfs.org -O /dev/null", "curl http://libguestfs.org -o /dev/null"]
)
def test_libguestfs_takes_its_appliance_from_what_is_installed(looks: str, tmp_path: Path) -> None:
    """The script of %build runs here, with a configure that prints its options: without network, without a cache."""
    spec = tmp_path / "libguestfs.spec"
    text = (SPECS / "libguestfs.spec").read_text()
    spec.write_text(text.replace("wget http://libguestfs.org -O /dev/null", looks))
    assert looks in spec.read_text()
    out = tmp_path / "out"
    rendering = render(BOOK.named("libguestfs"), out, srpm=make_srpm(spec, tmp_path / "top"))
    options = ["--define", "rhel 9", "--define", "kernel_arches ppc64le", "--define", f"_topdir {out}"]
    text = run("rpmspec", "-P", "--target", "ppc64le", *options, str(rendering.spec))
    script = text.partition("# Whether there is a network\n")[2].partition("\n%check\n")[0]
    assert "ping" not in script
    place = tmp_path / "source"
    place.mkdir()
    (place / "configure").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (place / "configure").chmod(0o755)
    done = subprocess.run(
        ["bash", "-eu", "-c", script], cwd=place, capture_output=True, text=True, env={"PATH": "/usr/bin:/bin"}
    )
    assert done.returncode == 0, done.stderr
    given = done.stdout.splitlines()
    assert given == [
        "--enable-appliance-format-auto",
        "--with-extra=rhel=9",
        "--with-supermin-extra-options=--use-installed",
    ]
    assert [path.name for path in place.iterdir()] == ["configure"]


RECIPE = """\
source = "{source}"
kind = "srpm"
summary = "for a test"
reason = "for a test"
links = ["https://example.org/"]
packages = {packages}
smoke_test = "true"
[applies]
platforms = ["platform:el9"]
[build]
release_suffix = ".ppc1"
{edits}
"""
BOTH_TAGS = """\
Name: shares
Version: 1.13.0
Release: 1%{?dist}
Summary: As EL10 has virtiofsd, with both tags
License: MIT
ExclusiveArch: %{rust_arches}
%if 0%{?rhel}
ExcludeArch: i686 %{power64}
%endif
%description
One.
%package more
Summary: More
%description more
More.
%files
%ifarch x86_64
%files more
%endif
"""
ADDED = """
[[edits]]
action = "extend-tag"
tag = "ExclusiveArch"
add = "%{power64}"
why = "for a test"
"""
TAKEN_AWAY = """
[[edits]]
action = "remove-tag"
tag = "ExcludeArch"
value = "i686 %{power64}"
why = "for a test"
"""


@pytest.mark.parametrize(
    ("edits", "packages", "broken"),
    [
        (ADDED, '["shares"]', "shares.spec is excluded on ppc64le: ExcludeArch: i686 ppc64 ppc64p7 ppc64le"),
        (ADDED + TAKEN_AWAY, '["shares"]', ""),
        (ADDED + TAKEN_AWAY, '["shares", "shares-more"]', "shares.spec gives no package shares-more on ppc64le"),
    ],
)
def test_a_recipe_that_does_not_do_what_it_promises_is_an_error(
    edits: str, packages: str, broken: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    spec = tmp_path / "shares.spec"
    spec.write_text(BOTH_TAGS)
    srpm = make_srpm(spec, tmp_path / "top")
    recipe = tmp_path / "book" / "shares" / "recipe.toml"
    recipe.parent.mkdir(parents=True)
    recipe.write_text(RECIPE.format(source="shares", packages=packages, edits=edits))
    common = ["--srpm", str(srpm), "--recipes", str(tmp_path / "book")]
    assert main(["recipes", "render", "shares", "--to", str(tmp_path / "out"), *common]) == (3 if broken else 0)
    assert broken in capsys.readouterr().err
    assert (tmp_path / "out").exists() == (not broken)
    assert not [one for one in tmp_path.iterdir() if one.name.startswith(".out")]
    main(["recipes", "lint", *common])
    said = [line for line in capsys.readouterr().out.splitlines() if "shares" in line]
    assert any(broken in line for line in said) if broken else not said


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_the_patch_applies_with_git_am_and_with_patch(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "a.c").write_text("one\ntwo\nthree\n")
    plain = "Description: two is 2\n .\n Why it is.\n\n--- a/a.c\n+++ b/a.c\n"
    plain += "@@ -1,3 +1,3 @@\n one\n-two\n+2\n three\n"
    patch = tmp_path / "x.patch"
    patch.write_text(mailed(plain, "two is 2"))
    assert mailed(patch.read_text(), "other") == patch.read_text()
    run("patch", "-p1", "--fuzz=0", "--dry-run", "--input", str(patch), cwd=tree)
    git = ["git", "-c", "user.name=n", "-c", "user.email=e@example.org", "-c", "commit.gpgsign=false"]
    run("git", "init", "-q", cwd=tree)
    run(*git, "add", ".", cwd=tree)
    run(*git, "commit", "-qm", "first", cwd=tree)
    run(*git, "am", "-q", str(patch), cwd=tree)
    assert (tree / "a.c").read_text() == "one\n2\nthree\n"


# --- our own specs -----------------------------------------------------------------------------------------


def tarball(path: Path, files: dict[str, str]) -> Source:
    """A tar.gz of the files under one folder, and the source that names it."""
    top = path.name.removesuffix(".tar.gz")
    with tarfile.open(path, "w:gz") as tar:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{top}/{name}")
            entry.size = len(text.encode())
            entry.mode = 0o755 if name == "configure" else 0o644
            tar.addfile(entry, io.BytesIO(text.encode()))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Source(top.rpartition("-")[2], f"https://example.org/{path.name}", digest, path.name)


def compile_recipe(source: Source, folder: Path, system: BuildSystem, **more: object) -> Recipe:
    upstream = Upstream(
        "greeting", "Greets people", "MIT", "https://example.org/", "A program that greets people.", system
    )
    return Recipe(
        source="greeting",
        kind=RecipeKind.COMPILE,
        summary="Greets",
        reason="a test",
        links=("https://example.org/",),
        folder=folder,
        sources=(source,),
        upstream=upstream,
        packages=("greeting",),
        smoke_test="greeting",
        **more,  # type: ignore[arg-type]
    )


C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
GREETING = {
    "greeting.c": C,
    "greeting.1": ".TH greeting 1\n",
    "Makefile": "greeting: greeting.c\n\t$(CC) $(CFLAGS) -o greeting greeting.c\ninstall: greeting\n"
    "\tinstall -D greeting $(DESTDIR)$(PREFIX)/bin/greeting\n"
    "\tinstall -D -m 644 greeting.1 $(DESTDIR)$(PREFIX)/share/man/man1/greeting.1\n"
    "\tinstall -D -m 644 greeting.c $(DESTDIR)$(PREFIX)/share/greeting/own/greeting.c\n",
    "CMakeLists.txt": "cmake_minimum_required(VERSION 3.16)\nproject(greeting C)\n"
    "add_executable(greeting greeting.c)\ninstall(TARGETS greeting DESTINATION bin)\n",
    "meson.build": "project('greeting', 'c')\nexecutable('greeting', 'greeting.c', install: true)\n",
    "configure": "#!/bin/sh\n# Takes what autoconf's would take.\n"
    "for one; do case $one in --prefix=*) p=${one#*=};; esac; done\n"
    'echo "PREFIX=$p" >config.mk\n{ echo include config.mk; cat Makefile; } >M && mv M Makefile\n',
}
PATCH = "Subject of a test\n\n--- a/greeting.c\n+++ b/greeting.c\n@@ -1,2 +1,2 @@\n #include <stdio.h>\n"
PATCH += '-int main(void) { puts("hello"); return 0; }\n+int main(void) { puts("good day"); return 0; }\n'


def built(rendering: Rendering, *options: str) -> Path:
    run("./build.sh", "--nodeps", *options, cwd=rendering.folder)
    return next(path for path in rendering.folder.glob("RPMS/*/*.rpm") if "debug" not in path.name)


@pytest.mark.parametrize("system", list(BuildSystem))
def test_every_build_system_gives_a_spec_that_rpm_and_rpmlint_accept(system: BuildSystem, tmp_path: Path) -> None:
    recipe = compile_recipe(tarball(tmp_path / "greeting-1.0.tar.gz", GREETING), tmp_path, system)
    rendering = render(recipe, tmp_path / "out")
    assert [one.file for one in rendering.missing] == ["greeting-1.0.tar.gz"]
    assert errors(lint_rendering("greeting", rendering, recipe, TARGET)) == []
    assert evaluated(rendering.spec).package("greeting") is not None


def errors(findings: Iterator[LintFinding]) -> list[LintFinding]:
    return [one for one in findings if one.severity is LintSeverity.ERROR]


@pytest.mark.parametrize("system", [BuildSystem.MAKE, BuildSystem.AUTOTOOLS, BuildSystem.CMAKE, BuildSystem.MESON])
def test_a_tarball_becomes_a_package_that_runs(system: BuildSystem, tmp_path: Path) -> None:
    tool = {BuildSystem.CMAKE: "cmake", BuildSystem.MESON: "meson"}.get(system, "make")
    if shutil.which(tool) is None or shutil.which("cc") is None:
        pytest.skip(f"{tool} and a C compiler are not both installed")
    tar = tmp_path / "greeting-1.0.tar.gz"
    recipe = compile_recipe(tarball(tar, GREETING), tmp_path, system)
    rpm = built(render(recipe, tmp_path / "out", sources=[tar]))
    files = run("rpm", "-qpl", str(rpm)).splitlines()
    assert "/usr/bin/greeting" in files
    if system in {BuildSystem.MAKE, BuildSystem.AUTOTOOLS}:
        assert "/usr/share/greeting/own" in files, "a directory that nobody else has belongs to the package"
        assert "/usr/share/man" not in files
        assert any(path.startswith("/usr/share/man/man1/greeting.1") for path in files)


def test_patches_of_a_compiled_source_are_tried_and_applied(tmp_path: Path) -> None:
    from ppcdeps.model.recipe import Patch

    tar = tmp_path / "greeting-1.0.tar.gz"
    source = tarball(tar, GREETING)
    (tmp_path / "polite.patch").write_text(PATCH)
    patches = (Patch("polite.patch", "manners", "a test"),)
    recipe = compile_recipe(source, tmp_path, BuildSystem.MAKE, patches=patches)
    if shutil.which("cc") is not None:
        rpm = built(render(recipe, tmp_path / "out", sources=[tar]))
        payload = subprocess.run(["rpm2cpio", str(rpm)], capture_output=True, check=True).stdout
        assert b"good day" in payload
        assert b"hello" not in payload
    (tmp_path / "polite.patch").write_text(PATCH.replace("hello", "hi"))
    with pytest.raises(ConfigError, match=r"polite.patch does not apply to greeting-1.0.tar.gz: .*FAILED"):
        render(recipe, tmp_path / "again", sources=[tar])


def test_a_digest_that_differs(tmp_path: Path) -> None:
    tar = tmp_path / "greeting-1.0.tar.gz"
    source = tarball(tar, GREETING)
    tar.write_bytes(tar.read_bytes() + b"x")
    recipe = compile_recipe(source, tmp_path, BuildSystem.MAKE)
    with pytest.raises(ConfigError, match=f"its SHA-256 is [0-9a-f]{{64}}, not {source.sha256}"):
        render(recipe, tmp_path / "out", sources=[tar])
    # Put there behind the back of what was rendered, build.sh notices.
    rendering = render(recipe, tmp_path / "out")
    shutil.copy(tar, rendering.folder / "SOURCES")
    done = subprocess.run(["./build.sh"], cwd=rendering.folder, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "FAILED" in done.stdout + done.stderr


SETUP = (
    "from setuptools import Extension, setup\n"
    "setup(name='tiny.ext', version='1.0rc1', ext_modules=[Extension('tinyext', ['tinyext.c'])])\n"
)
MODULE = (
    '#include <Python.h>\nstatic struct PyModuleDef m = {PyModuleDef_HEAD_INIT, "tinyext", 0, -1, 0};\n'
    "PyMODINIT_FUNC PyInit_tinyext(void) { return PyModule_Create(&m); }\n"
)


@pytest.mark.parametrize(
    "languages", [(Language.C,), (Language.CXX,), (Language.CYTHON, Language.C), (Language.RUST,), ()]
)
def test_the_extension_template_parses_for_every_language(languages: tuple[Language, ...], tmp_path: Path) -> None:
    source = Source("1.0", "https://example.org/tiny_ext-1.0.tar.gz", "0" * 64, "tiny_ext-1.0.tar.gz")
    crates = Source("1.0", "https://example.org/crates.tar.gz", "1" * 64, "crates.tar.gz", "crates")
    recipe = sdist_recipe("tiny.ext", source, languages)
    if Language.RUST in languages:
        recipe = _with(recipe, sources=(crates, source))
    rendering = render(recipe, tmp_path / "out")
    assert rendering.spec.name == "python3-tiny-ext.spec"
    found = evaluated(rendering.spec)
    package = found.package("python3-tiny-ext")
    assert package is not None
    assert "python3dist(tiny-ext) = 1.0" in package.provides
    assert errors(lint_rendering("x", rendering, _with(recipe, packages=("python3-tiny-ext",)), TARGET)) == []
    text = rendering.spec.read_text()
    assert ("BuildRequires:  cargo" in text) == (Language.RUST in languages)
    assert ("%{SOURCE1} -C crates" in text) == (Language.RUST in languages)
    assert ("*.pyx" in text) == (Language.CYTHON in languages)


def _with(recipe: Recipe, **changes: object) -> Recipe:
    import dataclasses

    return dataclasses.replace(recipe, **changes)  # type: ignore[arg-type]


def test_a_python_extension_becomes_a_package(tmp_path: Path) -> None:
    header = Path(run(sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('include'))").strip())
    python = [sys.executable, "-c", "import setuptools, wheel, pip"]
    if not (header / "Python.h").is_file() or subprocess.run(python, capture_output=True, check=False).returncode:
        pytest.skip("this Python has no headers, or no setuptools and wheel")
    tar = tmp_path / "tiny_ext-1.0rc1.tar.gz"
    toml = '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
    source = tarball(tar, {"setup.py": SETUP, "tinyext.c": MODULE, "pyproject.toml": toml})
    recipe = sdist_recipe("tiny.ext", source, [Language.C], license_expression="MIT")
    rpm = built(render(recipe, tmp_path / "out", sources=[tar]), "--define", f"__python3 {sys.executable}")
    files = run("rpm", "-qpl", str(rpm)).splitlines()
    assert any(path.endswith(".so") and "tinyext" in path for path in files)
    assert not any(path.endswith(("RECORD", "direct_url.json")) for path in files)
    assert "python3dist(tiny-ext) = 1.0~rc1" in run("rpm", "-qp", "--provides", str(rpm)).splitlines()


# --- the book and the command ------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("rpmlint") is None, reason="rpmlint is not installed")
def test_the_whole_book_has_no_error(srpms: Callable[[str], Path]) -> None:
    found = lint_book(BOOK, TARGET, ["centos-stream-9"], Silence(), srpms=[srpms(name) for name in CHANGING])
    assert found == ()


def test_lint_reports_all_that_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "bare.patch").write_text("--- a/x\n+++ b/x\n@@ -1 +1 @@\n-x\n+y\n")
    (tmp_path / "x" / "empty.patch").write_text("nothing\n")
    (tmp_path / "x" / "recipe.toml").write_text(
        'source = "x"\nkind = "srpm"\nsummary = "s"\nreason = "r"\nlinks = ["http://example.org/"]\n'
        'smoke_test = "if"\n[applies]\ntargets = ["nowhere"]\n'
        '[[patches]]\nfile = "bare.patch"\nwhy = "w"\norigin = "o"\n'
        '[[patches]]\nfile = "empty.patch"\nwhy = "w"\norigin = "o"\n'
    )
    found = lint_book(load_book([tmp_path], shipped=False), TARGET, ["centos-stream-9"], Silence())
    text = "\n".join(one.message for one in found)
    parts = ["not https", '"nowhere"', '"packages"', '"release_suffix"', "has no header", "changes nothing"]
    parts.append("smoke_test: ")
    assert [part for part in parts if part not in text] == []


def test_the_command_lists_shows_and_renders(
    srpms: Callable[[str], Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["recipes"]) == 0
    assert "qemu-kvm" in capsys.readouterr().out
    assert main(["recipes", "--json"]) == 0
    listed = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert listed["qemu-kvm"]["edits"][0]["action"] == "set-macro"
    assert main(["recipes", "show", "libvirt"]) == 0
    assert "pseries-video-fallback.patch" in capsys.readouterr().out
    assert main(["recipes", "show", "qemu-kv"]) == 2
    assert 'did you mean "qemu-kvm"?' in capsys.readouterr().err
    out = tmp_path / "out"
    assert main(["recipes", "render", "virtiofsd", "--to", str(out), "--srpm", str(srpms("virtiofsd"))]) == 0
    assert capsys.readouterr().out == f"{out}/SPECS/virtiofsd.spec\n"
    assert main(["recipes", "render", "virtiofsd", "--to", str(out), "--srpm", str(srpms("virtiofsd"))]) == 2
    assert "is not an empty folder" in capsys.readouterr().err
    assert main(["recipes", "render", "seabios", "--to", str(tmp_path / "new")]) == 2
    assert "builds nothing" in capsys.readouterr().err


def test_lint_ends_with_3_where_there_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "recipe.toml").write_text(
        'source = "x"\nkind = "srpm"\nsummary = "s"\nreason = "r"\nsmoke_test = "if"\n'
    )
    assert main(["recipes", "lint", "--quiet", "--recipes", str(tmp_path)]) == 3
    assert "x: error: smoke_test" in capsys.readouterr().out


def test_the_empty_book_is_a_book() -> None:
    assert lint_book(RecipeBook(()), TARGET, [], Silence()) == ()


@pytest.mark.skipif(shutil.which("rpmlint") is None, reason="rpmlint is not installed")
def test_rpmlint_is_confined(tmp_path: Path) -> None:
    """What an evaluation lets pass with the target's macros may run something with those of this machine."""
    (tmp_path / "secret").write_text("Canary")
    mark = tmp_path / "ran"
    spec = tmp_path / "x.spec"
    for code in (f"%(touch {mark})", f"%{{lua:os.execute('touch {mark}')}}", f"%{{load:{tmp_path}/secret}}"):
        text = f"Name: x\nVersion: 1\nRelease: 1\nSummary: s {code}\nLicense: MIT\n%description\nx\n%files\n"
        spec.write_text(text)
        found = list(rpmlint_findings("x", spec, platform_of(TARGET)))
        assert found
        assert not mark.exists()
        assert "Canary" not in str(found)
