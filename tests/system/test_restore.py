"""A hospital whose record of masked jobs was restored from a backup. It stays out until it has adopted the others' ledgers, by the commands
of its page."""

import json
import pathlib
import re
import shutil
import unittest

from consortium import Consortium, eventually, job, population, run
from sitedata import write_sites

FOUR = ["east", "north", "south", "west"]
PAGE = pathlib.Path(__file__).resolve().parents[2] / "docs/hospital-it/restoring.md"


def masked(seed):
    spec = job(masked=True, seed=seed, federation={"rounds": 1})
    del spec["privacy"]
    return spec


def commands_of(page):
    return [line.split("#")[0].split() for block in re.findall(r"```sh\n(.*?)```", page.read_text(), re.S) for line in block.splitlines() if line.startswith("consilium-client")]


class Restore(unittest.TestCase):
    def setUp(self):
        self.consortium = Consortium(FOUR, populations=population())
        self.consortium.__enter__()
        self.addCleanup(self.consortium.__exit__, None, None, None)
        self.data = write_sites(self.consortium.folder, FOUR)
        self.consortium.start_coordinator()
        for site in FOUR:
            self.start(site)
        self.consortium.wait_connected()
        self.state = self.consortium.folder / "north" / "state"

    def start(self, site):
        self.consortium.start_site(site, {"chest": self.data[site]})

    def finish(self, seed):
        ended = self.consortium.wait_ended(self.consortium.submit(masked(seed)))
        self.assertEqual(ended["phase"], "finished", ended["detail"])

    def put_back(self, backup):
        """Stops north and restores its state to the earlier one."""
        self.consortium.daemons["north"].terminate()
        shutil.rmtree(self.state)
        shutil.copytree(backup, self.state)

    def test_as_the_page_tells_it(self):
        consortium, folder = self.consortium, self.consortium.folder
        self.finish(1)
        consortium.daemons["north"].terminate()
        shutil.copytree(self.state, folder / "backup")
        self.start("north")
        consortium.wait_connected()
        self.finish(2)
        self.put_back(folder / "backup")
        self.start("north")
        consortium.wait_connected()

        # With its old state it takes no part, even in newly submitted jobs, and reports what to do.
        for seed in (3, 4):
            waiting = consortium.submit(masked(seed))
            consortium.daemons["north"].wait_for_log("consilium-client ledger request")
            for site in FOUR:  # each of them must count the job's sums before it is stopped
                eventually(lambda: consortium.ask_site(site, "show", waiting).get("sums", {}).get("counted"), f"{site} has accepted {waiting}")
            consortium.command("stop", waiting)
            consortium.wait_ended(waiting)
        self.assertIn("put back from a backup", consortium.daemons["north"].log)
        consortium.daemons["north"].terminate()

        answers, code = {}, None
        for words in commands_of(PAGE):
            if words[2] == "export":  # at each of the other hospitals, whose clients are running
                for site in ("east", "south", "west"):
                    here = {"5f0c9a7e21d4b386": code, "east.ledger": str(folder / f"{site}.ledger")}
                    answers[site] = run(*(here.get(word, word) for word in words), "--config", folder / site / "client.yaml").stdout
                continue
            words = [str(folder / word) if word.endswith(".ledger") else word for word in words]
            if words[2] == "adopt":
                fewer = run(*words[:-1], "--config", folder / "north" / "client.yaml", check=False)
                self.assertEqual(fewer.returncode, 1)
                self.assertIn("missing: west", fewer.stderr)
            answers[words[2]] = run(*words, "--config", folder / "north" / "client.yaml").stdout
            if words[2] == "request":
                code = re.search(r"--for north --code ([0-9a-f]{16})", answers["request"])[1]
        self.assertEqual(list(answers), ["request", "east", "south", "west", "adopt"])
        self.assertIn("the ledgers of east, south, west", answers["request"])
        self.assertIn("Group {east, north, south, west}", answers["adopt"])
        self.assertRegex(answers["adopt"], r"Population chest: this site contributed to \d+ sums")
        self.assertIn("closed to this site permanently", answers["adopt"])
        again = run("consilium-client", "ledger", "adopt", folder / "east.ledger", "--config", folder / "north" / "client.yaml", check=False)
        self.assertIn("this site has made no request", again.stderr)

        self.start("north")
        consortium.wait_connected()
        self.finish(5)
        used = {site: json.loads(consortium.at_site(site, "show", "stripes-5", "--json").stdout)["sums"]["used"] for site in ("east", "north")}
        self.assertEqual(used["north"], used["east"])  # the sums of the job that north had forgotten count
        given = json.loads(consortium.at_site("north", "releases", "--json").stdout)["releases"]
        self.assertTrue(any(one["kind"] == "train" for one in given))

    def test_files_of_an_earlier_request_are_refused(self):
        consortium, folder = self.consortium, self.consortium.folder
        self.finish(1)
        consortium.daemons["north"].terminate()
        files = []
        code = re.search(r"--code ([0-9a-f]{16})", consortium.at_site("north", "ledger", "request").stdout)[1]
        for site in ("east", "south", "west"):
            files.append(folder / f"{site}.ledger")
            consortium.at_site(site, "ledger", "export", "--for", "north", "--code", code, "--out", files[-1])
        consortium.at_site("north", "ledger", "request")
        refused = consortium.at_site("north", "ledger", "adopt", *files, check=False)
        self.assertEqual(refused.returncode, 1)
        self.assertIn("it answers another request", refused.stderr)


if __name__ == "__main__":
    unittest.main()
