"""The model of docs/scale.md: its arithmetic, its options, and the figures that the page quotes."""

import json
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "bench" / "scale_model.py"
MODEL = runpy.run_path(str(SCRIPT), run_name="scale_model")
PAGE = (ROOT / "docs" / "scale.md").read_text()


def computed(**inputs: Any) -> dict[str, Any]:
    return MODEL["compute"](MODEL["Inputs"](**inputs), MODEL["MEASURED"])


def test_gpu_hours_are_texts_over_speed() -> None:
    found = computed(documents=1_000_000, chunks_per_document=9, texts_per_second=2500, gpus=2, window_hours=10)["embedding"]
    assert found["gpu_hours_first"] == pytest.approx(1.0)
    assert found["windows_first"] == pytest.approx(0.05)
    assert found["shards_first"] == 180


def test_bytes_follow_rows_dimension_and_text() -> None:
    small, double = computed(documents=1_000_000), computed(documents=2_000_000)
    assert double["disk"]["total_gb"] == pytest.approx(2 * small["disk"]["total_gb"])
    wide = computed(documents=1_000_000, dimension=768)
    rows = 10_000_000 * 1.07 / 0.85
    assert wide["disk"]["chunk_hnsw_gb"] - small["disk"]["chunk_hnsw_gb"] == pytest.approx(768 * rows / 1e9)
    assert computed(documents=1_000_000, daily_change=0.05)["disk"]["total_gb"] > small["disk"]["total_gb"]


def test_a_limit_is_where_its_figure_reaches_it() -> None:
    found = computed()
    (build,) = [text for text in found["limits"] if "the build takes longer" in text]
    chunks = float(build.partition(" ")[0].replace(",", ""))
    at_limit = computed(documents=int(chunks / 10))
    assert at_limit["hours"]["build"] == pytest.approx(6, rel=0.1)
    places = [float(text.partition(" ")[0].replace(",", "")) for text in found["limits"]]
    assert places == sorted(places)


def test_the_page_quotes_what_the_model_says() -> None:
    for dimension, column in ((384, 1), (768, 2)):
        found = computed(dimension=dimension)
        row = {cells[0].strip(): cells[column].strip() for line in PAGE.splitlines() if line.startswith("| ")
               for cells in [line.strip("|").split("|")] if len(cells) == 3}
        disk = found["disk"]
        assert row["HNSW index (and once more while it is rebuilt)"] == f"{disk['chunk_hnsw_gb']:.0f} GB"
        assert row["disk of Postgres, index apart"] == f"{disk['total_gb'] - disk['chunk_hnsw_gb']:.0f} GB"
        assert row["memory of the first build"] == f"{found['memory']['build_gb']:.0f} GB"
        assert row["the gate `index_recall`: 64 exact searches"] == f"{found['hours']['index_recall_gate']:.1f} h"
        hours = (found["hours"][name] for name in ("chunk_first", "write_first", "build", "seal"))
        assert row["hours of the first load: chunk, write, build (8 processes), seal"] == ", ".join(f"{hour:.1f}" for hour in hours)
        assert row["WAL a day"] == f"{disk['wal_daily_gb']:.0f} GB"


def test_the_command_prints_one_object() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT), "--documents", "1000", "--texts-per-second", "100", "--json"], capture_output=True, text=True,
                          check=True)
    found = json.loads(done.stdout)
    assert found["inputs"]["documents"] == 1000
    assert found["embedding"]["gpu_hours_first"] == pytest.approx(10_000 / 100 / 3600)
