"""Makes Functions the owners of Versions and Aliases, so that these go with them.

Rule: what others wrote of owners stays, and an object that changes meanwhile is left for the next time.
"""

from typing import Literal

from mayfly_operator import resources
from mayfly_operator.apply import Cluster, RefusedByServerError
from mayfly_operator.views import FunctionView, Identity, Json


async def adopt(
    cluster: Cluster, kind: Literal["versions", "aliases"], item: Identity, function: FunctionView
) -> Json | None:
    """Make the Function the owner of a Version or an Alias; what that is then, None if it was not done.

    Raises:
        mayfly_operator.apply.UnavailableError: the server is away.
        RefusedByServerError: it refused.
        mayfly_operator.apply.NotLeadingError: nothing was sent.
    """
    found = await cluster.get(kind, item.key)
    if found is None or found["metadata"]["uid"] != item.uid:
        return None
    metadata = found["metadata"]
    references = resources.owned(metadata.get("ownerReferences") or (), function)
    patch = {name: metadata[name] for name in ("uid", "resourceVersion")} | {"ownerReferences": references}
    try:
        return await cluster.merge(kind, item.key, {"metadata": patch})
    except RefusedByServerError as error:
        if error.is_another:
            return None
        raise
