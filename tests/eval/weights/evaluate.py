#!/usr/bin/env python3
"""What an importance matrix is worth, and how much memory the verbs that write weights take.

evaluate.py --weft build/release/bin/weft --models DIR imatrix MODEL [FORMAT...]
evaluate.py --weft build/release/bin/weft --models DIR memory MODEL

imatrix: the model as F16 is quantised with and without a matrix; perplexity and KL divergence from the F16 model are measured
on passages of xquad_en that the matrix wasn't made of. memory: the largest resident set of quantize, merge and diff, beside
the sizes of the files that they read and write.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

DATA = pathlib.Path(__file__).resolve().parent.parent / "data"
MIB = 1 << 20
WINDOWS = 8  # of 512 tokens, of each text


class Weft:
    def __init__(self, program, home):
        self.program, self.environment = program, {"PATH": os.environ["PATH"], "HOME": home, "WEFT_HOME": home}

    def run(self, *arguments):
        """The verb's JSON, and its largest resident set in bytes."""
        process = subprocess.Popen([self.program, "model", *map(str, arguments), "--json"], stdout=subprocess.PIPE, text=True,
                                   env=self.environment)
        out = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise SystemExit(f"weft model {arguments} ended with {process.returncode}: {out}")
        return json.loads(out), usage.ru_maxrss * 1024


def write_texts(folder):
    """Every second passage to calibrate on, the others to measure with."""
    passages = [json.loads(line)["text"] for line in open(DATA / "xquad_en_passages.jsonl", encoding="utf-8")]
    for name, part in (("calibration.txt", passages[::2]), ("measured.txt", passages[1::2])):
        pathlib.Path(folder, name).write_text("\n\n".join(part), encoding="utf-8")
    return pathlib.Path(folder, "calibration.txt"), pathlib.Path(folder, "measured.txt")


def importance(weft, folder, source, formats):
    calibration, measured = write_texts(folder)
    whole, matrix, out = (pathlib.Path(folder, name) for name in ("whole.gguf", "matrix.gguf", "out.gguf"))
    weft.run("quantize", source, whole, "--type", "f16")
    made, _ = weft.run("imatrix", whole, "--text", calibration, "-o", matrix, "--windows", WINDOWS)
    print(f"matrix of {made['tokens_read']} tokens; perplexity, mean KL in nats, same likeliest token in %")
    for name in formats:
        for flags in ((), ("--imatrix", matrix)):
            done, _ = weft.run("quantize", whole, out, "--type", name, "--force", "--report", measured, "--windows", WINDOWS,
                               *flags)
            report = done["report"]
            print(f"| {name}{' with the matrix' if flags else ''} | {report['perplexity_source']:.3f} -> {report['perplexity']:.3f}"
                  f" | {report['mean_kl']:.4f} | {100 * report['same_top_token']:.1f} |", flush=True)


def memory(weft, folder, source):
    out, other, delta = (pathlib.Path(folder, name) for name in ("out.gguf", "other.gguf", "delta.safetensors"))
    size = source.stat().st_size
    steps = (
        ("quantize to F16", (source,), ("quantize", source, out, "--type", "f16")),
        ("quantize F16 to Q8_0", (out,), ("quantize", out, other, "--type", "q8_0", "--force")),
        ("diff of both", (out, other), ("diff", out, other, "--keep", "0.05", "--output", delta)),
        ("merge, TIES of two, as Q8_0", (out, other, source),
         ("merge", "--base", out, "--method", "ties", f"{other}:0.5", f"{source}:0.5", "--output", folder + "/m.gguf",
          "--type", "q8_0", "--allow-requantize")),
        ("merge, the delta applied", (out, delta),
         ("merge", "--base", out, "--delta", delta, "--output", folder + "/d.gguf")))
    print(f"{source.name} ({size / MIB:.0f} MiB): largest resident set, MiB")
    for name, read, arguments in steps:
        _, peak = weft.run(*arguments)
        files = " + ".join(f"{path.stat().st_size / MIB:.0f}" for path in read)
        print(f"| {name} | {files} | {peak / MIB:.0f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weft", required=True)
    parser.add_argument("--models", required=True, type=pathlib.Path)
    parser.add_argument("--scratch", help="where the files go meanwhile: several GB")
    parser.add_argument("what", choices=("imatrix", "memory"))
    parser.add_argument("model")
    parser.add_argument("formats", nargs="*", default=["q4_0", "q4_1", "q5_0"])
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.scratch) as folder:
        weft = Weft(options.weft, folder)
        source = options.models / f"{options.model}.gguf"
        if options.what == "imatrix":
            importance(weft, folder, source, options.formats)
        else:
            memory(weft, folder, source)


if __name__ == "__main__":
    sys.exit(main())
