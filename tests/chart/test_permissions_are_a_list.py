"""Each component's account may do what tests/chart/permissions.py lists: nothing missing, nothing spare."""

from collections import defaultdict

import pytest
from tests.chart.permissions import PERMISSIONS, Target
from tests.chart.rendering import NAMESPACE, Object, Rendering, render

USER_ROLES = {"mayfly-view", "mayfly-edit"}


def _granted(rendering: Rendering) -> dict[str, dict[Target, set[str]]]:
    found: dict[str, dict[Target, set[str]]] = {
        account["metadata"]["name"]: defaultdict(set) for account in rendering.of_kind("ServiceAccount")
    }
    for binding in rendering.of_kind("ClusterRoleBinding", "RoleBinding"):
        where = "cluster" if binding["kind"] == "ClusterRoleBinding" else "release"
        role = rendering.one(binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for subject in binding["subjects"]:
            assert subject["kind"] == "ServiceAccount" and subject["namespace"] == NAMESPACE
            for target, verbs in _targets(where, role):
                found[subject["name"]][target] |= verbs
    return found


def _targets(where: str, role: Object) -> list[tuple[Target, set[str]]]:
    return [
        (Target(where, group, resource, name), set(rule["verbs"]))  # type: ignore[arg-type]
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [""])
    ]


def test_accounts_may_do_what_is_listed(defaults: Rendering) -> None:
    assert _granted(defaults) == PERMISSIONS


def test_without_network_policies_the_operator_may_not_touch_them(defaults: Rendering) -> None:
    granted = _granted(render("networkPolicy.enabled=false"))["mayfly-operator"]
    assert {target.resource for target in _granted(defaults)["mayfly-operator"]} - {
        target.resource for target in granted
    } == {"networkpolicies"}


def test_no_rule_has_a_wildcard(rendering: Rendering) -> None:
    for role in rendering.of_kind("Role", "ClusterRole"):
        for rule in role["rules"]:
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]], role["metadata"][
                "name"
            ]
            assert "nonResourceURLs" not in rule


@pytest.mark.parametrize("account", PERMISSIONS)
def test_nobody_reads_secrets_or_runs_anything_in_a_pod_that_it_could_not_create(
    account: str, defaults: Rendering
) -> None:
    for target, verbs in _granted(defaults)[account].items():
        assert target.resource not in (
            "secrets",
            "serviceaccounts/token",
            "pods/exec",
            "pods/ephemeralcontainers",
        )
        # Who patches a pod runs any image in it; who may create pods could do so anyway.
        assert not (target.resource == "pods" and verbs & {"patch", "update"} and "create" not in verbs)


def test_every_role_is_bound_or_for_people(rendering: Rendering) -> None:
    bound = {
        (binding["roleRef"]["kind"], binding["roleRef"]["name"])
        for binding in rendering.of_kind("ClusterRoleBinding", "RoleBinding")
    }
    roles = {(role["kind"], role["metadata"]["name"]) for role in rendering.of_kind("Role", "ClusterRole")}
    assert roles - bound == {role for role in roles if role[1] in USER_ROLES}


def test_people_who_may_view_or_edit_a_namespace_may_so_with_functions(defaults: Rendering) -> None:
    view, edit = (defaults.one("ClusterRole", name) for name in ("mayfly-view", "mayfly-edit"))
    assert view["metadata"]["labels"]["rbac.authorization.k8s.io/aggregate-to-view"] == "true"
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in edit["metadata"]["labels"]
    for role in (view, edit):
        assert [rule["resources"] for rule in role["rules"]] == [["functions", "versions", "aliases"]]


def test_people_roles_can_be_left_out(everything: Rendering) -> None:
    assert not USER_ROLES & {role["metadata"]["name"] for role in everything.of_kind("ClusterRole")}
