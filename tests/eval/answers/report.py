#!/usr/bin/env python3
"""Draws what evaluate.py measured: risk and coverage, and refusals, as one SVG.

report.py RESULTS.json... --svg risk-coverage.svg     (RESULTS.json: evaluate.py --out)

Left: sweeping the threshold, the share of wrong answers among those given (risk) against the share of all
questions that is answered (coverage); an answer to an absent question is wrong. Right: the share of absent
questions refused against the share of answerable ones refused. Dots: the default threshold.
"""
import argparse
import json
import pathlib

WIDTH, HEIGHT, SIDE = 860, 420, 320
TOP, LEFT, GAP = 50, 60, 90
COLOURS = ["#0b62a4", "#c4510c", "#3a7d34", "#7b3f98"]


def curves(results):
    """[(threshold, coverage, risk, refused of answerable, refused of absent)], from none to all given."""
    rows = [(r["confidence"], r["contains"] > 0, True) for r in results["answerable"]]
    rows += [(r["confidence"], False, False) for r in results["absent"]]
    answerable = len(results["answerable"])
    points = []
    for threshold in sorted({r[0] for r in rows} | {results["summary"]["threshold"], 0.0}, reverse=True):
        given = [r for r in rows if r[0] >= threshold]
        if not given:
            continue
        points.append((threshold, len(given) / len(rows), sum(1 for r in given if not r[1]) / len(given),
                       1 - sum(1 for r in given if r[2]) / answerable,
                       1 - sum(1 for r in given if not r[2]) / max(1, len(rows) - answerable)))
    return points


class Panel:
    def __init__(self, left, title, x_label, y_label):
        self.left, self.parts = left, []
        self.text(left + SIDE / 2, TOP - 22, title, anchor="middle", weight="bold")
        self.text(left + SIDE / 2, TOP + SIDE + 38, x_label, anchor="middle")
        y = TOP + SIDE / 2
        self.parts.append(f'<text x="{left - 42}" y="{y}" text-anchor="middle" '
                          f'transform="rotate(-90 {left - 42} {y})">{y_label}</text>')
        for step in range(0, 11, 2):
            x, y = self.at(step / 10, step / 10)
            self.parts.append(f'<path d="M{x:.1f} {TOP}V{TOP + SIDE}M{left} {y:.1f}H{left + SIDE}" class="grid"/>')
            self.text(x, TOP + SIDE + 18, f"{step * 10} %", anchor="middle")
            self.text(left - 6, y + 4, f"{step * 10}", anchor="end")

    def at(self, x, y):
        return self.left + x * SIDE, TOP + (1 - y) * SIDE

    def text(self, x, y, text, anchor="start", weight="normal", colour="#222"):
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" font-weight="{weight}" '
                          f'fill="{colour}">{text}</text>')

    def line(self, points, colour):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (self.at(*p) for p in points))
        self.parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')

    def dot(self, point, colour):
        x, y = self.at(*point)
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}" stroke="#fff"/>')


def draw(all_results):
    left = Panel(LEFT, "Risk and coverage", "questions answered (coverage)", "answers that are wrong, % (risk)")
    right = Panel(LEFT + SIDE + GAP, "Refusals", "answerable questions refused", "absent questions refused, %")
    for i, results in enumerate(all_results):
        colour, points = COLOURS[i % len(COLOURS)], curves(results)
        threshold = results["summary"]["threshold"]
        default = min(points, key=lambda p: abs(p[0] - threshold))
        left.line([(p[1], p[2]) for p in points], colour)
        right.line([(p[3], p[4]) for p in points], colour)
        left.dot((default[1], default[2]), colour)
        right.dot((default[3], default[4]), colour)
        left.text(LEFT + 12, TOP + 20 + 18 * i, results["summary"]["model"], colour=colour, weight="bold")
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            'font-family="sans-serif" font-size="12">\n<style>.grid{stroke:#ddd;fill:none}</style>\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>\n' + "\n".join(left.parts + right.parts) + "\n</svg>\n")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("results", nargs="+")
    options.add_argument("--svg", required=True)
    args = options.parse_args()
    results = [json.loads(pathlib.Path(path).read_text(encoding="utf-8")) for path in args.results]
    pathlib.Path(args.svg).write_text(draw(results), encoding="utf-8")


if __name__ == "__main__":
    main()
