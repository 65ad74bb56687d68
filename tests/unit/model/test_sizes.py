"""Sizes as people write them."""

import pytest

from ppcdeps.model.sizes import bytes_of


@pytest.mark.parametrize(
    ("text", "size"), [("500M", 500 << 20), ("4G", 4 << 30), ("1.5 GiB", 3 << 29), ("17", 17), ("2kb", 2048)]
)
def test_a_size_is_a_number_with_a_unit(text: str, size: int) -> None:
    assert bytes_of(text) == size


@pytest.mark.parametrize("text", ["", "G", "-1G", "1 EB", "1.G", "9" * 400])
def test_what_is_not_a_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size such as 500M or 4G"):
        bytes_of(text)
