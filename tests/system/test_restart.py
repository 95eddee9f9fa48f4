"""A coordinator that is stopped or killed, and started again: what its jobs had achieved is still there."""

import json
import unittest

from consortium import Consortium, eventually, job
from sitedata import write_sites

SITES = ["north", "south"]


class Restart(unittest.TestCase):
    def start(self, consortium, train=64):
        data = write_sites(consortium.folder, SITES, train=train)
        consortium.start_coordinator()
        for site in SITES:
            consortium.start_site(site, {"chest": data[site]})
        consortium.wait_connected()

    def blobs(self, consortium):
        return sum(1 for file in (consortium.folder / "coordinator/state/blobs").rglob("*") if file.is_file())

    def test_a_finished_job_gives_the_same_files_after_a_restart(self):
        with Consortium(SITES) as consortium:
            self.start(consortium)
            job_id = consortium.submit(job(federation={"rounds": 3, "sites": SITES, "minimum_sites": 2}))
            self.assertEqual(consortium.wait_ended(job_id)["phase"], "finished")
            before, after = consortium.folder / "before", consortium.folder / "after"
            consortium.command("fetch", job_id, "--out", before)
            consortium.daemons["coordinator"].terminate()
            consortium.start_coordinator()
            consortium.command("fetch", job_id, "--out", after)
            for name in ("model.safetensors", "report.json", "metrics.csv"):
                self.assertEqual((before / name).read_bytes(), (after / name).read_bytes(), name)
            # The number goes on, so that no two jobs have one name; and the sites work for the new process.
            consortium.wait_connected()
            second = consortium.submit(job(seed=8, federation={"rounds": 1, "sites": SITES, "minimum_sites": 2}))
            self.assertEqual(second, "stripes-2")
            self.assertEqual(consortium.wait_ended(second)["phase"], "finished")
            for one in (job_id, second):
                consortium.command("remove", one)
            self.assertEqual(self.blobs(consortium), 0)

    def test_a_job_of_a_killed_coordinator_has_failed_and_its_last_model_can_be_fetched(self):
        with Consortium(SITES) as consortium:
            self.start(consortium, train=1600)
            job_id = consortium.submit(job(federation={"rounds": 200, "sites": SITES, "minimum_sites": 2}))
            eventually(lambda: self.last_round(consortium, job_id).get("round", 0) >= 3, "three rounds are finished")
            seen = self.last_round(consortium, job_id)
            consortium.daemons["coordinator"].kill()
            coordinator = consortium.start_coordinator()
            self.assertIn(f"warning [job.interrupted] job {job_id}: the coordinator ended after round", coordinator.log)
            status = consortium.status(job_id)
            self.assertEqual(status["phase"], "failed")
            self.assertIn("go on from its model, which 'consilium fetch' gives", status["detail"])
            history = consortium.wait_ended(job_id)["history"]
            self.assertEqual([record["round"] for record in history], list(range(1, len(history) + 1)))
            kept = history[seen["round"] - 1]
            for key in ("round", "cohort", "contributed", "failed", "seconds"):  # whatever a researcher was shown is still there
                self.assertEqual(kept[key], seen[key], key)
            out = consortium.folder / "kept"
            consortium.command("fetch", job_id, "--out", out)
            report = json.loads((out / "report.json").read_text())
            self.assertEqual(report["phase"], "failed")
            self.assertEqual(len(report["rounds"]), len(history))
            # The model goes on in a new job.
            consortium.wait_connected()
            going_on = consortium.submit(job(seed=9, initial_weights={"path": str(out / "model.safetensors")},
                                             federation={"rounds": 1, "sites": SITES, "minimum_sites": 2}))
            self.assertEqual(consortium.wait_ended(going_on)["phase"], "finished")

    @staticmethod
    def last_round(consortium, job_id):
        """Returns the record of the job's last finished round, or {} if there is none: `jobs` lists no earlier rounds."""
        history = consortium.status(job_id).get("history", [])
        return history[-1] if history else {}


if __name__ == "__main__":
    unittest.main()
