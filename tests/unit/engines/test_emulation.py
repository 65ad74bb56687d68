"""What the kernel's registry says about foreign programs, read from folders of the same form."""

import shutil
from pathlib import Path

import pytest

from ppcdeps.engines.emulation import (
    EmulationState,
    emulation_of,
    ensure_emulation,
    machine_arch,
    registration,
    require_emulation,
    static_qemu,
)
from ppcdeps.model.errors import EnvironmentLacksError
from ppcdeps.model.reporter import Silence

MAGIC = "7f454c4602010100000000000000000002001500"
MASK = "fffffffffffffffcfffffffffffffffffeffff00"

foreign = pytest.mark.skipif(machine_arch() == "ppc64le", reason="this machine needs no emulation of ppc64le")


def registry(folder: Path, *, flags: str = "POF", enabled: bool = True, magic: str = MAGIC) -> Path:
    (folder / "status").write_text("enabled\n")
    (folder / "register").write_text("")
    (folder / "qemu-ppc64le").write_text(
        f"{'enabled' if enabled else 'disabled'}\ninterpreter /usr/bin/qemu\nflags: {flags}\noffset 0\n"
        f"magic {magic}\nmask {MASK}\n"
    )
    return folder


def test_this_machines_own_programs_need_no_emulation() -> None:
    assert emulation_of(machine_arch()).state is EmulationState.NATIVE
    assert require_emulation(machine_arch(), Silence()).works


@foreign
def test_an_entry_with_flag_f_works_everywhere(tmp_path: Path) -> None:
    found = emulation_of("ppc64le", place=registry(tmp_path))
    assert (found.state, found.interpreter, found.fix) == (EmulationState.REGISTERED, "/usr/bin/qemu", "")


@foreign
@pytest.mark.parametrize("changed", [{"flags": "PO"}, {"flags": ""}, {"enabled": False}])
def test_an_entry_that_is_not_found_inside_a_root_is_unfit(tmp_path: Path, changed: dict[str, object]) -> None:
    found = emulation_of("ppc64le", place=registry(tmp_path, **changed))  # type: ignore[arg-type]
    assert found.state is EmulationState.UNFIT
    assert not found.works
    assert found.fix


@foreign
def test_an_entry_of_another_architecture_does_not_count(tmp_path: Path) -> None:
    riscv = MAGIC[:36] + "f300"
    found = emulation_of("ppc64le", place=registry(tmp_path, magic=riscv))
    assert found.state in {EmulationState.UNREGISTERED, EmulationState.ABSENT}


@foreign
def test_a_machine_without_qemu_is_shown_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    found = emulation_of("ppc64le", place=tmp_path)
    assert found.state is EmulationState.ABSENT
    assert "qemu-user-static" in found.fix
    assert ensure_emulation("ppc64le", Silence(), place=tmp_path) == found
    with pytest.raises(EnvironmentLacksError, match=r"do not run here: there is no qemu for ppc64le; install"):
        require_emulation("ppc64le", Silence(), place=tmp_path)


def test_what_is_written_to_the_kernel_names_an_interpreter_that_is_held_open() -> None:
    if static_qemu("ppc64le") is None:
        pytest.skip("there is no qemu-ppc64le-static here")
    line = registration("ppc64le")
    assert line is not None
    _, name, kind, offset, magic, _, interpreter, flags = line.split(b":")
    assert (name, kind, offset) == (b"qemu-ppc64le", b"M", b"")
    assert magic.startswith(rb"\x7f\x45\x4c\x46\x02\x01\x01")
    assert Path(interpreter.decode()).exists()
    assert b"F" in flags
