#!/usr/bin/env python3
"""Are answers held to a JSON Schema valid? 200 schemas (schemas.py), one answer each, sampled at temperature 1.

    tests/eval/schema/evaluate.py [--weft PROGRAM] [--model MODEL] [--max-tokens N] [--seed N] [--json]

Each answer that ended by itself is parsed and checked by another implementation, the Python package `jsonschema`
(Debian: python3-jsonschema; PyPI: jsonschema), formats included where it knows them. Answers that the limit of tokens
cut short are counted apart. Exits with 1 if one that ended is invalid, or a schema is refused.
"""
import argparse
import collections
import json
import pathlib
import subprocess
import sys
import tempfile
import time

import jsonschema
from schemas import schemas

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent


def answers(args, made):
    """The lines that `weft complete --batch` gives."""
    with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
        for i, (shape, schema) in enumerate(made):
            # What the schema asks for is held by the masks, so a prompt needn't repeat it.
            prompt = f"Make up an example of a {shape}, as JSON."
            file.write(json.dumps({"id": i, "prompt": prompt, "schema": schema, "seed": args.seed + i}) + "\n")
        file.flush()
        command = [args.weft, "complete", "--batch", file.name, "-t", "1", "-n", str(args.max_tokens), "--context", "2048"]
        done = subprocess.run(command + (["-m", args.model] if args.model else []), capture_output=True, text=True)
    if done.returncode not in (0, 4):
        raise SystemExit(f"weft complete failed: {done.stderr[-2000:]}{done.stdout[-500:]}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def fault(answer, schema):
    """Why an answer isn't valid; None if it is."""
    try:
        value = json.loads(answer["text"])
    except ValueError as error:
        return f"not JSON: {error}"
    checker = jsonschema.Draft202012Validator(schema, format_checker=jsonschema.FormatChecker())
    found = jsonschema.exceptions.best_match(checker.iter_errors(value))
    return None if found is None else found.message


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--weft", default=str(ROOT / "build/release/bin/weft"))
    options.add_argument("--model", help="default: the configured one")
    options.add_argument("--max-tokens", type=int, default=64)
    options.add_argument("--seed", type=int, default=1)
    options.add_argument("--json", action="store_true")
    args = options.parse_args()
    made = schemas()
    counts = collections.defaultdict(collections.Counter)
    faults = []
    start = time.monotonic()
    for answer, (shape, schema) in zip(answers(args, made), made, strict=True):
        if "error" in answer:
            verdict, reason = "refused", answer["error"]["message"]
        elif answer["finish_reason"] == "length":
            verdict, reason = "cut short", None
        else:
            reason = fault(answer, schema)
            verdict = "valid" if reason is None else "invalid"
        counts[shape][verdict] += 1
        if reason is not None:
            faults.append({"schema": schema, "text": answer.get("text"), "reason": reason})
    total = sum(counts.values(), collections.Counter())
    if args.json:
        print(json.dumps({"total": total, "by_shape": counts, "faults": faults}))
    else:
        columns = ["valid", "invalid", "cut short", "refused"]
        print("| shape | " + " | ".join(columns) + " |\n|---|---|---|---|---|")
        for name, row in [*counts.items(), ("all", total)]:
            print(f"| {name} | " + " | ".join(str(row[column]) for column in columns) + " |")
        for each in faults:
            print(f"{each['reason']}: {each['text']!r} of {json.dumps(each['schema'])}", file=sys.stderr)
        print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return 1 if total["invalid"] or total["refused"] else 0


if __name__ == "__main__":
    sys.exit(main())
