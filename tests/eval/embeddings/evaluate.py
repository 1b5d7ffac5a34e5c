#!/usr/bin/env python3
"""How well embeddings find the passage that answers a question: f32 against int8.

    tests/eval/embeddings/evaluate.py DIR [--set nq_oracle] [--weft PROGRAM] [--model MODEL] [--precision P] [--json]

DIR holds NAME_passages.jsonl ({"id", "title", "text"}) and NAME_questions.jsonl ({"id", "question", "gold": [ids]});
formats: tests/eval/data/README.md. A passage is embedded as "TITLE. TEXT". Exits with 1 if recall@5 of int8 is
more than 0.3 points below that of f32. Needs no package; with numpy it is faster.
"""
import argparse
import json
import operator
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
DEPTHS = (1, 5, 10, 20)
POINTS_MAX = 0.3


def read_lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file]


def embed(weft, model, precision, key, texts):
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for text in texts:
            file.write(json.dumps({key: text}) + "\n")
        file.flush()
        command = [weft, "embed", "--batch", file.name, "--precision", precision]
        done = subprocess.run(command + (["--model", model] if model else []), capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(f"weft embed failed: {done.stderr[-2000:]}{done.stdout[-500:]}")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [row["embedding"] for row in rows], sum(row["tokens_cut"] > 0 for row in rows)


def best(queries, passages, count):
    """The indexes of each query's `count` best passages, best first; ties keep the passages' order."""
    try:
        import numpy
    except ImportError:
        for query in queries:
            scores = [sum(map(operator.mul, query, passage)) for passage in passages]
            yield sorted(range(len(scores)), key=lambda i: -scores[i])[:count]
        return
    matrix = numpy.array(passages).T
    for query in queries:
        yield numpy.argsort(-(numpy.array(query) @ matrix), kind="stable")[:count].tolist()


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("directory", type=pathlib.Path)
    options.add_argument("--set", default="nq_oracle")
    options.add_argument("--weft", default=str(ROOT / "build/release/bin/weft"))
    options.add_argument("--model", default="")
    options.add_argument("--precision", choices=["f32", "int8"], help="only this one, and compare nothing")
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    passages = read_lines(args.directory / f"{args.set}_passages.jsonl")
    questions = read_lines(args.directory / f"{args.set}_questions.jsonl")
    recall = {}
    for precision in [args.precision] if args.precision else ["f32", "int8"]:
        start = time.time()
        documents, cut = embed(args.weft, args.model, precision, "text",
                               [". ".join(filter(None, [p.get("title"), p["text"]])) for p in passages])
        queries, _ = embed(args.weft, args.model, precision, "query", [q["question"] for q in questions])
        embedded = time.time() - start
        hits = {depth: 0.0 for depth in DEPTHS}
        for question, found in zip(questions, best(queries, documents, max(DEPTHS))):
            gold = set(question["gold"])
            for depth in DEPTHS:
                hits[depth] += len(gold & {passages[i]["id"] for i in found[:depth]}) / len(gold)
        recall[precision] = {depth: 100 * hits[depth] / len(questions) for depth in DEPTHS}
        row = {"set": args.set, "precision": precision, "passages": len(passages), "questions": len(questions),
               "passages_cut": cut, **{f"recall@{d}": round(recall[precision][d], 2) for d in DEPTHS}}
        print(json.dumps(row) if args.json else
              f"{args.set} {precision:5} N {len(passages)} Q {len(questions)} cut {cut}  " +
              "  ".join(f"R@{d} {recall[precision][d]:.2f}" for d in DEPTHS) + f"  ({embedded:.0f} s)", flush=True)
    if args.precision:
        return 0
    lost = recall["f32"][5] - recall["int8"][5]
    if not args.json:
        print(f"int8 loses {lost:.2f} points of recall@5; at most {POINTS_MAX} may be lost")
    return 0 if lost <= POINTS_MAX else 1


if __name__ == "__main__":
    sys.exit(main())
