#!/usr/bin/env python3
"""The chain of durable_bench.cpp in DBOS, with SQLite as its system database: 100 steps, each with 1 KiB of its own.

dbos_rival.py [--quick]. DBOS commits each step; its connections are set to WAL and synchronous=FULL, as our level "power" and
LangGraph's checkpointer have them. Prints {name, value, unit} a line: medians by the clock."""
import argparse
import json
import pathlib
import statistics
import tempfile
import time

from dbos import DBOS
from sqlalchemy import create_engine, event, text


def main():
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--quick", action="store_true")
    quick = options.parse_args().quick
    length = 10 if quick else 100
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{pathlib.Path(folder) / 'chain.sqlite'}"
        engine = create_engine(url)

        @event.listens_for(engine, "connect")
        def equal_durability(connection, _):
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

        DBOS(config={"name": "chain", "system_database_url": url, "system_database_engine": engine,
                     "run_admin_server": False, "log_level": "ERROR"})

        @DBOS.step()
        def step(number, state):
            return str(10_000_000 + number) + state[8:]

        @DBOS.workflow()
        def chain(state):
            for number in range(length):
                state = step(number, state)
            return state

        DBOS.launch()
        try:
            times = []
            for _ in range(2 if quick else 6):  # the first one warms up
                start = time.perf_counter()
                made = chain("x" * 1024)
                times.append(time.perf_counter() - start)
                assert len(made) == 1024, made
            with engine.connect() as connection:  # what is measured is what was meant
                level = connection.execute(text("PRAGMA synchronous")).scalar()
                mode = connection.execute(text("PRAGMA journal_mode")).scalar()
                assert (level, mode) == (2, "wal"), (level, mode)
        finally:
            DBOS.destroy()
    print(json.dumps({"name": "durable step", "value": statistics.median(times[1:]) * 1e6 / length, "unit": "us"}))


if __name__ == "__main__":
    main()
