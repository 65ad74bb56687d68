"""Which module streams are active, and what they hide."""

from pathlib import Path

import pytest

from ppcdeps.base.compression import DamagedError
from ppcdeps.metadata.modules import ModuleIndex, ModuleStream, ModuleVerdict, module_filter, read_modules
from ppcdeps.model.errors import UsageError
from ppcdeps.model.nevra import Nevra


def build(
    nsvc: str, *artifacts: str, needs: dict[str, tuple[str, ...]] | None = None, arch: str = "ppc64le"
) -> ModuleStream:
    name, stream, version, context = nsvc.split(":")
    return ModuleStream(name, stream, int(version), context, arch, artifacts, (needs,) if needs else ())


def active(
    *streams: ModuleStream,
    enabled: tuple[str, ...] = (),
    defaults: dict[str, str] | None = None,
    platform: str | None = "platform:el9",
) -> tuple[str, ...]:
    return module_filter([ModuleIndex(streams, defaults or {})], enabled, platform).active


def test_the_default_stream_is_active_and_others_are_hidden() -> None:
    verdict = module_filter(
        [
            ModuleIndex(
                (
                    build("perl:5.26:1:a", "perl-4:5.26-1.noarch", "perl-4:5.26-1.src"),
                    build("perl:5.30:1:a", "perl-4:5.30-1.noarch"),
                ),
                {"perl": "5.26"},
            )
        ],
        (),
        None,
    )
    assert verdict == ModuleVerdict(
        included=frozenset({"perl-4:5.26-1.noarch", "perl-4:5.26-1.src"}),
        excluded=frozenset({"perl-4:5.30-1.noarch"}),
        hidden_names=frozenset({"perl"}),
        hidden_sources=frozenset({"perl"}),
        active=("perl:5.26",),
    )
    assert not verdict.hides(Nevra.parse("perl-4:5.26-1.noarch"), ["perl"])
    assert verdict.hides(Nevra.parse("perl-4:5.30-1.noarch"))
    assert verdict.hides(Nevra.parse("perl-4:9-1.noarch")), "a plain build of the name"
    assert verdict.hides(Nevra.parse("other-1-1.noarch"), ["other", "perl"]), "one that provides the name"
    assert not verdict.hides(Nevra.parse("other-1-1.src"), ["perl"])
    assert verdict.hides(Nevra.parse("perl-4:9-1.src"))


def test_an_epoch_of_zero_is_left_out() -> None:
    verdict = module_filter(
        [ModuleIndex((build("a:1:1:c", "a-0:1-1.noarch"), build("b:1:1:c", "b-0:2-0:3.noarch")), {"a": "1"})],
        (),
        None,
    )
    assert verdict.included == {"a-1-1.noarch"}


def test_without_default_nothing_is_active() -> None:
    assert active(build("a:1:1:c")) == ()


def test_an_enabled_stream_overrides_the_default() -> None:
    streams = (build("a:1:1:c"), build("a:2:1:c"))
    assert active(*streams, defaults={"a": "1"}) == ("a:1",)
    assert active(*streams, defaults={"a": "1"}, enabled=("a:2",)) == ("a:2",)


def test_the_platform_decides() -> None:
    stream = build("a:1:1:c", needs={"platform": ("el8",)})
    assert active(stream, enabled=("a:1",)) == ()
    assert active(stream, enabled=("a:1",), platform="platform:el8") == ("a:1",)
    assert active(stream, enabled=("a:1",), platform=None) == ("a:1",)
    assert active(build("a:1:1:c", needs={"platform": ("-el9",)}), enabled=("a:1",)) == ()
    assert active(build("a:1:1:c", needs={"platform": ("-el8",)}), enabled=("a:1",)) == ("a:1",)


def test_what_a_stream_requires_becomes_active_too() -> None:
    app = build("app:1:1:c", needs={"lib": ("2",), "platform": ()})
    assert active(app, build("lib:1:1:c"), build("lib:2:1:c"), enabled=("app:1",)) == ("app:1", "lib:2")


def test_a_requirement_is_met_by_the_default_where_any_stream_does() -> None:
    app = build("app:1:1:c", needs={"lib": ()})
    libs = (build("lib:1:1:c"), build("lib:2:1:c"), build("lib:3:1:c"))
    assert active(app, *libs, enabled=("app:1",), defaults={"lib": "2"}) == ("app:1", "lib:2")


def test_a_stream_whose_requirement_clashes_is_not_active_and_that_is_told() -> None:
    app = build("app:1:1:c", needs={"lib": ("2",)})
    verdict = module_filter([ModuleIndex((app, build("lib:1:1:c"), build("lib:2:1:c")))], ("lib:1", "app:1"), None)
    assert verdict.active == ("lib:1",)
    assert len(verdict.problems) == 1
    assert "app:1" in verdict.problems[0]


def test_the_context_that_fits_is_chosen() -> None:
    one = build("app:1:1:aa", "app-0:1-1.noarch", needs={"lib": ("1",)})
    two = build("app:1:1:bb", "app-0:2-1.noarch", needs={"lib": ("2",)})
    libs = (build("lib:1:1:c"), build("lib:2:1:c"))
    index = ModuleIndex((one, two, *libs))
    assert module_filter([index], ("app:1", "lib:2"), None).included == {"app-2-1.noarch"}
    assert module_filter([index], ("app:1", "lib:1"), None).included == {"app-1-1.noarch"}


def test_circles_of_requirements_end() -> None:
    one = build("a:1:1:c", needs={"b": ("1",)})
    two = build("b:1:1:c", needs={"a": ("1",)})
    assert active(one, two, enabled=("a:1",)) == ("a:1", "b:1")


def test_repositories_are_judged_together_and_disagreeing_defaults_count_for_none() -> None:
    first = ModuleIndex((build("a:1:1:c", "a-0:1-1.noarch"),), {"a": "1"})
    second = ModuleIndex((build("a:2:1:c"),), {"a": "2"})
    assert module_filter([first, second], (), None).active == ()
    third = ModuleIndex((build("a:1:1:c", "a-0:1-2.noarch"),))
    assert module_filter([first, third], (), None).included == {"a-1-1.noarch", "a-1-2.noarch"}


def test_streams_of_other_architectures_are_unknown() -> None:
    index = ModuleIndex((build("a:1:1:c", arch="x86_64"),), {"a": "1"})
    assert module_filter([index], (), None, arch="ppc64le").active == ()
    assert module_filter([index], (), None, arch="x86_64").active == ("a:1",)


def test_a_stream_that_is_nowhere_is_a_mistake() -> None:
    index = ModuleIndex((build("a:1:1:c"), build("a:2:1:c")))
    with pytest.raises(UsageError, match="a:3 is not in any repository; there are 1, 2"):
        module_filter([index], ("a:3",), None)
    with pytest.raises(UsageError, match="no repository has this module"):
        module_filter([index], ("b:1",), None)
    with pytest.raises(UsageError, match="two streams of module a"):
        module_filter([index], ("a:1", "a:2"), None)


# Reading ----------------------------------------------------------------------------------------------------

DOCUMENTS = """---
document: modulemd
version: 2
data:
  name: perl
  stream: 5.30
  version: 8010020190904165010
  context: 6bc6cad6
  arch: ppc64le
  dependencies:
  - buildrequires: {platform: [el8]}
    requires: {platform: [el8], bootstrap: []}
  artifacts:
    rpms:
    - perl-4:5.30.0-439.module.ppc64le
...
---
document: modulemd
version: 1
data:
  name: old
  stream: 1.0
  version: 7
  dependencies: {requires: {platform: f28}}
...
---
document: modulemd-defaults
version: 1
data: {module: perl, modified: 1, stream: 5.26}
...
---
document: modulemd-defaults
version: 1
data: {module: perl, modified: 2, stream: 5.30}
...
---
document: modulemd-defaults
version: 1
data: {module: none, modified: 2}
...
---
document: modulemd-obsoletes
version: 1
data:
  module: old
  stream: 1.0
  modified: 2020-05-01T00:00Z
  message: gone
  obsoleted_by: {module: perl, stream: 5.30}
...
---
document: modulemd-translations
version: 1
data: {}
...
"""


def test_documents_are_read_and_versions_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "modules.yaml"
    path.write_text(DOCUMENTS)
    index = read_modules(path)
    perl, old = index.streams
    assert str(perl) == "perl:5.30:8010020190904165010:6bc6cad6:ppc64le"
    assert perl.requires == ({"platform": ("el8",), "bootstrap": ()},)
    assert perl.artifacts == ("perl-4:5.30.0-439.module.ppc64le",)
    assert (old.stream, old.requires) == ("1.0", ({"platform": ("f28",)},))
    assert index.defaults == {"perl": "5.30"}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("a: [", r"not well-formed YAML \(line \d\)"),
        ("document: modulemd\ndata: {name: x}", "malformed module document"),
        ("document: modulemd\ndata: {name: x, stream: y, version: z}", "malformed module document"),
        ("!!python/object/apply:os.system [true]", "not well-formed YAML"),
    ],
)
def test_damage_is_told(text: str, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "modules.yaml"
    path.write_text(text)
    with pytest.raises(DamagedError, match=reason):
        read_modules(path)
