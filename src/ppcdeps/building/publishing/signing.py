"""Packages and metadata signed by gpg, and each signature checked before it counts.

No passphrase is ever asked for: a key that needs one and is not unlocked in the agent is refused at once.
"""

import itertools
import os
import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from ppcdeps.base.programs import ProgramResult, UnfinishedProgramError, run_program
from ppcdeps.base.signature import verify_signature
from ppcdeps.model.errors import BuildError, ConfigError, EnvironmentLacksError
from ppcdeps.rpm.database import IN_THIS_FOLDER

_SECONDS = 600
_INSTALL = "gnupg and rpm (Debian), gnupg2 and rpm-sign (EL, Fedora)"
_NO_PROMPT = ("--batch", "--no-tty", "--pinentry-mode", "error")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A secret key that can be used now. ``home`` is the gpg home that has it, None for gpg's own choice.

    ``public`` is the public key in ASCII armor.
    """

    fingerprint: str
    public: bytes
    home: Path | None = None

    @classmethod
    def find(cls, name: str, home: Path | None = None) -> Self:
        """The secret key that gpg knows by a key id, fingerprint or address, tried by signing.

        Without ``home`` it is looked for where gpg does, which GNUPGHOME says. Raises ConfigError where there is
        none or several, or it cannot sign without a passphrase; EnvironmentLacksError where gpg is missing.
        """
        where = str(home or os.environ.get("GNUPGHOME") or "~/.gnupg")
        listed = _gpg(home, "--with-colons", "--list-secret-keys", operands=[name])
        rows = [line.split(":") for line in listed.text.splitlines()]
        found = [after[9] for row, after in itertools.pairwise(rows) if row[0] == "sec" and after[0] == "fpr"]
        if not found:
            raise ConfigError(
                f"there is no secret key {name} in {where}", hint="gpg --list-secret-keys shows those that are there"
            )
        if len(found) > 1:
            raise ConfigError(f"{len(found)} secret keys in {where} are called {name}: {', '.join(found)}")
        tried = _gpg(home, "--local-user", found[0], "--detach-sign", "--output", "-", given=b"a trial\n")
        if not tried.is_well:
            raise _unusable(found[0], where, tried.error_text)
        public = _gpg(home, "--armor", "--export", found[0]).output
        return cls(found[0], public, home)

    @property
    def short(self) -> str:
        """The last sixteen digits of the fingerprint, as rpm and gpg show keys."""
        return self.fingerprint[-16:]

    @property
    def file_name(self) -> str:
        """The name of the public key's file in a repository."""
        return f"RPM-GPG-KEY-{self.short}"


def sign_packages(packages: Sequence[Path], key: SigningKey) -> None:
    """Sign RPM files in place, replacing what signatures they have, and check each with nothing but the public key.

    Give it copies: the files change. Raises BuildError where a signature is not made or not good, and
    EnvironmentLacksError where rpmsign or rpmkeys is missing.
    """
    if not packages:
        return
    gpg = shutil.which("gpg")
    if gpg is None:
        raise EnvironmentLacksError(
            "gpg is not installed, and packages are signed with it", hint=f"install {_INSTALL}"
        )
    # Some rpms look for gpg2, or prefer another program that knows nothing of gpg's keys.
    macros = {
        "_gpg_name": key.fingerprint,
        "__gpg": str(Path(gpg).absolute()),
        # What a user's macros have there would count before GNUPGHOME, where the key was found.
        "_gpg_path": "%{nil}",
        "_openpgp_sign": "gpg",
        "_gpg_sign_cmd_extra_args": " ".join(_NO_PROMPT),
    }
    defines = [word for name, value in macros.items() for word in ("--define", f"{name} {value}")]
    folders: dict[Path, list[str]] = {}
    for path in packages:
        folders.setdefault(path.parent, []).append(f"./{path.name}")
    for folder, names in folders.items():
        # In the folder: rpmsign expands macros in a path.
        sign = ["rpmsign", *defines, "--addsign"]
        done = _run(sign, names, _home(key.home), "packages are signed with it", folder=folder)
        if not done.is_well:
            raise BuildError(f"packages are not signed: {done.reason}", hint="nothing was published")
    check_packages(packages, key)


def check_packages(packages: Sequence[Path], key: SigningKey) -> None:
    """Raise BuildError with the first RPM file that is damaged or not signed by that key.

    The keys that this machine's rpm trusts do not count.
    """
    with tempfile.TemporaryDirectory(prefix="ppcdeps-rpmdb-") as place:
        public = Path(place) / "key.asc"
        public.write_bytes(key.public)
        keys = ["rpmkeys", *IN_THIS_FOLDER]
        purpose = "signatures are checked with it"
        # The macros of the user have no say.
        alone = {"HOME": place}
        done = _run([*keys, "--import"], [str(public)], alone, purpose, folder=Path(place))
        if not done.is_well:
            raise BuildError(f"rpm does not take the key {key.short}: {done.reason}")
        for path in packages:
            checked = _run(
                [*keys, "--checksig", "--verbose"], [str(path.resolve())], alone, purpose, folder=Path(place)
            )
            # No other key is there, so that a signature can be good by this one alone. Digests are listed, too.
            if not (checked.is_well and re.search(r"Signature\b.*: OK$", checked.text, re.MULTILINE)):
                raise BuildError(f"{path.name} is not signed by the key {key.short}")


def sign_detached(path: Path, key: SigningKey) -> Path:
    """Put the signature of a file beside it, as name.asc in ASCII armor, and check it with gpgv. Returns it.

    Raises BuildError where it is not made, RepositoryError where it is not good.
    """
    signature = path.with_name(f"{path.name}.asc")
    options = ["--yes", "--armor", "--local-user", key.fingerprint, "--output", str(signature)]
    done = _gpg(key.home, *options, "--detach-sign", operands=[str(path)])
    if not done.is_well:
        raise BuildError(f"{path.name} is not signed: {done.reason}", hint="nothing was published")
    verify_signature(path.read_bytes(), signature.read_bytes(), [key.public], str(path))
    return signature


def detached_signature(data: bytes, key: SigningKey, what: str) -> bytes:
    """The signature of these bytes, in binary, checked with gpgv. ``what`` they are is for messages.

    Raises BuildError where it is not made, RepositoryError where it is not good.
    """
    options = ["--local-user", key.fingerprint, "--detach-sign", "--output", "-"]
    done = _gpg(key.home, *options, given=data)
    if not done.is_well:
        raise BuildError(f"{what} is not signed: {done.reason}", hint="nothing was published")
    verify_signature(data, done.output, [key.public], what)
    return done.output


def _unusable(fingerprint: str, where: str, text: str) -> ConfigError:
    if re.search(r"pinentry|passphrase|No such device|Operation cancelled|ioctl", text, re.IGNORECASE):
        return ConfigError(
            f"the secret key {fingerprint[-16:]} in {where} needs a passphrase, and ppcdeps never asks for one",
            hint="unlock it in the agent (gpg-preset-passphrase, or sign something with gpg first)",
        )
    last = text.strip().splitlines()[-1:] or ["gpg failed"]
    return ConfigError(f"the secret key {fingerprint[-16:]} in {where} does not sign: {last[0]}")


def _gpg(home: Path | None, *options: str, operands: Sequence[str] = (), given: bytes = b"") -> ProgramResult:
    return _run(["gpg", *_NO_PROMPT, *options], operands, _home(home), "signatures are made with it", given)


def _home(home: Path | None) -> Mapping[str, str]:
    """The variable that has gpg look there from any folder. Of a ``~`` gpg itself knows what it is."""
    place = home or Path(os.environ.get("GNUPGHOME") or "~")
    return {} if str(place).startswith("~") else {"GNUPGHOME": str(place.absolute())}


def _run(
    command: Sequence[str],
    operands: Sequence[str],
    environment: Mapping[str, str],
    purpose: str,
    given: bytes = b"",
    folder: Path | None = None,
) -> ProgramResult:
    try:
        return run_program(
            command,
            operands=operands,
            given=given,
            needed_for=purpose,
            install=_INSTALL,
            folder=folder,
            # Without these two gpg has no terminal and no display to ask for a passphrase on.
            environment={"GPG_TTY": None, "DISPLAY": None, **environment},
            seconds=_SECONDS,
        )
    except UnfinishedProgramError as error:
        raise BuildError(error.message) from error
