#!/usr/bin/env python3
"""Adds up ctest's JUnit files: summary.py EXTRA_FAILURES FILE... Exits 1 if anything failed."""
import sys
import xml.etree.ElementTree as xml

passed, failed, skipped, names = 0, int(sys.argv[1]), 0, []
for path in sys.argv[2:]:
    for case in xml.parse(path).getroot().iter("testcase"):
        status = case.get("status")
        if status == "run":
            passed += 1
        elif status in ("notrun", "disabled"):
            skipped += 1
        else:
            failed += 1
            names.append(f"{path}: {case.get('name')}")
for name in names:
    print("FAILED", name)
print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
sys.exit(1 if failed or not passed else 0)
