"""The renderings that most tests look at, made once."""

import pytest
from tests.chart.rendering import Rendering, render

_VALUES: dict[str, tuple[str, ...]] = {
    "defaults": (),
    "everything": ("everything",),
    "own-nats": ("own-nats",),
    "no-storage": ("no-storage",),
}


@pytest.fixture(scope="session", params=_VALUES)
def rendering(request: pytest.FixtureRequest) -> Rendering:
    """The chart, for each of the values that it is checked with."""
    return render(files=_VALUES[request.param])


@pytest.fixture(scope="session")
def defaults() -> Rendering:
    return render()


@pytest.fixture(scope="session")
def everything() -> Rendering:
    return render(files=("everything",))
