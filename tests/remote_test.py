#!/usr/bin/env python3
"""The program with remote models: a stand-in server that misbehaves, and a real llama-server.

remote_test.py WEFT: the second part needs tests/bench/build_llama_cpp's llama-server and smollm2-135m of WEFT_TEST_MODELS.
"""
import contextlib
import http.server
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "eval/remote"))
import evaluate  # noqa: E402

WEFT = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/weft"
ROOT = pathlib.Path(__file__).resolve().parents[1]
MODEL = pathlib.Path(os.environ.get("WEFT_TEST_MODELS", ""), "smollm2-135m.gguf")
LLAMA_SERVERS = sorted((ROOT / "build/rivals").glob("*/llama-server")) if (ROOT / "build/rivals").exists() else []
WHY_SKIPPED = ("" if LLAMA_SERVERS and MODEL.is_file() else
               "WEFT_TEST_MODELS has no smollm2-135m.gguf" if LLAMA_SERVERS else
               "build/rivals has no llama-server (tests/bench/build_llama_cpp makes it)")


def chunk(**choice):
    return "data: " + json.dumps({"model": "stand-in", "choices": [choice]}) + "\n\n"


def answer(text, scores=True):
    """A stream of `text` as one token a word, each as likely as can be."""
    body = ""
    for word in text.split(" "):
        more = {"logprobs": {"content": [{"token": word, "logprob": -0.01}]}} if scores else {}
        body += chunk(delta={"content": (" " if body else "") + word}, **more)
    body += chunk(delta={}, finish_reason="stop")
    usage = {"choices": [], "usage": {"prompt_tokens": 50, "completion_tokens": 3}}
    return 200, {"Content-Type": "text/event-stream"}, body + f"data: {json.dumps(usage)}\n\ndata: [DONE]\n\n"


class StandIn(http.server.ThreadingHTTPServer):
    """Gives `answers` in turn, the last one again and again; keeps the requests' bodies."""

    def __init__(self, *answers):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.bodies, self.keys, self.lock = list(answers), [], [], threading.Lock()
        self.together = None  # a barrier that requests wait at
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.server.lock:
            status, headers, text = self.server.answers[min(len(self.server.bodies), len(self.server.answers) - 1)]
            self.server.bodies.append(body)
            self.server.keys.append(self.headers.get("Authorization"))
        if self.server.together:
            self.server.together.wait()
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(text.encode()))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self):
        text = json.dumps({"data": [{"id": "big"}]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


def error(status, headers=None, **fields):
    return status, {"Content-Type": "application/json", **(headers or {})}, json.dumps({"error": fields})


class Program(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.path = pathlib.Path(self.home.name)
        self.environment = {"PATH": os.environ["PATH"], "HOME": self.home.name, "WEFT_HOME": self.home.name + "/data"}

    def weft(self, *arguments, code=0, model="remote:test", **options):
        done = subprocess.run([WEFT, *arguments, *(["--model", model] if model else [])], capture_output=True,
                              text=True, env=self.environment, timeout=120, **options)
        self.assertEqual(done.returncode, code, f"weft {arguments}: {done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, **options):
        return json.loads(self.weft(*arguments, "--json", **options).stdout)

    def index(self):
        docs = self.path / "docs"
        docs.mkdir()
        for name, where, year in (("moon", "the Moon", 1969), ("mars", "Mars", 1976)):
            (docs / f"{name}.md").write_text(f"A probe landed on {where} in {year}.\n")
        self.weft("index", str(docs), model=None)


class Misbehaving(Program):
    def stand_in(self, *answers, **settings):
        server = StandIn(*answers)
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        self.environment["WEFT_REMOTE_TEST_URL"] = server.url
        for key, value in settings.items():
            self.environment["WEFT_REMOTE_TEST_" + key.upper()] = str(value)
        return server

    def test_complete_asks_the_server(self):
        server = self.stand_in(answer("Hello there"), model="big", api_key_env="KEY")
        self.environment["KEY"] = "secret"
        done = self.json("complete", "hi", "--system", "be kind", "-n", "7")
        self.assertEqual(done["text"], "Hello there")
        self.assertEqual(done["model"], "remote:test")
        self.assertEqual(done["server_model"], "stand-in")
        self.assertEqual(done["usage"]["prompt_tokens"], 50)
        self.assertEqual(server.keys, ["Bearer secret"])
        body = server.bodies[0]
        self.assertEqual((body["model"], body["max_tokens"]), ("big", 7))
        self.assertEqual([m["role"] for m in body["messages"]], ["system", "user"])
        self.assertEqual(self.weft("complete", "hi").stdout, "Hello there\n")

    def test_batch_lines_keep_their_order(self):
        self.stand_in(answer("yes"), error(400, message="no"), answer("yes"), parallel=1)
        lines = "".join(json.dumps({"id": i, "prompt": "p"}) + "\n" for i in range(3))
        rows = [json.loads(row) for row in self.weft("complete", "--batch", "-", input=lines, code=4).stdout.splitlines()]
        self.assertEqual([row["id"] for row in rows], [0, 1, 2])
        self.assertEqual([row.get("text") for row in rows], ["yes", None, "yes"])
        self.assertIn("no", rows[1]["error"]["message"] if isinstance(rows[1]["error"], dict) else rows[1]["error"])

    def test_busy_server_is_asked_again(self):
        server = self.stand_in(error(429, {"Retry-After": "0"}, message="slow down"), answer("at last"))
        self.assertEqual(self.json("complete", "hi")["text"], "at last")
        self.assertEqual(len(server.bodies), 2)

    def test_answer_that_breaks_the_schema_is_an_error(self):
        schema = self.path / "schema.json"
        schema.write_text('{"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}')
        server = self.stand_in(answer("Sure! Here:"), answer('{"b":1}'), answer('{"a":1}'))
        for _ in range(2):
            self.assertIn("--schema", self.weft("complete", "hi", "--schema", str(schema), code=1).stderr)
        self.assertEqual(self.json("complete", "hi", "--schema", str(schema))["text"], '{"a":1}')
        self.assertEqual(server.bodies[0]["response_format"]["json_schema"]["schema"]["required"], ["a"])

    def test_flags_that_a_server_cannot_obey_are_named(self):
        self.stand_in(answer("x"))
        for flag, value in (("--kv", "q8_0"), ("--threads", "2"), ("--draft", "0"), ("--context", "512"),
                            ("--think-tokens", "5"), ("--regex", "a"), ("--grammar", "f"), ("--logit-bias", "1=2"),
                            ("--repeat-penalty", "1.5"), ("--prefill", "a"), ("--block-ngrams", "f")):
            self.assertIn(flag.strip("-"), self.weft("complete", "hi", flag, value, code=1).stderr)
        (self.path / "text").write_text("some words")
        for verb in (["perplexity", "--file", str(self.path / "text")], ["tokenize", "a"], ["bench"]):
            self.assertIn("remote", self.weft(*verb, code=1).stderr)

    def test_configuration_mistakes_say_what_to_change(self):
        self.stand_in(answer("x"), api_key_env="MISSING_KEY")
        self.assertIn("MISSING_KEY", self.weft("complete", "hi", code=2).stderr)
        self.assertIn('"test"', self.weft("complete", "hi", model="remote:tset", code=3).stderr)
        del self.environment["WEFT_REMOTE_TEST_API_KEY_ENV"]
        self.assertIn("offline", self.weft("complete", "hi", "--offline", code=1).stderr)
        self.environment["WEFT_REMOTE_TEST_URL"] = "ftp://x"
        self.assertIn("remote.test.url", self.weft("complete", "hi", code=2).stderr)
        self.assertIn("remote.test.url", self.json("config", "show", model=None))

    def test_doctor_looks_whether_the_server_is_there(self):
        self.environment["WEFT_MODEL_NAME"] = "remote:test"
        server = self.stand_in(answer("x"), model="bigg")

        def check():
            done = subprocess.run([WEFT, "doctor", "--json"], capture_output=True, text=True, env=self.environment)
            return next(row for row in json.loads(done.stdout)["checks"] if row["check"] == "model")

        self.assertEqual(check()["state"], "warning")
        self.environment["WEFT_REMOTE_TEST_MODEL"] = "big"
        self.assertEqual(check()["state"], "ok")
        server.shutdown()
        server.server_close()
        self.assertEqual(check()["state"], "failed")

    def test_ask_judges_by_what_the_server_tells(self):
        self.index()
        question = "When did a probe land on the Moon?"
        self.stand_in(answer("1969"))
        told = self.json("ask", question)
        self.assertFalse(told["abstained"])
        self.assertEqual(told["answer"], "1969")
        self.assertIn("moon.md", told["citations"][0]["source"])
        self.assertGreater(told["confidence"], 0)
        self.assertIsNone(told["evidence"]["question_explained"])
        self.assertIsNotNone(told["evidence"]["mean_log_probability"])
        # Without log-probabilities there is no estimate, and no abstaining for one.
        self.stand_in(answer("perhaps never", scores=False))
        untold = self.json("ask", question, "--threshold", "1")
        self.assertIsNone(untold["confidence"])
        self.assertIn("log-probabilities", untold["confidence_reason"])
        self.assertFalse(untold["abstained"])
        self.assertIn("no confidence", self.weft("ask", question).stdout)
        # With them there is one.
        self.stand_in(answer("perhaps never"))
        self.assertTrue(self.json("ask", question, "--threshold", "1")["abstained"])

    def test_ask_leaves_passages_out_until_the_context_holds_them(self):
        self.index()
        server = self.stand_in(error(400, code="context_length_exceeded", message="too long"), answer("1969"))
        told = self.json("ask", "When did a probe land on the Moon?")
        self.assertEqual(len(told["passages"]), 1)
        self.assertEqual([body["messages"][0]["content"].count("Passage ") for body in server.bodies], [2, 1])

    def test_lines_are_with_the_server_together(self):
        self.index()
        lines = "".join(json.dumps({"id": i, "question": "When did a probe land on the Moon?", "prompt": "p"}) + "\n"
                        for i in range(6))
        for verb in ("ask", "complete"):
            server = self.stand_in(answer("1969"), parallel=3)
            server.together = threading.Barrier(3, timeout=60)  # breaks where fewer come at once
            rows = [json.loads(row) for row in self.weft(verb, "--batch", "-", input=lines).stdout.splitlines()]
            self.assertEqual([row["id"] for row in rows], list(range(6)))
            self.assertEqual({row.get("answer", row.get("text")) for row in rows}, {"1969"})

    def test_chat_sends_the_conversation(self):
        self.index()
        server = self.stand_in(answer("1969"))
        self.weft("chat", "--threshold", "0", input="When did a probe land on the Moon?\nAnd on Mars?\n")
        self.assertEqual([len(body["messages"]) for body in server.bodies], [1, 3])

    def test_graphs_run_on_a_remote_model(self):
        graph = self.path / "graph.json"
        graph.write_text(json.dumps({"format": "weft-graph-1", "inputs": [{"name": "lines", "type": "list<text>"}], "result": "all", "nodes": [
            {"name": "each", "kind": "map", "over": "lines", "as": "line", "nodes": [
                {"name": "said", "kind": "llm", "prompt": "Say {{line}}", "max_tokens": 5}], "result": "said"},
            {"name": "all", "kind": "join", "inputs": ["each"]}]}))
        self.stand_in(answer("ok"), prompt_price=0.5, output_price=2)
        done = self.json("run", str(graph), "-i", 'lines=["a", "b", "c"]')
        self.assertEqual(done["result"], "ok\nok\nok")
        self.assertEqual(done["usage"]["output_tokens"], 9)
        self.assertEqual(done["usage"]["money_micros"], 93)  # three times 50 half ones and 3 of 2, each rounded
        # A call may write 5 tokens, of 2 each, beside its prompt: none fits.
        refused = self.weft("run", str(graph), "-i", 'lines=["a"]', "--budget", "money_micros=9", code=1)
        self.assertIn("money", refused.stderr)
        self.assertEqual(done["model"], "remote:test")


@unittest.skipIf(WHY_SKIPPED, WHY_SKIPPED)
class LlamaServer(Program):
    """The real one, with the same file that the engine in the process reads."""

    @classmethod
    def setUpClass(cls):
        with contextlib.closing(socket.socket()) as free:
            free.bind(("127.0.0.1", 0))
            cls.port = free.getsockname()[1]
        cls.server = subprocess.Popen(
            [str(LLAMA_SERVERS[0]), "-m", str(MODEL), "--port", str(cls.port), "-c", "4096", "-t", "2", "-np", "2",
             "--no-webui"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        cls.addClassCleanup(cls.server.wait)
        cls.addClassCleanup(cls.server.terminate)
        for _ in range(600):
            with contextlib.suppress(OSError):
                if urllib.request.urlopen(f"http://127.0.0.1:{cls.port}/health", timeout=5).status == 200:
                    return
            time.sleep(0.1)
        raise RuntimeError("llama-server doesn't get ready")

    def setUp(self):
        super().setUp()
        self.environment["WEFT_REMOTE_TEST_URL"] = f"http://127.0.0.1:{self.port}/v1"

    def server_tokens(self, prompt, count):
        """What the server draws without Weft between, each with its likeliest two."""
        body = {"messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": count, "logprobs": True,
                "top_logprobs": 2}
        request = urllib.request.Request(self.environment["WEFT_REMOTE_TEST_URL"] + "/chat/completions",
                                         json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return json.load(response)["choices"][0]["logprobs"]["content"]

    def test_chat_completion_and_stop(self):
        remote = self.json("complete", "Name three colours.", "-n", "24")
        local = self.json("complete", "Name three colours.", "-n", "24", model=str(MODEL))
        tokens = self.server_tokens("Name three colours.", 24)
        self.assertEqual(remote["text"], "".join(token["token"] for token in tokens))
        if local["text"] != remote["text"]:  # they round differently: a near tie falls either way
            parting = evaluate.parting(local["text"], tokens)
            self.assertIsNotNone(parting)
            self.assertTrue(parting["is_second"], parting)
            self.assertLess(parting["gap"], 0.3, parting)
        self.assertEqual(remote["usage"]["prompt_tokens"], local["usage"]["prompt_tokens"])
        self.assertEqual(remote["finish_reason"], local["finish_reason"])
        raw = self.json("complete", "--raw", "The capital of France is", "-n", "8", "--stop", ".")
        self.assertNotIn(".", raw["text"])
        self.assertTrue(raw["text"])

    def test_schema(self):
        schema = self.path / "schema.json"
        schema.write_text('{"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],'
                          ' "additionalProperties": false}')
        done = self.json("complete", "Give a number.", "--schema", str(schema), "-n", "40")
        self.assertIsInstance(json.loads(done["text"])["n"], int)

    def test_ask_has_log_probabilities(self):
        self.index()
        told = self.json("ask", "When did a probe land on the Moon?", "--threshold", "0")
        self.assertLess(told["evidence"]["mean_log_probability"], 0)
        local = self.json("ask", "When did a probe land on the Moon?", "--threshold", "0", model=str(MODEL))
        self.assertEqual(told["answer"], local["answer"])
        self.assertAlmostEqual(told["evidence"]["mean_log_probability"],
                               local["evidence"]["mean_log_probability"], delta=0.1)

    def test_a_prompt_beyond_the_context_is_told_as_such(self):
        self.assertIn("context", self.weft("complete", "word " * 6000, code=1).stderr)


if __name__ == "__main__":
    if WHY_SKIPPED:
        print(f"SKIPPED: llama-server, because {WHY_SKIPPED}")
    unittest.main(argv=sys.argv[:1])
