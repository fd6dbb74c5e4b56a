"""OpenVINO's runtime without its converter of models: the only place that imports it.

Importing the converter (`openvino.tools.ovc`) looks up www.google-analytics.com, sends who imports it from there, and writes to ~/intel/,
unless a file in the home folder says no: its telemetry is on by default. Nothing here converts a model, and `openvino` does
without it where it cannot be imported.
"""

import sys

sys.modules.setdefault("openvino.tools.ovc", None)  # pyright: ignore[reportArgumentType]  (what makes an import fail)
sys.modules.setdefault("openvino_telemetry", None)  # pyright: ignore[reportArgumentType]

import openvino as ov  # noqa: E402  after the lines above
import openvino.opset13 as op  # noqa: E402

__all__ = ["op", "ov"]
