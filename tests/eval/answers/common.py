"""What the evaluation scripts share: SQuAD's metrics, and the program run on batches."""
import collections
import json
import pathlib
import re
import string
import subprocess
import tempfile


def read_lines(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def write_lines(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            out.write(json.dumps(row, ensure_ascii=False) + "\n")


def normalize(text):
    """SQuAD 1.1: lower case, no punctuation, no articles, single blanks."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return " ".join(re.sub(r"\b(a|an|the)\b", " ", text).split())


def exact_match(answer, accepted):
    return max(float(normalize(answer) == normalize(each)) for each in accepted)


def f1(answer, accepted):
    best = 0.0
    given = normalize(answer).split()
    for each in accepted:
        wanted = normalize(each).split()
        if not given or not wanted:
            best = max(best, float(given == wanted))
            continue
        common = sum((collections.Counter(given) & collections.Counter(wanted)).values())
        if common:
            precision, recall = common / len(given), common / len(wanted)
            best = max(best, 2 * precision * recall / (precision + recall))
    return best


def contains(answer, accepted):
    """An accepted answer's words stand in the answer, in order and adjacent."""
    given = f" {normalize(answer)} "
    return max(float(f" {normalize(each)} " in given) for each in accepted)


def scores(answer, accepted):
    return {"em": exact_match(answer, accepted), "f1": f1(answer, accepted),
            "contains": contains(answer, accepted)}


def mean(values):
    values = list(values)
    return sum(values) / len(values) if values else float("nan")


def half_width(share, count):
    """Half of a 95 % interval of a share (normal approximation)."""
    return 1.96 * (share * (1 - share) / count) ** 0.5 if count else float("nan")


def auc(positive, negative):
    """The chance that a positive scores above a negative; ties count half."""
    if not positive or not negative:
        return float("nan")
    ordered = sorted([(v, 1) for v in positive] + [(v, 0) for v in negative])
    rank_sum, i = 0.0, 0
    while i < len(ordered):
        j = i
        while j < len(ordered) and ordered[j][0] == ordered[i][0]:
            j += 1
        rank = (i + 1 + j) / 2
        rank_sum += rank * sum(label for _, label in ordered[i:j])
        i = j
    n, m = len(positive), len(negative)
    return (rank_sum - n * (n + 1) / 2) / (n * m)


class Weft:
    """The program, with a data directory of its own and the models of another."""

    def __init__(self, program, models, home, threads=0):
        self.program, self.models = program, pathlib.Path(models)
        self.home, self.threads = home, threads

    def model_path(self, name):
        return str(self.models / f"{name}.gguf")

    def run(self, *arguments):
        command = [self.program, *arguments]
        done = subprocess.run(command, capture_output=True, text=True,
                              env={"WEFT_HOME": self.home, "HOME": self.home,
                                   "PATH": "/usr/bin:/bin", "WEFT_ENGINE_THREADS": str(self.threads)})
        if done.returncode not in (0, 4):
            raise SystemExit(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def batch(self, verb, rows, *arguments):
        with tempfile.NamedTemporaryFile("w", suffix=".jsonl", encoding="utf-8") as file:
            write_lines(file.name, rows)
            out = self.run(verb, "--batch", file.name, *arguments)
        return [json.loads(line) for line in out.splitlines()]

    def index(self, passages, collection):
        """One Markdown document a passage, ID.md; passages are {id, title, text}."""
        with tempfile.TemporaryDirectory() as folder:
            for passage in passages:
                title = passage["title"].replace("_", " ")
                path = pathlib.Path(folder, passage["id"] + ".md")
                path.write_text(f"# {title}\n\n{passage['text']}\n", encoding="utf-8")
            self.run("index", folder, "--collection", collection)
