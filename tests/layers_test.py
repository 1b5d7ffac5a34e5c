#!/usr/bin/env python3
"""Checks every #include against the order of the layers, the seam of backends, wrapped libraries
against headers, and what installed headers include against what is installed."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
SEES = {
    "base": [],
    "storage": ["base"],
    "inference": ["base", "storage"],
    "retrieval": ["base", "storage", "inference"],
    "tools": ["base", "storage", "inference"],
    "planner": ["base", "storage", "inference", "retrieval", "tools"],
    "agents": ["base", "storage", "inference", "retrieval", "tools", "planner"],
}
SEES["cli"] = SEES["examples"] = [*SEES, "agents"]
# A library that one folder wraps: (pattern of its headers, where it may be included).
WRAPPED = [
    (r"sqlite3\.h", r"storage/.*\.cpp"),
    (r"curl/", r"base/net/.*"),
    (r"archive", r"inference/.*\.cpp"),
    (r"openssl/", r"storage/crypto_library\.h"),
    (r"gumbo\.h", r"retrieval/.*\.cpp"),
    (r"faiss/", r"retrieval/.*\.cpp"),
    (r"CLI/", r"cli/.*\.cpp"),
    (r"toml\+\+/", r"cli/.*\.cpp"),
    (r"nlohmann/json\.hpp", r".*\.cpp|inference/jinja.*\.h"),
    (r"immintrin\.h", r"inference/cpu/.*|base/sha256_blocks\.cpp"),
]
# Who may see inference/cpu: it, the factory of backends, and what computes on this machine alone:
# the encoders, sampling from the host's rows, and doctor and bench, which report on the CPU.
CPU = re.compile(r"inference/(cpu/.*|backend\.cpp|embedder\.(h|cpp)|encoder_.*|sampler\.cpp)|"
                 r"cli/(doctor|embed|bench)\.cpp")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)


def violations(name: str, text: str) -> list[str]:
    folder = name.split("/")[0]
    found = []
    for bracket, header in INCLUDE.findall(text):
        top = header.split("/")[0]
        if bracket == '"' and top in SEES and top != folder and top not in SEES[folder]:
            found.append(f"{name}: {folder} doesn't see {header}")
        if header.startswith("inference/cpu/") and not CPU.fullmatch(name):
            found.append(f"{name}: {header} is behind the seam of inference/backend.h")
        for pattern, allowed in WRAPPED:
            if re.match(pattern, header) and not re.fullmatch(allowed, name):
                found.append(f"{name}: {header} stays inside {allowed}")
    return found


def unpublished(headers: dict[str, str]) -> list[str]:
    """What installed headers, each with its text, include and isn't installed."""
    return [f"{name}: it is installed, {header} isn't: add that to HEADERS of its folder"
            for name, text in headers.items()
            for bracket, header in INCLUDE.findall(text) if bracket == '"' and header not in headers]


def installed_headers() -> dict[str, str]:
    headers = {}
    for folder in SEES:
        build = (ROOT / folder / "CMakeLists.txt")
        listed = re.search(r"HEADERS\n(.*?)\n  (?:SOURCES|PUBLIC)", build.read_text() if build.exists() else "", re.S)
        for name in listed.group(1).split() if listed else []:
            headers[f"{folder}/{name}"] = (ROOT / folder / name).read_text()
    return headers


def main() -> int:
    # The check itself is checked first: a test that can't fail is none.
    assert violations("base/a.h", '#include "storage/database.h"')
    assert violations("retrieval/a.cpp", '#include "tools/tool.h"')
    assert violations("agents/a.h", "#include <sqlite3.h>")
    assert violations("inference/session.cpp", '#include "inference/cpu/forward.h"')
    assert not violations("inference/cpu/a.cpp", '#include "inference/cpu/forward.h"')
    assert not violations("agents/a.cpp", '#include "planner/graph.h"')
    assert unpublished({"base/a.h": '#include "base/b.h"'})
    assert not unpublished({"base/a.h": '#include "base/b.h"', "base/b.h": "#include <span>"})
    headers = installed_headers()
    found, files = unpublished(headers), 0
    for folder in SEES:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cpp", ".inc", ".cu"):
                files += 1
                found += violations(str(path.relative_to(ROOT)), path.read_text())
    print("\n".join(found) or f"{files} files keep to the layers, {len(headers)} of them are installed")
    return 1 if found or not files or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
