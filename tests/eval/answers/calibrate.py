#!/usr/bin/env python3
"""Collects what the gate is fitted on: the evidence of answers to calibration/questions.jsonl.

calibrate.py --weft W --models DIR --out calibration/evidence.jsonl [--model NAME] [--every 2] [--threads N]

Each question is asked twice: of a collection of all passages (answerable) and of one that lacks its own
passage and every fourth other one (absent). A line of the output holds an answer's evidence and whether it
was right; fit.py reads it. None of this is evaluation data.
"""
import argparse
import os
import pathlib
import sys
import tempfile

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402
from evaluate import ask  # noqa: E402

DATA = pathlib.Path(__file__).resolve().parent / "calibration"
FOLDS = 4


def folds(questions, passages):
    """FOLDS of (questions whose passages are missing, passages that are there)."""
    order = {p["id"]: i for i, p in enumerate(passages)}
    for fold in range(FOLDS):
        missed = [q for q in questions if order[q["gold"][0]] % FOLDS == fold]
        gone = {p["id"] for i, p in enumerate(passages) if i % FOLDS == fold}
        gone |= {gold for q in missed for gold in q["gold"]}
        yield missed, [p for p in passages if p["id"] not in gone]


def row(kind, model, result):
    return {"id": result["id"], "kind": kind, "model": model, "answer": result["answer"],
            "right": kind == "answerable" and result["contains"] > 0,
            "evidence": {name: round(value, 4) for name, value in result["evidence"].items()}}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--weft", required=True)
    options.add_argument("--models", required=True)
    options.add_argument("--model", default="qwen2.5-coder-0.5b")
    options.add_argument("--every", type=int, default=1, help="ask only each Nth question")
    options.add_argument("--threads", type=int, default=0)
    options.add_argument("--out", required=True)
    args = options.parse_args()
    passages = common.read_lines(DATA / "passages.jsonl")
    questions = common.read_lines(DATA / "questions.jsonl")
    with tempfile.TemporaryDirectory() as home:
        weft = common.Weft(args.weft, args.models, home, args.threads)
        model = weft.model_path(args.model)
        weft.index(passages, "all")
        asked = questions[::args.every]
        answerable = ask(weft, model, asked, "all")
        rows = [row("answerable", args.model, r) for r in answerable]
        print(f"contains {common.mean(r['contains'] for r in answerable):.3f}, gold passage cited "
              f"{common.mean(r['cited'] for r in answerable):.3f}, of {len(answerable)} answerable", flush=True)
        for fold, (missed, there) in enumerate(folds(questions, passages)):
            weft.index(there, f"without-{fold}")
            missed = [q for q in missed if q in asked]
            rows += [row("absent", args.model, r) for r in ask(weft, model, missed, f"without-{fold}")]
    common.write_lines(args.out, rows)


if __name__ == "__main__":
    main()
