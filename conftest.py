"""Property tests: the same examples each time, none of them timed, so that every machine gives the same answer. `make fuzz` tries new ones."""

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow]
settings.register_profile("steady", derandomize=True, database=None, deadline=None, suppress_health_check=SLOW)
settings.register_profile("fuzz", deadline=None, print_blob=True, suppress_health_check=SLOW)
settings.load_profile("steady")
