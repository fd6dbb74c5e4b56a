"""The platform's code location, whose sensors tick as often as the daemon looks (every five seconds): tests wait for their ticks."""

from dagster._core.definitions.sensor_definition import SensorDefinition

from kb_platform.definitions import defs

__all__ = ["defs"]
SensorDefinition.minimum_interval_seconds = property(lambda _: 1)  # type: ignore[assignment]
