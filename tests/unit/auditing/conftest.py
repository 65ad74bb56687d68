from functools import partial
from pathlib import Path

import pytest
from audits import Audited, audited_world


@pytest.fixture
def audited(tmp_path: Path) -> Audited:
    """The audit of repositories given as data."""
    return partial(audited_world, tmp_path)
