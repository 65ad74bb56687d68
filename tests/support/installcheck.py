"""installcheck of libsolv-tools, by rpm's rules: what another program finds not installable."""

import os
import re
import shutil
import subprocess
from pathlib import Path

_RPM_RULES = """
#define _GNU_SOURCE
#include <dlfcn.h>
void *pool_create(void) {
  void *(*create)(void) = dlsym(RTLD_NEXT, "pool_create");
  void (*set_rules)(void *, int) = dlsym(RTLD_NEXT, "pool_setdisttype");
  void *pool = create();
  set_rules(pool, 0);
  return pool;
}
"""
"""Debian's build of libsolv takes all packages by Debian's rules, under which noarch is another architecture."""


def lacks() -> str:
    """Why installcheck cannot be run by rpm's rules, or nothing."""
    if shutil.which("installcheck") is None:
        return "needs installcheck (package libsolv-tools)"
    if Path("/etc/debian_version").exists() and shutil.which("gcc") is None:
        return "needs gcc, to run Debian's installcheck by rpm's rules"
    return ""


def refused_by_installcheck(repositories: dict[str, Path], arch: str, folder: Path) -> set[str]:
    """The packages that installcheck cannot install, of repositories in .zst, .gz or plain XML."""
    words = []
    for name, repository in repositories.items():
        for kind in ("primary", "filelists"):
            packed = next((repository / "repodata").glob(f"*{kind}.xml*"))
            plain = folder / name / f"{kind}.xml"
            plain.parent.mkdir(parents=True, exist_ok=True)
            plain.write_bytes(_unpacked(packed))
            words.append(str(plain))
    environment = dict(os.environ)
    if Path("/etc/debian_version").exists():
        source, library = folder / "rules.c", folder / "rules.so"
        source.write_text(_RPM_RULES)
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        environment["LD_PRELOAD"] = str(library)
    said = subprocess.run(
        ["installcheck", arch, *words], env=environment, capture_output=True, text=True, check=False
    )
    assert said.returncode in (0, 1), said.stderr
    return set(re.findall(r"^can't install (.*):$", said.stdout, re.MULTILINE))


def _unpacked(file: Path) -> bytes:
    command = {".zst": "zstd", ".gz": "gzip"}.get(file.suffix)
    if command is None:
        return file.read_bytes()
    return subprocess.run([command, "-dcq", file], capture_output=True, check=True).stdout
