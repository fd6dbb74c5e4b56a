"""The platform's code location, whose sensors tick as often as the daemon looks (every five seconds), where tests wait for their ticks."""

from dagster._core.definitions.sensor_definition import SensorDefinition

from kb_platform.definitions import defs

__all__ = ["defs"]
SLOW = ("_alerts", "_embed_again")  # nobody waits for these
SensorDefinition.minimum_interval_seconds = property(lambda sensor: 60 if sensor.name.endswith(SLOW) else 1)  # type: ignore[assignment]
