"""What this folder's tests share: one home with everything up, and a knowledge base for each module.

The knowledge bases are there before Dagster loads the code, whichever module runs first. Whoever stops or kills something, or changes what
others see, leaves all of it as it was.
"""

import datetime as dt
from functools import cache
from pathlib import Path
from typing import Any

import dagster as dg
import yaml

from kb_platform.local.dagster_home import LOCATION
from kb_platform.local.supervisor import Standing, up
from kb_platform.settings import Settings
from kb_platform_tests.flow.conftest import write_kb
from kb_platform_tests.flow.test_lost_queries import PAGES

VISITS = {"visits.md": "# Visits\n\nUntil eight in the evening.\n"}
MEDICINES = {
    f"{drug}.md": f"# {drug.title()}\n\n## Monitoring\n\nCheck {what} before the first dose and every {weeks} weeks. Tell the pharmacist if it is out of range.\n"
    for drug, what, weeks in (("warfarin", "the INR", 8), ("lithium", "the serum level", 12), ("amiodarone", "thyroid and liver function", 26),
                              ("methotrexate", "the blood count", 4), ("digoxin", "potassium and kidney function", 26))
}
REVIEWED, QUEUED, KILLED, RETRIED, REFUSED = ("formulary", "queued", "killed", "retried", "refused")
KNOWLEDGE_BASES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    REVIEWED: (MEDICINES, {"gate": {"max_churn_share": 0.1, "min_churn_documents": 1}}),
    QUEUED: (VISITS, {"schedule": {"enabled": True, "cron": "0 0 1 1 *"}}),
    KILLED: (VISITS, {}),
    RETRIED: (VISITS, {}),
    REFUSED: (PAGES, {"gate": {"floors": {"all": 0.9}}, "start_date": (dt.datetime.now(dt.UTC).date() - dt.timedelta(days=4)).isoformat()}),
}


def write_all(home: Settings) -> None:
    """Write the knowledge bases of a home."""
    for name, (files, attributes) in KNOWLEDGE_BASES.items():
        write_kb(home.home.parent, name, files, **attributes)


@cache
def closed_hours() -> dict[str, str]:
    """Return settings whose GPU window is closed: the time zone is one in which it is noon."""
    return {"gpu_hours": "20:00-06:00", "gpu_timezone": f"Etc/GMT{dt.datetime.now(dt.UTC).hour - 12:+}"}


def everything_up(home: Settings) -> Standing:
    """Start what does not run, with quick sensors. Dagster's processes have the closed GPU window, and only they."""
    return up(home.model_copy(update=closed_hours()), workspace=quick_workspace(home.home.parent))


def quick_workspace(folder: Path) -> Path:
    """Write the workspace whose code location is the platform's, under its name, with quick sensors."""
    module = {"module_name": "kb_platform_tests.loop.quick_definitions", "working_directory": str(Path(__file__).parents[2]), "location_name": LOCATION}
    path = folder / "quick.yaml"
    path.write_text(yaml.safe_dump({"load_from": [{"python_module": module}]}))
    return path


def runs_of(instance: dg.DagsterInstance, name: str, *statuses: dg.DagsterRunStatus) -> set[str]:
    """Return the runs of one knowledge base."""
    found = instance.get_runs(dg.RunsFilter(statuses=statuses))
    return {run.run_id for run in found if run.job_name.startswith(f"{name}_") or any(key.path[0] == name for key in run.asset_selection or ())}
