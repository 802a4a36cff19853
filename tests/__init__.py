"""Tests; run with trial."""

from importlib.util import find_spec

if find_spec("hypothesis") is not None:  # the commands in `tests.tools` run without it
    from hypothesis import HealthCheck, settings

    # How long an example takes says more about the machine than about the code.
    settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("untimed")
