"""The code location: every knowledge base whose defs.yaml lies in the folder that KB_DEFS names."""

import dagster as dg

from kb_platform.components.loading import load_knowledge_bases
from kb_platform.resources import Platform
from kb_platform.settings import Settings


@dg.definitions
def defs() -> dg.Definitions:
    """Return assets, checks, jobs, schedules and sensors of all knowledge bases."""
    found = load_knowledge_bases(Settings().defs)
    return dg.Definitions.merge(found, dg.Definitions(resources={"platform": Platform()}))
