"""The adapter of FHIR. A package, so that pytest ends what its tests share when the last of them has ended, and not with the run."""
