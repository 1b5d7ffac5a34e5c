#!/usr/bin/env python3
"""Fits the gate of agents/confidence.cpp: logistic regression on calibration results.

fit.py RESULTS.json...   (written by calibrate.py; never by evaluate.py: those are evaluation data)

An example is an answer; it counts as right if it holds an accepted answer and the passage was there.
Plain gradient descent with L2, on standardised features; prints the table for confidence.cpp, the
threshold's figures, and cross-validated AUCs.
"""
import json
import math
import random
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])
import common  # noqa: E402

STEPS = 4000
RATE = 0.5
L2 = 0.01
FOLDS = 5


def load(paths):
    rows = []
    for path in paths:
        data = json.load(open(path, encoding="utf-8"))
        for row in data["answerable"]:
            rows.append((row["evidence"], float(row["contains"] > 0), "answerable"))
        for row in data["absent"]:
            rows.append((row["evidence"], 0.0, "absent"))
    return rows


def standardize(rows, names):
    table = []
    for name in names:
        values = [row[0][name] for row in rows]
        mean = sum(values) / len(values)
        scale = math.sqrt(sum((v - mean) ** 2 for v in values) / len(values)) or 1.0
        table.append((mean, scale))
    return table


def features(row, names, table):
    return [(row[0][n] - m) / s for n, (m, s) in zip(names, table)]


def train(xs, ys):
    weights, bias = [0.0] * len(xs[0]), 0.0
    for step in range(STEPS):
        gradient, gradient_bias = [L2 * w for w in weights], 0.0
        for x, y in zip(xs, ys):
            p = 1 / (1 + math.exp(-max(-30, min(30, bias + sum(w * v for w, v in zip(weights, x))))))
            error = (p - y) / len(xs)
            gradient_bias += error
            for i, v in enumerate(x):
                gradient[i] += error * v
        rate = RATE * (1 - step / STEPS)
        bias -= rate * gradient_bias
        weights = [w - rate * g for w, g in zip(weights, gradient)]
    return weights, bias


def main():
    rows = load(sys.argv[1:])
    names = [n for n in rows[0][0]]
    random.Random(1).shuffle(rows)
    held_out = []
    for fold in range(FOLDS):
        part = [r for i, r in enumerate(rows) if i % FOLDS != fold]
        table = standardize(part, names)
        weights, bias = train([features(r, names, table) for r in part], [r[1] for r in part])
        for row in rows[fold::FOLDS]:
            x = features(row, names, table)
            held_out.append((bias + sum(w * v for w, v in zip(weights, x)), row))
    right = [s for s, r in held_out if r[1]]
    print("cross-validated AUC, right against wrong or absent: "
          f"{common.auc(right, [s for s, r in held_out if not r[1]]):.3f}")
    print("cross-validated AUC, right against absent: "
          f"{common.auc(right, [s for s, r in held_out if r[2] == 'absent']):.3f}")
    for name in names:
        single = common.auc([r[0][name] for r in rows if r[1]],
                            [r[0][name] for r in rows if r[2] == "absent"])
        print(f"  {name:24} alone {single:.3f}")
    table = standardize(rows, names)
    weights, bias = train([features(r, names, table) for r in rows], [r[1] for r in rows])
    print(f"\nconstexpr double kBias = {bias:.4f};")
    for name, (mean, scale), weight in zip(names, table, weights):
        print(f"    {{{mean:.4f}, {scale:.4f}, {weight:.4f}}},  // {name}")
    scores = [(1 / (1 + math.exp(-(bias + sum(w * v for w, v in zip(weights, features(r, names, table)))))), r)
              for r in rows]
    answerable = [(s, r) for s, r in scores if r[2] == "answerable"]
    absent = [(s, r) for s, r in scores if r[2] == "absent"]
    print("\nthreshold  right and given  given of answerable  refused of absent")
    for step in range(1, 20):
        t = step / 20
        given = [r for s, r in answerable if s >= t]
        print(f"{t:9.2f}  {sum(r[1] for r in given) / len(answerable):15.3f}"
              f"  {len(given) / len(answerable):19.3f}"
              f"  {sum(1 for s, _ in absent if s < t) / max(1, len(absent)):17.3f}")


if __name__ == "__main__":
    main()
