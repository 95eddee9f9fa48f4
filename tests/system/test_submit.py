"""Tests of submit --wait-for and --watch, and of the times in statuses and reports."""

import csv
import json
import re
import signal
import subprocess
import unittest

from consortium import BIN, Consortium, eventually, free_port, job, run
from sitedata import write_sites

SITES = ["north", "south"]
UTC = r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ"


class Submit(unittest.TestCase):
    def begin(self, consortium, *options, spec=None):
        """Starts submit for a job over both sites, and returns the process."""
        file = consortium.folder / "job.yaml"
        file.write_text(json.dumps(spec or job(federation={"sites": SITES, "rounds": 2})))
        consortium.query("sites")  # writes the researcher's configuration
        return subprocess.Popen([BIN / "consilium", "submit", file, "--config", consortium.folder / "ada/config.yaml", *options],
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, process, code):
        output, errors = process.communicate(timeout=60)
        self.assertEqual(process.returncode, code, output + errors)
        return output, errors

    def test_a_job_is_submitted_when_its_sites_are_there_and_followed_to_its_end(self):
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            consortium.start_site("north", {"chest": data["north"]})
            consortium.wait_connected("north")

            _, errors = self.end(self.begin(consortium, "--wait-for", "2", "--timeout", "1s"), 1)
            self.assertIn("waiting for sites: 1 of 2 ready; south isn't connected", errors)
            self.assertIn("nothing was submitted; after 1 s: 1 of 2 ready; south isn't connected", errors)
            for wrong in (["--wait-for", "east"], ["--wait-for", "3"], ["--wait-for", "north", "--timeout", "soon"], ["--timeout", "5m"]):
                self.end(self.begin(consortium, *wrong), 2)
            nobody = ["--coordinator", f"127.0.0.1:{free_port()}"]
            _, errors = self.end(self.begin(consortium, "--wait-for", "2", *nobody), 5)
            self.assertIn("nothing was submitted: cannot reach the coordinator", errors)
            interrupted = self.begin(consortium, "--wait-for", "north,south")
            self.assertIn("south isn't connected", interrupted.stderr.readline())
            interrupted.send_signal(signal.SIGINT)
            _, errors = self.end(interrupted, 130)
            self.assertIn("nothing was submitted", errors)
            self.assertEqual(consortium.query("jobs"), [])
            self.assertEqual(consortium.command("jobs", "--quiet").stdout, "")

            waiting = self.begin(consortium, "--wait-for", "north,south", "--watch")
            self.assertIn("south isn't connected", waiting.stderr.readline())
            self.assertEqual(consortium.query("jobs"), [])
            consortium.start_site("south", {"chest": data["south"]})
            output, errors = self.end(waiting, 0)
            job_id = output.splitlines()[0]
            self.assertEqual(job_id, "stripes-1")
            self.assertIn("finished", output)
            self.assertIn(f"consilium fetch {job_id}", errors)
            self.check_times(consortium, job_id)
            self.assertEqual(consortium.command("jobs", "--quiet").stdout, f"{job_id}\n")
            self.assertEqual(consortium.command("jobs", "--quiet", "--json", check=False).returncode, 2)

    def check_times(self, consortium, job_id):
        """Checks that `jobs` and the fetched files have the times when the job was submitted, started and ended."""
        status = consortium.status(job_id)
        self.assertLessEqual(status["submitted_seconds"], status["started_seconds"])
        self.assertLessEqual(status["started_seconds"], status["ended_seconds"])
        header, line = consortium.command("jobs").stdout.splitlines()
        self.assertEqual(header.split()[:7], ["job", "owner", "submitted", "(UTC)", "phase", "round", "duration"])
        self.assertRegex(line, rf"^{job_id} +ada +20\d\d-\d\d-\d\d \d\d:\d\d +finished +2/2 +\d+\.\d s ")
        results = consortium.fetch(job_id)
        report = json.loads((results / "report.json").read_text())
        times = [report["submitted"], report["started"], *(entry[key] for entry in report["rounds"] for key in ("started", "ended")), report["ended"]]
        for time in times:
            self.assertRegex(time, f"^{UTC}$")
        self.assertEqual(times, sorted(times))
        rows = list(csv.DictReader((results / "metrics.csv").read_text().splitlines()))
        self.assertEqual([(row["started"], row["ended"]) for row in rows], [(entry["started"], entry["ended"]) for entry in report["rounds"]])

    def test_the_exit_code_is_that_of_watch(self):
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            for site in SITES:
                consortium.start_site(site, {"chest": data[site]})
            consortium.wait_connected()
            watching = self.begin(consortium, "--watch", "--json", spec=job(federation={"sites": SITES, "rounds": 1000}))
            job_id = json.loads(watching.stdout.readline())["job_id"]
            consortium.wait_phase(job_id, "training")
            eventually(lambda: self.end(self.begin(consortium, "--wait-for", "2", "--timeout", "1s"), 1)[1].count("is busy (stripes-1"), "busy sites aren't idle")
            consortium.command("stop", job_id)
            output, _ = self.end(watching, 4)
            self.assertEqual(json.loads(output.splitlines()[-1])["event"], "end")

            left = self.begin(consortium, "--watch", spec=job(federation={"sites": SITES, "rounds": 1000}, seed=8))
            job_id = left.stdout.readline().strip()
            consortium.wait_phase(job_id, "training")
            left.send_signal(signal.SIGINT)
            _, errors = self.end(left, 130)
            self.assertIn(f"the job goes on; watch it again with: consilium watch {job_id}", errors)
            self.assertIn(consortium.status(job_id)["phase"], ("training", "evaluating"))

    def test_help_and_completion_know_the_options(self):
        text = run("consilium", "submit", "--help").stdout
        self.assertIn("consilium submit job.yaml --roster roster.yaml --wait-for north,south,west --timeout 30m --watch", text)
        words = run("consilium", "completion", "bash").stdout
        self.assertTrue(re.search(r"'submit'\) offered='[^']*--wait-for[^']*' ;;", words))
        for option in ("--watch", "--timeout"):
            self.assertIn(option, words)
        self.assertIn("'ca kit'", words)


if __name__ == "__main__":
    unittest.main()
