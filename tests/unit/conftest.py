"""How far hypothesis looks: the same examples every time, or, to explore, new ones for as long as it takes."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "gate", derandomize=True, max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("explore", settings.get_profile("gate"), derandomize=False, max_examples=20_000)
settings.load_profile("gate")
