"""An audit for tests of pages that has every state, a cycle, and a repository that would open something."""

from ppcdeps.auditing.audit import (
    Audit,
    AuditedGroup,
    AuditedPackage,
    AuditedRepository,
    AuditedSource,
    AuditedWorkload,
    Enabled,
    State,
    Step,
    Unmet,
)
from ppcdeps.model.gap import Cause

NOTHING = "nothing provides magic needed by lost-1-1.ppc64le"

AUDIT = Audit(
    target="el9",
    arch="ppc64le",
    only=(),
    packages=(
        AuditedPackage("app-1-1.noarch", "app", "target", "base", "app", State.HELD_BACK, ("lib", "tool"),
                       (Unmet("libx", ("libx-1-1.ppc64le",)), Unmet("libx(X)", ("libx-1-1.ppc64le",)))),
        AuditedPackage("data-1-1.noarch", "data", "reference", "ref", "data", State.NOARCH),
        AuditedPackage("egl-1-1.ppc64le", "egl", "reference", "ref", "lib", State.NOT_REBUILT, reason="x86 only"),
        AuditedPackage("libx-1-1.ppc64le", "libx", "reference", "ref", "lib", State.MISSING, ("lib", "tool"),
                       (Unmet("tool", ("tool-2-1.ppc64le",)),)),
        AuditedPackage("lost-1-1.ppc64le", "lost", "target", "base", "lost", State.BLOCKED, (), (Unmet("magic"),),
                       NOTHING),
        AuditedPackage("there-1-1.ppc64le", "there", "target", "base", "there", State.INSTALLABLE),
        AuditedPackage("there2-1-1.ppc64le", "there2", "target", "base", "there", State.INSTALLABLE_WITH_NOARCH),
        AuditedPackage("tool-2-1.ppc64le", "tool", "reference", "ref", "tool", State.MISSING, ("tool",)),
        # The same package in another repository.
        AuditedPackage("tool-2-1.ppc64le", "tool", "reference", "ref2", "tool", State.MISSING, ("tool",)),
    ),
    sources=(
        AuditedSource("tool", Cause.EXCLUDED, "ExclusiveArch: x86_64", ("tool",), 2, 4, ("cloud",), ("lib",),
                      recipe="tool"),
        AuditedSource("lib", Cause.NOT_BUILT, "ppc64le has of it only liby", ("libx",), 0, 2, (), ("tool",)),
        AuditedSource("old", Cause.ABSENT, "no package", (), 0, 0, (), (), "no source package"),
    ),
    built=7,
    reused=3,
    steps=(Step(("tool",), 2, 2), Step(("lib", "tool"), 2, 4)),
    cycles=(("lib", "tool"),),
    workloads=(AuditedWorkload("cloud", State.HELD_BACK, ("lib", "tool")),
               AuditedWorkload("other", State.BLOCKED, (), NOTHING)),
    enabling=(Enabled("extras", ("app", "libx")), Enabled("silent", problem="did not answer")),
    repositories=(AuditedRepository("base", "target", "7", 1_700_000_000, 10),
                  AuditedRepository("ref", "reference", "", None, 4)),
    groups=(AuditedGroup("desk", "Desktop", 4, ("app", "tool"), ("lost",), ("lib", "tool")),
            AuditedGroup("gone", "Lost things", 1, (), ("lost",)),
            AuditedGroup("whole", "Whole", 1)),
)  # fmt: skip
