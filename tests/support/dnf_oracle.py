"""What dnf says about installing names: run by the system's Python, which has dnf. JSON in, JSON out.

Input: {"root": DIR, "arch": ARCH, "releasever": N (default: 9), "repositories": {ID: URL}, "names": [NAME, ...]}
Output: {NAME: {"installable": bool, "problems": [TEXT, ...], "packages": [NEVRA, ...]}}

With "without": {LABEL: [ID, ...]}, all names are installed together, for each label without those repositories, and
the output is by label.
"""

import json
import sys
from typing import Any

import dnf  # type: ignore[import-not-found]
import dnf.exceptions  # type: ignore[import-not-found]


def main() -> None:
    """Answer for all names with one sack."""
    asked = json.load(sys.stdin)
    asked.setdefault("releasever", "9")
    base = dnf.Base()
    conf = base.conf
    conf.reposdir = ["/dev/null"]
    conf.installroot = asked["root"]
    conf.cachedir = asked["root"] + "/cache"
    conf.persistdir = asked["root"] + "/persist"
    conf.logdir = asked["root"]
    conf.plugins = False
    conf.install_weak_deps = False
    conf.best = False
    conf.zchunk = False
    conf.module_platform_id = f"platform:el{asked['releasever']}"
    conf.substitutions["arch"] = asked["arch"]
    conf.substitutions["basearch"] = asked["arch"]
    conf.substitutions["releasever"] = asked["releasever"]
    conf.ignorearch = True
    conf.arch = asked["arch"]
    for name, url in asked["repositories"].items():
        base.repos.add_new_repo(name, conf, baseurl=[url])
    base.fill_sack(load_system_repo=False)
    if "without" in asked:
        said = {label: said_without(base, asked["names"], off) for label, off in asked["without"].items()}
    else:
        said = {name: said_of(base, name) for name in asked["names"]}
    json.dump(said, sys.stdout)


def said_without(base: Any, names: list[str], repositories: list[str]) -> dict[str, Any]:
    """What dnf says with the packages of these repositories excluded."""
    base.sack.reset_excludes()
    for repository in repositories:
        base.sack.add_excludes(base.sack.query().filter(reponame=repository))
    return said_of(base, *names)


def said_of(base: Any, *names: str) -> dict[str, Any]:
    """Whether dnf would install the names together, and with which packages, or why not."""
    base.reset(goal=True)
    try:
        for name in names:
            base.install(name)
    except dnf.exceptions.MarkingError as error:
        return {"installable": False, "problems": [str(error)], "packages": []}
    if base._goal.run(ignore_weak_deps=True):
        return {"installable": True, "problems": [], "packages": sorted(map(str, base._goal.list_installs()))}
    problems = sorted({text for rules in base._goal.problem_rules() for text in rules})
    return {"installable": False, "problems": problems, "packages": []}


if __name__ == "__main__":
    main()
