"""The Invoke operation, the same for both fronts: from the parts of a request to its reply."""

from collections.abc import Callable

from mayfly_gateway.answers import Answer, Reply, dry_run_reply, error_reply, reply
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.dispatch import Dispatcher
from mayfly_gateway.request import Call, Headers, new_request_id, parse_call, payload
from mayfly_gateway.settings import Settings
from mayfly_model.errors import LambdaError, ResourceNotFoundException, function_not_found
from mayfly_model.names import LATEST, function_arn

IsStale = Callable[[Target, Callable[[], None]], bool]


class Invoke:
    """Serves `POST /2015-03-31/functions/{FunctionName}/invocations`.

    `is_stale(target, resume)`, if given, says whether the function must be brought up to date first; the call goes on
    when `resume` is called.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        dispatcher: Dispatcher,
        settings: Settings,
        is_stale: IsStale | None = None,
    ) -> None:
        self._is_stale = is_stale
        self._catalogue = catalogue
        self._dispatcher = dispatcher
        self._cluster = settings.cluster
        self._namespace = settings.namespace

    def serve(
        self, path_name: str, query: str, headers: Headers, body: bytes, on_reply: Callable[[Reply], None]
    ) -> None:
        """Serve one request; `on_reply` is called once, now or later. For the arguments see `parse_call`."""
        request_id = new_request_id()
        trace_id = None
        try:
            call = parse_call(
                path_name,
                query,
                headers,
                request_id=request_id,
                default_namespace=self._namespace,
                knows=self._catalogue.knows,
            )
            trace_id = call.trace_id
            target = self._look_up(call)
            if self._is_stale is not None and self._is_stale(
                target, lambda: self.serve(path_name, query, headers, body, on_reply)
            ):
                return
            event = payload(body)
            if not call.dry_run:
                self._dispatcher.invoke(target, call, event, _relay(call, on_reply))
                return
        except LambdaError as error:
            on_reply(error_reply(error, request_id=request_id, trace_id=trace_id))
        else:
            on_reply(dry_run_reply(request_id=request_id, trace_id=trace_id))

    def _look_up(self, call: Call) -> Target:
        """The function version that the call means.

        Raises:
            ResourceNotFoundException: there is none.
        """
        reference = call.reference
        if reference.region is not None and reference.region != self._cluster:
            raise ResourceNotFoundException(
                f"Functions from '{reference.region}' are not reachable in this region ('{self._cluster}')"
            )
        target = self._catalogue.get(call.namespace, reference.name)
        if target is None or reference.qualifier not in (None, LATEST):
            qualifier = reference.qualifier or LATEST
            raise function_not_found(function_arn(self._cluster, call.namespace, reference.name, qualifier))
        return target


def _relay(call: Call, on_reply: Callable[[Reply], None]) -> Callable[[Answer | LambdaError], None]:
    def on_answer(outcome: Answer | LambdaError) -> None:
        on_reply(reply(outcome, request_id=call.request_id, trace_id=call.trace_id))

    return on_answer
