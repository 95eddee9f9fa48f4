"""People's mistakes in their first days, through real programs. Each gets an error message with the next step, and nothing is lost."""

import json
import os
import shutil
import subprocess
import unittest

import npz
from consortium import BIN, POLICY, Consortium, eventually, job, population, run
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]


class Mistakes(unittest.TestCase):
    def start(self, consortium, policy=POLICY):
        consortium.start_coordinator()
        data = write_sites(consortium.folder, consortium.sites)
        for site in consortium.sites:
            consortium.start_site(site, {"chest": data[site]}, policy=policy)
        consortium.wait_connected()
        return data

    def test_what_people_type_first_is_answered(self):
        self.assertRegex(run("consilium", "--version").stdout, r"^consilium \d+\.\d+\.\d+\n$")
        self.assertIn("simulate ", run("consilium", "help").stdout)
        self.assertEqual(run("consilium", "help", "submit").stdout, run("consilium", "submit", "--help").stdout)
        unknown = run("consilium", "sumbit", check=False)
        self.assertEqual((unknown.returncode, unknown.stderr), (2, "consilium: unknown command 'sumbit', did you mean 'submit'? 'consilium --help' lists them\n"))
        self.assertIn("unknown command 'frobnicate'; ", run("consilium", "frobnicate", check=False).stderr)
        self.assertEqual(run("consilium", "submit", "/nowhere/job.yaml", check=False).returncode, 2)

    def test_output_that_cannot_be_written_is_an_error(self):
        with open("/dev/full", "w") as full:
            for command in (["version"], ["help"], ["completion", "bash"]):
                done = subprocess.run([BIN / "consilium", *command], stdout=full, stderr=subprocess.PIPE, text=True)
                self.assertEqual(done.returncode, 1, command)
                self.assertIn("cannot write the output: No space left on device", done.stderr)

    def test_a_researchers_own_files_are_told_from_a_coordinator_that_refuses(self):
        with Consortium(["north"]) as consortium:
            consortium.start_coordinator()
            tls = consortium.tls("ada")

            def jobs(**changes):
                config = consortium.folder / "ada" / "config.yaml"
                config.write_text(json.dumps({"coordinator": f"127.0.0.1:{consortium.port}", **tls, **changes}))
                return run("consilium", "jobs", "--config", config, check=False)

            self.assertEqual(jobs().returncode, 0)
            missing = jobs(certificate="/nowhere/ada.pem")
            self.assertEqual((missing.returncode, "/nowhere/ada.pem: cannot open" in missing.stderr), (2, True), missing.stderr)
            others = jobs(key=consortium.tls("north")["key"])
            self.assertEqual((others.returncode, "is not the key of" in others.stderr), (2, True), others.stderr)
            open_key = consortium.folder / "open.key"
            shutil.copy(tls["key"], open_key)
            os.chmod(open_key, 0o644)
            readable = jobs(key=str(open_key))
            self.assertEqual((readable.returncode, "run: chmod 600" in readable.stderr), (2, True), readable.stderr)

    def test_watch_says_in_plain_lines_for_whom_a_round_waits_and_the_job_is_there_once(self):
        with Consortium(FOUR, populations=population()) as consortium:
            data = self.start(consortium)
            spec = job(masked=True, federation={"rounds": 1000})
            file = consortium.folder / "job.yaml"
            file.write_text(json.dumps(spec))
            job_id = consortium.submit(spec)
            again = consortium.command("submit", file, "--roster", consortium.roster, check=False)
            self.assertEqual(again.returncode, 1)
            self.assertIn(f"this job was already submitted as {job_id}", again.stderr)
            self.assertIn("change its seed", again.stderr)
            consortium.wait_phase(job_id, "training", 2)
            lines = consortium.folder / "watched"
            with open(lines, "wb") as out:
                watching = subprocess.Popen([BIN / "consilium", "watch", job_id, "--config", consortium.folder / "ada" / "config.yaml"], stdout=out)
            try:
                consortium.daemons["west"].kill()
                eventually(lambda: "waits for west (gone since" in lines.read_text(), "watch names the site")
                self.assertIn("waits for west (gone since", consortium.command("jobs").stdout)
                consortium.start_site("west", {"chest": data["west"]})
                rounds = len(lines.read_text().split("round "))
                eventually(lambda: len(lines.read_text().split("round ")) > rounds + 2, "the job goes on")
                stopped = consortium.command("stop", job_id)
                self.assertIn(f"consilium fetch {job_id} --out DIR", stopped.stdout)
                self.assertEqual(watching.wait(timeout=20), 4)
            finally:
                watching.kill()
                watching.wait()

    def test_a_job_that_is_stopped_before_its_first_round_is_not_offered_for_fetching(self):
        with Consortium(FOUR, populations=population(), approving=False) as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(masked=True))
            self.assertIn("nothing to fetch", consortium.command("stop", job_id).stdout)

    def test_a_data_set_replaced_by_rename_is_read_by_the_next_job_without_a_restart(self):
        with Consortium(["north"]) as consortium:
            data = self.start(consortium)
            before = consortium.wait_ended(consortium.submit(job()))
            self.assertEqual(before["phase"], "finished", before["detail"])
            newer = consortium.folder / "newer.npz"
            npz.write(newer, npz.dataset(*[npz.striped_images(count, 5) for count in (48, 16, 16)]))
            newer.rename(data["north"])
            after = consortium.wait_ended(consortium.submit(job(seed=8)))
            self.assertEqual(after["phase"], "finished", after["detail"])
            self.assertEqual(after["history"][-1]["test"]["examples"], 16)

    def test_an_approval_that_names_too_little_or_another_says_what_to_type(self):
        with Consortium(["north"], approving=False) as consortium:
            self.start(consortium)
            job_id = consortium.submit(job())
            eventually(lambda: job_id in consortium.at_site("north", "jobs").stdout, "the job is offered", every=0.1)
            digest = json.loads(consortium.at_site("north", "show", job_id, "--json").stdout)["digest"]
            config = consortium.folder / "north/client.yaml"
            alone = run("consilium-client", "approve", job_id, "--config", config, check=False, input="no\n")
            self.assertIn("who asks", alone.stdout)
            self.assertEqual(alone.returncode, 1)
            self.assertIn("wasn't approved with yes", alone.stderr)
            self.assertEqual(consortium.status(job_id)["phase"], "recruiting")
            another = consortium.at_site("north", "approve", digest, "grace", check=False)
            self.assertEqual(another.returncode, 1)
            self.assertIn("was submitted by ada, not by 'grace'", another.stderr)
            # The last line of show is the command, with the named configuration.
            last = consortium.at_site("north", "show", job_id).stdout.splitlines()[-1].split("consilium-client ")[1].split()
            self.assertIn("Approved job", run("consilium-client", *last).stdout)
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")
            lost = run("consilium-client", "jobs", "--config", consortium.folder / "none.yaml", check=False)
            self.assertEqual(lost.returncode, 1)
            self.assertIn("name the client's configuration with --config FILE", lost.stderr)


if __name__ == "__main__":
    unittest.main()
