"""What dnf is given for the roots of a plan: a release that only the reference has becomes the one that is there."""

from collections.abc import Iterable, Iterator

from ppcdeps.model.nevra import Nevra


def subject_of_dnf(root: str, there: Iterable[Nevra]) -> str:
    """The root as dnf finds it among the packages that a plan chose.

    A plan takes any build of the version for a root with a release (``lib-2-3.el9.ppc64le``), since a rebuild has a
    release of its own; dnf looks for that release alone. All other roots are returned as they are.
    """
    packages = tuple(there)
    if any(sign in root for sign in " /(*?[") or any(
        root in (each.name, f"{each.name}.{each.arch}") for each in packages
    ):
        return root
    others = []
    for each in packages:
        for head in (f"{each.name}-{each.version}", f"{each.name}-{each.epoch or 0}:{each.version}"):
            if root in (head, f"{head}-{each.release}", f"{head}-{each.release}.{each.arch}"):
                return root
            if root.startswith(f"{head}-") and "-" not in root.removeprefix(f"{head}-"):
                others.append(each)
    return str(min(others, key=str)) if others else root


def judged_instead(roots: Iterable[str], there: Iterable[Nevra]) -> Iterator[str]:
    """A line for each root whose release no package of a plan has, and what is judged in its place."""
    packages = tuple(there)
    for root in roots:
        subject = subject_of_dnf(root, packages)
        if subject != root:
            yield (
                f"{root} was requested, which no repository of the target has: {subject}, another build of the same "
                f"version, is judged in its place; dnf takes it by that name alone"
            )
