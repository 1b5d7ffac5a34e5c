#!/usr/bin/env python3
"""Installs the build, builds examples/answer against the installed package alone, and runs it.

package_test.py BUILD_DIRECTORY: a real answer is asked for where WEFT_TEST_MODELS has the model.
"""
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = "qwen2.5-coder-0.5b.gguf"


def run(*command: str, **options) -> str:
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)}\nfailed ({done.returncode}):\n{done.stdout}{done.stderr}")
    return done.stdout


def check_readme() -> None:
    """The README's code is the example, to the letter."""
    code = (ROOT / "examples/answer/main.cpp").read_text().strip()
    if code not in (ROOT / "README.md").read_text():
        sys.exit("README.md doesn't hold examples/answer/main.cpp as it stands")
    if len(code.splitlines()) > 30:
        sys.exit("examples/answer/main.cpp is longer than 30 lines")


def main() -> int:
    build = pathlib.Path(sys.argv[1]).resolve()
    check_readme()
    with tempfile.TemporaryDirectory() as scratch:
        prefix, consumer = scratch + "/prefix", scratch + "/consumer"
        run("cmake", "--install", str(build), "--prefix", prefix)
        run("cmake", "-G", "Ninja", "-S", str(ROOT / "examples/answer"), "-B", consumer,
            f"-DCMAKE_PREFIX_PATH={prefix}", "-DCMAKE_BUILD_TYPE=Release")
        run("cmake", "--build", consumer)
        version = run(prefix + "/bin/weft", "--version").strip()
        print("installed:", version)
        models = os.environ.get("WEFT_TEST_MODELS", "")
        model = pathlib.Path(models) / MODEL
        if not models or not model.exists():
            print(f"SKIPPED: asking the example a question, because WEFT_TEST_MODELS has no {MODEL}")
            return 0
        home = scratch + "/home"
        run(prefix + "/bin/weft", "index", str(ROOT / "examples/documents"),
            env={**os.environ, "WEFT_HOME": home})
        said = run(consumer + "/answer", home + "/weft.db", "default", str(model),
                   "How often have Rust editions occurred historically?")
        print(said)
        if "[1]" not in said:
            sys.exit("the answer has no citation")
    return 0


if __name__ == "__main__":
    sys.exit(main())
