"""The Invoke operation, the same for both fronts: from the parts of a request to its reply."""

from collections.abc import Callable

from mayfly_gateway.answers import Answer, OnAnswer, Reply, dry_run_reply, error_reply, reply
from mayfly_gateway.catalogue import Catalogue, Target
from mayfly_gateway.http_errors import MisdirectedRequestException
from mayfly_gateway.peers.request import forwarded_request_id
from mayfly_gateway.request import Call, Headers, new_request_id, parse_call, payload
from mayfly_gateway.settings import Settings
from mayfly_model.errors import LambdaError, ServiceUnavailableException, function_not_found, other_region
from mayfly_model.names import LATEST, function_arn

IsStale = Callable[[Target, Callable[[], None]], bool]
WhyAbsent = Callable[[str, str, Callable[[LambdaError | None], None]], None]
Run = Callable[[Target, Call, bytes, OnAnswer], None]


def to_nobody(_target: Target, _call: Call, _payload: bytes, on_answer: OnAnswer) -> None:
    """Answer a call of a function that is another gateway's, where there is no way to that one."""
    on_answer(ServiceUnavailableException("Another gateway serves the function now: try again."))


class Invoke:
    """Serves `POST /2015-03-31/functions/{FunctionName}/invocations`.

    `run(target, call, payload, on_answer)` runs the function, here or where its owner is.
    `forwarding_token` is what the gateways of one installation know each other by, None where there is only one.
    `ready()` says whether all functions are known, so that one that is not does not exist.
    `is_stale(target, resume)`, if given, says whether the function must be brought up to date first; the call goes on
    when `resume` is called. `why_absent(namespace, name, told)`, if given, tells why a function is not known here,
    or None.
    """

    def __init__(
        self,
        *,
        catalogue: Catalogue,
        run: Run,
        settings: Settings,
        forwarding_token: str | None = None,
        is_stale: IsStale | None = None,
        ready: Callable[[], bool] = lambda: True,
        why_absent: WhyAbsent | None = None,
    ) -> None:
        self._why_absent = why_absent
        self._ready = ready
        self._is_stale = is_stale
        self._catalogue = catalogue
        self._run = run
        self._token = None if forwarding_token is None else forwarding_token.encode()
        self._cluster = settings.cluster
        self._namespace = settings.namespace

    def serve(
        self, path_name: str, query: str, headers: Headers, body: bytes, on_reply: Callable[[Reply], None]
    ) -> None:
        """Serve one request; `on_reply` is called once, now or later. For the arguments see `parse_call`."""
        forwarded_id = self._forwarded_id(headers)
        request_id = forwarded_id or new_request_id()
        trace_id = None
        try:
            call = parse_call(
                path_name,
                query,
                headers,
                request_id=request_id,
                default_namespace=self._namespace,
                knows=self._catalogue.knows,
                forwarded=forwarded_id is not None,
            )
            trace_id = call.trace_id
            target = self._look_up(call)
            if self._is_stale is not None and self._must_wait(
                call, target, lambda: self.serve(path_name, query, headers, body, on_reply)
            ):
                return
            if target is None:
                self._refuse(call, on_reply)
                return
            event = payload(body)
            if not call.dry_run:
                self._run(target, call, event, _relay(call, on_reply))
                return
        except LambdaError as error:
            on_reply(error_reply(error, request_id=request_id, trace_id=trace_id))
        else:
            on_reply(dry_run_reply(request_id=request_id, trace_id=trace_id))

    def _forwarded_id(self, headers: Headers) -> str | None:
        """The id that the call has already, if another gateway has sent it on."""
        value = headers.get(b"mayfly-forwarded")
        return None if value is None or self._token is None else forwarded_request_id(value, self._token)

    def _look_up(self, call: Call) -> Target | None:
        """The function version that the call means, if there is one.

        Raises:
            ResourceNotFoundException: it is in another region.
        """
        reference = call.reference
        if reference.region is not None and reference.region != self._cluster:
            raise other_region(reference.region, self._cluster)
        return self._catalogue.resolve(call.namespace, reference.name, reference.qualifier)

    def _must_wait(self, call: Call, target: Target | None, resume: Callable[[], None]) -> bool:
        """Whether the function must be brought up to date first; a qualifier that is not there may be by then."""
        known = target or self._catalogue.resolve(call.namespace, call.reference.name)
        return known is not None and self._is_stale is not None and self._is_stale(known, resume)

    def _refuse(self, call: Call, on_reply: Callable[[Reply], None]) -> None:
        """Say that there is no such version, or why there is no such function."""
        absent = self._not_found(call)

        def told(error: LambdaError | None) -> None:
            on_reply(error_reply(error or absent, request_id=call.request_id, trace_id=call.trace_id))

        name = call.reference.name
        known = call.forwarded or not self._ready() or self._catalogue.versions(call.namespace, name)
        if known or self._why_absent is None:
            told(None)
        else:
            self._why_absent(call.namespace, name, told)

    def _not_found(self, call: Call) -> LambdaError:
        if call.forwarded:
            return MisdirectedRequestException("The function is not known here yet, or not any more.")
        if not self._ready():
            return ServiceUnavailableException("The gateway does not know the functions yet: try again.")
        reference = call.reference
        qualifier = reference.qualifier or LATEST
        return function_not_found(function_arn(self._cluster, call.namespace, reference.name, qualifier))


def _relay(call: Call, on_reply: Callable[[Reply], None]) -> OnAnswer:
    def on_answer(outcome: Answer | LambdaError | Reply) -> None:
        on_reply(reply(outcome, request_id=call.request_id, trace_id=call.trace_id))

    return on_answer
