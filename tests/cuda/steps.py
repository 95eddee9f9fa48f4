"""The steps of scripts/check_cuda. Each is run and timed, and adds a row to the report. A failed step doesn't end the others."""

import json
import pathlib
import subprocess
import time
import traceback

PASSED, FAILED, SKIPPED = "passed", "FAILED", "skipped"


class StepFailed(Exception):
    """Reports in a sentence what a step found wrong."""


class Steps:
    """Runs steps until the time is used up, and collects their results."""

    def __init__(self, out, minutes):
        self.out = pathlib.Path(out)
        self.out.mkdir(parents=True, exist_ok=True)
        self.end = time.monotonic() + 60 * minutes
        self.rows, self.facts, self.tables = [], {}, {}

    def left(self):
        return self.end - time.monotonic()

    def log(self, name):
        return self.out / f"{name}.log"

    def note(self, log, text):
        with open(self.log(log), "a") as file:
            file.write(text.rstrip() + "\n")

    def command(self, log, command, seconds=300, check=True, **options):
        """Runs a command with its output in a log; returns (exit code, its output as text)."""
        self.note(log, f"\n$ {' '.join(map(str, command))}")
        if "input" not in options:
            options["stdin"] = subprocess.DEVNULL
        limit = max(1.0, min(seconds, self.left()))
        try:
            done = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace", timeout=limit, **options)
        except subprocess.TimeoutExpired as late:
            self.note(log, late.stdout.decode(errors="replace") if isinstance(late.stdout, bytes) else late.stdout or "")
            raise StepFailed(f"{pathlib.Path(str(command[0])).name} ran longer than {limit:.0f} s; see {log}.log") from late
        except OSError as problem:
            raise StepFailed(f"{command[0]} cannot be run: {problem.strerror}") from problem
        self.note(log, done.stdout)
        if check and done.returncode != 0:
            last = next((line for line in reversed(done.stdout.strip().splitlines()) if line.strip()), "")
            raise StepFailed(f"{pathlib.Path(str(command[0])).name} exited with {done.returncode}: {last[:300]} (see {log}.log)")
        return done.returncode, done.stdout

    def run(self, name, function, needs=True):
        """Runs one step. `function` returns a sentence about its result. Returns whether the step passed."""
        start = time.monotonic()
        if needs is not True or self.left() < 5:
            self.add(name, SKIPPED, "no time is left" if needs is True else needs, start)
            return False
        print(f"check_cuda: {name} ...", flush=True)
        try:
            self.add(name, PASSED, function() or "", start)
            return True
        except StepFailed as problem:
            self.add(name, FAILED, str(problem), start)
        except Exception as problem:  # an error in one step must not stop the other steps
            self.note("trainers", f"{name}:\n{traceback.format_exc()}")
            self.add(name, FAILED, f"{type(problem).__name__}: {problem}"[:600], start)
        return False

    def add(self, name, outcome, detail, start):
        seconds, detail = time.monotonic() - start, " ".join(detail.split())
        self.rows.append({"check": name, "outcome": outcome, "seconds": round(seconds, 1), "detail": detail})
        print(f"check_cuda: {name}: {outcome} in {seconds:.1f} s{': ' + detail if detail else ''}", flush=True)

    def failed(self):
        return [row for row in self.rows if row["outcome"] == FAILED]

    def markdown(self):
        lines = [f"{key}: {value}  " for key, value in self.facts.items()]
        lines += ["", "| check | outcome | seconds | |", "|---|---|---|---|"]
        lines += [f"| {row['check']} | {row['outcome']} | {row['seconds']} | {row['detail'].replace('|', '/')} |" for row in self.rows]
        for title, rows in self.tables.items():
            if rows:
                lines += ["", f"**{title}**", "", "| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
                lines += ["| " + " | ".join(str(value) for value in row.values()) + " |" for row in rows]
        return "\n".join(lines) + "\n"

    def write(self, verdict):
        (self.out / "report.md").write_text(self.markdown() + f"\n{verdict}\n")
        record = {"verdict": verdict, "facts": self.facts, "checks": self.rows, "tables": self.tables}
        (self.out / "report.json").write_text(json.dumps(record, indent=1) + "\n")
