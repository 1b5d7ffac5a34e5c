#!/usr/bin/env python3
"""Forecasts of real runs: are they right?

Coverage: a small graph on inputs of many sizes; half of the runs are learned from, and the others, which nothing is learned
from, are compared with their forecasts: the share inside the 80 % interval (goal 75 to 85 %), and the error beside that of
the mean of the last 20 runs.

Case studies: counting digits and finding a needle, in parts of several sizes: accuracy, tokens and latency, with the forecast
that each run had beside them, and the front that `weft tune` finds from them.

  tests/eval/planner/evaluate.py --weft build/release/bin/weft --models ~/.local/share/weft/models [--parts coverage counting needle]
"""
import argparse
import json
import os
import pathlib
import random
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[2]
BOOK = ROOT / "examples/documents/books/frankenstein-letters-and-chapters-1-5.txt"


class Weft:
    """The program with a data home of its own, so that nothing is known before."""

    def __init__(self, program, model, home):
        self.program, self.model, self.home = program, model, home

    def __call__(self, *arguments):
        command = [str(self.program), *map(str, arguments), "-m", str(self.model), "--threads", "1", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WEFT_HOME": str(self.home)})
        if done.returncode not in (0, 4) and '"error"' not in done.stdout:
            raise SystemExit(f"{' '.join(command)[:300]} ended with {done.returncode}: {done.stderr[-500:]}")
        return json.loads(done.stdout)


def inside(figure):
    return figure["interval_80"][0] <= figure["measured"] <= figure["interval_80"][1]


def row(*cells):
    print("| " + " | ".join(str(cell) for cell in cells) + " |", flush=True)


def relative(predicted, measured):
    return abs(predicted - measured) / measured


def coverage(weft, fit, test):
    """Half of the runs to learn from, then others."""
    rng = random.Random(6)
    text = " ".join(BOOK.read_text().split())
    inputs = []
    for _ in range(fit + test):
        length = int(250 * 6 ** rng.random())
        begin = rng.randrange(len(text) - length)
        inputs.append(f"document={text[begin:begin + length]}")
    graph = HERE / "notes.json"
    weft("predict", graph, "-i", inputs[0])  # measures the engine
    measured = [weft("run", graph, "-i", each)["usage"]["seconds"] for each in inputs[:fit]]
    made = {"seconds": [], "prompt_tokens": [], "output_tokens": [], "calls": []}
    baseline = []
    for each in inputs[fit:]:
        run = weft("run", graph, "-i", each, "--no-stats", "--record")
        for name, figures in made.items():
            figures.append(run["forecast"][name])
        baseline.append(statistics.mean(measured[-20:]))
        measured.append(run["usage"]["seconds"])
    row("figure", "inside the 80 % interval", "median error", "mean error")
    row(*["---"] * 4)
    for name, figures in made.items():
        errors = [relative(f["predicted"], f["measured"]) for f in figures]
        row(name, f"{sum(map(inside, figures))} of {test}", f"{100 * statistics.median(errors):.1f} %",
            f"{100 * statistics.mean(errors):.1f} %")
    errors = [relative(b, f["measured"]) for b, f in zip(baseline, made["seconds"])]
    row("seconds, mean of the last 20 runs", "", f"{100 * statistics.median(errors):.1f} %",
        f"{100 * statistics.mean(errors):.1f} %")
    seconds = [f["measured"] for f in made["seconds"]]
    print(f"\n{fit} runs learned from, {test} tested, {min(seconds):.2f} to {max(seconds):.2f} s each\n", flush=True)


def resized(name, size, folder):
    """The graph with parts of that size; an overlap stays just under half of them."""
    graph = json.loads((HERE / name).read_text())
    for node in graph["nodes"]:
        if node["name"] == "parts":
            node["bytes_max"] = size
            if "overlap" in node:
                node["overlap"] = size * 49 // 100
    path = pathlib.Path(folder, f"{size}.json")
    path.write_text(json.dumps(graph))
    return path


def case_study(weft, name, sizes, problems, folder):
    """Each problem by each size; the forecast is the one that the run had, from those before."""
    weft("predict", HERE / name, *problems[0][0])
    seen = {size: [] for size in sizes}
    for arguments, expected in problems:
        for size in sizes:
            run = weft("run", resized(name, size, folder), *arguments, "--expect", expected, "--record")
            seen[size].append((run, expected))
    is_count = name == "counting.json"
    row("size", "mean distance" if is_count else "right", "calls", "prompt tokens", "forecast", "output tokens", "forecast", "seconds",
        "forecast", "seconds inside")
    row(*["---"] * 10)
    for size in sizes:
        runs = [run for run, _ in seen[size] if "result" in run]
        if is_count:
            quality = f"{statistics.mean(abs(run['result'] - float(expected)) for run, expected in seen[size]):.1f}"
        else:
            quality = f"{sum(run.get('right', False) for run, _ in seen[size])} of {len(seen[size])}"
        known = [run["forecast"] for run in runs if "forecast" in run][1:]  # the first had nothing to go by

        def of(figure, key, digits):
            return f"{statistics.mean(f[figure][key] for f in known):.{digits}f}"

        row(size, quality, of("calls", "measured", 1), of("prompt_tokens", "measured", 0), of("prompt_tokens", "predicted", 0),
            of("output_tokens", "measured", 1), of("output_tokens", "predicted", 1), of("seconds", "measured", 2),
            of("seconds", "predicted", 2), f"{sum(inside(f['seconds']) for f in known)} of {len(known)}")
    svg = HERE / f"{name.removesuffix('.json')}-front.svg"
    front = weft("tune", HERE / name, *problems[0][0], "--svg", svg)
    print(f"\nThe front of `weft tune`, of {front['tried']} settings:\n")
    row("size", "tokens", "calls", "seconds", "error")
    row(*["---"] * 5)
    for one in front["front"]:
        row(one["size"], f"{one['tokens']:.0f}", f"{one['calls']:.0f}", f"{one['seconds']:.2f}", f"{one['error']:.2f}")
    print(flush=True)


def counting(weft, problems, sizes, folder):
    rng = random.Random(7)
    made = []
    for _ in range(problems):
        string = "".join(rng.choice("0123456789" if rng.random() < 0.3 else "abcdefghjkmnpqrstuvwxyz") for _ in range(60))
        made.append((["-i", f"string={string}"], str(sum(c.isdigit() for c in string))))
    case_study(weft, "counting.json", sizes or [6, 12, 20, 60], made, folder)


NAMES = ("Ada Bruno Clara Dario Edith Felix Greta Hugo Irene Jonas Karla Leo Mara Nils Olga Pavel Rosa Stefan Tilda Ugo Vera "
         "Willem Xenia Yves Zora Arlo Bella Cosmo Delia Emil").split()


def needle(weft, problems, sizes, folder):
    rng = random.Random(8)
    made = []
    for _ in range(problems):
        codes = {name: str(rng.randrange(10_000, 100_000)) for name in NAMES}
        text = " ".join(f"The passcode of {name} is {code}, and it opens the {rng.choice(['north', 'south', 'east', 'west'])} door."
                        for name, code in codes.items())
        wanted = rng.choice(NAMES)
        made.append((["-i", f"document={text}", "-i", f"name={wanted}"], codes[wanted]))
    case_study(weft, "needle.json", sizes or [250, 500, 1000, 2000], made, folder)


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--weft", type=pathlib.Path, default=ROOT / "build/release/bin/weft")
    options.add_argument("--models", type=pathlib.Path, required=True, help="a directory with NAME.gguf")
    options.add_argument("--parts", nargs="+", default=["coverage", "counting", "needle"], choices=["coverage", "counting", "needle"])
    options.add_argument("--fit", type=int, default=40)
    options.add_argument("--test", type=int, default=40)
    options.add_argument("--problems", type=int, default=8)
    options.add_argument("--sizes", nargs="+", type=int, help="of the case study's parts, bytes")
    args = options.parse_args()
    for part in args.parts:
        model = args.models / ("smollm2-135m.gguf" if part == "coverage" else "qwen2.5-coder-0.5b.gguf")
        if not model.exists():
            print(f"SKIPPED: {part}, because {model} isn't there", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as home, tempfile.TemporaryDirectory() as folder:
            weft = Weft(args.weft, model, home)
            print(f"## {part}, {model.stem}\n", flush=True)
            if part == "coverage":
                coverage(weft, args.fit, args.test)
            else:
                (counting if part == "counting" else needle)(weft, args.problems, args.sizes, folder)


if __name__ == "__main__":
    main()
