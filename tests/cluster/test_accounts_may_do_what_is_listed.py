"""On a cluster each account of the release may do what tests/chart/permissions.py lists, and nothing else."""

import json
import re
import subprocess
from collections import defaultdict

import pytest
from tests.chart.permissions import PERMISSIONS, Target
from tests.chart.rendering import render
from tests.cluster.accounts import KUBECTL, SYSTEM, kubectl

HOOKS = {"mayfly-uninstall", "mayfly-test"}
"""Accounts that are there only while Helm runs a hook."""
ROW = re.compile(r"(\S*) +\[(.*?)\] +\[(.*?)\] +\[(.*?)\]")


def impersonating(account):
    """As kubelets and programs in pods are seen: with the groups of every account."""
    return (
        f"--as=system:serviceaccount:{SYSTEM}:{account}",
        "--as-group=system:serviceaccounts",
        f"--as-group=system:serviceaccounts:{SYSTEM}",
        "--as-group=system:authenticated",
    )


def listed(account, namespace):
    """Verbs by resource and name, or by address, as `kubectl auth can-i --list` tells them."""
    found = defaultdict(set)
    text = kubectl("auth", "can-i", "--list", f"--namespace={namespace}", *impersonating(account))
    for line in text.splitlines()[1:]:
        resource, addresses, names, verbs = ROW.fullmatch(line.rstrip()).groups()
        for place in [resource] if resource else addresses.split():
            for name in names.split() or [""]:
                found[place, name] |= set(verbs.split())
    return dict(found)


def own(account, namespace):
    """What the account may do beyond what the cluster gives to everybody."""
    everybody = listed("an-account-that-nobody-made", namespace)
    return {
        key: verbs - everybody.get(key, set())
        for key, verbs in listed(account, namespace).items()
        if verbs - everybody.get(key, set())
    }


def expected(account, *places):
    return {
        (spelled(target), target.name): set(verbs)
        for target, verbs in PERMISSIONS[account].items()
        if target.where in places
    }


def spelled(target: Target):
    """The resource as kubectl writes it."""
    kind, slash, part = target.resource.partition("/")
    return f"{kind}.{target.group}{slash}{part}" if target.group else target.resource


@pytest.fixture
def hooks():
    """The accounts of the hooks with their roles, as Helm makes them for the time of a hook."""
    made = [
        one
        for one in render().of_kind(
            "ServiceAccount", "Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"
        )
        if one["metadata"]["name"] in HOOKS
    ]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": made})
    kubectl("apply", "--filename=-", stdin=manifest)
    yield
    kubectl("delete", "--filename=-", "--ignore-not-found", stdin=manifest)


@pytest.mark.parametrize("account", sorted(PERMISSIONS.keys() - HOOKS))
def test_an_account_may_do_what_is_listed(account):
    assert own(account, SYSTEM) == expected(account, "cluster", "release")


@pytest.mark.parametrize("account", sorted(PERMISSIONS.keys() - HOOKS))
def test_elsewhere_it_may_do_what_is_listed_for_the_whole_cluster(account):
    assert own(account, "default") == expected(account, "cluster")


@pytest.mark.usefixtures("hooks")
@pytest.mark.parametrize("account", sorted(HOOKS))
def test_a_hook_may_do_what_is_listed(account):
    assert own(account, SYSTEM) == expected(account, "cluster", "release")
    assert own(account, "default") == expected(account, "cluster")


@pytest.mark.parametrize("account", [*sorted(HOOKS), "default"])
def test_between_hooks_their_accounts_may_do_nothing_nor_may_the_default_one(account):
    assert own(account, SYSTEM) == {}


def test_there_is_no_other_account():
    accounts = json.loads(kubectl("get", "serviceaccounts", f"--namespace={SYSTEM}", "--output=json"))
    names = {one["metadata"]["name"] for one in accounts["items"]}
    assert names == PERMISSIONS.keys() - HOOKS | {"default"}


NEVER = [
    ("create", "pods/exec"),
    ("create", "pods/attach"),
    ("create", "pods/portforward"),
    ("get", "pods/log"),
    ("update", "pods"),
    ("patch", "pods/ephemeralcontainers"),
    ("get", "secrets"),
    ("list", "secrets"),
    ("watch", "secrets"),
    ("list", "configmaps"),
    ("create", "serviceaccounts/token"),
    ("impersonate", "serviceaccounts"),
    ("bind", "clusterroles.rbac.authorization.k8s.io"),
    ("escalate", "clusterroles.rbac.authorization.k8s.io"),
    ("create", "rolebindings.rbac.authorization.k8s.io"),
    ("delete", "customresourcedefinitions.apiextensions.k8s.io"),
    ("delete", "functions.mayfly.dev"),
    ("update", "functions.mayfly.dev"),
    ("delete", "networkpolicies.networking.k8s.io"),
    ("deletecollection", "pods"),
    ("proxy", "nodes"),
    ("get", "nodes/proxy"),
]


@pytest.mark.parametrize("account", ["mayfly-gateway", "mayfly-operator", "mayfly-nats"])
def test_what_would_open_the_cluster_is_refused_to_all(account):
    assert [ask for ask in NEVER if may(account, *ask)] == []


@pytest.mark.parametrize("verb", ["create", "patch", "delete", "deletecollection"])
def test_gateways_make_change_and_end_no_pods(verb):
    assert not may("mayfly-gateway", verb, "pods")


def test_the_operator_touches_no_network_policy_but_its_own():
    policies = "networkpolicies.networking.k8s.io"
    assert may("mayfly-operator", "patch", f"{policies}/mayfly-instances")
    assert not may("mayfly-operator", "patch", f"{policies}/somebody-elses")
    assert not may("mayfly-operator", "create", policies)


def may(account, verb, resource):
    """Of a part of a resource, such as pods/exec, or of an object by its name."""
    kind, _, part = resource.partition("/")
    named = "." in kind and part
    words = [f"{kind}/{part}"] if named or not part else [kind, f"--subresource={part}"]
    asked = ("auth", "can-i", verb, *words, "--namespace=default", *impersonating(account))
    # It exits with 1 where it says no.
    done = subprocess.run([KUBECTL, *asked], capture_output=True, text=True, check=False)
    said = done.stdout.strip().partition(" ")[0]
    assert said in ("yes", "no"), done.stderr
    return said == "yes"
