"""Names from outside reach a terminal in a form that it shows, and no line of the output is another's."""

import json

import pytest
from damage import FORGED
from doortrial import Bring, Scene
from plandoors import plan_json
from pythondoors import METADATA, WHEEL, lock_on, offer, wheel_of
from repositorydoors import packages as small
from repositorydoors import repository
from rpmmd import Package, _filelists, _primary

from ppcdeps.model.nevra import Nevra

SIGNS = {
    "C1": "\x9b31m",
    "direction": "\u202egnp.exe",
    "isolate": "\u2066x\u2069",
    "newline": f"x\n{FORGED} line\ny",
    "return": f"x\r{FORGED}",
    "line separator": "x\u2028y",
    "tag": "x\u200e\u200fy",
}
BYTES = {"ESC": "\x1b[31mx", "OSC": "\x1b]0;title\x07", "DEL": "x\x7f", "BEL": "\x07", "BS": "a\b\bx", "NUL": "a\0b"}
"""What XML cannot hold, and JSON and TOML can."""
ALL = {**SIGNS, **BYTES}


def evil_repository(place: Scene, sign: str, where: str) -> str:
    package = Package(Nevra("evil", 0, "1", "1", "noarch"), relations={"requires": ("PLACE",), "provides": ()})
    primary = _primary([*small(), package])
    word = sign.replace("\n", "&#10;").replace("\r", "&#13;")
    match where:
        case "requirement":
            primary = primary.replace("PLACE", f"gone{word}")
        case "name":
            primary = primary.replace("PLACE", "gone").replace("<name>evil</name>", f"<name>evil{word}</name>")
        case "version":
            primary = primary.replace("PLACE", "gone").replace(
                'ver="1" rel="1"/><checksum', f'ver="1{word}" rel="1"/><checksum'
            )
        case "source":
            primary = primary.replace("PLACE", "gone").replace("evil-1-1.src.rpm", f"evil{word}-1-1.src.rpm")
    return repository(
        place,
        {
            "repodata/primary.xml": primary.encode(),
            "repodata/filelists.xml": _filelists([*small(), package]).encode(),
        },
    )


@pytest.mark.parametrize("where", ["requirement", "name", "version", "source"])
@pytest.mark.parametrize("sign", SIGNS)
def test_a_repository_shows_its_signs_and_forges_no_line(sign: str, where: str, place: Scene, bring: Bring) -> None:
    url = evil_repository(place, SIGNS[sign], where)
    bring("plan", "evil", "--repofrompath", f"base,{url}", "--python", "rpm", "-o", "p.json", code={1, 2, 30})
    for command in (("plan", "evil", "--json"), ("why", "gone", "--for", "evil"), ("why", "evil", "--for", "evil")):
        bring(*command, "--repofrompath", f"base,{url}", *(("--no-output",) if command[0] == "plan" else ()))
    if (place.work / "p.json").exists():
        bring("diff", "p.json", "p.json")


@pytest.mark.parametrize("sign", ["newline", "direction", "C1"])
def test_a_sign_is_shown_in_a_form_that_can_be_read(sign: str, place: Scene, bring: Bring) -> None:
    url = evil_repository(place, SIGNS[sign], "requirement")
    outcome = bring("plan", "evil", "--repofrompath", f"base,{url}", "--python", "rpm", "--no-output", code={1, 30})
    said = outcome.out + outcome.err
    code = ord(next(one for one in SIGNS[sign] if not one.isprintable()))
    forms = (f"\\x{code:02x}", f"\\u{code:04x}", f"U+{code:04X}", f"<{code:02X}>", "\\n", "␊")
    assert any(form in said for form in forms), said


@pytest.mark.parametrize("sign", ALL)
@pytest.mark.parametrize("where", ["workload", "name", "detail", "advice", "id", "root"])
def test_a_plan_shows_its_signs(sign: str, where: str, place: Scene, bring: Bring) -> None:
    word = f"x{ALL[sign]}"
    document = json.loads(plan_json())
    match where:
        case "workload":
            document["workload"] = word
        case "name":
            document["gaps"][0]["name"] = word
        case "detail":
            document["gaps"][0]["detail"] = word
        case "advice":
            document["advice"] = [word]
        case "id":
            document["created_from"] = {word: document["created_from"]["base"]}
        case "root":
            document["roots"] = [word]
    before, after = place.file("a.json", plan_json()), place.file("b.json", json.dumps(document).encode())
    bring("diff", before, after, code={0, 3})
    bring("diff", before, after, "--json", code={0, 3})


@pytest.mark.parametrize("sign", ALL)
@pytest.mark.parametrize("where", ["name", "requirement", "file", "yanked", "python"])
def test_an_index_shows_its_signs(sign: str, where: str, place: Scene, bring: Bring) -> None:
    word = ALL[sign]
    metadata = METADATA
    if where == "requirement":
        metadata = METADATA.replace(b"six >=1", f"six{word} >=1".encode())
    offer(place, {WHEEL: wheel_of(metadata)}, metadata)
    page = json.loads((place.served / "simple/evil/index.json").read_text())
    entry = page["files"][0]
    match where:
        case "name":
            page["name"] = f"evil{word}"
        case "file":
            entry["filename"] = f"evil-1.0-py3-none-any{word}.whl"
        case "yanked":
            entry["yanked"] = f"broken{word}"
        case "python":
            entry["requires-python"] = f">=3{word}"
    place.serve("simple/evil/index.json", json.dumps(page).encode())
    bring(*lock_on(place))


@pytest.mark.parametrize("sign", ALL)
def test_an_error_shows_the_signs_of_what_it_names(sign: str, place: Scene, bring: Bring) -> None:
    word = ALL[sign]
    if "\0" not in word:
        bring("plan", f"x{word}", "--repofrompath", f"base,{repository(place)}", "--no-output", code=2)
        bring("plan", f"{word}.toml", "--no-output", code={2, 3})
        bring("diff", f"{word}.json", "x", code=3)
        bring(f"x{word}", code=2)
    file = place.file("w.toml", f"name = {json.dumps(word)}\ntitle = 1\n{json.dumps(word)} = 1\n".encode())
    bring("plan", file, "--no-output", code=3)


@pytest.mark.parametrize("sign", ALL)
def test_checks_show_the_signs_of_what_they_read(sign: str, place: Scene, bring: Bring) -> None:
    word = ALL[sign]
    image = {"name": f"i{word}", "properties": {"hw_disk_bus": f"scsi{word}", f"hw_{word}": "1", "os_type": word}}
    file = place.file("i.json", json.dumps(image).encode())
    bring("check", "guest", "--image", file, "--hypervisor", "almalinux-9")
    conf = place.file("nova.conf", f"[libvirt]\nvirt_type = k{word}\ncpu_mode = {word}\n".encode())
    bring("check", "guest", "--nova-conf", conf, "--hypervisor", "almalinux-9")
