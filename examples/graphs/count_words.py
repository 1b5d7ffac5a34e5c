"""A tool for word_counts.json: {"text", "most"} on stdin, [{"word", "count"}...] on stdout."""
import collections
import json
import re
import sys

arguments = json.load(sys.stdin)
words = re.findall(r"\w+", arguments["text"].lower())
counts = collections.Counter(words).most_common(arguments.get("most", 10))
json.dump([{"word": word, "count": count} for word, count in counts], sys.stdout)
