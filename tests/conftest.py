"""What every test needs: test modules find the helpers beside them by the path from the project's root."""

import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

# A machine that is busy with something else is no defect of ours.
settings.register_profile("mayfly", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("mayfly")

pytest.register_assert_rewrite("tests.conformance", "tests.example_answers")
