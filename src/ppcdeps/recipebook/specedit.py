"""A recipe's changes made to a distribution's spec, by the `specfile` library, without evaluating the spec.

A spec is a program: to expand its macros runs what its `%(...)` say. Here it is only read as text with a structure
(sections, tags, macro definitions, conditions), so that nothing of a foreign source package runs on the machine that
plans. The specfile library would expand macros while it looks for tags: it gets a stand-in for rpm's Python module
that expands nothing, and the conditions of a section, which need not be closed in it, are masked.
"""

import json
import pickle
import resource
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any, assert_never

from ppcdeps.base.programs import UnfinishedProgramError, run_program
from ppcdeps.model.ceilings import CEILINGS, how_to_raise
from ppcdeps.model.errors import ConfigError
from ppcdeps.model.recipe import (
    AddLine,
    AddTag,
    Edit,
    ExtendCondition,
    ExtendMacro,
    ExtendTag,
    Patch,
    Recipe,
    RemoveLine,
    RemoveTag,
    ReplaceLine,
    SetCondition,
    SetMacro,
    SetTag,
)

if TYPE_CHECKING:
    from specfile.sections import Section, Sections

FIRST_PATCH = 9000
"""The number of the recipe's first patch, above those that distributions use."""

_MASK = "\ue000"
"""Stands for `%`. A code point for private use, which no spec has."""
_Change = Callable[[str], str | None]
_RELATIONS = frozenset({"<", "<=", "=", "==", ">=", ">"})


_CHILD = """
import json, pickle, resource, sys
sys.path[:], limits = pickle.load(sys.stdin.buffer)
for name, most in limits:
    hard = resource.getrlimit(name)[1]
    least = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(name, (least, least))
from ppcdeps.model.errors import ConfigError
from ppcdeps.recipebook.specedit import edit_spec
try:
    answer = {"text": edit_spec(*pickle.load(sys.stdin.buffer))}
except ConfigError as fault:
    answer = {"fault": fault.message, "hint": fault.hint, "faults": fault.faults}
json.dump(answer, sys.stdout)
"""


def edit_spec_apart(text: str, recipe: Recipe, spec_name: str) -> str:
    """``edit_spec`` in a process of its own, under the ceilings of specs: one that is made for it takes for ever."""
    limits = ((resource.RLIMIT_CPU, CEILINGS.spec_seconds), (resource.RLIMIT_AS, CEILINGS.spec_memory))
    job = pickle.dumps((sys.path, limits)) + pickle.dumps((text, recipe, spec_name))
    met = ""
    try:
        done = run_program(
            [sys.executable, "-I", "-S", "-c", _CHILD],
            given=job,
            environment={"PYTHONDONTWRITEBYTECODE": "1"},
            bare=True,
            seconds=CEILINGS.spec_seconds,
        )
        if done.code in (-signal.SIGXCPU, -signal.SIGKILL):
            met = "spec_seconds"
        else:
            answer = json.loads(done.output)
    except UnfinishedProgramError:
        met = "spec_seconds"
    except ValueError:
        met = "spec_memory"
    if met:
        what = "seconds" if met == "spec_seconds" else "bytes of memory"
        raise ConfigError(
            f"{spec_name} is not edited: that takes more than {getattr(CEILINGS, met)} {what}", hint=how_to_raise(met)
        )
    if "fault" in answer:
        raise ConfigError(answer["fault"], hint=answer["hint"], faults=tuple(answer["faults"]))
    return str(answer["text"])


def edit_spec(text: str, recipe: Recipe, spec_name: str) -> str:
    """The spec with the recipe's edits, dropped requirements, patches and release suffix.

    Raises ConfigError with every edit that finds nothing to change, and for a spec that the library cannot read.
    """
    classes = _specfile()
    try:
        return _edited(_Spec(text, classes), recipe, spec_name)
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError, classes.Error) as fault:
        raise ConfigError(f"{spec_name} cannot be edited: its lines are not those of a spec") from fault


def _edited(spec: "_Spec", recipe: Recipe, spec_name: str) -> str:
    faults = []
    for number, edit in enumerate(recipe.edits, start=1):
        if not _apply(spec, edit) and not edit.optional:
            faults.append(f"edit {number}: {_lack(edit)}")
    drops = [("BuildRequires", name) for name in recipe.dropped_build_requires]
    drops += [("Requires", name) for name in recipe.dropped_requires]
    faults += [f'[drop]: the spec has no {tag} on "{name}"' for tag, name in drops if not spec.drop(tag, name)]
    for name in recipe.build_requires:
        spec.add_tag("BuildRequires", name, "")
    for number, patch in enumerate(recipe.patches, start=FIRST_PATCH):
        if not spec.add_patch(number, patch):
            faults.append(f"[[patches]] {patch.file}: %prep has nothing after which it could be applied")
    if recipe.release_suffix and not spec.each_tag("Release", "", lambda value: value + recipe.release_suffix):
        faults.append("[build] release_suffix: the preamble has no Release")
    if faults:
        raise ConfigError(f"recipe {recipe.folder.name} does not fit {spec_name}:", faults=tuple(faults))
    return spec.text


def _apply(spec: "_Spec", edit: Edit) -> bool:
    """Make one change. Returns whether there was anything to change."""
    match edit:
        case SetMacro():
            return spec.each_macro(edit.name, lambda _: edit.value or "%{nil}")
        case ExtendMacro():
            return spec.each_macro(edit.name, lambda body: _extended(body, edit.add))
        case SetTag():
            return spec.each_tag(edit.tag, edit.package, lambda _: edit.value)
        case ExtendTag():
            return spec.each_tag(edit.tag, edit.package, lambda value: _extended(value, edit.add))
        case AddTag():
            return spec.add_tag(edit.tag, edit.value, edit.package)
        case RemoveTag():
            wanted = edit.value.split()
            return spec.each_tag(
                edit.tag, edit.package, lambda _: None, lambda value: not wanted or value.split() == wanted
            )
        case AddLine():
            return spec.add_lines(edit.section, edit.lines, edit.after)
        case RemoveLine():
            return spec.each_line(edit.section, edit.line, None)
        case ReplaceLine():
            return spec.each_line(edit.section, edit.line, edit.value)
        case ExtendCondition():
            return spec.each_condition(edit.condition, edit.section, lambda line: _extended(line.rstrip(), edit.add))
        case SetCondition():
            return spec.each_condition(edit.condition, edit.section, lambda _: edit.value)
        case _:
            assert_never(edit)


def _lack(edit: Edit) -> str:
    """What the edit needs and the spec does not have."""
    match edit:
        case SetMacro() | ExtendMacro():
            return f'the spec defines no macro "{edit.name}"'
        case RemoveTag() if edit.value:
            return f'{_place(edit.package)} has no "{edit.tag}: {edit.value}"'
        case SetTag() | ExtendTag() | RemoveTag():
            return f'{_place(edit.package)} has no tag "{edit.tag}"'
        case AddTag():
            return f"the spec has no {_place(edit.package)}"
        case AddLine() if not edit.after:
            return f"the spec has no section %{edit.section}"
        case AddLine():
            return f'%{edit.section} has no line "{edit.after}"'
        case RemoveLine() | ReplaceLine():
            return f'%{edit.section} has no line "{edit.line}"'
        case ExtendCondition() | SetCondition():
            return f'{f"%{edit.section}" if edit.section else "the spec"} has no condition "{edit.condition}"'
        case _:
            assert_never(edit)


def _place(package: str) -> str:
    return f"%package {package}" if package else "preamble"


class _Spec:
    """The text of a spec, cut into sections."""

    def __init__(self, text: str, classes: Any) -> None:
        self._classes = classes
        self._sections: Sections = self._cut(text.split("\n"))

    @property
    def text(self) -> str:
        return "\n".join(_unmasked(self._sections.get_raw_data()))

    def each_macro(self, name: str, change: Callable[[str], str]) -> bool:
        definitions = self._classes.MacroDefinitions.parse(_unmasked(self._sections.get_raw_data()))
        found = [one for one in definitions if one.name == name and not one.commented_out]
        for one in found:
            one.body = change(one.body)
        if found:
            self._sections = self._cut(definitions.get_raw_data())
        return bool(found)

    def each_tag(
        self, name: str, package: str, change: _Change, concerns: Callable[[str], bool] = lambda _: True
    ) -> bool:
        """Change the value of each such tag that it concerns, or remove it where the change gives None. Whether
        there was any.
        """
        found = [self._change_tags(section, name, change, concerns) for section in self._packages(package)]
        return any(found)

    def drop(self, tag: str, name: str) -> bool:
        """Take a requirement out of all tags of that name, those with qualifiers (``Requires(post)``) included."""

        def without(value: str) -> str | None:
            wanted = _dependencies(value)
            return ", ".join(one for one in wanted if not _is_on(one, name)) or None

        def concerns(value: str) -> bool:
            return any(_is_on(one, name) for one in _dependencies(value))

        packages = [one for one in self._sections if one.normalized_name == "package"]
        found = [self._change_tags(section, tag, without, concerns) for section in packages]
        return any(found)

    def add_tag(self, name: str, value: str, package: str) -> bool:
        sections = self._packages(package)
        for section in sections:
            section.data.insert(_end(section.data), f"{name}: {value}")
        return bool(sections)

    def add_lines(self, section: str, lines: Sequence[str], after: str) -> bool:
        found = False
        for one in self._named(section):
            places = [n + 1 for n, line in enumerate(one.data) if line.strip() == after.strip()]
            for place in reversed(places if after else [_end(one.data)]):
                one.data[place:place] = lines
                found = True
        return found

    def each_line(self, section: str, line: str, value: str | None) -> bool:
        """Replace each such line, or take it out where the value is None. Whether there was any."""
        found = False
        for one in self._named(section):
            changed: list[str] = []
            for given in one.data:
                same = given.strip() == line.strip()
                found = found or same
                changed += [given] if not same else [] if value is None else [value]
            one.data = changed
        return found

    def each_condition(self, condition: str, section: str, change: Callable[[str], str]) -> bool:
        """Change each such condition, in one section or in all. Whether there was any."""
        found = False
        wanted = condition.split()
        for one in self._named(section) if section else self._sections:
            for place, line in enumerate(one.data):
                if line.split() == wanted:
                    one.data[place] = change(line)
                    found = True
        return found

    def add_patch(self, number: int, patch: Patch) -> bool:
        """Name the patch in the preamble, and apply it in %prep where the spec does not apply all patches at once."""
        name = patch.file.rpartition("/")[2]
        self.add_tag(f"Patch{number}", name, "")
        for prep in self._named("prep"):
            if any(_applies_all(line) for line in prep.data):
                return True
            starts = ("%patch", "%setup", "%autosetup")
            places = [n for n, line in enumerate(prep.data) if line.lstrip().startswith(starts)]
            if places:
                depths = _depths(prep.data)
                after = next((n for n in range(places[-1] + 1, len(depths)) if depths[n] == 0), len(prep.data))
                prep.data.insert(after, f"%patch -P {number} -p{patch.strip}")
                return True
        return False

    def _cut(self, lines: list[str]) -> "Sections":
        """The sections. A section's own line may end with a macro, which the library expands: one that would run
        something is masked.
        """
        safe = [
            line.replace("%(", f"{_MASK}(").replace("%{lua:", f"{_MASK}{{lua:")
            if line.startswith("%") and not line.startswith(("%global", "%define"))
            else line
            for line in lines
        ]
        sections = self._classes.Sections.parse(safe)
        if sections.get_raw_data() != safe:
            raise ConfigError("this spec cannot be edited: read and written again, it is not the same")
        for section in sections:
            section.data = _unmasked(section.data)
        return sections  # type: ignore[no-any-return]

    def _named(self, name: str) -> "list[Section]":
        return [one for one in self._sections if _identity(one.normalized_id) == _identity(name.lstrip("%"))]

    def _packages(self, package: str) -> "list[Section]":
        """The preamble, or the sections that describe a subpackage."""
        return self._named(f"package {package}") if package else [self._sections[0]]

    def _change_tags(self, section: "Section", name: str, change: _Change, concerns: Callable[[str], bool]) -> bool:
        masked = self._classes.Section(section.name, section.options, data=[_masked(line) for line in section.data])
        tags = self._classes.Tags.parse(masked)
        if tags.get_raw_section_data() != masked.data:
            raise ConfigError(f"the tags of %{section.id} cannot be edited: read and written again, they differ")
        found = False
        for place in reversed(range(len(tags))):
            tag = tags[place]
            before = _unmask(tag.value)
            if tag.name.partition("(")[0].lower() != name.lower() or not concerns(before):
                continue
            found = True
            after = change(before)
            if after is None:
                del tags[place]
            else:
                tag.value = _masked(after)
        if found:
            section.data = _unmasked(tags.get_raw_section_data())
        return found


def _specfile() -> Any:
    """The classes of the specfile library that read parts of a spec, bound to a stand-in for rpm.

    The library loads rpm's Python module, which exists for the distribution's own Python alone, to expand macros.
    What is done here needs no macro expanded, and none may be.
    """
    known = sys.modules.get("rpm")
    sys.modules["rpm"] = _Unexpanded("rpm")
    try:
        from specfile import exceptions, macro_definitions, macros, sections, tags
    finally:
        if known is None:
            del sys.modules["rpm"]
        else:
            sys.modules["rpm"] = known
    # Also where the library was loaded before, with the real module.
    vars(macros)["rpm"] = _Unexpanded("rpm")

    class Classes:
        Error = exceptions.SpecfileException
        MacroDefinitions = macro_definitions.MacroDefinitions
        Section = sections.Section
        Sections = sections.Sections
        Tags = tags.Tags

    return Classes


class _Unexpanded(ModuleType):
    """What the specfile library uses of rpm's Python module, with every macro left as it is."""

    class error(Exception):  # noqa: N801, N818
        """rpm's own name for its exception."""

    class spec:  # noqa: N801
        """rpm's own name for a parsed spec. None is parsed."""

    @staticmethod
    def expandMacro(text: str) -> str:  # noqa: N802
        """The text as it is."""
        return text

    @staticmethod
    def addMacro(name: str, body: str) -> None:  # noqa: N802
        """Define nothing."""

    @staticmethod
    def delMacro(name: str) -> None:  # noqa: N802
        """Forget nothing."""


def _identity(section: str) -> tuple[str, ...]:
    """The words that distinguish a section from others: without the files that it reads (``%files -f x.lang``)."""
    words = section.split()
    while "-f" in words:
        place = words.index("-f")
        del words[place : place + 2]
    return tuple(word.lower() if n == 0 else word for n, word in enumerate(words))


def _extended(text: str, add: str) -> str:
    missing = [word for word in add.split() if word not in text.split()]
    return " ".join((text, *missing)) if missing else text


def _end(lines: Sequence[str]) -> int:
    """The last place in a section where a line is under the conditions of the section itself, and in no definition.

    A section may end with an ``%if`` that belongs to the next one, or with the ``%endif`` of an ``%if`` that began
    before it, and with empty lines: the place is before all of these.
    """
    depths = _depths(lines)
    place = max(n for n, depth in enumerate(depths) if depth == 0)
    while place > 0 and not lines[place - 1].strip() and depths[place - 1] == 0:
        place -= 1
    return place


def _depths(lines: Sequence[str]) -> list[int]:
    """Under how many conditions more than the first line a line would be: before each of the lines, and after all.

    It is 1 more in the middle of a line that is continued. The list ends where a condition ends that began before
    these lines.
    """
    depths, depth = [0], 0
    continued = False
    for line in lines:
        word = line.split()[0] if line.strip() else ""
        if not continued:
            if depth == 0 and word.startswith(("%endif", "%el")):
                break
            depth += word.startswith("%if") - word.startswith("%endif")
        continued = line.endswith("\\")
        depths.append(depth + continued)
    return depths


def _applies_all(line: str) -> bool:
    """Whether a line of %prep applies all patches that the preamble names, or works on the list of them."""
    if "%{patches}" in line or "ipairs(patches)" in line:
        return True
    try:
        words = shlex.split(line, comments=True)
    except ValueError:
        return False
    match words:
        case ["%autosetup", *options]:
            return "-N" not in options
        case ["%autopatch", *options]:
            return not any(option.startswith(("-m", "-M")) or option.isdigit() for option in options)
        case _:
            return False


def _dependencies(value: str) -> list[str]:
    """The requirements of a tag's value, each with its relation and version; white space and commas separate them."""
    words: list[str] = []
    word, depth = "", 0
    for char in value + " ":
        depth += (char in "({") - (char in ")}")
        if depth == 0 and (char.isspace() or char == ","):
            words += [word] if word else []
            word = ""
        else:
            word += char
    found: list[str] = []
    for n, one in enumerate(words):
        if n and (one in _RELATIONS or words[n - 1] in _RELATIONS):
            found[-1] += f" {one}"
        else:
            found.append(one)
    return found


def _is_on(dependency: str, name: str) -> bool:
    return dependency == name or dependency.split()[0].removesuffix("%{?_isa}") == name


def _masked(line: str) -> str:
    return line.replace("%", _MASK)


def _unmask(text: str) -> str:
    return text.replace(_MASK, "%")


def _unmasked(lines: Iterable[str]) -> list[str]:
    return [_unmask(line) for line in lines]
