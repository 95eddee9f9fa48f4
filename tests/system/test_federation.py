"""Four hospitals train one model together, while some of them join, leave or decline."""

import json
import unittest

from consortium import BIN, POLICY, Consortium, eventually, job
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]


class Federation(unittest.TestCase):
    def start(self, consortium, sites=SITES, **options):
        data = write_sites(consortium.folder, SITES)
        consortium.start_coordinator()
        for site in sites:
            consortium.start_site(site, {"chest": data[site]}, **options)
        consortium.wait_connected(*sites)
        return data

    def test_four_sites_train_to_the_end(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 6, "sites": SITES, "minimum_sites": 4}))
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            out = consortium.fetch(job_id)
            report = json.loads((out / "report.json").read_text())
            self.assertEqual([entry["round"] for entry in report["rounds"]], [1, 2, 3, 4, 5, 6])
            for entry in report["rounds"]:
                self.assertEqual(sorted(entry["cohort"]), SITES)
                self.assertEqual(entry["test"]["examples"], 4 * 32)
                self.assertGreater(entry["bytes"], 0)
            self.assertGreater(report["rounds"][-1]["test"]["accuracy"], 0.9)
            self.assertLess(report["rounds"][-1]["train_loss"], report["rounds"][0]["train_loss"])
            self.assertTrue((out / "model.safetensors").exists())
            self.assertTrue((out / "metrics.csv").read_text().startswith("round"))

    def test_a_site_killed_in_a_round_is_missed_and_the_quorum_holds(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            spec = job(training={"local_epochs": 60}, federation={"rounds": 3, "sites": SITES, "minimum_sites": 3, "quorum": 0.75})
            job_id = consortium.submit(spec)
            consortium.wait_phase(job_id, "training", 1)
            consortium.daemons["west"].kill()
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            self.assertIn("west", ended["history"][0]["failed"])
            self.assertEqual(sorted(ended["history"][0]["contributed"]), ["east", "north", "south"])
            self.assertIn("site west: disconnected", consortium.daemons["coordinator"].log)

    def test_a_site_logs_a_lost_connection_once_and_comes_back(self):
        with Consortium(["east"]) as consortium:
            self.start(consortium, sites=["east"])
            east = consortium.daemons["east"]
            consortium.daemons["coordinator"].terminate()
            east.wait_for_log("lost the coordinator at")
            consortium.start_coordinator()
            consortium.wait_connected()
            lines = [line for line in east.log.splitlines() if f"127.0.0.1:{consortium.port}" in line]
            self.assertEqual(len([line for line in lines if "connected to" in line]), 2, lines)
            self.assertEqual(len([line for line in lines if "shutting down" in line]), 1, lines)

    def test_below_the_quorum_the_job_fails_and_says_what_was_missing(self):
        with Consortium(SITES) as consortium:
            data = self.start(consortium, sites=["east"])
            consortium.start_site("north", {"chest": data["north"]}, trainer={"command": [str(BIN / "consilium-rogue-trainer"), "nan-delta"]})
            consortium.wait_connected("east", "north")
            spec = job(federation={"rounds": 3, "sites": ["east", "north"], "minimum_sites": 2, "quorum": 1.0, "deadline": "20s"})
            ended = consortium.wait_ended(consortium.submit(spec))
            self.assertEqual(ended["phase"], "failed")
            self.assertIn("1 of 2", ended["detail"])
            self.assertIn("north: training failed", ended["detail"])

    def test_a_site_that_joins_late_takes_part(self):
        with Consortium(SITES) as consortium:
            data = self.start(consortium, sites=["east", "north", "south"])
            spec = job(training={"local_epochs": 20}, federation={"rounds": 12, "sites": SITES, "minimum_sites": 3, "quorum": 0.5})
            job_id = consortium.submit(spec)
            consortium.wait_phase(job_id, "training", 1)
            consortium.start_site("west", {"chest": data["west"]})
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            self.assertNotIn("west", ended["history"][0]["contributed"])
            self.assertIn("west", ended["history"][-1]["contributed"])

    def test_a_declined_job_says_why_on_both_sides(self):
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, SITES)
            consortium.start_coordinator()
            for site in SITES:
                policy = POLICY.replace("max_rounds: 1000", "max_rounds: 2") if site == "south" else POLICY
                consortium.start_site(site, {"chest": data[site]}, policy=policy)
            consortium.wait_connected()
            job_id = consortium.submit(job(federation={"rounds": 3, "sites": SITES, "minimum_sites": 3}))
            ended = consortium.wait_ended(job_id)
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            self.assertEqual(sorted(ended["history"][0]["cohort"]), ["east", "north", "west"])
            self.assertIn("max_rounds", ended["sites"]["south"])
            self.assertIn("max_rounds", consortium.daemons["south"].log)
            self.assertIn("max_rounds", consortium.daemons["coordinator"].log)

    def test_without_a_policy_there_is_no_participation(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            consortium.start_coordinator()
            daemon = consortium.start_site("east", {"chest": data["east"]}, policy=None)
            eventually(lambda: daemon.process.poll() is not None, "the client without a policy gives up")
            self.assertEqual(daemon.process.returncode, 1)
            self.assertIn("policy.yaml", daemon.log)

    def test_a_job_can_be_stopped_by_its_researcher_alone(self):
        with Consortium(["east"]) as consortium:
            data = write_sites(consortium.folder, ["east"])
            consortium.certify("researcher", "eve")
            consortium.start_coordinator()
            consortium.start_site("east", {"chest": data["east"]})
            consortium.wait_connected()
            job_id = consortium.submit(job(training={"local_epochs": 50}, federation={"rounds": 1000}))
            consortium.wait_phase(job_id, "training", 1)
            refused = consortium.command("stop", job_id, researcher="eve", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("ada", refused.stderr)
            consortium.command("stop", job_id)
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "stopped")


if __name__ == "__main__":
    unittest.main()
