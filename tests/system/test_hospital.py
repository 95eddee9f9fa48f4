"""A hospital's day in mode masked, by the commands of docs/hospital-it: enrolment, the roster, approval, the list of what left, and
declined jobs."""

import json
import os
import pathlib
import re
import signal
import shutil
import unittest

from consortium import POLICY, Consortium, eventually, job, population, run
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/hospital-it/approving.md"


def masked_job(**sections):
    """A job with a known model, and no key of its own about privacy."""
    spec = {**job(masked=True, **sections), "model": {"name": "mlp_2nn", "input": [1, 28, 28], "classes": 2}}
    del spec["privacy"]
    return spec


def commands_of(page):
    """Returns every line of the page's shell examples."""
    return [line.split("#")[0].strip() for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S) for line in block.splitlines() if line.strip()]


def start(consortium, policy=POLICY):
    consortium.start_coordinator()
    for site, data in write_sites(consortium.folder, consortium.sites).items():
        consortium.start_site(site, {"chest": data}, policy=policy)
    consortium.wait_connected()


def wait_state(consortium, site, job_id, state):
    def there():
        listed = json.loads(consortium.at_site(site, "jobs", "--json").stdout)["jobs"]
        return any(one["job_id"] == job_id and one["state"] == state for one in listed)

    eventually(there, f"{job_id} {state} at {site}", every=0.1)


class Shared(unittest.TestCase):
    """One consortium, with a job in each test."""

    approving = True

    @classmethod
    def setUpClass(cls):
        cls.consortium = Consortium(FOUR, populations=population(), approving=cls.approving)
        cls.consortium.__enter__()
        cls.addClassCleanup(cls.consortium.__exit__, None, None, None)
        start(cls.consortium)


class Approval(Shared):
    approving = False

    def test_a_job_waits_until_every_hospital_has_approved_it(self):
        consortium = self.consortium
        job_id = consortium.submit(masked_job())
        for site in FOUR:
            wait_state(consortium, site, job_id, "waits")
        for site in FOUR[:3]:
            consortium.approve(site, job_id)
            wait_state(consortium, site, job_id, "approved")
        eventually(lambda: consortium.status(job_id)["sites"]["west"] == "waits for approval", "the researcher sees whom it waits for")
        self.assertIn("west: waits for approval", consortium.status(job_id)["detail"])
        self.assertEqual(json.loads(consortium.at_site("east", "releases", "--json").stdout)["releases"], [])
        consortium.approve("west", job_id)
        self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")

    def test_one_hospital_that_declines_ends_the_job_before_and_while_it_runs(self):
        consortium = self.consortium
        for seed, approve in ((1, False), (2, True)):
            job_id = consortium.submit(masked_job(seed=seed, federation={"rounds": 100}))
            for site in FOUR:
                wait_state(consortium, site, job_id, "waits")
                if approve:
                    consortium.approve(site, job_id)
            if approve:
                consortium.wait_phase(job_id, "training", 1)
            consortium.at_site("west", "decline", job_id)
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("west declined: declined", ended["detail"])


class Declined(Shared):
    def test_a_plain_job_over_a_masked_population_is_declined_and_only_the_hospital_has_the_values(self):
        consortium = self.consortium
        ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1, "minimum_sites": 4, "sites": FOUR})))
        self.assertEqual(ended["phase"], "failed")
        keys = dict(re.findall(r"(east|north|south|west): declined: (\w+)", ended["detail"]))
        self.assertTrue(keys, ended["detail"])
        self.assertEqual(set(keys.values()), {"roster"})  # only the key
        for site in FOUR:
            consortium.daemons[site].wait_for_log("declined job")
            self.assertRegex(consortium.daemons[site].log, r"declined job .*'chest'.*masked")

    def test_a_job_is_its_researchers_and_of_these_hospitals(self):
        consortium = self.consortium
        consortium.certify("researcher", "eve")  # the hospitals' roster doesn't list eve
        shutil.copy(consortium.make_roster(), consortium.folder / "eve" / "roster.yaml")
        file = consortium.folder / "job.yaml"
        file.write_text(json.dumps(masked_job()))
        made = consortium.command("submit", file, "--roster", consortium.folder / "eve" / "roster.yaml", "--json", researcher="eve")
        job_id = json.loads(made.stdout)["job_id"]
        ended = eventually(lambda: next((one for one in consortium.query("jobs", researcher="eve") if one["job_id"] == job_id and one["phase"] == "failed"), None), "it fails")
        self.assertRegex(ended["detail"], "(east|north|south|west):? declined: signature")
        eventually(lambda: any("eve" in consortium.daemons[site].log for site in FOUR), "a hospital's log names who asked")

        # A roster in which one hospital has another name. The other clients know no such hospital.
        text = consortium.roster.read_text()
        other = consortium.folder / "renamed.yaml"
        other.write_text(text.replace('"west"', '"zest"'))
        job_id = json.loads(consortium.command("submit", file, "--roster", other, "--json").stdout)["job_id"]
        eventually(lambda: any("zest" in consortium.daemons[site].log for site in FOUR), "a hospital says which site it doesn't know")
        eventually(lambda: consortium.status(job_id)["phase"] == "failed", "the job ends")


class Hospital(unittest.TestCase):
    def test_policy_and_roster_are_read_again_without_a_restart(self):
        with Consortium(FOUR, populations=population()) as consortium:
            start(consortium, policy=POLICY.replace("max_rounds: 1000", "max_rounds: 2"))
            east = consortium.daemons["east"]
            declined = consortium.wait_ended(consortium.submit(masked_job(federation={"rounds": 3})))
            self.assertIn("declined: max_rounds", declined["detail"])
            for site in FOUR:  # by SIGHUP at one site, on the file's change at the others
                (consortium.folder / site / "policy.yaml").write_text(POLICY)
            os.kill(east.pid, signal.SIGHUP)
            for site in FOUR:
                consortium.daemons[site].wait_for_log("policy.yaml again")
            consortium.populations = population(examples=100)
            consortium.hand_out_rosters()
            os.kill(east.pid, signal.SIGHUP)
            for site in FOUR:
                consortium.daemons[site].wait_for_log("roster.yaml again")
            ended = consortium.wait_ended(consortium.submit(masked_job(seed=8, federation={"rounds": 3})))
            self.assertEqual(ended["phase"], "finished", ended["detail"])

    def test_a_day_as_the_page_tells_it(self):
        """Types each command of approving.md, in order, at the hospital north."""
        with Consortium(FOUR, populations=population(), approving=False) as consortium:
            data = write_sites(consortium.folder, FOUR)
            consortium.start_coordinator()
            north = consortium.folder / "north"
            config = consortium.configure_site("north", {"chest": data["north"]})
            for site in ("east", "south", "west"):
                consortium.start_site(site, {"chest": data[site]}, policy=POLICY + "researchers: [ada]\n")

            typed, answers = [], {}
            for line in commands_of(PAGE):
                words = line.split()
                self.assertEqual(words[0], "consilium-client", line)
                typed.append(" ".join(word for word in words[1:3] if not word.startswith("-")))
                if words[1] == "jobs" and "approve" not in answers:  # the client runs now, and a job arrives
                    consortium.start_site("north", {"chest": data["north"]})
                    consortium.wait_connected()
                    job_id = consortium.submit(masked_job(name="chest-xray", federation={"rounds": 3}))
                    self.assertEqual(job_id, "chest-xray-1")
                    wait_state(consortium, "north", job_id, "waits")
                if words[1] == "decline":  # a job other than the approved one
                    self.assertEqual(consortium.wait_ended("chest-xray-1")["phase"], "finished")
                    second = consortium.submit(masked_job(name="chest-xray", seed=8))
                    self.assertEqual(second, words[2])
                    wait_state(consortium, "north", second, "waits")
                if words[1:] == ["approve", "chest-xray-1"]:  # shows the job and asks; without a yes nothing is decided
                    asked = run(*words, "--config", config, input="no\n", check=False)
                    self.assertIn("4: east, north, south, west", asked.stdout)
                    self.assertIn("nothing was decided", asked.stderr)
                    self.assertNotEqual(asked.returncode, 0)
                    wait_state(consortium, "north", "chest-xray-1", "waits")
                    self.assertIn("Approved job chest-xray-1 of ada", run(*words, "--config", config, input="yes\n").stdout)
                    wait_state(consortium, "north", "chest-xray-1", "approved")
                    continue
                if words[1] == "approve":  # the page has a different digest; to approve again changes nothing
                    self.assertEqual(words[2:], ["3f0c9a7e51b2d8407c6a0e9d24b1f3587e60a9c2d4f8b1353a7c9e0d6b2f4a18", "ada"])
                    self.assertRegex(answers["show"], rf"to approve +consilium-client approve [0-9a-f]{{64}} ada --config {re.escape(str(config))}\n")
                    words[2] = re.search(r"approve ([0-9a-f]{64})", answers["show"])[1]
                words = [str(north / "roster.yaml") if word == "roster.yaml" else word for word in words]
                answers[words[1] if words[1] != "roster" else "roster check"] = run(*words, "--config", config).stdout
            self.assertEqual(typed, ["roster check", "jobs", "show chest-xray-1", "approve chest-xray-1", "approve 3f0c9a7e51b2d8407c6a0e9d24b1f3587e60a9c2d4f8b1353a7c9e0d6b2f4a18", "decline chest-xray-2", "releases"])
            self.assertIn("north", answers["roster check"])
            self.assertRegex(answers["jobs"], r"chest-xray-1 +[0-9a-f]{16} +ada +.*waits for approval")
            for words in ("ada (signature verified)", "4: east, north, south, west", "3 sums of updates and 4 sums of counts, each over 4 hospitals"):
                self.assertIn(words, answers["show"])
            self.assertEqual(len(re.findall(r"^chest +chest-xray-1 +ada +(?:census|train|evaluate) ", answers["releases"], re.M)), 7)
            self.assertRegex(answers["releases"], r"approved +[0-9a-f]{16} +ada")
            self.assertRegex(answers["releases"], r"declined +[0-9a-f]{16} +ada")
            self.assertIn("north declined: declined", consortium.wait_ended("chest-xray-2")["detail"])


if __name__ == "__main__":
    unittest.main()
