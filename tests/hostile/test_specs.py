"""A spec is read in confinement: it runs nothing, sees its own files and the macros, and fetches nothing."""

import json
import shutil
from pathlib import Path

import pytest
from damage import dump_toml
from doortrial import SECRET, Bring, Scene
from rpmmd import Package, write_repository
from specdoors import GUESTFS, SPEC, repacked, srpm

from ppcdeps.model.nevra import Nevra

needs = [one for one in ("rpmbuild", "rpmspec", "bwrap") if shutil.which(one) is None]
pytestmark = pytest.mark.skipif(bool(needs), reason=f"needs {', '.join(needs)}")

READS = {
    "load": "%{load:@FILE@}",
    "load in expand": "%{expand:%{load:@FILE@}}",
    "include": "\n%include @FILE@\n",
    "lua": '%{lua:local f = io.open("@FILE@"); print(f:read("*a"))}',
    "lua in two expansions": "%{expand:%{expand:%%{lua:local f = io.open('@FILE@'); print(f:read('*a'))}}}",
    "lua by parts": "%global l lua:print(io.open('@FILE@'):read('*a'))\n%{expand:%%{%{l}}}",
    "lua lines": '%{lua:for l in io.lines("@FILE@") do print(l) end}',
    "lua dofile": '%{lua:print(pcall(dofile, "@FILE@"))}',
    "lua posix": '%{lua:print(table.concat(posix.dir("@FOLDER@"), " "))}',
    "lua stat": '%{lua:print(posix.stat("@FILE@", "size"))}',
    "exists": "%{exists:@FILE@}",
    "file": "%{gsub %{load:@FILE@} x y}",
    "uncompress": "%{uncompress:@FILE@}",
    "cat": "%(cat @FILE@)",
    "shell in expand": "%{expand:%%(cat @FILE@)}",
    "shell by parts": "%global o (\n%{expand:%%%{o}cat @FILE@)}",
    "source": "%{S:@FILE@}",
    "getenv": "%{getenv:HOME}",
    "lua getenv": "%{lua:print(os.getenv('HOME'))}",
}
RUNS = {
    "shell": "%(touch @MARK@)",
    "shell in expand": "%{expand:%%(touch @MARK@)}",
    "lua execute": "%{lua:os.execute('touch @MARK@')}",
    "lua popen": "%{lua:io.popen('touch @MARK@')}",
    "lua exec": "%{lua:posix.exec('/bin/touch', '@MARK@')}",
    "lua fork": "%{lua:if posix.fork() == 0 then posix.exec('/bin/touch', '@MARK@') end}",
    "lua open": "%{lua:io.open('@MARK@', 'w')}",
    "lua rename": "%{lua:os.rename('@FILE@', '@MARK@')}",
    "lua two expansions": "%{expand:%{expand:%%{lua:os.execute('touch @MARK@')}}}",
    "lua rpm expand": "%{lua:print(rpm.expand('%(touch @MARK@)'))}",
    "lua load": "%{lua:load('os.execute(\"touch @MARK@\")')()}",
    "trace": "%{trace:%(touch @MARK@)}",
    "uncompress": "%{uncompress:x; touch @MARK@}",
    "condition": "\n%if 0%(touch @MARK@)\n%endif\n",
    "tag": "\nVersion: %(touch @MARK@)1\n",
    "arch": "\n%ifarch %(touch @MARK@)x\n%endif\n",
}
PLACES = {
    "requires": b"Requires: other%{?_isa} >= %{version}",
    "buildrequires": b"BuildRequires: gcc, make >= 4",
    "global": b"%global base 1",
}


def evil_spec(text: str, where: str, place: Scene) -> bytes:
    text = text.replace("@FILE@", str(place.canary / "secret.txt")).replace("@FOLDER@", str(place.canary))
    text = text.replace("@MARK@", str(place.canary / "ran"))
    line = PLACES[where]
    put = {
        "requires": f"Requires: x{text}",
        "buildrequires": f"BuildRequires: x{text}",
        "global": f"%global base 1{text}",
    }
    return SPEC.replace(line, put[where].encode())


def plan(place: Scene) -> tuple[object, ...]:
    """The command line of a plan that has `lib` built from its source package, and so tells its BuildRequires."""
    app = Package(Nevra.parse("app-1-1.ppc64le"), relations={"requires": ("lib",)})
    lib = Package(Nevra.parse("lib-1.1-2.el9.x86_64"), source="lib-1.1-2.el9")
    source = Package(Nevra.parse("lib-1.1-2.el9.src"))
    target, reference, sources = (
        write_repository(place.inputs / name, [package]).as_uri()
        for name, package in (("repo", app), ("x86", lib), ("src", source))
    )
    options = ("--repofrompath", f"base,{target}", "--reference", f"x86,{reference}", "--source", f"src,{sources}")
    return ("plan", "app", *options, "--python", "rpm", "--srpms", place.inputs / "srpms", "-o", "p.json")


def test_the_plan_tells_what_the_spec_asks_for(place: Scene, bring: Bring) -> None:
    """Without this, the tests below would see nothing."""
    place.file(
        "srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": evil_spec("seen", "buildrequires", place)})
    )
    bring(*plan(place), code=1)
    assert "xseen" in (place.work / "p.json").read_text()


@pytest.mark.parametrize("where", ["requires", "buildrequires"])
@pytest.mark.parametrize("how", READS)
def test_a_spec_reads_no_file_of_this_machine(how: str, where: str, place: Scene, bring: Bring) -> None:
    place.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": evil_spec(READS[how], where, place)}))
    outcome = bring(*plan(place), code={0, 1, 3})
    home = str(place.run / "home")
    for text in (outcome.out, outcome.err, *(path.read_text() for path in place.work.glob("*.json"))):
        assert SECRET not in text
        assert f"x{home}" not in text


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("how", RUNS)
def test_a_spec_runs_nothing(how: str, where: str, place: Scene, bring: Bring) -> None:
    place.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": evil_spec(RUNS[how], where, place)}))
    bring(*plan(place), code={0, 1, 3})
    assert not (place.canary / "ran").exists()


def own_plan(place: Scene, text: str, where: str) -> tuple[object, ...]:
    """The command line of a plan of a spec of one's own."""
    repo = write_repository(place.inputs / "repo", [Package(Nevra.parse("gcc-1-1.ppc64le"))]).as_uri()
    file = place.file("lib.spec", evil_spec(text, where, place))
    return ("plan", file, "--repofrompath", f"base,{repo}", "--python", "rpm", "-o", "p.json")


@pytest.mark.parametrize("where", PLACES)
@pytest.mark.parametrize("how", RUNS)
def test_a_spec_of_ones_own_runs_nothing(how: str, where: str, place: Scene, bring: Bring) -> None:
    """It may come from anywhere: what its shells would print is unknown, and what else would run is refused."""
    bring(*own_plan(place, RUNS[how], where), code={0, 1, 3})
    assert not (place.canary / "ran").exists()


@pytest.mark.parametrize("how", READS)
def test_a_spec_of_ones_own_reads_no_file_of_this_machine(how: str, place: Scene, bring: Bring) -> None:
    outcome = bring(*own_plan(place, READS[how], "requires"), code={0, 1, 3})
    for text in (outcome.out, outcome.err, *(path.read_text() for path in place.work.glob("*.json"))):
        assert SECRET not in text


@pytest.mark.parametrize(
    "text",
    [
        "%{lua:while true do end}",
        "%{lua:local s = 'x' while true do s = s .. s end}",
        "%define r() %{r}\n%{r}",
        "%{expand:%{expand:" * 2_000 + "x" + "}}" * 2_000,
        "%{lua:print(string.rep('x', 2^31))}",
        "%{lua:for i = 1, 10^9 do print('Requires: x' .. i) end}",
        "%if 1\n" * 20_000,
        "%{rep %{rep x 100000} 100000}",
    ],
    ids=["loop", "memory", "recursion", "nested", "long", "output", "conditions", "rep"],
)
def test_a_spec_that_does_not_end_is_ended(text: str, place: Scene, bring: Bring) -> None:
    place.file("srpms/lib-1.1-2.el9.src.rpm", repacked(srpm(), {"lib.spec": evil_spec(text, "requires", place)}))
    bring(*plan(place), code={0, 1, 3})


# rpmlint ----------------------------------------------------------------------------------------------------


def evil_recipe(place: Scene, **changed: object) -> Path:
    mark = place.canary / "ran"
    table: dict[str, object] = {
        "source": "evil",
        "kind": "compile",
        "summary": f"s %(touch {mark})",
        "reason": "r",
        "links": [f"https://x/%(touch {mark})"],
        "packages": ["evil"],
        "smoke_test": "true",
        "build": {"macros": {"x": f"a'; touch {mark}; '$(touch {mark})`touch {mark}`"}, "requires": ["b"]},
        "upstream": {
            "summary": f"s %(touch {mark})",
            "license": "x",
            "url": "https://x/",
            "description": f"d %{{lua:os.execute('touch {mark}')}} %(touch {mark})",
            "system": "make",
            "options": [f"$(touch {mark})", f"'; touch {mark}"],
        },
        "sources": [{"version": "1", "url": "https://x/y-1.tar.gz", "sha256": "a" * 64}],
    }
    return place.file("recipes/evil/recipe.toml", dump_toml(table | changed).encode())


@pytest.mark.parametrize("command", ["lint", "render", "show", "list"])
def test_text_of_a_recipe_is_run_by_nobody(command: str, place: Scene, bring: Bring) -> None:
    evil_recipe(place)
    more = {"render": ("evil", "--to", "out"), "show": ("evil",)}.get(command, ())
    bring("recipes", command, *more, "--recipes", place.inputs / "recipes", code={0, 3})
    assert not (place.canary / "ran").exists()


def test_lint_says_that_a_spec_runs_code(place: Scene, bring: Bring) -> None:
    evil_recipe(place)
    outcome = bring("recipes", "lint", "--recipes", place.inputs / "recipes", "--json", code=3)
    found = json.dumps(json.loads(outcome.out))
    assert "evil" in found


def test_rpmlint_reads_no_file_of_this_machine(place: Scene, bring: Bring) -> None:
    secret = place.canary / "secret.txt"
    text = f"s %{{load:{secret}}} %{{lua:print(io.open('{secret}'):read('*a'))}}"
    evil_recipe(place, summary=text, links=["https://x/"], build={"requires": ["b"]})
    outcome = bring("recipes", "lint", "--recipes", place.inputs / "recipes", code={0, 3})
    assert SECRET not in outcome.out + outcome.err


# Templates --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "template",
    [
        "{{ range(10**9) | list }}",
        "{% for x in range(10**9) %}x{% endfor %}",
        "{% for x in range(90000) %}{% for y in range(90000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 10**10 }}",
        "{{ 9 ** 9 ** 9 }}",
        "{{ ('x' * 1000) | center(10**10) }}",
        "{{ '%1000000000d' | format(1) }}",
        "{% include '/etc/passwd' %}",
        "{% include 'compile.spec.j2' %}",
        "{% include 'other' %}",
        "{% extends 'other' %}",
        "{% import 'other' as x %}",
        "{{ sources.__class__.__mro__ }}",
        "{{ ''.__class__.__base__.__subclasses__() }}",
        "{{ recipe.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ cycler.__init__.__globals__.os.system('touch @MARK@') }}",
        "{{ lipsum.__globals__ }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{{ 1 / 0 }}",
        "{{ nothing.at.all }}",
        "{{ name | nofilter }}",
        "{% raw %}",
        "{{ " + "(" * 5_000,
        "{{ " + "-" * 5_000 + "1 }}",
        "{% if x %}" * 500,
        "\ud800",
        "{{ 'x' | int(base=99) }}",
        "{{ name.encode().decode('utf-16') }}",
        "{{ '{0.__class__}'.format(name) }}",
        "{{ sources[10**30] }}",
        "%(touch @MARK@)",
    ],
)
def test_a_spec_template_is_text_with_values(template: str, place: Scene, bring: Bring) -> None:
    mark = place.canary / "ran"
    table = {
        "source": "evil",
        "kind": "spec",
        "spec": "e.spec.j2",
        "summary": "s",
        "reason": "r",
        "links": ["https://x/"],
        "packages": ["evil"],
        "smoke_test": "true",
        "sources": [{"version": "1", "url": "https://x/y-1.tar.gz", "sha256": "a" * 64}],
    }
    place.file("recipes/evil/recipe.toml", dump_toml(table).encode())
    text = template.replace("@MARK@", str(mark))
    place.file("recipes/evil/e.spec.j2", text.encode("utf-8", "surrogatepass"))
    outcome = bring("recipes", "render", "evil", "--to", "out", "--recipes", place.inputs / "recipes", code={0, 3})
    assert "<class" not in "".join(path.read_text() for path in place.work.rglob("*.spec"))
    if outcome.code:
        assert "e.spec.j2" in outcome.err
    bring("recipes", "lint", "--recipes", place.inputs / "recipes", code={0, 3})


# Manifests and headers --------------------------------------------------------------------------------------


def test_a_text_file_in_place_of_an_rpm_is_not_fetched_from(place: Scene, bring: Bring) -> None:
    """rpm -qp takes a text file for a manifest: a list of files and URLs to read."""
    place.serve("evil.src.rpm", srpm())
    manifest = f"{place.url}evil.src.rpm\n{place.canary}/secret.txt\n".encode()
    place.file("srpms/lib-1.1-2.el9.src.rpm", manifest)
    bring(*plan(place), code={0, 1, 3})
    bring(
        "recipes",
        "render",
        "guestfs-tools",
        "--to",
        "out",
        "--srpm",
        place.inputs / "srpms/lib-1.1-2.el9.src.rpm",
        code=3,
    )
    bring("recipes", "lint", "--srpm", place.inputs / "srpms/lib-1.1-2.el9.src.rpm", code=3)
    assert place.asked() == []


@pytest.mark.parametrize("version", [b"1 2", b"", b"../x", b"-1", b"1\n2", b"1;x", b"\xff"])
def test_a_header_with_a_version_that_is_none(version: bytes, place: Scene, bring: Bring) -> None:
    old = b"\0guestfs-tools\x001.46\0"
    tags = {old: b"\0guestfs-tools\0" + version.ljust(len(b"1.46"), b"\0") + b"\0"}
    content = repacked(srpm(GUESTFS), {}, tags)
    assert content != srpm(GUESTFS)
    file = place.file("srpms/guestfs-tools-1.46-1.src.rpm", content)
    bring("recipes", "render", "guestfs-tools", "--to", "out", "--srpm", file, code={2, 3})
    bring(*plan(place), code={0, 1, 3})


@pytest.mark.parametrize(
    "name", ["../../../canary/x", "/tmp/x", "..", "a/b", "-x", "lib.spec/../x", ".ssh/x", "x\ny"]
)
def test_names_in_the_payload_of_a_source_rpm_lead_nowhere(name: str, place: Scene, bring: Bring) -> None:
    file = place.file("guestfs-tools-1.46-1.src.rpm", repacked(srpm(GUESTFS), {name: b"x"}))
    bring("recipes", "render", "guestfs-tools", "--to", "out", "--srpm", file, code=3)
