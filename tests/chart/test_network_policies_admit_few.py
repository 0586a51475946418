"""Who may connect to whom, where the network enforces it. tests/cluster tries it."""

from tests.chart.rendering import Rendering, render


def _ingress(rendering: Rendering, component: str) -> list[dict[str, object]]:
    rules: list[dict[str, object]] = rendering.one("NetworkPolicy", f"mayfly-{component}")["spec"].get(
        "ingress", []
    )
    return rules


def _component(peer: dict[str, dict[str, dict[str, str]]]) -> str:
    return peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"]


def test_nats_admits_the_gateway_and_answers_nobody_else(defaults: Rendering) -> None:
    [rule] = _ingress(defaults, "nats")
    assert [_component(peer) for peer in rule["from"]] == ["gateway"]  # type: ignore[attr-defined]
    assert rule["ports"] == [{"port": "nats", "protocol": "TCP"}]
    assert defaults.one("NetworkPolicy", "mayfly-nats")["spec"]["egress"] == []


def test_three_nats_admit_each_other() -> None:
    rules = _ingress(render("nats.replicas=3"), "nats")
    assert [[_component(peer) for peer in rule["from"]] for rule in rules] == [["gateway"], ["nats"]]  # type: ignore[attr-defined]
    assert rules[1]["ports"] == [{"port": "cluster", "protocol": "TCP"}]


def test_the_operator_admits_nobody(defaults: Rendering) -> None:
    assert _ingress(defaults, "operator") == []
    assert defaults.one("NetworkPolicy", "mayfly-operator")["spec"]["policyTypes"] == ["Ingress"]


def test_everybody_may_call_the_gateway_unless_the_values_say_who(
    defaults: Rendering, everything: Rendering
) -> None:
    [rule] = _ingress(defaults, "gateway")
    assert "from" not in rule
    [rule] = _ingress(everything, "gateway")
    peers = rule["from"]
    assert [_component(peer) for peer in peers[:2]] == ["gateway", "test"]  # type: ignore[index]
    assert [set(peer) for peer in peers[2:]] == [{"namespaceSelector", "podSelector"}, {"ipBlock"}]  # type: ignore[index]


def test_policies_can_be_left_out() -> None:
    assert not render("networkPolicy.enabled=false").of_kind("NetworkPolicy")
