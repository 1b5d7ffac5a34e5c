#!/usr/bin/env python3
"""The program as a script sees it: exit codes, JSON, batches, offsets, interruption.

program_test.py WEFT: what needs a model uses smollm2-135m and all-minilm-l6-v2 of WEFT_TEST_MODELS.
"""
import fcntl
import json
import os
import pathlib
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
import xml.etree.ElementTree

WEFT = sys.argv[1] if len(sys.argv) > 1 else "build/release/bin/weft"
MODELS = os.environ.get("WEFT_TEST_MODELS", "")
MODEL = os.path.join(MODELS, "smollm2-135m.gguf")
HAS_MODEL = bool(MODELS) and os.path.exists(MODEL)
QWEN = os.path.join(MODELS, "qwen2.5-coder-0.5b.gguf")
BASE_MODEL = os.path.join(MODELS, "gemma-3-270m.gguf")
HAS_BASE_MODEL = bool(MODELS) and os.path.exists(BASE_MODEL)
ENCODER = os.path.join(MODELS, "all-minilm-l6-v2")
HAS_ENCODER = bool(MODELS) and os.path.exists(ENCODER)


class Program(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory()
        self.addCleanup(self.home.cleanup)
        self.docs = pathlib.Path(self.home.name, "docs")
        self.docs.mkdir()
        (self.docs / "moon.md").write_text("# Moon\n\nApollo 11 landed on the Moon in 1969. Néil walked first.\n")
        (self.docs / "mars.html").write_text("<h1>Mars</h1><p>Viking 1 landed on Mars in 1976.</p>")

    def environment(self):
        return {"PATH": os.environ["PATH"], "HOME": self.home.name, "WEFT_HOME": self.home.name + "/data"}

    def weft(self, *arguments, code=0, **options):
        done = subprocess.run([WEFT, *arguments], capture_output=True, text=True, env=self.environment(),
                              timeout=300, **options)
        self.assertEqual(done.returncode, code, f"weft {arguments}: {done.stdout}{done.stderr}")
        return done

    def json(self, *arguments, code=0, **options):
        return json.loads(self.weft(*arguments, "--json", code=code, **options).stdout)

    def wait_until_signals_are_handled(self, pid):
        """main() blocks SIGINT and waits for it in a thread; before, it would just kill."""
        for _ in range(1000):
            status = pathlib.Path(f"/proc/{pid}/status").read_text()
            blocked = next(line for line in status.splitlines() if line.startswith("SigBlk:"))
            if int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1):
                return
            time.sleep(0.02)
        self.fail("SIGINT is never blocked")

    def test_usage_errors_are_2_and_name_the_nearest(self):
        self.assertIn('"search"', self.weft("serach", code=2).stderr)
        self.assertIn('"--passages"', self.weft("search", "x", "--pasages", "3", code=2).stderr)
        self.assertIn("stop_words", self.weft("search", "x", "--stop-words", "german", code=2).stderr)
        config = pathlib.Path(self.home.name, "wrong.toml")
        config.write_text("[answer]\ntreshold = 0.1\n")
        self.assertIn('"answer.threshold"', self.weft("config", "show", "--config", str(config), code=2).stderr)
        self.assertIn("index", self.weft("--help").stdout)

    def test_bad_input_is_refused_with_the_reason(self):
        self.weft("index", str(self.docs))
        (self.docs / "empty.gguf").write_text("")
        docs = str(self.docs)
        for arguments, code, reason in (
                (["--bogus"], 2, "unexpected: --bogus"),
                (["collection"], 2, "list documents rm"),
                (["index", ""], 3, 'the folder ""'),
                (["index", docs + "/moon.md"], 2, "isn't a directory"),
                (["index", docs, "extra", "words"], 2, "unexpected: extra words"),
                (["search", "x", "-k", "9" * 30], 2, "too large"),
                (["search", "--batch", docs + "/none"], 2, "No such file"),
                (["search", "--batch", docs], 1, "Is a directory"),
                (["show", "moon.md", "--start", "-1"], 2, "--start: '-1' isn't a whole number >= 0\nTry"),
                (["show", "moon.md", "--end", "9" * 30], 2, "too large"),
                (["show", "moon.md", "--start", "5", "--end", "2"], 2, "--start 5 is past --end 2"),
                (["show", "moon.md", "--start", "999"], 2, "the document's end"),
                (["complete", "hi", "-n", "-1"], 2, "'-1' isn't a whole number"),
                (["complete", "hi", "--seed", "x"], 2, "'x' isn't a whole number"),
                (["complete", "hi", "--context", "1"], 2, "64 to 1048576"),
                (["perplexity", "-f", docs + "/moon.md", "--ctx", "1e9"], 2, "whole number"),
                (["bench", "--repeat", "0"], 2, "--repeat 0: 1 to"),
                (["bench", "--batch", "1025"], 2, "at most 1024"),
                (["bench", "--generate", "1"], 2, "needs 2"),
                (["bench", "--context", "9" * 18], 2, "at most"),
                (["bench", "--prompt", "x"], 2, "whole number"),
                (["bench", "--svg", docs + "/none/a.svg"], 2, "there is no folder"),
                (["bench", "--svg", docs], 2, "is a folder"),
                (["bench", "-m", docs + "/empty.gguf"], 1, "cut off"),
                (["tokenize", "x", "-f", "y"], 2, "not both"),
                (["tokenize", "x", "-m", docs + "/empty.gguf"], 1, "cut off"),
                (["config", "show", "--config", docs], 2, "is a folder"),
                (["backup", docs], 1, "already there"),
                (["backup", docs + "/none/copy.db"], 2, "there is no folder")):
            with self.subTest(arguments):
                done = self.weft(*arguments, code=code)
                self.assertIn(reason, done.stderr)
                self.assertEqual(done.stdout, "")

    def test_output_that_cannot_be_written_is_a_failure(self):
        self.weft("index", str(self.docs))
        with open("/dev/full", "w") as full:
            done = subprocess.run([WEFT, "search", "moon"], stdout=full, stderr=subprocess.PIPE, text=True,
                                  env=self.environment(), timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("No space left", done.stderr)
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run([WEFT, "search", "moon"], stdout=writer, stderr=subprocess.PIPE, text=True,
                              env=self.environment(), timeout=60)
        os.close(writer)
        self.assertEqual((done.returncode, done.stderr), (1, ""))

    def test_a_full_disk_is_named_and_harms_nothing(self):
        self.weft("index", str(self.docs))
        (self.docs / "long.txt").write_text("\n\n".join(f"Paragraph {i} of many." for i in range(40000)))

        def small_files():
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

        done = self.weft("index", str(self.docs), code=1, preexec_fn=small_files, restore_signals=False)
        self.assertIn("disk full", done.stderr)
        self.assertEqual(self.json("collection", "list")["collections"][0]["documents"], 2)
        self.assertEqual(self.json("index", str(self.docs))["indexed"], 1)

    def test_a_second_writer_is_told_who_writes(self):
        self.weft("index", str(self.docs))
        with open(self.home.name + "/data/weft.db.lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertIn("another process is writing", self.weft("index", str(self.docs), code=1).stderr)
            self.assertEqual(len(self.json("search", "moon")["passages"]), 1)

    def test_a_backup_never_replaces_the_database(self):
        self.weft("index", str(self.docs))
        self.assertIn("the database itself",
                      self.weft("backup", self.home.name + "/data/weft.db", "--overwrite", code=2).stderr)
        self.assertEqual(self.json("collection", "list")["collections"][0]["documents"], 2)

    def write_model(self, name, change=0.0):
        """A GGUF file of one matrix of 32 x 64 floats, the first row of which is changed."""
        def text(string):
            return struct.pack("<Q", len(string)) + string.encode()
        values = [((i * 37) % 101 - 50) / 500 + (change if i < 64 else 0) for i in range(32 * 64)]
        header = b"GGUF" + struct.pack("<IQQ", 3, 1, 2)
        header += text("general.architecture") + struct.pack("<I", 8) + text("llama")
        header += text("tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("b")
        header += text("blk.0.attn_q.weight") + struct.pack("<IQQIQ", 2, 64, 32, 0, 0)
        path = pathlib.Path(self.home.name, name)
        path.write_bytes(header + bytes(-len(header) % 32) + struct.pack(f"<{len(values)}f", *values))
        return str(path)

    def test_models_are_quantised_compared_and_merged(self):
        base, tuned = self.write_model("base.gguf"), self.write_model("tuned.gguf", 0.25)
        small = self.json("model", "quantize", base, "small", "--type", "q4_0")
        self.assertEqual((small["name"], small["weights"], small["bits_per_weight"]), ("small", 2048, 4.5))
        self.assertEqual(self.json("model", "inspect", "small")["tensor_types"], {"Q4_0": 1})
        sources = {model["name"]: model["source"] for model in self.json("model", "list")["models"]}
        self.assertEqual(sources["small"], f"quantize:{base} --type q4_0")
        self.assertIn("is here already", self.weft("model", "quantize", base, "small", "--type", "f16", code=1).stderr)
        out, delta = self.home.name + "/out.gguf", self.home.name + "/delta.safetensors"
        self.assertIn("--allow-requantize", self.weft("model", "quantize", "small", out, "--type", "q8_0", code=1).stderr)
        self.assertEqual(self.json("model", "diff", base, tuned, "--output", delta)["changed"], 64)
        self.weft("model", "merge", "--base", base, "--delta", delta, "--output", out)
        self.assertEqual(pathlib.Path(out).read_bytes(), pathlib.Path(tuned).read_bytes())
        self.assertIn("--force", self.weft("model", "merge", "--base", base, tuned, "--output", out, code=1).stderr)
        self.weft("model", "merge", "--base", base, "--method", "task", tuned + ":1", "--output", out, "--force")
        self.assertEqual(pathlib.Path(out).read_bytes(), pathlib.Path(tuned).read_bytes())
        self.weft("model", "merge", "--base", base, "--method", "dare-ties", tuned + ":0.5", base + ":0.5", "--drop", "0.5",
                  "--output", out, "--force", "--type", "q8_0")
        self.assertEqual(self.json("model", "inspect", out)["tensor_types"], {"Q8_0": 1})
        self.assertIn("fingerprint", self.weft("model", "merge", "--base", tuned, "--delta", delta, "--output", out,
                                               "--force", code=1).stderr)
        for wrong in (["--method", "median", tuned], ["--method", "task", "--drop", "0.5", tuned], []):
            self.weft("model", "merge", "--base", base, *wrong, "--output", "x", code=2)

    def test_waiting_for_standard_input_can_be_interrupted(self):
        process = subprocess.Popen([WEFT, "tokenize"], env=self.environment(), stdin=subprocess.PIPE,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        try:
            self.wait_until_signals_are_handled(process.pid)
            process.send_signal(signal.SIGINT)
            self.assertEqual(process.wait(timeout=30), 130)
        finally:
            process.kill()
            process.communicate()

    def test_missing_models_and_collections_are_3_with_the_remedy(self):
        self.assertIn("weft index", self.weft("search", "moon", code=3).stderr)
        self.assertIn("weft model pull", self.weft("tokenize", "x", "-m", "smollm2-135m", code=3).stderr)
        error = self.json("search", "moon", code=3)
        self.assertEqual(error["error"]["code"], "not_found")
        self.weft("index", str(self.docs))
        self.assertIn("default", self.weft("search", "moon", "-c", "other", code=3).stderr)

    def test_index_is_incremental_and_reports_what_fails_and_vanishes(self):
        (self.docs / "broken.pdf").write_bytes(b"%PDF-1.4 nothing")
        first = self.json("index", str(self.docs), code=4)
        self.assertEqual((first["indexed"], first["failed"]), (2, 1))
        (self.docs / "broken.pdf").unlink()
        again = self.json("index", str(self.docs))
        self.assertEqual((again["indexed"], again["replaced"], again["unchanged"]), (0, 0, 2))
        (self.docs / "moon.md").write_text("# Moon\n\nLuna 9 landed softly in 1966.\n")
        (self.docs / "mars.html").unlink()
        third = self.json("index", str(self.docs))
        self.assertEqual((third["replaced"], third["vanished"], third["pruned"]), (1, 1, 0))
        pruned = self.json("index", str(self.docs), "--prune")
        self.assertEqual(pruned["pruned"], 1)
        lines = self.weft("index", str(self.docs), "--log-format", "json").stderr.splitlines()
        self.assertEqual(json.loads(lines[0])["outcome"], "unchanged")

    def test_offsets_are_bytes_of_what_show_prints(self):
        self.weft("index", str(self.docs))
        for query, source in (("Apollo landed", "moon.md"), ("Viking landed", "mars.html")):
            hit = self.json("search", query)["passages"][0]
            self.assertEqual(hit["source"], source)
            shown = self.weft("show", source).stdout.encode()
            self.assertEqual(shown[hit["start"]:hit["end"]].decode(), hit["text"])
        self.assertEqual((self.docs / "moon.md").read_text(), self.weft("show", "moon.md").stdout)
        self.assertIn("moon.md", self.weft("show", "mon.md", code=3).stderr)

    def test_backup_and_collections(self):
        self.weft("index", str(self.docs), "-c", "space")
        copy = self.home.name + "/copy.db"
        self.weft("backup", copy)
        self.assertGreater(os.path.getsize(copy), 0)
        self.weft("backup", copy, code=1)
        self.assertEqual(self.json("collection", "list")["collections"][0]["documents"], 2)
        self.weft("collection", "rm", "space")
        self.assertEqual(self.json("collection", "list")["collections"], [])

    def test_configuration_says_where_values_come_from(self):
        shown = self.json("config", "show", "--origin")
        self.assertEqual(shown["answer.threshold"]["origin"], "default")
        for shell in ("bash", "zsh", "fish"):
            self.assertLessEqual({"perplexity", "bench"}, set(re.findall("[a-z]+", self.weft("completion", shell).stdout)))
        script = self.weft("completion", "bash").stdout
        subprocess.run(["bash", "-n"], input=script, text=True, check=True)

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_packed_weights_change_the_start_alone(self):
        models = os.path.join(self.home.name, "models")
        os.makedirs(models)
        there = os.path.join(models, "small.gguf")
        os.symlink(MODEL, there)
        asked = ("complete", "--raw", "The capital of France is", "-n", "8", "-m", there)
        text = self.json(*asked)["text"]
        packed = self.json("model", "pack", there)
        self.assertTrue(os.path.exists(packed["path"]))
        self.assertGreater(os.path.getsize(packed["path"]), packed["size_bytes"])
        self.assertEqual(self.json(*asked)["text"], text)
        self.assertEqual(self.json("model", "pack", there, "--remove")["removed"], [packed["path"]])
        self.assertEqual(os.listdir(models), ["small.gguf"])
        self.assertIn("embedding model", self.weft("model", "pack", self.home.name, code=1).stderr)

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_tokenize_and_complete_with_batches(self):
        made = self.json("tokenize", "Hello<|im_end|>", "-m", MODEL)
        special = self.json("tokenize", "Hello<|im_end|>", "-m", MODEL, "--special")
        self.assertGreater(len(made["ids"]), len(special["ids"]))
        self.assertEqual(special["text"], "Hello<|im_end|>")
        batch = pathlib.Path(self.home.name, "batch.jsonl")
        batch.write_text('{"id": 7, "prompt": "Say hello.", "max_tokens": 5}\nnonsense\n\n'
                         '{"id": "m", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4, "max_token": 3}\n'
                         '{"id": "w", "prompt": 5}\n')
        out = [json.loads(line) for line in
               self.weft("complete", "--batch", str(batch), "-m", MODEL, code=4).stdout.splitlines()]
        self.assertEqual([row.get("id") for row in out], [7, None, "m", "w"])
        self.assertEqual(len(out[0]["ids"]), out[0]["usage"]["completion_tokens"])
        self.assertIn(out[0]["finish_reason"], ("stop", "length"))
        self.assertIn("error", out[1])
        self.assertIn("max_tokens", out[2]["warnings"][0])
        self.assertEqual(out[3]["error"]["code"], "invalid_argument")
        raw = self.json("complete", "--raw", "The capital of France is", "-n", "4", "-m", MODEL)
        self.assertIn("Paris", raw["text"])
        self.assertEqual(raw["usage"]["completion_tokens"], 4)
        again = self.json("complete", "--raw", "The capital of France is", "-n", "4", "-m", MODEL, "--threads", "1")
        self.assertEqual(raw["ids"], again["ids"])
        self.assertEqual(raw["numerics"], self.json("model", "inspect", MODEL)["numerics"])
        found = {check["check"]: check["found"] for check in self.json("doctor", "-m", MODEL)["checks"]}
        self.assertEqual(raw["numerics"], found["numerics"])

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_adapters_change_the_model_a_line_each(self):
        # PEFT's form, of rank 1: the first layer's v_proj (192, 576).
        folder = pathlib.Path(self.home.name, "adapter")
        folder.mkdir()
        name = "base_model.model.model.layers.0.self_attn.v_proj.lora_"
        header = json.dumps({name + "A.weight": {"dtype": "F32", "shape": [1, 576], "data_offsets": [0, 2304]},
                             name + "B.weight": {"dtype": "F32", "shape": [192, 1], "data_offsets": [2304, 3072]}})
        values = struct.pack("<768f", *[(i * 7 % 11 - 5) / 5 for i in range(768)])
        (folder / "adapter_model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header.encode() + values)
        (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 1, "lora_alpha": 1}')

        def complete(*arguments, **options):
            return self.json("complete", "--raw", "One two three", "-n", "6", "-m", MODEL, *arguments, **options)
        plain, changed, half = (complete(*flags) for flags in ((), ("--lora", str(folder)), ("--lora", f"{folder}:0.5")))
        self.assertNotEqual(plain["ids"], changed["ids"])
        self.assertTrue(changed["numerics"].startswith(plain["numerics"] + ", adapter "))
        self.assertNotEqual(half["numerics"], changed["numerics"])
        batch = pathlib.Path(self.home.name, "lines.jsonl")
        batch.write_text("\n".join(json.dumps({"prompt": "One two three", **keys}) for keys in
                                   ({}, {"adapter": str(folder)}, {"adapter": f"{folder}:0.5"}, {"adapter": "missing"})))
        out = [json.loads(line) for line in self.weft("complete", "--raw", "-n", "6", "--batch", str(batch), "-m", MODEL,
                                                      code=4).stdout.splitlines()]
        self.assertEqual([line.get("ids") for line in out], [plain["ids"], changed["ids"], half["ids"], None])
        (folder / "adapter_manifest.json").write_text(json.dumps({"bases": ["0" * 32]}))
        refused = self.weft("complete", "--raw", "x", "-m", MODEL, "--lora", str(folder), code=2)
        self.assertIn(plain["numerics"].split(",")[0], refused.stderr)
        self.assertEqual(complete("--lora", str(folder), "--lora-any-base")["ids"], changed["ids"])
        self.assertEqual(self.json("model", "inspect", str(folder))["metadata"]["lora_alpha"], "1")

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_complete_changes_logits(self):
        def ids(*arguments):
            return self.json("complete", "--raw", "One two one two one two", "-n", "12", "-m", MODEL, *arguments)["ids"]

        plain = ids()
        self.assertEqual(plain, ids("--repeat-penalty", "1", "--presence-penalty", "0"))
        self.assertNotIn(plain[0], ids("--logit-bias", f"{plain[0]}=-inf"))
        self.assertEqual(ids("--logit-bias", "66=10000", "--logit-bias", "67=9000"), [66] * 12)
        mixed = ids("--logit-bias", "66=10000", "--logit-bias", "67=9000", "--frequency-penalty", "600")
        self.assertEqual(mixed, [66, 66, 67, 66, 67, 66, 67, 66, 67, 66, 67, 66])
        self.assertNotEqual(plain, ids("--repeat-penalty", "1.5"))
        batch = pathlib.Path(self.home.name, "batch.jsonl")
        lines = [{"logit_bias": {"66": 10000, "67": 9000}, "frequency_penalty": 600}, {}, {"repeat_penalty": 1.5},
                 {"logit_bias": {"x": 1}}, {"logit_bias": {"1000000": 1}}]
        batch.write_text("".join(json.dumps({"prompt": "One two one two one two", **line}) + "\n" for line in lines))
        out = [json.loads(line) for line in self.weft("complete", "--raw", "-n", "12", "--batch", str(batch), "-m",
                                                      MODEL, code=4).stdout.splitlines()]
        self.assertEqual([row.get("ids") for row in out], [mixed, plain, ids("--repeat-penalty", "1.5"), None, None])
        self.assertIn("logit_bias", out[3]["error"]["message"])
        self.assertIn("1000000", out[4]["error"]["message"])
        self.assertIn("ID=VALUE", self.weft("complete", "x", "--logit-bias", "7", "-m", MODEL, code=2).stderr)

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_forms_hold_answers_by_flags_and_by_batch_keys(self):
        schema = {"type": "object", "properties": {"the_colour_of_the_sky": {"enum": ["blue", "grey"]}},
                  "required": ["the_colour_of_the_sky"], "additionalProperties": False}
        prompt = "Say as JSON what the_colour_of_the_sky is."
        lines = [{"schema": schema, "max_tokens": 60}, {"regex": "[0-9]{3}"}, {"grammar": 'root ::= "yes" | "no"'}, {"choice": ["red", "green"]},
                 {"choice": ["Anna", "Otto"], "choice_after": " "}, {}, {"schema": schema, "regex": "a"},
                 {"schema": {"not": {}}}, {"choice_after": "x"}, {"schema": "schema.json"}]
        batch = pathlib.Path(self.home.name, "forms.jsonl")
        batch.write_text("".join(json.dumps({"prompt": prompt, "max_tokens": 16, **line}) + "\n" for line in lines))
        made = [json.loads(line) for line in
                self.weft("complete", "--batch", str(batch), "-m", MODEL, code=4).stdout.splitlines()]
        self.assertIn(json.loads(made[0]["text"])["the_colour_of_the_sky"], ("blue", "grey"))
        self.assertRegex(made[1]["text"], "^[0-9]{3}$")
        self.assertIn(made[2]["text"], ("yes", "no"))
        self.assertIn(made[3]["text"], ("red", "green"))
        self.assertTrue(all(word.startswith(("Anna", "Otto")) for word in made[4]["text"].split(" ")[1:-1]), made[4])
        for row, words in zip(made[6:], (("schema", "regex"), ("not",), ("choice_after",), ("the schema itself",)), strict=True):
            self.assertTrue(all(word in row["error"]["message"] for word in words), row)
        # What is forced is read together, and changes nothing.
        file = pathlib.Path(self.home.name, "schema.json")
        file.write_text(json.dumps(schema))
        flags = ("complete", prompt, "-n", "60", "-m", MODEL, "--schema", str(file))
        drafted, plain = self.json(*flags), self.json(*flags, "--draft", "0")
        self.assertEqual([drafted["ids"], plain["ids"]], [made[0]["ids"]] * 2)
        self.assertGreater(drafted["usage"]["accepted_tokens"], 0)
        # A model that is its own expert or anti-expert is left as it is.
        alone = ("complete", prompt, "-n", "12", "-m", MODEL)
        ids = self.json(*alone)["ids"]
        self.assertEqual(self.json(*alone, "--expert", MODEL, "--anti-expert", MODEL)["ids"], ids)
        if os.path.exists(QWEN):
            self.assertIn("same vocabulary", self.weft(*alone, "--expert", QWEN, code=2).stderr)
        self.assertIn("excludes", self.weft(*flags, "--choice", "x", code=2).stderr)
        # A flag that may be repeated leaves the prompt behind it alone.
        asked = self.weft("complete", "-m", MODEL, "--choice", "yes", "--choice", "no", "Is water wet?")
        self.assertIn(asked.stdout.strip(), ("yes", "no"))

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_a_prefill_begins_the_turn_and_does_not_end_it(self):
        for model in filter(os.path.exists, (MODEL, QWEN)):  # the templates of smollm and qwen2
            plain = self.json("complete", "Say hello.", "-n", "1", "-m", model)["prompt_ids"]
            made = self.json("complete", "Say hello.", "-n", "3", "-m", model, "--prefill", "Sure, I")
            text = self.json("tokenize", "Sure, I", "-m", model)["ids"]
            self.assertEqual(made["prompt_ids"], plain + text)
            self.assertEqual(made["usage"]["answer_tokens"], len(made["ids"]))
            self.assertEqual(made["usage"]["think_tokens"], 0)
        self.assertIn("raw prompt", self.weft("complete", "--raw", "x", "--prefill", "y", "-m", MODEL, code=2).stderr)

    @unittest.skipUnless(HAS_BASE_MODEL, "WEFT_TEST_MODELS has no gemma-3-270m.gguf")
    def test_a_base_model_continues_text_and_warns_as_a_chat_model(self):
        raw = self.weft("complete", "--raw", "The capital of France is", "-n", "7", "-m", BASE_MODEL)
        self.assertIn("French", raw.stdout)
        self.assertNotIn("template", raw.stderr)
        chat = self.weft("complete", "Say hello.", "-n", "2", "-m", BASE_MODEL)
        self.assertIn("no chat template: ChatML is used", chat.stderr)
        self.assertIn("--raw", chat.stderr)
    def test_embed_refuses_wrong_usage_and_missing_models(self):
        self.assertIn("weft model pull", self.weft("embed", "x", code=3).stderr)
        self.assertIn("not both", self.weft("embed", "x", "--file", "y", code=2).stderr)
        self.assertIn("precision", self.weft("embed", "x", "--precision", "int4", code=2).stderr)
        self.assertIn("config.json", self.weft("embed", "x", "-m", str(self.docs), code=3).stderr)

    @unittest.skipUnless(HAS_ENCODER, "WEFT_TEST_MODELS has no all-minilm-l6-v2")
    def test_embed_finds_what_belongs_together(self):
        def embed(*arguments, **options):
            return self.json("embed", *arguments, "-m", ENCODER, **options)

        moon = embed("Apollo 11 landed on the Moon.")
        self.assertEqual(len(moon["embedding"]), moon["dimensions"])
        self.assertEqual((moon["dimensions"], moon["tokens_cut"], moon["pooling"], moon["precision"]),
                         (384, 0, "mean", "int8"))
        self.assertAlmostEqual(sum(x * x for x in moon["embedding"]), 1, places=4)
        batch = pathlib.Path(self.home.name, "batch.jsonl")
        batch.write_text('{"id": 1, "text": "Apollo 11 landed on the Moon."}\n{"id": 2, "query": "the first moon landing"}\n'
                         '{"id": 3, "text": "a recipe for pancakes", "txt": 1}\nnonsense\n{"id": 5, "text": 5}\n'
                         '{"id": 6, "text": "a", "query": "b"}\n')
        rows = [json.loads(line) for line in
                self.weft("embed", "--batch", str(batch), "-m", ENCODER, code=4).stdout.splitlines()]
        self.assertEqual([row.get("id") for row in rows], [1, 2, 3, None, 5, 6])
        self.assertEqual(rows[0]["embedding"], moon["embedding"])  # the same in any batch
        self.assertIn("txt", rows[2]["warnings"][0])
        for row in rows[3:]:
            self.assertEqual(row["error"]["code"], "invalid_argument")

        def cosine(a, b):
            return sum(x * y for x, y in zip(rows[a]["embedding"], rows[b]["embedding"]))

        self.assertGreater(cosine(0, 1), 0.5)
        self.assertLess(cosine(0, 2), 0.2)
        exact = embed("Apollo 11 landed on the Moon.", "--precision", "f32")
        self.assertGreater(sum(x * y for x, y in zip(exact["embedding"], moon["embedding"])), 0.998)
        done = self.weft("embed", "-m", ENCODER, input="word " * 400)
        self.assertEqual(len(done.stdout.split()), 384)
        self.assertIn("146 tokens", done.stderr)
        inspected = self.json("model", "inspect", ENCODER)
        self.assertEqual((inspected["format"], inspected["metadata"]["hidden_size"]), ("safetensors", "384"))

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_ask_has_the_documented_fields(self):
        self.weft("index", str(self.docs))
        answer = self.json("ask", "When did Apollo 11 land on the Moon?", "-m", MODEL, "--threshold", "0")
        for field in ("answer", "abstained", "citations", "passages", "usage", "timing", "kv_bytes", "model"):
            self.assertIn(field, answer)
        self.assertIn("cached_tokens", answer["usage"])
        for passage in answer["passages"]:
            self.assertLessEqual({"source", "start", "end", "score", "text"}, set(passage))
        refused = self.json("ask", "When did Apollo 11 land on the Moon?", "-m", MODEL, "--threshold", "1")
        self.assertTrue(refused["abstained"])
        nothing = self.json("ask", "xyzzy plugh", "-m", MODEL)
        self.assertTrue(nothing["abstained"])
        self.assertEqual(nothing["passages"], [])

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_chat_finds_passages_that_were_read_before(self):
        self.weft("index", str(self.docs))
        lines = "When did Apollo 11 land?\n/clear\nWhen did Viking 1 land?\n/clear\nApollo 11 landed when?\n"

        def chat(*flags):
            said = self.weft("chat", "--json", "-m", MODEL, "--threshold", "0", "-n", "4", "-k", "1", *flags, input=lines)
            return [json.loads(line) for line in said.stdout.splitlines()]

        cached, apart = chat(), chat("--prefix-cache", "0")
        self.assertEqual([row["answer"] for row in cached], [row["answer"] for row in apart])
        self.assertEqual([row["confidence"] for row in cached], [row["confidence"] for row in apart])
        self.assertGreater(cached[2]["usage"]["cached_tokens"], apart[2]["usage"]["cached_tokens"])

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_bench_measures_beside_bounds(self):
        picture = self.home.name + "/bench.svg"
        made = self.json("bench", "-m", MODEL, "--prompt", "24", "--generate", "4", "--batch", "3", "--context", "5",
                         "--repeat", "1", "--threads", "1", "--svg", picture)
        names = {f"{name}_tokens_per_s" for name in ("prefill", "decode", "batch")}
        self.assertEqual(set(made), {"model", "level", "threads", "repeat", "bounds"} | names)
        self.assertEqual((made["model"], made["threads"], made["repeat"]), (MODEL, 1, 1))
        self.assertEqual(set(made["bounds"]), {"read_gb_per_s", "multiply_gmac_per_s"} | names)
        for name in names:
            self.assertGreater(made[name], 0)
        self.assertGreater(made["bounds"]["decode_tokens_per_s"], 0)
        svg = xml.etree.ElementTree.parse(picture).getroot()
        self.assertEqual(svg.tag, "{http://www.w3.org/2000/svg}svg")
        bars = [node for node in svg if node.get("class") == "bound"]
        self.assertEqual(len(bars), 2 if made["bounds"]["multiply_gmac_per_s"] is None else 3)
        table = self.weft("bench", "-m", MODEL, "--prompt", "0", "--generate", "2", "--batch", "0", "--repeat", "1").stdout
        self.assertIn("decode", table)
        self.assertNotIn("prefill", table)
        self.assertIn("leave nothing", self.weft("bench", "-m", MODEL, "--prompt", "0", "--generate", "0", code=2).stderr)
        self.assertIn("context", self.weft("bench", "-m", MODEL, "--context", "9000000", code=2).stderr)

    @unittest.skipUnless(HAS_ENCODER, "WEFT_TEST_MODELS has no all-minilm-l6-v2")
    def test_bench_of_an_encoder_embeds(self):
        made = self.json("bench", "-m", ENCODER, "--prompt", "16", "--batch", "2", "--repeat", "1")
        self.assertEqual(set(made), {"model", "level", "threads", "repeat", "bounds", "embed_tokens_per_s"})
        self.assertGreater(made["embed_tokens_per_s"], 0)
        self.weft("bench", "-m", ENCODER, "--prompt", "2", code=2)

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_an_interrupted_bench_is_130(self):
        process = subprocess.Popen([WEFT, "bench", "-m", MODEL, "--generate", "4000", "--repeat", "1000"],
                                   env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_until_signals_are_handled(process.pid)
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=120)
        self.assertEqual((process.returncode, out), (130, b""))

    GRAPHS = pathlib.Path(__file__).parent.parent / "examples/graphs"

    def test_a_graph_runs_its_tools_once_they_are_allowed(self):
        arguments = ["run", str(self.GRAPHS / "word_counts.json"), "-i", "text=a b a\nc c d"]
        denied = self.weft(*arguments, code=1)
        self.assertIn("--allow-tool count_words", denied.stderr)
        self.assertEqual(self.weft(*arguments, "--allow-tool", "count_words").stdout, "a (2), c (2)\n")
        made = self.json(*arguments, "--allow-tools")
        self.assertEqual(made["result"], "a (2), c (2)")
        self.assertEqual(made["usage"]["calls"], 2)
        nodes = {node["node"]: node for node in made["nodes"]}
        self.assertEqual((nodes["each/counts"]["done"], nodes["each/counts"]["calls"]), (2, 2))
        over = self.weft(*arguments, "--allow-tools", "--budget", "calls=1", code=1)
        self.assertIn("the budget has no room for 1 more call", over.stderr)

    def test_runs_are_learned_from_and_the_next_is_forecast(self):
        graph = str(self.GRAPHS / "word_counts.json")
        first = [graph, "-i", "text=a b a\nc c d"]
        blind = self.json("predict", *first)
        self.assertEqual((blind["runs_known"], blind["unknown"][0]), (0, "each/counts"))
        self.assertEqual(blind["calls"]["mean"], 2)  # a line each, which plain code tells before
        self.weft("run", *first, "--allow-tools", "--no-stats")
        self.assertEqual(self.json("predict", *first)["runs_known"], 0)
        for _ in range(3):
            self.weft("run", *first, "--allow-tools")
        other = [graph, "-i", "text=a\nb\nc\nd"]
        known = self.json("predict", *other)
        self.assertEqual((known["runs_known"], known["calls"]["mean"], known["calls"]["sd"]), (3, 4, 0))
        self.assertNotIn("each/counts", known["unknown"])
        self.assertGreater(known["seconds"]["mean"], 0)
        over = self.weft("predict", *other, "--budget", "calls=3", code=4)
        self.assertIn("ends for lack of budget with a chance of 100.0 %", over.stdout)
        run = self.json("run", *other, "--allow-tools", "--record")
        self.assertEqual(run["forecast"]["calls"]["predicted"], 4)
        shown = self.json("trace", "show", run["run"])
        self.assertEqual(shown["comparison"]["calls"]["measured"], 4)
        self.assertEqual(shown["forecast"]["calls"]["mean"], 4)
        self.assertIn("calls: 4, forecast 4 (80 %: 4 to 4), inside", self.weft("trace", "show", run["run"]).stdout)

    def test_a_graph_is_tuned_by_what_its_file_lists(self):
        graph = self.docs / "tuned.json"
        graph.write_text(json.dumps({
            "format": "weft-graph-1", "inputs": [{"name": "text"}], "result": "length", "nodes": [
                {"name": "parts", "kind": "split_blocks", "bytes_max": 10, "inputs": ["text"]},
                {"name": "length", "kind": "count", "inputs": ["parts"]}],
            "tune": {"size": {"node": "parts", "option": "bytes_max", "values": [5, 10]}}}))
        arguments = [str(graph), "-i", "text=" + "x" * 10]
        self.assertIn("--expect VALUE", self.weft("tune", *arguments, "--error", "0.1", code=2).stderr)
        self.assertIs(self.json("run", *arguments, "--expect", "1")["right"], True)
        graph.write_text(graph.read_text().replace('"bytes_max": 10', '"bytes_max": 5'))
        self.assertIs(self.json("run", *arguments, "--expect", "1")["right"], False)
        picture = self.docs / "front.svg"
        tuned = self.json("tune", *arguments, "--error", "0.5", "--svg", str(picture))
        self.assertEqual((tuned["tried"], tuned["within"]), (2, 1))
        self.assertEqual((tuned["front"][0]["size"], tuned["front"][0]["error"]), (10, 0))
        self.assertTrue(picture.read_text().startswith("<svg"))
        self.weft("tune", *arguments, "--timeout", "0.000000001", code=4)
        self.assertIn('has no "tune"', self.weft("tune", str(self.GRAPHS / "summary.json"), code=2).stderr)

    def test_a_graph_says_what_is_wrong_with_it_or_its_inputs(self):
        graph = str(self.GRAPHS / "word_counts.json")
        self.assertIn("give it with --input text=VALUE", self.weft("run", graph, code=2).stderr)
        self.assertIn('did you mean "text"?', self.weft("run", graph, "-i", "txet=x", code=2).stderr)
        self.assertIn("NAME=VALUE is expected", self.weft("run", graph, "-i", "text", code=2).stderr)
        self.assertIn('"cals" isn\'t known here; did you mean "calls"?',
                      self.weft("run", graph, "-i", "text=x", "--budget", "cals=1", code=2).stderr)
        broken = self.docs / "broken.json"
        broken.write_text('{"format": "weft-graph-1", "result": "a", "nodes": [{"name": "a", "kind": "jion"}]}')
        self.assertIn('broken.json: node a: there is no kind of node "jion"; did you mean "join"?',
                      self.weft("run", str(broken), code=2).stderr)
        self.assertTrue(self.weft("run", graph, "--mermaid").stdout.startswith("flowchart"))
        self.assertTrue(self.weft("run", graph, "--dot").stdout.startswith("digraph"))
        self.assertEqual(json.loads(self.weft("run", "--schema").stdout)["type"], "object")

    def test_a_graph_searches_the_collection(self):
        self.weft("index", str(self.docs))
        graph = self.docs / "search.json"
        graph.write_text(json.dumps({
            "format": "weft-graph-1", "inputs": [{"name": "query"}], "result": "all", "nodes": [
                {"name": "found", "kind": "retrieve", "passages": 1, "inputs": ["query"]},
                {"name": "all", "kind": "join", "inputs": ["found"]}]}))
        self.assertIn("Apollo 11", self.weft("run", str(graph), "-i", "query=Apollo landed").stdout)
        self.weft("run", str(graph), "-i", "query=Apollo", "-c", "none", code=3)

    def test_a_recorded_graph_waits_for_a_person_and_is_replayed_and_forgotten(self):
        self.weft("index", str(self.docs))
        graph = self.docs / "approve.json"
        graph.write_text(json.dumps({
            "format": "weft-graph-1", "inputs": [{"name": "query"}], "result": "sent", "nodes": [
                {"name": "found", "kind": "retrieve", "passages": 1, "inputs": ["query"]},
                {"name": "text", "kind": "join", "inputs": ["found"]},
                {"name": "question", "kind": "format", "format": "Send {{text}}?", "inputs": ["text"]},
                {"name": "approve", "kind": "ask", "question": "question", "type": "bool"},
                {"name": "sent", "kind": "show", "inputs": ["approve"]}]}))
        arguments = ["run", str(graph), "-i", "query=Apollo landed"]
        self.assertIn("add --record", self.weft(*arguments, code=2).stderr)
        self.assertIn("`weft run FILE.json --record` records one", self.weft("trace", "list", code=3).stderr)
        asked = self.weft(*arguments, "--record", code=4)
        self.assertIn("asked at approve (bool): Send ", asked.stderr)
        run = self.json("trace", "list")["runs"][0]
        self.assertEqual((run["status"], run["nodes"]), ("suspended", 3))
        self.assertIn(f"weft resume {run['id']} --set 'approve=ANSWER'", asked.stderr)
        graph.unlink()  # what was recorded is enough
        still = json.loads(self.weft("resume", run["id"], "--json", code=4).stdout)
        self.assertEqual((still["run"], still["status"]), (run["id"], "suspended"))
        self.assertEqual((still["questions"][0]["path"], still["questions"][0]["type"]), ("approve", "bool"))
        self.assertIn("isn't valid JSON", self.weft("resume", run["id"], "--set", "approve=maybe", code=2).stderr)
        self.assertIn("no node aprove", self.weft("resume", run["id"], "--set", "aprove=true", code=2).stderr)
        self.assertEqual(self.weft("resume", run["id"], "--set", "approve=true").stdout, "true\n")
        self.assertIn("is done: replay it", self.weft("resume", run["id"], code=2).stderr)
        replayed = self.json("replay", run["id"])
        self.assertEqual((replayed["result"], sum(n["attempts"] for n in replayed["nodes"])), ("true", 0))
        events = self.json("trace", "show", run["id"], "--values")["events"]
        self.assertEqual([(e["kind"], e["path"]) for e in events][-2:], [("answered", "approve"), ("done", "sent")])
        self.assertIs(events[-2]["value"], True)
        spans = json.loads(self.weft("trace", "export", run["id"]).stdout)["resourceSpans"][0]["scopeSpans"][0]["spans"]
        self.assertEqual((len(spans), spans[1]["name"]), (len(events) + 1, "retrieval"))
        source = self.json("search", "Apollo landed")["passages"][0]["source"]
        self.assertEqual(self.json("trace", "forget", source)["redacted"], 1)
        self.assertIn("redacted", self.weft("replay", run["id"], code=1).stderr)
        self.assertEqual(self.json("trace", "gc", "--days", "0")["removed"], 1)

    @unittest.skipUnless(HAS_MODEL, "needs smollm2-135m")
    def test_an_interrupted_graph_is_130(self):
        process = subprocess.Popen([WEFT, "run", str(self.GRAPHS / "summary.json"), "-m", MODEL, "-i",
                                    "document=" + "word " * 20000], env=self.environment(),
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.wait_until_signals_are_handled(process.pid)
        time.sleep(1)
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)

    @unittest.skipUnless(HAS_MODEL, "needs smollm2-135m")
    def test_graphs_of_prompts_run_on_a_model_within_a_budget(self):
        document = self.docs / "long.txt"
        document.write_text("The tower was built in 1889 by Eiffel. It is tall.\n\n" * 100)
        made = self.json("run", str(self.GRAPHS / "summary.json"), "-m", MODEL, "-i", f"document=@{document}")
        nodes = {node["node"]: node for node in made["nodes"]}
        self.assertTrue(made["result"].strip())
        self.assertEqual(nodes["notes/note"]["done"], 2)
        self.assertEqual(made["usage"]["output_tokens"], sum(
            nodes[name]["output_tokens"] for name in ("notes/note", "summary levels/level/merged")))
        found = self.json("run", str(self.GRAPHS / "needle.json"), "-m", MODEL, "-i", f"document=@{document}",
                          "-i", "question=When was the tower built?")
        self.assertIn("1889", found["result"])
        over = self.weft("run", str(self.GRAPHS / "summary.json"), "-m", MODEL, "-i", f"document=@{document}",
                         "--budget", "output_tokens=100", code=1)
        self.assertIn("more output tokens", over.stderr)

    @unittest.skipUnless(HAS_MODEL, "WEFT_TEST_MODELS has no smollm2-135m.gguf")
    def test_interruption_is_130(self):
        process = subprocess.Popen([WEFT, "complete", "Write a long story about a whale.", "-n", "8000", "-t", "1", "-m",
                                    MODEL], env=self.environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        process.stdout.read(20)
        process.send_signal(signal.SIGINT)
        start = time.time()
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, 130)
        self.assertLess(time.time() - start, 30)


if __name__ == "__main__":
    if not HAS_MODEL:
        print("SKIPPED: what needs a chat model, because WEFT_TEST_MODELS has no smollm2-135m.gguf")
    if not HAS_ENCODER:
        print("SKIPPED: embeddings, because WEFT_TEST_MODELS has no all-minilm-l6-v2")
    unittest.main(argv=sys.argv[:1])
