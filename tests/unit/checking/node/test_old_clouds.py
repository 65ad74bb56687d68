"""Clouds whose nova is older than what `check node` is made for."""

from typing import cast

import pytest

from ppcdeps.checking.node.api import ApiError, Service, compute_version
from ppcdeps.checking.node.documents import Document
from ppcdeps.model.errors import CloudError


class Root:
    """nova's API, as far as its first document goes."""

    def __init__(self, version: str | None) -> None:
        self._version = version

    def get(self, _path: str) -> Document:
        if self._version is None:
            raise ApiError("nova refuses GET /: Unauthorized", 403)
        return Document({"version": {"id": "v2.1", "version": self._version}})


@pytest.mark.parametrize(
    ("newest", "taken"), [("2.100", "2.87"), ("2.79", "2.79"), ("2.53", "2.53"), (None, "2.53"), ("new", "2.53")]
)
def test_the_newest_microversion_that_is_needed_is_taken(newest: str | None, taken: str) -> None:
    assert compute_version(cast(Service, Root(newest))) == taken


def test_a_nova_that_names_no_hypervisor_as_placement_does_is_one_line() -> None:
    with pytest.raises(CloudError, match=r"nova's API is 2\.38, and 2\.53 \(Pike\) is the oldest that will do"):
        compute_version(cast(Service, Root("2.38")))
