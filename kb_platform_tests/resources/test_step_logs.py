"""What steps print is read where they did not run, also of a step that was killed."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import fsspec
import pytest
import yaml
from dagster._core.storage.compute_log_manager import ComputeIOType

from kb_platform.resources.step_logs import ObjectStoreComputeLogManager
from kb_platform_tests.waiting import wait_until

KEY = ["a-run", "compute_logs", "step"]
STEP = """
import sys, time
from kb_platform.resources.step_logs import ObjectStoreComputeLogManager
with ObjectStoreComputeLogManager(sys.argv[1], "step-logs", 1, sys.argv[2]).capture_logs(["a-run", "compute_logs", "step"]):
    print("so far", flush=True)
    time.sleep(900)
"""


@pytest.fixture(params=["folder", "memory"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "objects") if request.param == "folder" else f"memory://kb-{tmp_path.name}"


def manager(url: str, local: Path) -> ObjectStoreComputeLogManager:
    return ObjectStoreComputeLogManager(url, "step-logs", None, str(local))


def test_output_is_read_by_another_process_s_manager_and_deleted(url: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    here, there = manager(url, tmp_path / "here"), manager(url, tmp_path / "there")
    with capfd.disabled(), here.capture_logs(KEY):
        print("out", flush=True)
        os.write(2, b"err\n")
    assert not (tmp_path / "here" / "a-run" / "compute_logs" / "step.out").exists()  # no pod fills its disk
    data = there.get_log_data(KEY)
    assert (data.stdout, data.stderr) == (b"out\n", b"err\n")
    assert there.is_capture_complete(KEY)
    assert there.get_log_keys_for_log_key_prefix(KEY[:-1], ComputeIOType.STDOUT) == [KEY]
    assert there.get_log_metadata(KEY).stdout_location == f"{url}/step-logs/a-run/compute_logs/step.out"
    there.delete_logs(log_key=KEY)
    assert not manager(url, tmp_path / "third").is_capture_complete(KEY)
    assert manager(url, tmp_path / "third").get_log_data(KEY).stdout is None
    here.delete_logs(prefix=["a-run"])
    assert here.get_log_keys_for_log_key_prefix(KEY[:-1], ComputeIOType.STDOUT) == []


def test_a_killed_step_leaves_what_it_had_printed(tmp_path: Path) -> None:
    url = str(tmp_path / "objects")
    step = subprocess.Popen([sys.executable, "-c", STEP, url, str(tmp_path / "pod")], stdout=subprocess.DEVNULL, start_new_session=True)
    partial = tmp_path / "objects" / "step-logs" / "a-run" / "compute_logs" / "step.out.partial"
    try:
        wait_until(lambda: partial.exists() and partial.read_bytes(), "its output is mirrored")
    finally:
        os.killpg(step.pid, signal.SIGKILL)  # and what mirrors its output
        step.wait()
    there = manager(url, tmp_path / "there")
    assert there.get_log_data(KEY).stdout == b"so far\n"
    assert not there.is_capture_complete(KEY)


def test_an_instance_takes_it_from_its_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    @dg.op
    def speak() -> None:
        print("heard", flush=True)

    @dg.job
    def speaking() -> None:
        speak()

    monkeypatch.setenv("KB_OBJECT_STORE", f"file://{tmp_path}/objects")
    config = {"url": {"env": "KB_OBJECT_STORE"}, "local_dir": str(tmp_path / "local")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({"compute_logs": {
        "module": "kb_platform.resources.step_logs", "class": "ObjectStoreComputeLogManager", "config": config}}))
    with capfd.disabled(), dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert speaking.execute_in_process(instance=instance).success
    found = fsspec.open_files(f"file://{tmp_path}/objects/step-logs/**/*.out")
    assert [file.open().read() for file in found] == [b"heard\n"]
