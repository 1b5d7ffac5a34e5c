#!/usr/bin/env python3
"""OpenVINO GenAI, a rival of the rows `rivals` of tests/bench/run, where it reads the GGUF file.

    openvino_rival.py MODEL.gguf [--threads N] [--prompt N] [--generate N] [--repeat N]

Run it with build/rivals/openvino/bin/python, which tests/bench/build_wheel_rivals makes. Prints one JSON object:
tokens/s of a prompt until its first token, and of the tokens after it, by the clock of its own pipeline.
"""
import argparse
import json
import statistics

import numpy as np
import openvino
import openvino_genai


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("model")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--prompt", type=int, default=512)
    options.add_argument("--generate", type=int, default=64)
    options.add_argument("--repeat", type=int, default=1)
    args = options.parse_args()
    pipeline = openvino_genai.LLMPipeline(args.model, "CPU", INFERENCE_NUM_THREADS=args.threads)
    config = openvino_genai.GenerationConfig()
    config.max_new_tokens = args.generate + 1
    config.min_new_tokens = args.generate + 1
    config.ignore_eos = True
    config.do_sample = False
    random = np.random.default_rng(1)
    prefill, decode = [], []
    for round_number in range(args.repeat + 1):  # the first warms up
        # Another prompt each time: the pipeline keeps what it has read.
        ids = random.integers(1000, 40000, (1, args.prompt)).astype(np.int64)
        inputs = openvino_genai.TokenizedInputs(openvino.Tensor(ids), openvino.Tensor(np.ones_like(ids)))
        metrics = pipeline.generate(inputs, config).perf_metrics
        if round_number:
            prefill.append(args.prompt / metrics.get_ttft().mean * 1e3)
            decode.append(1e3 / metrics.get_tpot().mean)
    print(json.dumps({"prefill_tokens_per_s": statistics.median(prefill),
                      "decode_tokens_per_s": statistics.median(decode)}))


if __name__ == "__main__":
    main()
