#!/usr/bin/env python3
"""Writes tests/data/docs/report.pdf: a small document of our own for the whole way of a PDF.

Two columns whose lines are not level under a title across both, running heads, page numbers, words
cut at the ends of lines, ligatures by glyph name, a table, a field of a form with a value, a page
without text. No compression, so that it can be read in an editor; base fonts, so that it is small.
"""
import pathlib
import sys

LEFT = ["Small models know little, but with",
        "the right page before them they",
        "know enough. This report has two",
        "columns, and the left one is to be",
        "read to its end before the right",
        "one begins. A word is cut here, in",
        "the \x01nest print; and the topo-",
        "logy of pages stays what it was: a"]
RIGHT = ["long-term matter of o\x02ces. The",
         "topology of pages, and a well-known",
         "long-term plan, are named again so",
         "that a reader can tell which of the",
         "hyphens belong to a word. All lines",
         "of this side stand a bit lower than",
         "those of the other side, as in most",
         "printed papers of two columns."]
ROWS = [("Country", "Capital", "Population"), ("Austria", "Vienna", "8.9"),
        ("Belgium", "Brussels", "11.5"), ("Denmark", "Copenhagen", "5.8")]


def show(x, y, size, text, font="F1"):
    escaped = text.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
    return f"BT /{font} {size} Tf {x} {y} Td ({escaped}) Tj ET\n"


def content(page):
    out = show(60, 760, 9, "A Report on Pages") + show(500, 760, 9, f"page {page}")
    if page == 1:
        out += show(140, 710, 18, "How Pages Are Read", "F2")
        for i in range(len(LEFT)):
            out += show(60, 670 - 13 * i, 10, LEFT[i]) + show(330, 666 - 13 * i, 10, RIGHT[i])
    elif page == 2:
        out += show(60, 710, 14, "A Table", "F2")
        for i, row in enumerate(ROWS):
            for k, cell in enumerate(row):
                out += show(60 + 130 * k, 680 - 14 * i, 10, cell)
        out += show(60, 600, 10, "Table 1: Three countries and how many live there.")
    else:
        out += show(60, 710, 10, "Name of the reader:")
    return out.encode("latin-1")


def main(path):
    encoding = "<< /Type /Encoding /BaseEncoding /WinAnsiEncoding /Differences [1 /fi 2 /ffi] >>"
    fonts = "<< /F1 5 0 R /F2 6 0 R >>"
    box = "/MediaBox [0 0 595 842]"
    objects = {
        1: "<< /Type /Catalog /Pages 2 0 R /AcroForm << /Fields [11 0 R] >> "
           "/PageLabels << /Nums [0 << /S /D >> 3 << /S /r >>] >> >>",
        3: "<< /Title (A Report on Pages) /Author (Phial) >>",
        5: f"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding {encoding} >>",
        6: "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
        11: "<< /Type /Annot /Subtype /Widget /FT /Tx /T (name) /V (Ada Lovelace) /P 9 0 R "
            "/Rect [160 700 400 722] /DA (/F1 10 Tf) >>",
    }
    kids = []
    for page in (1, 2, 3, 4):
        number = 6 + page
        kids.append(f"{number} 0 R")
        extra = "/Annots [11 0 R]" if page == 3 else ""
        body = f"/Contents {11 + page} 0 R" if page < 4 else ""
        objects[number] = (f"<< /Type /Page /Parent 2 0 R {box} /Resources << /Font {fonts} >> "
                           f"{body} {extra} >>")
    objects[2] = f"<< /Type /Pages /Count 4 /Kids [{' '.join(kids)}] >>"
    out = bytearray(b"%PDF-1.5\n")
    offsets = {}
    streams = {11 + page: content(page) for page in (1, 2, 3)}
    last = max(max(objects), max(streams))
    for number in range(1, last + 1):
        offsets[number] = len(out)
        if number in streams:
            out += b"%d 0 obj\n<< /Length %d >>\nstream\n" % (number, len(streams[number]))
            out += streams[number] + b"endstream\nendobj\n"
        else:
            out += f"{number} 0 obj\n{objects.get(number, 'null')}\nendobj\n".encode()
    xref = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (last + 1)
    for number in range(1, last + 1):
        out += b"%010d 00000 n \n" % offsets[number]
    out += b"trailer\n<< /Size %d /Root 1 0 R /Info 3 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (last + 1,
                                                                                        xref)
    pathlib.Path(path).write_bytes(out)


main(sys.argv[1] if len(sys.argv) > 1 else
     pathlib.Path(__file__).parent.parent / "data" / "docs" / "report.pdf")
