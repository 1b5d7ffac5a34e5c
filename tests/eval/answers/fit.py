#!/usr/bin/env python3
"""Fits the gate of agents/confidence.cpp: logistic regression on calibration evidence.

fit.py [--without NAME] calibration/evidence.jsonl...   (written by calibrate.py; never by evaluate.py: those are evaluation data)

An example is an answer; it counts as right if it holds an accepted answer and the passage was there.
Plain gradient descent with L2, on standardised features; prints the table for confidence.cpp, the
threshold's figures, and cross-validated AUCs. Questions about one passage stay in one fold.
"""
import math
import os
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import common  # noqa: E402

STEPS = 3000
RATE = 0.5
L2 = 0.02
FOLDS = 8
QUESTIONS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "calibration", "questions.jsonl")


def sigmoid(x):
    return 1 / (1 + math.exp(-max(-30.0, min(30.0, x))))


def standardize(rows, names):
    table = []
    for name in names:
        values = [row["evidence"][name] for row in rows]
        mean = sum(values) / len(values)
        scale = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) or 1.0
        table.append((mean, scale))
    return table


def features(row, names, table):
    return [(row["evidence"][n] - m) / s for n, (m, s) in zip(names, table)]


def train(rows, names):
    """(table, weights, bias)"""
    table = standardize(rows, names)
    xs, ys = [features(row, names, table) for row in rows], [float(row["right"]) for row in rows]
    weights, bias = [0.0] * len(names), 0.0
    for step in range(STEPS):
        gradient, gradient_bias = [L2 * w for w in weights], 0.0
        for x, y in zip(xs, ys):
            error = (sigmoid(bias + sum(w * v for w, v in zip(weights, x))) - y) / len(xs)
            gradient_bias += error
            for i, v in enumerate(x):
                gradient[i] += error * v
        rate = RATE * (1 - step / STEPS)
        bias -= rate * gradient_bias
        weights = [w - rate * g for w, g in zip(weights, gradient)]
    return table, weights, bias


def confidence(row, names, model):
    table, weights, bias = model
    return sigmoid(bias + sum(w * v for w, v in zip(weights, features(row, names, table))))


def cross_validated(rows, names):
    """(confidence by a model that hasn't seen the row's passage, row)"""
    gold = {q["id"]: q["gold"][0] for q in common.read_lines(QUESTIONS)}
    order = {passage: i for i, passage in enumerate(sorted(set(gold.values())))}
    fold = [order[gold[row["id"]]] % FOLDS for row in rows]
    scored = []
    for k in range(FOLDS):
        model = train([r for r, f in zip(rows, fold) if f != k], names)
        scored += [(confidence(r, names, model), r) for r, f in zip(rows, fold) if f == k]
    return scored


def report(scored):
    answerable = [(s, r) for s, r in scored if r["kind"] == "answerable"]
    absent = [s for s, r in scored if r["kind"] == "absent"]
    right = [s for s, r in scored if r["right"]]
    print(f"{len(answerable)} answerable ({len(right)} right), {len(absent)} absent; cross-validated:")
    print(f"AUC, right against absent           {common.auc(right, absent):.3f}")
    print(f"AUC, answerable against absent      {common.auc([s for s, _ in answerable], absent):.3f}")
    print(f"AUC, right against wrong or absent  {common.auc(right, [s for s, r in scored if not r['right']]):.3f}")
    print("\nthreshold  right and given  given of answerable  refused of absent")
    for step in range(1, 20):
        t = step / 20
        given = [r for s, r in answerable if s >= t]
        print(f"{t:9.2f}  {sum(r['right'] for r in given) / len(answerable):15.3f}"
              f"  {len(given) / len(answerable):19.3f}"
              f"  {sum(1 for s in absent if s < t) / max(1, len(absent)):17.3f}")


def main():
    paths, without = sys.argv[1:], None
    if paths[:1] == ["--without"]:
        without, paths = paths[1], paths[2:]
    if not paths:
        raise SystemExit(__doc__)
    rows = [row for path in paths for row in common.read_lines(path)]
    names = [name for name in rows[0]["evidence"] if name != without]
    report(cross_validated(rows, names))
    print("\nalone, AUC of right against absent:")
    for name in names:
        single = common.auc([r["evidence"][name] for r in rows if r["right"]],
                            [r["evidence"][name] for r in rows if r["kind"] == "absent"])
        print(f"  {name:24} {single:.3f}")
    table, weights, bias = train(rows, names)
    print(f"\nconstexpr double kBias = {bias:.4f};")
    for name, (mean, scale), weight in zip(names, table, weights):
        print(f"    {{{mean:.4f}, {scale:.4f}, {weight:.4f}}},  // {name}")


if __name__ == "__main__":
    main()
