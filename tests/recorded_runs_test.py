#!/usr/bin/env python3
"""Recorded runs as a script sees them: pictures, forks, resumed statistics, time limits, garbage.

recorded_runs_test.py WEFT: no model is needed.
"""
import json
import os
import pathlib
import sqlite3
import subprocess
import sys
import tempfile
import unittest

WEFT = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/weft"

TOOLS = [{"name": "echo", "argv": ["/bin/cat"], "effect": "read", "timeout_s": 20,
          "arguments": {"type": "object", "properties": {"text": {"type": "string"}}}},
         {"name": "wait", "argv": ["/bin/sleep", "30"], "effect": "read", "timeout_s": 60}]

# Each line shouted, all of them in one text, which grows three times.
SHOUT = [{"name": "lines", "kind": "split_lines", "inputs": ["text"]},
         {"name": "each", "kind": "map", "over": "lines", "as": "line", "result": "loud", "nodes": [
             {"name": "loud", "kind": "format", "format": "{{line}}!"}]},
         {"name": "all", "kind": "join", "separator": " ", "inputs": ["each"]},
         {"name": "grown", "kind": "loop", "from": "all", "as": "state", "iterations_max": 3, "result": "more", "nodes": [
             {"name": "more", "kind": "concat", "inputs": ["state", "dot"]}]}]
ASK = [{"name": "approved", "kind": "ask", "question": "all", "type": "bool"},
       {"name": "sent", "kind": "show", "inputs": ["approved"]}]


class RecordedRuns(unittest.TestCase):
    def setUp(self):
        home = tempfile.TemporaryDirectory()
        self.addCleanup(home.cleanup)
        self.home = pathlib.Path(home.name)

    def weft(self, *arguments, code=0):
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.home), "WEFT_HOME": str(self.home / "data")}
        done = subprocess.run([WEFT, *arguments], capture_output=True, text=True, env=environment, timeout=120)
        self.assertEqual(done.returncode, code, f"weft {arguments}: {done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, code=0):
        return json.loads(self.weft(*arguments, "--json", code=code).stdout)

    def file(self, nodes, result, **more):
        path = self.home / "graph.json"
        path.write_text(json.dumps({
            "format": "weft-graph-1", "inputs": [{"name": "text"}, {"name": "dot"}], "tools": TOOLS,
            "nodes": nodes, "result": result, **more}))
        return str(path)

    def record(self, file, code=0, text="a\nb"):
        """Runs a file and returns the run's id."""
        self.weft("run", file, "-i", "text=" + text, "-i", "dot=.", "--record", "--allow-tools", code=code)
        return self.json("trace", "list")["runs"][0]["id"]

    def change(self, sql, *values):
        database = sqlite3.connect(self.home / "data/traces/runs.db")
        with database:
            database.execute(sql, values)
        database.close()

    def test_a_run_is_drawn_with_what_each_node_did(self):
        done = self.record(self.file(SHOUT, "grown"))
        picture = self.weft("trace", "show", done, "--mermaid").stdout
        self.assertTrue(picture.startswith("flowchart TD\n"))
        self.assertRegex(picture, r'\["loud<br>2 done, [^"]* s"\]')
        self.assertRegex(picture, r'\["more<br>3 done, [^"]* s"\]')
        self.assertRegex(picture, r'subgraph s\d+\["grown \(loop\)<br>bound, 0 s"\]')
        self.assertRegex(self.weft("trace", "show", done, "--dot").stdout, r'label="loud\\n2 done')
        self.assertEqual(self.json("trace", "show", done, "--mermaid")["mermaid"], picture)
        self.weft("trace", "show", done, "--mermaid", "--dot", code=2)
        # Without the note of its file, as other programs record runs, and when it is redacted.
        self.change("DELETE FROM note")
        self.assertEqual(self.weft("trace", "show", done, "--mermaid").stdout, picture)
        self.assertIn("wasn't recorded by `weft run`", self.weft("fork", done, code=1).stderr)
        self.change("INSERT INTO run_document SELECT 'doc', id FROM run")
        self.assertEqual(self.json("trace", "forget", "doc")["redacted"], 1)
        self.assertEqual(self.weft("trace", "show", done, "--mermaid").stdout, picture)
        self.assertIn("is redacted", self.weft("fork", done, code=1).stderr)

    def test_failed_and_suspended_runs_are_drawn_as_far_as_they_came(self):
        failed = self.record(self.file(SHOUT[:3] + [{"name": "n", "kind": "parse_number", "inputs": ["all"]}], "n"), code=2)
        picture = self.weft("trace", "show", failed, "--mermaid").stdout
        self.assertIn('["all<br>done, ', picture)
        self.assertIn('["n<br>failed, ', picture)
        suspended = self.record(self.file(SHOUT[:3] + ASK, "sent"), code=4)
        picture = self.weft("trace", "show", suspended, "--mermaid").stdout
        self.assertIn('["approved<br>asked, ', picture)
        self.assertIn('["sent"]', picture)

    def test_a_plan_is_drawn_with_its_steps_and_forked_inside(self):
        file = self.file([{"name": "work", "kind": "plan", "from": "text", "gives": "text", "tools": ["echo"]},
                          {"name": "all", "kind": "concat", "inputs": ["work", "dot"]}], "all")
        run = self.record(file, text=json.dumps({"result": "b", "steps": [
            {"id": "a", "tool": "echo", "arguments": {"text": "one"}},
            {"id": "b", "tool": "echo", "arguments": {"text": "${a/text} two"}}]}))
        picture = self.weft("trace", "show", run, "--mermaid").stdout
        self.assertRegex(picture, r'subgraph s\d+\["work \(plan\)"\]\n  n\d+\["a<br>done, ')
        forked = self.json("fork", run, "--set", 'work/a={"text": "three"}', "--allow-tools")
        self.assertEqual(forked["result"], '{"text":"three two"}.')
        self.assertIn("isn't valid JSON", self.weft("fork", run, "--set", "work/a=three", "--allow-tools", code=2).stderr)
        self.assertIn("no node work/c", self.weft("fork", run, "--set", "work/c=three", "--allow-tools", code=2).stderr)
        self.assertEqual(len(self.json("trace", "list")["runs"]), 2)

    def test_a_fork_changes_a_value_and_stands_on_its_own(self):
        file = self.file(SHOUT, "grown")
        run = self.record(file)
        os.unlink(file)
        done = self.weft("fork", run, "--set", "each[1]/loud=c?")
        self.assertEqual(done.stdout, "a! c?...\n")
        fork = self.json("trace", "list")["runs"][0]["id"]
        self.assertIn(f"run {fork} is a fork of {run}", done.stderr)
        self.assertEqual(self.json("replay", fork)["result"], "a! c?...")
        again = self.json("fork", fork, "--set", "grown[1]/more=x")
        self.assertEqual((again["result"], again["parent"]), ("x.", fork))
        attempts = {node["node"]: node["attempts"] for node in again["nodes"]}
        self.assertEqual((attempts["each/loud"], attempts["grown/more"]), (0, 1))
        self.assertEqual(self.json("fork", run, "-i", "dot=;")["result"], "a! b!;;;")
        self.assertEqual(self.json("fork", run, "--set", 'each=["z"]')["result"], "z...")
        self.assertIn(f"fork of {run}", self.weft("trace", "list").stdout)
        self.assertRegex(self.weft("trace", "show", again["run"], "--mermaid").stdout, r'\["more<br>3 done')

    def test_a_fork_says_what_is_wrong_with_a_change(self):
        run = self.record(self.file(SHOUT, "grown"))
        for flags, reason in ((["--set", "al=x"], 'no node al; did you mean "all"?'),
                              (["--set", "each=x"], "--set each"),
                              (["--set", "each=[1]"], "--set each"),
                              (["--redo", "each/lines"], "no node each/lines"),
                              (["-i", "dto=x"], 'no input dto; did you mean "dot"?')):
            with self.subTest(flags):
                self.assertIn(reason, self.weft("fork", run, *flags, code=2).stderr)
        self.assertEqual(len(self.json("trace", "list")["runs"]), 1)
        self.assertIn("never asked for each[7]/loud", self.weft("fork", run, "--set", "each[7]/loud=x").stderr)
        self.assertIn("is done: replay it, or fork it", self.weft("resume", run, code=2).stderr)

    def test_a_fork_may_be_of_another_version_of_the_graph(self):
        run = self.record(self.file(SHOUT, "grown"))
        changed = self.file([{**node, "separator": "+"} if node["name"] == "all" else node for node in SHOUT], "grown")
        made = self.json("fork", run, "--graph", changed)
        self.assertEqual(made["result"], "a!+b!...")
        attempts = {node["node"]: node["attempts"] for node in made["nodes"]}
        self.assertEqual((attempts["each/loud"], attempts["all"]), (0, 1))
        self.assertEqual(self.json("replay", made["run"])["result"], "a!+b!...")

    def test_a_suspended_run_forks_into_both_answers_and_is_learned_from(self):
        tool = {"name": "said", "kind": "tool", "tool": "echo", "inputs": {"text": "text"}, "gives": "json"}
        shown = {"name": "all", "kind": "show", "inputs": ["said"]}
        file = self.file([tool, shown] + ASK, "sent")
        run = self.record(file, code=4)
        asked = self.json("fork", run, "--allow-tools", code=4)
        self.assertEqual((asked["status"], asked["parent"]), ("suspended", run))
        for answer in ("true", "false"):
            self.assertEqual(self.json("fork", run, "--set", "approved=" + answer, "--allow-tools")["result"], answer)
        self.assertEqual(self.json("resume", run, "--set", "approved=true", "--allow-tools")["result"], "true")
        self.assertNotIn("said", self.json("predict", file, "-i", "text=x", "-i", "dot=.")["unknown"])

    def test_graphs_and_parts_of_them_have_time_limits(self):
        wait = {"name": "slow", "kind": "tool", "tool": "wait", "inputs": {}, "gives": "text"}
        scope = {"name": "part", "kind": "scope", "budget": {"wall_time_s": 0.2}, "nodes": [wait], "result": "slow"}
        arguments = ["-i", "text=a", "-i", "dot=.", "--allow-tools"]
        self.assertIn("node part", self.weft("run", self.file([scope], "part"), *arguments, code=1).stderr)
        each = {"name": "each", "kind": "map", "over": "lines", "as": "line", "on_error": "skip", "nodes": [scope], "result": "part"}
        count = {"name": "n", "kind": "count", "inputs": ["each"]}
        file = self.file([SHOUT[0], each, count], "n")
        self.assertEqual(self.weft("run", file, *arguments).stdout, "0\n")
        file = self.file([wait], "slow", budget={"wall_time_s": 0.2})
        self.assertIn("time is up", self.weft("run", file, *arguments, code=1).stderr)
        file = self.file([wait], "slow")
        self.assertIn("time is up", self.weft("run", file, *arguments, "--budget", "wall_time_s=0.2", code=1).stderr)
        self.assertIn('"wall_time_s" has to be', self.weft("run", file, *arguments, "--budget", "wall_time_s=0", code=2).stderr)

    def test_garbage_is_what_ended_long_ago_and_suspended_runs_if_told(self):
        self.record(self.file(SHOUT, "grown"))
        self.record(self.file(SHOUT[:3] + ASK, "sent"), code=4)
        self.assertEqual(self.json("trace", "gc")["removed"], 0)
        self.change("UPDATE run SET started_ns = started_ns - 40 * 86400 * 1000000000, ended_ns = ended_ns - 40 * 86400 * 1000000000")
        self.assertEqual(self.json("trace", "gc", "--days", "50")["removed"], 0)
        self.assertEqual(self.weft("trace", "gc").stdout, "1 runs removed\n")
        self.assertEqual([run["status"] for run in self.json("trace", "list")["runs"]], ["suspended"])
        self.assertEqual(self.json("trace", "gc", "--suspended")["removed"], 1)
        self.assertIn("--suspended", self.weft("trace", "gc", "--help").stdout)


if __name__ == "__main__":
    unittest.main(argv=sys.argv[:1])
