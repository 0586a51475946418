"""A namespace of a test's own on the cluster where Mayfly is installed."""

import os
from collections.abc import Iterator

import pytest
from tests.cluster.accounts import Account, gateway_address, own_account


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here runs without a cluster."""
    if "KUBECONFIG" not in os.environ:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs a cluster: set KUBECONFIG"))


@pytest.fixture(scope="module")
def gateway() -> str:
    """The address of the gateways' Service, which another installation changes."""
    return gateway_address()


@pytest.fixture
def account(gateway: str) -> Iterator[Account]:
    with own_account(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def shared_account(gateway: str) -> Iterator[Account]:
    """One for all tests of a module."""
    with own_account(gateway) as made:
        yield made
