"""Whatever happens in whatever order, the right pods are there in the end, and none is deleted that is in use."""

import copy
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule
from tests.unit.operator_objects import NEW, NOON, OLD, RUNTIMES, ended, pod_item, running, version_item

from mayfly_operator.cache import Cache
from mayfly_operator.pod_views import read_pod
from mayfly_operator.versions import OUTDATED_AFTER, Attempts, observe, plan
from mayfly_operator.views import read_version

KEY = ("shop", "hello.latest")


class ApiServer:
    """What an API server does for pods: names are unique, a deletion carries the uid, every change is told."""

    def __init__(self) -> None:
        self.version = version_item(instances=0)
        self.pods: dict[str, dict[str, Any]] = {}
        self.news: list[tuple[str, dict[str, Any]]] = []
        self.clock = 10_000
        self.made = 0
        self.ever_retired: set[str] = set()

    def tick(self, item: dict[str, Any]) -> None:
        self.clock += 1
        item["metadata"]["resourceVersion"] = str(self.clock)

    def change_version(self) -> None:
        self.tick(self.version)
        self.news.append(("version", copy.deepcopy(self.version)))

    def change(self, name: str) -> None:
        self.tick(self.pods[name])
        self.news.append(("pod", copy.deepcopy(self.pods[name])))

    def create(self, name: str, revision: str) -> dict[str, Any] | None:
        if name in self.pods:
            return None
        self.made += 1
        ordinal = int(name.rpartition("-")[2])
        self.pods[name] = pod_item(ordinal, revision=revision, uid=f"uid-{self.made}")
        self.change(name)
        return copy.deepcopy(self.pods[name])

    def delete(self, name: str, uid: str, now: float) -> None:
        found = self.pods.get(name)
        if found is None or found["metadata"]["uid"] != uid:
            return
        over = found["status"].get("phase") in ("Succeeded", "Failed") or uid in self.ever_retired
        outdated = (
            read_pod(found).revision != self.version["spec"]["revision"] and now >= NOON + OUTDATED_AFTER
        )
        assert over or outdated, "an instance in use was deleted"
        self.pods.pop(name)
        self.tick(found)
        self.news.append(("gone", copy.deepcopy(found)))

    def alive(self) -> list[dict[str, Any]]:
        revision = self.version["spec"]["revision"]
        return [each for each in self.pods.values() if _is_alive(each, revision, self.retired())]

    def retired(self) -> set[str]:
        return {each["uid"] for each in self.version["status"]["retired"]}


def _is_alive(item: dict[str, Any], revision: str, retired: set[str]) -> bool:
    pod = read_pod(item)
    return pod.ending is None and pod.revision == revision and pod.uid not in retired


class Operator(RuleBasedStateMachine):
    """A gateway, a kubelet and an operator whose news come late, twice and out of order."""

    def __init__(self) -> None:
        super().__init__()
        self.server = ApiServer()
        self.now = NOON
        self.restart()

    @rule()
    def restart(self) -> None:
        """A new process: it knows nothing, and lists."""
        self.cache, self.attempts = Cache(), Attempts()
        self.server.news.clear()
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.cache.put_version(read_version(self.server.version))
        for each in self.server.pods.values():
            self.cache.put_pod(read_pod(each))

    @rule(count=st.integers(0, 4))
    def the_gateway_asks(self, count: int) -> None:
        self.server.version["spec"]["instances"] = count
        self.server.change_version()

    @precondition(lambda self: self.server.pods)
    @rule(data=st.data())
    def the_gateway_retires(self, data: st.DataObject) -> None:
        pod = data.draw(st.sampled_from(sorted(self.server.pods)))
        uid = self.server.pods[pod]["metadata"]["uid"]
        self.server.ever_retired.add(uid)
        self.server.version["status"]["retired"].append({"name": pod, "uid": uid})
        self.server.change_version()

    @rule(revision=st.sampled_from([NEW, OLD]))
    def the_content_changes(self, revision: str) -> None:
        self.server.version["spec"]["revision"] = revision
        self.server.change_version()

    @precondition(lambda self: self.server.pods)
    @rule(
        data=st.data(),
        status=st.sampled_from([running(), ended(), ended(exit_code=1), ended(exit_code=1, lived=60)]),
    )
    def a_pod_goes_on(self, data: st.DataObject, status: dict[str, Any]) -> None:
        pod = data.draw(st.sampled_from(sorted(self.server.pods)))
        if self.server.pods[pod]["status"].get("phase") not in ("Succeeded", "Failed"):
            self.server.pods[pod]["status"] = status
            self.server.change(pod)

    @precondition(lambda self: self.server.news)
    @rule(count=st.integers(1, 5))
    def news_arrive(self, count: int) -> None:
        for _ in range(min(count, len(self.server.news))):
            self._take(self.server.news.pop(0))

    @precondition(lambda self: len(self.server.news) > 1)
    @rule(data=st.data())
    def news_of_one_object_overtake(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.server.news) - 1))
        name = self.server.news[index][1]["metadata"]["name"]
        if all(each[1]["metadata"]["name"] != name for each in self.server.news[:index]):
            self._take(self.server.news.pop(index))

    @precondition(lambda self: self.told)
    @rule(data=st.data())
    def old_news_arrive_again(self, data: st.DataObject) -> None:
        self._take(data.draw(st.sampled_from(self.told)))

    @rule(seconds=st.sampled_from([0.5, 5.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule(writes=st.integers(0, 6), heard=st.booleans())
    def it_decides(self, writes: int, heard: bool) -> None:
        """Some of the decision's writes are done, and their answers heard or lost."""
        self._decide(writes, heard=heard)

    def teardown(self) -> None:
        """In the end nothing happens any more, and all news arrive."""
        for _ in range(4):
            self._hear_all()
            self.now += 61.0
            self._decide(100, heard=True)
        self._hear_all()
        wanted = self.server.version["spec"]["instances"]
        assert len(self.server.alive()) >= wanted
        for each in self.server.pods.values():
            pod = read_pod(each)
            assert pod.ending is None
            assert pod.uid not in self.server.retired()
        assert {each.name for each in self.cache.instances(KEY)} == set(self.server.pods)

    def _decide(self, writes: int, *, heard: bool) -> None:
        version = self.cache.versions.get(KEY)
        assert version is not None
        pods = self.cache.instances(KEY)
        self.attempts = observe(self.attempts, version, pods, self.now)
        decision = plan(version, pods, self.attempts, runtimes=RUNTIMES, now=self.now)
        current = version.resource_version == int(self.server.version["metadata"]["resourceVersion"])
        for name in decision.create[:writes]:
            full = len(self.server.alive()) >= self.server.version["spec"]["instances"]
            created = self.server.create(name, version.revision or "")
            assert not (created and current and full), "more pods than were asked for"
            if created and heard:
                self.cache.put_pod(read_pod(created))
            if created is None and name in self.server.pods:  # It looks at who has the name.
                self.cache.put_pod(read_pod(self.server.pods[name]))
        for pod in decision.delete[: max(writes - len(decision.create), 0)]:
            self.server.delete(pod.name, pod.uid, self.now)

    def _hear_all(self) -> None:
        while self.server.news:
            self._take(self.server.news.pop(0))

    def _take(self, news: tuple[str, dict[str, Any]]) -> None:
        self.told.append(news)
        kind, item = news
        if kind == "version":
            self.cache.put_version(read_version(item))
        elif kind == "pod":
            self.cache.put_pod(read_pod(item))
        else:
            pod = read_pod(item)
            self.cache.remove_pod(pod.key, pod.uid)


Operator.TestCase.settings = settings(max_examples=100, stateful_step_count=30, deadline=None)
TestOperator = Operator.TestCase
