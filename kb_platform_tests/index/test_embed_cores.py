"""Processors: the container's limit counts."""

import os
from pathlib import Path

import pytest

from kb_platform.index.cores import usable_cores


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(8)), raising=False)


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(
    ("limit", "cores"),
    [("max 100000", 8), ("200000 100000", 2), ("250000 100000", 2), ("50000 100000", 1), ("6400000 100000", 8), ("garbage", 8), ("0 0", 8)],
)
def test_the_second_version_of_control_groups_is_read(tmp_path: Path, limit: str, cores: int) -> None:
    (tmp_path / "cpu.max").write_text(limit + "\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.usefixtures("host")
@pytest.mark.parametrize(("quota", "cores"), [("-1", 8), ("300000", 3)])
def test_the_first_version_of_control_groups_is_read(tmp_path: Path, quota: str, cores: int) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu" / "cpu.cfs_quota_us").write_text(quota + "\n")
    (tmp_path / "cpu" / "cpu.cfs_period_us").write_text("100000\n")
    assert usable_cores(tmp_path) == cores


@pytest.mark.usefixtures("host")
def test_without_control_groups_the_affinity_mask_counts(tmp_path: Path) -> None:
    assert usable_cores(tmp_path) == 8


def test_this_machine_has_at_least_one() -> None:
    assert usable_cores() >= 1
