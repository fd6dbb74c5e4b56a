"""Compare how quickly documents are read now and at a revision, format by format: processor time, in one run, by turns.

    python bench/parse_speed.py --against da3d3b2 [--formats pdf docx] [--rounds 5] [--json]

The revision is checked out into a temporary worktree, and both are run by this Python, so that libraries are the same. Documents are made
here. A figure is the processor time of the process and of its reader for 40 documents, less that for 2 of them: starting is not counted.
The ratio is now over then, of the fastest rounds; 1.3 is the bound. Memory is the reader's largest, in MiB.
"""

import argparse
import io
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

FEW, MANY = 2, 42
WORDS = (
    "the", "patient", "dose", "of", "insulin", "is", "given", "before", "meals", "and", "checked", "by", "nurse", "after", "10", "mg",
    "or", "2.5", "mL", "each", "hour", "if", "pressure", "falls", "below", "90", "mmHg", "then", "call", "doctor", "on", "ward", "seven",
    "until", "review", "blood", "sugar", "potassium", "renal", "function", "normal", "range",
)
WORKER = """
import json, resource, sys
from pathlib import Path
from kb_platform.ingest.parse_many import parse_documents
from kb_platform.knowledge.documents import Document, RawDocument
def seconds():
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(s.ru_utime + s.ru_stime for s in spent)
files, media, costs = sorted(Path(sys.argv[1]).iterdir()), sys.argv[2], []
for count in (int(n) for n in sys.argv[3:]):
    raws, began = [RawDocument(f.name, f.read_bytes(), media, f.name) for f in files[:count]], seconds()
    read = list(parse_documents(raws))
    assert all(isinstance(d, Document) for d in read), read
    costs.append(seconds() - began)
print(json.dumps({"seconds": costs[1] - costs[0], "memory": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024}))
"""


def sentence(rng: random.Random, words: int) -> str:
    """Return a sentence of so many words."""
    return " ".join(rng.choices(WORDS, k=words)).capitalize() + "."


def pdf(rng: random.Random) -> bytes:
    """Return six pages of lines, each one drawing instruction, as a word processor prints them; one page has a ruled table."""
    pages = [f"BT /F1 11 Tf 14 TL 72 740 Td {' '.join(f'({sentence(rng, 12)}) Tj T*' for _ in range(45))} ET" for _ in range(5)]
    rules = " ".join(f"72 {y} m 540 {y} l S" for y in range(100, 701, 30)) + " " + " ".join(f"{x} 100 m {x} 700 l S" for x in range(72, 541, 117))
    cells = " ".join(f"BT /F1 9 Tf 1 0 0 1 {x + 4} {y + 10} Tm ({sentence(rng, 3)}) Tj ET" for y in range(100, 700, 30) for x in range(72, 540, 117))
    streams = [page.encode() for page in (*pages, f"0.5 w {rules} {cells}")]
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(streams)))
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>", f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>".encode(),
               b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    for n, stream in enumerate(streams):
        objects += [f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * n} 0 R /Resources << /Font << /F1 3 0 R >> >> >>".encode(),
                    b"<< /Length %d >> stream\n%s\nendstream" % (len(stream), stream)]
    out, offsets = b"%PDF-1.4\n", list[int]()
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    end = b"trailer << /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, len(out))
    return out + b"xref\n0 %d\n0000000000 65535 f \n%s" % (len(objects) + 1, table) + end


def word(rng: random.Random) -> bytes:
    """Return a Word document: headings, paragraphs of some runs, lists, a table."""
    import docx

    document: Any = docx.Document()
    for part in range(8):
        document.add_heading(f"Part {part}", 1 + part % 2)
        for _ in range(8):
            paragraph = document.add_paragraph()
            for n in range(4):
                paragraph.add_run(sentence(rng, 12) + " ").bold = n == 1
        for _ in range(5):
            document.add_paragraph(sentence(rng, 8), style="List Number")
    table = document.add_table(20, 4)
    for row in table.rows:
        for cell in row.cells:
            cell.text = sentence(rng, 3)
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def rows(rng: random.Random) -> bytes:
    """Return a CSV table."""
    return "\n".join(["drug,dose,route,remark", *(f"drug {n},{n} mg,oral,\"{sentence(rng, 8)}\"" for n in range(800))]).encode()


def article(rng: random.Random) -> bytes:
    """Return a JATS article with sections, references, exponents, a list and a table."""
    def paragraph() -> str:
        return f"<p>{sentence(rng, 40)} <italic>{sentence(rng, 3)}</italic> 10<sup>9</sup>/L <xref ref-type='bibr' rid='b1'>1</xref> {sentence(rng, 20)}</p>"

    cells = "".join(f"<tr>{''.join(f'<td>{sentence(rng, 3)}</td>' for _ in range(5))}</tr>" for _ in range(20))
    items = "".join(f"<list-item><p>{sentence(rng, 10)}</p></list-item>" for _ in range(10))
    parts = "".join(f"<sec><title>Part {n}</title>{''.join(paragraph() for _ in range(8))}</sec>" for n in range(8))
    return (f"<article><front><article-meta><title-group><article-title>Made</article-title></title-group></article-meta></front><body>{parts}"
            f"<sec><title>Lists</title><list list-type='order'>{items}</list><table-wrap><table>{cells}</table></table-wrap></sec></body></article>").encode()


def page(rng: random.Random) -> bytes:
    """Return a web page."""
    parts = "".join(f"<h2>Part {n}</h2>" + "".join(f"<p>{sentence(rng, 40)} <b>{sentence(rng, 3)}</b></p>" for _ in range(8)) for n in range(8))
    return f"<html><head><title>Made</title></head><body><nav><a href='/'>Home</a></nav><main>{parts}</main></body></html>".encode()


def markdown(rng: random.Random) -> bytes:
    """Return Markdown."""
    return "\n\n".join(f"## Part {n}\n\n" + "\n\n".join(f"{sentence(rng, 40)} **{sentence(rng, 3)}**" for _ in range(8)) for n in range(8)).encode()


WORD = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"
FORMATS: dict[str, tuple[str, Callable[[random.Random], bytes]]] = {
    "pdf": ("application/pdf", pdf), "docx": (WORD, word), "csv": ("text/csv", rows), "jats": ("application/xml", article),
    "html": ("text/html", page), "markdown": ("text/markdown", markdown),
}


@contextmanager
def checked_out(revision: str) -> Iterator[Path]:
    """Give a worktree of a revision, and take it away again."""
    here = Path(__file__).parent.parent
    with tempfile.TemporaryDirectory(prefix="kb-parse-speed-") as folder:
        tree = Path(folder) / "tree"
        subprocess.run(["git", "worktree", "add", "--detach", "--quiet", str(tree), revision], cwd=here, check=True)
        try:
            yield tree
        finally:
            subprocess.run(["git", "worktree", "remove", "--force", str(tree)], cwd=here, check=True)


def measure(tree: Path, files: Path, media: str) -> dict[str, float]:
    """Return seconds of the processor, and the reader's memory, for one format in one tree."""
    command = [sys.executable, "-c", WORKER, str(files), media, str(FEW), str(MANY)]
    done = subprocess.run(command, cwd=tree, env={"PYTHONPATH": str(tree), "PATH": "/usr/bin:/bin"}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{tree}: {done.stderr[-2000:]}")
    return json.loads(done.stdout)


def compared(name: str, then: Path, folder: Path, rounds: int) -> dict[str, float]:
    """Return documents a second of both, and their ratio, for one format."""
    media, make = FORMATS[name]
    files = folder / name
    files.mkdir()
    for n in range(MANY):
        (files / f"{n:03}").write_bytes(make(random.Random(n)))  # noqa: S311
    here = Path(__file__).parent.parent
    found = [(measure(then, files, media), measure(here, files, media)) for _ in range(rounds)]
    before, now = (min(pair[side]["seconds"] for pair in found) for side in (0, 1))
    return {"then": round((MANY - FEW) / before, 1), "now": round((MANY - FEW) / now, 1), "ratio": round(now / before, 2),
            "memory_then": round(max(a["memory"] for a, _ in found)), "memory_now": round(max(b["memory"] for _, b in found))}


def main() -> None:
    """Measure each format and print a line for it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--against", required=True, help="a revision of git")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    report = {}
    with checked_out(args.against) as then, tempfile.TemporaryDirectory(prefix="kb-parse-files-") as folder:
        for name in args.formats:
            report[name] = compared(name, then, Path(folder), args.rounds)
            if not args.json:
                print(name, *(f"{key} {value}" for key, value in report[name].items()), flush=True)
    if args.json:
        print(json.dumps(report))


if __name__ == "__main__":
    main()
