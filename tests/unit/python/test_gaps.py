"""The lock in the plan's terms."""

import json

from indexes import OpenIndex, Shop, lock_of, pkg_info, sdist, wheel

from ppcdeps.base.plan_file import python_document
from ppcdeps.model.gap import Cause, GapKind, Requirer, RouteKind
from ppcdeps.python.gaps import planned_python, python_gaps
from ppcdeps.python.lock import PythonLock

C_SETUP = "from setuptools import setup, Extension\nsetup(ext_modules=[Extension('x', ['x.c'])])\n"


def example(shop: Shop, open_index: OpenIndex) -> PythonLock:
    shop.add("app", wheel("app", "1.0", ("native>=2", "six")))
    files = {"PKG-INFO": pkg_info("native", "3.0", metadata="2.2"), "setup.py": C_SETUP, "x.c": ""}
    shop.add("native", sdist("native", "3.0", files))
    return lock_of(open_index(shop), "app", fixed={"six": "1.16"})


def test_what_rpms_do_not_provide_is_a_gap_with_its_route(shop: Shop, open_index: OpenIndex) -> None:
    app, native = python_gaps(example(shop, open_index))
    assert (app.kind, app.route.kind, app.route.subject) == (GapKind.PYTHON, RouteKind.PIP_WHEEL, ("app==1.0",))
    assert app.required_by == (Requirer("app", "workload test"),)
    assert (native.cause, native.route.kind) == (Cause.NO_WHEEL, RouteKind.BUILD_SDIST)
    assert native.route.reason == "version by the newest that fits; builds C"
    assert native.required_by == (Requirer("native >=2", "app"),)
    assert native.source == "native-3.0.tar.gz"
    assert "x.c" in native.detail


def test_the_plan_holds_no_url_of_an_index(shop: Shop, open_index: OpenIndex) -> None:
    lock = example(shop, open_index)
    text = json.dumps(python_document(planned_python(lock)), sort_keys=True)
    assert "://" not in text
    assert text == json.dumps(python_document(planned_python(example(shop, open_index))), sort_keys=True)
    provisions = {each["name"]: each["provision"] for each in python_document(planned_python(lock))["distributions"]}
    assert provisions == {"app": "wheel", "native": "build", "six": "rpm"}
