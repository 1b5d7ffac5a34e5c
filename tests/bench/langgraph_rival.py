#!/usr/bin/env python3
"""The graphs of planner_bench.cpp in LangGraph: langgraph_rival.py [--quick]. Prints {name, value, unit} a line: medians by the clock."""
import argparse
import json
import operator
import statistics
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
    quick = options.parse_args().quick
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
