#!/usr/bin/env python3
"""Sets a plain text as a PDF, with no library: the sample PDF of the quick start is made by
    examples/make_pdf.py examples/agents-with-budgets.txt examples/documents/articles/agents-with-budgets.pdf
Lines with "# " and "## " are the title and the headings; other lines are paragraphs. ASCII only."""
import sys

# Widths of Helvetica's characters 32..126 in thousandths, from Adobe's font metrics.
WIDTHS = [int(w) for w in """278 278 355 556 556 889 667 191 333 333 389 584 278 333 278 278 556 556 556
556 556 556 556 556 556 556 278 278 584 584 584 556 1015 667 667 722 722 667 611 778 722 278 500 667 556
833 722 778 667 778 722 667 611 722 667 944 667 667 611 278 278 278 469 556 333 556 556 500 556 556 278
556 556 222 222 500 222 833 556 556 556 556 333 500 278 556 500 722 500 500 500 334 260 334 584""".split()]
PAGE_WIDTH, PAGE_HEIGHT, MARGIN = 595, 842, 72


def width(words, size):
    return sum(WIDTHS[ord(c) - 32] for c in words) * size / 1000


def wrapped(words, size):
    line = ""
    for word in words.split():
        longer = f"{line} {word}".strip()
        if line and width(longer, size) > PAGE_WIDTH - 2 * MARGIN:
            yield line
            longer = word
        line = longer
    yield line


def pages(text):
    page, y = [], PAGE_HEIGHT - MARGIN
    for paragraph in filter(None, text.split("\n")):
        marks = len(paragraph) - len(paragraph.lstrip("#"))
        size, font = {0: (11, "R"), 1: (20, "B"), 2: (14, "B")}[marks]
        y -= size * (0.6 if marks == 0 else 1.2)
        for line in wrapped(paragraph[marks:], size):
            if y < MARGIN + size:
                yield page
                page, y = [], PAGE_HEIGHT - MARGIN
            y -= size * 1.35
            escaped = line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
            page.append(f"BT /{font} {size} Tf {MARGIN} {y:.1f} Td ({escaped}) Tj ET")
    yield page


def pdf(text):
    title = text.split("\n", 1)[0].lstrip("# ")
    streams = ["\n".join(page) for page in pages(text)]
    kids = " ".join(f"{6 + 2 * i} 0 R" for i in range(len(streams)))
    objects = ["<< /Type /Catalog /Pages 2 0 R >>",
               f"<< /Type /Pages /Kids [{kids}] /Count {len(streams)} >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
               "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
               f"<< /Title ({title}) /Producer (Weft) >>"]
    for i, stream in enumerate(streams):
        objects.append(f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {PAGE_WIDTH} {PAGE_HEIGHT}] "
                       f"/Resources << /Font << /R 3 0 R /B 4 0 R >> >> /Contents {7 + 2 * i} 0 R >>")
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
    out, offsets = "%PDF-1.4\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    out += "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    return out + (f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 5 0 R >>\n"
                  f"startxref\n{start}\n%%EOF\n")


if __name__ == "__main__":
    with open(sys.argv[1], encoding="ascii") as source, open(sys.argv[2], "wb") as target:
        target.write(pdf(source.read()).encode("ascii"))
