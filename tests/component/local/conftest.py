"""The local mode, with manifests to be saved."""

from collections.abc import Iterator

import pytest
from tests.component.local.served import Local, running


@pytest.fixture
def local(tmp_path_factory) -> Iterator[Local]:
    with running(tmp_path_factory.mktemp("l")) as started:
        yield started


@pytest.fixture
def hello(local):
    """The AWS SDK, for calls about hello."""
    return local.hello
