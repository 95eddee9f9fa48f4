"""Several jobs at once, and the queue."""

import unittest

from consortium import POLICY, Consortium, eventually, job, run
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

    def test_a_job_that_waits_for_a_site_leaves_the_only_slot_to_another_researcher(self):
        with Consortium(SITES, max_running_jobs=1) as consortium:
            data = write_sites(consortium.folder, SITES)
            for researcher in ("grace", "eve"):
                consortium.certify("researcher", researcher)
            consortium.hand_out_rosters()  # with the two sites' rosters, because sites decline their jobs otherwise
            consortium.start_coordinator()
            for site in ("east", "north"):
                consortium.start_site(site, {"chest": data[site]}, policy=POLICY.replace("[ada]", "[ada, grace]"))
            consortium.wait_connected("east", "north")
            waits = consortium.submit(job(name="waits", federation={"rounds": 1, "sites": ["east", "west"], "minimum_sites": 2}, readers=["grace"]))
            works = consortium.submit(job(name="works", federation={"rounds": 2, "sites": ["east", "north"], "minimum_sites": 2}), researcher="grace")
            ended = consortium.wait_ended(works, researcher="grace")
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            self.assertIn("west: is not connected; the job fails if too few come until", consortium.status(waits)["detail"])
            consortium.start_site("west", {"chest": data["west"]})
            self.assertEqual(consortium.wait_ended(waits)["phase"], "finished")

            # Access: ada's job is visible to her and grace, grace's job only to her.
            mine, theirs = (next(entry for entry in consortium.query("jobs") if entry["job_id"] == job_id) for job_id in (waits, works))
            self.assertEqual((mine["researcher"], theirs["researcher"]), ("ada", "grace"))
            self.assertTrue(mine["model"] and mine["history"])
            self.assertEqual((theirs["model"], theirs["history"], theirs["detail"], theirs["sites"]), (None, [], "", {}))
            for command in (["watch", works], ["fetch", works, "--out", consortium.folder / "stolen"],
                            ["report", works, "--out", consortium.folder / "stolen.html"], ["remove", works], ["remove", waits, "as eve"]):
                who = "eve" if command[-1] == "as eve" else "ada"
                refused = consortium.command(*[word for word in command if word != "as eve"], researcher=who, check=False)
                self.assertEqual(refused.returncode, 6, refused.stderr)
                self.assertIn("grace" if who == "ada" else "ada", refused.stderr)
            self.assertFalse((consortium.folder / "stolen").exists())
            self.assertFalse((consortium.folder / "stolen.html").exists())
            consortium.command("report", waits, "--out", consortium.folder / "page.html", researcher="grace")
            page = (consortium.folder / "page.html").read_text()
            for text in (waits, "submitted by ada", "1 of 1", "<td class=\"words\">west</td>"):
                self.assertIn(text, page)
            consortium.command("fetch", waits, "--out", consortium.folder / "read", researcher="grace")
            self.assertTrue((consortium.folder / "read" / "model.safetensors").exists())
            consortium.command("fetch", waits, "--out", consortium.folder / "read", researcher="grace")  # the same job again
            kept = (consortium.folder / "read" / "model.safetensors").read_bytes()
            refused = consortium.command("fetch", works, "--out", consortium.folder / "read", researcher="grace", check=False)
            self.assertEqual(refused.returncode, 2)
            self.assertIn(f"holds the model and report of {waits}, which would be overwritten", refused.stderr)
            self.assertEqual((consortium.folder / "read" / "model.safetensors").read_bytes(), kept)

            # Blobs are removed with the jobs that need them.
            blobs = consortium.folder / "coordinator" / "state" / "blobs"
            self.assertEqual(len(list(blobs.iterdir())), 2)
            consortium.command("remove", waits)
            consortium.command("remove", works, researcher="grace")
            self.assertEqual(list(blobs.iterdir()), [])
            self.assertEqual(consortium.query("jobs"), [])

    def test_a_second_coordinator_on_one_state_folder_is_refused(self):
        with Consortium(["east"]) as consortium:
            daemon = consortium.start_coordinator()
            second = run("consilium-coordinator", "--config", consortium.folder / "coordinator" / "coordinator.yaml", check=False)
            self.assertEqual(second.returncode, 1)
            self.assertIn(f"process {daemon.pid}", second.stderr)
            self.assertEqual(consortium.query("jobs"), [])

    def test_a_fraction_of_the_sites_is_sampled_anew_each_round(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            spec = job(federation={"rounds": 8, "sites": SITES, "minimum_sites": 4, "fraction": 0.5}, evaluation={"every": 4, "split": "test"})
            ended = consortium.wait_ended(consortium.submit(spec))
            self.assertEqual(ended["phase"], "finished", ended["detail"])
            cohorts = [tuple(entry["cohort"]) for entry in ended["history"]]
            self.assertTrue(all(len(cohort) == 2 for cohort in cohorts), cohorts)
            self.assertGreater(len(set(cohorts)), 1)
            # Every site evaluates, whether drawn or not.
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
        """Returns the number of examples that a new job evaluates on."""
        ended = consortium.wait_ended(consortium.submit(job(federation={"rounds": 1}, seed=seed)))
        self.assertEqual(ended["phase"], "finished", ended["detail"])
        return ended["history"][0]["test"]["examples"]


if __name__ == "__main__":
    unittest.main()
