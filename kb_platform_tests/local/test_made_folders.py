"""What a killed run of the tests leaves running is ended by the next one; what a living one uses is left alone."""

from pathlib import Path

import psutil

from kb_platform_tests.local.conftest import python
from kb_platform_tests.made_folders import made_folder, remove_left_behind
from kb_platform_tests.waiting import wait_until

KILLED = """
import os, subprocess, sys
from kb_platform_tests.made_folders import made_folder
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
with made_folder("kb-killed-") as folder:
    named = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)", folder], start_new_session=True, **quiet)
    heir = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"], env=os.environ | {"KB_HOME": f"{folder}/home"}, start_new_session=True, **quiet)
    print(folder, named.pid, heir.pid, flush=True)
    os.kill(os.getpid(), 9)
"""


def test_what_killed_tests_left_running_is_ended_by_the_next_run() -> None:
    killed = python(KILLED)
    said, _ = killed.communicate()
    folder, *pids = said.split()
    servers = [psutil.Process(int(pid)) for pid in pids]
    with made_folder("kb-living-") as living:
        removed = remove_left_behind()
        assert Path(folder) in removed
        assert living not in removed
        assert living.is_dir()
    assert not Path(folder).exists()
    wait_until(lambda: not any(server.is_running() and server.status() != psutil.STATUS_ZOMBIE for server in servers), "the servers have ended")
