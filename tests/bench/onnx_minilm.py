#!/usr/bin/env python3
"""MiniLM on ONNX Runtime, the rival of the row `embed` of tests/bench/run.

    onnx_minilm.py build MODEL_FOLDER OUT.onnx      the graph, in F32, from model.safetensors
    onnx_minilm.py check OUT.onnx FACTS.json        cosines to {"rows": [{"ids", "embedding"}]} (all >= 0.9999)
    onnx_minilm.py time OUT.onnx IDS.json [--threads N] [--repeat N]

Run it with build/rivals/onnxruntime/bin/python, which tests/bench/build_onnx_runtime makes. The graph is
what exporters write: MatMul, Add, Softmax, LayerNormalization and Gelu of opset 20, no padding and no mask
(the batches are of one length), then the mean over tokens and L2 norm, so that ONNX Runtime can fuse what
it likes. IDS.json is a list of lists of token ids of one length.
"""
import argparse
import json
import struct
import sys
import time

import numpy as np

LAYERS, WIDTH, HEADS, EPSILON = 6, 384, 12, 1e-12


def tensors(folder):
    with open(f"{folder}/model.safetensors", "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    read = {}
    for name, entry in header.items():
        if name == "__metadata__" or entry["dtype"] != "F32":
            continue
        begin, end = entry["data_offsets"]
        read[name] = np.frombuffer(data[begin:end], np.float32).reshape(entry["shape"])
    return read


def build(folder, out):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = tensors(folder)
    nodes, constants = [], {}

    def constant(name, value):
        constants[name] = numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def node(kind, inputs, **attributes):
        name = f"{kind}_{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def linear(x, name):
        product = node("MatMul", [x, constant(name + ".weight.T", weights[name + ".weight"].T)])
        return node("Add", [product, constant(name + ".bias", weights[name + ".bias"])])

    def norm(x, name):
        return node("LayerNormalization", [x, constant(name + ".weight", weights[name + ".weight"]),
                                           constant(name + ".bias", weights[name + ".bias"])],
                    axis=-1, epsilon=EPSILON)

    split = constant("split", np.array([0, 0, HEADS, WIDTH // HEADS], np.int64))
    joined = constant("joined", np.array([0, 0, WIDTH], np.int64))
    scale = constant("scale", np.array((WIDTH / HEADS) ** 0.5, np.float32))
    one = constant("one", np.array([1], np.int64))
    zero = constant("zero", np.array([0], np.int64))

    def heads(x, order):
        return node("Transpose", [node("Reshape", [x, split])], perm=order)

    words = node("Gather", [constant("words", weights["embeddings.word_embeddings.weight"]), "ids"])
    length = node("Gather", [node("Shape", ["ids"]), one])
    positions = node("Slice", [constant("positions", weights["embeddings.position_embeddings.weight"]), zero,
                               length, zero])
    x = node("Add", [node("Add", [words, constant("type", weights["embeddings.token_type_embeddings.weight"][0])]),
                     positions])
    x = norm(x, "embeddings.LayerNorm")
    for i in range(LAYERS):
        layer = f"encoder.layer.{i}."
        q = heads(linear(x, layer + "attention.self.query"), [0, 2, 1, 3])
        k = heads(linear(x, layer + "attention.self.key"), [0, 2, 3, 1])
        v = heads(linear(x, layer + "attention.self.value"), [0, 2, 1, 3])
        weights_of = node("Softmax", [node("Div", [node("MatMul", [q, k]), scale])], axis=-1)
        context = node("Transpose", [node("MatMul", [weights_of, v])], perm=[0, 2, 1, 3])
        context = node("Reshape", [context, joined])
        attended = linear(context, layer + "attention.output.dense")
        x = norm(node("Add", [attended, x]), layer + "attention.output.LayerNorm")
        inner = node("Gelu", [linear(x, layer + "intermediate.dense")])
        x = norm(node("Add", [linear(inner, layer + "output.dense"), x]), layer + "output.LayerNorm")
    mean = node("ReduceMean", [x, one], keepdims=0)
    nodes.append(helper.make_node("LpNormalization", [mean], ["embedding"], axis=-1, p=2))
    graph = helper.make_graph(
        nodes, "minilm", [helper.make_tensor_value_info("ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", WIDTH])],
        list(constants.values()))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.checker.check_model(model)
    onnx.save(model, out)


def session(path, threads):
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def check(path, golden):
    run = session(path, 1)
    worst = 1.0
    for row in json.load(open(golden))["rows"]:
        made = run.run(None, {"ids": np.array([row["ids"]], np.int64)})[0][0]
        wanted = np.array(row["embedding"])
        worst = min(worst, float(made @ wanted / np.linalg.norm(wanted) / np.linalg.norm(made)))
    print(json.dumps({"worst_cosine": worst}))
    return 0 if worst >= 0.9999 else 1


def measure(path, ids, threads, repeat):
    run = session(path, threads)
    batch = np.array(json.load(open(ids)), np.int64)
    times, cpu = [], []
    for i in range(repeat + 1):
        start, cpu_start = time.perf_counter(), time.process_time()
        run.run(None, {"ids": batch})
        if i > 0:  # the first warms up
            times.append((time.perf_counter() - start) * 1e3)
            cpu.append((time.process_time() - cpu_start) * 1e3)
    print(json.dumps({"tokens": batch.size, "tokens_per_s": batch.size / min(times) * 1e3, "milliseconds": times,
                      "cpu_milliseconds": cpu}))
    return 0


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("action", choices=["build", "check", "time"])
    options.add_argument("first")
    options.add_argument("second")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--repeat", type=int, default=5)
    args = options.parse_args()
    if args.action == "build":
        return build(args.first, args.second)
    if args.action == "check":
        return check(args.first, args.second)
    return measure(args.first, args.second, args.threads, args.repeat)


if __name__ == "__main__":
    sys.exit(main())
