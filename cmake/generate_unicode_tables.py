#!/usr/bin/env python3
"""Writes inference/unicode_tables.inc from the Unicode Character Database.

Run:  cmake/generate_unicode_tables.py [/usr/share/unicode] > inference/unicode_tables.inc
The input is Debian's package unicode-data (UnicodeData.txt, PropList.txt); the output is committed,
so that a build needs neither.
"""

import sys
from pathlib import Path

LAST = 0x10FFFF
# The bits of weft::inference::CharacterTraits, in its order.
LETTER, NUMBER, SPACE, PUNCTUATION, NONSPACING, OTHER = (1 << bit for bit in range(6))


def ranges_of(line):
    first, _, last = line.split(";")[0].strip().partition("..")
    return int(first, 16), int(last or first, 16)


def read_unicode_data(path):
    """General category (unassigned: Cn), simple lowercase and canonical decomposition."""
    category = ["Cn"] * (LAST + 1)
    lower, decomposition = {}, {}
    first = 0
    for line in path.read_text().splitlines():
        fields = line.split(";")
        code = int(fields[0], 16)
        if fields[1].endswith(", First>"):
            first = code
        start = first if fields[1].endswith(", Last>") else code
        for c in range(start, code + 1):
            category[c] = fields[2]
        if fields[13]:
            lower[code] = int(fields[13], 16)
        if fields[5] and not fields[5].startswith("<"):
            decomposition[code] = [int(part, 16) for part in fields[5].split()]
    return category, lower, decomposition


def read_white_space(path):
    space = set()
    for line in path.read_text().splitlines():
        line = line.split("#")[0]
        if line.strip() and line.split(";")[1].strip() == "White_Space":
            first, last = ranges_of(line)
            space.update(range(first, last + 1))
    return space


def traits(code, category, space):
    bits = SPACE if code in space else 0
    kind = category[code]
    bits |= {"L": LETTER, "N": NUMBER, "P": PUNCTUATION, "C": OTHER}.get(kind[0], 0)
    if kind == "Cn":  # unassigned: as good as a symbol
        bits = 0
    return bits | (NONSPACING if kind == "Mn" else 0)


def full_decomposition(code, decomposition):
    if code not in decomposition:
        return [code]
    return [c for part in decomposition[code] for c in full_decomposition(part, decomposition)]


def print_table(name, kind, rows):
    print(f"\nconstexpr {kind} {name}[] = {{")
    line = "   "
    for row in rows:
        if len(line) + len(row) + 2 > 100:
            print(line)
            line = "   "
        line += f" {row},"
    print(f"{line}\n}};")


def main():
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "/usr/share/unicode")
    category, lower, decomposition = read_unicode_data(root / "UnicodeData.txt")
    space = read_white_space(root / "PropList.txt")
    version = (root / "PropList.txt").read_text().split("\n")[0].split("-")[1].removesuffix(".txt")

    print(f"// Made by cmake/generate_unicode_tables.py from Unicode {version}. Do not edit.")
    runs = []  # where the traits change: each run lasts until the next one's start
    for code in range(LAST + 1):
        bits = traits(code, category, space)
        if not runs or runs[-1][1] != bits:
            runs.append((code, bits))
    print_table("kTraitRuns", "TraitRun", [f"{{{c:#x}, {bits}}}" for c, bits in runs])

    # Code points above ASCII whose lowercase or canonical decomposition differs from themselves.
    folded = sorted(c for c in lower if c > 0x7F)
    print_table("kLowercase", "CodePointPair", [f"{{{c:#x}, {lower[c]:#x}}}" for c in folded])

    pool, rows = [], []
    for code in sorted(decomposition):
        parts = full_decomposition(code, decomposition)
        rows.append(f"{{{code:#x}, {len(pool)}, {len(parts)}}}")
        pool += parts
    print_table("kDecompositions", "DecompositionRow", rows)
    print_table("kDecompositionPool", "char32_t", [f"{c:#x}" for c in pool])


main()
