#!/usr/bin/env python3
"""The graphs of planner_bench.cpp in LangGraph, or with --durable those of durable_bench.cpp with its SQLite checkpointer.

langgraph_rival.py [--durable] [--quick]. Prints {name, value, unit} a line: medians by the clock."""
import argparse
import json
import operator
import pathlib
import statistics
import tempfile
import time
from typing import Annotated, TypedDict

from langgraph.graph import END, START, StateGraph
from langgraph.types import Send


class Number(TypedDict):
    n: int


class Joined(TypedDict):
    n: int
    results: Annotated[list, operator.add]


class Mapped(TypedDict):
    items: list
    results: Annotated[list, operator.add]


def add_one(state):
    return {"n": state["n"] + 1}


def chain(length):
    graph = StateGraph(Number)
    for i in range(length):
        graph.add_node(f"n{i}", add_one)
        graph.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    graph.add_edge(f"n{length - 1}", END)
    return graph.compile()


def five_and_join():
    graph = StateGraph(Joined)
    for i in range(5):
        graph.add_node(f"w{i}", lambda state: {"results": [state["n"] + 1]})
        graph.add_edge(START, f"w{i}")
    graph.add_node("join", lambda state: {"n": sum(state["results"])})
    graph.add_edge([f"w{i}" for i in range(5)], "join")
    graph.add_edge("join", END)
    return graph.compile()


def loop(rounds):
    graph = StateGraph(Number)
    graph.add_node("add", add_one)
    graph.add_edge(START, "add")
    graph.add_conditional_edges("add", lambda state: "add" if state["n"] < rounds else END)
    return graph.compile()


def fan_out():
    graph = StateGraph(Mapped)
    graph.add_node("work", lambda state: {"results": [state["item"] + 1]})
    graph.add_conditional_edges(START, lambda state: [Send("work", {"item": item}) for item in state["items"]], ["work"])
    graph.add_edge("work", END)
    return graph.compile()


class Text(TypedDict):
    text: str


class Grown(TypedDict):
    pieces: Annotated[list, operator.add]


def text_chain(length, saver):
    """Each node gives 1 KiB of its own."""
    graph = StateGraph(Text)
    for i in range(length):
        graph.add_node(f"n{i}", lambda state, i=i: {"text": str(10_000_000 + i) + state["text"][8:]})
        graph.add_edge(f"n{i - 1}" if i else START, f"n{i}")
    graph.add_edge(f"n{length - 1}", END)
    return graph.compile(checkpointer=saver)


def growing(steps, saver):
    graph = StateGraph(Grown)
    graph.add_node("write", lambda state: {"pieces": ["x" * 250 + str(100_000 + len(state["pieces"]))]})
    graph.add_edge(START, "write")
    graph.add_conditional_edges("write", lambda state: "write" if len(state["pieces"]) < steps else END)
    return graph.compile(checkpointer=saver)


def durable(quick):
    """WAL with synchronous=FULL, which is what the checkpointer opens: an fsync a commit."""
    from langgraph.checkpoint.sqlite import SqliteSaver

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "chain.db"
        with SqliteSaver.from_conn_string(str(path)) as saver:
            length = 10 if quick else 100
            graph, runs = text_chain(length, saver), iter(range(100))
            measure("durable step", "us", 1e6 / length, 1 if quick else 5,
                    lambda: graph.invoke({"text": "x" * 1024}, {"configurable": {"thread_id": str(next(runs))},
                                                                "recursion_limit": length + 10}),
                    lambda state: len(state["text"]) == 1024)
        path = pathlib.Path(folder) / "growing.db"
        with SqliteSaver.from_conn_string(str(path)) as saver:
            growing(200, saver).invoke({"pieces": []}, {"configurable": {"thread_id": "1"}, "recursion_limit": 300})
        size = sum(file.stat().st_size for file in pathlib.Path(folder).glob("growing.db*"))
        print(json.dumps({"name": "growing state", "value": size / 1e3, "unit": "KB"}), flush=True)


def measure(name, unit, scale, repeats, run, check):
    times = []
    for _ in range(repeats + 1):  # the first one warms up
        start = time.perf_counter()
        made = run()
        times.append(time.perf_counter() - start)
        assert check(made), f"{name}: {made}"
    print(json.dumps({"name": name, "value": statistics.median(times[1:]) * scale, "unit": unit}), flush=True)


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    options.add_argument("--durable", action="store_true")
    arguments = options.parse_args()
    if arguments.durable:
        return durable(arguments.quick)
    quick = arguments.quick
    few = 1 if quick else 5

    graph = chain(3)
    measure("3-node run", "us", 1e6, 5 if quick else 200, lambda: graph.invoke({"n": 0}), lambda s: s["n"] == 3)
    graph = five_and_join()
    measure("5 + join", "us", 1e6, 5 if quick else 100, lambda: graph.invoke({"n": 0}), lambda s: s["n"] == 5)
    for length in (100,) if quick else (100, 1000):
        graph = chain(length)
        measure(f"chain of {length}, a node", "ns", 1e9 / length, few,
                lambda: graph.invoke({"n": 0}, {"recursion_limit": length + 10}), lambda s: s["n"] == length)
    graph = loop(1000)
    if not quick:
        measure("loop of 1000", "ms", 1e3, few, lambda: graph.invoke({"n": 0}, {"recursion_limit": 1010}),
                lambda s: s["n"] == 1000)
    graph = fan_out()
    for children in (100,) if quick else (100, 1000):
        measure(f"fan-out to {children}", "ms", 1e3, few, lambda: graph.invoke({"items": [0] * children}),
                lambda s: len(s["results"]) == children)


if __name__ == "__main__":
    main()
