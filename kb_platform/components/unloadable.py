"""How the pages show a knowledge base that cannot be loaded: an asset that says why, with a check that has failed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

ASSET, CHECK, SENSOR = "not_loaded", "loads", "knowledge_bases_that_do_not_load"
INTERVAL = 30  # seconds between ticks


@dataclass(frozen=True)
class Unloadable:
    """A folder of KB_DEFS that cannot be loaded, and why: file, line, what was found."""

    folder: str
    reason: str

    @property
    def key(self) -> dg.AssetKey:
        """Return the key of the asset in its place; its group has the folder's name as far as Dagster takes it."""
        return dg.AssetKey([self.group, ASSET])

    @property
    def group(self) -> str:
        """Return the folder's name in letters, digits and _."""
        return re.sub(r"\W", "_", self.folder, flags=re.ASCII) or "_"


def shown_in_the_pages(found: Sequence[Unloadable]) -> dg.Definitions:
    """Return an asset and a check for each, and the sensor that says of the checks that they have failed."""
    if not found:
        return dg.Definitions()
    return dg.Definitions(assets=[_asset(each) for each in found], asset_checks=[_check(each) for each in found], sensors=[_sensor(found)])


def _asset(each: Unloadable) -> dg.AssetSpec:
    said = f"**{each.folder} cannot be loaded.** Nothing of it runs, and what is live stays live.\n\n```\n{each.reason}\n```\n\nCorrect it, " \
           "check it with `kb validate`, and reload the code location."
    return dg.AssetSpec(each.key, group_name=each.group, description=said, kinds={"error"}, metadata={"reason": each.reason})


def _check(each: Unloadable) -> dg.AssetChecksDefinition:
    @dg.asset_check(asset=each.key, name=CHECK, description=each.reason)
    def loads() -> dg.AssetCheckResult:
        return dg.AssetCheckResult(passed=False, description=each.reason)

    return loads


def _sensor(found: Sequence[Unloadable]) -> dg.SensorDefinition:
    """Enter each failed check once: nobody would run checks of what does not load."""
    reasons = repr(sorted((each.folder, each.reason) for each in found))

    @dg.sensor(name=SENSOR, minimum_interval_seconds=INTERVAL, default_status=dg.DefaultSensorStatus.RUNNING,
               description="Says of each knowledge base that does not load that its check has failed.")
    def say(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        if context.cursor == reasons:
            return dg.SensorResult(skip_reason="; ".join(each.reason for each in found))
        failed = [dg.AssetCheckEvaluation(asset_key=each.key, check_name=CHECK, passed=False, description=each.reason) for each in found]
        return dg.SensorResult(asset_events=failed, cursor=reasons)

    return say
