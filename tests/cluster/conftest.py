"""A namespace of a test's own on the cluster where Mayfly is installed."""

import json
import os
from collections.abc import Iterator

import pytest
from tests.cluster.accounts import SYSTEM, Account, kubectl, own_account


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Nothing here runs without a cluster."""
    if "KUBECONFIG" not in os.environ:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="needs a cluster: set KUBECONFIG"))


@pytest.fixture(scope="session")
def gateway() -> str:
    """The address of the gateways' Service, which this machine reaches as a node of the cluster."""
    service = json.loads(kubectl("-n", SYSTEM, "get", "service", "mayfly-gateway", "--output=json"))
    return f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"


@pytest.fixture
def account(gateway: str) -> Iterator[Account]:
    with own_account(gateway) as made:
        yield made


@pytest.fixture(scope="module")
def shared_account(gateway: str) -> Iterator[Account]:
    """One for all tests of a module."""
    with own_account(gateway) as made:
        yield made
