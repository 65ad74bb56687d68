"""Credentials that a cloud takes no more while a test is under way."""

from typing import Any, NoReturn

import pytest

from ppcdeps.checking.node.api import Cloud, CredentialsError, Service
from ppcdeps.checking.node.belongings import find_belongings
from ppcdeps.checking.node.sessions import Calls

keystone = pytest.importorskip("keystoneauth1.exceptions", reason="openstacksdk is not installed")


class Expired:
    """An API behind a session that cannot log in anew."""

    def request(self, *_: Any, **__: Any) -> NoReturn:
        raise keystone.Unauthorized("The request you have made requires authentication.")


def service(name: str) -> Service:
    return Service(name, Expired(), None, Calls(30))


def test_a_token_that_expires_in_the_midst_is_a_failure_of_the_step() -> None:
    with pytest.raises(CredentialsError, match=r"nova takes these credentials no more: .*; a token expires"):
        service("nova").get("/servers")


def test_what_cannot_be_removed_for_it_is_said() -> None:
    cloud = Cloud("mine", "a-project", service("nova"), service("placement"), service("glance"), None, None)
    found = find_belongings(cloud)
    assert found.things == ()
    assert [one.partition(":")[0] for one in found.unseen] == ["servers", "images", "flavors"]
    assert all("takes these credentials no more" in one for one in found.unseen)
