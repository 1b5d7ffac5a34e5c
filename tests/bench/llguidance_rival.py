#!/usr/bin/env python3
"""llguidance's masks for the schemas, vocabulary and texts that `weft_mask_bench --export FILE` has written.

Prints {"compile", "compile_max" (ms), "first", "mean", "p50", "p99" (us), "masks", "refused"} in CPU time of one
thread. As there, a mask's time has the step to its token in it, and the first text of a schema is apart. A call from
Python costs some 0.3 us of each. Tokens that it refuses end their text and are counted.
"""
import ctypes
import json
import statistics
import sys
import time

import llguidance


class Vocabulary:
    """What llguidance asks of a tokenizer; it tokenises nothing here."""

    def __init__(self, pieces, ends):
        self.eos_token_id, self.bos_token_id = ends[0], None
        self.tokens = pieces
        self.special_token_ids = [i for i, piece in enumerate(pieces) if not piece]

    def __call__(self, text):
        return list(text.encode() if isinstance(text, str) else text)


def main():
    with open(sys.argv[1], encoding="utf-8") as file:
        made = json.load(file)
    pieces = [piece.encode("latin-1") for piece in made["vocabulary"]]
    # A token without text is one by a name that no text has.
    pieces = [piece or b"\xff<special%d>" % i for i, piece in enumerate(pieces)]
    wrapped = llguidance.TokenizerWrapper(Vocabulary(pieces, made["ends"]))
    wrapped.special_token_ids = [i for i, piece in enumerate(pieces) if piece.startswith(b"\xff<special")]
    tokenizer = llguidance.LLTokenizer(wrapped, slices=llguidance.LLTokenizer.json_slices())
    buffer = (ctypes.c_uint32 * ((len(pieces) + 31) // 32))()
    address, size = ctypes.addressof(buffer), ctypes.sizeof(buffer)
    compiled, first, others, refused = [], [], [], 0
    options = {"whitespace_flexible": False, "item_separator": ", ?", "key_separator": ": ?"}
    for schema, texts in zip(made["schemas"], made["texts"], strict=True):
        start = time.thread_time()
        grammar = llguidance.LLMatcher.grammar_from_json_schema(schema, overrides=options)
        matcher = llguidance.LLMatcher(tokenizer, grammar)
        compiled.append(time.thread_time() - start)
        if matcher.is_error():
            raise SystemExit(f"{schema}: {matcher.get_error()}")
        for index, text in enumerate(texts):
            matcher.reset()
            last = None
            for token in [*text, None]:
                start = time.thread_time()
                if last is not None and not matcher.consume_token(last):
                    refused += 1
                    break
                if last in made["ends"] or matcher.is_stopped():
                    break
                matcher.unsafe_compute_mask_ptr(address, size)
                (others if index else first).append(time.thread_time() - start)
                last = token
                if last is None:
                    break
    others.sort()
    print(json.dumps({
        "compile": 1e3 * statistics.mean(compiled), "compile_max": 1e3 * max(compiled),
        "first": 1e6 * statistics.mean(first), "mean": 1e6 * statistics.mean(others),
        "p50": 1e6 * others[len(others) // 2], "p99": 1e6 * others[len(others) * 99 // 100],
        "masks": len(others), "refused": refused}))


if __name__ == "__main__":
    main()
