#!/usr/bin/env python3
"""Makes calibration data for the gate: questions that a model writes about texts that are not evaluation data.

calibrate.py make --weft W --models DIR --corpora DIR --out calibration.jsonl     (slow; once)
calibrate.py ask  --weft W --models DIR --data calibration.jsonl --out RESULTS.json [--model NAME]

`make` cuts the corpora into passages, has the 1.5B model write a question and a short answer about each, and
keeps those whose answer stands in the passage and not in the question. `ask` indexes two thirds of the
passages and asks all questions: those about the rest are absent.
"""
import argparse
import json
import os
import pathlib
import random
import re
import sys
import tempfile

sys.path.insert(0, os.path.dirname(__file__))
import common  # noqa: E402
from evaluate import ask  # noqa: E402

MAKER = "qwen2.5-coder-1.5b"
MAKE_PROMPT = (
    "Read the passage and write one quiz question about a fact in it, and the answer. The answer is a short phrase "
    "copied from the passage. The question names what it is about, so that it can be understood without the passage, and "
    "doesn't repeat the answer. Use other words than the passage where you can.\n"
    "Passage: {text}\n\nWrite exactly two lines:\nQuestion: ...\nAnswer: ...")


def detokenize_wikitext(text):
    text = text.replace(" @-@ ", "-").replace(" @,@ ", ",").replace(" @.@ ", ".")
    text = re.sub(r" ([.,;:!?)\]%])", r"\1", text)
    text = re.sub(r"([(\[$]) ", r"\1", text)
    text = re.sub(r'" ([^"]*?) "', r'"\1"', text)
    return re.sub(r" '(s|t|re|ve|m|ll|d)\b", r"'\1", text).replace(" n't", "n't")


def paragraphs(corpora):
    """(title, text) of paragraphs of 60 to 180 words from Wikipedia articles and speeches."""
    found, title = [], ""
    for line in (corpora / "by_wikitext2/valid.txt").read_text(encoding="utf-8").splitlines():
        heading = re.fullmatch(r"\s*= ([^=]+) =\s*", line)
        if heading:
            title = heading.group(1).strip()
        elif "<unk>" not in line and 60 <= len(line.split()) <= 180:
            found.append((title, detokenize_wikitext(line.strip())))
    for path in sorted((corpora / "pd_state_union").glob("*.txt")):
        title = "State of the Union " + path.stem.replace("-", " ")
        block = []
        for part in re.split(r"\n\s*\n", path.read_text(encoding="utf-8")):
            block.append(" ".join(part.split()))
            if len(" ".join(block).split()) >= 80:
                text = " ".join(block)
                if len(text.split()) <= 180:
                    found.append((title, text))
                block = []
    return found


def make(args):
    chosen = paragraphs(pathlib.Path(args.corpora))
    random.Random(7).shuffle(chosen)
    chosen = chosen[:args.count]
    rows = [{"id": str(i), "max_tokens": 80, "prompt": MAKE_PROMPT.format(text=text)}
            for i, (_, text) in enumerate(chosen)]
    with tempfile.TemporaryDirectory() as home:
        weft = common.Weft(args.weft, args.models, home)
        made = weft.batch("complete", rows, "--model", weft.model_path(MAKER))
    kept = []
    for row, (title, text) in zip(made, chosen):
        match = re.search(r"Question:\s*(.+?)\s*\n+\s*Answer:\s*(.+)", row["text"])
        if not match:
            continue
        question, answer = match.group(1), match.group(2).strip().rstrip(".").strip('"')
        words = common.normalize(answer).split()
        if not 1 <= len(words) <= 8 or not common.contains(text, [answer]):
            continue
        if common.contains(question, [answer]) or len(question.split()) < 5:
            continue
        kept.append({"id": f"c{len(kept):03}", "title": title, "text": text, "question": question,
                     "answers": [answer]})
    common.write_lines(args.out, kept)
    print(f"{len(kept)} of {len(chosen)} kept")


def measure(args):
    rows = common.read_lines(args.data)
    questions = [{**r, "gold": [r["id"]]} for r in rows]
    there = [r for i, r in enumerate(rows) if i % 3 != 2]
    with tempfile.TemporaryDirectory() as home:
        weft = common.Weft(args.weft, args.models, home)
        weft.index(there, "calibration")
        model = weft.model_path(args.model)
        answerable = ask(weft, model, [q for i, q in enumerate(questions) if i % 3 != 2], "calibration")
        absent = ask(weft, model, [q for i, q in enumerate(questions) if i % 3 == 2], "calibration")
    pathlib.Path(args.out).write_text(json.dumps({"answerable": answerable, "absent": absent}))
    print(f"contains {common.mean(r['contains'] for r in answerable):.3f} of {len(answerable)} answerable")


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("mode", choices=["make", "ask"])
    options.add_argument("--weft", required=True)
    options.add_argument("--models", required=True)
    options.add_argument("--model", default="qwen2.5-coder-0.5b")
    options.add_argument("--corpora")
    options.add_argument("--count", type=int, default=700)
    options.add_argument("--data")
    options.add_argument("--out", required=True)
    args = options.parse_args()
    make(args) if args.mode == "make" else measure(args)


if __name__ == "__main__":
    main()
