"""The process that opens PDFs: reads length and bytes, answers with one line of JSON, until its input ends."""

import json
import resource
import sys

MEMORY = 1 << 30


def extract(content: bytes) -> dict[str, str]:
    """Return title and text, or the reason why there is none."""
    import pypdfium2 as pdfium

    try:
        document = pdfium.PdfDocument(content)
    except pdfium.PdfiumError as error:
        return {"reason": "encrypted" if "password" in str(error).lower() else "truncated or damaged PDF"}
    try:
        pages = [document[n].get_textpage().get_text_bounded() for n in range(len(document))]
    except pdfium.PdfiumError:
        return {"reason": "damaged PDF"}
    text = "\n\n".join(pages)
    title = document.get_metadata_dict().get("Title", "")
    return {"title": title, "text": text} if text.strip() else {"reason": "no text layer (scanned?)"}


def main() -> None:
    """Serve until the input ends."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    while header := sys.stdin.buffer.read(8):
        answer = extract(sys.stdin.buffer.read(int.from_bytes(header)))
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
