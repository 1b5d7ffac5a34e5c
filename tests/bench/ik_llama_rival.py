#!/usr/bin/env python3
"""ik_llama.cpp, a rival of the rows `rivals` of tests/bench/run, through the C interface that its wheel binds.

    ik_llama_rival.py MODEL.gguf [--threads N] [--prompt N] [--generate N] [--repeat N]
    ik_llama_rival.py MODEL.gguf --perplexity FILE [--context N] [--windows N]

Run it with build/rivals/ik_llama/bin/python, which tests/bench/build_wheel_rivals makes. Prints one JSON object:
tokens/s of a prompt read in one call and of tokens read one by one after it, without sampling, as llama-bench counts;
or the perplexity of whole windows of N tokens, the first half of each unscored, as llama.cpp's tool counts it.
"""
import argparse
import json
import statistics
import time

import numpy as np
from ik_llama_cpp import _ctypes_api as api


def open_model(path, repack):
    api.llama_backend_init()
    params = api.llama_model_default_params()
    params.n_gpu_layers = 0
    params.repack_tensors = repack
    params.use_mmap = not repack  # a mapped file can't be repacked
    model = api.llama_model_load_from_file(path.encode(), params)
    if not model:
        raise SystemExit(f"ik_llama.cpp can't load {path}")
    return model


def open_context(model, tokens, threads, flash):
    params = api.llama_context_default_params()
    params.n_ctx = tokens
    params.n_batch = tokens
    params.n_ubatch = 512
    params.n_threads = params.n_threads_batch = threads
    params.flash_attn = flash
    context = api.llama_init_from_model(model, params)
    if not context:
        raise SystemExit("ik_llama.cpp can't make a context")
    return context


class Batch:
    """Room for `size` tokens of one sequence."""

    def __init__(self, size):
        self.raw = api.llama_batch_init(size, 0, 1)
        for i in range(size):
            self.raw.n_seq_id[i] = 1
            self.raw.seq_id[i][0] = 0

    def read(self, context, ids, position, all_logits=False):
        self.raw.n_tokens = len(ids)
        for i, token in enumerate(ids):
            self.raw.token[i] = token
            self.raw.pos[i] = position + i
            self.raw.logits[i] = 1 if all_logits or i == len(ids) - 1 else 0
        if api.llama_decode(context, self.raw) != 0:
            raise SystemExit("llama_decode failed")


def speeds(model, args):
    context = open_context(model, args.prompt + args.generate + 64, args.threads, args.flash)
    vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    ids = [int(i) for i in np.random.default_rng(1).integers(0, vocabulary, args.prompt)]
    batch = Batch(max(args.prompt, 1))
    prefill, decode = [], []
    for round_number in range(args.repeat + 1):  # the first warms up
        api.llama_kv_cache_clear(context)
        start = time.perf_counter()
        batch.read(context, ids, 0)
        api.llama_get_logits_ith(context, args.prompt - 1)
        took = time.perf_counter() - start
        if round_number:
            prefill.append(args.prompt / took)
        api.llama_kv_cache_clear(context)
        batch.read(context, ids[:1], 0)
        start = time.perf_counter()
        for i in range(args.generate):
            batch.read(context, ids[i % len(ids):][:1], 1 + i)
            api.llama_get_logits_ith(context, 0)
        took = time.perf_counter() - start
        if round_number:
            decode.append(args.generate / took)
    return {"prefill_tokens_per_s": statistics.median(prefill), "decode_tokens_per_s": statistics.median(decode)}


def tokens_of(model, text, bos):
    ids = (api.llama_token * (len(text) + 8))()
    return list(ids[:api.llama_tokenize(model, text, len(text), ids, len(ids), bos, False)])


def perplexity(model, args):
    ids = tokens_of(model, open(args.perplexity, "rb").read(), bos=False)
    with_bos = tokens_of(model, b"a", bos=True)
    begins = len(with_bos) > len(tokens_of(model, b"a", bos=False))
    count = min(len(ids), args.windows * args.context) if args.windows else len(ids)
    context = open_context(model, args.context, args.threads, args.flash)
    vocabulary = api.llama_vocab_n_tokens(api.llama_model_get_vocab(model))
    batch = Batch(args.context)
    loss, scored = 0.0, 0
    for begin in range(0, count - args.context + 1, args.context):
        api.llama_kv_cache_clear(context)
        window = ids[begin:begin + args.context]
        if begins:
            window[0] = with_bos[0]  # as llama.cpp's tool does
        batch.read(context, window, 0, all_logits=True)
        for i in range(args.context // 2, args.context - 1):
            row = np.ctypeslib.as_array(api.llama_get_logits_ith(context, i), (vocabulary,)).astype(np.float64)
            top = row.max()
            loss += top + np.log(np.exp(row - top).sum()) - row[window[i + 1]]
            scored += 1
    return {"perplexity": float(np.exp(loss / scored)), "tokens": scored}


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--prompt", type=int, default=512)
    options.add_argument("--generate", type=int, default=64)
    options.add_argument("--repeat", type=int, default=1)
    options.add_argument("--context", type=int, default=512)
    options.add_argument("--windows", type=int, default=0, help="score only so many; 0 = all")
    options.add_argument("--perplexity", metavar="FILE")
    options.add_argument("--repack", action=argparse.BooleanOptionalAction, default=False,
                         help="weights repacked at load: slower with these files")
    options.add_argument("--flash", action=argparse.BooleanOptionalAction, default=True, help="flash attention")
    args = options.parse_args()
    model = open_model(args.model, args.repack)
    print(json.dumps(perplexity(model, args) if args.perplexity else speeds(model, args)))


if __name__ == "__main__":
    main()
