#!/usr/bin/env python3
"""A23: graphs that are ill-typed don't compile, and the compiler says why: compile_fail_test.py COMPILER."""
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PROGRAM = """
#include "planner/graph.h"
using namespace weft::planner;
using Int = std::int64_t;
struct Unknown {};
Int of_text(Ctx&, const std::string& text) { return static_cast<Int>(text.size()); }
Unknown of_int(Ctx&, const Int&) { return {}; }
Int add(Ctx&, const Int& a, const Int& b) { return a + b; }
void build(Graph& g) {
  const auto text = g.input<std::string>("text");
  const auto number = g.input<Int>("number");
  %s
}
"""
CASES = [  # (what is wrong, the call, what the message has to say)
    ("nothing", 'g.node("n", of_text, {}, text);', None),
    ("the edge's type", 'g.node("n", of_text, {}, number);', ["node", "NodeFn"]),
    ("the value's type", 'g.node("n", of_int, {}, number);', ["node", "Storable"]),
    ("an input is missing", 'g.node("n", add, {}, number);', ["node", "NodeFn"]),
    ("the list's element", 'g.map("m", of_text, {}, g.input<std::vector<Int>>("list"));', ["map", "NodeFn"]),
    ("the condition", 'g.branch("b", number, [&](Graph&) { return text; }, [&](Graph&) { return text; });', ["branch", "Out<bool>"]),
]


def main() -> int:
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        source = pathlib.Path(folder, "graph.cpp")
        for wrong, call, wanted in CASES:
            source.write_text(PROGRAM % call)
            done = subprocess.run([sys.argv[1], "-std=c++20", "-fsyntax-only", f"-I{ROOT}", str(source)],
                                  capture_output=True, text=True)
            compiles = done.returncode == 0
            ok = compiles if wanted is None else not compiles and all(part in done.stderr for part in wanted)
            print(f"{'ok' if ok else 'FAILED'}: wrong is {wrong}")
            if not ok:
                print(done.stderr)
                failed += 1
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
