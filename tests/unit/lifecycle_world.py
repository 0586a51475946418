"""What a lifecycle sees of the world, which complains as soon as something happens that could not be."""

SIGKILLED = 9


class Poll:
    """A runtime's `next`. `gone`: its connection is dead, noticed or not."""

    def __init__(self, runtime=None):
        self.runtime = runtime
        self.gone = False
        self.got = None


class World:
    """The effects, recorded and checked."""

    def __init__(self):
        self.alive = False
        self.runtimes = 0
        self.killed = None
        self.spawn_problem = None
        self.init = None
        self.init_clock = False
        self.clocks = set()
        self.payloads = {}
        self.errors = {}
        self.statuses = {}
        self.finished = []
        self.delivered = {}
        self.inits = []
        self.rested = 0
        self.shut_down_at = None
        self.lifecycle = None

    def start_runtime(self, *, inside):
        assert not self.alive and self.killed is None, "the old runtime is not dead"
        assert self.init is None
        self.init = inside
        if self.spawn_problem:
            return self.spawn_problem
        self.alive = True
        self.runtimes += 1
        return None

    def start_init_clock(self):
        self.init_clock = True

    def init_ended(self, *, inside, failure):
        assert self.init is inside
        self.init, self.init_clock = None, False
        self.inits.append((inside, failure and failure.error_type))

    def start_clock(self, invocation):
        assert invocation.request_id not in self.clocks, "started twice"
        assert invocation.request_id not in self.payloads, "answered before it began"
        self.clocks.add(invocation.request_id)

    def deliver(self, poll, invocation):
        assert self.alive and self.killed is None, "delivered to a dead runtime"
        assert self.init is None, "delivered before the end of INIT"
        assert poll.got is None, "a next was answered twice"
        assert poll.runtime in (None, self.runtimes), "delivered to a runtime that was killed"
        assert invocation.request_id in self.clocks, "delivered before its time began"
        assert invocation.request_id not in self.payloads, "delivered after it was answered"
        if poll.gone:
            return False
        poll.got = invocation.request_id
        self.delivered.setdefault(invocation.request_id, []).append(poll)
        return True

    def answer(self, invocation, payload):
        assert invocation.request_id not in self.payloads, "answered twice"
        self.payloads[invocation.request_id] = payload
        self.errors[invocation.request_id] = invocation.error_type

    def finish(self, invocation):
        assert invocation.request_id in self.payloads, "finished before it was answered"
        assert invocation.request_id not in self.finished, "finished twice"
        assert invocation.request_id in self.lifecycle.running, "its last output would belong to nobody"
        self.clocks.discard(invocation.request_id)
        self.statuses[invocation.request_id] = invocation.status
        self.finished.append(invocation.request_id)

    def rest(self):
        assert not self.lifecycle.active, "frozen while something runs"
        self.rested += 1

    def kill(self, done, *, gently):
        assert self.killed is None, "killed twice"
        self.killed = done
        self.alive = False

    def shut_down(self):
        assert not self.lifecycle.active, "shut down while something runs"
        assert self.killed is None, "shut down while the tree dies"
        self.shut_down_at = len(self.finished)

    def die(self):
        """The kill has ended."""
        done, self.killed = self.killed, None
        done()
