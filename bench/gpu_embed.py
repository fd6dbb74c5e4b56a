"""Measure embedding on one GPU, or on this processor: texts and tokens a second, TFLOP/s, and the share of what the device could do.

    python bench/gpu_embed.py                                 a CUDA machine: MiniLM-L6 and a model of bge-base's size
    python bench/gpu_embed.py --device cpu --tiny             any machine with the extra `gpu`: some minutes
    python bench/gpu_embed.py --model minilm --json           one model; one JSON object on standard output

`--model` is minilm (the bundled one), base (12 layers of 768 with random weights: speed does not depend on them), tiny, or a folder. What the
device can do is measured in the same run: a large matrix product in each arithmetic, and a large copy. FLOPs are those of the matrix
products over real tokens, so that padding is lost time. The roofline is what those FLOPs would take at the speed of the matrix product, or
what the layers read and write would take at the speed of the copy, whichever is longer; fused kernels move less than that counts.

The peer is the loop of sentence-transformers: sorted by length, 32 texts a batch, padded, one thread. On a GPU seconds are those of the
clock; on a processor they are processor-seconds, which other work on the machine disturbs least. Compare figures of one run only.
"""

import argparse
import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from kb_platform.index.agreement import least_cosine
from kb_platform.index.bundled_model import bundled_folder, bundled_space
from kb_platform.index.embed import OpenVinoEmbedder
from kb_platform.index.model_files import read_json
from kb_platform.index.model_folder import space_of
from kb_platform.index.model_inputs import ModelInputs
from kb_platform.index.pytorch import pytorch, transformers
from kb_platform.index.token_batches import token_batches
from kb_platform.index.tokens import ModelTokenizer
from kb_platform.index.torch_devices import TorchPrecision
from kb_platform.index.torch_embedder import TorchEmbedder
from kb_platform.index.torch_encoder import TorchEncoder
from kb_platform.index.torch_model import load_model, use_packed
from kb_platform.knowledge.spaces import EmbeddingChoice, EmbeddingSpace
from kb_platform.settings import SHIPPED_DEFS

SHAPES = {"base": (768, 12, 12, 3072), "tiny": (64, 2, 2, 128)}  # hidden, layers, heads, inner
COMPARED = 64  # texts
DTYPES = {"f16": "float16", "bf16": "bfloat16", "f32": "float32"}
PEER_BATCH = 32
ROUNDS = 3


@dataclass(frozen=True)
class Device:
    """What was measured of the device: TFLOP/s of a matrix product by arithmetic, and GB/s of a copy, reading and writing counted."""

    name: str
    matmul: dict[str, float]
    bandwidth: float


@dataclass(frozen=True)
class Work:
    """One model's task: texts, their tokens, and what these cost."""

    folder: Path
    space: EmbeddingSpace
    texts: list[str]
    tokens: list[list[int]]
    shape: dict[str, int]

    @property
    def flops(self) -> float:
        """Return the FLOPs of the matrix products over real tokens."""
        hidden, inner = self.shape["hidden_size"], self.shape["intermediate_size"]
        products = 2 * (4 * hidden**2 + 2 * hidden * inner)
        return float(sum(self.shape["num_hidden_layers"] * (len(ids) * products + 4 * len(ids) ** 2 * hidden) for ids in self.tokens))

    def bytes_moved(self, width: int) -> float:
        """Return what the layers read and write of activations, each kernel by itself: 24 hidden and 4 inner vectors a token."""
        each = 24 * self.shape["hidden_size"] + 4 * self.shape["intermediate_size"]
        return float(sum(map(len, self.tokens)) * self.shape["num_hidden_layers"] * each * width)


@dataclass(frozen=True)
class Result:
    """One way of computing. `matmul_share` is of the measured matrix product, `roofline_share` of the roofline."""

    model: str
    variant: str
    texts_per_s: float
    tokens_per_s: float
    tflops: float = 0.0
    matmul_share: float = 0.0
    roofline_share: float = 0.0
    cosine: float | None = None


def measure_device(device: str) -> Device:
    """Measure matrix products and a copy."""
    torch = pytorch()
    size, gib = (8192, 1.0) if device != "cpu" else (2048, 0.125)
    matmul = {}
    for precision in DTYPES if device != "cpu" else ("bf16", "f32"):
        a, b = (torch.randn(size, size, device=device).to(getattr(torch, DTYPES[precision])) for _ in range(2))
        torch.matmul(a, b)
        matmul[precision] = 2 * size**3 / best(lambda a=a, b=b: torch.matmul(a, b), device, inner=20 if device != "cpu" else 1) / 1e12
    source = torch.empty(int(gib * 2**28), device=device)
    target = source.clone()
    seconds = best(lambda: target.copy_(source), device, inner=20 if device != "cpu" else 1)
    name = torch.cuda.get_device_name(device) if device != "cpu" else f"processor, {torch.get_num_threads()} threads"
    return Device(name, matmul, 2 * source.nbytes / seconds / 1e9)


def best(call: Callable[[], object], device: str, inner: int = 1) -> float:
    """Return the seconds of one call, the best of some rounds: by the clock on a GPU, of all processors together on a processor."""
    clock, times = (time.process_time if device == "cpu" else time.perf_counter), []
    for _ in range(ROUNDS):
        begun = clock()
        for _ in range(inner):
            call()
        if device != "cpu":
            pytorch().cuda.synchronize(device)
        times.append((clock() - begun) / inner)
    return min(times)


def make_texts(count: int, tokens: int, tokenizer: ModelTokenizer) -> list[str]:
    """Return runs of words of the sample handbook, of half to the whole of so many tokens, evenly spread."""
    words = " ".join(path.read_text() for path in sorted((SHIPPED_DEFS / "handbook" / "documents").rglob("*.md"))).split()
    chance, per_word = np.random.default_rng(1), tokenizer.count(" ".join(words)) / len(words)
    texts = []
    for _ in range(count):
        length = int((tokens - tokenizer.special_tokens) * chance.uniform(0.5, 1) / per_word)
        start = int(chance.integers(len(words) - length))
        texts.append(tokenizer.truncate(" ".join(words[start : start + length]), tokens - tokenizer.special_tokens))
    return texts


def make_model(folder: Path, name: str) -> Path:
    """Write a BERT folder of a shape, with random weights and the bundled tokenizer."""
    hidden, layers, heads, inner = SHAPES[name]
    library, target = transformers(), folder / name
    pytorch().manual_seed(1)
    config = library.BertConfig(hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner)
    library.BertModel(config, add_pooling_layer=False).save_pretrained(target)
    shutil.copy(bundled_folder() / "tokenizer.json", target)
    (target / "1_Pooling").mkdir()
    (target / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return target


def prepare(name: str, scratch: Path, count: int, tokens: int) -> Work:
    """Return a model's task."""
    if name == "minilm":
        folder, space = bundled_folder(), bundled_space()
    else:
        folder = make_model(scratch, name) if name in SHAPES else Path(name)
        space = space_of(EmbeddingChoice(str(folder.resolve())))
    inputs = ModelInputs(space, ModelTokenizer(folder))
    texts = make_texts(count, min(tokens, space.max_tokens), inputs.tokenizer)
    return Work(folder, space, texts, inputs.ids(inputs.passages(texts)), read_json(folder / "config.json"))


class Tokenized(ModelInputs):
    """Inputs whose tokens are there already, to measure computing alone."""

    def __init__(self, work: Work) -> None:
        super().__init__(work.space, ModelTokenizer(work.folder))
        self._tokens = work.tokens

    def ids(self, inputs: Sequence[str], first: int = 0) -> list[list[int]]:
        """Return the tokens of these texts."""
        return self._tokens[first : first + len(inputs)]


def peer(work: Work, device: str, precision: str) -> Callable[[], np.ndarray]:
    """Return the plain loop: tokenize all, sort by length, 32 texts at a time, padded, each waited for."""
    torch = pytorch()
    dtype = getattr(torch, DTYPES[precision])
    model = load_model(work.folder, torch.float32).to(device=device, dtype=dtype)
    use_packed(model, packed=False)
    encoder, inputs = TorchEncoder(model, device, work.space, packed=False), ModelInputs(work.space, ModelTokenizer(work.folder))

    def run() -> np.ndarray:
        out, tokens = np.empty((len(work.texts), work.space.dimension), np.float32), inputs.ids(inputs.passages(work.texts))
        order = sorted(range(len(tokens)), key=lambda i: -len(tokens[i]))
        for rows in (order[i : i + PEER_BATCH] for i in range(0, len(order), PEER_BATCH)):
            batch = next(token_batches([tokens[i] for i in rows], 1 << 30))
            out[np.asarray(rows)[batch.rows]] = encoder.vectors(batch)
        return out

    return run


def ways(work: Work, device: str) -> Iterator[tuple[str, str, Callable[[], np.ndarray]]]:
    """Yield name, arithmetic and call of each way of computing; a model is loaded when its turn comes."""
    if device == "cpu":
        openvino = OpenVinoEmbedder(work.folder, work.space)
        yield f"openvino {openvino.precision}", openvino.precision, lambda: openvino.embed(work.texts)
    for precision in ("f32", "f16") if device != "cpu" else ("f32",):
        yield f"peer {precision}, 32 a batch", precision, peer(work, device, precision)
    arithmetics: Sequence[TorchPrecision] = ("f16", "bf16") if device != "cpu" else ("f32", "bf16")
    for precision in arithmetics:
        for packed in (False, True):
            embedder = TorchEmbedder(work.folder, work.space, [device], precision, packed=packed)
            layout = "end to end" if packed else "padded"
            yield f"torch {precision}, {layout}", precision, lambda embedder=embedder: embedder.embed(work.texts)
            if device != "cpu":
                embedder.inputs = Tokenized(work)
                yield f"torch {precision}, {layout}, tokenized before", precision, lambda embedder=embedder: embedder.embed(work.texts)


def bench_model(name: str, work: Work, device: str, measured: Device) -> Iterator[Result]:
    """Yield a result for each way of computing; the first is tokenizing alone."""
    count, tokens = len(work.texts), sum(map(len, work.tokens))
    inputs = ModelInputs(work.space, ModelTokenizer(work.folder))
    seconds = best(lambda: inputs.ids(inputs.passages(work.texts)), device)
    yield Result(name, "tokenizing alone", count / seconds, tokens / seconds)
    some = Work(work.folder, work.space, work.texts[:COMPARED], work.tokens[:COMPARED], work.shape)
    expected = peer(some, "cpu", "f32")()
    for variant, precision, call in ways(work, device):
        vectors = call()
        seconds = best(call, device)
        peak = measured.matmul[precision] * 1e12
        least = max(work.flops / peak, work.bytes_moved(4 if precision == "f32" else 2) / (measured.bandwidth * 1e9))
        yield Result(name, variant, count / seconds, tokens / seconds, work.flops / seconds / 1e12, work.flops / seconds / peak, least / seconds,
                     least_cosine(vectors[:COMPARED], expected))


def say(result: Result) -> None:
    """Print a line."""
    cosine = "" if result.cosine is None else f"{result.tflops:9.3f} TFLOP/s {result.matmul_share:6.1%} of matmul {result.roofline_share:6.1%} of roofline  {result.cosine:.6f}"
    print(f"{result.model:8} {result.variant:38} {result.texts_per_s:10.1f} texts/s {result.tokens_per_s:12.0f} tokens/s {cosine}", flush=True)


def main() -> None:
    """Measure the device, then each model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="", help="cuda:0, or cpu; left out: the first GPU")
    parser.add_argument("--model", action="append", help="minilm, base, tiny or a folder; may be given several times")
    parser.add_argument("--texts", type=int, help="20000 on a GPU, 256 on a processor")
    parser.add_argument("--tokens", type=int, default=256, help="of the longest text")
    parser.add_argument("--tiny", action="store_true", help="the tiny model and MiniLM, with few texts: shows that everything runs")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    torch: Any = pytorch()
    device = asked.device or "cuda:0"
    if device != "cpu" and not torch.cuda.is_available():
        sys.exit("no GPU is visible; expected one, or --device cpu")
    count = asked.texts or (64 if asked.tiny else 256 if device == "cpu" else 20_000)
    measured = measure_device(device)
    if not asked.json:
        products = ", ".join(f"{name} {value:.2f}" for name, value in measured.matmul.items())
        seconds = "processor-seconds" if device == "cpu" else "seconds"
        print(f"{measured.name}; {seconds}; torch {torch.__version__}; matrix product {products} TFLOP/s; copy {measured.bandwidth:.0f} GB/s; {count} texts")
    results: list[Result] = []
    with tempfile.TemporaryDirectory() as scratch:
        for name in asked.model or (["tiny", "minilm"] if asked.tiny else ["minilm", "base"]):
            for result in bench_model(name, prepare(name, Path(scratch), count, asked.tokens), device, measured):
                results.append(result)
                if not asked.json:
                    say(result)
    if asked.json:
        print(json.dumps({"device": asdict(measured), "torch": torch.__version__, "texts": count, "results": [asdict(r) for r in results]}))


if __name__ == "__main__":
    main()
