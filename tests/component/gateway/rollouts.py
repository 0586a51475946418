"""What tests of rollouts say of an alias, hello:live, and read off a gateway."""

import json

from mayfly_gateway.rollout import Alarm, Plan, Said

ALIAS = "hello:live"
LIVE = ("default", "hello", "live")
HOUR = 3600.0
FAIL = json.dumps({"do": "fail"})


def plan(*, share=0.5, interval=HOUR, linear=False, **alarm) -> Plan:
    watched = {"error_rate": None, "p99": None, "minimum": 1, **alarm}
    return Plan(linear=linear, share=share, interval=interval, alarm=Alarm(**watched) if alarm else None)


def said(wanted=None, *, generation=1, progress=None, uid="u") -> Said:
    return Said(plan=wanted, generation=generation, progress=progress, source="hello.live", uid=uid)


def leads(world):
    return world.gateway.catalogue.leads(*LIVE)
