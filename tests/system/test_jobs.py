"""Several jobs at once, and the queue."""

import unittest

from consortium import Consortium, eventually, job
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]


class Jobs(unittest.TestCase):
    def start(self, consortium):
        data = write_sites(consortium.folder, SITES)
        consortium.start_coordinator()
        for site in SITES:
            consortium.start_site(site, {"chest": data[site]})
        consortium.wait_connected()

    def test_two_jobs_on_different_sites_run_at_once(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            slow = {"training": {"local_epochs": 40}}
            first = consortium.submit(job(name="first", federation={"rounds": 4, "sites": ["east", "north"]}, **slow))
            second = consortium.submit(job(name="second", federation={"rounds": 4, "sites": ["south", "west"]}, **slow))

            def both_train():
                return all(consortium.status(job_id)["phase"] == "training" for job_id in (first, second))

            eventually(both_train, "both jobs train at the same time")
            for job_id in (first, second):
                self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")

    def test_two_jobs_that_share_a_site_run_one_after_the_other(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            first = consortium.submit(job(name="first", training={"local_epochs": 20}, federation={"rounds": 3, "sites": ["east", "north"]}))
            second = consortium.submit(job(name="second", federation={"rounds": 2, "sites": ["north", "south"]}))
            self.assertEqual(consortium.status(second)["phase"], "queued")
            self.assertEqual(consortium.wait_ended(first)["phase"], "finished")
            ended = consortium.wait_ended(second)
            self.assertEqual(ended["phase"], "finished", ended["detail"])

    def test_a_fraction_of_the_sites_is_sampled_anew_each_round(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            spec = job(federation={"rounds": 8, "sites": SITES, "minimum_sites": 4, "fraction": 0.5}, evaluation={"every": 4, "split": "test"})
            ended = consortium.wait_ended(consortium.submit(spec))
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            cohorts = [tuple(entry["cohort"]) for entry in ended["history"]]
            self.assertTrue(all(len(cohort) == 2 for cohort in cohorts), cohorts)
            self.assertGreater(len(set(cohorts)), 1)
            # Every site evaluates, sampled or not.
            self.assertEqual([entry["test"]["examples"] for entry in ended["history"] if entry.get("test")], [4 * 32, 4 * 32])

    def test_a_changed_data_file_is_read_again_for_the_next_job(self):
        with Consortium(["east"]) as consortium:
            file = write_sites(consortium.folder, ["east"])["east"]
            consortium.start_coordinator()
            consortium.start_site("east", {"chest": file})
            consortium.wait_connected()
            self.assertEqual(self.examples(consortium, seed=1), 32)
            write_sites(consortium.folder, ["east"], evaluation=48)
            self.assertEqual(self.examples(consortium, seed=2), 48)

    def examples(self, consortium, seed):
        """How many examples a new job evaluates on."""
        ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1}, seed=seed)))
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        return ended["history"][0]["test"]["examples"]


if __name__ == "__main__":
    unittest.main()
