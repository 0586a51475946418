"""After the release has gone: ends every instance, which nobody else would. Functions stay.

Rule: nothing is deleted while an operator lives that would make it anew, and nothing but instances is deleted.
"""

import os
import time

from api import items, unless_gone

_INSTANCES = "labelSelector=app.kubernetes.io/component=instance,app.kubernetes.io/managed-by=mayfly"
_CONTROL_PLANE = (
    "labelSelector=app.kubernetes.io/name=mayfly,app.kubernetes.io/component%20in%20(gateway,operator)"
)
# Running invocations may end while the gateways leave; an uninstall does not wait for them without a bound.
_PATIENCE = 60.0
_PAUSE = 0.5


def main() -> None:
    """Wait for the control plane to leave, take every wish for instances back, and end them."""
    _wait_for_control_plane()
    _want_none()
    ended = 0
    while instances := items(f"/api/v1/pods?{_INSTANCES}"):
        for pod in instances:
            meta = pod["metadata"]
            if "deletionTimestamp" not in meta:
                _delete(meta["namespace"], meta["name"], meta["uid"])
                ended += 1
        time.sleep(_PAUSE)
    print(f"{ended} instances ended; Functions, Versions and Aliases are still there")


def _wait_for_control_plane() -> None:
    until = time.monotonic() + _PATIENCE
    namespace = os.environ["POD_NAMESPACE"]
    while time.monotonic() < until and items(f"/api/v1/namespaces/{namespace}/pods?{_CONTROL_PLANE}"):
        time.sleep(_PAUSE)


def _want_none() -> None:
    for version in items("/apis/mayfly.dev/v1beta1/versions"):
        if version["spec"].get("instances"):
            meta = version["metadata"]
            unless_gone(
                "PATCH",
                f"/apis/mayfly.dev/v1beta1/namespaces/{meta['namespace']}/versions/{meta['name']}/scale",
                {"spec": {"replicas": 0}},
                content_type="application/merge-patch+json",
            )


def _delete(namespace: str, name: str, uid: str) -> None:
    unless_gone("DELETE", f"/api/v1/namespaces/{namespace}/pods/{name}", {"preconditions": {"uid": uid}})


if __name__ == "__main__":
    main()
