"""Rosters: who gets them, what is done with them, and where the authority's key is not."""

import json
import pathlib
import tempfile
import unittest

from consortium import Consortium, job, run
from sitedata import write_sites

SITES = ["east", "north", "south", "west"]


class Rosters(unittest.TestCase):
    def submit(self, consortium, spec, *arguments):
        file = consortium.folder / "job.yaml"
        file.write_text(json.dumps(spec))
        return consortium.command("submit", file, *arguments, check=False)

    def test_a_masked_job_without_a_roster_is_refused_before_anything_is_sent(self):
        with Consortium(SITES) as consortium:  # no coordinator runs
            refused = self.submit(consortium, job(masked=True))
            self.assertEqual(refused.returncode, 1)
            self.assertIn("federation.roster: job 'stripes' uses secure aggregation", refused.stderr)
            self.assertIn("consilium submit --roster FILE", refused.stderr)

    def test_a_roster_must_have_the_sites_that_the_job_lists(self):
        with Consortium(SITES) as consortium:
            refused = self.submit(consortium, job(masked=True, federation={"rounds": 1, "sites": [*SITES, "centre"]}), "--roster", consortium.roster)
            self.assertEqual(refused.returncode, 1)
            self.assertIn("job.yaml: federation.sites: 'centre' isn't in the roster", refused.stderr)

    def test_a_job_without_masks_takes_no_roster(self):
        with Consortium(SITES) as consortium:
            refused = self.submit(consortium, job(), "--roster", consortium.roster)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("leave the roster out", refused.stderr)

    def test_a_client_checks_its_roster_before_it_starts(self):
        with Consortium(SITES) as consortium:
            data = write_sites(consortium.folder, ["east"])

            def check():
                return run("consilium-client", "--config", consortium.configure_site("east", {"chest": data["east"]}), "--check", check=False)

            consortium.port = 1  # nothing is connected to
            self.assertEqual(check().returncode, 0)
            roster = consortium.folder / "east" / "roster.yaml"
            text = roster.read_text()
            roster.write_text(text.replace(consortium.name, "another-study"))
            self.assertIn("client.yaml: roster: roster.yaml: consortium: expected 'lung-consortium'", check().stderr)
            roster.write_text(text.replace("fingerprint:", "fingerprnt:", 1))
            self.assertIn("roster.yaml: sites[0].fingerprnt: unknown key", check().stderr)

    def test_the_sandbox_gives_every_member_a_roster_and_keeps_the_authority_from_the_coordinator(self):
        with tempfile.TemporaryDirectory(prefix="consilium-system-") as folder:
            folder = pathlib.Path(folder)
            (folder / "job.yaml").write_text(json.dumps({
                "name": "tiny", "model": {"layers": [{"linear": 10}], "input": [60], "classes": 10}, "data": {"dataset": "synthetic"},
                "training": {"optimizer": {"name": "sgd", "learning_rate": 0.01}}, "federation": {"rounds": 1, "sites": SITES},
                "privacy": {"secure_aggregation": "off"}, "evaluation": {"every": 1, "split": "test"}}))
            done = run("consilium", "sandbox", folder / "job.yaml", "--data", "synthetic:1,1", "--keep", folder / "kept", check=False)
            self.assertIn(done.returncode, (0, 7), done.stderr)  # 7: better or not than alone, which is not the question here
            self.assertIn("secure aggregation is off", done.stdout)
            kept = folder / "kept"
            self.assertTrue((kept / "offline" / "ca" / "root.key").exists())
            self.assertEqual(list(kept.rglob("root.key")), [kept / "offline" / "ca" / "root.key"])
            self.assertIn("has no business on the coordinator's", (kept / "README.txt").read_text())
            roster = (kept / "researcher" / "roster.yaml").read_text()
            for site in SITES:
                self.assertIn(f'name: "{site}"', roster)
                self.assertEqual((kept / "sites" / site / "roster.yaml").read_text(), roster)
                self.assertIn("roster: roster.yaml", (kept / "sites" / site / "client.yaml").read_text())


if __name__ == "__main__":
    unittest.main()
