"""Which devices of this machine PyTorch may use, and in which arithmetic."""

from pathlib import Path
from typing import Any, Literal

from kb_platform.index.model_files import read_json
from kb_platform.index.pytorch import pytorch
from kb_platform.knowledge.errors import ConfigError

TorchPrecision = Literal["auto", "f16", "bf16", "f32"]
BF16_SINCE = (8, 0)  # compute capability


def gpus() -> list[str]:
    """Return every GPU that this process may use, as PyTorch names them.

    Raises:
        ConfigError: PyTorch is not installed, or sees none. The processor is not taken in their place: it would be a hundred times slower.
    """
    torch = pytorch()
    if not torch.cuda.is_available():
        built = torch.version.cuda
        found = f"PyTorch {torch.__version__} sees no GPU" if built else f"PyTorch {torch.__version__} is built without CUDA"
        raise ConfigError(found, where="KB_EMBEDDER=cuda", expected="a GPU, its driver, and a PyTorch for them",
                          action="request one for the pod; or set KB_EMBEDDER to cpu, or torch for models that are no BERT")
    return [f"cuda:{number}" for number in range(torch.cuda.device_count())]


def arithmetic(wanted: TorchPrecision, devices: list[str], folder: Path) -> Any:
    """Return the torch.dtype to compute in.

    auto is float32 on a processor. On a GPU it is float16, which keeps three digits more than bfloat16 does; but bfloat16 for models
    that are stored in it, as their values may be too large for float16.

    Raises:
        ConfigError: a GPU has no bfloat16 units.
    """
    torch = pytorch()

    if wanted == "auto":
        config = read_json(folder / "config.json")
        stored = str(config.get("dtype") or config.get("torch_dtype"))
        wanted = "f32" if devices == ["cpu"] else "bf16" if stored == "bfloat16" else "f16"
    if wanted == "bf16" and devices != ["cpu"]:
        old = [device for device in devices if torch.cuda.get_device_capability(device) < BF16_SINCE]
        if old:
            raise ConfigError(f"{', '.join(old)} without bfloat16 units", expected="compute capability 8.0", action="set KB_EMBEDDER_PRECISION=f32")
    return {"f16": torch.float16, "bf16": torch.bfloat16, "f32": torch.float32}[wanted]
